"""Figures of lesson 04: prompts that began as words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from helpers.language import say
from lessons.kit.picture import (
    EDGE,
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
    make_rectangle,
)
from lessons.lesson_04_reading.figures.shared import BAND


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
