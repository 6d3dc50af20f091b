"""The lessons as a learner meets them: every control of every explorer moved by mouse and by keyboard, everything asked answered.

In both languages, each on a notebook that was run once from top to bottom. Screenshots in .browser/shots. What only the first lesson
has is in test_first_lesson.py. Lessons that are not in learner.QUICK take minutes: python course.py test --all.
"""

import re
from functools import partial

import pytest
import test_first_lesson
from accessible import faults
from lab import CONTROLS, CUT_OFF, ROOT, SPARE
from learner import LESSONS, QUICK, moves_of, of, step, write
from PIL import Image

from tools.source import read_lessons

RIGHT = {"en": "✓ Right.", "zh": "✓ 对。"}


def test_every_notebook_is_among_these_lessons_and_every_test_of_its_own_exists():
    for lang in ("en", "zh"):
        assert {path.stem for path in (ROOT / "notebooks" / lang).glob("*.ipynb")} == set(LESSONS)
    tests = {*globals(), *vars(test_first_lesson)}
    assert {name for asked in LESSONS.values() for name in asked.own_tests.values()} <= tests
    assert {name for name, _ in QUICK} <= set(LESSONS)


@of()
def test_every_cell_runs_without_error_or_warning(lesson):
    assert [cell["count"] for cell in lesson.ran] == list(range(1, len(lesson.ran) + 1))
    assert [cell for cell in lesson.ran if cell["stderr"] or bool(cell["errors"]) is not cell["raises"]] == []


@of()
def test_every_cell_with_controls_is_named(lesson):
    assert sorted(lesson.asked.with_controls()) == sorted(lesson.notebook.with_controls())


@pytest.mark.slow  # below, when all is answered, there is more to see
@of()
def test_everybody_can_see_and_name_what_the_lesson_shows(lesson):
    assert faults(lesson.notebook.page) == []


LOOKS_OTHERWISE = """([control, before]) => {  // where the keyboard is must be seen; a colour may take a moment to change
    const style = getComputedStyle(control);
    const look = [style.outline, style.borderColor, style.backgroundColor, style.boxShadow].join();
    return before === undefined ? look : before !== look;
}"""


@of()
def test_tab_goes_through_all_controls_in_their_order_and_shows_where_it_is(lesson):
    page = lesson.notebook.page
    for id in lesson.asked.with_controls():
        controls = lesson.notebook.cell(id).locator(CONTROLS).element_handles()
        controls = [control for control in controls if control.is_visible()]
        looks = [page.evaluate(LOOKS_OTHERWISE, [control]) for control in controls]
        controls[0].focus()
        for number, (control, look) in enumerate(zip(controls, looks, strict=True)):
            assert control.evaluate("e => e === document.activeElement"), f"Tab does not reach control {number} of {id}"
            if number:  # the first was not reached by a key, and a browser need not show that
                unseen = f"nobody sees that the keyboard is at control {number} of {id}"
                lesson.notebook.wait_for(LOOKS_OTHERWISE, [control, look], unseen)
            page.keyboard.press("Tab")


@of()
def test_mouse_and_keyboard_move_every_control(lesson):
    for id in lesson.asked.explorers:
        cell = lesson.notebook.cell(id)
        moves = list(moves_of(lesson.notebook.page, cell, lesson.asked.step_by_step.get(id, ())))
        assert moves, id
        for number, (what, move) in enumerate(moves):
            lesson.changes_the_view(cell, f"{what} of {id}", move)
            if number == 0:  # the last of them takes the last control back
                lesson.shoot(f"{id}-moved")
        assert lesson.reads_well(lesson.notebook.figure(cell).get_attribute("alt")), id
        assert lesson.reads_well(cell.locator("figcaption").inner_text()), id


@of()
def test_no_label_and_no_option_is_cut_off(lesson):
    for id in lesson.asked.with_controls():
        cell = lesson.notebook.cell(id)
        assert cell.evaluate(CUT_OFF) == [], id
        for number, choice in enumerate(cell.locator(".jp-OutputArea-output select").all()):
            assert choice.evaluate(SPARE) >= 0, f"{id}, list {number}: an option is wider than its list"


@of()
def test_every_answer_of_a_quiz_explains_itself(lesson):
    for id in lesson.asked.quizzes:
        cell = lesson.notebook.cell(id)
        buttons = cell.locator("button.jupyter-button").all()
        for press in ("click", "Enter", "Space"):
            told = []
            for button in buttons:
                button.click() if press == "click" else button.press(press)
                sentence = cell.get_by_role("status").filter(has_text=re.compile(f"^[✓✗] {button.inner_text()}\\."))
                sentence.wait_for()
                told.append(sentence.inner_text())
            assert all(map(lesson.reads_well, told)) and sum(text.startswith("✓") for text in told) == 1, id
        assert len(told) >= 4, id
        lesson.shoot(f"{id}-answered")


@of(*(name for name, asked in LESSONS.items() if asked.predictions))
def test_a_guess_is_noted_and_recalled_when_the_answer_comes(lesson):
    for question, answer in lesson.asked.predictions.items():
        cell = lesson.notebook.cell(question)
        cell.get_by_role("button", name="B", exact=True).press("Enter")
        assert "B" in lesson.verdict(cell, "● ")
        cell.get_by_role("button", name="A", exact=True).click()
        assert "A" in lesson.verdict(cell, "● A" if lesson.lang == "en" else "● 记下了：A")
        cell = lesson.notebook.run_cell(answer)
        told = cell.get_by_role("status").filter(has_text=re.compile("^[✓●] "))
        told.wait_for()
        recalled = {"en": ("Just as you said", "You said A"), "zh": ("和你猜的一样", "你猜的是 A")}[lesson.lang]
        assert any(words in told.inner_text() for words in recalled), answer


@of(*(name for name in LESSONS if name != "00_start_here"))
def test_every_exercise_waits_and_takes_its_solution(lesson):
    """Also after all cells ran: what a learner writes late breaks nothing."""
    (script,) = [script for script in read_lessons(ROOT) if script.name == lesson.name]
    solutions = {cell.metadata.id: cell.source for cell in script.cells if "solution" in cell.metadata.tags}
    for id, solution in solutions.items():
        exercise = id.replace("-solution", "-exercise")
        lesson.verdict(lesson.notebook.cell(exercise), "○ ")
        *stub, check = lesson.notebook.source(exercise).splitlines()
        given = [line for line in stub if line.partition(" =")[0].isidentifier() and "..." not in line]
        cell = lesson.notebook.run_cell(exercise, "\n".join([*given, solution, check]))
        lesson.verdict(cell, RIGHT[lesson.lang])
    lesson.shoot("exercises-solved")


DONE = {"en": r"Done: \d+ steps in [\d.]+ s\.", "zh": r"完成：\d+ 步，用时 [\d.]+ 秒。"}


def train(lesson, cell, press) -> str:
    """Presses the button that trains, waits for the end, and gives the words that say how long it took."""
    before = lesson.notebook.shown(cell)
    press()
    lesson.notebook.wait_for_other_view(cell, before, "training")
    status = cell.get_by_role("status").filter(has_text=re.compile(f"^{DONE[lesson.lang]}$"))
    status.wait_for(timeout=240_000)
    alt = lesson.notebook.figure(cell).get_attribute("alt")
    assert lesson.reads_well(alt) and lesson.reads_well(cell.locator("figcaption").inner_text())
    lesson.notebook.page.wait_for_timeout(400)  # at a person's pace: a press right after the end counts as one too many
    return status.inner_text()


def move_all_but_the_button(lesson, cell) -> None:
    for what, move in moves_of(lesson.notebook.page, cell):
        if not what.startswith("button"):
            move()


@of("02_learnable_context")
def test_a_context_of_ones_own_choice_is_learned_while_one_watches(lesson, measured):
    cell = lesson.notebook.cell("watch-code")
    move_all_but_the_button(lesson, cell)
    button = cell.locator("button.jupyter-button")
    for run, press in enumerate((button.click, partial(button.press, "Enter")), start=1):
        step(cell.get_by_role("slider").first)
        measured.append(f"lesson 02 ({lesson.lang}), few-shot training, run {run}: {train(lesson, cell, press)}")
    assert cell.evaluate(CUT_OFF) == []  # the button now says something else
    lesson.shoot("watch-code-trained")


@of("03_soft_prompt")
def test_a_captioner_is_trained_while_one_watches(lesson, measured):
    cell = lesson.notebook.cell("train-code")
    move_all_but_the_button(lesson, cell)
    pictures, steps, *_ = cell.get_by_role("slider").all()
    for slider in (pictures, steps):
        slider.press("Home")  # the fewest
    button = cell.locator("button.jupyter-button")
    press = button.click if lesson.lang == "en" else partial(button.press, "Enter")
    measured.append(f"lesson 03 ({lesson.lang}), training a captioner: {train(lesson, cell, press)}")
    assert cell.evaluate(CUT_OFF) == []
    lesson.shoot("train-code-trained")


@of("06_own_pictures")
def test_a_folder_is_named_and_pictures_without_a_class_get_a_sentence(lesson, tmp_path):
    cell, page = lesson.notebook.cell("yours-code"), lesson.notebook.page
    for number in range(12):
        file = tmp_path / ("red" if number % 2 else "blue") / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        Image.effect_noise((80 + number, 80), 10 + 5 * number).convert("RGB").save(file)
    folder = cell.locator("input[type=text]").first
    lesson.changes_the_view(cell, "the path", partial(write, page, folder, str(tmp_path)))
    alt = lesson.notebook.figure(cell).get_attribute("alt")
    assert "red" in alt and "blue" in alt and lesson.reads_well(alt)
    lesson.shoot("yours-code-path")
    lesson.changes_the_view(cell, "no path", partial(write, page, folder, " "))
    with page.expect_file_chooser() as chooser:  # pictures for a class without a name: nothing is written anywhere
        cell.locator("button.jupyter-button").click()
    lesson.changes_the_view(cell, "pictures without a class", partial(chooser.value.set_files, file))
    assert lesson.reads_well(cell.get_by_role("alert").inner_text())
    lesson.shoot("yours-code-sentence")


@pytest.mark.slow
@of()
def test_the_whole_lesson_is_photographed(lesson):
    for id in (*lesson.asked.with_controls(), *lesson.asked.seen):
        lesson.notebook.cell(id)
        lesson.notebook.page.wait_for_timeout(200)
        lesson.shoot(f"cell-{id}")


@of()
def test_everybody_can_see_and_name_what_is_there_when_all_is_answered(lesson):
    """Verdicts, hints, recalled guesses, solved exercises."""
    assert faults(lesson.notebook.page) == []
