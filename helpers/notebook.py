"""What every notebook needs and no model knows of: the learner's language, `compare`, and errors that speak plainly.

Rests on numpy and the standard library; transformers is only asked to be quiet. Notebooks call `start` in their first cell.
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from helpers.language import say, set_language


def start(lang: str) -> None:
    """The end of each notebook's set-up cell: the language is set, errors speak plainly, and libraries keep quiet.

    Libraries report to the programmer; what a learner needs to know the lesson says itself.
    """
    set_language(lang)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    print(
        say(
            en="Ready: everything below runs on this machine, without a network.",
            zh="准备好了：下面的一切都在这台机器上运行，不需要联网。",
        )
    )


class Table:
    """Rows of texts for the page: a table in html, and lines of plain text.

    header: what stands over the columns; align: how all columns but the first stand; folded_under: what alone is seen at first.
    """

    def __init__(
        self,
        rows: Iterable[Sequence[str]],
        header: Sequence[str] = (),
        align: str = "left",
        folded_under: str = "",
    ) -> None:
        self.rows, self.header, self.align = (
            [tuple(map(str, row)) for row in rows],
            tuple(header),
            align,
        )
        self.folded_under = folded_under

    def _repr_html_(self) -> str:
        lines = [self._line("th", self.header)] if self.header else []
        table = (
            "<table>"
            + "".join([*lines, *(self._line("td", row) for row in self.rows)])
            + "</table>"
        )
        summary = f"<summary>{html.escape(self.folded_under)}</summary>"
        return f"<details>{summary}{table}</details>" if self.folded_under else table

    def _line(self, tag: str, row: Sequence[str]) -> str:
        sides = ["left", *[self.align] * (len(row) - 1)]
        tags = (tag if cell else "td" for cell in row)  # an empty corner is no heading of anything
        cells = (
            f'<{t} style="text-align: {side}">{html.escape(cell)}</{t}>'
            for t, side, cell in zip(tags, sides, row)
        )
        return "<tr>" + "".join(cells) + "</tr>"

    def __repr__(self) -> str:
        return "\n".join(
            [
                *filter(None, [self.folded_under]),
                *("  ".join(row) for row in [self.header, *self.rows] if row),
            ]
        )


# --- ours and theirs ---------------------------------------------------------------------------------------------


def compare(name: str, ours: Any, theirs: Any, tolerance: float = 1e-5) -> None:
    """Print whether our result is the library's: exact, close or different, with the largest difference.

    ours, theirs: tensors, arrays or numbers of one shape, or lists of anything. Close means that no difference is larger than
    `tolerance` times the largest number of theirs. (The idea is karpathy's `cmp`.)
    """
    agree, verdict = _verdict(ours, theirs, tolerance)
    print(f"{'✓' if agree else '✗'} {name}{say(en=': ', zh='：')}{verdict}")


def _verdict(ours: Any, theirs: Any, tolerance: float) -> tuple[bool, str]:
    exact = say(en="exact, not the smallest difference", zh="完全相等，一点不差")
    different = say(en="different", zh="不同")
    try:
        mine, yours = _numbers(ours), _numbers(theirs)
    except (TypeError, ValueError):  # words, or lists of them
        return (
            (True, exact)
            if ours == theirs
            else (False, f"{different}{say(en=', ', zh='：')}{ours!r} / {theirs!r}")
        )
    if mine.shape != yours.shape:
        return False, say(
            en=f"different, ours has the shape {mine.shape}, theirs {yours.shape}",
            zh=f"不同，我们的形状是 {mine.shape}，对方的是 {yours.shape}",
        )
    if np.array_equal(mine, yours):
        return True, exact
    apart = np.abs(mine - yours)
    where = np.unravel_index(np.nanargmax(np.where(np.isnan(apart), np.inf, apart)), apart.shape)
    largest = f"{float(apart[where]):.1e}"
    if apart[where] <= tolerance * np.abs(yours).max():
        return True, say(
            en=f"close, the largest difference is {largest}", zh=f"很接近，最大差 {largest}"
        )
    at = f" [{', '.join(map(str, where))}]" if where else ""
    return False, say(
        en=f"different, the largest difference is {largest}{at}", zh=f"不同，最大差 {largest}{at}"
    )


def _numbers(value: Any) -> np.ndarray:
    """Whatever holds numbers, as float64; raises TypeError or ValueError for anything else."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().double().numpy()
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{array.dtype} holds no numbers")
    return array.astype(float)
