"""Explorers and tables of lesson 02b: when the faster way pays, from stored records, and where the time goes, measured on the spot."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from helpers.context import PromptedCLIP
from helpers.language import say
from helpers.notebook import Table
from lessons.kit.benchmarks import read_benchmarks
from lessons.kit.explorer import Explorer, format_percent, make_dropdown
from lessons.kit.flops import FLOP, count_text_tower
from lessons.kit.picture import Picture
from lessons.lesson_02_learnable_context import figures_b as figures
from lessons.lesson_02_learnable_context.explorers.shared import make_options_slider
from lessons.lesson_02_learnable_context.explorers_b.costs import format_large

# CoOp goes through 16 shots 200 times: 2000 steps for 20 classes, 32 at a time
STEPS = (5, 10, 20, 50, 100, 200, 500, 1000, 2000)
MANY = 120  # seconds or minutes: from here on the next larger unit is easier to read
SIDE = 1024  # of the square matrices that show how fast a machine multiplies


def explore_break_even(found: Mapping[str, Any] | None = None) -> Explorer:
    """Choose how many steps, and whether the features are on disk already; see from which step on our way is ahead of the textbook's.

    found: a record of the benchmark `few_shot_run`; by default the stored one. Nothing is measured here.
    """
    found = found or read_benchmarks()["few_shot_run"]
    controls = {
        "steps": make_options_slider(STEPS, 20, say(en="steps", zh="训练步数"), 30),
        "kept": make_dropdown(
            say(en="features", zh="图片特征"),
            {say(en="computed first", zh="先算一遍"): False, say(en="on disk already", zh="硬盘上已有"): True},
            False,
            24,
        ),
    }

    def draw(now: SimpleNamespace) -> Picture:
        each, ours = found["seconds"]["textbook step"]["median"], _list_our_points(found, now.kept)
        last = int(ours[-1, 0])
        pace = (ours[-1, 1] - ours[0, 1]) / last  # seconds a step
        even = _find_break_even(each, ours)
        inside = ours[ours[:, 0] < now.steps]
        end = float(np.interp(now.steps, *ours.T)) + pace * max(0, now.steps - last)
        curves = (
            figures.Curve([0, now.steps], [0.0, each * now.steps]),
            figures.Curve([*inside[:, 0].tolist(), now.steps], [*inside[:, 1].tolist(), end]),
        )
        ratio = each * now.steps / end
        return figures.draw_seconds_by_steps(
            *curves,
            (found["textbook_steps_measured"], last),
            even,
            _count_pictures(found),
            title=say(
                en=f"After {now.steps:,} steps ours is {ratio:.1f} times as fast",
                zh=f"训练 {now.steps:,} 步：我们的速度是教科书做法的 {ratio:.1f} 倍",
            )
            if ratio >= 1
            else say(
                en=f"After {now.steps:,} steps ours is still behind",
                zh=f"训练 {now.steps:,} 步：我们还没有追上教科书做法",
            ),
            alt=_describe_break_even(now, each * now.steps, end, even),
            caption=_explain_break_even(found, now, each, pace),
        )

    return Explorer(controls, draw)


def _list_our_points(found: Mapping[str, Any], kept: bool) -> np.ndarray:
    """How far our way has come, as rows of step and seconds; with features that are on disk without the time to compute them."""
    points = np.array(found["ours_after_steps"], dtype=float)
    return points - [0, points[0, 1]] if kept else points


def _find_break_even(each: float, ours: np.ndarray) -> int | None:
    """The first step after which our way has taken no longer than as many steps of the textbook's; None where it never does."""
    steps = np.arange(1, int(ours[-1, 0]) + 1)
    ahead = np.interp(steps, *ours.T) <= each * steps
    return int(steps[ahead.argmax()]) if ahead.any() else None


def _count_pictures(found: Mapping[str, Any]) -> int:
    sizes = found["sizes"]
    return sizes["classes"] * (sizes["shots"] + sizes["validation_pictures_a_class"])


def _describe_break_even(now: SimpleNamespace, textbook: float, ours: float, even: int | None) -> str:
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
        f"{crosses} At the right end the textbook's way has taken {_format_time_taken(textbook)}, ours {_format_time_taken(ours)}.",
        zh=f"横轴是训练步数，从 0 到 {now.steps}，纵轴是秒，两条上升的线。教科书做法从零出发，{begins}。{crosses}"
        f"走到最右端，教科书做法用了{_format_time_taken(textbook)}，我们的用了{_format_time_taken(ours)}。",
    )


def _format_time_taken(seconds: float) -> str:
    """Seconds, or minutes or hours where they are many."""
    if seconds < MANY:
        return say(en=f"{seconds:.3g} s", zh=f" {seconds:.3g} 秒")
    if seconds < 60 * MANY:
        return say(en=f"{seconds / 60:.3g} min", zh=f" {seconds / 60:.3g} 分钟")
    return say(en=f"{seconds / 3600:.3g} h", zh=f" {seconds / 3600:.3g} 小时")


def _explain_break_even(found: Mapping[str, Any], now: SimpleNamespace, each: float, pace: float) -> str:
    """Where the numbers come from, what a step takes, and what was not measured."""
    sizes, counted, first = found["sizes"], found["textbook_steps_measured"], found["ours_after_steps"][0][1]
    caption = _describe_machine(found) + say(
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


def draw_cost_by_classes(found: Mapping[str, Any] | None = None, memory: Mapping[str, Any] | None = None) -> Picture:
    """Seconds of a step by the number of classes, plain and fast, beside what the machine would take at its own best.

    found: a record of the benchmark `cost_by_classes`, memory: one of `memory_1000_classes`; by default the stored ones. Nothing is
    measured here.
    """
    found, memory = found or read_benchmarks()["cost_by_classes"], memory or read_benchmarks()["memory_1000_classes"]
    points, absent = found["points"], found["plain_not_run"]
    plain, fast = (
        figures.Curve(*zip(*((point["classes"], point[way]["median"]) for point in points if way in point)))
        for way in ("plain", "fast")
    )
    limit = figures.Curve(fast.x, [point["limit_seconds"] for point in points])
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
    return figures.draw_seconds_by_classes(
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
            f"Highest the plain path, {_format_time_taken(plain.y[-1])} with {both} classes.{missing} Below it the fast path, "
            f"{_format_time_taken(fast.y[-1])} with {most:,} classes. Lowest the machine's limit for the fast path, {_format_time_taken(limit.y[-1])}.",
            zh=f"横轴是类别数，从 {fast.x[0]} 到 {most:,}，纵轴是一步的秒数，两轴都取对数，三条上升的线。最高的是朴素做法，{both} 个类别要"
            f"{_format_time_taken(plain.y[-1])}。{missing}下面是快的做法，{most:,} 个类别要{_format_time_taken(fast.y[-1])}。最低的是极限：快的做法在这台机器上"
            f"再快也要{_format_time_taken(limit.y[-1])}。",
        ),
        caption=_describe_machine(found)
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


def _describe_machine(found: Mapping[str, Any]) -> str:
    """Where stored seconds come from."""
    machine = found["machine"]
    count = machine["threads"]
    return say(
        en=f"Stored measurement on {machine['cpu']}, {count} thread{'s' * (count > 1)}.",
        zh=f"数据是事先测好存下来的，机器是 {machine['cpu']}，{count} 个线程。",
    )


# --- how long it takes -------------------------------------------------------------------------------------------


def tabulate_timing(ways: Mapping[str, Callable[[], object]], repeats: int = 5) -> Table:
    """How long each way takes on this machine, and how many times as fast as the first it is."""
    least = _time_ways(ways, repeats)
    first = next(iter(least.values()))
    header = (*_name_first_columns(repeats), say(en="times as fast", zh="速度（倍）"))
    rows = [(name, _format_milliseconds(seconds), f"{first / seconds:.1f}×") for name, seconds in least.items()]
    return Table(rows, header, align="right")


def tabulate_where_time_goes(prompted: PromptedCLIP, repeats: int = 5) -> Table:
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
        plain: lambda: _compute_gradient(prompted, fast=False),
        fast: lambda: _compute_gradient(prompted, fast=True),
        matrices: lambda: left @ right,
    }
    least = _time_ways(ways, repeats)
    rates = {name: FLOP * products[name] / least[name] / 1e9 for name in ways}
    header = (
        *_name_first_columns(repeats),
        say(en="multiply-adds", zh="乘加次数"),
        "GFLOP/s",
        say(en="of this machine's pace", zh="占本机速度"),
    )
    rows = [
        (
            name,
            _format_milliseconds(least[name]),
            format_large(products[name]),
            f"{rates[name]:.1f}",
            format_percent(rates[name] / rates[matrices], 0),
        )
        for name in ways
    ]
    return Table(rows, header, align="right")


def _name_first_columns(repeats: int) -> tuple[str, str]:
    return say(en="way", zh="做法"), say(en=f"milliseconds (best of {repeats})", zh=f"毫秒（{repeats} 次中最快）")


def _compute_gradient(prompted: PromptedCLIP, fast: bool) -> Tensor:
    """Class features, and the gradient (M, D) that they send back to the context; nothing is left behind."""
    with torch.enable_grad():
        return torch.autograd.grad(prompted.text_features(fast=fast).sum(), prompted.context)[0]


def _time_ways(ways: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """The least seconds of each way, since whatever else a machine does only adds to them; a first time does not count.

    They take turns, so that a busy moment hits all.
    """
    rounds = [{name: _measure_seconds(way) for name, way in ways.items()} for _ in range(1 + repeats)]
    return {name: min(turn[name] for turn in rounds[1:]) for name in ways}


def _measure_seconds(way: Callable[[], object]) -> float:
    begun = time.perf_counter()
    way()
    if torch.cuda.is_initialized():  # a GPU says that it is done before it is
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def _format_milliseconds(seconds: float) -> str:
    """To three digits at least."""
    return f"{1000 * seconds:,.{0 if seconds >= 0.1 else 1 if seconds >= 0.01 else 2}f}"
