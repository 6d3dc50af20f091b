"""Facts about tools/build.py, on a small course in a temporary folder."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
import pytest

from lessons.kit.setup_cell import PACKAGES
from tools import build
from tools.source import read_lessons, read_script

HELPERS = '''\
"""Stands for the course's helpers: says its name and the language."""
import os

LANG = None

def set_up(lang):
    global LANG
    LANG = lang
    print("ours", lang, os.path.basename(os.getcwd()))

def say(*, en, zh):
    return zh if LANG == "zh" else en
'''
GLOSSARY = """\
| English | 中文 | wrong variants | note |
|---|---|---|---|
| token | 词元 | 令牌、代币 | |
| prompt | 提示词（简称“提示”） | 提示语 | |
| row, line | 行、一行 | 横列 | |
| cosine | 余弦 | | |
| soft prompt | 软提示 | 提示 | |
"""
SCRIPT = f"""\
# %% [markdown] lang="en" id="hello"
# # Hello: `你好`, $x_我$ and 十个向量
# One half.

# %% [markdown] lang="zh" id="hello"
# # 你好
# 这一半讲词元和提示词。`a line of plain code` 说到 [Hugging Face](https://example.org/a/b/c)：
#
# - GPT-2 (Radford 2019)
#
# ```
# all of this is code: 你好, 令牌
# ```

# %% id="setup" tags=["prepare"]
{build.SETUP}

# %% id="add"
# %matplotlib inline
total = 1 + 1
from helpers import notebook
print(notebook.say(en="sum", zh="和："), total)

# %% [markdown] lang="zh" id="your-turn"
# 轮到你了！
#
# **练习** · ★☆☆ · 4 分钟

# %% [markdown] lang="en" id="your-turn"
# Your turn!
#
# **Exercise** · ★☆☆ · 4 minutes

# %% id="double" tags=["exercise"]
def double(x): ...

# %% id="double-solution" tags=["solution"]
def double(x):
    return 2 * x

# %% id="clock" tags=["measured"]
import time; print(time.time())

# %% id="mistake" tags=["raises-exception"]
1 / 0
"""
ADDRESS = "https://github.com/somebody/ten-vectors"
SMALL = "lessons/lesson_01_small/lesson.py"


def small_course(root, script=SCRIPT):
    """A course of one lesson, with helpers that say that they are ours."""
    (root / SMALL).parent.mkdir(parents=True)
    (root / SMALL).write_text(script, encoding="utf-8")
    (root / "lessons/glossary.md").write_text(GLOSSARY, encoding="utf-8")
    (root / "pyproject.toml").write_text('[tool.ten-vectors]\naddress = ""\n')
    (root / "helpers").mkdir()
    (root / "helpers/__init__.py").write_text("")
    (root / "helpers/notebook.py").write_text(HELPERS)
    (root / "lessons/kit").mkdir()
    for package in ("lessons", "lessons/kit"):
        (root / package / "__init__.py").write_text("")
    (root / "lessons/kit/torch_errors.py").write_text("def install_handler(): pass\n")
    shutil.copy(build.ROOT / "lessons/kit/setup_cell.py", root / "lessons/kit")
    return root


@pytest.fixture
def root(tmp_path):
    return small_course(tmp_path / "course")


@pytest.fixture(scope="module")
def built_once(tmp_path_factory):
    """The small course after its first build, for which both notebooks run."""
    root = small_course(tmp_path_factory.mktemp("built") / "course")
    assert build.main([], root) == 0
    return root


@pytest.fixture
def built(built_once, tmp_path):
    return shutil.copytree(built_once, tmp_path / "course")


@pytest.fixture
def runs(monkeypatch):
    """Instead of running notebooks, notes which would have run; they come out without outputs."""
    paths = []
    monkeypatch.setattr(build, "execute", lambda book, path: paths.append(path) or book.cells)
    return paths


def edit(root, *changes, path=SMALL):
    """Replaces what stands once in a file of the course: pairs of before and after."""
    text = (root / path).read_text(encoding="utf-8")
    for before, after in changes:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    (root / path).write_text(text, encoding="utf-8")


def lesson_of(root):
    return read_script(root / SMALL)


def faults(root):
    return build.find_script_faults(lesson_of(root), build.read_glossary(root / "lessons/glossary.md"))


def read(root, lang="en"):
    return nbformat.read(root / f"notebooks/{lang}/01_small.ipynb", as_version=4)


def cells(root, lang="en"):
    return {cell.id: cell for cell in read(root, lang).cells}


def snapshot(root):
    """The bytes of every notebook, and when it was written."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in root.rglob("*.ipynb")}


def run(root, *argv):
    return build.main(list(argv), root)


# Scripts


def test_a_good_script_has_no_faults(root):
    assert faults(root) == []


def test_jupytext_opens_a_script_without_yaml_header(root):
    path = root / SMALL
    assert path.read_text().startswith("# %%")
    book = jupytext.read(path)
    assert book.metadata.jupytext.text_representation["format_name"] == "percent"
    assert [cell.cell_type for cell in book.cells[:4]] == ["markdown", "markdown", "code", "code"]
    assert book.cells[3].source.startswith("%matplotlib inline\ntotal")


ONE_HALF = '# %% [markdown] lang="en" id="hello"\n# # Hello: `你好`, $x_我$ and 十个向量\n# One half.\n\n'
APART = """\
# %% [markdown] lang="en" id="more"
# More.

# %% id="one"
one = 1

# %% [markdown] lang="zh" id="more"
# 更多。

"""
WRONG = {
    # ids, languages, tags
    "no id": ('# %% id="add"', "# %%", "no. 4", "it has no id"),
    "capitals in an id": ('"add"', '"Add"', "Add", "it has no id like-this"),
    "a double hyphen in an id": ('"add"', '"a--b"', "a--b", "it has no id like-this"),
    "an id of 65 characters": ('"add"', f'"{"a" * 65}"', "a" * 65, "it has no id like-this"),
    "one id for two code cells": ('"add"', '"clock"', "clock", "stands elsewhere too"),
    "one id for text and code": ('"add"', '"hello"', "hello", "stands elsewhere too"),
    "a half missing": (ONE_HALF, "", "hello", "its other half is missing"),
    "halves apart": ('# %% id="add"', f'{APART}# %% id="add"', "more", "its halves stand apart"),
    "text without language": ('lang="en" id="hello"', 'id="hello"', "hello", "lang is"),
    "text in French": ('lang="en" id="hello"', 'lang="fr" id="hello"', "hello", "lang is"),
    "code with a language": ('# %% id="add"', '# %% lang="en" id="add"', "add", "lang is"),
    "an unknown tag": ('tags=["measured"]', 'tags=["measures"]', "clock", "unknown tag in ['measures']"),
    "a tagged text": ('lang="en" id="hello"', 'lang="en" id="hello" tags=["measured"]', "hello", "unknown tag"),
    "unknown metadata": ('# %% id="add"', '# %% id="add" name="x"', "add", "unknown metadata name"),
    "a title": ('# %% id="add"', '# %% Adding id="add"', "add", "unknown metadata title"),
    "an empty cell": ("import time; print(time.time())", "", "clock", "it is empty"),
    "a raw cell": ('# %% id="clock" tags=["measured"]\nimport', '# %% [raw] id="clock"\nimport', "clock", "raw cell"),
    "another set-up": ('start("en")', 'start("zh")', "setup", "not the set-up cell"),
    "a set-up with another id": ('id="setup"', 'id="start"', "start", "not the set-up cell"),
    # code
    "no Python": ("total = 1 + 1", "total = = 1", "add", "line 2 is not Python"),
    "say in one language": ('say(en="sum", zh="和：")', 'say(en="sum")', "add", "say lacks a language"),
    "say by position": ('say(en="sum", zh="和：")', 'say("a", "b")', "add", "say lacks a language"),
    "Chinese in the code": ("total = 1 + 1", 'total = len("两个")', "add", "Chinese outside zh= (两个)"),
    "Chinese in en=": ('en="sum"', 'en="和"', "add", "Chinese outside zh= (和)"),
    # words
    "Chinese in English": ("One half.", "One 半.", "hello", "Chinese in an English cell (半)"),
    "an English paragraph": ("轮到你了！", "轮到你了！\n#\n# Now it is really your turn.", "your-turn", "English only"),
    "an English heading": ("# 你好\n", "# Where can it get in?\n", "hello", "among the Chinese (# Where"),
    "an English item": ("- GPT-2 (Radford 2019)", "- 一\n# - it reads the next word", "hello", "(- it reads the"),
    "an English row": ("- GPT-2 (Radford 2019)", "| 一 | 二 |\n# | the row of a table |", "hello", "(| the row of a"),
    "a wrong variant": ("讲词元", "讲代币", "hello", "wrong variant 代币; the glossary has 词元"),
    "a wrong variant in code": ('zh="和："', 'zh="令牌："', "add", "wrong variant 令牌; the glossary has 词元"),
    "a term of two": ("讲词元", "讲横列", "hello", "wrong variant 横列; the glossary has 行、一行"),
    "a half-width colon in code": ('zh="和："', 'zh="和:"', "add", "half-width punctuation after Chinese (和:)"),
    # exercises
    "no minutes in English": (" · 4 minutes", "", "double", "is missing above"),
    "no minutes in Chinese": (" · 4 分钟", "", "double", "is missing above"),
    "no stars": ("**Exercise** · ★☆☆ · 4", "**Exercise** · 4", "double", "is missing above"),
    "four stars": ("**Exercise** · ★☆☆ ·", "**Exercise** · ★★★★ ·", "double", "is missing above"),
    "other stars": ("**Exercise** · ★☆☆ ·", "**Exercise** · ★★☆ ·", "double", "is missing above"),
    "other minutes": ("4 minutes", "5 minutes", "double", "is missing above"),
    "no solution": ('tags=["solution"]', 'tags=["measured"]', "double", "no solution follows"),
    "no exercise": ('tags=["exercise"]', 'tags=["measured"]', "double-solution", "it solves no exercise"),
}


@pytest.mark.parametrize(("before", "after", "cell", "reason"), WRONG.values(), ids=WRONG)
def test_a_script_that_is_wrong_in_one_way_is_refused_for_that_alone(root, before, after, cell, reason):
    edit(root, (before, after))
    cell = cell if cell.startswith("no. ") else f'"{cell}"'
    (fault,) = faults(root)
    assert fault.startswith(f"{SMALL}, cell {cell}: ") and reason in fault and fault.endswith(".")


def test_a_solution_must_follow_its_exercise_directly(root):
    edit(root, ('# %% id="double-solution"', '# %% id="one"\none = 1\n\n# %% id="double-solution"'))
    assert [fault.split('"', 1)[1] for fault in faults(root)] == [
        'double": no solution follows; write it in the next cell.',
        'double-solution": it solves no exercise; put it behind one.',
    ]


@pytest.mark.parametrize("sign", [*",;:!?", "."])
def test_half_width_punctuation_after_chinese_is_refused(root, sign):
    edit(root, ("# # 你好\n", f"# # 你好{sign}\n"))
    assert faults(root) == [
        f'{SMALL}, cell "hello": half-width punctuation after Chinese (好{sign}); use the full-width sign.'
    ]


@pytest.mark.parametrize(
    "line", ["**你好**，", "见 `你好, 你好`。", "$长度, x$。", "第 1.5 节", "你好![图](a.png)", "版本 2.0."]
)
def test_other_half_width_signs_are_not(root, line):
    edit(root, ("# # 你好\n", f"# # 你好\n# {line}\n"))
    assert faults(root) == []


@pytest.mark.parametrize(
    "line", ["CLIP ViT-B/32", "`it is all plain code here`", "<b title='one of these words'>", "[1]: http://a/b/c/d/e"]
)
def test_names_code_tags_and_addresses_are_not_english_text(root, line):
    edit(root, ("# - GPT-2 (Radford 2019)\n", f"# {line}\n"))
    assert faults(root) == []


def test_a_wrong_variant_within_a_right_term_is_no_fault(root):
    """提示 alone is wrong; 提示词 and 软提示 hold it and are right."""
    edit(root, ("讲词元和提示词", "讲软提示和提示词"))
    assert faults(root) == []
    edit(root, ("讲软提示和", "讲提示和"))
    assert "wrong variant 提示; the glossary has 软提示" in faults(root)[0]


def test_the_brackets_of_the_glossary_are_no_part_of_a_term(root):
    assert build.read_glossary(root / "lessons/glossary.md")[1] == [["提示词"], ["提示语"]]


def test_all_faults_are_listed_at_once_in_the_order_of_the_cells(root, capsys):
    edit(root, ("One half.", "One 半."), ("total = 1 + 1", "total = = 1"), ('tags=["measured"]', 'tags=["x"]'))
    assert run(root, "--check") == run(root) == 1
    said = capsys.readouterr().err.splitlines()
    assert [line.split('"')[1] for line in said] == ["hello", "add", "clock"] * 2
    assert not (root / "notebooks").exists()


@pytest.mark.parametrize("script", ["", '# %% id="a" tags=["x"\nx = 1\n', "x = 1\n"])
def test_what_is_no_lesson_is_refused_without_a_crash(root, script, capsys):
    (root / SMALL).write_text(script)
    assert run(root) == 1
    assert f"{SMALL}, cell no. 1: it has no id" in capsys.readouterr().err


def test_tags_that_are_no_list_are_refused(root, capsys):
    edit(root, ('tags=["measured"]', 'tags="measured"'))
    assert run(root) == 1
    assert f"{SMALL}: jupytext cannot read it ('measured' is not" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[quiz.one]\nquestion.en = "Why?"', "quiz.one.question: zh is missing; write it in both languages."),
        ('[[quiz.one.choices]]\nwhy.en = "No"\nwhy.zh = "No"', "quiz.one.choices.0.why: there is no Chinese in zh"),
        ('praise.en = "对"\npraise.zh = "对。"', "praise: Chinese in an English cell (对)"),
        ('praise.en = "Yes."\npraise.zh = "这是提示语。"', "praise: wrong variant 提示语; the glossary has 提示词"),
        (
            "[quiz.one]\nchoices = [{right = true}, {}, {}]",
            "quiz.one: it has one choice with right = true and at least three",
        ),
        ("[quiz", "this is not TOML"),
    ],
)
def test_the_texts_of_questions_are_checked_as_those_of_lessons_are(root, text, fault, capsys):
    (root / SMALL).with_name("questions.toml").write_text(text, "utf-8")
    assert run(root) == 1
    assert re.sub(r"questions.toml[,:] ", "", capsys.readouterr().err).startswith(f"lessons/lesson_01_small/{fault}")


def test_a_missing_glossary_is_a_fault(root, capsys):
    (root / "lessons/glossary.md").unlink()
    assert run(root, "--check") == 1
    assert capsys.readouterr().err.startswith("lessons/glossary.md: there is no table of terms; ")


def test_an_unknown_lesson_is_answered_with_those_there_are(root, capsys):
    assert run(root, "07") == 1
    assert capsys.readouterr().err == "There is no lesson 07; there are 01_small, 01.\n"


# Notebooks


def test_a_notebook_holds_the_cells_of_its_language_with_the_ids_of_the_script(root):
    english, chinese = (build.make_notebook(lesson_of(root), lang) for lang in ("en", "zh"))
    ids = ["hello", "setup", "add", "your-turn", "double", "double-solution", "clock", "mistake"]
    assert [cell.id for cell in english.cells] == [cell.id for cell in chinese.cells] == ids
    assert english.cells[0].source.startswith("# Hello") and chinese.cells[0].source.startswith("# 你好")
    assert english.cells[1].source.endswith('start("en")') and chinese.cells[1].source.endswith('start("zh")')
    assert (english.nbformat, english.nbformat_minor) == (4, 5)
    assert english.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.validate(english)


@pytest.mark.parametrize(("lang", "word"), [("en", "Solution"), ("zh", "参考答案")])
def test_a_solution_is_folded_markdown(root, lang, word):
    cell = build.make_notebook(lesson_of(root), lang).cells[5]
    code = "def double(x):\n    return 2 * x"
    assert cell.source == f"<details><summary>{word}</summary>\n\n```python\n{code}\n```\n\n</details>"
    assert (cell.cell_type, cell.metadata) == ("markdown", {"tags": ["solution"]})


def test_a_build_runs_both_notebooks_and_check_finds_them_good(built, capsys):
    assert run(built, "--check") == 0
    assert capsys.readouterr() == ("Scripts and notebooks agree.\n", "")
    for lang, total in ("en", "sum 2\n"), ("zh", "和： 2\n"):
        book = cells(built, lang)
        assert book["setup"].outputs[0].text == f"ours {lang} {lang}\n"  # run where it lies
        assert book["add"].outputs[0].text == total
        assert [c.execution_count for c in book.values() if c.cell_type == "code"] == [1, 2, 3, 4, 5]


def test_outputs_are_compared_unless_they_are_measured_or_an_error(built):
    tags = {id: cell.metadata.get("tags") for id, cell in cells(built).items()}
    assert tags["setup"] == tags["add"] == ["nbval-check-output"]
    assert tags["clock"] is None and tags["hello"] is None
    assert (tags["double"], tags["mistake"]) == (["exercise"], ["raises-exception"])


def test_a_notebook_holds_nothing_volatile_and_ends_in_a_newline(built):
    text = (built / "notebooks/zh/01_small.ipynb").read_bytes().decode()
    assert text.endswith("}\n") and not text.endswith("\n\n")
    assert "你好" in text and "\r" not in text
    assert not any(set(cell.metadata) - {"tags"} for cell in read(built).cells)
    assert not list(built.rglob("*.new"))


def test_a_second_build_runs_nothing_and_writes_nothing(built, runs, capsys):
    before = snapshot(built)
    assert run(built) == 0
    assert (snapshot(built), runs) == (before, [])
    assert capsys.readouterr().out == "".join(f"notebooks/{lang}/01_small.ipynb: unchanged\n" for lang in ("en", "zh"))


def test_all_runs_notebooks_whose_code_has_not_changed(built, runs, capsys):
    assert run(built, "--all", "01") == 0
    assert [path.parent.name for path in runs] == ["en", "zh"]
    assert capsys.readouterr().out.count(": executed\n") == 2


def test_where_prose_has_changed_outputs_are_kept_and_nothing_runs(built, runs, capsys):
    before = cells(built), cells(built, "zh")
    edit(built, ("One half.", "Another half."), ("return 2 * x", "return x + x"))
    assert run(built, "--check") == 1 and run(built) == 0 and run(built, "--check") == 0
    assert runs == []
    assert capsys.readouterr().out.count(": prose changed, outputs kept\n") == 2
    for lang, old in zip(("en", "zh"), before):
        new = cells(built, lang)
        assert {id for id in new if new[id] != old[id]} == {
            "en": {"hello", "double-solution"},
            "zh": {"double-solution"},
        }[lang]


@pytest.mark.parametrize(
    "change",
    [("1 + 1", "2 + 1"), ('id="add"', 'id="sum"'), (' tags=["measured"]', ""), ("# %% id=\"clock\"", "# %% id=\"new\"\nx = 1\n\n# %% id=\"clock\"")],
    ids=["source", "id", "tag", "new cell"],
)  # fmt: skip
def test_changed_code_is_run_in_both_languages(built, runs, change):
    edit(built, change)
    assert run(built) == 0
    assert [path.parent.name for path in runs] == ["en", "zh"]


def test_code_in_another_order_is_run(built, runs):
    text = (built / SMALL).read_text(encoding="utf-8")
    start, end = text.index('# %% id="clock"'), text.index('# %% id="mistake"')
    (built / SMALL).write_text(text[:start] + text[end:] + "\n" + text[start:end], encoding="utf-8")
    assert run(built) == 0
    assert len(runs) == 2


def test_a_notebook_that_is_gone_or_broken_is_made_anew(built, runs):
    (built / "notebooks/zh/01_small.ipynb").write_text("<<<<<<< HEAD")
    assert run(built) == 0
    assert [path.parent.name for path in runs] == ["zh"]
    assert run(built, "--check") == 0


@pytest.mark.parametrize(
    ("change", "cell"),
    [
        (lambda book: book.cells[3].update(source="edited by hand"), "your-turn"),
        (lambda book: book.cells[2].metadata.update(tags=[]), "add"),
        (lambda book: book.cells[2].update(id="other"), "add"),
        (lambda book: book.cells.pop(2), "add"),
        (lambda book: book.cells.pop(), "mistake"),
        (lambda book: book.cells.append(nbformat.v4.new_code_cell("1", id="mine")), "mine"),
    ],
    ids=["source", "tags", "id", "cell gone", "last cell gone", "cell more"],
)
def test_check_names_the_first_cell_where_a_notebook_differs(built, capsys, change, cell):
    book = read(built, "zh")
    change(book)
    nbformat.write(book, built / "notebooks/zh/01_small.ipynb")
    assert run(built, "--check") == 1
    remedy = f"differs from {SMALL}; run python course.py build 01_small."
    assert capsys.readouterr().err == f'notebooks/zh/01_small.ipynb, cell "{cell}": {remedy}\n'


def test_check_does_not_compare_outputs(built):
    book = read(built)
    book.cells[2].outputs[0].text = "something else\n"
    nbformat.write(book, built / "notebooks/en/01_small.ipynb")
    assert run(built, "--check") == 0


def test_check_names_a_missing_notebook_and_one_without_a_script(built, capsys):
    shutil.move(built / "notebooks/en/01_small.ipynb", built / "notebooks/en/02_other.ipynb")
    assert run(built, "--check") == 1
    missing, stray = capsys.readouterr().err.splitlines()
    assert missing.startswith("notebooks/en/01_small.ipynb, ") and "is missing or cannot be read; run python" in missing
    assert stray == "notebooks/en/02_other.ipynb: no script makes it; remove it."


# Runs that fail


def test_if_a_cell_fails_in_one_language_neither_is_written(built, capsys):
    edit(built, ("total = 1 + 1", 'from helpers import notebook; total = 1 / (notebook.LANG == "en")'))
    before = snapshot(built)
    assert run(built) == 1
    assert snapshot(built) == before
    failure = f'{SMALL}, cell "add" (zh): ZeroDivisionError: division by zero\n'
    assert capsys.readouterr() == ("", failure)


def test_a_warning_fails_the_build(root, capsys):
    edit(root, ("total = 1 + 1", 'total = 1 + 1; import warnings; warnings.warn("beware")'))
    assert run(root) == 1
    said = capsys.readouterr().err
    assert said.startswith(f'{SMALL}, cell "add" (en): ') and "UserWarning: beware" in said
    assert snapshot(root) == {}


@pytest.mark.parametrize(
    ("code", "message"), [("import os; os._exit(1)", "Kernel died"), ("while True: pass", "timed out")]
)
def test_a_kernel_that_dies_or_hangs_is_told(tmp_path, code, message):
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code, id="bad")])
    with pytest.raises(build.Refused, match=f'cell "bad" .*{message}'):
        build.execute(book, tmp_path / "en/01_small.ipynb", timeout=1)


def test_views_and_state_of_widgets_are_not_stored(tmp_path):
    code = """
import ipywidgets
from IPython.display import display
class Twin:
    def _repr_mimebundle_(self, **options):
        view = {"version_major": 2, "version_minor": 0, "model_id": ipywidgets.IntSlider().model_id}
        return {"application/vnd.jupyter.widget-view+json": view, "text/html": "<b>still</b>", "text/plain": "still"}
display(Twin())
display({"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}, raw=True)
print("one")
print("two", flush=True)
print("three")
"""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code, id="widgets")])
    (cell,) = build.execute(book, tmp_path / "en/01_small.ipynb")
    bundle, stream = cell.outputs
    assert bundle.data == {"text/html": "<b>still</b>", "text/plain": "still"}
    assert (stream.name, stream.text) == ("stdout", "one\ntwo\nthree\n")
    assert "widgets" not in book.metadata and cell.metadata == {}


# The set-up cell


@pytest.mark.parametrize(("lang", "said"), [("en", "without solutions"), ("zh", "不带参考答案")])
def test_a_set_for_a_class_has_exercises_and_neither_solutions_nor_outputs(built, runs, capsys, lang, said):
    before = snapshot(built)
    assert run(built, "--no-solutions", "--lang", lang) == 0
    assert said in capsys.readouterr().out and runs == []
    assert {path: text for path, text in snapshot(built).items() if "classroom" not in str(path)} == before
    for each in ("en", "zh"):
        book = nbformat.read(built / f"classroom/{each}/01_small.ipynb", as_version=4)
        nbformat.validate(book)
        found = {cell.id: cell for cell in book.cells}
        assert list(found) == ["hello", "setup", "add", "your-turn", "double", "clock", "mistake"]
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in book.cells)
        assert found["setup"].source == build.make_setup_code(each) and found["double"].metadata.tags == ["exercise"]


def test_a_set_for_a_class_has_no_link_to_the_notebook_with_solutions(root):
    book = build.make_notebook(lesson_of(root), "en", ADDRESS, solutions=False)
    assert "colab" not in book.cells[0].source and ADDRESS in book.cells[1].source


def test_a_faulty_script_makes_no_set_for_a_class(root, capsys):
    edit(root, ("One half.", "一半。"))
    assert run(root, "--no-solutions") == 1 and not (root / "classroom").exists()
    assert "Chinese in an English cell" in capsys.readouterr().err


@pytest.mark.parametrize("lesson", read_lessons(build.ROOT), ids=lambda lesson: lesson.name)
def test_no_solution_of_any_lesson_stands_in_the_set_for_a_class(lesson):
    solutions = [cell.source for cell in lesson.cells if "solution" in cell.metadata.tags]
    for lang in ("en", "zh"):
        book = build.make_notebook(lesson, lang, solutions=False)
        text = "\n\n".join(cell.source for cell in book.cells)
        assert solutions and not [solution for solution in solutions if solution in text]
        left, all_code = build.select_code(book.cells), build.select_code(lesson.cells)
        assert "<details>" not in text and len(left) == len(all_code) - len(solutions)


@pytest.mark.slow
def test_a_lesson_of_the_set_for_a_class_runs_from_its_folder():
    (build.ROOT / "work").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build.ROOT / "work") as folder:
        book = build.make_notebook(read_lessons(build.ROOT)[0], "zh", solutions=False)
        cells = {cell.id: cell for cell in build.execute(book, Path(folder) / "zh/00_start_here.ipynb")}
    assert "○" in str(cells["how-many-numbers-code"].outputs)


def python(code, folder, **environment):
    """What a fresh Python that starts in `folder` does with this code."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", **environment}
    command = [sys.executable, "-c", code]  # as in a kernel, the current folder and PYTHONPATH come first
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8")


def start(cell, folder, **environment):
    """What the set-up cell prints in a fresh Python that starts in `folder`."""
    child = python(cell, folder, **environment)
    assert child.returncode == 0, child.stderr
    return child.stdout.strip()


def other_package(folder, name="helpers"):
    """A package of the same name, that somebody else wrote."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text("")
    (folder / name / "notebook.py").write_text("def set_up(lang): print('somebody else')")
    return folder


@pytest.mark.parametrize("folder", [".", "notebooks/zh", "work/en", "classroom/zh", "data/a/b c/d", ".."])
def test_the_set_up_cell_finds_the_course_from_any_folder_in_it_and_from_the_one_above(root, folder):
    assert start(build.SETUP, (root / folder).resolve()).startswith("ours en")


def test_helpers_of_somebody_else_do_not_win(root, tmp_path):
    beside, installed = other_package(root / "work/en"), other_package(tmp_path / "site")
    assert start(build.SETUP, beside, PYTHONPATH=str(installed)) == "ours en en"
    above = other_package(tmp_path)
    assert start(build.SETUP, above, PYTHONPATH=str(installed)).startswith("ours en")


@pytest.mark.parametrize("folder", [".", "notebooks/zh"])
def test_the_set_up_cell_can_be_run_twice(root, folder):
    path = "import sys; print(sys.path.count(str(found[0].parents[2])), sys.path[0] == str(found[0].parents[2]))"
    said = start(f"{build.SETUP}\n{build.SETUP}\n{path}", (root / folder).resolve()).splitlines()
    assert said[0] == said[1] and said[0].startswith("ours en") and said[2] == "1 True"


@pytest.mark.parametrize(("lang", "sentence"), [("en", "The course is not here: "), ("zh", "这里找不到课程：")])
def test_where_there_is_no_course_the_set_up_cell_says_so_in_a_sentence(tmp_path, lang, sentence):
    child = python(build.make_setup_code(lang), tmp_path / "elsewhere")
    last = child.stderr.strip().splitlines()[-1]
    assert child.returncode and last.startswith(f"FileNotFoundError: {sentence}{(tmp_path / 'elsewhere').resolve()} ")


@pytest.mark.parametrize(("name", "with_init"), [*zip(PACKAGES, [True, False] * 3)])
@pytest.mark.parametrize(("lang", "sentence"), [("en", "restart the kernel"), ("zh", "请重启内核")])
def test_a_package_of_somebody_else_that_was_imported_before_is_named(root, tmp_path, lang, sentence, name, with_init):
    installed = other_package(tmp_path / "site", name)
    if not with_init:  # a folder is a package too
        (installed / name / "__init__.py").unlink()
    cell = f"import {name}\n{build.make_setup_code(lang)}"
    child = python(cell, root.resolve() / "work", PYTHONPATH=str(installed))
    last = child.stderr.strip().splitlines()[-1]
    assert child.returncode and last.startswith("ImportError: ") and str(installed / name) in last and sentence in last


def test_without_an_address_nothing_speaks_of_colab(root):
    books = [nbformat.writes(build.make_notebook(lesson_of(root), lang)) for lang in ("en", "zh")]
    assert not any("colab" in book.lower() or "git clone" in book for book in books)


@pytest.mark.parametrize(("lang", "words"), [("en", "Open this lesson in Colab"), ("zh", "在 Colab 中打开本课")])
def test_with_an_address_the_first_text_ends_in_a_link_to_colab(root, lang, words):
    first, *others = build.make_notebook(lesson_of(root), lang, ADDRESS).cells
    page = f"somebody/ten-vectors/blob/main/notebooks/{lang}/01_small.ipynb"
    assert first.source.endswith(f"\n\n[{words}](https://colab.research.google.com/github/{page})")
    assert not [cell.id for cell in others if cell.id != "setup" and "colab" in cell.source.lower()]


def test_the_address_is_the_one_in_pyproject(built, runs):
    edit(built, ('address = ""', f'address = "{ADDRESS}"'), path="pyproject.toml")
    assert run(built, "--check") == 1 and run(built) == 0 and run(built, "--check") == 0
    assert len(runs) == 2  # another set-up cell
    assert cells(built, "zh")["setup"].source == build.make_setup_code("zh", ADDRESS)


COLAB = """
import builtins, shutil, sys, types
sys.modules["google.colab"] = types.ModuleType("google.colab")
class Shell:
    def system(self, command):
        assert command == "git clone -q --depth 1 {address} ten-vectors", command
        shutil.copytree({course!r}, "ten-vectors")
        print("cloned", end=", ")
builtins.get_ipython = Shell
"""


def test_on_colab_the_course_is_fetched_once(root, tmp_path):
    colab = COLAB.format(address=ADDRESS, course=str(root)) + build.make_setup_code("en", ADDRESS)
    assert start(colab, tmp_path / "content") == "cloned, ours en content"
    assert start(colab, tmp_path / "content") == "ours en content"


def test_off_colab_nothing_is_fetched(root):
    assert start(build.make_setup_code("zh", ADDRESS), root / "notebooks/zh") == "ours zh zh"


@pytest.mark.skipif(sys.platform == "win32", reason="the shell is that of Unix")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--check no-such-lesson", "There is no lesson no-such-lesson;"),
        ("--help >&-", "The output is closed: "),
        ("--help >/dev/full", "The disk, "),
    ],
)
def test_build_py_runs_on_its_own_and_ends_in_one_sentence(words, sentence):
    command = f"exec '{sys.executable}' -m tools.build {words}"
    child = subprocess.run(command, shell=True, cwd=build.ROOT, capture_output=True, encoding="utf-8")
    assert child.returncode == 1 and child.stderr.startswith(sentence) and child.stderr.count("\n") == 1
