"""The figures of lesson 04: what learned vectors read like, each beside what chance alone would show.

Distances are cosine distances or lengths of differences; shares are shares of one, and per cent in the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from helpers.language import say
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
    choose_letter_colour,
    finish,
    make_blank,
    make_halo,
    make_rectangle,
    measure_letters,
)

BAND = "#E3E6EA"  # the ground where chance lies
DOTS = (0, (1, 1.6))
TICK = " ✓"


def percent_of_draws(share: float) -> str:
    """A share of a finite number of draws, in per cent: it never says that there is none, or nothing else."""
    return "< " * (share < 0.01) + "> " * (share > 0.99) + percent_of(min(max(share, 0.01), 0.99))


def percent_of(share: float) -> str:
    """A share in whole per cent, as the learner's language writes it."""
    return f"{100 * share:.0f}" + say(en=" %", zh="%")


# --- nearest words ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Nearby:
    """One vector and its nearest words, nearest first, with their distances; `marked`: those that stand out, with their sign.

    band: where the nearest word of random vectors lies, from the 5th to the 95th of a hundred. note: what else is known of the vector.
    """

    name: str
    words: Sequence[str]
    distances: Sequence[float]
    band: tuple[float, float]
    marked: Sequence[str]
    note: str = ""


def nearest_words(
    vectors: Sequence[Nearby],
    own: float,
    limit: float,
    *,
    unit: str,
    across: int = 2,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """For each vector a small diagram: a bar of distance for each of its nearest words, in front of the band of chance.

    own: how far a word is from its nearest other word, as a rule; limit: the end of the axis, which all diagrams share.
    """
    words, deep = max(len(vector.words) for vector in vectors), -(-len(vectors) // across)
    row = 0.2 if words < 5 else 0.165
    room, gap, head = 0.95, 0.12, 0.3  # inches: for words, between columns, and over a diagram
    wide = (WIDTH - 2 * EDGE - across * room - (across - 1) * gap) / across
    tall = row * words + 0.06
    height = 0.3 + deep * (head + tall) + 0.84
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        for number, vector in enumerate(vectors):
            down, right = divmod(number, across)
            left = EDGE + right * (room + wide + gap)
            low = height - 0.3 - (down + 1) * (head + tall)
            axes = add_axes(figure, left + room, low, wide, tall)
            axes.set(xlim=(0, limit), ylim=(words - 0.5, -0.5), yticks=[])
            axes.axvspan(*vector.band, color=BAND, linewidth=0, zorder=0)
            axes.axvline(own, color=INK, linewidth=1.4, linestyle=DOTS, zorder=4, path_effects=make_halo())
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize=8, colors=INK, labelbottom=down == deep - 1 or number + across >= len(vectors))
            add_text(page, left + room, low + tall + 0.11, vector.name, 9, weight="bold")
            beside = left + room + 0.085 * measure_letters(vector.name) + 0.1
            add_text(page, beside, low + tall + 0.11, vector.note, 8, color=SLATE)
            for place, (word, apart) in enumerate(zip(vector.words, vector.distances)):
                mark = vector.marked[place]
                look = {"color": VERMILION if mark else BLUE, "weight": "bold" if mark else "normal"}
                axes.barh(place, apart, height=0.62, color=look["color"], zorder=2)
                y = low + tall - (place + 0.5) * tall / words
                add_text(page, left + room - 0.07, y, f"{word}{mark}", 8.5, ha="right", **look)
                axes.annotate(
                    f"{apart:.2f}", (apart, place), (3, 0), textcoords="offset points", va="center", fontsize=7.5,
                    color=INK, path_effects=make_halo(), zorder=5,
                )  # fmt: skip
        add_text(page, WIDTH / 2, 0.56, unit, 8.5, ha="center")
        page.add_patch(make_rectangle(EDGE, EDGE + 0.3, 0.12, 0.3, facecolor=BAND))
        chance = say(
            en="nearest word of a random vector of the same norm, 5–95 %",
            zh="模长相同的随机向量，到最近的词（5%–95%）",
        )
        add_text(page, EDGE + 0.38, 0.21, chance, 8)
        page.plot([4.42, 4.72], [0.21, 0.21], color=INK, linewidth=1.2, linestyle=DOTS)
        within = say(en="a word to its nearest other word, median", zh="一个词到最近的另一个词（中位数）")
        add_text(page, 4.8, 0.21, within, 8)
        return finish(figure, alt, caption)


# --- a space of three directions -------------------------------------------------------------------------------------------------


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


def turned(points: np.ndarray, turn: float, tilt: float) -> np.ndarray:
    """Points (…, 3) as they are seen: to the right, up and towards the eye. At 0° and 0° that is component 1, 2 and 3; `turn` goes around
    the upright axis, `tilt` then towards the eye."""
    turn, tilt = np.deg2rad(turn), np.deg2rad(tilt)
    across, up, near = np.moveaxis(points, -1, 0)
    across, near = np.cos(turn) * across + np.sin(turn) * near, np.cos(turn) * near - np.sin(turn) * across
    up, near = np.cos(tilt) * up - np.sin(tilt) * near, np.cos(tilt) * near + np.sin(tilt) * up
    return np.stack([across, up, near], axis=-1)


def paths_in_space(
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

        def seen(points: np.ndarray) -> np.ndarray:
            return turned(points - space.centre, turn, tilt)

        words = seen(space.words)
        depth = np.clip(0.5 + words[:, 2] / (2 * limit), 0, 1)  # 1: near to the eye
        axes.scatter(words[:, 0], words[:, 1], s=4 + 14 * depth, color=STONE, linewidths=0, zorder=2)
        if len(space.null):
            ends = seen(space.null)
            axes.plot(ends[:, 0], ends[:, 1], "x", color=VERMILION, markersize=5.5, markeredgewidth=1.3, zorder=4)
        for path in seen(space.paths) if len(space.paths) else ():
            axes.plot(
                path[:, 0], path[:, 1], color=BLUE, linewidth=0.6, alpha=CLOUD, zorder=3
            )  # many cross where all began
            axes.plot(
                *path[0, :2], "o", color=BLUE, markersize=3, markerfacecolor="white", markeredgewidth=0.8, zorder=4
            )
            axes.plot(
                *path[-1, :2], "o", color=BLUE, markersize=5, markeredgecolor="white", markeredgewidth=0.5, zorder=5
            )
        ends = [seen(points)[:, :2] for points in (space.null, space.paths[:, -1]) if len(points)]
        named = [(tuple(words[place, :2]), name, marked) for place, name, marked in space.named]
        corners = (0, 1.3, 0, 0.4), (side - 1.1, side, 0, 1.1)  # of the ruler and of the directions
        _name_points(axes, named, np.concatenate([*3 * ends, words[:, :2]]), corners)  # the ends matter most
        _ruler(axes, limit)
        _directions(axes, limit, turn, tilt)
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
        _explained(add_axes(figure, left, height - 0.74 - 1.75, WIDTH - left - 0.1, 1.75), explained, shuffled)
        low = height - 0.36 - side
        heading = say(en="not in these three directions", zh="不在这三个方向上的部分")
        add_text(page, left - 0.42, low + 1.42, heading, 8.5, weight="bold")
        for number, (name, share, meant) in enumerate(hidden):
            y, begin_x, end_x = low + 1.15 - 0.27 * number, left + 0.42, WIDTH - 0.55
            weight = "bold" if meant else "normal"
            add_text(page, begin_x - 0.07, y, name, 8, ha="right", weight=weight)
            page.add_patch(make_rectangle(begin_x, end_x, y - 0.09, y + 0.09, facecolor=TINT))
            filled = begin_x, begin_x + share * (end_x - begin_x), y - 0.09, y + 0.09
            page.add_patch(make_rectangle(*filled, facecolor=BLUE if meant else SLATE))
            add_text(page, WIDTH - EDGE, y, percent_of(share), 8, ha="right", weight=weight)
        return finish(figure, alt, caption)


def _ruler(axes: Axes, limit: float) -> None:
    """How long a distance of a round number is."""
    length = max(step for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20) if step < 0.7 * limit or step == 0.1)
    x, y = -0.94 * limit, -0.93 * limit
    axes.plot([x, x + length], [y, y], color=INK, linewidth=1.6, solid_capstyle="butt")
    words = say(en=f"distance {length:g}", zh=f"距离 {length:g}")
    axes.text(x, y + 0.03 * limit, words, fontsize=7.5, color=INK, path_effects=make_halo())


def _directions(axes: Axes, limit: float, turn: float, tilt: float) -> None:
    """Where the three components point, in a corner: from the middle of the cloud their arrows would hide what is there."""
    origin, look = np.array([0.76, -0.76]) * limit, {"fontsize": 7.5, "color": SLATE, "path_effects": make_halo()}
    for number, end in enumerate(0.15 * limit * turned(np.eye(3), turn, tilt)[:, :2], start=1):
        arrow = {"arrowstyle": "->", "color": SLATE, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", origin + end, origin, arrowprops=arrow)
        if np.hypot(*end) > 0.04 * limit:  # it does not point at the reader
            axes.text(
                *(origin + end + 0.04 * limit * end / np.hypot(*end)), str(number), ha="center", va="center", **look
            )
    axes.text(0.97 * limit, -0.97 * limit, say(en="components", zh="主成分"), ha="right", va="bottom", **look)


def _explained(axes: Axes, explained: np.ndarray, shuffled: np.ndarray) -> None:
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


def _name_points(
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
        boxes, lines, costs = _places_for(
            at, (0.09 if marked else 0.074) * measure_letters(name + TICK * marked) + 0.03
        )
        inside = (boxes[:, ::2] > 0).all(1) & (boxes[:, 1::2] < axes.bbox.size / axes.figure.dpi).all(1)
        fits = inside & ~_overlap(boxes[:, None], must_be_free).any(1)
        boxes, lines, costs = boxes[fits], lines[fits], costs[fits]
        foreign = every[np.hypot(*(every - at).T) > 0.03]
        through = np.linalg.norm(lines[:, :, None] - foreign, axis=-1).min(1, initial=9) < 0.05  # (K, N)
        costs += 0.06 * _inside(rest, boxes).sum(1) + 0.3 * through.sum(1) + 0.2 * _ambiguous(at, foreign, boxes)
        choices.append((boxes, lines, costs, foreign))
    placed = _settle([choice[:3] for choice in choices], [marked for _, _, marked in points], every)
    for number, (box, line) in placed.items():
        (point, name, marked), at, foreign = points[number], every[number], choices[number][-1]
        colour, shift = VERMILION if marked else INK, {"textcoords": "offset points", "parse_math": False}
        if np.hypot(*(line[-1] - at)) > 0.1 or _ambiguous(at, foreign, box):
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
    """For each name its box and its line, from its choices as `_places_for` gives them, so that all together cost little: the best of several
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
                    costs += 99 * _overlap(boxes, box) + _inside(line, boxes).any(1) + _inside(lines, box).any(1)
                    costs += _crossing(lines[:, 0], lines[:, -1], line[0], line[-1])
                placed.pop(number, None)
                # where there is no room: better no name than two that nobody can read
                if len(costs) and costs.min() < 99:
                    placed[number] = boxes[costs.argmin()], lines[costs.argmin()]
                paid += min(costs.min(initial=9), 9)
        if paid < least:
            best, least = placed, paid
    return best


def _places_for(at: np.ndarray, length: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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


def _ambiguous(at: np.ndarray, foreign: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Whether a name in one of the boxes (…, 4) might be taken for that of another point (N, 2), being about as near to it as to its own: (…)."""
    left, right, low, high = np.moveaxis(boxes, -1, 0)[..., None]  # (…, 1)

    def apart(spots: np.ndarray) -> np.ndarray:
        x, y = spots.T
        return np.hypot(np.maximum(0, np.maximum(left - x, x - right)), np.maximum(0, np.maximum(low - y, y - high)))

    return apart(foreign).min(-1, initial=9) < apart(at[None])[..., 0] + 0.05


def _crossing(begin: np.ndarray, end: np.ndarray, other_begin: np.ndarray, other_end: np.ndarray) -> np.ndarray:
    """Whether straight lines (K, 2) to (K, 2) cross another one, (2,) to (2,): (K,)."""

    def sides(begin: np.ndarray, end: np.ndarray, spot: np.ndarray) -> np.ndarray:
        (x, y), (to_x, to_y) = np.moveaxis(end - begin, -1, 0), np.moveaxis(spot - begin, -1, 0)
        return np.sign(x * to_y - y * to_x)

    apart = sides(begin, end, other_begin) != sides(begin, end, other_end)
    return apart & (sides(other_begin, other_end, begin) != sides(other_begin, other_end, end))


def _overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether boxes (…, 4) have anything in common: (…)."""
    across = (one[..., 0] < other[..., 1]) & (other[..., 0] < one[..., 1])
    return across & (one[..., 2] < other[..., 3]) & (other[..., 2] < one[..., 3])


def _inside(spots: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Which spots, (N, 2) or for each box (K, N, 2), are in boxes (K, 4) or in one (4,): (K, N)."""
    x, y = spots[..., 0], spots[..., 1]
    left, right, low, high = np.moveaxis(boxes, -1, 0)[..., None]
    return (left < x) & (x < right) & (low < y) & (y < high)


# --- ranks of planted words ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Planted:
    """A task: which word would be right, the best rank of it in each run, the same with permuted labels, and the share of contexts of
    random vectors that would name it."""

    name: str
    ranks: Sequence[int]
    permuted: Sequence[int]
    chance: float


def ranks_in_a_grid(
    tasks: Sequence[Planted], k: int, seeds: Sequence[int], *, title: str, alt: str, caption: str = ""
) -> Picture:
    """Ranks of the right word: a row for each task, a column for each run; those up to k are filled and ticked. Beside them the null twice."""
    row, cell, gap = 0.3, 0.38, 0.24
    room = 0.2 + max(0.073 * measure_letters(task.name) for task in tasks)
    wide = max(cell * len(seeds), 1.5)
    second, third = room + wide + gap, room + 2 * (wide + gap)
    height = 0.98 + row * len(tasks) + 0.34
    top = height - 0.98
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        for left, heading in (
            (room, say(en="learned", zh="学出来的")),
            (second, say(en="permuted labels", zh="打乱的标签")),
            (third, say(en="random", zh="随机向量")),
        ):
            add_text(page, left + 0.02, top + 0.42, heading, 9, weight="bold")
        for left in (room, second):
            for column, seed in enumerate(seeds):
                name = say(en=f"seed {seed}", zh=f"种子 {seed}") if column == 0 else str(seed)
                add_text(page, left + (column + 0.5) * cell, top + 0.13, name, 7.5, ha="center", color=SLATE)
        add_text(page, third, top + 0.17, say(en="share that\nnames it", zh="说出它的\n比例"), 7.5, color=SLATE)
        for number, task in enumerate(tasks):
            y = top - (number + 0.5) * row
            add_text(page, room - 0.1, y, task.name, 8.5, ha="right")
            for left, ranks, colour in ((room, task.ranks, BLUE), (second, task.permuted, SLATE)):
                for column, rank in enumerate(ranks):
                    _rank(page, left + column * cell, y, cell, row, rank, k, colour)
            end = WIDTH - EDGE - 0.44
            page.add_patch(make_rectangle(third, end, y - 0.36 * row, y + 0.36 * row, facecolor=BAND))
            page.add_patch(
                make_rectangle(
                    third, third + task.chance * (end - third), y - 0.36 * row, y + 0.36 * row, facecolor=SLATE
                )
            )
            add_text(page, WIDTH - EDGE, y, percent_of_draws(task.chance), 8, ha="right")
        note = say(
            en=f"a cell: the rank of the right word, for the best of the vectors; filled, ✓: within {k}",
            zh=f"格子里：正确的词的名次，取排得最靠前的那个向量；涂色并打 ✓：前 {k} 名",
        )
        add_text(page, room, 0.16, note, 8, color=SLATE)
        return finish(figure, alt, caption)


def _rank(page: Axes, left: float, y: float, cell: float, row: float, rank: int, k: int, colour: str) -> None:
    named = rank <= k
    look = {"facecolor": colour} if named else {"facecolor": TINT}
    page.add_patch(make_rectangle(left + 0.02, left + cell - 0.02, y - row / 2 + 0.02, y + row / 2 - 0.02, **look))
    text, style = (f"{rank}✓", {"color": "white", "weight": "bold"}) if named else (str(rank), {"color": INK})
    add_text(page, left + cell / 2, y, text, 8, ha="center", **style)


# --- words as levers -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Levers:
    """How near each word (W,) is to the closest of the vectors, and the names of some: (place, name, marked)."""

    heading: str
    distances: np.ndarray
    named: Sequence[tuple[int, str, bool]]


def levers(
    panels: Sequence[Levers], losses: np.ndarray, without: float, *, title: str, alt: str, caption: str = ""
) -> Picture:
    """A dot for each word: across how near it is to a learned vector, upwards the loss of a prompt with that word, losses (W,).

    without: the loss of the prompt without any. The panels share their axes.
    """
    height, gap, left = 4.3, 0.25, 0.72
    wide = (WIDTH - left - 0.12 - gap * (len(panels) - 1)) / len(panels)
    every = np.concatenate([panel.distances for panel in panels])
    margin, aside = (
        0.05 * (every.max() - every.min()),
        0.14 * (every.max() - every.min()),
    )  # the nearest are named on their left
    with LOCK:
        figure = make_blank(height)
        add_page(figure, title)
        for number, panel in enumerate(panels):
            axes = add_axes(figure, left + number * (wide + gap), 0.52, wide, height - 0.52 - 0.66)
            axes.set_yscale("log")
            low, high = min(losses.min(), without), max(losses.max(), without)
            step = (high / low) ** 0.06
            axes.set(xlim=(every.min() - aside, every.max() + margin), ylim=(low / step, high * step))
            axes.plot(panel.distances, losses, "o", color=SLATE, markersize=4, alpha=CLOUD, markeredgewidth=0)
            axes.axhline(without, color=INK, linewidth=1.2, linestyle=DOTS, zorder=1)
            _log_ticks(axes, low / step, high * step, first=not number)
            axes.tick_params(labelsize=8, colors=INK)
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_title(panel.heading, fontsize=9, color=INK, loc="left", pad=5)
            across = say(
                en="cosine distance to the closest vector (nearer: left)", zh="到最近的向量的余弦距离（越靠左越近）"
            )
            axes.set_xlabel(across, fontsize=8, color=INK, labelpad=3)
            if not number:
                upwards = say(en="loss of “a photo of a … cat.” and so on", zh="“a photo of a … cat.”这类提示词的损失")
                axes.set_ylabel(upwards, fontsize=8, color=INK, labelpad=3)
            note = {"va": "bottom", "ha": "right", "fontsize": 7.5, "color": INK, "path_effects": make_halo()}
            if not number:  # in the next diagram it would lie on dots
                bare = say(en="without any word", zh="不加词")
                axes.annotate(bare, (every.max() + margin, without), (-2, 2), textcoords="offset points", **note)
            named = [((panel.distances[i], losses[i]), name, marked) for i, name, marked in panel.named]
            _, low = (axes.transData.transform((0, without)) - axes.bbox.min) / figure.dpi
            _name_points(
                axes, named, np.stack([panel.distances, losses], axis=-1), [(wide - 1.1, wide, low, low + 0.18)]
            )
        return finish(figure, alt, caption)


def _log_ticks(axes: Axes, low: float, high: float, first: bool) -> None:
    """A few round numbers on a logarithmic scale; the first of several diagrams is labelled."""
    steps = [digit * 10.0**power for power in range(-6, 3) for digit in (1, 1.5, 2, 3, 4, 5, 6, 8)]
    ticks = [tick for tick in steps if low <= tick <= high]
    while len(ticks) > 7:
        ticks = ticks[::2]
    axes.set_yticks(ticks, [f"{tick:g}" if first else "" for tick in ticks])
    axes.minorticks_off()


# --- distances in rows -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Strip:
    """Distances (N,) of one kind, and what they are of; bold: the row to look at."""

    name: str
    distances: np.ndarray
    bold: bool = False


def strips(rows: Sequence[Strip], limits: tuple[float, float], *, title: str, alt: str, caption: str = "") -> Picture:
    """A row of dots for each kind of vector on one axis of distance, and a mark at the median of each."""
    row = 0.46
    room = 0.2 + 0.07 * max(measure_letters(strip.name) for strip in rows)
    height = 0.4 + row * len(rows) + 0.56
    scatter = np.random.default_rng(0)  # up and down, so that dots do not hide each other
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        axes = add_axes(figure, room, 0.56, WIDTH - room - 0.2, row * len(rows))
        axes.set(xlim=limits, ylim=(len(rows), 0), yticks=[])
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(labelsize=8, colors=INK)
        axes.grid(axis="x", color=GREY, alpha=0.35, linewidth=0.6)
        axes.set_xlabel(
            say(en="cosine distance to the nearest word", zh="到最近的词的余弦距离"),
            fontsize=8.5,
            color=INK,
            labelpad=3,
        )
        for number, strip in enumerate(rows):
            y = height - 0.4 - (number + 0.5) * row
            add_text(page, room - 0.1, y, strip.name, 8.5, ha="right", weight="bold" if strip.bold else "normal")
            up = number + 0.5 + scatter.uniform(-0.26, 0.26, len(strip.distances))
            colour, middle = BLUE if strip.bold else SLATE, float(np.median(strip.distances))
            axes.plot(strip.distances, up, "o", color=colour, markersize=3, alpha=0.35, markeredgewidth=0)
            axes.plot(
                [middle, middle], [number + 0.12, number + 0.88], color=INK, linewidth=2, path_effects=make_halo()
            )
            note = {"fontsize": 8, "weight": "bold", "color": INK, "va": "center", "path_effects": make_halo()}
            axes.annotate(f"{middle:.2f}", (middle, number + 0.5), (4, 0), textcoords="offset points", **note)
        return finish(figure, alt, caption)


# --- prompts that began as words -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Begun:
    """A vector that began as a word: that word, the nearest ones now with their distances, and its cosine with where it began."""

    word: str
    now: Sequence[str]
    distances: Sequence[float]
    cosine: float
    band: tuple[float, float]

    @property
    def same(self) -> bool:
        return self.now[0] == self.word


def words_then_and_now(
    vectors: Sequence[Begun], limit: float, *, unit: str, title: str, alt: str, caption: str = ""
) -> Picture:
    """Of each vector the word it began as, a dot at the distance to the word that is nearest now, in front of the band of chance, and the
    nearest words; those that are still the first ones are grey, new ones bold."""
    row, left, wide = 0.27, 1.42, 2.35
    height = 0.72 + row * len(vectors) + 0.78
    top = height - 0.72
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        axes = add_axes(figure, left, top - row * len(vectors), wide, row * len(vectors))
        axes.set(xlim=(0, limit), ylim=(len(vectors), 0), yticks=[])
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8, colors=INK)
        axes.set_xlabel(unit, fontsize=8.5, color=INK, labelpad=2)
        beside, cosines = left + wide + 0.2, WIDTH - EDGE
        for x, name, side in (
            (left - 0.1, say(en="initialised as", zh="初始化为"), "right"),
            (beside, say(en="nearest now", zh="现在最近的"), "left"),
            (cosines, say(en="cosine with its initialisation", zh="和起点的余弦"), "right"),
        ):  # fmt: skip
            add_text(page, x, top + 0.15, name, 8, color=SLATE, ha=side)
        for number, vector in enumerate(vectors):
            y = top - (number + 0.5) * row
            look = {"color": SLATE, "weight": "normal"} if vector.same else {"color": VERMILION, "weight": "bold"}
            add_text(page, EDGE, y, str(number + 1), 8, color=SLATE)
            add_text(page, left - 0.1, y, vector.word, 8.5, ha="right")
            axes.barh(number + 0.5, vector.band[1] - vector.band[0], 1, vector.band[0], color=BAND, linewidth=0)
            axes.plot([0, vector.distances[0]], [number + 0.5] * 2, color=STONE, linewidth=1)
            hollow = {"markerfacecolor": "white"} if vector.same else {}
            axes.plot(vector.distances[0], number + 0.5, "o", color=look["color"], markersize=6, **hollow)
            same = say(en=" (the same)", zh="（还是它）") if vector.same else say(en=" (new)", zh="（换了）")
            add_text(page, beside, y, vector.now[0] + same, 8.5, **look)
            add_text(page, beside + 1.3, y, ", ".join(vector.now[1:]), 8, color=SLATE)
            add_text(page, cosines, y, f"{vector.cosine:.2f}", 8.5, ha="right")
        page.add_patch(make_rectangle(EDGE, EDGE + 0.3, 0.1, 0.26, facecolor=BAND))
        chance = say(
            en="nearest token of a random vector of the same norm, 5–95 %",
            zh="模长相同的随机向量，到最近的词元（5%–95%）",
        )
        add_text(page, EDGE + 0.38, 0.18, chance, 8)
        return finish(figure, alt, caption)


# --- influence -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scored:
    """Accuracies of one way to use the vectors: a bar for a single one, a dot for each of several. bold: the row to look at."""

    name: str
    shares: Sequence[float]
    bold: bool = False


def influence(
    rows: Sequence[Scored],
    hand: float,
    cosines: np.ndarray,
    attention: np.ndarray,
    even: float,
    names: Sequence[str],
    *,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """What the vectors are worth, as they are and changed, beside a line for the hand prompt; and what they have to do with each other.

    cosines: (M, M); attention: (L, M), the share that the end of a text pays to each slot in each layer; even: what it would be if each
    position got the same; names: of the vectors.
    """
    row, room, wide = 0.29, 1.62, 2.64
    tall = row * len(rows)
    height = 0.62 + tall + 0.6
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        axes = add_axes(figure, room, 0.6, wide, tall)
        most = max(hand, *(share for line in rows for share in line.shares))
        axes.set(xlim=(0, min(1.0, 1.12 * most)), ylim=(len(rows), 0), yticks=[])
        axes.xaxis.set_major_formatter(lambda share, position: f"{100 * share:.0f}")
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8, colors=INK)
        axes.set_xlabel(
            say(en="accuracy on test pictures (%)", zh="测试图片上的准确率（%）"), fontsize=8.5, color=INK, labelpad=2
        )
        for number, line in enumerate(rows):
            y, colour = height - 0.62 - (number + 0.5) * row, BLUE if line.bold else SLATE
            add_text(page, room - 0.08, y, line.name, 8.5, ha="right", weight="bold" if line.bold else "normal")
            if len(line.shares) == 1:
                axes.barh(number + 0.5, line.shares[0], 0.62, color=colour, zorder=2)
                # at the bar's beginning: its end often lies on the hand prompt's line
                note = {"fontsize": 7.5, "color": "white", "va": "center", "ha": "left", "zorder": 4}
                axes.annotate(
                    f"{100 * line.shares[0]:.1f}", (0, number + 0.5), (4, 0), textcoords="offset points", **note
                )
            else:
                look = {
                    "color": colour,
                    "markersize": 5,
                    "alpha": CLOUD,
                    "markeredgewidth": 0,
                    "zorder": 6,  # many lie on the hand prompt's line
                    "clip_on": False,
                }
                axes.plot(line.shares, [number + 0.5] * len(line.shares), "o", **look)
        axes.axvline(hand, color=INK, linewidth=1.3, linestyle=DOTS, zorder=5, path_effects=make_halo())
        note = {
            "fontsize": 8,
            "color": INK,
            "ha": "right" if hand > 0.8 * axes.get_xlim()[1] else "center",
            "va": "bottom",
        }
        axes.annotate(say(en="hand prompt", zh="手工提示词"), (hand, 0), (0, 3), textcoords="offset points", **note)
        M, left = len(cosines), room + wide + 0.62
        cell = min(0.5, (WIDTH - left - EDGE) / M)
        high = 0.26
        top = height - 0.62
        add_text(
            page, left - 0.3, top + 0.06, say(en="cosines among the vectors", zh="向量之间的余弦"), 8.5, weight="bold"
        )
        top -= 0.2
        size = (cell, high)
        _heat(
            page,
            cosines,
            left,
            top - 0.12,
            size,
            ("PuOr_r", -1, 1),
            names,
            names,
            lambda c: f"{c:.2f}".replace("-", "−"),
        )
        top -= 0.12 + M * high + 0.5
        heading = say(en="attention of EOT to each (%)", zh="文本结束符给各向量的注意力（%）")
        add_text(page, left - 0.3, top + 0.26, heading, 8.5, weight="bold")
        evenly = say(en=f"even shares: {100 * even:.0f}", zh=f"平均分配：{100 * even:.0f}")
        add_text(page, left - 0.3, top + 0.1, evenly, 8, color=SLATE)
        limit = max(float(attention.max()), 2 * even)
        layers = [say(en=f"layer {number}", zh=f"第 {number} 层") for number in range(1, len(attention) + 1)]
        _heat(
            page,
            attention,
            left,
            top - 0.14,
            size,
            ("Blues", 0, limit),
            layers,
            names,
            lambda share: f"{100 * share:.0f}",
        )
        return finish(figure, alt, caption)


def _heat(
    page: Axes, values: np.ndarray, left: float, top: float, size: tuple[float, float], colours: tuple[str, float, float],
    rows: Sequence[str], columns: Sequence[str], written: Callable[[float], str],
) -> None:  # fmt: skip
    """A matrix with a number in each cell; size: of a cell; colours: a map, and what its two ends stand for."""
    (cell, high), (name, low, most) = size, colours
    painted = ScalarMappable(Normalize(low, most), name).to_rgba(values)
    box = left, left + len(columns) * cell, top - len(rows) * high, top
    page.imshow(painted, extent=box, aspect="auto", interpolation="nearest")
    for column, label in enumerate(columns):
        add_text(page, left + (column + 0.5) * cell, top + 0.08, label, 7.5, ha="center", color=SLATE)
    for row, label in enumerate(rows):
        y = top - (row + 0.5) * high
        add_text(page, left - 0.06, y, label, 7.5, ha="right", color=SLATE)
        for column in range(len(columns)):
            look = {"ha": "center", "color": choose_letter_colour(painted[row, column])}
            add_text(page, left + (column + 0.5) * cell, y, written(values[row, column]), 7.5, **look)
