"""The lessons as the browser tests open them: what each asks of the learner's hands, and the hands that move its controls."""

from __future__ import annotations

import base64
import io
import re
import time
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest
from lab import Reader
from PIL import Image

QUICK = (("00_start_here", "en"),)  # what .ci/run sees in a browser, in a minute; the others take many
LABELS = {
    "en": {
        **{"object": "object", "colour": "colour", "size": "size", "background": "background", "style": "style"},
        **{"seed": "drawing no.", "ready": "ready-made", "template": "prompt", "texts": "texts"},
        **{"file": "Choose a picture", "start": "start no.", "train": "Train ten vectors", "again": "Again"},
        **{"hint": "Hint {} of 3", "no hint": "No more hints"},
    },
    "zh": {
        **{"object": "物体", "colour": "颜色", "size": "大小", "background": "背景", "style": "风格"},
        **{"seed": "画法编号", "ready": "常用提示词", "template": "提示词", "texts": "文字", "file": "选择图片文件"},
        **{"start": "随机起点", "train": "训练十个向量", "again": "再来一次", "hint": "提示 {}（共 3 条）"},
        **{"no hint": "提示已用完"},
    },
}


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
    "01b_inside_gpt2": Asked(
        ("every-place-code", "heads-code", "lens-code"),
        quizzes=("done-code",),
        predictions={"mask-guess": "mask-code", "first-state-guess": "first-state-code"},
        seen=("layer-code", "head-compare-code", "whole-code", "beside-code"),
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


def of(*lessons):
    """For tests of these lessons, by default all: each in both languages."""
    params = [
        pytest.param((name, lang), marks=() if (name, lang) in QUICK else pytest.mark.slow, id=f"{name}-{lang}")
        for name in lessons or LESSONS
        for lang in ("en", "zh")
    ]
    return pytest.mark.parametrize("lesson", params, indirect=True)


@dataclass
class Lesson(Reader):
    """A lesson in a language, open and run from top to bottom, and what was found when it ran."""

    name: str
    asked: Asked
    ran: list = field(default_factory=list)
    seconds: float = 0  # until the first explorer of lesson 00 answered

    def run(self) -> str:
        """Runs all cells in a fresh kernel, and says of lesson 00 how long that took."""
        begun, told = time.monotonic(), ""
        self.notebook.start_all()
        if self.name == "00_start_here":
            self.wait_for_the_first_explorer()
            told = f"there after {time.monotonic() - begun:.1f} s, "
            self.move_its_first_control()
            self.seconds = time.monotonic() - begun
            told += f"answers after {self.seconds:.1f} s, "
        self.ran = self.notebook.wait_for_all()
        return f"the first explorer is {told}all cells done after {time.monotonic() - begun:.1f} s" if told else ""

    def changes_the_view(self, cell, what: str, move) -> None:
        """Does what is to be done, waits until the explorer shows something else, and until it has shown the last of it."""
        before = self.notebook.shown(cell)
        move()
        self.notebook.wait_for_other_view(cell, before, f"{what} in {self.name} ({self.lang})")
        self.notebook.wait_until_settled(cell)

    def shoot(self, name: str) -> None:
        number = self.name.partition("_")[0]
        assert self.notebook.shoot(f"{number}-{self.lang}-{name}").stat().st_size > 10_000

    def labelled(self, cell, name: str):
        return cell.get_by_label(LABELS[self.lang][name], exact=True)

    def button(self, cell, name: str, number: int | str = ""):
        return cell.get_by_role("button", name=LABELS[self.lang][name].format(number))

    def figure(self, cell):
        return self.notebook.figure(cell)

    def source(self, cell) -> str:
        return self.figure(cell).get_attribute("src")

    def seen(self, cell) -> tuple[np.ndarray, np.ndarray]:
        """What stands in the explorer's view: the pixels of the picture, and those of the bars beside it."""
        assert self.figure(cell).is_visible()
        data = base64.b64decode(self.source(cell).partition(",")[2])
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=int)
        border = round(pixels.shape[1] * 2.7 / 7.4)
        return pixels[:, :border], pixels[:, border:]

    def wait_for_other(self, cell, before: str) -> None:
        """Until another figure stands in the view than the one with this source."""
        self.wait_until(lambda: self.figure(cell).count() and self.source(cell) != before, "the view to change")

    def wait_until(self, fact, what: str, seconds: float = 150) -> None:
        end_of_patience = time.monotonic() + seconds
        while not fact():
            assert time.monotonic() < end_of_patience, f"waited {seconds} s for {what}"
            self.notebook.page.wait_for_timeout(100)

    def wait_for_the_first_explorer(self) -> None:
        cell = self.notebook.cell("compose-code")
        choice = self.labelled(cell, "object")
        self.wait_until(lambda: choice.is_visible() or not self.notebook.cell("compose-code"), "the first explorer")

    def move_its_first_control(self) -> None:
        """There and back. A kernel answers explorers when it has run all the cells that it was sent."""
        cell = self.notebook.cell("compose-code")
        choice = self.labelled(cell, "object")
        value, source = choice.input_value(), self.source(cell)
        for word in ("star", value):
            self.choose(choice, word)
            self.wait_for_other(cell, source)
            source = self.source(cell)

    def choose(self, choice, word: str) -> None:
        """The option of a list that holds this word, which in Chinese stands beside another."""
        options = choice.evaluate(
            "(list, word) => [...list.options].map(o => o.value).filter(v => v.includes(word))", word
        )
        choice.select_option(options[0])


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
