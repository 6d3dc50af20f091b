"""Figures of lesson 04: names beside points, where they hide nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from lessons.kit.picture import INK, VERMILION, make_halo, measure_letters
from lessons.lesson_04_reading.figures.shared import TICK


def name_points(
    axes: Axes,
    points: Sequence[tuple[tuple[float, float], str, bool]],
    others: np.ndarray,
    taken: Sequence[tuple[float, float, float, float]] = (),
) -> None:
    """Names beside points, each where it covers no other name and no other's point, if need be further off with a line to its own point;
    those that are marked, and their points, above all. others (N, 2): points better not covered; taken: boxes that must not be, in inches
    (left, right, low, high)."""

    def inches(places: Sequence) -> np.ndarray:
        return (axes.transData.transform(np.reshape(places, (-1, 2))) - axes.bbox.min) / axes.figure.dpi

    every, rest = inches([point for point, _, _ in points]), inches(others)
    must_be_free = np.concatenate(
        [np.reshape(taken, (-1, 4)), every[:, (0, 0, 1, 1)] + 0.045 * np.array([-1, 1, -1, 1])]
    )
    choices = []
    for at, (_, name, marked) in zip(every, points):
        boxes, lines, costs = _find_places(
            at, (0.09 if marked else 0.074) * measure_letters(name + TICK * marked) + 0.03
        )
        inside = (boxes[:, ::2] > 0).all(1) & (boxes[:, 1::2] < axes.bbox.size / axes.figure.dpi).all(1)
        fits = inside & ~_touch(boxes[:, None], must_be_free).any(1)
        boxes, lines, costs = boxes[fits], lines[fits], costs[fits]
        foreign = every[np.hypot(*(every - at).T) > 0.03]
        through = np.linalg.norm(lines[:, :, None] - foreign, axis=-1).min(1, initial=9) < 0.05  # (K, N)
        costs += 0.06 * _fall_in(rest, boxes).sum(1) + 0.3 * through.sum(1) + 0.2 * _mislead(at, foreign, boxes)
        choices.append((boxes, lines, costs, foreign))
    placed = _settle([choice[:3] for choice in choices], [marked for _, _, marked in points], every)
    for number, (box, line) in placed.items():
        (point, name, marked), at, foreign = points[number], every[number], choices[number][-1]
        colour, shift = VERMILION if marked else INK, {"textcoords": "offset points", "parse_math": False}
        if np.hypot(*(line[-1] - at)) > 0.1 or _mislead(at, foreign, box):
            straight = {"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", point, 72 * (line[-1] - at), arrowprops=straight, zorder=7, **shift)
        side = "left" if box[0] > at[0] else "right" if box[1] < at[0] else "center"
        x = {"left": box[0] + 0.01, "right": box[1] - 0.01, "center": box[:2].mean()}[side]
        look = {"color": colour, "weight": "bold" if marked else "normal", "path_effects": make_halo(), "zorder": 9}
        where = 72 * (np.array([x, box[2:].mean()]) - at)
        axes.annotate(name + TICK * marked, point, where, ha=side, va="center", fontsize=8, **look, **shift)
    for point, _, marked in points:
        size = {"markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.5} if marked else {"markersize": 3.5}
        axes.plot(*point, "o", color=VERMILION if marked else INK, zorder=11 if marked else 8, **size)


def _settle(
    choices: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], first: Sequence[bool], points: np.ndarray
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """For each name its box and its line, from its choices as `_find_places` gives them, so that all together cost little: the best of several
    orders in which names take their places, those that come `first` always before the others. points (N, 2): where the names belong."""
    orders = [range(len(choices)), *(np.argsort(sign * points[:, axis]) for axis in (0, 1) for sign in (1, -1))]
    best, least = {}, np.inf
    for order in orders:
        order = sorted(order, key=lambda number: not first[number])
        placed: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for _ in range(3):  # what is placed first knows nothing yet of what comes after it
            paid = 0.0
            for number in order:
                boxes, lines, costs = choices[number]
                costs = costs.copy()
                for box, line in (there for other, there in placed.items() if other != number):
                    costs += 99 * _touch(boxes, box) + _fall_in(line, boxes).any(1) + _fall_in(lines, box).any(1)
                    costs += _cross(lines[:, 0], lines[:, -1], line[0], line[-1])
                placed.pop(number, None)
                # where there is no room: better no name than two that nobody can read
                if len(costs) and costs.min() < 99:
                    placed[number] = boxes[costs.argmin()], lines[costs.argmin()]
                paid += min(costs.min(initial=9), 9)
        if paid < least:
            best, least = placed, paid
    return best


def _find_places(at: np.ndarray, length: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where a name of this length could stand around a point, in inches: boxes (K, 4), lines (K, 9, 2) to them, and what each costs (K,)."""
    boxes, lines, costs = [], [], []
    for far in (0.07, 0.15, 0.24, 0.34, 0.46, 0.6, 0.76, 0.95):
        for angle in np.deg2rad(np.arange(0, 360, 15)):
            x, y = at + far * np.array([np.cos(angle), np.sin(angle)])
            left = x - length * (0 if np.cos(angle) > 0.5 else 1 if np.cos(angle) < -0.5 else 0.5)
            boxes.append((left, left + length, y - 0.065, y + 0.065))
            lines.append(
                np.linspace(at, (np.clip(at[0], left, left + length), np.clip(at[1], y - 0.065, y + 0.065)), 9)
            )
            costs.append(far + 0.03 * abs(np.sin(angle)))
    return np.array(boxes), np.array(lines), np.array(costs)


def _mislead(at: np.ndarray, foreign: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Whether a name in one of the boxes (…, 4) might be taken for that of another point (N, 2), being about as near to it as to its own: (…)."""
    left, right, low, high = np.moveaxis(boxes, -1, 0)[..., None]  # (…, 1)

    def apart(spots: np.ndarray) -> np.ndarray:
        x, y = spots.T
        return np.hypot(np.maximum(0, np.maximum(left - x, x - right)), np.maximum(0, np.maximum(low - y, y - high)))

    return apart(foreign).min(-1, initial=9) < apart(at[None])[..., 0] + 0.05


def _cross(begin: np.ndarray, end: np.ndarray, other_begin: np.ndarray, other_end: np.ndarray) -> np.ndarray:
    """Whether straight lines (K, 2) to (K, 2) cross another one, (2,) to (2,): (K,)."""

    def sides(begin: np.ndarray, end: np.ndarray, spot: np.ndarray) -> np.ndarray:
        (x, y), (to_x, to_y) = np.moveaxis(end - begin, -1, 0), np.moveaxis(spot - begin, -1, 0)
        return np.sign(x * to_y - y * to_x)

    apart = sides(begin, end, other_begin) != sides(begin, end, other_end)
    return apart & (sides(other_begin, other_end, begin) != sides(other_begin, other_end, end))


def _touch(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether boxes (…, 4) have anything in common: (…)."""
    across = (one[..., 0] < other[..., 1]) & (other[..., 0] < one[..., 1])
    return across & (one[..., 2] < other[..., 3]) & (other[..., 2] < one[..., 3])


def _fall_in(spots: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Which spots, (N, 2) or for each box (K, N, 2), are in boxes (K, 4) or in one (4,): (K, N)."""
    x, y = spots[..., 0], spots[..., 1]
    left, right, low, high = np.moveaxis(boxes, -1, 0)[..., None]
    return (left < x) & (x < right) & (low < y) & (y < high)
