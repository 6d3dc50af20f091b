"""What the prose of each lesson says of stored numbers: a phrase of a cell, made from the numbers as they are stored.

A module a lesson. `claims` computes each phrase, or asserts what a phrase in words says (“less than a third”), and yields it; so a number
that changes fails the sentence about it, and a sentence that changes fails here. CITED: numbers of papers, each with its source.
"""

from typing import NamedTuple


class Claim(NamedTuple):
    """A phrase that stands in a markdown cell, in each language as it stands there; line breaks do not matter."""

    cell: str  # the id
    en: str
    zh: str
