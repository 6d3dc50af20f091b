"""What every notebook needs and no model knows of: language, `Table` and `compare`.

Rests on numpy and the standard library; transformers is only asked to be quiet. Notebooks call
`start` in their first cell.
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.language import say, set_language


def set_up(lang: str) -> None:
    """Set the learner's language, and have libraries keep quiet: the end of the set-up cell.

    Libraries report to the programmer; what a learner needs to know the lesson says itself.
    """
    set_language(lang)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    ready = say(
        en="Ready: everything below runs on this machine, without a network.",
        zh="准备好了：下面的一切都在这台机器上运行，不需要联网。",
    )
    print(ready)


@dataclass(eq=False, repr=False)
class Table:
    """Rows of texts for the page: a table in html, and lines of plain text.

    header: what stands over the columns; align: how all columns but the first stand; folded_under:
    what alone is seen at first.
    """

    rows: Iterable[Sequence[str]]
    header: Sequence[str] = ()
    align: str = "left"
    folded_under: str = ""

    def __post_init__(self) -> None:
        self.rows = [tuple(map(str, row)) for row in self.rows]
        self.header = tuple(self.header)

    def _repr_html_(self) -> str:
        lines = [self._make_row("th", self.header)] if self.header else []
        lines += [self._make_row("td", row) for row in self.rows]
        table = f"<table>{''.join(lines)}</table>"
        summary = f"<summary>{html.escape(self.folded_under)}</summary>"
        return f"<details>{summary}{table}</details>" if self.folded_under else table

    def _make_row(self, tag: str, row: Sequence[str]) -> str:
        sides = ["left", *[self.align] * (len(row) - 1)]
        # an empty corner is no heading of anything
        tags = (tag if cell else "td" for cell in row)
        cells = (
            f'<{t} style="text-align: {side}">{html.escape(cell)}</{t}>'
            for t, side, cell in zip(tags, sides, row)
        )
        return "<tr>" + "".join(cells) + "</tr>"

    def __repr__(self) -> str:
        lines = ["  ".join(row) for row in [self.header, *self.rows] if row]
        return "\n".join([self.folded_under, *lines] if self.folded_under else lines)


# --- ours and theirs ------------------------------------------------------------------------------


def compare(name: str, ours: Any, theirs: Any, tolerance: float = 1e-5) -> None:
    """Print whether ours is theirs: exact, close or different, with the largest difference.

    The idea is karpathy's `cmp`.

    Args:
        name: of what is compared.
        ours: a tensor, an array or a number, or a list of anything.
        theirs: the same, of the same shape.
        tolerance: what the largest difference may be and still count as close, as a share of the
            largest number of theirs.
    """
    agree, verdict = _judge(ours, theirs, tolerance)
    print(f"{'✓' if agree else '✗'} {name}{say(en=': ', zh='：')}{verdict}")


def _judge(ours: Any, theirs: Any, tolerance: float) -> tuple[bool, str]:
    exact = say(en="exact: zero difference", zh="完全相等，差为零")
    different = say(en="different", zh="不同")
    try:
        mine, yours = _to_numbers(ours), _to_numbers(theirs)
    # words, or lists of them
    except (TypeError, ValueError):
        if ours == theirs:
            return True, exact
        return False, f"{different}{say(en=', ', zh='：')}{ours!r} / {theirs!r}"
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
    at = f"[{', '.join(map(str, where))}]"
    return False, say(
        en=f"different, the largest difference is {largest}" + f" at {at}" * bool(where),
        zh=f"不同，最大差 {largest}" + f"，在 {at}" * bool(where),
    )


def _to_numbers(value: Any) -> np.ndarray:
    """Whatever holds numbers, as float64; raises TypeError or ValueError for anything else."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().double().numpy()
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{array.dtype} holds no numbers")
    return array.astype(float)
