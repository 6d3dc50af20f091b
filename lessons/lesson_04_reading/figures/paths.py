"""Figures of lesson 04: paths in a space of three directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from helpers.language import say
from lessons.kit.explorer import format_percent
from lessons.kit.picture import (
    BLUE,
    CLOUD,
    EDGE,
    GREY,
    INK,
    LOCK,
    SLATE,
    STONE,
    TINT,
    VERMILION,
    WIDTH,
    Picture,
    add_axes,
    add_page,
    add_text,
    finish,
    make_blank,
    make_halo,
    make_rectangle,
    measure_letters,
)
from lessons.lesson_04_reading.figures.labels import name_points


@dataclass(frozen=True)
class Space:
    """What is shown of a space: words (W, 3) and which of them are named (place, name, marked); paths (N, L, 3) from where vectors began
    to where they are now, and points (E, 3) where those of the null ended. It is turned around `centre` (3,), and `limit` is half the
    width of what is drawn."""

    words: np.ndarray
    named: Sequence[tuple[int, str, bool]]
    paths: np.ndarray
    null: np.ndarray
    centre: np.ndarray
    limit: float


def turn_points(points: np.ndarray, turn: float, tilt: float) -> np.ndarray:
    """Points (…, 3) as they are seen: to the right, up and towards the eye. At 0° and 0° that is component 1, 2 and 3; `turn` goes around
    the upright axis, `tilt` then towards the eye."""
    turn, tilt = np.deg2rad(turn), np.deg2rad(tilt)
    across, up, near = np.moveaxis(points, -1, 0)
    across, near = np.cos(turn) * across + np.sin(turn) * near, np.cos(turn) * near - np.sin(turn) * across
    up, near = np.cos(tilt) * up - np.sin(tilt) * near, np.cos(tilt) * near + np.sin(tilt) * up
    return np.stack([across, up, near], axis=-1)


def draw_paths(
    space: Space,
    turn: float,
    tilt: float,
    explained: np.ndarray,
    shuffled: np.ndarray,
    hidden: Sequence[tuple[str, float, bool]],
    *,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """Words and the paths of learned vectors in three directions, seen from one side; beside them how much each direction carries, and how
    much of a vector none of the three shows.

    explained, shuffled: (K,), the share of variance of the table's directions, and of those of the same numbers in disorder. hidden:
    names, shares, and which of them is meant in the title.
    """
    side, height = 4.4, 5.12
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        axes = add_axes(figure, EDGE, height - 0.36 - side, side, side)
        limit = space.limit
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), xticks=[], yticks=[])
        axes.spines[:].set_color(GREY)

        def look_at(points: np.ndarray) -> np.ndarray:
            return turn_points(points - space.centre, turn, tilt)

        words = look_at(space.words)
        depth = np.clip(0.5 + words[:, 2] / (2 * limit), 0, 1)  # 1: near to the eye
        axes.scatter(words[:, 0], words[:, 1], s=4 + 14 * depth, color=STONE, linewidths=0, zorder=2)
        if len(space.null):
            ends = look_at(space.null)
            axes.plot(ends[:, 0], ends[:, 1], "x", color=VERMILION, markersize=5.5, markeredgewidth=1.3, zorder=4)
        hollow = {"markersize": 3, "markerfacecolor": "white", "markeredgewidth": 0.8, "zorder": 4}
        filled = {"markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.5, "zorder": 5}
        for path in look_at(space.paths) if len(space.paths) else ():
            # many cross where all began
            axes.plot(path[:, 0], path[:, 1], color=BLUE, linewidth=0.6, alpha=CLOUD, zorder=3)
            axes.plot(*path[0, :2], "o", color=BLUE, **hollow)
            axes.plot(*path[-1, :2], "o", color=BLUE, **filled)
        ends = [look_at(points)[:, :2] for points in (space.null, space.paths[:, -1]) if len(points)]
        named = [(tuple(words[place, :2]), name, marked) for place, name, marked in space.named]
        corners = (0, 1.3, 0, 0.4), (side - 1.1, side, 0, 1.1)  # of the ruler and of the directions
        name_points(axes, named, np.concatenate([*3 * ends, words[:, :2]]), corners)  # the ends matter most
        _draw_ruler(axes, limit)
        _draw_directions(axes, limit, turn, tilt)
        x = 0.2
        for marker, look, name in (
            ("o", {"color": STONE}, say(en="words", zh="词")),
            ("o", {"color": BLUE, "markerfacecolor": "white"}, say(en="initialisation", zh="起点")),
            ("o", {"color": BLUE}, say(en="learned", zh="学出来的")),
            ("x", {"color": VERMILION, "markeredgewidth": 1.3}, say(en="learned from permuted labels", zh="用打乱的标签学出来的")),
        ):  # fmt: skip
            page.plot(x, 0.17, marker, markersize=5.5, **look)
            add_text(page, x + 0.1, 0.17, name, 8)
            x += 0.36 + 0.067 * measure_letters(name)
        left = EDGE + side + 0.56
        _draw_explained(add_axes(figure, left, height - 0.74 - 1.75, WIDTH - left - 0.1, 1.75), explained, shuffled)
        low = height - 0.36 - side
        heading = say(en="not in these three directions", zh="不在这三个方向上的部分")
        add_text(page, left - 0.42, low + 1.42, heading, 8.5, weight="bold")
        for number, (name, share, meant) in enumerate(hidden):
            y, begin_x, end_x = low + 1.15 - 0.27 * number, left + 0.42, WIDTH - 0.55
            weight = "bold" if meant else "normal"
            add_text(page, begin_x - 0.07, y, name, 8, ha="right", weight=weight)
            page.add_patch(make_rectangle(begin_x, end_x, y - 0.09, y + 0.09, facecolor=TINT))
            end_of_bar = begin_x + share * (end_x - begin_x)
            page.add_patch(make_rectangle(begin_x, end_of_bar, y - 0.09, y + 0.09, facecolor=BLUE if meant else SLATE))
            add_text(page, WIDTH - EDGE, y, format_percent(share, 0), 8, ha="right", weight=weight)
        return finish(figure, alt, caption)


def _draw_ruler(axes: Axes, limit: float) -> None:
    """How long a distance of a round number is."""
    length = max(step for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20) if step < 0.7 * limit or step == 0.1)
    x, y = -0.94 * limit, -0.93 * limit
    axes.plot([x, x + length], [y, y], color=INK, linewidth=1.6, solid_capstyle="butt")
    words = say(en=f"distance {length:g}", zh=f"距离 {length:g}")
    axes.text(x, y + 0.03 * limit, words, fontsize=7.5, color=INK, path_effects=make_halo())


def _draw_directions(axes: Axes, limit: float, turn: float, tilt: float) -> None:
    """Where the three components point, in a corner: from the middle of the cloud their arrows would hide what is there."""
    origin, look = np.array([0.76, -0.76]) * limit, {"fontsize": 7.5, "color": SLATE, "path_effects": make_halo()}
    for number, end in enumerate(0.15 * limit * turn_points(np.eye(3), turn, tilt)[:, :2], start=1):
        arrow = {"arrowstyle": "->", "color": SLATE, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", origin + end, origin, arrowprops=arrow)
        if np.hypot(*end) > 0.04 * limit:  # it does not point at the reader
            axes.text(
                *(origin + end + 0.04 * limit * end / np.hypot(*end)), str(number), ha="center", va="center", **look
            )
    axes.text(0.97 * limit, -0.97 * limit, say(en="components", zh="主成分"), ha="right", va="bottom", **look)


def _draw_explained(axes: Axes, explained: np.ndarray, shuffled: np.ndarray) -> None:
    places = np.arange(1, len(explained) + 1)
    shown = places <= 3
    axes.bar(places, 100 * explained, width=0.66, color=np.where(shown, SLATE, "white"), edgecolor=SLATE, linewidth=1)
    axes.plot(places, 100 * shuffled, "D", color=VERMILION, markersize=4, zorder=3)
    axes.set_xticks(places)
    axes.tick_params(labelsize=8, colors=INK)
    axes.set_xlabel(
        say(en="component (filled: shown)", zh="主成分（实心的画在左图）"), fontsize=8, color=INK, labelpad=2
    )
    axes.set_ylabel(say(en="of the words' variance (%)", zh="占词的方差的比例（%）"), fontsize=8, color=INK, labelpad=2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(say(en="◆ columns shuffled", zh="◆ 各列打乱"), fontsize=8, color=VERMILION, loc="right", pad=-8)
