"""What holds for the exercises, quizzes and predictions of every lesson: tested with their solution, their stub and wrong answers.

A lesson's wrong answers stand in `WRONG`: code that takes the stub's place, and a part of what the check must then say in each
language. Cells tagged `prepare` in the lesson's source are run first, so an exercise may use their names.
"""

import contextlib
import html
import io
import re
from functools import cache
from pathlib import Path

import jupytext
import pytest
import torch

from helpers import lesson
from helpers.exercises import inside_clip, start_here
from helpers.exercises.contract import Choice, Exercise, Mistake, Prediction, Quiz, Text, is_stub

CHINESE = re.compile("[\u4e00-\u9fff]")
ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "lessons").glob("[0-9]*.py"))

WRONG = {
    ("00_start_here", "how-many-numbers-code"): [
        ("numbers = 10", "how many vectors there are", "向量的个数"),
        ("numbers = 128", "how many numbers one vector has", "一个向量里"),
        ("numbers = clip.num_parameters()", "It is frozen", "冻结"),
        ("numbers = 14 * 128", "belong to words", "属于词语"),
        ("numbers = 24 * 1280", "all of them share", "共用同样的十个"),
        ("numbers = 10 * 512", "number of framed strips", "带框的条数"),
        ("numbers = 1281", "number of framed strips", "带框的条数"),
        ("numbers = '1280'", "this is a str", "你给的是 str"),
    ],
    ("01_inside_clip", "embed-exercise"): [
        (
            "def embed(clip, ids): return clip.text_model.embeddings.token_embedding(ids)",
            "rows of the tokens alone",
            "各自的行",
        ),
        (
            "def embed(clip, ids):\n    e = clip.text_model.embeddings\n"
            "    return e(input_ids=ids) + e.position_embedding.weight[:ids.shape[1]]",
            "added twice",
            "加了两次",
        ),
        (
            "def embed(clip, ids):\n    e = clip.text_model.embeddings\n"
            "    return e.position_embedding.weight[:ids.shape[1]].expand(len(ids), -1, -1)",
            "where are the words",
            "词到哪里去了",
        ),
        (
            "def embed(clip, ids):\n    e = clip.text_model.embeddings\n"
            "    return e.token_embedding(ids) * e.position_embedding.weight[:ids.shape[1]]",
            "not multiplied",
            "不是相乘",
        ),
        (
            "def embed(clip, ids):\n    e = clip.text_model.embeddings\n"
            "    return (e.token_embedding(ids) + e.position_embedding.weight[:ids.shape[1]])[0]",
            "keep the first size",
            "第一维 B",
        ),
        ("def embed(clip, ids): x = clip.text_model.embeddings(input_ids=ids)", "is there a return", "少了 return"),
        (
            "def embed(clip, ids):\n    e = clip.text_model.embeddings\n"
            "    return e.token_embedding(ids) + e.position_embedding.weight",
            "do not fit together",
            "对不上",
        ),
        ("def embed(clip, ids): return ids", "should have the shape", "形状应该是"),
    ],
    ("01_inside_clip", "mask-exercise"): [
        ("def causal_mask(T): return torch.full((T, T), float('-inf')).tril(-1)", "other way round", "方向反了"),
        ("def causal_mask(T): return torch.full((T, T), float('-inf')).triu()", "must see itself", "看得见自己"),
        ("def causal_mask(T): return torch.ones(T, T).tril()", "added to the scores", "加到得分上"),
        ("def causal_mask(T): return torch.zeros(T, T)", "Nothing is forbidden", "什么都没有禁止"),
        ("def causal_mask(T): return torch.full((T, T), -1.0).triu(1)", "Row i says", "第 i 行"),
        ("def causal_mask(T): return torch.full((T,), float('-inf'))", "should have the shape (4, 4)", "(4, 4)"),
    ],
    ("01_inside_clip", "pool-exercise"): [
        ("def pool(hidden, ids, end): return hidden[:, 0]", "pooled at the start", "取的是开头"),
        ("def pool(hidden, ids, end): return hidden[:, -1]", "that is padding", "那里是填充"),
        (
            "def pool(hidden, ids, end): return hidden[torch.arange(len(ids)), (ids == end).int().argmax(-1) - 1]",
            "token before the end",
            "前一个词元",
        ),
        (
            "def pool(hidden, ids, end): return hidden[:, (ids[0] == end).int().argmax()]",
            "each text has its own",
            "各不相同",
        ),
        ("def pool(hidden, ids, end): return hidden.mean(1)", "mean of all positions", "所有位置的平均"),
        ("def pool(hidden, ids, end): return hidden[:, 1]", "Not those vectors", "不是这些向量"),
        ("def pool(hidden, ids, end): return hidden[ids == end]", "should have the shape", "形状应该是"),
    ],
    ("01_inside_clip", "positions-exercise"): [
        ("positions = 576", "576 are the patches", "576 是图块的个数"),
        ("positions = 24", "along one edge", "一条边"),
        ("positions = 336 * 336", "counts pixels", "数的是像素"),
        ("positions = 197", "How many squares", "放得下几个"),
        ("positions = '577'", "this is a str", "你给的是 str"),
    ],
    ("01_inside_clip", "logits-exercise"): [
        (
            "def logits(images, texts, log_scale): return log_scale.exp() * images @ texts.T",
            "Long vectors win",
            "谁长谁赢",
        ),
        (
            "def logits(images, texts, log_scale): return F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T",
            "temperature is missing",
            "还缺温度",
        ),
        (
            "def logits(images, texts, log_scale):\n"
            "    return log_scale * F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T",
            "exponential first",
            "先取指数",
        ),
        (
            "def logits(images, texts, log_scale):\n"
            "    return log_scale.exp() * F.normalize(texts, dim=-1) @ F.normalize(images, dim=-1).T",
            "One row for each text",
            "每段文字一行",
        ),
        (
            "def logits(images, texts, log_scale):\n"
            "    x = log_scale.exp() * F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T\n"
            "    return x.softmax(-1)",
            "shares already",
            "已经是份额",
        ),
        ("def logits(images, texts, log_scale): return images @ texts", "first factor", "两个矩阵相乘"),
        ("def logits(images, texts, log_scale): return torch.zeros(2, 3)", "Right shape, other numbers", "数不对"),
    ],
}

# What an exercise finds in the notebook that no cell tagged `prepare` makes, since it takes time to make.
GIVEN = {("00_start_here", "how-many-numbers-code"): lambda: {"context": torch.zeros(10, 128)}}


@cache
def cells(script):
    return jupytext.read(script).cells


@cache
def prepared(script):
    """The names that the cells tagged `prepare` leave behind."""
    names = {"lesson": lesson}
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in cells(script):
            if "prepare" in cell.metadata.get("tags", []) and cell.metadata["id"] != "setup":
                exec(cell.source, names)
    return names


def exercises():
    for script in SCRIPTS:
        for cell, after in zip(cells(script), cells(script)[1:]):
            if "exercise" in cell.metadata.get("tags", []):
                yield script, cell, after


EXERCISES = list(exercises())
NAMED = pytest.mark.parametrize(("script", "cell", "solution"), EXERCISES, ids=lambda value: getattr(value, "stem", ""))


def outcome(script, stub, answer, lang):
    """What the check says when `answer` stands in the place of the stub: the outcome, and its text."""
    lesson.set_language(lang)
    code, _, check = stub.source.rstrip().rpartition("\n")
    names = {**prepared(script), **GIVEN.get((script.stem, stub.metadata["id"]), dict)()}
    exec(code, names)
    exec(answer or "", names)
    checked = eval(check, names)
    lesson.set_language("en")
    assert bool(CHINESE.search(checked.shown.plain)) is (lang == "zh")
    return checked.outcome, checked.shown.plain


@pytest.mark.parametrize("lang", ["en", "zh"])
@NAMED
def test_the_solution_is_right_and_the_untouched_stub_is_not_attempted(script, cell, solution, lang):
    assert outcome(script, cell, solution.source, lang)[0] == "right"
    assert outcome(script, cell, None, lang)[0] == "untouched"


@NAMED
def test_at_least_three_wrong_answers_each_hear_which_mistake_they_made(script, cell, solution):
    answers = WRONG[script.stem, cell.metadata["id"]]
    assert len(answers) >= 3
    for code, english, chinese in answers:
        for lang, sentence in (("en", english), ("zh", chinese)):
            result, text = outcome(script, cell, code, lang)
            assert result == "wrong" and sentence in text, (code, text)


def test_no_wrong_answer_is_left_without_its_exercise():
    assert set(WRONG) == {(script.stem, cell.metadata["id"]) for script, cell, _ in EXERCISES}


def questions(kind):
    return [value for module in (start_here, inside_clip) for value in vars(module).values() if isinstance(value, kind)]


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("quiz", questions(Quiz), ids=lambda quiz: quiz.question.en[:30])
def test_every_answer_of_a_quiz_explains_itself(quiz, lang):
    lesson.set_language(lang)
    for index, choice in enumerate(quiz.choices):
        asked = quiz.ask()
        assert str(quiz.question) in asked.shown.plain and str(choice.text) in asked.shown.plain
        asked.choose(index)
        assert asked.shown.plain.startswith("✓" if choice.right else "✗") and str(choice.why) in html.unescape(
            asked.verdict.value
        )
        assert bool(CHINESE.search(asked.shown.plain)) is (lang == "zh")
    lesson.set_language("en")
    assert len({str(choice.why) for choice in quiz.choices}) == len(quiz.choices)


def texts():
    for quiz in questions(Quiz):
        yield from [quiz.question, *[t for choice in quiz.choices for t in (choice.text, choice.why)]]
    for prediction in questions(Prediction):
        yield from [prediction.question, *prediction.answers, prediction.because]
    for exercise in questions(Exercise):
        yield from [exercise.praise, *exercise.hints]


@pytest.mark.parametrize("text", list(texts()), ids=lambda text: text.en[:30])
def test_every_text_is_there_in_both_languages(text):
    assert text.en and not CHINESE.search(text.en) and CHINESE.search(text.zh)


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
