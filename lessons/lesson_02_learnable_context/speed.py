"""What is saved: seconds by the number of classes, and seconds by the steps of a run, ours beside the textbook's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.language import say
from lessons.kit.picture import (
    BLUE,
    GREY,
    INK,
    LOCK,
    SLATE,
    VERMILION,
    WIDTH,
    Picture,
    add_axes,
    finish,
    make_blank,
    make_halo,
)

EARLY = 3  # the first steps of a run are shown until so many times the break-even
DASHED, DOTTED = (0, (4, 1.6)), (0, (1, 1.6))
PLAIN_LOOK = {"color": VERMILION, "linestyle": DASHED, "linewidth": 2, "marker": "s", "markersize": 5.5}
FAST_LOOK = {"color": BLUE, "linewidth": 2.2, "marker": "o", "markersize": 6}
LIMIT_LOOK = {"color": SLATE, "linestyle": DOTTED, "linewidth": 1.8}


@dataclass(frozen=True)
class Curve:
    """Seconds y over the numbers of classes, or of steps, x."""

    x: Sequence[float]
    y: Sequence[float]


def seconds_by_classes(
    plain: Curve,
    fast: Curve,
    limit: Curve,
    absent: Sequence[tuple[int, float]] = (),
    *,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """Seconds of a step by the number of classes, on logarithmic axes, above what the machine would take at its best.

    absent: the numbers of classes for which the plain path was not run, and the GiB of memory that it would have needed for them.
    """
    height = 3.9
    with LOCK:
        figure = make_blank(height)
        axes = add_axes(figure, 0.72, 0.52, 4.85, 2.9)
        axes.set(xscale="log", yscale="log")
        _dress(axes, say(en="classes", zh="类别数"), say(en="seconds for one step", zh="一步的秒数"))
        axes.grid(color=GREY, alpha=0.35, linewidth=0.6)
        for curve, name, look, va in (
            (plain, say(en="plain:\nCLIP's own path", zh="朴素做法：\nCLIP 自带的"), PLAIN_LOOK, "center"),
            (fast, say(en="fast: the same numbers", zh="快的做法：结果相同"), FAST_LOOK, "bottom"),
            (
                limit,
                say(en="the machine's limit\nfor the fast path", zh="快的做法\n在这台机器上的极限"),
                LIMIT_LOOK,
                "top",
            ),
        ):
            axes.plot(curve.x, curve.y, **look)
            _beside(axes, curve.x[-1], curve.y[-1], name, look["color"], (9, 0), va)
        axes.set_xticks(fast.x, [f"{classes:,}" for classes in fast.x])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(lambda seconds, position: f"{seconds:g}")
        _gain(axes, plain, fast)
        told = [
            say(
                en=f"plain for {classes:,} classes was not run:\nit would keep {memory:.0f} GiB for the backward pass",
                zh=f"{classes:,} 个类别时没有跑朴素做法：\n光是留给反向传播的就要 {memory:.0f} GiB",
            )
            for classes, memory in absent
        ]
        axes.text(0.02, 0.98, "\n".join(told), transform=axes.transAxes, color=VERMILION, fontsize=8, va="top")
        _title(figure, title, height)
        return finish(figure, alt, caption)


def break_even(
    textbook: Curve,
    ours: Curve,
    step: int | None,
    measured: int,
    *,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """Seconds that have passed after so many steps of a run, by the textbook and by ours: its beginning, and the whole.

    step: at whose end ours is ahead for the first time, or None where that never comes; measured: so many steps of the textbook were
    measured, and what lies beyond them is extrapolated.
    """
    height, whole = 3.1, ours.x[-1]
    early = min(whole, EARLY * step) if step else whole
    with LOCK:
        figure = make_blank(height)
        beginning, run = add_axes(figure, 0.66, 0.5, 2.86, 2.0), add_axes(figure, 4.3, 0.5, 2.86, 2.0)
        for axes, last, heading in ((beginning, early, f"The first {early} steps"), (run, whole, f"All {whole} steps")):
            _dress(axes, "training steps", "seconds since the start")
            axes.set_title(heading, fontsize=9, color=INK, loc="left", pad=5)
            axes.grid(axis="y", color=GREY, alpha=0.35, linewidth=0.6)
            axes.plot(textbook.x, textbook.y, color=VERMILION, linestyle=DASHED, linewidth=2)
            axes.plot(ours.x, ours.y, color=BLUE, linewidth=2.6)
            solid = np.array([0, min(measured, last)])
            axes.plot(solid, np.interp(solid, textbook.x, textbook.y), color=VERMILION, linewidth=2.6)
            if step:
                axes.plot(step, np.interp(step, textbook.x, textbook.y), "o", color=INK, markersize=6, zorder=5)
            axes.set(
                xlim=(0, last), ylim=(0, 1.12 * max(np.interp(last, curve.x, curve.y) for curve in (textbook, ours)))
            )
        _beside(beginning, 0, ours.y[0], "ours", BLUE, (5, 5), va="bottom")
        _beside(
            beginning,
            early,
            np.interp(early, textbook.x, textbook.y),
            "textbook",
            VERMILION,
            (-16, 0),
            va="center",
            ha="right",
        )
        if step:
            _beside(beginning, step, ours.y[0], f"after step {step}\nours is ahead", INK, (12, -6), va="top")
        _beside(run, whole, ours.y[-1], f"ours: {ours.y[-1]:.0f} s", BLUE, (-4, 6), va="bottom", ha="right")
        told = f"textbook: {textbook.y[-1]:.0f} s,\nextrapolated from {measured} steps"
        _beside(run, 0, run.get_ylim()[1], told, VERMILION, (6, -6), va="top")
        _title(figure, title, height)
        return finish(figure, alt, caption)


def _title(figure: Figure, title: str, height: float) -> None:
    figure.text(0.08 / WIDTH, 1 - 0.2 / height, title, fontsize=10.5, color=INK, parse_math=False)


def _dress(axes: Axes, across: str, upwards: str) -> None:
    axes.tick_params(labelsize=8, colors=INK)
    axes.set_xlabel(across, fontsize=8, color=INK, labelpad=2)
    axes.set_ylabel(upwards, fontsize=8, color=INK, labelpad=3)
    axes.spines[["top", "right"]].set_visible(False)


def _beside(
    axes: Axes, x: float, y: float, text: str, colour: str, offset: tuple[float, float], va: str, ha: str = "left"
) -> None:
    """A text so many points from a place in the axes, which it may leave."""
    style = {
        "fontsize": 8.5,
        "weight": "bold",
        "path_effects": make_halo(),
        "annotation_clip": False,
        "va": va,
        "ha": ha,
    }
    axes.annotate(text, (x, y), offset, textcoords="offset points", color=colour, **style)


def _gain(axes: Axes, plain: Curve, fast: Curve) -> None:
    """How many times as long the plain path takes, between the two, for the most classes that both were run for."""
    classes = max(set(plain.x) & set(fast.x))
    high, low = (curve.y[list(curve.x).index(classes)] for curve in (plain, fast))
    arrow = {"arrowstyle": "<->", "color": INK, "linewidth": 1.2, "shrinkA": 5, "shrinkB": 5}
    axes.annotate("", (classes, high), (classes, low), arrowprops=arrow)
    _beside(axes, classes, (high * low) ** 0.5, f"÷ {high / low:.1f}", INK, (6, 0), va="center")
