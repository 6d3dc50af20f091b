"""What holds for the exercises, quizzes and predictions of every lesson: tested with their solution, their stub and wrong answers.

A lesson's wrong answers are the cells of wrong_answers.py in its room: code that takes the stub's place, and a part of what the check must
then say in each language. Cells tagged `prepare` in the lesson's source are run first, so an exercise may use their names.
"""

import contextlib
import html
import importlib
import io
import re
from functools import cache

import jupytext
import pytest
import torch

from helpers import language
from lessons.kit.exercise import Choice, Exercise, Mistake, Prediction, Quiz, Text, is_stub
from tools.console import ROOT
from tools.source import read_lessons

CHINESE = re.compile("[\u4e00-\u9fff]")
LESSONS = read_lessons(ROOT)

# What an exercise finds in the notebook that no cell tagged `prepare` makes, since it takes time to make.
GIVEN = {"how-many-numbers-code": lambda: {"context": torch.zeros(10, 128)}}


@cache
def prepared(name):
    """The names that the cells tagged `prepare` of a lesson leave behind."""
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in next(lesson for lesson in LESSONS if lesson.name == name).cells:
            if "prepare" in cell.metadata.tags and cell.metadata.id != "setup":
                exec(cell.source, names)
    return names


EXERCISES = [
    (lesson, cell, after)
    for lesson in LESSONS
    for cell, after in zip(lesson.cells, lesson.cells[1:])
    if "exercise" in cell.metadata.tags
]
NAMED = pytest.mark.parametrize(
    ("lesson", "cell", "solution"),
    EXERCISES,
    ids=[f"{lesson.name}-{cell.metadata.id}" for lesson, cell, _ in EXERCISES],
)


@cache
def wrong_answers(room):
    """The cells of a room's wrong answers, each with the exercise that it answers and what the check says to it."""
    return [
        cell for cell in jupytext.read(ROOT / "lessons" / room / "wrong_answers.py").cells if cell.cell_type == "code"
    ]


def outcome(lesson, stub, answer, lang):
    """What the check says when `answer` stands in the place of the stub: the outcome, and its text."""
    language.set_language(lang)
    code, _, check = stub.source.rstrip().rpartition("\n")
    names = {**prepared(lesson.name), **GIVEN.get(stub.metadata.id, dict)()}
    exec(code, names)
    exec(answer or "", names)
    checked = eval(check, names)
    language.set_language("en")
    assert bool(CHINESE.search(checked.shown.plain)) is (lang == "zh")
    return checked.outcome, checked.shown.plain


@pytest.mark.parametrize("lang", ["en", "zh"])
@NAMED
def test_the_solution_is_right_and_the_untouched_stub_is_not_attempted(lesson, cell, solution, lang):
    assert outcome(lesson, cell, solution.source, lang)[0] == "right"
    assert outcome(lesson, cell, None, lang)[0] == "untouched"


@NAMED
def test_at_least_three_wrong_answers_each_hear_which_mistake_they_made(lesson, cell, solution):
    answers = [answer for answer in wrong_answers(lesson.room) if answer.metadata.exercise == cell.metadata.id]
    assert len(answers) >= 3
    for answer in answers:
        for lang in ("en", "zh"):
            result, text = outcome(lesson, cell, answer.source, lang)
            assert result == "wrong" and answer.metadata[lang] in text, (answer.source, text)


def test_no_wrong_answer_is_left_without_its_exercise():
    asked = {(lesson.room, cell.metadata.id) for lesson, cell, _ in EXERCISES}
    assert {(room, answer.metadata.exercise) for room, _ in asked for answer in wrong_answers(room)} == asked


def questions(kind):
    names = [f"lessons.{lesson.room}.exercises{lesson.part}" for lesson in LESSONS]
    return [
        value for name in names for value in vars(importlib.import_module(name)).values() if isinstance(value, kind)
    ]


def test_every_text_of_questions_toml_is_asked():
    for lesson in LESSONS:
        texts = importlib.import_module(f"lessons.{lesson.room}.exercises{lesson.part}").questions.texts
        asked = " ".join(cell.source for other in LESSONS if other.room == lesson.room for cell in other.cells)
        assert [name for part in texts.values() for name in part if f"exercises.{name}." not in asked] == []


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("quiz", questions(Quiz), ids=lambda quiz: quiz.question.en[:30])
def test_every_answer_of_a_quiz_explains_itself(quiz, lang):
    language.set_language(lang)
    for index, choice in enumerate(quiz.choices):
        asked = quiz.ask()
        assert str(quiz.question) in asked.shown.plain and str(choice.text) in asked.shown.plain
        asked.choose(index)
        assert asked.shown.plain.startswith("✓" if choice.right else "✗") and str(choice.why) in html.unescape(
            asked.verdict.value
        )
        assert bool(CHINESE.search(asked.shown.plain)) is (lang == "zh")
    language.set_language("en")
    assert len({str(choice.why) for choice in quiz.choices}) == len(quiz.choices)


# --- the contract itself -----------------------------------------------------------------------------------------


def half(x):
    if x(4) == 8:
        raise Mistake(en="That doubles.", zh="那是加倍。")
    assert x(4) == 2, "no"


HALF = Text(en="It halves.", zh="确实减半了。")
HINTS = (Text(en="Divide.", zh="做除法。"), Text(en="By two.", zh="除以二。"))


def exercise():
    return Exercise(half, HALF, HINTS)


def stub(x): ...


def documented_stub(x):
    """What it should do."""
    ...


def test_what_nobody_has_touched_is_a_stub_and_nothing_else_is():
    assert is_stub(...) and is_stub(stub) and is_stub(documented_stub)
    assert not any(map(is_stub, (None, 0, [], lambda x: x, lambda x: x / 2, half, "...")))


def test_a_check_has_three_outcomes():
    def later(x):
        raise NotImplementedError

    assert exercise().check(lambda x: x / 2).outcome == "right"
    assert exercise().check(lambda x: 2 * x).outcome == "wrong"
    assert (
        exercise().check(stub).outcome
        == exercise().check(later).outcome
        == exercise().check(...).outcome
        == "untouched"
    )


def test_the_mistake_is_named_and_code_that_stops_is_told_with_the_technical_text_folded():
    assert "That doubles." in exercise().check(lambda x: 2 * x).shown.plain
    shown = exercise().check(lambda x: torch.ones(2, 3) @ torch.ones(2, 3)).shown
    assert "the last size of the first factor" in shown.plain
    assert "<details>" in shown.html() and "Traceback" in shown.html() and "Traceback" not in shown.plain
    assert "ZeroDivisionError" in exercise().check(lambda x: x / 0).shown.plain


def test_hints_come_one_by_one_and_stay_when_the_cell_is_run_again():
    halving = exercise()
    checked = halving.check(stub)
    assert checked.hints.value == "" and checked.button.description == "Hint 1 of 2"
    checked.button.click()
    assert "Divide." in checked.hints.value and "By two." not in checked.hints.value
    again = halving.check(lambda x: 2 * x)
    assert "Divide." in again.hints.value and again.button.description == "Hint 2 of 2"
    again.button.click()
    assert "By two." in again.hints.value and again.button.disabled
    assert halving.check(lambda x: x / 2).button not in halving.check(lambda x: x / 2).widget.children


def test_a_prediction_is_recalled_with_what_came_out():
    prediction = Prediction(
        Text("How much?", "多少？"),
        (Text("little", "少"), Text("much", "多")),
        lambda x: int(x > 0.5),
        Text("It is.", "就是。"),
    )
    assert prediction.reveal(0.9).plain == "○ It came out as B: much. It is."
    asked = prediction.ask()
    asked.buttons[1].click()
    assert "noted" in asked.shown.plain
    assert prediction.reveal(0.9).plain.startswith("✓") and "You said B, much" in prediction.reveal(0.1).plain


def test_a_quiz_without_one_right_and_three_wrong_answers_is_refused():
    wrong = Choice(Text("a", "甲"), Text("no", "不"))
    for choices in ([wrong] * 4, [wrong, wrong, Choice(wrong.text, wrong.why, right=True)]):
        with pytest.raises(ValueError, match="one right choice and at least three wrong"):
            Quiz(Text("What?", "什么？"), tuple(choices))
