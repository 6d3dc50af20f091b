"""Lesson 02b: trimming, what all texts share, where the faster way pays, and what cached features cannot know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lessons.kit.exercise import Mistake, Questions, expect_number, expect_tensor

questions = Questions(__file__)

END = 9  # of text, in the little examples here; CLIP pads with it too


def _read_number(answer: Any) -> Any:
    """A number, also out of a tensor that holds no more than one. Raises Mistake where there is none."""
    answer = answer.item() if isinstance(answer, Tensor) and answer.numel() == 1 else answer
    expect_number(answer)
    return answer


# --- trimming ----------------------------------------------------------------------------------------------------


@questions.exercise
def trim(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    ids = torch.tensor(
        [[1, 5, 6, END, END, END, END, END], [1, 5, 6, 7, 8, END, END, END], [1, 4, END, END, END, END, END, END]]
    )
    end = (ids == END).int().argmax(-1)
    ours = answer(ids, end)
    if getattr(ours, "dim", lambda: 0)() == 2:
        width = ours.shape[1]
        if width == 5:
            raise Mistake(
                en="One too short: the longest text has lost its end, and the end is what is read off.",
                zh="短了一个：最长的那段文字丢了结束符，而结果正是从那里取的。",
            )
        if width in (2, 3):
            raise Mistake(
                en="You cut too early: longer texts have lost words, and their ends. The longest one decides, wherever in the batch it stands.",
                zh="截得太早了：长一些的文字丢了词，也丢了结束符。要由最长的那段说了算，不管它排在第几。",
            )
        if width == 4:
            raise Mistake(
                en="You cut where the first text ends. The longest one decides, wherever in the batch it stands.",
                zh="你按第一段文字的结尾来截。要由最长的那段说了算，不管它排在第几。",
            )
        if width == 8:
            raise Mistake(en="Nothing was cut off.", zh="什么也没截掉。")
    expect_tensor(ours, (3, 6), "trim(ids, end)")
    if not torch.equal(ours, ids[:, :6]):
        raise Mistake(
            en="The right length, but other positions: keep the first ones.",
            zh="长度对了，位置不对：要留最前面的那些。",
        )


# --- what all texts share ----------------------------------------------------------------------------------------


@questions.exercise
def shared(answer: Callable[[Tensor], Any]) -> None:
    ids = torch.tensor([[1, 7, 7, 4, 5, END], [1, 7, 7, 6, 5, END], [1, 7, 7, 8, 5, END]])
    ours = _read_number(answer(ids))
    if ours == 3:
        # Names of two tokens, in front: the first two texts agree for longer than all three, and all agree again after the name.
        other = answer(torch.tensor([[1, 2, 4, 7, 7, END], [1, 2, 6, 7, 7, END], [1, 3, 4, 7, 7, END]]))
        if other == 2:
            raise Mistake(
                en="You compared two texts only. Others may part from them earlier: all rows have to agree.",
                zh="你只比了两段文字。别的文字可能更早就不同了：要所有行都相同才算。",
            )
        if other != 1:
            raise Mistake(
                en=f"For class names in front you say {int(other)}, and it is 1: columns that agree again after the name do not count, since there the texts have seen different things.",
                zh=f"类别名在前面时，你算出 {int(other)}，应该是 1：类别名之后又相同的列不能算，到那里各段文字看到的东西已经不同了。",
            )
        return
    if ours == 5:
        raise Mistake(
            en="You counted every column where all texts agree. But the full stop has already seen the class name, and is another vector in each text.",
            zh="你把所有相同的列都数进去了。可句号已经看过类别名，在每段文字里都是不同的向量。",
        )
    if ours == 2:
        raise Mistake(en="The start of text is the same in all of them, too.", zh="文本起始符也是大家共有的。")
    if ours == 6:
        raise Mistake(en="The class names differ: they are each text's own.", zh="类别名各不相同：那是每段文字自己的。")
    raise Mistake(
        en="Count the columns from the left that are the same in all rows, and stop at the first that is not.",
        zh="从左往右数所有行都相同的列，碰到第一个不同的就停。",
    )


# --- where it pays -----------------------------------------------------------------------------------------------


@questions.exercise
def break_even(answer: Callable[[float, float, float], float]) -> None:
    ours = _read_number(answer(21.0, 0.5, 4.0))
    if abs(ours - 6) < 1e-6:
        return
    if abs(ours - 21 / 4) < 1e-6:
        raise Mistake(
            en="You forgot that our steps take time as well: what we win a step is the difference.",
            zh="别忘了我们的每一步也要花时间：每步省下的是两者之差。",
        )
    if abs(ours - 21 / 0.5) < 1e-6:
        raise Mistake(
            en="You divided by our step. What do we win with each step?",
            zh="你除以的是我们一步的时间。每走一步，省下多少？",
        )
    if abs(ours - 4 / 0.5) < 1e-6:
        raise Mistake(
            en="That is how much faster a step is. How many steps pay for the preparation?",
            zh="这是每一步快了几倍。要多少步才抵得上准备的时间？",
        )
    if ours < 0:
        raise Mistake(
            en="Negative: the two steps are subtracted the wrong way round.", zh="得了负数：两种步的时间减反了。"
        )
    raise Mistake(
        en="After n steps: prepare + n · ours on one side, n · theirs on the other. When are they equal?",
        zh="走了 n 步：一边是 prepare + n · ours，一边是 n · theirs。什么时候相等？",
    )


# --- predictions and quizzes -------------------------------------------------------------------------------------


@questions.prediction
def times_fewer(times: float) -> int:
    # the answers are 2, 5, 25 and 100: a border lies about halfway between two of them, as ratios
    return 0 if times < 3 else 1 if times < 12 else 2 if times < 50 else 3


cached = questions.quiz("cached")
