"""Facts about numbers in prose: each is printed by its lesson, follows from what is stored (claims/), or is cited."""

import importlib
import re
from functools import cache

import pytest
from chinese import ROOT
from claims import stored_cells, texts_of
from strange import LESSONS

from finetuning import options
from pocket.studies import captioner_study
from tools.source import LANGUAGES, NO_PROSE, NO_TEXT, read_lessons
from tools.teaching.guide import read_course

BOTH = [(lang, name) for lang in LANGUAGES for name in LESSONS]
NUMBER = (
    r"(?<![\w.])(\d[\d,]*\.\d+|\d[\d,]*(?=\s?[%×]))(?!\.\d)"  # with a decimal point, or a percentage, or so many times
)
MINUTES = {"en": r"(\d+) minutes", "zh": r"(\d+) ?分钟"}


def claimed_by(name):
    return importlib.import_module(f"claims.lesson_{name.split('_')[0]}")


@cache
def claims_of(name):
    """All claims of a lesson; some run its models."""
    return tuple(claimed_by(name).claims())


@cache
def prose(name, lang):
    """The markdown cells of a lesson by their ids, on one line each."""
    cells = next(lesson for lesson in read_lessons(ROOT) if lesson.name == name).cells
    return {
        cell.metadata.id: " ".join(cell.source.split())
        for cell in cells
        if cell.cell_type == "markdown" and cell.metadata.lang == lang
    }


@pytest.mark.parametrize("name", LESSONS)
def test_what_a_lesson_says_of_stored_numbers_holds(name):
    for claim in claims_of(name):
        for lang in LANGUAGES:
            assert getattr(claim, lang) in prose(name, lang)[claim.cell], (claim.cell, lang, getattr(claim, lang))


def printed(name, lang):
    """All numbers in the text outputs of a notebook's compared cells; shares also as percentages."""
    cells = stored_cells(name, lang).values()
    compared = [cell for cell in cells if "nbval-check-output" in cell.metadata.get("tags", ())]
    texts = [text for cell in compared for text in texts_of(cell)]
    numbers = [float(number.replace(",", "")) for text in texts for number in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]
    return numbers + [100 * number for number in numbers]


@pytest.mark.parametrize(("lang", "name"), BOTH)
def test_every_decimal_and_every_percentage_in_prose_is_printed_or_claimed_or_cited(lang, name):
    module, there = claimed_by(name), printed(name, lang)
    said = " ".join(getattr(claim, lang) for claim in claims_of(name))
    unbound = []
    for id, text in prose(name, lang).items():
        text = re.sub(r"arXiv:? ?[\d.]+", " ", re.sub(NO_TEXT, " ", re.sub(NO_PROSE, " ", text)))
        for number in re.findall(NUMBER, text):
            places = len(number.partition(".")[2])
            known = any(round(value, places) == float(number.replace(",", "")) for value in there)
            if not known and number not in module.CITED and number not in re.findall(r"\d[\d,.]*\d|\d", said):
                unbound.append((id, number))
    assert unbound == []


@pytest.mark.parametrize("name", LESSONS)
def test_numbers_are_cited_that_the_prose_has(name):
    texts = " ".join(text for lang in LANGUAGES for text in prose(name, lang).values())
    assert [number for number in claimed_by(name).CITED if number not in texts] == []


# --- minutes: those of the teacher's guide, everywhere ----------------------------------------------------------------------------


@cache
def read_minutes():
    return {name: lesson.rounded for name, lesson in read_course(ROOT, "").lessons.items()}


@pytest.mark.parametrize(("lang", "name"), BOTH)
def test_a_lesson_says_at_its_head_how_many_minutes_it_takes(lang, name):
    assert str(read_minutes()[name]) in re.findall(MINUTES[lang], next(iter(prose(name, lang).values())))


@pytest.mark.parametrize(("lang", "readme"), [("en", "README_EN.md"), ("zh", "README.md")])
def test_readme_and_lesson_00_list_the_same_minutes(lang, readme):
    row = r"(?m)^\| \**(\d\d\w?) .*?\| (\d+) \|"
    listed = dict(re.findall(row, (ROOT / readme).read_text("utf-8")))
    assert listed == {name.split("_")[0]: str(minutes) for name, minutes in read_minutes().items()}
    source = (ROOT / "lessons/lesson_00_start_here/lesson.py").read_text("utf-8")
    in_lesson = [*re.findall(r"(?m)^# " + row.removeprefix("(?m)^"), source)]
    assert sorted(in_lesson) == sorted(2 * [*listed.items()])


# --- what the READMEs say of options and of the study behind them -------------------------------------------------------------------


def test_the_readmes_say_what_the_presets_are_and_what_the_study_found_of_the_rate():
    seed, pocket = options.SEED, options.POCKET
    vectors, epochs, batch = (seed[name] for name in ("prompt_length", "num_epochs", "batch_size"))
    rate, larger = (f"{one['learning_rate']:.0e}".replace("e-0", "e-") for one in (seed, pocket))
    said = {
        "README_EN.md": f"({vectors} vectors, rate {rate}, {epochs} epochs, batches of {batch})",
        "README.md": f"（{vectors} 个向量，学习率 {rate}，{epochs} 轮，每批 {batch} 条）",
    }
    right = {tip.value: tip.object for tip in captioner_study.load_study().tips if tip.tip == "rate"}
    assert right[pocket["learning_rate"]] > 2 * right[seed["learning_rate"]]  # "too small for a short training"
    for readme, presets in said.items():
        text = (ROOT / readme).read_text("utf-8")
        assert presets in text and f"--learning_rate {larger}`" in text
