"""Facts about what readers of Chinese see: no English but what models read, and letters that every machine can write.

Figures are judged when they are drawn: by conftest.py in every test, and in `--all` whatever their controls say (witness.py).
"""

import ast
import re
import string
import subprocess
import tomllib

import pytest
from chinese import HAN, ROOT, english_of, faults_of_words, written
from claims import stored_cells, texts_of
from strange import LESSONS

from helpers.language import LearnerError
from lessons.kit import picture
from lessons.lesson_05_bug_museum.museum import EXHIBITS

# Cells whose output is English for a reason
ENGLISH = {
    ("00_start_here", "machine-code"): "names of packages",
    ("01_inside_clip", "names-code"): "names in code",
    ("01b_inside_gpt2", "mask-loss-code"): "a story that GPT-2 reads",
    ("01b_inside_gpt2", "first-state-code"): "tokens of GPT-2",
    ("05_bug_museum", "words-code"): "the nearest tokens of vectors",
    ("02_learnable_context", "sharing-code"): "what `is` gives",
    ("02_learnable_context", "one-shot-code"): "a command",
    ("04_reading", "first-words-code"): "the words nearest to learned vectors",
    ("04_reading", "untrained-code"): "rows of the pocket CLIP's vocabulary",
    ("04_reading", "permuted-words-code"): "the words nearest to learned vectors",
}
CODE = {line for exhibit in EXHIBITS.values() for _, line in exhibit.changes()}  # lesson 05 shows it


def lines_of(cell):
    lines = (line for text in texts_of(cell) for line in text.splitlines())
    return [line for line in lines if not CODE & {line, line[2:]}]


@pytest.mark.parametrize("name", LESSONS)
def test_what_a_chinese_notebook_prints_is_chinese_but_for_what_models_read(name):
    cells = stored_cells(name, "zh").values()
    allowed = {id for lesson, id in ENGLISH if lesson == name}
    found = {cell.id: [one for line in lines_of(cell) if (one := english_of(line))] for cell in cells}
    found = {id: lines for id, lines in found.items() if lines}
    assert {id: lines for id, lines in found.items() if id not in allowed} == {}
    assert allowed <= found.keys(), "these need no exception any more"


@pytest.mark.parametrize(
    ("line", "english"),
    [
        ("✓ by the lines above：很接近", "by the lines above"),
        ("as trained 84.7%", "as trained 84.7%"),
        ("a small blue car on the beach", ""),
        ("softmax 后的 `attention_mask`，CLIP 与 GPT-2", ""),
        ("ids (1, 7)", "ids (1, 7)"),
        ("", ""),
    ],
)
def test_english_among_chinese_is_found_and_what_models_read_is_not(line, english):
    assert english_of(line) == english


def test_english_in_a_figure_and_letters_that_no_font_writes_are_found():
    figure = picture.make_blank(2)
    picture.add_page(figure, "the loss falls")
    picture.add_axes(figure, 1, 0.5, 4, 1).set(xlabel="步数", ylabel="loss", xticks=[0], xticklabels=["a cat"])
    assert faults_of_words(figure, "any") == ["English: “the loss falls”", "English: “loss”"]
    figure.text(0, 0, "损失 🐈")
    assert faults_of_words(figure, "any")[2:] == ["no font here writes 🐈"]


def test_the_fonts_of_the_course_write_gb2312_and_every_chinese_letter_of_the_course():
    rows = range(0xB0, 0xF8)
    letters = {bytes([row, cell]).decode("gb2312", "ignore") for row in rows for cell in range(0xA1, 0xFF)}
    assert len(letters - {""}) == 6763
    tracked = subprocess.run(
        ["git", "ls-files", "*.py", "*.toml"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()
    used = {letter for file in tracked for letter in re.findall(HAN, (ROOT / file).read_text("utf-8"))}
    assert len(used) > 1000
    assert sorted(letter for letter in (letters | used) - {""} if ord(letter) not in written()) == []


# Errors that no learner reads: one about the language itself, one that is caught where it is raised
ENGLISH_ERRORS = {("language.py", "ValueError"), ("notebook.py", "TypeError")}


def test_what_helpers_raise_is_said_in_both_languages():
    found = []
    for file in sorted((ROOT / "helpers").glob("*.py")):
        raised = [node.exc for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Raise)]
        for call in [call for call in raised if isinstance(call, ast.Call) and call.args]:
            error = getattr(call.func, "id", "")
            texts = [node for part in call.args if not isinstance(part, ast.Call) for node in ast.walk(part)]
            english = any(
                re.search("[a-z]{2}", str(getattr(text, "value", "")))
                for text in texts
                if isinstance(text, ast.Constant)
            )
            if english and error != "BadPicture" and (file.name, error) not in ENGLISH_ERRORS:
                found.append((file.name, call.lineno))
    assert found == []


def facts_of(sentence):
    """The names in its braces."""
    return {re.match(r"\w*", name)[0] for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def test_every_sentence_of_helpers_is_told_with_its_facts():
    sentences, told = tomllib.loads((ROOT / "helpers" / "sentences.toml").read_text("utf-8")), set()
    for sentence in sentences.values():
        assert facts_of(sentence["en"]) >= facts_of(sentence["zh"]) and re.search(HAN, sentence["zh"])
    for file in sorted((ROOT / "helpers").glob("*.py")):
        tree = ast.parse(file.read_text("utf-8"))
        for call in [node for node in ast.walk(tree) if isinstance(node, ast.Call)]:
            given = {keyword.arg: keyword.value for keyword in call.keywords}
            key = call.args[0] if getattr(call.func, "id", "") == "tell" else given.pop("key", None)
            if isinstance(key, ast.Constant) and None not in given:
                assert facts_of(sentences[key.value]["en"]) <= given.keys(), (file.name, key.value)
        texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        told |= {key for key in sentences if key in texts or key.startswith("picture_") and file.name == "pictures.py"}
    assert told == sentences.keys()


def test_a_learners_error_speaks_the_language_of_the_moment_and_keeps_braces(lang):
    error = LearnerError(en="no file {x}", zh="没有文件 {x}")
    assert str(error) == {"en": "no file {x}", "zh": "没有文件 {x}"}[lang]
