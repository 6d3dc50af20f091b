"""Vectors as strips of stripes beside each other, a column a position: which columns there is room for, and all strips in one image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from lessons.kit.picture import SHARPNESS, WIDTH, stripes

GAP = 0.24  # inches for an ellipsis between two columns


def fit_columns(
    widths: Sequence[float], wanted: set[int], enough: int, left: float, right: float, most: int = 14
) -> dict[int, tuple[float, float]]:
    """The positions that are drawn between two abscissas, with the middle and the width of their columns.

    Always those that are wanted; then, of the first `enough`, as many from the beginning as there is room for.
    """
    last = len(widths) - 1
    shown = sorted(place for place in wanted if place <= last)

    def needed(places: Sequence[int]) -> float:
        breaks = sum(after != place + 1 for place, after in zip(places, [*places[1:], last + 1]))
        return sum(widths[place] for place in places) + GAP * breaks

    for place in range(min(enough, last + 1)):
        more = sorted({*shown, place})
        if len(more) <= most and needed(more) <= right - left:
            shown = more
    spare = min(0.14, (right - left - needed(shown)) / len(shown))
    columns, x = {}, left
    for place, after in zip(shown, [*shown[1:], last + 1]):
        width = widths[place] + spare
        columns[place] = x + width / 2, width
        x += width + (GAP if after != place + 1 else 0)
    return columns


def draw_strips(
    page: Axes, strips: Sequence[tuple[float, float, np.ndarray]], limit: float, low: float, high: float
) -> None:
    """Vectors as strips, each with the middle and the width it is given, in one image: many small ones would take longer."""
    pixels = 100 * SHARPNESS
    canvas = np.zeros((len(strips[0][2]), round(WIDTH * pixels), 4))  # transparent
    for middle, width, vector in strips:
        left, right = (round((middle + side * width / 2) * pixels) for side in (-1, 1))
        canvas[:, left:right] = stripes(vector, limit)[:, None]
    page.imshow(canvas, extent=(0, WIDTH, low, high), interpolation="nearest", aspect="auto")
