"""Figures of lesson 04: what vectors are worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from helpers.language import say
from lessons.kit.picture import (
    BLUE,
    CLOUD,
    EDGE,
    INK,
    LOCK,
    SLATE,
    WIDTH,
    Picture,
    add_axes,
    add_page,
    add_text,
    choose_letter_colour,
    finish,
    make_blank,
    make_halo,
)
from lessons.lesson_04_reading.figures.shared import DOTS


@dataclass(frozen=True)
class Scored:
    """Accuracies of one way to use the vectors: a bar for a single one, a dot for each of several. bold: the row to look at."""

    name: str
    shares: Sequence[float]
    bold: bool = False


def draw_influence(
    rows: Sequence[Scored],
    hand: float,
    cosines: np.ndarray,
    attention: np.ndarray,
    even: float,
    names: Sequence[str],
    *,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """What the vectors are worth, as they are and changed, beside a line for the hand prompt; and what they have to do with each other.

    cosines: (M, M); attention: (L, M), the share that the end of a text pays to each slot in each layer; even: what it would be if each
    position got the same; names: of the vectors.
    """
    row, room, wide = 0.29, 1.62, 2.64
    tall = row * len(rows)
    height = 0.62 + tall + 0.6
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        axes = add_axes(figure, room, 0.6, wide, tall)
        most = max(hand, *(share for line in rows for share in line.shares))
        axes.set(xlim=(0, min(1.0, 1.12 * most)), ylim=(len(rows), 0), yticks=[])
        axes.xaxis.set_major_formatter(lambda share, position: f"{100 * share:.0f}")
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8, colors=INK)
        axes.set_xlabel(
            say(en="accuracy on test pictures (%)", zh="测试图片上的准确率（%）"), fontsize=8.5, color=INK, labelpad=2
        )
        for number, line in enumerate(rows):
            y, colour = height - 0.62 - (number + 0.5) * row, BLUE if line.bold else SLATE
            add_text(page, room - 0.08, y, line.name, 8.5, ha="right", weight="bold" if line.bold else "normal")
            if len(line.shares) == 1:
                axes.barh(number + 0.5, line.shares[0], 0.62, color=colour, zorder=2)
                # at the bar's beginning: its end often lies on the hand prompt's line
                note = {"fontsize": 7.5, "color": "white", "va": "center", "textcoords": "offset points", "zorder": 4}
                axes.annotate(f"{100 * line.shares[0]:.1f}", (0, number + 0.5), (4, 0), **note)
            else:
                # above the hand prompt's line, on which many lie
                look = {"markersize": 5, "alpha": CLOUD, "markeredgewidth": 0, "zorder": 6, "clip_on": False}
                axes.plot(line.shares, [number + 0.5] * len(line.shares), "o", color=colour, **look)
        axes.axvline(hand, color=INK, linewidth=1.3, linestyle=DOTS, zorder=5, path_effects=make_halo())
        side, note = "right" if hand > 0.8 * axes.get_xlim()[1] else "center", say(en="hand prompt", zh="手工提示词")
        look = {"fontsize": 8, "color": INK, "ha": side, "va": "bottom", "textcoords": "offset points"}
        axes.annotate(note, (hand, 0), (0, 3), **look)
        M, left = len(cosines), room + wide + 0.62
        cell = min(0.5, (WIDTH - left - EDGE) / M)
        high = 0.26
        top = height - 0.62
        draw_heat = partial(_draw_heat_map, page, left=left, size=(cell, high), columns=names)
        heading = say(en="cosines among the vectors", zh="向量之间的余弦")
        add_text(page, left - 0.3, top + 0.06, heading, 8.5, weight="bold")
        top -= 0.32
        draw_heat(cosines, top, ("PuOr_r", -1, 1), rows=names, write=lambda c: f"{c:.2f}".replace("-", "−"))
        top -= M * high + 0.5
        heading = say(en="attention of EOT to each (%)", zh="文本结束符给各向量的注意力（%）")
        add_text(page, left - 0.3, top + 0.26, heading, 8.5, weight="bold")
        evenly = say(en=f"even shares: {100 * even:.0f}", zh=f"平均分配：{100 * even:.0f}")
        add_text(page, left - 0.3, top + 0.1, evenly, 8, color=SLATE)
        colours = "Blues", 0, max(float(attention.max()), 2 * even)
        layers = [say(en=f"layer {number}", zh=f"第 {number} 层") for number in range(1, len(attention) + 1)]
        draw_heat(attention, top - 0.14, colours, rows=layers, write=lambda share: f"{100 * share:.0f}")
        return finish(figure, alt, caption)


def _draw_heat_map(
    page: Axes, values: np.ndarray, top: float, colours: tuple[str, float, float], *, left: float,
    size: tuple[float, float], rows: Sequence[str], columns: Sequence[str], write: Callable[[float], str],
) -> None:  # fmt: skip
    """A matrix with a number in each cell; size: of a cell; colours: a map, and what its two ends stand for."""
    (cell, high), (name, low, most) = size, colours
    painted = ScalarMappable(Normalize(low, most), name).to_rgba(values)
    box = left, left + len(columns) * cell, top - len(rows) * high, top
    page.imshow(painted, extent=box, aspect="auto", interpolation="nearest")
    for column, label in enumerate(columns):
        add_text(page, left + (column + 0.5) * cell, top + 0.08, label, 7.5, ha="center", color=SLATE)
    for row, label in enumerate(rows):
        y = top - (row + 0.5) * high
        add_text(page, left - 0.06, y, label, 7.5, ha="right", color=SLATE)
        for column in range(len(columns)):
            look = {"ha": "center", "color": choose_letter_colour(painted[row, column])}
            add_text(page, left + (column + 0.5) * cell, y, write(values[row, column]), 7.5, **look)
