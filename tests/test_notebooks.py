"""What holds for every committed notebook, without running it."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
CHINESE = re.compile("[\u4e00-\u9fff]")
LESSONS = sorted(path.name for path in (ROOT / "notebooks" / "en").glob("*.ipynb"))
BOTH = [(lang, name) for lang in ("en", "zh") for name in LESSONS]


def read(lang, name):
    notebook = nbformat.read(ROOT / "notebooks" / lang / name, as_version=4)
    nbformat.validate(notebook)
    return notebook


def outputs(notebook):
    return [(cell.id, output) for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def test_there_is_a_lesson_and_each_is_there_in_both_languages():
    assert LESSONS and LESSONS == sorted(path.name for path in (ROOT / "notebooks" / "zh").glob("*.ipynb"))


@pytest.mark.parametrize("name", LESSONS)
def test_the_code_is_the_same_in_both_languages_but_for_the_language(name):
    english, chinese = read("en", name), read("zh", name)
    assert [cell.id for cell in english.cells] == [cell.id for cell in chinese.cells]
    for one, other in zip(english.cells, chinese.cells, strict=True):
        assert one.cell_type == other.cell_type and one.metadata == other.metadata
        if one.cell_type == "code":
            assert one.source.replace('lesson.start("en")', 'lesson.start("zh")') == other.source
        else:
            assert CHINESE.search(other.source) and not CHINESE.search(one.source)


@pytest.mark.parametrize(("lang", "name"), BOTH)
def test_outputs_are_stored_and_none_is_an_error_a_warning_or_a_dead_widget(lang, name):
    notebook = read(lang, name)
    assert "widgets" not in notebook.metadata
    assert all(cell.outputs for cell in notebook.cells if "nbval-check-output" in cell.metadata.get("tags", []))
    for id, output in outputs(notebook):
        assert output.output_type != "error" and output.get("name") != "stderr", id
        assert not [kind for kind in output.get("data", {}) if "widget" in kind], id


@pytest.mark.parametrize(("lang", "name"), BOTH)
def test_every_figure_has_alt_text_in_the_language_of_the_notebook(lang, name):
    for id, output in outputs(read(lang, name)):
        if "image/png" in output.get("data", {}):
            alt = re.search('<img alt="([^"]*)"', output.data["text/html"])[1]
            assert len(alt) >= 15 and bool(CHINESE.search(alt)) == (lang == "zh"), id


@pytest.mark.parametrize(("lang", "name"), BOTH)
def test_most_text_output_is_compared_and_a_notebook_is_at_most_a_megabyte(lang, name):
    with_text = [cell for cell in read(lang, name).cells if cell.cell_type == "code" and cell.outputs]
    compared = [cell for cell in with_text if "nbval-check-output" in cell.metadata.get("tags", [])]
    assert len(compared) >= 0.8 * len(with_text)
    assert (ROOT / "notebooks" / lang / name).stat().st_size <= 1_000_000
