"""Every notebook twice in one kernel, and the commands of the course, in the strangest place (strange.py) and without network."""

import itertools
import re
import shutil
import sys
from functools import cache

import nbformat
import pytest
import strange
from nbformat import v4
from nbval.plugin import get_sanitize_patterns
from strange import LESSONS, ROOT, STRANGEST, clone, read_only_binds, run_there, seen

from tools import build

LANGUAGES = dict(zip(LESSONS, itertools.cycle(["zh", "en"])))  # the code is the same in both
SANITIZE = get_sanitize_patterns((ROOT / "tests" / "nbval_sanitize.cfg").read_text("utf-8"))
CHINESE = re.compile("[\u4e00-\u9fff]")

needs_read_only = pytest.mark.skipif("not read_only_binds()", reason="nothing keeps us from writing here")


def same(one, other):
    """Whether nbval would take the outputs for the same."""
    for pattern, instead in SANITIZE:
        one, other = ([[kind, re.sub(pattern, instead, text)] for kind, text in texts] for texts in (one, other))
    return one == other


def trouble(lesson, lang, place, thoroughly, compared):
    """What goes wrong with a notebook there, in a sentence; "" if nothing does."""
    told = seen(lesson, lang, place, thoroughly)
    if "failed" in told:
        return told["failed"]
    first, second, *third = (turn["compared"] for turn in told["turns"])
    for name in first:
        if compared and not same(*first[name]):
            return f'cell "{name}" shows something else than in the repository'
        if not same(first[name][1], second[name][1]):
            return f'cell "{name}" shows something else in a second run'
    for name in third[0] if third and compared else []:
        if not same(*third[0][name]):
            return f'cell "{name}" shows something else after a run in the other language'
    return ""


def culprit(lesson, lang, thoroughly, compared):
    """Of what is strange about the place, that without which all goes well."""
    for what in STRANGEST._fields:
        if not trouble(lesson, lang, STRANGEST._replace(**{what: False}), thoroughly, compared):
            return f"without {what} all is well"
    return "and no one strange thing alone is to blame"


def check(lesson, thoroughly, request):
    conftest = request.config.pluginmanager.get_plugin(str(ROOT / "conftest.py"))
    lang, compared = LANGUAGES[lesson], not conftest.why_not_compared()
    wrong = trouble(lesson, lang, STRANGEST, thoroughly, compared)
    assert not wrong, f"{lang}/{lesson}: {wrong}; {culprit(lesson, lang, thoroughly, compared)}"
    told = seen(lesson, lang, STRANGEST, thoroughly)
    assert told["turns"][0]["compared"].keys() == told["turns"][1]["compared"].keys() != set()
    assert told["place"] == {
        "folder": str(clone(True, True) / "notebooks" / lang),
        "network is cut off": True,
        "can write": not read_only_binds(),
        "LC_ALL": "C",
    }


def test_lesson_00_runs_twice_in_a_kernel_in_the_strangest_place(request):
    check(LESSONS[0], False, request)


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_runs_twice_in_a_kernel_and_then_in_the_other_language_in_the_strangest_place(lesson, request):
    check(lesson, True, request)


@pytest.mark.slow
@needs_read_only
@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("n = globals().get('n', 0) + 1\nn", "shows something else in a second run"),
        ("Path('a').write_text('a');", "Permission denied: 'a'; without read_only all is well"),
        ("str(here).encode('ascii');", "can't encode .*; without odd_path all is well"),
    ],
)
def test_what_goes_wrong_is_told_with_what_is_to_blame(code, told, tmp_path, monkeypatch):
    """In a course whose lesson 00 has this cell alone."""
    for name in strange.course_files():
        if name.startswith(
            ("helpers/", "lessons/", "tests/", "tools/", "pocket/", "data/fonts/", "data/captions/train.json")
        ):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tmp_path / name)
    for lang in ("en", "zh"):
        cell = v4.new_code_cell(code, metadata={"tags": ["nbval-check-output"]})
        (tmp_path / "notebooks" / lang).mkdir(parents=True)
        book = v4.new_notebook(cells=[v4.new_code_cell(build.make_setup_code(lang)), cell])
        nbformat.write(book, tmp_path / "notebooks" / lang / "00.ipynb")
    monkeypatch.setattr(strange, "ROOT", tmp_path)
    for cached in ("clone", "seen"):
        monkeypatch.setattr(strange, cached, cache(getattr(strange, cached).__wrapped__))
    monkeypatch.setattr(sys.modules[__name__], "seen", strange.seen)
    wrong = trouble("00", "en", STRANGEST, False, False)
    blamed = culprit("00", "en", False, False) if "without" in told else ""
    assert re.search(told, f"{wrong}; {blamed}"), (wrong, blamed)


# --- the commands --------------------------------------------------------------------------------------------------------------


@needs_read_only
def test_build_check_and_the_doctor_work_where_nothing_can_be_written():
    check, doctor = run_there("course.py", "build", "--check", "--here"), run_there("course.py", "doctor", "--here")
    assert (check.returncode, check.stdout, check.stderr) == (
        0,
        "The notebooks, from lessons/\nScripts and notebooks agree.\n",
        "",
    )
    assert (doctor.returncode, doctor.stderr) == (0, "") and "FAIL" not in doctor.stdout, doctor.stdout


@needs_read_only
@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("lab --no-browser", ".venv"),
        ("lab --no-browser --here", "work"),
        ("test", ".venv"),
        ("doctor --record", "data/SHA256SUMS"),
        ("build --here 00", "notebooks"),
        ("build --here --no-solutions", ""),
        ("bench --here", "benchmarks"),
    ],
)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_command_that_must_write_says_in_one_sentence_that_it_cannot(command, what, lang):
    ran = run_there("course.py", *command.split(), "--lang", lang)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert len(ran.stderr.splitlines()) == 1 and "Traceback" not in ran.stderr, ran.stderr
    assert str(clone(True, True) / what) in ran.stderr
    assert bool(CHINESE.search(ran.stderr.replace(str(clone(True, True)), ""))) == (lang == "zh")


@needs_read_only
def test_the_fine_tuning_script_says_in_one_sentence_that_it_cannot_write_and_what_to_do():
    ran = run_there("soft_prompt_finetune.py")
    told = f"nothing can be written to {clone(True, True)}: name another folder by --output\n"
    assert (ran.returncode, ran.stderr) == (1, told)
