"""Figures of lesson 04: what several of them share."""

from __future__ import annotations

from helpers.language import say

BAND = "#E3E6EA"  # the ground where chance lies
DOTS = (0, (1, 1.6))
TICK = " ✓"


def percent_of_draws(share: float) -> str:
    """A share of a finite number of draws, in per cent: it never says that there is none, or nothing else."""
    return "< " * (share < 0.01) + "> " * (share > 0.99) + percent_of(min(max(share, 0.01), 0.99))


def percent_of(share: float) -> str:
    """A share in whole per cent, as the learner's language writes it."""
    return f"{100 * share:.0f}" + say(en=" %", zh="%")
