"""Figures of lesson 04: nearest words, distances in rows, and prompts that began as words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from helpers.language import say
from lessons.kit.picture import (
    BLUE,
    EDGE,
    GREY,
    INK,
    LOCK,
    SLATE,
    STONE,
    VERMILION,
    WIDTH,
    Picture,
    add_axes,
    add_page,
    add_text,
    finish,
    make_blank,
    make_halo,
    make_rectangle,
    measure_letters,
)
from lessons.lesson_04_reading.figures.shared import BAND, DOTS

# --- nearest words ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Nearby:
    """One vector and its nearest words, nearest first, with their distances; `marked`: those that stand out, with their sign.

    band: where the nearest word of random vectors lies, from the 5th to the 95th of a hundred. note: what else is known of the vector.
    """

    name: str
    words: Sequence[str]
    distances: Sequence[float]
    band: tuple[float, float]
    marked: Sequence[str]
    note: str = ""


def draw_nearest_words(
    vectors: Sequence[Nearby],
    own: float,
    limit: float,
    *,
    unit: str,
    across: int = 2,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """For each vector a small diagram: a bar of distance for each of its nearest words, in front of the band of chance.

    own: how far a word is from its nearest other word, as a rule; limit: the end of the axis, which all diagrams share.
    """
    words, deep = max(len(vector.words) for vector in vectors), -(-len(vectors) // across)
    row = 0.2 if words < 5 else 0.165
    room, gap, head = 0.95, 0.12, 0.3  # inches: for words, between columns, and over a diagram
    wide = (WIDTH - 2 * EDGE - across * room - (across - 1) * gap) / across
    tall = row * words + 0.06
    height = 0.3 + deep * (head + tall) + 0.84
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        for number, vector in enumerate(vectors):
            down, right = divmod(number, across)
            left = EDGE + right * (room + wide + gap)
            low = height - 0.3 - (down + 1) * (head + tall)
            axes = add_axes(figure, left + room, low, wide, tall)
            axes.set(xlim=(0, limit), ylim=(words - 0.5, -0.5), yticks=[])
            axes.axvspan(*vector.band, color=BAND, linewidth=0, zorder=0)
            axes.axvline(own, color=INK, linewidth=1.4, linestyle=DOTS, zorder=4, path_effects=make_halo())
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize=8, colors=INK, labelbottom=down == deep - 1 or number + across >= len(vectors))
            add_text(page, left + room, low + tall + 0.11, vector.name, 9, weight="bold")
            beside = left + room + 0.085 * measure_letters(vector.name) + 0.1
            add_text(page, beside, low + tall + 0.11, vector.note, 8, color=SLATE)
            for place, (word, apart) in enumerate(zip(vector.words, vector.distances)):
                mark = vector.marked[place]
                look = {"color": VERMILION if mark else BLUE, "weight": "bold" if mark else "normal"}
                axes.barh(place, apart, height=0.62, color=look["color"], zorder=2)
                y = low + tall - (place + 0.5) * tall / words
                add_text(page, left + room - 0.07, y, f"{word}{mark}", 8.5, ha="right", **look)
                axes.annotate(
                    f"{apart:.2f}", (apart, place), (3, 0), textcoords="offset points", va="center", fontsize=7.5,
                    color=INK, path_effects=make_halo(), zorder=5,
                )  # fmt: skip
        add_text(page, WIDTH / 2, 0.56, unit, 8.5, ha="center")
        page.add_patch(make_rectangle(EDGE, EDGE + 0.3, 0.12, 0.3, facecolor=BAND))
        chance = say(
            en="nearest word of a random vector of the same norm, 5–95 %",
            zh="模长相同的随机向量，到最近的词（5%–95%）",
        )
        add_text(page, EDGE + 0.38, 0.21, chance, 8)
        page.plot([4.42, 4.72], [0.21, 0.21], color=INK, linewidth=1.2, linestyle=DOTS)
        within = say(en="a word to its nearest other word, median", zh="一个词到最近的另一个词（中位数）")
        add_text(page, 4.8, 0.21, within, 8)
        return finish(figure, alt, caption)


# --- distances in rows -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Strip:
    """Distances (N,) of one kind, and what they are of; bold: the row to look at."""

    name: str
    distances: np.ndarray
    bold: bool = False


def draw_distance_rows(
    rows: Sequence[Strip], limits: tuple[float, float], *, title: str, alt: str, caption: str = ""
) -> Picture:
    """A row of dots for each kind of vector on one axis of distance, and a mark at the median of each."""
    row = 0.46
    room = 0.2 + 0.07 * max(measure_letters(strip.name) for strip in rows)
    height = 0.4 + row * len(rows) + 0.56
    scatter = np.random.default_rng(0)  # up and down, so that dots do not hide each other
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        axes = add_axes(figure, room, 0.56, WIDTH - room - 0.2, row * len(rows))
        axes.set(xlim=limits, ylim=(len(rows), 0), yticks=[])
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(labelsize=8, colors=INK)
        axes.grid(axis="x", color=GREY, alpha=0.35, linewidth=0.6)
        across = say(en="cosine distance to the nearest word", zh="到最近的词的余弦距离")
        axes.set_xlabel(across, fontsize=8.5, color=INK, labelpad=3)
        for number, strip in enumerate(rows):
            y = height - 0.4 - (number + 0.5) * row
            add_text(page, room - 0.1, y, strip.name, 8.5, ha="right", weight="bold" if strip.bold else "normal")
            up = number + 0.5 + scatter.uniform(-0.26, 0.26, len(strip.distances))
            colour, middle = BLUE if strip.bold else SLATE, float(np.median(strip.distances))
            axes.plot(strip.distances, up, "o", color=colour, markersize=3, alpha=0.35, markeredgewidth=0)
            ends = [number + 0.12, number + 0.88]
            axes.plot([middle, middle], ends, color=INK, linewidth=2, path_effects=make_halo())
            note = {"fontsize": 8, "weight": "bold", "color": INK, "va": "center", "path_effects": make_halo()}
            axes.annotate(f"{middle:.2f}", (middle, number + 0.5), (4, 0), textcoords="offset points", **note)
        return finish(figure, alt, caption)


# --- prompts that began as words -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Begun:
    """A vector that began as a word: that word, the nearest ones now with their distances, and its cosine with where it began."""

    word: str
    now: Sequence[str]
    distances: Sequence[float]
    cosine: float
    band: tuple[float, float]

    @property
    def same(self) -> bool:
        return self.now[0] == self.word


def draw_prompt_words(
    vectors: Sequence[Begun], limit: float, *, unit: str, title: str, alt: str, caption: str = ""
) -> Picture:
    """Of each vector the word it began as, a dot at the distance to the word that is nearest now, in front of the band of chance, and the
    nearest words; those that are still the first ones are grey, new ones bold."""
    row, left, wide = 0.27, 1.42, 2.35
    height = 0.72 + row * len(vectors) + 0.78
    top = height - 0.72
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        axes = add_axes(figure, left, top - row * len(vectors), wide, row * len(vectors))
        axes.set(xlim=(0, limit), ylim=(len(vectors), 0), yticks=[])
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8, colors=INK)
        axes.set_xlabel(unit, fontsize=8.5, color=INK, labelpad=2)
        beside, cosines = left + wide + 0.2, WIDTH - EDGE
        for x, name, side in (
            (left - 0.1, say(en="initialised as", zh="初始化为"), "right"),
            (beside, say(en="nearest now", zh="现在最近的"), "left"),
            (cosines, say(en="cosine with its initialisation", zh="和起点的余弦"), "right"),
        ):  # fmt: skip
            add_text(page, x, top + 0.15, name, 8, color=SLATE, ha=side)
        for number, vector in enumerate(vectors):
            y = top - (number + 0.5) * row
            look = {"color": SLATE, "weight": "normal"} if vector.same else {"color": VERMILION, "weight": "bold"}
            add_text(page, EDGE, y, str(number + 1), 8, color=SLATE)
            add_text(page, left - 0.1, y, vector.word, 8.5, ha="right")
            axes.barh(number + 0.5, vector.band[1] - vector.band[0], 1, vector.band[0], color=BAND, linewidth=0)
            axes.plot([0, vector.distances[0]], [number + 0.5] * 2, color=STONE, linewidth=1)
            hollow = {"markerfacecolor": "white"} if vector.same else {}
            axes.plot(vector.distances[0], number + 0.5, "o", color=look["color"], markersize=6, **hollow)
            same = say(en=" (the same)", zh="（还是它）") if vector.same else say(en=" (new)", zh="（换了）")
            add_text(page, beside, y, vector.now[0] + same, 8.5, **look)
            add_text(page, beside + 1.3, y, ", ".join(vector.now[1:]), 8, color=SLATE)
            add_text(page, cosines, y, f"{vector.cosine:.2f}", 8.5, ha="right")
        page.add_patch(make_rectangle(EDGE, EDGE + 0.3, 0.1, 0.26, facecolor=BAND))
        chance = say(
            en="nearest token of a random vector of the same norm, 5–95 %",
            zh="模长相同的随机向量，到最近的词元（5%–95%）",
        )
        add_text(page, EDGE + 0.38, 0.18, chance, 8)
        return finish(figure, alt, caption)
