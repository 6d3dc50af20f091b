"""What the prose of each lesson says of stored numbers: a phrase of a cell, made from the numbers as they are stored.

A module a lesson. `claims` computes each phrase, or asserts what a phrase in words says (“less than a third”), and yields it; so a number
that changes fails the sentence about it, and a sentence that changes fails here. CITED: numbers of papers, each with its source.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


class Claim(NamedTuple):
    """A phrase that stands in a markdown cell, in each language as it stands there; line breaks do not matter."""

    cell: str  # the id
    en: str
    zh: str


@cache
def stored_cells(name: str, lang: str) -> dict[str, NotebookNode]:
    """The cells of a lesson's stored notebook by their ids."""
    cells = nbformat.read(NOTEBOOKS / lang / f"{name}.ipynb", as_version=4).cells
    return {cell.id: cell for cell in cells}


def texts_of(cell: NotebookNode, kind: str = "text/plain") -> Sequence[str]:
    """What a cell has printed or shown, output by output."""
    return [output.get("text") or output.get("data", {}).get(kind, "") for output in cell.get("outputs", ())]
