"""Lesson 02b: trimming, what all texts share, where the faster way pays, and what cached features cannot know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lessons.kit.exercise import Choice, Exercise, Mistake, Prediction, Quiz, Text, expect_number, expect_tensor

END = 9  # of text, in the little examples here; CLIP pads with it too

# --- trimming ----------------------------------------------------------------------------------------------------


def _trim(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
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


trim = Exercise(
    _trim,
    praise=Text(
        en="All ends are still there, and nothing behind the last of them could have changed anything.",
        zh="所有结尾都还在；最后一个结尾后面的东西，本来也影响不了什么。",
    ),
    hints=(
        Text(
            en="end.max() is where the longest text ends, counted from 0.",
            zh="end.max() 是最长那段文字结束的位置，从 0 数起。",
        ),
        Text(en="A slice leaves its last number out: add one.", zh="切片不含右端：要加一。"),
        Text(en="ids[:, : end.max() + 1]", zh="就是 ids[:, : end.max() + 1]"),
    ),
)

# --- what all texts share ----------------------------------------------------------------------------------------


def _shared(answer: Callable[[Tensor], Any]) -> None:
    ids = torch.tensor([[1, 7, 7, 4, 5, END], [1, 7, 7, 6, 5, END], [1, 7, 7, 8, 5, END]])
    ours = answer(ids)
    ours = ours.item() if isinstance(ours, Tensor) and ours.numel() == 1 else ours
    expect_number(ours)
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


shared = Exercise(
    _shared,
    praise=Text(
        en="Nobody looks ahead, so these positions cannot know which class follows: one computation serves all. (The ids tell it only as long as all classes have the same vectors. Where each has its own, nothing after SOS is shared.)",
        zh="谁也不许往后看，所以这些位置不可能知道后面是哪一类：算一次，大家都能用。（看编号就够了，前提是各类共用同样的向量；每类各有一套时，共有的只剩 SOS。）",
    ),
    hints=(
        Text(
            en="(ids == ids[0]).all(0) says column by column whether all rows agree.",
            zh="(ids == ids[0]).all(0) 逐列说出各行是否相同。",
        ),
        Text(
            en="cumprod stays 1 until the first 0, and is 0 ever after.",
            zh="cumprod 在遇到第一个 0 之前一直是 1，之后全是 0。",
        ),
        Text(
            en="int((ids == ids[0]).all(0).int().cumprod(0).sum())",
            zh="就是 int((ids == ids[0]).all(0).int().cumprod(0).sum())",
        ),
    ),
)

# --- where it pays -----------------------------------------------------------------------------------------------


def _break_even(answer: Callable[[float, float, float], float]) -> None:
    ours = answer(21.0, 0.5, 4.0)
    ours = ours.item() if isinstance(ours, Tensor) and ours.numel() == 1 else ours
    expect_number(ours)
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


break_even = Exercise(
    _break_even,
    praise=Text(
        en="Beyond that number of steps preparing has paid, and every further step is a gain.",
        zh="超过这个步数，准备工作就回本了，之后每一步都是赚的。",
    ),
    hints=(
        Text(en="Each step wins theirs - ours seconds.", zh="每一步省下 theirs - ours 秒。"),
        Text(en="How often must that be won to make up for `prepare`?", zh="要省多少次，才补得回 prepare？"),
    ),
)

# --- predictions and quizzes -------------------------------------------------------------------------------------

times_fewer = Prediction(
    Text(
        en="A hundred classes, sixteen vectors, the text tower of ViT-B/32. Without the work that changes nothing, what share of the multiplications is left?",
        zh="一百个类别、十六个向量、ViT-B/32 的文本塔。去掉那些不影响结果的计算，乘法还剩下多少？",
    ),
    (
        Text(en="about half", zh="大约一半"),
        Text(en="about a fifth", zh="大约五分之一"),
        Text(en="about a twenty-fifth", zh="大约二十五分之一"),
        Text(en="about a hundredth", zh="大约百分之一"),
    ),
    lambda times: 0 if times < 3 else 1 if times < 12 else 2 if times < 50 else 3,
    Text(
        en="Of 77 positions three are each text's own; seventeen are the same in all hundred texts; the rest is padding behind the end. And 77 / 3 is about 26.",
        zh="77 个位置里，只有三个是各段文字自己的；十七个在一百段文字里都一样；其余是结尾后面的填充。77 ÷ 3 约等于 26。",
    ),
)

cached = Quiz(
    Text(
        en="Image features are kept on disk. Which of these changes makes the kept ones wrong?",
        zh="图片特征存在硬盘上。下面哪种改动，会让存好的特征变成错的？",
    ),
    (
        Choice(
            Text(en="The context has learned ten more steps.", zh="上下文向量又学了十步。"),
            Text(
                en="The context is on the text side. Pictures go through the other tower and never meet it.",
                zh="上下文向量在文本这一边。图片走的是另一座塔，碰不到它。",
            ),
        ),
        Choice(
            Text(en="Other class names are asked for.", zh="换了一批类别名。"),
            Text(
                en="Names are texts. The same picture has the same vector, whatever it is compared with.",
                zh="类别名是文字。同一张图，不管和什么比，向量都一样。",
            ),
        ),
        Choice(
            Text(en="Every picture is cropped at random at every step.", zh="每一步都随机裁剪图片。"),
            Text(
                en="Then it is another picture at every step, and one kept vector cannot stand for all of them. That is the price of caching, and CoOp's code does crop.",
                zh="那样每一步都是不同的图片，一个存好的向量代表不了它们。这就是缓存的代价，而 CoOp 的代码是做随机裁剪的。",
            ),
            right=True,
        ),
        Choice(
            Text(en="The order of the pictures is shuffled.", zh="打乱了图片的顺序。"),
            Text(
                en="Each picture has its own row; rows are picked in whatever order.",
                zh="每张图片有自己的一行，按什么顺序取都行。",
            ),
        ),
    ),
)
