"""The lessons after the first as a learner meets them: every control of every explorer moved, every exercise and question answered.

In both languages, each on a notebook that was run once from top to bottom. Screenshots in .browser/shots.
"""

import re
from dataclasses import dataclass, field
from functools import partial

import jupytext
import pytest
from lab import CUT_OFF, ROOT, SPARE, Reader

RIGHT = {"en": "✓ Right.", "zh": "✓ 对。"}


@dataclass(frozen=True)
class Asked:
    """What a lesson asks of the learner's hands: the cells that hold explorers, questions, and figures to look at."""

    explorers: tuple[str, ...]
    quizzes: tuple[str, ...] = ()
    predictions: dict[str, str] = field(default_factory=dict)  # the question's cell, and the one that recalls the guess
    seen: tuple[str, ...] = ()


LESSONS = {
    "01_inside_clip": Asked(
        ("the-matrix-code", "tokens-code", "attention-explorer-code", "temperature-code"),
        quizzes=("where-pooled-code",),
        seen=(
            *("the-game-code", "names-code", "sizes-code", "mask-code", "patches-code", "templates-code"),
            *("embed-exercise", "pool-exercise", "cat-looks-code", "vision-tower-code"),
        ),
    ),
    "02_learnable_context": Asked(
        ("floats-enter-code", "shots-code", "choices-code", "base-to-new-code"),
        quizzes=("read-quiz-code",),
        predictions={
            "two-ways-guess": "inserting-code",
            "one-shot-guess": "one-shot-code",
            "new-classes-guess": "new-classes-code",
        },
        seen=("inserting-picture", "gradients-code", "use-code", "other-model-code", "done"),
    ),
    "02b_faster": Asked(
        ("where-it-goes-code", "ladder-code", "pays-picture"),
        quizzes=("cached-quiz",),
        predictions={"count-guess": "count-code"},
        seen=("trim-timing", "memory-timing", "pictures-timing", "limit-code", "classes-code", "done"),
    ),
    "03_soft_prompt": Asked(
        ("sequence-code", "translation-code", "scored-code", "next-word-code", "blend-code", "tips-code"),
        quizzes=("fed-in-code", "minus-100-code"),
        predictions={
            "unshifted-guess": "unshifted-code",
            "shuffled-guess": "shuffled-code",
            "retrained-guess": "retrained-code",
        },
        seen=(
            *("described-code", "ledger-code", "two-losses-code", "train-code", "curves-code", "parts-code"),
            *("prompts-table-code", "other-projection-code", "done"),
        ),
    ),
    "04_reading": Asked(
        ("explore-code", "paths-code", "influence-explore-code", "planted-explore-code", "levers-code", "prompts-code"),
        quizzes=("trap-quiz", "prompts-quiz", "conclude-quiz"),
        predictions={
            "blurred-guess": "first-words-code",
            "outside-guess": "outside-code",
            "snapped-guess": "snapped-code",
            "planted-guess": "planted-code",
            "p-values-guess": "p-values-code",
        },
        seen=("how-near-code", "search-code", "planted-table-code", "cups-code", "done"),
    ),
    "05_bug_museum": Asked(
        ("turning-code", "luck-code", "x-rays-code", "text-alarms-code", "caption-alarms-code"),
        quizzes=("trust-code", "symptom-code", "only-one-code"),
        predictions={
            "too-good-guess": "x-ray-code",
            "positions-guess": "count-code",
            "paper-guess": "paper-experiment-code",
            "nonsense-guess": "nonsense-code",
            "options-guess": "options-experiment-code",
        },
        seen=(
            *("too-good-glass", "too-good-curve", "x-ray-picture", "x-ray-curve", "identity-code", "paper-table"),
            *("words-experiment-code", "mask-code", "counted-code", "list-code", "done"),
        ),
    ),
}


def of(*lessons):
    """For tests of these lessons: each in both languages."""
    params = [(name, lang) for name in lessons or LESSONS for lang in ("en", "zh")]
    return pytest.mark.parametrize("lesson", params, indirect=True, ids=lambda param: "-".join(param))


@pytest.fixture(scope="module")
def lesson(request, browser, jupyterlab):
    name, lang = request.param
    with jupyterlab.notebook(browser, ROOT / "notebooks" / lang / f"{name}.ipynb") as notebook:
        yield Lesson(lang, notebook, name, LESSONS[name], notebook.run_all())
        assert notebook.strangers == [], "the page asked for something outside this machine"
        assert notebook.complaints == [], "errors on the browser's console"


@dataclass
class Lesson(Reader):
    """A lesson in a language, open and run, and what was found when it ran."""

    name: str
    asked: Asked
    ran: list

    def changes_the_figure(self, cell, what: str, move) -> None:
        """Does what is to be done, and waits until another figure stands in the cell."""
        before = self.notebook.figure(cell).get_attribute("src")
        move()
        self.notebook.wait_for_other_figure(cell, before, f"{what} in {self.name}")

    def shoot(self, name: str) -> None:
        number = self.name.partition("_")[0]
        assert self.notebook.shoot(f"{number}-{self.lang}-{name}").stat().st_size > 10_000


@of()
def test_every_cell_runs_without_error_or_warning(lesson):
    assert [cell["count"] for cell in lesson.ran] == list(range(1, len(lesson.ran) + 1))
    assert [cell for cell in lesson.ran if cell["stderr"] or bool(cell["errors"]) is not cell["raises"]] == []


@of()
def test_every_control_changes_the_figure(lesson):
    page = lesson.notebook.page
    for id in lesson.asked.explorers:
        cell = lesson.notebook.cell(id)
        sliders, lists, ticks = (
            cell.get_by_role("slider").all(),
            cell.locator(".jp-OutputArea-output select").all(),
            cell.locator(".jp-OutputArea-output input[type=checkbox]").all(),
        )
        assert sliders or lists or ticks, id
        for number, slider in enumerate(sliders):
            lesson.changes_the_figure(cell, f"slider {number} of {id}", partial(step, page, slider))
        for number, choice in enumerate(lists):
            for option in (
                choice.locator("option").count() - 1,
                choice.evaluate("list => list.selectedIndex"),
            ):  # and back
                choose = partial(choice.select_option, index=option)
                lesson.changes_the_figure(cell, f"list {number} of {id}", choose)
        for number, tick in enumerate(ticks):
            for way in (tick.click, partial(tick.press, "Space")):
                lesson.changes_the_figure(cell, f"tick {number} of {id}", way)
        assert lesson.reads_well(lesson.notebook.figure(cell).get_attribute("alt")), id
        assert lesson.reads_well(cell.locator("figcaption").inner_text()), id
        lesson.shoot(f"{id}-moved")


def step(page, slider) -> None:
    """One step by keyboard, to the right; to the left where it is at the end of its way."""
    now, most = (float(slider.get_attribute(f"aria-value{name}")) for name in ("now", "max"))
    slider.focus()
    page.keyboard.press("ArrowLeft" if now >= most else "ArrowRight")


@of()
def test_no_label_and_no_option_is_cut_off(lesson):
    for id in (*lesson.asked.explorers, *lesson.asked.quizzes, *lesson.asked.predictions):
        cell = lesson.notebook.cell(id)
        assert cell.evaluate(CUT_OFF) == [], id
        for number, choice in enumerate(cell.locator(".jp-OutputArea-output select").all()):
            assert choice.evaluate(SPARE) >= 0, f"{id}, list {number}: an option is wider than its list"


@of()
def test_every_answer_of_a_quiz_explains_itself(lesson):
    for id in lesson.asked.quizzes:
        cell = lesson.notebook.cell(id)
        told = []
        for letter in "ABCD":
            cell.get_by_role("button", name=letter, exact=True).click()
            sentence = cell.get_by_role("status").filter(has_text=re.compile(f"^[✓✗] {letter}\\."))
            sentence.wait_for()
            told.append(sentence.inner_text())
        assert all(map(lesson.reads_well, told)) and sum(text.startswith("✓") for text in told) == 1, id
        lesson.shoot(f"{id}-answered")


@of("02_learnable_context", "02b_faster", "03_soft_prompt", "04_reading", "05_bug_museum")
def test_a_guess_is_noted_and_recalled_when_the_answer_comes(lesson):
    for question, answer in lesson.asked.predictions.items():
        cell = lesson.notebook.cell(question)
        cell.get_by_role("button", name="A", exact=True).click()
        assert "A" in lesson.verdict(cell, "● ")
        cell = lesson.notebook.run_cell(answer)
        told = cell.get_by_role("status").filter(has_text=re.compile("^[✓●] "))
        told.wait_for()
        recalled = {"en": ("Just as you said", "You said A"), "zh": ("和你猜的一样", "你猜的是 A")}[lesson.lang]
        assert any(words in told.inner_text() for words in recalled), answer


@of("02_learnable_context", "02b_faster", "03_soft_prompt", "04_reading", "05_bug_museum")
def test_every_exercise_waits_and_takes_its_solution(lesson):
    """Also after all cells ran: what a learner writes late breaks nothing."""
    script = jupytext.read(ROOT / "lessons" / f"{lesson.name}.py", fmt="py:percent")
    solutions = {
        cell.metadata["id"]: cell.source for cell in script.cells if "solution" in cell.metadata.get("tags", [])
    }
    for id, solution in solutions.items():
        exercise = id.replace("-solution", "-exercise")
        lesson.verdict(lesson.notebook.cell(exercise), "○ ")
        *stub, check = lesson.notebook.source(exercise).splitlines()
        given = [line for line in stub if line.partition(" =")[0].isidentifier() and "..." not in line]
        cell = lesson.notebook.run_cell(exercise, "\n".join([*given, solution, check]))
        lesson.verdict(cell, RIGHT[lesson.lang])
    lesson.shoot("exercises-solved")


@of("01_inside_clip")
@pytest.mark.parametrize("id", ["the-matrix-code", "attention-explorer-code"])
def test_buttons_answer_mouse_and_keyboard(lesson, id):
    cell = lesson.notebook.cell(id)
    buttons = cell.locator("button.jupyter-button").all()
    assert len(buttons) >= 2
    for number, button in enumerate(buttons[:2] if len(buttons) == 2 else [buttons[3], buttons[20], buttons[-1]]):
        press = partial(button.press, "Enter") if number % 2 else button.click
        lesson.changes_the_figure(cell, f"button {number} of {id}", press)
    lesson.shoot(f"{id}-pressed")


@of("01_inside_clip", "02_learnable_context")
def test_a_text_of_ones_own_is_shown(lesson):
    id = {"01_inside_clip": "tokens-code", "02_learnable_context": "floats-enter-code"}[lesson.name]
    cell = lesson.notebook.cell(id)
    line = cell.locator("input[type=text]").first

    def write() -> None:
        line.fill("two giraffes and a red umbrella")
        line.press("Enter")

    lesson.changes_the_figure(cell, "the text", write)
    lesson.shoot(f"{id}-own-text")


DONE = {"en": r"Done: 160 steps in [\d.]+ s\.", "zh": r"完成：160 步，用时 [\d.]+ 秒。"}


@of("02_learnable_context")
def test_a_context_of_ones_own_choice_is_learned_while_one_watches(lesson, measured):
    cell = lesson.notebook.cell("watch-code")
    assert cell.evaluate(CUT_OFF) == []
    page, status = lesson.notebook.page, cell.get_by_role("status")
    button = cell.locator("button.jupyter-button")
    for slider in cell.get_by_role("slider").all():
        step(page, slider)
    for run in (1, 2):
        lesson.changes_the_figure(cell, "training", button.click)
        page.wait_for_function(  # of the first cell with such words; there is one that trains
            "pattern => [...document.querySelectorAll('[role=status]')].some(e => new RegExp(pattern).test(e.innerText))",
            arg=f"^{DONE[lesson.lang]}$",
            timeout=150_000,
        )
        page.wait_for_timeout(400)  # at a person's pace: a press right after the end counts as one too many
        measured.append(f"lesson 02 ({lesson.lang}), few-shot training, run {run}: {status.inner_text()}")
        step(page, cell.get_by_role("slider").first)
    figure = lesson.notebook.figure(cell)
    assert lesson.reads_well(figure.get_attribute("alt")) and lesson.reads_well(cell.locator("figcaption").inner_text())
    lesson.shoot("watch-code-trained")


CAPTIONER_DONE = {"en": r"Done: \d+ steps in [\d.]+ s\.", "zh": r"完成：\d+ 步，用时 [\d.]+ 秒。"}


@of("03_soft_prompt")
def test_a_captioner_is_trained_while_one_watches(lesson, measured):
    cell = lesson.notebook.cell("train-code")
    assert cell.evaluate(CUT_OFF) == []
    page = lesson.notebook.page
    pictures, steps, *_ = cell.get_by_role("slider").all()
    for slider in (pictures, steps):  # the fewest pictures and steps
        slider.focus()
        page.keyboard.press("ArrowLeft")
    lesson.changes_the_figure(cell, "training", cell.locator("button.jupyter-button").click)
    status = cell.get_by_role("status").filter(has_text=re.compile(f"^{CAPTIONER_DONE[lesson.lang]}$"))
    status.wait_for(timeout=240_000)
    measured.append(f"lesson 03 ({lesson.lang}), training a captioner: {status.inner_text()}")
    figure = lesson.notebook.figure(cell)
    assert lesson.reads_well(figure.get_attribute("alt")) and lesson.reads_well(cell.locator("figcaption").inner_text())
    lesson.shoot("train-code-trained")


@of()
def test_the_whole_lesson_is_photographed(lesson):
    for id in (*lesson.asked.explorers, *lesson.asked.quizzes, *lesson.asked.predictions, *lesson.asked.seen):
        lesson.notebook.cell(id)
        lesson.notebook.page.wait_for_timeout(200)
        lesson.shoot(f"cell-{id}")
