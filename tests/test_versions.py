"""The lists of constraints/, the command that tries them, and what docs/tested-with.md says of them. Nothing is installed here."""

import os
import re
import sys
import time

import pytest

from tools import console, doctor, install, versions

EN = console.speaker("en")
ROOT = console.ROOT
NAMES = list(versions.ENVIRONMENTS)

REPORT = """<testsuites><testsuite>
<testcase classname="tests.test_a" name="test_good" />
<testcase classname="tests.test_a.TestOf" name="test_bad[x]"><failure message="no">Traceback</failure></testcase>
<testcase classname="tests.test_a" name="test_torn"><error message="failed on teardown">Traceback</error></testcase>
<testcase classname="tests.test_a" name="test_left_out"><skipped type="pytest.skip" message="no browser" /></testcase>
<testcase classname="notebooks.en.00_start_here.ipynb" name="Cell 0" />
<testcase classname="notebooks.en.00_start_here.ipynb" name="Cell 1"><skipped message="tag" /></testcase>
<testcase classname="notebooks.zh.00_start_here.ipynb" name="Cell 0"><failure message="no">Traceback</failure></testcase>
<testcase classname="notebooks.zh.00_start_here.ipynb" name="Cell 1" />
</testsuite></testsuites>"""
BROKEN = '<testsuites><testcase classname="" name="tests.test_b"><error message="collection failure" /></testcase></testsuites>'


def pins(name):
    """{"torch": "2.13.0", ...} of an environment's list."""
    lines = (ROOT / versions.ENVIRONMENTS[name].constraints).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def result(**changes):
    installed = {"python": "3.11"} | dict.fromkeys(versions.PACKAGES, "1.0")
    usual = versions.Result("2026-11-26", "f67cc31", installed, 400, 0, 2, 14, 14, 605, [])
    return usual._replace(**changes)


# The lists


def test_the_oldest_are_the_lower_ends_of_the_requirements():
    """2.1 of ">=2.1" is met by 2.1.0 or 2.1.3. torch is the exception that the list explains."""
    oldest = pins("oldest")
    lower_ends = {
        name: re.search(r">=([\d.]+)", supported)[1] for name, supported in doctor.read_requirements().items()
    }
    assert set(oldest) == set(lower_ends)
    above = [name for name, end in lower_ends.items() if not f"{oldest[name]}.".startswith(f"{end}.")]
    assert above == ["torch"]


def test_colabs_are_within_the_requirements_and_lack_only_what_no_lesson_imports():
    colab, required = pins("colab"), doctor.read_requirements()
    assert set(required) - set(colab) <= {"jupyterlab", "playwright", "axe-playwright-python", "ruff", "pytest-xdist"}
    assert all(doctor.lies_in(colab[name], supported) for name, supported in required.items() if name in colab)


def test_the_environments_cover_what_is_promised():
    """Three Pythons; transformers 4.57, 5.15 and the tested one; ipywidgets 7.7 and 8; matplotlib 3.10 and a newer one."""
    oldest, colab, tested = pins("oldest"), pins("colab"), pins("tested")
    assert [pin["transformers"].rpartition(".")[0] for pin in (oldest, colab)] == ["4.57", "5.15"]
    assert [pin["ipywidgets"][:3] for pin in (oldest, colab)] == ["7.7", "7.7"] and tested["ipywidgets"][0] == "8"
    assert oldest["matplotlib"].startswith("3.10.") and not tested["matplotlib"].startswith("3.10.")
    assert colab["torch"].startswith("2.11.") and set(pins("newest")) == {"torch"}
    conda = re.search(r"- python=(\S+)", (ROOT / "environment.yml").read_text("utf-8"))[1]
    oldest_python = ".".join(map(str, console.OLDEST_PYTHON))
    assert versions.PYTHONS == {"oldest": oldest_python, "colab": "3.13", "conda": conda}


# The command


def test_a_report_becomes_counts_and_names_of_what_failed():
    assert versions.read_report(REPORT) == {
        "passed": 1,
        "failed": 2,
        "skipped": 1,
        "notebooks": 2,
        "notebooks_passed": 1,
        "faults": [
            "tests.test_a.TestOf::test_bad[x]",
            "tests.test_a::test_torn",
            "notebooks.zh.00_start_here.ipynb::Cell 0",
        ],
    }


def test_a_file_that_cannot_be_imported_is_a_failure_too():
    counts = versions.read_report(BROKEN)
    assert (counts["passed"], counts["failed"], counts["faults"]) == (0, 1, ["tests.test_b"])


@pytest.fixture
def house(tmp_path, monkeypatch):
    """The page, the lists and two tests in a temporary folder, which is no git checkout; every Python is there, and none is run."""
    for name in (versions.PAGE, "tests/test_a.py", "notebooks/en/00_start_here.ipynb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / versions.PAGE).write_text(f"# Ours\n\n{versions.BEGIN}\nold\n{versions.END}\n\nThe end.\n")
    (tmp_path / "constraints").symlink_to(ROOT / "constraints")
    for module in (versions, install):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(versions, "install_packages", lambda goal, say, place: None)
    monkeypatch.setattr(versions, "find_python", lambda version: f"python{version}")
    return tmp_path


@pytest.fixture
def commands(house, monkeypatch):
    """Pretends to run pytest, which reports of three good tests and two notebooks, or of what commands.report says."""

    class Commands(list):
        report, status = re.sub("<(failure|error).*?</(failure|error)>", "", REPORT), 0

    def run_child(command):
        commands.append(command)
        path = next(word for word in command if word.startswith("--junitxml=")).partition("=")[2]
        if commands.report:
            with open(path, "w", encoding="utf-8") as file:
                file.write(commands.report)
        return commands.status

    commands = Commands()
    monkeypatch.setattr(versions, "run_child", run_child)
    return commands


def test_without_names_every_environment_runs_everything_and_is_written_down(house, commands, capsys):
    assert versions.main([]) == 0
    assert [command[0] for command in commands] == [str(place.python) for place in versions.ENVIRONMENTS.values()]
    assert all(command[-2:] == ["tests", "notebooks"] and "--nbval-lax" in command for command in commands)
    assert all({f"--ignore={path}" for path in versions.ELSEWHERE} < set(command) for command in commands)
    assert list(versions.load_results()) == NAMES
    page = (house / versions.PAGE).read_text()
    assert page.startswith("# Ours\n") and page.endswith("\nThe end.\n") and "old\n" not in page
    assert page.count("| 2 of 2 |") == len(NAMES) and "Nothing failed." in page
    assert "oldest: 3 passed, 0 failed, 1 skipped; notebooks: 2 of 2; 0:00" in capsys.readouterr().out


def test_what_is_left_out_exists():
    assert [path for path in versions.ELSEWHERE if not (ROOT / path).exists()] == []


def test_paths_run_alone_in_the_environments_named_and_nothing_is_written_down(house, commands, capsys):
    before = (house / versions.PAGE).read_text()
    assert versions.main(["colab", "notebooks", "newest"]) == 0
    assert [command[0] for command in commands] == [
        str(versions.ENVIRONMENTS[name].python) for name in ("colab", "newest")
    ]
    assert all(command[-1] == "notebooks" and "tests" not in command for command in commands)
    assert (house / versions.PAGE).read_text() == before and not (house / versions.RECORD).exists()


def test_one_environments_result_replaces_its_last_one_alone(house, commands):
    versions.write_down("newest", result(commit="aaaaaaa"))
    versions.write_down("oldest", result(commit="bbbbbbb", failed=1, faults=["tests.test_a::test_bad"]))
    versions.main(["newest"])
    assert [(name, each.commit, each.failed) for name, each in versions.load_results().items()] == [
        ("oldest", "bbbbbbb", 1),
        ("newest", "unknown", 0),
    ]
    page = (house / versions.PAGE).read_text()
    assert "| oldest | 2026-11-26 | bbbbbbb | 400 | 1 | 2 | 14 of 14 | 10:05 |" in page
    assert "- oldest: `tests.test_a::test_bad`" in page


@pytest.mark.parametrize(("status", "report"), [(1, REPORT), (2, None), (5, "<testsuites/>")])
def test_a_run_that_fails_is_written_down_as_that(commands, status, report):
    """Also where pytest breaks off without a report, or finds no test."""
    commands.status, commands.report = status, report
    assert versions.main(["oldest"]) == 1
    faults = versions.load_results()["oldest"].faults
    assert faults == (
        versions.read_report(REPORT)["faults"] if report == REPORT else [f"pytest ended with status {status}"]
    )


def test_an_environment_that_cannot_be_installed_is_told_in_one_sentence_and_the_others_run(
    house, commands, capsys, monkeypatch
):
    def install_packages(goal, say, place):
        if place.folder.endswith("oldest"):
            raise install.explain_pip("ProxyError", "install", place.python, place.log)

    monkeypatch.setattr(versions, "install_packages", install_packages)
    assert versions.main(["--lang", "en", "oldest", "colab"]) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and told.startswith("pip cannot reach its package index")
    assert len(commands) == 1 and list(versions.load_results()) == ["colab"]


def test_a_word_that_is_neither_an_environment_nor_a_file_is_refused_at_once(house, commands, capsys):
    assert versions.main(["oldst"]) == 2 and commands == []
    assert (
        '"oldst" is neither an environment (oldest | colab | conda | tested | newest) nor a file'
        in capsys.readouterr().err
    )


def test_an_environment_is_made_from_its_python_and_left_out_where_there_is_none(commands, capsys, monkeypatch):
    made = []
    monkeypatch.setattr(versions, "install_packages", lambda goal, say, place: made.append(place.made_from))
    monkeypatch.setattr(versions, "find_python", lambda version: None if version == "3.13" else f"python{version}")
    assert versions.main(["--lang", "en", "colab", "conda", "tested"]) == 0
    assert made == ["python3.12", ""] and list(versions.load_results()) == ["conda", "tested"]
    assert "colab: left out, since there is no Python 3.13 here" in capsys.readouterr().out


def test_a_python_is_found_among_those_that_run(tmp_path, monkeypatch):
    """The one that runs this, on PATH, and in pyenv, whose python9.8 on PATH may be there and start nothing."""

    def pretend(name, answer):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"#!/bin/sh\n{answer}\n")
        (tmp_path / name).chmod(0o755)
        return str(tmp_path / name)

    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    on_path, shim = pretend("bin/python9.9", "echo 9.9"), pretend("bin/python9.8", "exit 127")
    in_pyenv = pretend("pyenv/versions/9.8.1/bin/python", "echo 9.8")
    assert [versions.find_python(version) for version in ("9.9", "9.8", "9.7")] == [on_path, in_pyenv, None] and shim
    assert os.path.samefile(versions.find_python(f"{sys.version_info.major}.{sys.version_info.minor}"), sys.executable)


@pytest.mark.parametrize(("name", "made_anew"), [("newest", True), ("tested", False), ("colab", False)])
def test_the_newest_of_another_day_is_made_anew_and_any_of_another_python(house, monkeypatch, name, made_anew):
    stamp = versions.ENVIRONMENTS[name].stamp
    stamp.parent.mkdir(parents=True)
    stamp.write_text("")
    monkeypatch.setattr(versions, "ask_version", lambda python: "3.13")
    versions.prepare(name, EN)
    assert stamp.exists()
    yesterday = time.time() - 24 * 3600
    os.utime(stamp, (yesterday, yesterday))
    versions.prepare(name, EN)
    assert stamp.exists() is not made_anew
    monkeypatch.setattr(versions, "ask_version", lambda python: "3.11")
    versions.prepare(name, EN)
    assert stamp.exists() is (name == "tested")


def test_a_build_is_no_part_of_a_version_and_what_is_missing_is_called_so(house, monkeypatch):
    place = versions.ENVIRONMENTS["colab"]
    info = place.path / "lib/python3.11/site-packages/torch-2.13.0+cpu.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.13.0+cpu\n")
    found = versions.read_versions(place)
    assert (found["torch"], found["numpy"], found["python"]) == ("2.13.0", "missing", "missing")


# What is written down


@pytest.fixture
def page():
    return (ROOT / versions.PAGE).read_text(encoding="utf-8")


def test_the_page_shows_the_record(page):
    assert versions.fill_page(page, versions.load_results()) == page
    assert versions.fill_page(page, {"oldest": result()}) != page


def test_the_page_names_what_no_whole_run_has_tried_as_it_is_now():
    """A list or a Python that has changed since must be tried again: python -m tools.versions NAME."""
    assert f"No whole run yet of these as they are now: {NAMES[0]} (Python 3.11)," in versions.format_tables({})
    as_listed = {"python": "3.13"} | dict.fromkeys(versions.PACKAGES, "1.0") | pins("colab")
    tried = {name: as_listed[name] for name in ["python", *versions.PACKAGES]}
    assert "colab" not in versions.list_untried({"colab": result(versions=tried)})
    for other in ({"python": "3.11"}, {"torch": "2.13.0"}):
        assert "colab" in versions.list_untried({"colab": result(versions=tried | other)})


@pytest.mark.parametrize("name", versions.load_results())
def test_a_last_result_is_whole(name):
    last = versions.load_results()[name]
    assert re.fullmatch(r"20\d\d-[01]\d-[0-3]\d", last.date)
    assert re.fullmatch(r"[0-9a-f]{7,40}( \+ changes)?", last.commit)
    assert list(last.versions) == ["python", *versions.PACKAGES] and "missing" not in last.versions.values()
    assert last.passed > 300 and last.notebooks >= 14 and last.seconds > 60
    supported = doctor.read_requirements()
    assert all(doctor.lies_in(last.versions[each], supported[each]) for each in last.versions if each in supported)


def test_the_newest_are_not_older_than_the_tested_ones():
    newest, tested = (versions.load_results()[name].versions for name in ("newest", "tested"))
    assert all(doctor.lies_in(newest[package], f">={tested[package]}") for package in versions.PACKAGES)


def test_a_last_result_is_a_pass_or_the_page_says_why_not(page):
    """In its prose, a line that begins "- oldest fails: ", and none for an environment that passes."""
    failing = [name for name, last in versions.load_results().items() if last.faults]
    assert re.findall(r"(?m)^- (\w+) fails: \S", page) == failing
    for name, last in versions.load_results().items():
        assert bool(last.faults) == (last.failed > 0 or last.notebooks_passed < last.notebooks), name
