"""Vectors as strips of stripes beside each other, a column a position: which columns there is room for, and all strips in one image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from lessons.kit.picture import SHARPNESS, WIDTH, draw_stripes

GAP = 0.24  # inches for an ellipsis between two columns


def fit_columns(
    widths: Sequence[float], wanted: set[int], enough: int, left: float, right: float, most: int = 14
) -> dict[int, tuple[float, float]]:
    """Choose the positions of a text that are drawn beside each other.

    Args:
        widths: (T,) inches that each position needs.
        wanted: positions that are drawn in any case.
        enough: of the first so many, as many from the beginning are drawn as there is room for.
        left, right: between which abscissas, in inches.
        most: how many columns there are at most, unless more are wanted.

    Returns:
        for each position that is drawn the middle and the width of its column; GAP lies where others are left out.
    """
    last = len(widths) - 1
    shown = sorted(place for place in wanted if place <= last)

    def sum_widths(places: Sequence[int]) -> float:
        breaks = sum(after != place + 1 for place, after in zip(places, [*places[1:], last + 1]))
        return sum(widths[place] for place in places) + GAP * breaks

    for place in range(min(enough, last + 1)):
        more = sorted({*shown, place})
        if len(more) <= most and sum_widths(more) <= right - left:
            shown = more
    spare = min(0.14, (right - left - sum_widths(shown)) / len(shown))
    columns, x = {}, left
    for place, after in zip(shown, [*shown[1:], last + 1]):
        width = widths[place] + spare
        columns[place] = x + width / 2, width
        x += width + (GAP if after != place + 1 else 0)
    return columns


def draw_strips(
    page: Axes, strips: Sequence[tuple[float, float, np.ndarray]], limit: float, low: float, high: float
) -> None:
    """Draw vectors as strips, all in one image: many small ones would take longer.

    Args:
        page: the whole figure, in inches.
        strips: middle, width and vector (D,) of each.
        limit: the colours go from -limit to limit.
        low, high: the ordinates of all of them, in inches.
    """
    pixels = 100 * SHARPNESS
    canvas = np.zeros((len(strips[0][2]), round(WIDTH * pixels), 4))  # transparent
    for middle, width, vector in strips:
        left, right = (round((middle + side * width / 2) * pixels) for side in (-1, 1))
        canvas[:, left:right] = draw_stripes(vector, limit)[:, None]
    page.imshow(canvas, extent=(0, WIDTH, low, high), interpolation="nearest", aspect="auto")
