"""What every question to the learner is made of: a prediction, a quiz, an exercise with its check and hints.

A check has three outcomes: right; wrong, with the mistake named; not attempted yet, which lets the notebook run on. The contract
is learntools' (Kaggle); naming the mistake is ARENA's habit. The texts of a room's questions stand in its questions.toml.
"""

from __future__ import annotations

import html
import tomllib
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from types import FunctionType
from typing import Any

import ipywidgets
import torch
from torch import Tensor

from helpers.language import LearnerError, say
from lessons.kit.explorer import Live
from lessons.kit.picture import BLUE, VERMILION
from lessons.kit.torch_errors import explain, format_error

LETTERS = "ABCDEF"
MARKS = {"right": "✓", "wrong": "✗", "untouched": "○", "noted": "●"}
COLOURS = {"right": BLUE, "wrong": VERMILION, "untouched": "#767676", "noted": BLUE}


@dataclass(frozen=True)
class Text:
    """A text in both languages; as a string it is in the learner's."""

    en: str
    zh: str

    def __str__(self) -> str:
        return say(en=self.en, zh=self.zh)


@dataclass(frozen=True)
class Choice:
    """One answer of a quiz, and what somebody who chooses it should hear."""

    text: Text
    why: Text
    right: bool = False


class Mistake(LearnerError):
    """A wrong answer: the sentence names the mistake and helps on, without giving the answer away."""


@dataclass(frozen=True)
class Note:
    """What stands on the page: html, and the same as plain text for nbval and for the ear."""

    page: str
    plain: str

    def html(self) -> str:
        return self.page

    def bundle(self) -> dict[str, str]:
        return {"text/html": self.page, "text/plain": self.plain}

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return self.bundle()


def make_note(outcome: str, text: str, folded: str = "") -> Note:
    """A verdict with its mark and colour; `folded` is technical text under it."""
    style = f"border-left: 4px solid {COLOURS[outcome]}; padding: 0.4em 1em; margin: 4px 0; line-height: 1.5"
    plain = f"{MARKS[outcome]} {text}"
    inside = format_error(plain, folded) if folded else html.escape(plain)
    return Note(f'<div role="status" style="{style}">{inside}</div>', plain)


# --- choosing ----------------------------------------------------------------------------------------------------


class Choosing(Live):
    """A question with lettered answers and one button for each; `on_choice(index)` says what stands beneath after a click."""

    def __init__(self, question: Text, answers: Sequence[Text], on_choice: Callable[[int], Note]) -> None:
        lines = [f"{letter}. {answer}" for letter, answer in zip(LETTERS, answers, strict=False)]
        items = "<br>".join(map(html.escape, lines))  # JupyterLab would take the letters from an <ol type="A">
        page = f'<p><b>{html.escape(str(question))}</b></p><p style="line-height: 1.7; margin-left: 1.5em">{items}</p>'
        self.shown = Note(page, "\n".join([str(question), *lines]))
        self.verdict = ipywidgets.HTML()
        self.buttons = [
            ipywidgets.Button(description=letter, tooltip=str(answer), layout={"width": "4em"})
            for letter, answer in zip(LETTERS, answers, strict=False)
        ]
        for index, button in enumerate(self.buttons):
            button.on_click(lambda _, index=index: self.choose(index))
        self._on_choice = on_choice
        self.widget = ipywidgets.VBox([ipywidgets.HTML(page), ipywidgets.HBox(self.buttons), self.verdict])

    def choose(self, index: int) -> None:
        """What a click on the button of this answer does."""
        for i, button in enumerate(self.buttons):
            button.button_style = "info" if i == index else ""
        self.shown = self._on_choice(index)
        self.verdict.value = self.shown.html()


@dataclass(frozen=True)
class Quiz:
    """A question where every answer, right or wrong, explains itself."""

    question: Text
    choices: tuple[Choice, ...]

    def __post_init__(self) -> None:
        if sum(choice.right for choice in self.choices) != 1 or len(self.choices) < 4:
            raise ValueError(f"“{self.question.en}”: a quiz has one right choice and at least three wrong ones")

    def ask(self) -> Choosing:
        """The quiz, ready to be answered; any number of tries."""
        return Choosing(self.question, [choice.text for choice in self.choices], self.judge)

    def judge(self, index: int) -> Note:
        choice = self.choices[index]
        word = say(en="Right.", zh="对。") if choice.right else say(en="Not quite.", zh="再想想。")
        return make_note(
            "right" if choice.right else "wrong", f"{LETTERS[index]}. {word}{say(en=' ', zh='')}{choice.why}"
        )


class Prediction:
    """A guess that is asked for before the cell that answers it, and recalled after.

    answers: what can be guessed, all of it possible; outcome: from what was measured to the index of the answer that it means;
    because: why it comes out so, said with the outcome.
    """

    def __init__(self, question: Text, answers: Sequence[Text], outcome: Callable[[Any], int], because: Text) -> None:
        self.question, self.answers, self.outcome, self.because = question, tuple(answers), outcome, because
        self.guess: int | None = None

    def ask(self) -> Choosing:
        return Choosing(self.question, self.answers, self._note_guess)

    def _note_guess(self, index: int) -> Note:
        self.guess = index
        return make_note(
            "noted",
            say(
                en=f"{LETTERS[index]}, noted. Now run the next cell.", zh=f"记下了：{LETTERS[index]}。现在运行下一格。"
            ),
        )

    def reveal(self, measured: Any) -> Note:
        """What came out, beside what was guessed."""
        answer = self.outcome(measured)
        came_out = say(
            en=f"It came out as {LETTERS[answer]}: {self.answers[answer]}.",
            zh=f"结果是 {LETTERS[answer]}：{self.answers[answer]}。",
        )
        if self.guess is None:
            return make_note("untouched", f"{came_out}{say(en=' ', zh='')}{self.because}")
        if self.guess == answer:
            return make_note("right", came_out + say(en=" Just as you said. ", zh="和你猜的一样。") + str(self.because))
        yours = f"{LETTERS[self.guess]}, {self.answers[self.guess]}"
        return make_note(
            "noted",
            came_out
            + say(
                en=f" You said {yours}. ",
                zh=f"你猜的是 {LETTERS[self.guess]}（{self.answers[self.guess]}）。",
            )
            + str(self.because),
        )


# --- exercises ---------------------------------------------------------------------------------------------------


class Exercise:
    """Something to write: the stub stands above the call of `check` in one cell.

    test: gets the attempt and whatever else `check` was given, returns silently when the attempt is right and raises `Mistake` when
    it is not; praise: said when it is right; hints: shown one by one, on demand.
    """

    def __init__(self, test: Callable[..., None], praise: Text, hints: Sequence[Text]) -> None:
        self.test, self.praise, self.hints = test, praise, tuple(hints)
        self.hints_shown = 0

    def check(self, attempt: Any, *given: Any) -> Checked:
        """Says whether the attempt is right, what is wrong with it, or that there is none yet."""
        return Checked(self, *self._judge(attempt, given))

    def _judge(self, attempt: Any, given: tuple) -> tuple[str, Note]:
        untouched = make_note(
            "untouched",
            say(
                en="Not attempted yet: put your answer in the place of the three dots and run the cell again.",
                zh="还没有作答：把三个点换成你的答案，再运行这一格。",
            ),
        )
        if is_stub(attempt):
            return "untouched", untouched
        try:
            self.test(attempt, *given)
        except Mistake as mistake:
            return "wrong", make_note("wrong", str(mistake))
        except Exception as error:
            if isinstance(error, NotImplementedError) and not error.args:  # torch raises it as well, with words
                return "untouched", untouched
            sentence = explain(error) or say(
                en=f"Your code stops with {type(error).__name__}: {error}",
                zh=f"你的代码中途出错：{type(error).__name__}: {error}",
            )
            return "wrong", make_note("wrong", sentence, "".join(traceback.format_exception(error)))
        return "right", make_note("right", say(en="Right. ", zh="对。") + str(self.praise))


class Checked(Live):
    """The verdict on an attempt (`outcome`: "right", "wrong" or "untouched"), above a button for the next hint."""

    def __init__(self, exercise: Exercise, outcome: str, shown: Note) -> None:
        self.outcome, self.shown, self._exercise = outcome, shown, exercise
        self.button = ipywidgets.Button(layout={"width": "auto", "min_width": "16em", "align_self": "flex-start"})
        self.hints = ipywidgets.HTML()
        self.button.on_click(lambda _: self.hint())
        needs_hints = outcome != "right" and exercise.hints
        rows = [ipywidgets.HTML(shown.html()), *([self.hints, self.button] if needs_hints else [])]
        self.widget = ipywidgets.VBox(rows)
        self._show_hints()

    def hint(self) -> None:
        """Show one hint more."""
        self._exercise.hints_shown = min(self._exercise.hints_shown + 1, len(self._exercise.hints))
        self._show_hints()

    def _show_hints(self) -> None:
        shown, n = self._exercise.hints_shown, len(self._exercise.hints)
        items = "".join(f"<li>{html.escape(str(hint))}</li>" for hint in self._exercise.hints[:shown])
        self.hints.value = f'<ol role="status" style="line-height: 1.5">{items}</ol>' if items else ""
        self.button.disabled = shown == n
        if shown < n:
            self.button.description = say(en=f"Hint {shown + 1} of {n}", zh=f"提示 {shown + 1}（共 {n} 条）")
        else:
            self.button.description = say(
                en="No more hints: compare with the solution", zh="提示已用完，请对照参考答案"
            )


def _do_nothing() -> None: ...


def _do_nothing_with_a_docstring() -> None:
    """As a stub has one."""


# as this Python compiles them
NOTHING = {function.__code__.co_code for function in (_do_nothing, _do_nothing_with_a_docstring)}


def is_stub(attempt: Any) -> bool:
    """Whether nothing was written yet: `...` itself, or a function with no more in it than that (and a docstring).

    Of a class its `forward` is what was to be written.
    """
    if attempt is ...:
        return True
    if isinstance(attempt, type):
        attempt = vars(attempt).get("forward")
    if not isinstance(attempt, FunctionType):
        return False
    code = attempt.__code__
    return code.co_code in NOTHING and set(code.co_consts) <= {None, attempt.__doc__}


# --- texts -------------------------------------------------------------------------------------------------------


class Questions:
    """What a room asks: its texts stand in questions.toml, its checks and outcomes in exercises.py, under the same names."""

    def __init__(self, exercises: str) -> None:
        """exercises: the file that asks, `__file__`; questions.toml lies beside it."""
        self.path = Path(exercises).with_name("questions.toml")
        self.texts = tomllib.loads(self.path.read_text("utf-8"))

    def exercise(self, check: Callable[..., None]) -> Exercise:
        """A decorator: makes the exercise of a check, with the praise and the hints of its name."""
        texts = self.texts["exercise"][check.__name__]
        return Exercise(check, Text(**texts["praise"]), [Text(**hint) for hint in texts["hints"]])

    def prediction(self, outcome: Callable[[Any], int]) -> Prediction:
        """A decorator: makes the prediction of a function that says which answer came out."""
        texts = self.texts["prediction"][outcome.__name__]
        answers = [Text(answer["en"], answer["zh"]) for answer in texts["answers"]]
        return Prediction(Text(**texts["question"]), answers, outcome, Text(**texts["because"]))

    def quiz(self, name: str) -> Quiz:
        texts = self.texts["quiz"][name]
        choices = [
            Choice(Text(**choice["text"]), Text(**choice["why"]), choice.get("right", False))
            for choice in texts["choices"]
        ]
        return Quiz(Text(**texts["question"]), tuple(choices))


# --- what many checks ask ----------------------------------------------------------------------------------------


def close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-4) -> bool:
    """Whether two tensors have one shape and the same numbers, but for rounding: to this share of them, or a tenth of it at least."""
    return ours.shape == theirs.shape and torch.allclose(
        ours.float(), theirs.float(), rtol=tolerance, atol=tolerance / 10
    )


def expect_number(answer: Any) -> None:
    """Raises Mistake when the answer is no plain number."""
    if isinstance(answer, bool) or not isinstance(answer, Real):  # numpy's numbers are Real, too
        kind = type(answer).__name__
        raise Mistake(
            en=f"A number is wanted here, and this is of type {kind}.", zh=f"这里要填一个数，你给的是 {kind}。"
        )


def expect_answer(answer: Any, what: str = "") -> None:
    """Raises Mistake when a function gave nothing back; `what` names it, in code."""
    if answer is None:
        en, zh = (f"{what} gives nothing", f"{what} 什么也") if what else ("Nothing comes", "什么也")
        raise Mistake(en=f"{en} back: is there a return?", zh=f"{zh}没有返回：是不是少了 return？")


def expect_tensor(answer: Any, shape: tuple[int, ...], what: str) -> None:
    """Raises the Mistake that fits when a function's answer is no tensor of this shape; `what` names it, in code."""
    expect_answer(answer, what)
    if not hasattr(answer, "shape"):
        kind = type(answer).__name__
        raise Mistake(
            en=f"{what} should be a tensor, and it is of type {kind}.", zh=f"{what} 应该是张量，而现在是 {kind}。"
        )
    if tuple(answer.shape) != shape:
        have = tuple(answer.shape)
        raise Mistake(
            en=f"{what} should have the shape {shape}, and it has {have}.",
            zh=f"{what} 的形状应该是 {shape}，而现在是 {have}。",
        )
