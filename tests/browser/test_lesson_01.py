"""Lesson 01 as a learner meets it: every explorer moved by mouse and keyboard, in both languages. Screenshots in .browser/shots."""

import re

import pytest
from lab import ROOT

CHINESE = re.compile("[\u4e00-\u9fff]")
EXPLORERS = ("the-matrix-code", "tokens-code", "attention-explorer-code", "temperature-code")
SEEN = (*EXPLORERS, "the-game-code", "names-code", "sizes-code", "mask-code", "patches-code", "templates-code")
SEEN += ("embed-exercise", "where-pooled-code", "pool-exercise", "cat-looks-code", "vision-tower-code")


@pytest.fixture(scope="module", params=["en", "zh"])
def lesson(request, browser, jupyterlab):
    """The language, the notebook, and what was found when it was run once from top to bottom."""
    with jupyterlab.notebook(browser, ROOT / "notebooks" / request.param / "01_inside_clip.ipynb") as notebook:
        yield request.param, notebook, notebook.run_all()
        assert notebook.strangers == [], "the page asked for something outside this machine"
        assert notebook.complaints == [], "errors on the browser's console"


def figure(cell):
    return cell.locator(".jp-OutputArea-output figure img")


def wait_for_other(notebook, cell, before: str, what: str) -> None:
    """Until another figure stands in the cell than the one with this source."""
    for _ in range(600):
        if figure(cell).count() and figure(cell).get_attribute("src") != before:
            return
        notebook.page.wait_for_timeout(50)
    raise AssertionError(f"{what} changed nothing within 30 s")


def test_every_cell_runs_without_error_or_warning(lesson):
    ran = lesson[2]
    assert [cell["count"] for cell in ran] == list(range(1, len(ran) + 1))
    assert [cell for cell in ran if cell["errors"] or cell["stderr"]] == []


@pytest.mark.parametrize("id", EXPLORERS)
def test_every_slider_moves_by_keyboard_and_changes_the_figure(lesson, id):
    lang, notebook, _ = lesson
    cell = notebook.cell(id)
    sliders = cell.get_by_role("slider").all()
    assert sliders
    for number, slider in enumerate(sliders):
        before, value = figure(cell).get_attribute("src"), slider.get_attribute("aria-valuenow")
        slider.focus()
        for key in ("ArrowRight", "ArrowLeft"):  # at the end of its way it moves only back
            notebook.page.keyboard.press(key)
            notebook.page.wait_for_timeout(100)
            if slider.get_attribute("aria-valuenow") != value:
                break
        wait_for_other(notebook, cell, before, f"slider {number} of {id}")
    alt = figure(cell).get_attribute("alt")
    assert bool(CHINESE.search(alt)) is (lang == "zh")
    notebook.shoot(f"01-{lang}-{id}-moved")


@pytest.mark.parametrize("id", ["the-matrix-code", "attention-explorer-code"])
def test_buttons_answer_mouse_and_keyboard(lesson, id):
    lang, notebook, _ = lesson
    cell = notebook.cell(id)
    buttons = cell.locator("button.jupyter-button").all()
    assert len(buttons) >= 2
    for number, button in enumerate(buttons[:2] if len(buttons) == 2 else [buttons[3], buttons[20], buttons[-1]]):
        before = figure(cell).get_attribute("src")
        if number % 2:
            button.focus()
            notebook.page.keyboard.press("Enter")
        else:
            button.click()
        wait_for_other(notebook, cell, before, f"button {number} of {id}")
    notebook.shoot(f"01-{lang}-{id}-pressed")


def test_a_text_of_ones_own_becomes_tokens(lesson):
    lang, notebook, _ = lesson
    cell = notebook.cell("tokens-code")
    before = figure(cell).get_attribute("src")
    line = cell.locator("input[type=text]").first
    line.fill("two giraffes and a red umbrella")
    line.press("Enter")
    wait_for_other(notebook, cell, before, "the text")
    notebook.shoot(f"01-{lang}-tokens-own-text")


def test_no_label_is_cut_off(lesson):
    for id in EXPLORERS:
        for label in lesson[1].cell(id).locator(".widget-label").all():
            assert label.evaluate("e => e.scrollWidth <= e.clientWidth"), label.inner_text()


def test_every_answer_of_the_quiz_explains_itself(lesson):
    lang, notebook, _ = lesson
    cell = notebook.cell("where-pooled-code")
    for letter in "ABCD":
        cell.get_by_role("button", name=letter, exact=True).click()
        verdict = cell.get_by_role("status").filter(has_text=re.compile(f"{letter}\\."))
        verdict.wait_for()
        assert bool(CHINESE.search(verdict.inner_text())) is (lang == "zh")


def test_the_whole_lesson_is_photographed(lesson):
    lang, notebook, _ = lesson
    for id in SEEN:
        notebook.cell(id)
        notebook.page.wait_for_timeout(200)
        assert notebook.shoot(f"01-{lang}-cell-{id}").stat().st_size > 10_000
