"""What holds for every committed notebook, without running it; and when conftest.py lets nbval compare outputs."""

import html
import re
import tomllib
from pathlib import Path

import nbformat
import pytest

from tools import build

ROOT = Path(__file__).parents[1]
CHINESE = re.compile("[\u4e00-\u9fff]")
LESSONS = sorted(path.name for path in (ROOT / "notebooks" / "en").glob("*.ipynb"))
BOTH = [(lang, name) for lang in ("en", "zh") for name in LESSONS]
ADDRESS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ten-vectors"]["address"]


def read(lang, name):
    notebook = nbformat.read(ROOT / "notebooks" / lang / name, as_version=4)
    nbformat.validate(notebook)
    return notebook


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def outputs(notebook):
    return [(cell.id, output) for cell in code_cells(notebook) for output in cell.outputs]


def has_text(output):
    return output.output_type == "stream" or "text/plain" in output.get("data", {})


def test_scripts_and_notebooks_pass_build_check(capsys):
    assert (build.main(["--check"]), capsys.readouterr().err) == (0, "")


def test_there_is_a_lesson_and_each_is_there_in_both_languages():
    assert LESSONS and LESSONS == sorted(path.name for path in (ROOT / "notebooks" / "zh").glob("*.ipynb"))


@pytest.mark.parametrize("name", LESSONS)
def test_the_code_is_the_same_in_both_languages_but_for_the_language(name):
    english, chinese = read("en", name), read("zh", name)
    assert [cell.id for cell in english.cells] == [cell.id for cell in chinese.cells]
    assert english.metadata == chinese.metadata
    for one, other in zip(english.cells, chinese.cells, strict=True):
        assert one.cell_type == other.cell_type and one.metadata == other.metadata, one.id
        if one.cell_type == "code":
            expected = one.source if one.id != "setup" else build.make_setup_code("zh", ADDRESS)
            assert other.source == expected, one.id
        else:
            assert CHINESE.search(other.source), one.id


@pytest.mark.parametrize(("lang", "name"), BOTH)
def test_the_first_code_cell_is_the_set_up_cell(lang, name):
    first = code_cells(read(lang, name))[0]
    assert (first.id, first.source) == ("setup", build.make_setup_code(lang, ADDRESS))


@pytest.mark.parametrize(("lang", "name"), BOTH)
def test_solutions_are_folded_text_behind_their_exercises(lang, name):
    cells = read(lang, name).cells
    solutions = [n for n, cell in enumerate(cells) if "solution" in tags(cell)]
    assert solutions == [n + 1 for n, cell in enumerate(cells) if "exercise" in tags(cell)]
    assert all(cells[n].cell_type == "markdown" and cells[n].source.startswith("<details><summary>") for n in solutions)


@pytest.mark.parametrize(("lang", "name"), BOTH)
def test_outputs_are_stored_and_none_is_a_surprise_a_warning_or_a_dead_widget(lang, name):
    notebook = read(lang, name)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert [cell.execution_count for cell in code_cells(notebook)] == [*range(1, len(code_cells(notebook)) + 1)]
    for cell in code_cells(notebook):
        assert set(cell.metadata) <= {"tags"}, cell.id
        assert cell.outputs or "nbval-check-output" not in tags(cell), cell.id
        expected = "raises-exception" in tags(cell)
        assert expected == any(output.output_type == "error" for output in cell.outputs), cell.id
    for id, output in outputs(notebook):
        assert output.get("name") != "stderr", id
        assert not [kind for kind in output.get("data", {}) if "widget" in kind], id


@pytest.mark.parametrize(("lang", "name"), BOTH)
def test_every_figure_has_alt_text_in_the_language_of_the_notebook(lang, name):
    for id, output in outputs(read(lang, name)):
        data = output.get("data", {})
        figures = re.findall(r"<img\b[^>]*>", data.get("text/html", ""))
        assert figures or not any(kind.startswith("image/") for kind in data), f"{id}: a picture without html"
        for figure in figures:
            alt = html.unescape("".join(re.findall(r'\balt="([^"]*)"', figure)))
            assert len(alt) >= 15 and bool(CHINESE.search(alt)) == (lang == "zh"), (id, alt)


@pytest.mark.parametrize(("lang", "name"), BOTH)
def test_most_text_output_is_compared(lang, name):
    with_text = [cell for cell in code_cells(read(lang, name)) if any(map(has_text, cell.outputs))]
    compared = [cell for cell in with_text if "nbval-check-output" in tags(cell)]
    assert len(compared) >= 0.8 * len(with_text), f"{len(compared)} of {len(with_text)}"


@pytest.mark.parametrize(("lang", "name"), BOTH)
def test_a_notebook_is_at_most_a_megabyte(lang, name):
    assert (ROOT / "notebooks" / lang / name).stat().st_size <= 1_000_000


# Where outputs are compared


@pytest.fixture
def conftest(pytestconfig):
    """The conftest.py beside tests/, as pytest has loaded it."""
    return pytestconfig.pluginmanager.get_plugin(str(ROOT / "conftest.py"))


PINS = "# tested\nipywidgets==8.1.9\nmatplotlib==3.11.2\nmatplotlib-inline==0.2.2\nnumpy==2.4.6\npillow==13.0.0\ntorch==2.13.0\ntransformers==5.23.0\n"
TESTED = {"ipywidgets": "8.1.9", "matplotlib": "3.11.2", "numpy": "2.4.6", "pillow": "13.0.0", "torch": "2.13.0", "transformers": "5.23.0"}  # fmt: skip


def test_in_the_tested_environment_outputs_are_compared(conftest):
    assert conftest.other_versions(PINS, TESTED) == []
    assert conftest.other_versions(PINS, TESTED | {"torch": "2.13.0+cpu"}) == []


def test_in_another_environment_they_are_not_and_the_reason_is_told(conftest):
    other = TESTED | {"transformers": "4.57.6", "numpy": "2.1.3"}
    told = ["transformers 4.57.6 instead of 5.23.0", "numpy 2.1.3 instead of 2.4.6"]
    assert conftest.other_versions(PINS, other) == told
    del other["numpy"]
    assert conftest.other_versions(PINS, other)[1] == "numpy missing instead of 2.4.6"


def test_every_package_that_decides_outputs_is_pinned(conftest):
    pins = (ROOT / "constraints" / "tested.txt").read_text(encoding="utf-8")
    assert len(conftest.other_versions(pins, {})) == len(conftest.DECIDE_OUTPUTS)


class Cell:
    """Stands for nbval's item."""

    def __init__(self):
        self.cell_num, self.options = 0, {"check": True}


@pytest.mark.parametrize(("why", "check"), [("", True), ("numpy 2.1.3 instead of 2.4.6", False)])
def test_cells_run_but_are_not_compared_in_another_environment(conftest, monkeypatch, why, check):
    monkeypatch.setattr(conftest, "why_not_compared", lambda: why)
    cell = Cell()
    conftest.pytest_collection_modifyitems([object(), cell])
    assert cell.options["check"] is check
    assert conftest.pytest_report_header() == (f"outputs are not compared: {why}" if why else None)


def test_nbval_still_keeps_the_tag_in_the_option_that_conftest_sets():
    from nbval.plugin import metadata_tags

    assert metadata_tags["nbval-check-output"] == "check"
