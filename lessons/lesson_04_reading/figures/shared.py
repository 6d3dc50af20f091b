"""Figures of lesson 04: what several of them share."""

from __future__ import annotations

from lessons.kit.explorer import format_percent

BAND = "#E3E6EA"  # the ground where chance lies
DOTS = (0, (1, 1.6))
TICK = " ✓"


def abbreviate_draws(share: float) -> str:
    """A share of a finite number of draws, in per cent: it never says that there is none, or nothing else."""
    return "< " * (share < 0.01) + "> " * (share > 0.99) + format_percent(min(max(share, 0.01), 0.99), 0)
