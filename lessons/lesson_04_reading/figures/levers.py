"""Figures of lesson 04: words as levers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from helpers.language import say
from lessons.kit.picture import (
    CLOUD,
    INK,
    LOCK,
    SLATE,
    WIDTH,
    Picture,
    add_axes,
    add_page,
    finish,
    make_blank,
    make_halo,
)
from lessons.lesson_04_reading.figures.labels import name_points
from lessons.lesson_04_reading.figures.shared import DOTS


@dataclass(frozen=True)
class Levers:
    """How near each word (W,) is to the closest of the vectors, and the names of some: (place, name, marked)."""

    heading: str
    distances: np.ndarray
    named: Sequence[tuple[int, str, bool]]


def draw_levers(
    panels: Sequence[Levers], losses: np.ndarray, without: float, *, title: str, alt: str, caption: str = ""
) -> Picture:
    """A dot for each word: across how near it is to a learned vector, upwards the loss of a prompt with that word, losses (W,).

    without: the loss of the prompt without any. The panels share their axes.
    """
    height, gap, left = 4.3, 0.25, 0.72
    wide = (WIDTH - left - 0.12 - gap * (len(panels) - 1)) / len(panels)
    every = np.concatenate([panel.distances for panel in panels])
    margin, aside = 0.05 * np.ptp(every), 0.14 * np.ptp(every)  # the nearest are named on their left
    with LOCK:
        figure = make_blank(height)
        add_page(figure, title)
        for number, panel in enumerate(panels):
            axes = add_axes(figure, left + number * (wide + gap), 0.52, wide, height - 0.52 - 0.66)
            axes.set_yscale("log")
            low, high = min(losses.min(), without), max(losses.max(), without)
            step = (high / low) ** 0.06
            axes.set(xlim=(every.min() - aside, every.max() + margin), ylim=(low / step, high * step))
            axes.plot(panel.distances, losses, "o", color=SLATE, markersize=4, alpha=CLOUD, markeredgewidth=0)
            axes.axhline(without, color=INK, linewidth=1.2, linestyle=DOTS, zorder=1)
            _set_log_ticks(axes, low / step, high * step, first=not number)
            axes.tick_params(labelsize=8, colors=INK)
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_title(panel.heading, fontsize=9, color=INK, loc="left", pad=5)
            across = say(
                en="cosine distance to the closest vector (nearer: left)", zh="到最近的向量的余弦距离（越靠左越近）"
            )
            axes.set_xlabel(across, fontsize=8, color=INK, labelpad=3)
            if not number:
                upwards = say(en="loss of “a photo of a … cat.” and so on", zh="“a photo of a … cat.”这类提示词的损失")
                axes.set_ylabel(upwards, fontsize=8, color=INK, labelpad=3)
                note = {"va": "bottom", "ha": "right", "fontsize": 7.5, "color": INK, "path_effects": make_halo()}
                bare = say(en="without any word", zh="不加词")  # in the next diagram it would lie on dots
                axes.annotate(bare, (every.max() + margin, without), (-2, 2), textcoords="offset points", **note)
            named = [((panel.distances[i], losses[i]), name, marked) for i, name, marked in panel.named]
            _, low = (axes.transData.transform((0, without)) - axes.bbox.min) / figure.dpi
            corner = wide - 1.1, wide, low, low + 0.18
            name_points(axes, named, np.stack([panel.distances, losses], axis=-1), [corner])
        return finish(figure, alt, caption)


def _set_log_ticks(axes: Axes, low: float, high: float, first: bool) -> None:
    """A few round numbers on a logarithmic scale; the first of several diagrams is labelled."""
    steps = [digit * 10.0**power for power in range(-6, 3) for digit in (1, 1.5, 2, 3, 4, 5, 6, 8)]
    ticks = [tick for tick in steps if low <= tick <= high]
    while len(ticks) > 7:
        ticks = ticks[::2]
    axes.set_yticks(ticks, [f"{tick:g}" if first else "" for tick in ticks])
    axes.minorticks_off()
