"""Figures of lesson 04: ranks of planted words in a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from helpers.language import say
from lessons.kit.picture import (
    BLUE,
    EDGE,
    INK,
    LOCK,
    SLATE,
    TINT,
    WIDTH,
    Picture,
    add_page,
    add_text,
    finish,
    make_blank,
    make_rectangle,
    measure_letters,
)
from lessons.lesson_04_reading.figures.shared import BAND, abbreviate_draws


@dataclass(frozen=True)
class Planted:
    """A task: which word would be right, the best rank of it in each run, the same with permuted labels, and the share of contexts of
    random vectors that would name it."""

    name: str
    ranks: Sequence[int]
    permuted: Sequence[int]
    chance: float


def draw_ranks(
    tasks: Sequence[Planted], k: int, seeds: Sequence[int], *, title: str, alt: str, caption: str = ""
) -> Picture:
    """Ranks of the right word: a row for each task, a column for each run; those up to k are filled and ticked. Beside them the null twice."""
    row, cell, gap = 0.3, 0.38, 0.24
    room = 0.2 + max(0.073 * measure_letters(task.name) for task in tasks)
    wide = max(cell * len(seeds), 1.5)
    second, third = room + wide + gap, room + 2 * (wide + gap)
    height = 0.98 + row * len(tasks) + 0.34
    top = height - 0.98
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        for left, heading in (
            (room, say(en="learned", zh="学出来的")),
            (second, say(en="permuted labels", zh="打乱的标签")),
            (third, say(en="random", zh="随机向量")),
        ):
            add_text(page, left + 0.02, top + 0.42, heading, 9, weight="bold")
        for left in (room, second):
            for column, seed in enumerate(seeds):
                name = say(en=f"seed {seed}", zh=f"种子 {seed}") if column == 0 else str(seed)
                add_text(page, left + (column + 0.5) * cell, top + 0.13, name, 7.5, ha="center", color=SLATE)
        add_text(page, third, top + 0.17, say(en="share that\nnames it", zh="说出它的\n比例"), 7.5, color=SLATE)
        for number, task in enumerate(tasks):
            y = top - (number + 0.5) * row
            add_text(page, room - 0.1, y, task.name, 8.5, ha="right")
            for left, ranks, colour in ((room, task.ranks, BLUE), (second, task.permuted, SLATE)):
                for column, rank in enumerate(ranks):
                    _draw_rank(page, left + column * cell, y, cell, row, rank, k, colour)
            end = WIDTH - EDGE - 0.44
            page.add_patch(make_rectangle(third, end, y - 0.36 * row, y + 0.36 * row, facecolor=BAND))
            end_of_bar = third + task.chance * (end - third)
            page.add_patch(make_rectangle(third, end_of_bar, y - 0.36 * row, y + 0.36 * row, facecolor=SLATE))
            add_text(page, WIDTH - EDGE, y, abbreviate_draws(task.chance), 8, ha="right")
        note = say(
            en=f"a cell: the rank of the right word, for the best of the vectors; filled, ✓: within {k}",
            zh=f"格子里：正确的词的名次，取排得最靠前的那个向量；涂色并打 ✓：前 {k} 名",
        )
        add_text(page, room, 0.16, note, 8, color=SLATE)
        return finish(figure, alt, caption)


def _draw_rank(page: Axes, left: float, y: float, cell: float, row: float, rank: int, k: int, colour: str) -> None:
    named = rank <= k
    look = {"facecolor": colour} if named else {"facecolor": TINT}
    page.add_patch(make_rectangle(left + 0.02, left + cell - 0.02, y - row / 2 + 0.02, y + row / 2 - 0.02, **look))
    text, style = (f"{rank}✓", {"color": "white", "weight": "bold"}) if named else (str(rank), {"color": INK})
    add_text(page, left + cell / 2, y, text, 8, ha="center", **style)
