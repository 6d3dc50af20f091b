"""Explorers and tables of lesson 02b: what a pass through the text tower costs, what texts share, and where the time goes.

On top of `Explorer`, `figures`, `helpers.context` and the counts of `helpers.flops`. Sizes: Radford et al. 2021, arXiv 2103.00020.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import ipywidgets
import numpy as np
import torch
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, CLIPProcessor

from helpers.context import PromptedCLIP
from helpers.flops import FLOP, count_text_tower
from helpers.language import LearnerError, get_language, say
from helpers.notebook import Table
from helpers.pretrained import POCKET_CLIP
from lessons.kit.benchmarks import read_benchmarks
from lessons.kit.explorer import Explorer, make_dropdown, style_control
from lessons.kit.picture import Picture
from lessons.lesson_02_learnable_context import figures_b as figures
from lessons.lesson_02_learnable_context.explorers import name_positions, token_labels
from lessons.lesson_02_learnable_context.speed import Curve, seconds_by_classes

NEEDED = 3  # positions of a text beside its context and its class name: SOS, the full stop, EOT
CLASSES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
LENGTHS = (1, 2, 4, 8, 16, 32, 64)
MOST_TOKENS = 6  # in a class name
VECTORS = (2, 16)  # the fewest and the most of `shared_explorer`: as many as a screen can hold
# CoOp goes through 16 shots 200 times: 2000 steps for 20 classes, 32 at a time
STEPS = (5, 10, 20, 50, 100, 200, 500, 1000, 2000)
MANY = 120  # seconds or minutes: from here on the next larger unit is easier to read
SIDE = 1024  # of the square matrices that show how fast a machine multiplies


# --- what a pass costs -------------------------------------------------------------------------------------------


def _sizes() -> dict[str, CLIPConfig]:
    """The pocket CLIP's configuration; the library's default one, which is ViT-B/32's; and ViT-L/14's (the paper's table 20)."""
    text = {"hidden_size": 768, "intermediate_size": 4 * 768, "num_hidden_layers": 12, "num_attention_heads": 12}
    return {
        say(en="pocket CLIP", zh="口袋 CLIP"): CLIPConfig.from_pretrained(POCKET_CLIP),
        "ViT-B/32": CLIPConfig(),
        "ViT-L/14": CLIPConfig(text_config=text, projection_dim=768),
    }


def cost_explorer() -> Explorer:
    """Choose how many classes, how long context and class names are, and which CLIP; see what a forward pass costs by four ways.

    Nothing is measured: the multiply-adds are counted from the sizes of the model.
    """
    sizes = _sizes()
    controls = {
        "classes": _of(CLASSES, 100, say(en="classes", zh="类别数")),
        "length": _of(LENGTHS, 16, say(en="vectors", zh="向量个数")),
        "tokens": ipywidgets.IntSlider(
            1, min=1, max=MOST_TOKENS, description=say(en="name tokens", zh="类别名词元"), **style_control(30)
        ),
        "model": make_dropdown(say(en="text tower", zh="文本塔"), sizes, sizes["ViT-B/32"], 22),
    }

    def draw(now: SimpleNamespace) -> Picture:
        room, shared = now.model.text_config.max_position_embeddings, 1 + now.length
        length = now.length + now.tokens + NEEDED
        costs = [
            count_text_tower(now.model, now.classes, *way).forward
            for way in ((room,), (length,), (length, shared), (length, shared, True))
        ]
        names = (
            say(en=f"all {room} positions", zh=f"全部 {room} 个位置"),
            say(en="trimmed to the end", zh="截到结尾"),
            say(en="+ shared part once", zh="＋ 共有的只算一次"),
            say(en="+ last layer: ends only", zh="＋ 最后一层只算结尾"),
        )
        less = [_times(costs[0] / cost) for cost in costs]
        told = ["", *(say(en=f" · {times}× less", zh=f" · 原来的 1/{times}") for times in less[1:])]
        return figures.cost_of_ways(
            [(name, cost, _large(cost) + words) for name, cost, words in zip(names, costs, told)],
            {"shared": shared, "own": length - shared, "cut": room - length},
            now.classes,
            title=say(
                en=f"A forward pass of the text tower, counted: {less[-1]} times fewer multiply-adds",
                zh=f"文本塔前向计算一次：乘加次数减少到原来的 1/{less[-1]}",
            ),
            alt=_cost_in_words(now, costs, (shared, length, room)),
            caption=_about_cost(now, costs),
        )

    return Explorer(controls, draw)


def _of(values: Sequence[int], value: int, label: str) -> ipywidgets.SelectionSlider:
    """A slider over these numbers."""
    options = [(f"{number:,}", number) for number in values]
    return ipywidgets.SelectionSlider(options=options, value=value, description=label, **style_control(30))


def _large(number: float) -> str:
    """A large number for people, to three digits: "27.5 million", or in Chinese "2,750 万"."""
    units = {
        "en": ((1e12, " trillion"), (1e9, " billion"), (1e6, " million")),
        "zh": ((1e12, " 万亿"), (1e8, " 亿"), (1e4, " 万")),
    }
    unit, word = next((pair for pair in units[get_language()] if number >= pair[0]), (1.0, ""))
    return f"{float(f'{number / unit:.3g}'):,g}{word}"


def _times(ratio: float) -> str:
    """A ratio in three digits at the most."""
    return f"{ratio:.{2 if ratio < 2 else 1 if ratio < 99.5 else 0}f}"


def _cost_in_words(now: SimpleNamespace, costs: Sequence[int], where: tuple[int, int, int]) -> str:
    (shared, length, room), first = where, costs[0]
    less = [_times(first / cost) for cost in costs[1:]]
    return say(
        en=f"A strip of {room} positions, as each text has them, of which there are {now.classes:,}: {shared} are the same in all texts, {length - shared} each "
        f"text's own, {room - length} cut off. Under it four bars of multiply-adds in a forward pass. All {room} positions: "
        f"{_large(first)}. Trimmed to the end: {less[0]} times less. With the shared part computed once: {less[1]} times less. With the "
        f"last layer at the end alone: {less[2]} times less, {_large(costs[-1])}.",
        zh=f"文字共 {now.classes:,} 段，上面一条是每一段的 {room} 个位置：{shared} 个所有文字都相同，{length - shared} 个归各段文字自己，"
        f"{room - length} 个截掉。下面四条横条是一次前向计算的乘加次数。算全部 {room} 个位置：{_large(first)}次。截掉结尾之后的位置：是原来的 1/{less[0]}。"
        f"相同的部分只算一次：是原来的 1/{less[1]}。最后一层只算结尾：是原来的 1/{less[2]}，即 {_large(costs[-1])}次。",
    )


def _about_cost(now: SimpleNamespace, costs: Sequence[int]) -> str:
    """What the three steps save, one after the other, and where the sizes come from."""
    cut, share, last = (_times(before / after) for before, after in zip(costs, costs[1:]))
    together = _times(costs[0] / costs[-1])
    caption = say(
        en=f"Trimming divides the count by {cut}, sharing by another {share}, the last layer by another {last}: by "
        f"{together} together. ",
        zh=f"截短之后，次数除以 {cut}；相同的部分共用，再除以 {share}；最后一层，再除以 {last}；合起来除以 {together}。",
    )
    if now.classes == 1:
        caption += say(
            en="A single text has nobody to share with. ",
            zh="只有一段文字，没有谁可以共用。",
        )
    return caption + say(
        en="Counted, not measured: the time also holds what is no multiplication. The class name stands at the end, and all names are "
        "equally long. The sizes of ViT-B/32 are the library's defaults; those of ViT-L/14 stand in table 20 of Radford et al. 2021.",
        zh="这是数出来的，不是测出来的：真实用时还包括乘法以外的事。这里类别名都在末尾，长度都一样。ViT-B/32 的大小是库里的默认值，"
        "ViT-L/14 的出自 Radford 等（2021）的表 20。",
    )


# --- what texts share --------------------------------------------------------------------------------------------


def shared_explorer(clip: CLIPModel, processor: CLIPProcessor, class_names: Sequence[str]) -> Explorer:
    """Choose where the class name stands, whether each class has vectors of its own, and how many; see which positions are computed.

    class_names: a row for each; six to eight of different lengths show most.
    """
    fewest, most = VECTORS
    controls = {
        "position": make_dropdown(say(en="the name is", zh="类别名在"), name_positions(), "end", 20),
        "specific": make_dropdown(
            say(en="vectors", zh="向量"),
            {
                say(en="the same for all classes", zh="各类共用"): False,
                say(en="each class's own", zh="每类各一套"): True,
            },
            False,
            24,
        ),
        "length": ipywidgets.IntSlider(
            4, min=fewest, max=most, description=say(en="how many", zh="个数"), **style_control(30)
        ),
    }

    def draw(now: SimpleNamespace) -> Picture:
        try:
            prompted = PromptedCLIP(
                clip,
                processor,
                class_names,
                now.length,
                "random",
                now.position,
                now.specific,
                generator=torch.Generator().manual_seed(0),
            )
        except ValueError as error:
            raise LearnerError(
                say(
                    en="This does not fit into the positions that the model has. Take fewer vectors, or shorter class names.",
                    zh="模型的位置不够，放不下。请减少向量，或者用短一些的类别名。",
                )
            ) from error
        (texts, room), length, shared = prompted.ids.shape, int(prompted.end.max()) + 1, prompted.shared
        own = length - shared
        rows = [
            figures.TextRow(name, _places(processor, row, end, prompted.embeddings.placeholder), end)
            for name, row, end in zip(class_names, prompted.ids, prompted.end.tolist())
        ]
        counts = _counts(prompted)
        ways = [
            (
                say(en=f"all {room} positions", zh=f"全部 {room} 个位置"),
                {"shared": texts * shared, "own": texts * own, "cut": texts * (room - length)},
            ),
            (say(en="trimmed to the longest", zh="截到最长的那段"), {"shared": texts * shared, "own": texts * own}),
            (say(en="+ shared part once", zh="＋ 共有的只算一次"), {"shared": shared, "own": texts * own}),
        ]
        return figures.positions_by_kind(
            rows,
            shared,
            length,
            ways,
            title=say(
                en=f"{counts[2]} positions do the work of {counts[0]:,}",
                zh=f"全部 {counts[0]:,} 个位置，只需要算其中 {counts[2]} 个",
            ),
            alt=_shared_in_words(rows, shared, length, counts),
            caption=_about_shared(now, prompted, counts),
        )

    return Explorer(controls, draw)


def _counts(prompted: PromptedCLIP) -> tuple[int, int, int]:
    """How many positions go through the tower in one pass: all of them; trimmed to the longest text; the shared ones once."""
    (texts, room), shared, length = prompted.ids.shape, prompted.shared, int(prompted.end.max()) + 1
    return texts * room, texts * length, shared + texts * (length - shared)


def _places(processor: CLIPProcessor, ids: Tensor, end: int, placeholder: int) -> list[str]:
    """What stands at the positions of ids (T,): vectors of our own as v1, v2 …, and "pad" after the end."""
    pad = say(en="pad", zh="填充")
    vectors, labels = iter(range(1, len(ids) + 1)), token_labels(processor, ids)
    named = [f"v{next(vectors)}" if id == placeholder else label for id, label in zip(ids.tolist(), labels)]
    return [*named[: end + 1], *[pad] * (len(ids) - end - 1)]


def _shared_in_words(rows: Sequence[figures.TextRow], shared: int, length: int, counts: tuple[int, int, int]) -> str:
    room, listed = len(rows[0].labels), _listed(rows[0].labels[:shared])
    own = say(en="; ", zh="；").join(
        f"{row.name}{say(en=': ', zh='：')}{_listed(row.labels[shared : row.end + 1])}" for row in rows
    )
    return say(
        en=f"A grid of {len(rows)} texts, a row each, and their positions, a column each. Solid, and the same in all texts: {listed} "
        f"(positions: {shared}). From {shared} to {length - 1} stands what is each text's own: {own}. A frame marks each EOT. "
        f"From {length} to {room - 1} the cells are hatched: cut off. Three bars: {counts[0]} positions in full, {counts[1]} trimmed, "
        f"{counts[2]} with the shared part once.",
        zh=f"一张格子图，{len(rows)} 段文字各占一行，一列是一个位置。最前面 {shared} 列涂成实心，所有文字都相同：{listed}。"
        f"位置 {shared} 到 {length - 1} 归各段文字自己：{own}。每个 EOT 都加了框。位置 {length} 到 {room - 1} 画着斜线：截掉。"
        f"下面三条横条：全部算是 {counts[0]} 个位置，截短以后 {counts[1]} 个，相同的部分只算一次就是 {counts[2]} 个。",
    )


def _listed(labels: Sequence[str]) -> str:
    """Labels in a row, those of vectors that follow one another as a range: "SOS, v1 to v4"."""
    parts: list[list[str]] = []
    for label in labels:
        if parts and all(name[0] == "v" and name[1:].isdigit() for name in (parts[-1][-1], label)):
            parts[-1].append(label)
        else:
            parts.append([label])
    to = say(en=" to ", zh=" 到 ")
    return say(en=", ", zh="、").join(to.join(dict.fromkeys([part[0], part[-1]])) for part in parts)


def _about_shared(now: SimpleNamespace, prompted: PromptedCLIP, counts: tuple[int, int, int]) -> str:
    """The sums, and why so many positions are shared and no more."""
    (texts, room), shared, longest = prompted.ids.shape, prompted.shared, int(prompted.end.max()) + 1
    caption = say(
        en=f"Positions per pass: {room} × {texts} = {counts[0]} in full; {longest} × {texts} = {counts[1]} trimmed; "
        f"{shared} + {longest - shared} × {texts} = {counts[2]} with the shared ones once. ",
        zh=f"一次要算的位置：全部算是 {room} × {texts} = {counts[0]} 个；截短以后 {longest} × {texts} = {counts[1]} 个；"
        f"相同的只算一次，{shared} + {longest - shared} × {texts} = {counts[2]} 个。",
    )
    if now.specific:
        caption += say(
            en=f"With vectors of each class's own, the texts are different from position {shared} on. ",
            zh=f"每类各有一套向量，各段文字从位置 {shared} 起就不一样了。",
        )
    elif now.position != "end":
        caption += say(
            en="The same vectors stand behind the names, and yet they are not shared: each has already seen another name. ",
            zh="类别名后面的向量虽然相同，却不能共用：它们看到的类别名各不一样。",
        )
    else:
        caption += say(
            en="The full stop and EOT are the same tokens everywhere and yet not shared: they have seen different names. ",
            zh="句号和 EOT 的词元处处相同，却不能共用：它们看到的类别名各不一样。",
        )
    wasted = int((longest - 1 - prompted.end).sum())
    if wasted:
        caption += say(
            en=f"Shorter texts are filled up with “pad” to the longest, {wasted} in all: those are computed and never read.",
            zh=f"短的文字填充到最长的那么长，一共多出 {wasted} 个位置：算是算了，结果没人用。",
        )
    return caption.rstrip()


# --- when it pays ------------------------------------------------------------------------------------------------


def break_even_explorer(found: Mapping[str, Any] | None = None) -> Explorer:
    """Choose how many steps, and whether the features are on disk already; see from which step on our way is ahead of the textbook's.

    found: a record of the benchmark `few_shot_run`; by default the stored one. Nothing is measured here.
    """
    found = found or _stored("few_shot_run")
    controls = {
        "steps": _of(STEPS, 20, say(en="steps", zh="训练步数")),
        "kept": make_dropdown(
            say(en="features", zh="图片特征"),
            {say(en="computed first", zh="先算一遍"): False, say(en="on disk already", zh="硬盘上已有"): True},
            False,
            24,
        ),
    }

    def draw(now: SimpleNamespace) -> Picture:
        each, ours = found["seconds"]["textbook step"]["median"], _ours(found, now.kept)
        last = int(ours[-1, 0])
        pace = (ours[-1, 1] - ours[0, 1]) / last  # seconds a step
        even = _even(each, ours)
        inside = ours[ours[:, 0] < now.steps]
        end = float(np.interp(now.steps, *ours.T)) + pace * max(0, now.steps - last)
        curves = (
            Curve([0, now.steps], [0.0, each * now.steps]),
            Curve([*inside[:, 0].tolist(), now.steps], [*inside[:, 1].tolist(), end]),
        )
        ratio = each * now.steps / end
        return figures.seconds_by_steps(
            *curves,
            (found["textbook_steps_measured"], last),
            even,
            _pictures(found),
            title=say(
                en=f"After {now.steps:,} steps ours is {ratio:.1f} times as fast",
                zh=f"训练 {now.steps:,} 步：我们的速度是教科书做法的 {ratio:.1f} 倍",
            )
            if ratio >= 1
            else say(
                en=f"After {now.steps:,} steps ours is still behind",
                zh=f"训练 {now.steps:,} 步：我们还没有追上教科书做法",
            ),
            alt=_even_in_words(now, each * now.steps, end, even),
            caption=_about_even(found, now, each, pace),
        )

    return Explorer(controls, draw)


def _ours(found: Mapping[str, Any], kept: bool) -> np.ndarray:
    """How far our way has come, as rows of step and seconds; with features that are on disk without the time to compute them."""
    points = np.array(found["ours_after_steps"], dtype=float)
    return points - [0, points[0, 1]] if kept else points


def _even(each: float, ours: np.ndarray) -> int | None:
    """The first step after which our way has taken no longer than as many steps of the textbook's; None where it never does."""
    steps = np.arange(1, int(ours[-1, 0]) + 1)
    ahead = np.interp(steps, *ours.T) <= each * steps
    return int(steps[ahead.argmax()]) if ahead.any() else None


def _pictures(found: Mapping[str, Any]) -> int:
    sizes = found["sizes"]
    return sizes["classes"] * (sizes["shots"] + sizes["validation_pictures_a_class"])


def _even_in_words(now: SimpleNamespace, textbook: float, ours: float, even: int | None) -> str:
    begins = say(
        en="ours at zero too" if now.kept else "ours higher up, since it computes the features of the pictures first",
        zh="我们的也从零出发" if now.kept else "我们的起点高一些，因为先要算图片特征",
    )
    crosses = say(
        en=f"They cross, and ours is ahead from step {even} on.", zh=f"两线相交，从第 {even} 步起我们的领先。"
    )
    if even is None:
        crosses = say(en="They never cross.", zh="两线不相交。")
    elif even == 1:
        crosses = say(en="Ours is ahead from the first step on.", zh="从第一步起我们的就领先。")
    return say(
        en=f"Seconds over training steps, from 0 to {now.steps}, as two rising lines. The textbook's way begins at zero, {begins}. "
        f"{crosses} At the right end the textbook's way has taken {_for_people(textbook)}, ours {_for_people(ours)}.",
        zh=f"横轴是训练步数，从 0 到 {now.steps}，纵轴是秒，两条上升的线。教科书做法从零出发，{begins}。{crosses}"
        f"走到最右端，教科书做法用了{_for_people(textbook)}，我们的用了{_for_people(ours)}。",
    )


def _for_people(seconds: float) -> str:
    """Seconds, or minutes or hours where they are many."""
    if seconds < MANY:
        return say(en=f"{seconds:.3g} s", zh=f" {seconds:.3g} 秒")
    if seconds < 60 * MANY:
        return say(en=f"{seconds / 60:.3g} min", zh=f" {seconds / 60:.3g} 分钟")
    return say(en=f"{seconds / 3600:.3g} h", zh=f" {seconds / 3600:.3g} 小时")


def _about_even(found: Mapping[str, Any], now: SimpleNamespace, each: float, pace: float) -> str:
    """Where the numbers come from, what a step takes, and what was not measured."""
    sizes, counted, first = found["sizes"], found["textbook_steps_measured"], found["ours_after_steps"][0][1]
    caption = _source(found) + say(
        en=f" {sizes['classes']} classes × {sizes['shots']} shots, {sizes['batch']} pictures a step, {sizes['context_length']} vectors, a "
        f"CLIP of ViT-B/32's size. Computing the features takes {first:.3g} s, a step {each:.3g} s by the textbook and {pace:.3g} s by ours, "
        f"which also looks at validation. {counted} steps of the textbook were measured, and {sizes['steps']} of ours.",
        zh=f"{sizes['classes']} 类，每类 {sizes['shots']} 张图片，每步 {sizes['batch']} 张图，{sizes['context_length']} 个向量，CLIP 的大小同 "
        f"ViT-B/32。先算特征要 {first:.3g} 秒；教科书做法一步 {each:.3g} 秒，我们的一步 {pace:.3g} 秒（含验证）。教科书做法实测了 {counted} 步，我们的实测了 "
        f"{sizes['steps']} 步。",
    )
    if not now.kept:
        return caption
    return caption + say(
        en=" The time to read the features from the disk was not measured and is left out.",
        zh="从硬盘读特征的时间没有测，不计在内。",
    )


def cost_by_classes(found: Mapping[str, Any] | None = None, memory: Mapping[str, Any] | None = None) -> Picture:
    """Seconds of a step by the number of classes, plain and fast, beside what the machine would take at its own best.

    found: a record of the benchmark `cost_by_classes`, memory: one of `memory_1000_classes`; by default the stored ones. Nothing is
    measured here.
    """
    found, memory = found or _stored("cost_by_classes"), memory or _stored("memory_1000_classes")
    points, absent = found["points"], found["plain_not_run"]
    plain, fast = (
        Curve(*zip(*((point["classes"], point[way]["median"]) for point in points if way in point)))
        for way in ("plain", "fast")
    )
    limit = Curve(fast.x, [point["limit_seconds"] for point in points])
    both, most = plain.x[-1], fast.x[-1]
    ratio, beside = plain.y[-1] / fast.y[fast.x.index(both)], fast.y[-1] / limit.y[-1]
    missing = "".join(
        say(
            en=f" For {point['classes']:,} classes it was not run: it would keep {point['would_keep_for_backward_gib']:.0f} GiB for the "
            "backward pass.",
            zh=f"{point['classes']:,} 个类别时没有跑：光是留给反向计算的就要 {point['would_keep_for_backward_gib']:.0f} GiB。",
        )
        for point in absent
    )
    return seconds_by_classes(
        plain,
        fast,
        limit,
        [(point["classes"], point["would_keep_for_backward_gib"]) for point in absent],
        title=say(
            en=f"One step through the text tower: with {both} classes the fast path is {ratio:.1f} times as fast",
            zh=f"文本塔上的一步：{both} 个类别时，快的做法速度是朴素做法的 {ratio:.1f} 倍",
        ),
        alt=say(
            en=f"Seconds of a step over the number of classes, from {fast.x[0]} to {most:,}, both axes logarithmic, three rising lines. "
            f"Highest the plain path, {_for_people(plain.y[-1])} with {both} classes.{missing} Below it the fast path, "
            f"{_for_people(fast.y[-1])} with {most:,} classes. Lowest the machine's limit for the fast path, {_for_people(limit.y[-1])}.",
            zh=f"横轴是类别数，从 {fast.x[0]} 到 {most:,}，纵轴是一步的秒数，两轴都取对数，三条上升的线。最高的是朴素做法，{both} 个类别要"
            f"{_for_people(plain.y[-1])}。{missing}下面是快的做法，{most:,} 个类别要{_for_people(fast.y[-1])}。最低的是极限：快的做法在这台机器上"
            f"再快也要{_for_people(limit.y[-1])}。",
        ),
        caption=_source(found)
        + say(
            en=f" Forward and backward, {found['sizes']['context_length']} vectors, a text tower of ViT-B/32's size. With {most:,} classes the "
            f"fast path takes {beside:.1f} times the machine's limit, which is what its multiplications alone would take. It computes so "
            "many classes in turn, and all but the result a second time on the way back, so that memory is bounded: a training step with "
            f"{memory['sizes']['classes']:,} classes took {memory['value']:.1f} GiB, with Python and the whole model in it.",
            zh=f"前向加反向，{found['sizes']['context_length']} 个向量，文本塔的大小同 ViT-B/32。{most:,} 个类别时，快的做法用时是机器极限的 "
            f"{beside:.1f} 倍；极限指光做这些乘法要多久。类别这么多时分批计算，反向传播时再算一遍，内存就有了上限："
            f"{memory['sizes']['classes']:,} 个类别训练一步，连 Python 和整个模型在内，一共用了 {memory['value']:.1f} GiB。",
        ),
    )


def _stored(name: str) -> dict[str, Any]:
    """A record of `python course.py bench`."""
    return read_benchmarks()[name]


def _source(found: Mapping[str, Any]) -> str:
    """Where stored seconds come from."""
    machine = found["machine"]
    count = machine["threads"]
    return say(
        en=f"Stored measurement on {machine['cpu']}, {count} thread{'s' * (count > 1)}.",
        zh=f"数据是事先测好存下来的，机器是 {machine['cpu']}，{count} 个线程。",
    )


# --- how long it takes -------------------------------------------------------------------------------------------


def timing_table(ways: Mapping[str, Callable[[], object]], repeats: int = 5) -> Table:
    """How long each way takes on this machine, and how many times as fast as the first it is."""
    least = _time(ways, repeats)
    first = next(iter(least.values()))
    header = (
        say(en="way", zh="做法"),
        say(en=f"milliseconds (best of {repeats})", zh=f"毫秒（{repeats} 次中最快）"),
        say(en="times as fast", zh="速度（倍）"),
    )
    rows = [(name, _milliseconds(seconds), f"{first / seconds:.1f}×") for name, seconds in least.items()]
    return Table(rows, header, align="right")


def where_time_goes(prompted: PromptedCLIP, repeats: int = 5) -> Table:
    """The text side forward and backward, plain and fast: seconds, multiply-adds, and how much of this machine's pace is reached.

    The pace is that of one product of large float32 matrices, measured on the spot. The
    multiply-adds are those of texts that go through the tower all together.
    """
    clip, config, (texts, room) = prompted.clip, prompted.clip.config, prompted.ids.shape
    length = int(prompted.end.max()) + 1
    left, right = torch.ones(2, SIDE, SIDE, device=clip.device)
    plain, fast, matrices = (
        say(en="plain: all positions", zh="朴素做法：所有位置"),
        say(en="fast: trimmed, shared, last layer at the end", zh="快的做法：截短、共用、最后一层只算结尾"),
        say(en=f"one {SIDE} × {SIDE} matrix product", zh=f"一次 {SIDE} × {SIDE} 的矩阵乘法"),
    )
    products = {
        plain: count_text_tower(config, texts, room).forward_and_backward,
        fast: count_text_tower(config, texts, length, prompted.shared, only_end=True).forward_and_backward,
        matrices: SIDE**3,
    }
    ways = {
        plain: lambda: _step(prompted, fast=False),
        fast: lambda: _step(prompted, fast=True),
        matrices: lambda: left @ right,
    }
    least = _time(ways, repeats)
    rates = {name: FLOP * products[name] / least[name] / 1e9 for name in ways}
    header = (
        say(en="way", zh="做法"),
        say(en=f"milliseconds (best of {repeats})", zh=f"毫秒（{repeats} 次中最快）"),
        say(en="multiply-adds", zh="乘加次数"),
        "GFLOP/s",
        say(en="of this machine's pace", zh="占本机速度"),
    )
    rows = [
        (
            name,
            _milliseconds(least[name]),
            _large(products[name]),
            f"{rates[name]:.1f}",
            f"{rates[name] / rates[matrices]:.0%}".replace("%", say(en=" %", zh="%")),
        )
        for name in ways
    ]
    return Table(rows, header, align="right")


def _step(prompted: PromptedCLIP, fast: bool) -> Tensor:
    """Class features, and the gradient (M, D) that they send back to the context; nothing is left behind."""
    with torch.enable_grad():
        return torch.autograd.grad(prompted.text_features(fast=fast).sum(), prompted.context)[0]


def _time(ways: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """The least seconds of each way, since whatever else a machine does only adds to them; a first time does not count.

    They take turns, so that a busy moment hits all.
    """
    rounds = [{name: _seconds(way) for name, way in ways.items()} for _ in range(1 + repeats)]
    return {name: min(turn[name] for turn in rounds[1:]) for name in ways}


def _seconds(way: Callable[[], object]) -> float:
    begun = time.perf_counter()
    way()
    if torch.cuda.is_initialized():  # a GPU says that it is done before it is
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def _milliseconds(seconds: float) -> str:
    """To three digits at least."""
    return f"{1000 * seconds:,.{0 if seconds >= 0.1 else 1 if seconds >= 0.01 else 2}f}"
