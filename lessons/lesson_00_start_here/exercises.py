"""Lesson 00: a prediction about a prompt that cannot know the rule, the numbers that were learned, and what a soft prompt is."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import CLIPModel

from lessons.kit.exercise import Mistake, Questions, expect_number
from pocket.world import OBJECTS

questions = Questions(__file__)


@questions.prediction
def two_things(share: float) -> int:
    # by chance it names the right one of two things half the time, and one of 24 names 4 % of the time
    return 0 if share > 0.8 else 1 if share > 0.2 else 2


@questions.exercise
def learned_numbers(answer: Any, context: Tensor, clip: CLIPModel) -> None:
    """The numbers in a context (M, D)."""
    vectors, width = context.shape
    expect_number(answer)
    if answer == vectors * width:
        return
    if answer == vectors:
        raise Mistake(
            en=f"{vectors} is how many vectors there are. Each of them is a whole strip of numbers: how many are in one?",
            zh=f"{vectors} 是向量的个数。每个向量都是一整条数：一条里有多少个？",
        )
    if answer == width:
        raise Mistake(
            en=f"{width} is how many numbers one vector has. How many vectors were learned?",
            zh=f"{width} 是一个向量里数的个数。一共学了几个向量？",
        )
    if answer >= clip.num_parameters():
        raise Mistake(
            en="That would be the whole model. It is frozen: the button changed none of its numbers.",
            zh="这差不多是整个模型了。模型是冻结的：那个按钮没有改动它的任何一个数。",
        )
    if answer in [(vectors + more) * width for more in (1, 2, 3, 4)]:
        raise Mistake(
            en="You counted strips that belong to words as well. Only the framed ones were learned.",
            zh="你把属于词语的那几条也算进去了。学出来的只有带框的那些。",
        )
    if answer == vectors * width * len(OBJECTS):
        raise Mistake(
            en="The names do not have vectors of their own: all of them share the same ten.",
            zh="并不是每个名称各有一套向量：所有名称共用同样的十个。",
        )
    raise Mistake(
        en="Not quite. It is the number of framed strips, times how many numbers are in one.",
        zh="不是这个数。用带框的条数，乘以一条里数的个数。",
    )


what_changed = questions.quiz("what_changed")
