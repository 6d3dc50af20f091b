"""The lessons as a learner meets them: every control of every explorer moved by mouse and by keyboard, everything asked answered.

In both languages, each on a notebook that was run once from top to bottom. Screenshots in .browser/shots. What only the first lesson
has is in test_lesson_00.py. Lessons that are not in QUICK take minutes: python course.py test --all.
"""

import re
from dataclasses import dataclass, field
from functools import partial

import jupytext
import pytest
import test_lesson_00
from accessible import faults
from lab import CONTROLS, CUT_OFF, ROOT, SCROLL, SPARE, Reader
from PIL import Image

RIGHT = {"en": "✓ Right.", "zh": "✓ 对。"}


QUICK = ("00_start_here", "03_soft_prompt")  # the lessons that .ci/run sees in a browser


@dataclass(frozen=True)
class Asked:
    """What a lesson asks of the learner's hands: the cells that hold explorers, questions, and figures to look at.

    All cells with controls are named, those of exercises excepted (test_every_cell_with_controls_is_named). own_tests: those that it
    takes a test of their own to move, since they train for long or want a file, and its name. step_by_step: lists of a cell, by number,
    that are moved to the neighbouring option, since one half-way down rightly draws the same.
    """

    explorers: tuple[str, ...]
    quizzes: tuple[str, ...] = ()
    predictions: dict[str, str] = field(default_factory=dict)  # the question's cell, and the one that recalls the guess
    seen: tuple[str, ...] = ()
    own_tests: dict[str, str] = field(default_factory=dict)
    step_by_step: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def with_controls(self) -> tuple[str, ...]:
        return (*self.explorers, *self.quizzes, *self.predictions, *self.own_tests)


LESSONS = {
    "00_start_here": Asked(
        ("compose-code",),
        quizzes=("what-changed-code",),
        predictions={"half-guess": "half-code"},
        seen=("start-here", "pocket-clip", "scores", "styles", "secret", "soft-prompt", "what-next"),
        own_tests={
            "own-picture-code": "test_a_picture_file_of_ones_own_is_scored_and_a_broken_one_gets_a_sentence",
            "train-code": "test_ten_vectors_learn_while_one_watches_and_can_be_stopped",
        },
        step_by_step={"compose-code": (5,)},  # of a photo, “a {style} of a {}” is “a photo of a {}” again
    ),
    "01_inside_clip": Asked(
        ("the-matrix-code", "tokens-code", "attention-explorer-code", "temperature-code"),
        quizzes=("where-pooled-code",),
        predictions={"after-the-end-guess": "after-the-end-code"},
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
        own_tests={"watch-code": "test_a_context_of_ones_own_choice_is_learned_while_one_watches"},
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
            *("described-code", "ledger-code", "two-losses-code", "curves-code", "parts-code", "prompts-table-code"),
            *("other-projection-code", "done"),
        ),
        own_tests={"train-code": "test_a_captioner_is_trained_while_one_watches"},
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
    "06_own_pictures": Asked(
        ("sheet-code", "limit-code", "photograph-explorer", "explore-code"),
        quizzes=("names-quiz", "shown-quiz", "memory-quiz"),
        predictions={
            "sepia-guess": "sepia-code",
            "photograph-guess": "photograph-code",
            "pieces-guess": "pieces-code",
        },
        seen=(
            *("folder-code", "faults-code", "splits-code", "use-code", "your-splits-code", "captions-code"),
            *("changes-code", "pace-code", "done"),
        ),
        own_tests={"yours-code": "test_a_folder_is_named_and_pictures_without_a_class_get_a_sentence"},
    ),
}


WITH_GUESSES = [name for name, asked in LESSONS.items() if asked.predictions]


def of(*lessons):
    """For tests of these lessons, by default all: each in both languages."""
    params = [
        pytest.param((name, lang), marks=() if name in QUICK else pytest.mark.slow, id=f"{name}-{lang}")
        for name in lessons or LESSONS
        for lang in ("en", "zh")
    ]
    return pytest.mark.parametrize("lesson", params, indirect=True)


@pytest.fixture(scope="module")
def lesson(request, browser, jupyterlab):
    name, lang = request.param
    with jupyterlab.notebook(browser, ROOT / "notebooks" / lang / f"{name}.ipynb") as notebook:
        lesson = Lesson(lang, notebook, name, LESSONS[name], notebook.run_all())
        notebook.page.evaluate(SCROLL, 0)  # running all has gone to the end
        lesson.shoot("top")
        yield lesson
        notebook.assert_well_behaved()


@dataclass
class Lesson(Reader):
    """A lesson in a language, open and run, and what was found when it ran."""

    name: str
    asked: Asked
    ran: list

    def changes_the_view(self, cell, what: str, move) -> None:
        """Does what is to be done, waits until the explorer shows something else, and until it has shown the last of it."""
        before = self.notebook.shown(cell)
        move()
        self.notebook.wait_for_other_view(cell, before, f"{what} in {self.name} ({self.lang})")
        self.notebook.wait_until_settled(cell)

    def shoot(self, name: str) -> None:
        number = self.name.partition("_")[0]
        assert self.notebook.shoot(f"{number}-{self.lang}-{name}").stat().st_size > 10_000


def test_every_notebook_is_among_these_lessons_and_every_test_of_its_own_exists():
    for lang in ("en", "zh"):
        assert {path.stem for path in (ROOT / "notebooks" / lang).glob("*.ipynb")} == set(LESSONS)
    tests = {*globals(), *vars(test_lesson_00)}
    assert {name for asked in LESSONS.values() for name in asked.own_tests.values()} <= tests
    assert set(QUICK) <= set(LESSONS)


@of()
def test_every_cell_runs_without_error_or_warning(lesson):
    assert [cell["count"] for cell in lesson.ran] == list(range(1, len(lesson.ran) + 1))
    assert [cell for cell in lesson.ran if cell["stderr"] or bool(cell["errors"]) is not cell["raises"]] == []


@of()
def test_every_cell_with_controls_is_named(lesson):
    assert sorted(lesson.asked.with_controls()) == sorted(lesson.notebook.with_controls())


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


def moves_of(page, cell, step_by_step=()):
    """For every control of a cell what it is to be moved by, and how: away by mouse, by keyboard, and back.

    Of many buttons three or four are pressed.
    """
    for number, handle in enumerate(cell.get_by_role("slider").all()):
        start, home = place(handle), middle(handle)
        yield f"slider {number}, dragged,", partial(drag, page, handle)
        yield f"slider {number}, dragged back,", partial(drag, page, handle, home, start)
        yield f"slider {number}, by an arrow key,", partial(step, handle)
        yield f"slider {number}, by an arrow key back,", partial(step_to, handle, start)
    for number, choice in enumerate(cell.locator(".jp-OutputArea-output select").all()):
        chosen, options = choice.evaluate("list => [list.selectedIndex, list.options.length]")
        other = (chosen + (1 if number in step_by_step else options // 2)) % options
        yield f"list {number}", partial(choose, choice, other)
        yield f"list {number}, by keyboard,", partial(choose_by_keyboard, page, choice)
        if (other - 1 if other else 1) != chosen:  # of few, the keyboard has chosen the first again
            yield f"list {number}, back,", partial(choice.select_option, index=chosen)
    for number, tick in enumerate(cell.locator(".jp-OutputArea-output input[type=checkbox]").all()):
        yield f"tick {number}", tick.click
        yield f"tick {number}, by keyboard,", partial(tick.press, "Space")
    for number, line in enumerate(cell.locator(".jp-OutputArea-output input[type=text]").all()):
        text = line.input_value()
        yield f"text {number}", partial(write, page, line, "two giraffes and a red umbrella")
        yield f"text {number}, back,", partial(write, page, line, text)
    for number, counter in enumerate(cell.locator(".jp-OutputArea-output input[type=number]").all()):
        yield f"number {number}", partial(press_up, counter)
        yield f"number {number}, by an arrow key,", partial(counter.press, "ArrowDown")
    buttons = cell.locator(".jp-OutputArea-output button.jupyter-button").all()
    if len(buttons) > 4:
        buttons = buttons[3 :: len(buttons) // 3]
    for number, button in enumerate(buttons):
        yield f"button {number}", button.click
    for number, button in enumerate(buttons):
        yield f"button {number}, by keyboard,", partial(button.press, "Enter")


def place(handle) -> float:
    """How far right the handle of a slider stands; its aria-valuenow has one decimal only."""
    return float(re.search(r"translate\(([-\d.]+)%", handle.locator("xpath=..").get_attribute("style"))[1])


def middle(handle) -> tuple[float, float]:
    box = handle.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page, handle, to: tuple[float, float] | None = None, start: float | None = None) -> None:
    """Takes the handle of a slider to a point, by default the far end of its way; start: the place where arrow keys take it from there."""
    handle.hover()  # the mouse is in the middle of it, wherever the page has scrolled to
    (x, y), before = middle(handle), place(handle)
    way = handle.locator("xpath=../..").bounding_box()
    end = 0.1 if x > way["x"] + way["width"] / 2 else 0.9
    page.mouse.down()
    page.mouse.move(to[0] if to else way["x"] + end * way["width"], y, steps=5)
    page.mouse.up()
    assert place(handle) != before, "the mouse has not taken the handle along"
    if start is not None:
        step_to(handle, start)


def step(handle) -> None:
    """One step by keyboard, to the right; to the left where the handle is at the end of its way."""
    before = place(handle)
    handle.press("ArrowRight")
    if place(handle) == before:
        handle.press("ArrowLeft")


def step_to(handle, goal: float) -> None:
    for _ in range(100):
        if place(handle) == goal:
            return
        handle.press("ArrowRight" if place(handle) < goal else "ArrowLeft")
    raise AssertionError(f"a hundred arrow keys have not taken a slider to {goal}: it is at {place(handle)}")


def choose(choice, number: int) -> None:
    """An option by mouse. Headless Chromium draws the open list outside the page: choosing in it is playwright's to do."""
    choice.click()
    choice.press("Escape")
    choice.select_option(index=number)


def choose_by_keyboard(page, choice) -> None:
    """The option beside the one that is chosen. In a closed list JupyterLab takes the arrows for itself."""
    chosen = choice.evaluate("list => list.selectedIndex")
    choice.focus()
    for key in ("Space", "ArrowDown" if chosen == 0 else "ArrowUp", "Enter"):
        page.keyboard.press(key)
        page.wait_for_timeout(
            100
        )  # the open list takes a moment to come, and nothing on the page says that it is there
    assert choice.evaluate("list => list.selectedIndex") != chosen, "the keyboard has chosen nothing"


def write(page, line, text: str) -> None:
    line.click(click_count=3)
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def press_up(counter) -> None:
    """One more, by the small arrow at the right of a number."""
    counter.hover()
    box = counter.bounding_box()
    counter.click(position={"x": box["width"] - 8, "y": box["height"] / 4})


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


@of(*WITH_GUESSES)
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
