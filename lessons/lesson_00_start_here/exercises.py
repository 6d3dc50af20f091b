"""Lesson 00: a prediction about a prompt that cannot know the rule, the numbers that were learned, and what a soft prompt is."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import CLIPModel

from lessons.kit.exercise import Choice, Exercise, Mistake, Prediction, Quiz, Text, expect_number
from pocket.world import OBJECTS

two_things = Prediction(
    Text(
        en="For how many of the pictures will “a photo of a {}” find the object on the label?",
        zh="用“a photo of a {}”提问，CLIP 能在多少张图上答出标签写的那一样？",
    ),
    (
        Text(en="for nearly all of them", zh="几乎每一张"),
        Text(en="for about half of them", zh="一半左右"),
        Text(en="for about 1 in 24, as by blind guessing", zh="24 张里大约对 1 张，和瞎猜一样"),
    ),
    lambda share: 0 if share > 0.8 else 1 if share > 0.2 else 2,
    Text(
        en="There are two things in each picture, and the prompt prefers neither, so it is nearly a toss-up.",
        zh="每张图有两样东西，这句提示词对哪一样都不偏心，所以差不多是二选一。",
    ),
)


def _count(answer: Any, context: Tensor, clip: CLIPModel) -> None:
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


learned_numbers = Exercise(
    _count,
    praise=Text(
        en="That is all that was learned. The cell that loaded the model printed how many numbers stayed as they were.",
        zh="学出来的就只有这些数。没有动过的有多少，加载模型的那一格已经打印过。",
    ),
    hints=(
        Text(en="Count the framed strips in the picture above.", zh="数一数上图中带框的有几条。"),
        Text(
            en="context.shape has two numbers: how many vectors there are, and how many numbers each of them holds (its width).",
            zh="context.shape 里有两个数：一个是向量的个数，一个是每个向量里有多少个数（宽度）。",
        ),
        Text(en="Multiply the two.", zh="把这两个数乘起来。"),
    ),
)

what_changed = Quiz(
    Text(
        en="The button was pressed, and CLIP answers differently now. What has changed?",
        zh="按过按钮之后，CLIP 的回答和原来不同了。是什么变了？",
    ),
    (
        Choice(
            Text(en="The weights of CLIP, a little.", zh="CLIP 的权重变了一点点。"),
            Text(
                en="That would be fine-tuning. Here every weight is frozen: give CLIP words again and it answers as before.",
                zh="那叫微调。这里的权重全部冻结：再用词语去问，CLIP 的回答和从前一模一样。",
            ),
        ),
        Choice(
            Text(en="The names of the 24 objects.", zh="24 个物体的名称。"),
            Text(
                en="The names are still the same words, and so are their vectors: only what stands before them is new.",
                zh="名称还是那些词，它们的向量也没变：新的只是名称前面的部分。",
            ),
        ),
        Choice(
            Text(
                en="Ten vectors that stand before the name, where the words “a photo of a” stood.",
                zh="名称前面的十个向量，那里原来是“a photo of a”这几个词。",
            ),
            Text(
                en="Those ten vectors are the soft prompt. They went in where the vectors of words go in, and all else is frozen.",
                zh="这十个向量就是软提示词。它们被放进原来放词向量的位置，其余部分全部冻结。",
            ),
            right=True,
        ),
        Choice(
            Text(en="The words of the prompt: CLIP found better ones.", zh="提示词里的词：CLIP 找到了更好的词。"),
            Text(
                en="Nothing searched for words. The ten vectors are numbers that belong to no word; lesson 04 asks which words are near.",
                zh="训练时并没有去找词。这十个向量只是一些数，不对应任何一个词；第 04 课再看它们离哪些词近。",
            ),
        ),
        Choice(
            Text(en="What CLIP sees of the pictures.", zh="CLIP 看到的图片。"),
            Text(
                en="The pictures did not change: their vectors were computed once and kept, which is why training took only seconds.",
                zh="图片没有变：图片的向量只算过一次就存了起来，训练时直接取用，所以几秒钟就够。",
            ),
        ),
    ),
)
