"""The figures of lesson 02: where vectors of our own get into a text, and what a learned context is worth beside other ways.

Accuracies are shares of one in every function, and per cent in every figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    VERMILION,
    WIDTH,
    Picture,
    add_axes,
    add_page,
    add_text,
    add_title,
    finish,
    make_blank,
    make_halo,
    make_rectangle,
    measure_letters,
    shorten,
    spread,
)
from lessons.kit.strips import draw_strips, fit_columns

MOST_COLUMNS = 24  # positions beside each other; of a longer text an ellipsis stands for the rest
CROWDED = 16  # positions, from which on letters are smaller
STRIP = 0.86  # inches, the height of a vector
GLYPHS = {"o": "●○", "s": "■□", "^": "▲△", "D": "◆◇"}  # letters that look like matplotlib's markers, filled and hollow
TEXT_GAP = 0.155  # inches between two names beside a diagram


# --- where vectors of our own get in ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TextPlace:
    """One position of a text: what stands there, and its vector (D,) as it enters the tower."""

    label: str
    vector: np.ndarray
    ours: bool = False  # a vector of our own: framed, its label bold
    unread: bool = False  # nobody will read it: greyed


@dataclass(frozen=True)
class WayIn:
    """One way to bring vectors in: the tokens of the ids, the places that enter the tower, and where those are read off.

    pooled: the position of the end in the ids; end: the position where EOT really stands.
    """

    heading: str
    tokens: Sequence[str]
    places: Sequence[TextPlace]
    pooled: int
    end: int


def draw_text_with_slots(
    above: Sequence[TextPlace],
    below: Sequence[TextPlace],
    pooled: int,
    *,
    headings: tuple[str, str],
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """A text twice, position by position: as its ids give it, and with vectors of our own in its slots.

    Between the two rows stand an equals sign where not one number differs and an arrow elsewhere; the positions are numbered
    beneath. pooled: the last position that is drawn, where the text is read off.
    """
    row = STRIP + 0.8  # inches: a heading, labels, strips, and what stands beneath them
    height = 0.32 + 2 * row + 0.22
    labels = zip([place.label for place in above], [place.label for place in below])
    names = [max(pair, key=measure_letters) for pair in labels]
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        columns = _fit_names(names, {0, pooled - 1, pooled}, EDGE)
        limit = _find_colour_limit([place.vector for place in below if not place.ours])
        for number, (places, heading) in enumerate(zip((above, below), headings)):
            up = height - 0.32 - number * row
            add_text(page, EDGE, up - 0.18, heading, 9, weight="bold")
            _draw_places(page, places, columns, limit, up - 0.52)
            _draw_ellipses(page, columns, len(above), up - 0.52 - STRIP / 2)
        between, beneath = height - 0.98 - STRIP, height - 0.97 - row - STRIP
        for place, (middle, _) in columns.items():
            same = np.array_equal(above[place].vector, below[place].vector)
            mark, look = ("=", {"color": SLATE}) if same else ("↓", {"weight": "bold"})
            add_text(page, middle, between, mark, 10, ha="center", **look)
            add_text(page, middle, beneath, str(place), 8, ha="center")
        middle, width = columns[pooled]
        low, read = beneath - 0.17, say(en="read off here ▲", zh="在这里取出 ▲")
        add_text(page, EDGE + 0.04, low, say(en="▲ position, from 0", zh="▲ 位置，从 0 数起"), 8, color=SLATE)
        add_text(page, middle + width / 2, low, read, 8, ha="right", weight="bold", color=BLUE)
        return finish(figure, alt, caption)


def draw_ways_in(ways: Sequence[WayIn], *, title: str, alt: str, caption: str = "") -> Picture:
    """Ways to bring vectors in, each as two lines of positions: the tokens of the ids, and what enters the tower.

    An arrow leads from the end in the ids down to the vector at the same position, which is the one that is read off.
    """
    left, block = 0.82, STRIP + 1.5
    height = 0.4 + block * len(ways)
    length = max(len(way.places) for way in ways)
    labels = [[way.places[i].label for way in ways if i < len(way.places)] for i in range(length)]
    names = [max(those, key=measure_letters) for those in labels]
    wanted = {0, *(place for way in ways for place in (way.pooled, way.end))}
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        columns = _fit_names(names, wanted, left)
        limit = _find_colour_limit([place.vector for way in ways for place in way.places if not place.ours])
        for number, way in enumerate(ways):
            up, right = height - 0.4 - number * block, way.pooled == way.end
            colour, mark = (BLUE, "✓") if right else (VERMILION, "✗")
            add_text(page, EDGE, up - 0.1, way.heading, 9, weight="bold")
            for y, name in (
                (up - 0.32, say(en="position", zh="位置")),
                (up - 0.52, say(en="in the ids", zh="编号")),
                (up - 1.05 - STRIP / 2, say(en="enters\nthe tower", zh="进入\n文本塔")),
            ):
                add_text(page, left - 0.1, y, name, 8, color=SLATE, ha="right")
            for place, (middle, width) in columns.items():
                half, size = width / 2 - 0.04, 8 if len(columns) < CROWDED else 6.5
                frame, look = {"edgecolor": GREY, "linewidth": 0.8}, {"color": SLATE if place > way.pooled else INK}
                if place == way.pooled:
                    frame, look = {"edgecolor": colour, "linewidth": 2.2}, {"weight": "bold"}
                add_text(page, middle, up - 0.32, str(place), 8, ha="center")
                page.add_patch(make_rectangle(middle - half, middle + half, up - 0.63, up - 0.41, **frame))
                add_text(page, middle, up - 0.52, shorten(way.tokens[place], 10), size, ha="center", **look)
            _draw_places(page, way.places, columns, limit, up - 1.05)
            middle, width = columns[way.pooled]
            half, low = width / 2 - 0.02, up - 1.05 - STRIP
            look = {"arrowstyle": "-|>", "color": colour, "linewidth": 2, "shrinkA": 0, "shrinkB": 0}
            page.annotate("", (middle, up - 0.86), (middle, up - 0.64), arrowprops=look)
            frame = {"edgecolor": colour, "linewidth": 2.2}
            page.add_patch(make_rectangle(middle - half, middle + half, low - 0.05, up - 0.86, **frame))
            read = f"{mark} {say(en='read off here: ', zh='在这里取出：')}{way.places[way.pooled].label}"
            _write_beneath(page, columns[way.pooled], low - 0.17, read, colour)
            if not right:
                near = columns[way.end][0] - middle < 1.4  # inches: too near for both to stand in one line
                end = say(en="EOT is here", zh="EOT 在这里")
                _write_beneath(page, columns[way.end], low - (0.34 if near else 0.17), end, INK)
            _draw_ellipses(page, columns, length, up - 0.52)
            _draw_ellipses(page, columns, length, up - 1.05 - STRIP / 2)
        return finish(figure, alt, caption)


def _find_colour_limit(vectors: Sequence[np.ndarray]) -> float:
    """The number with the strongest colour: three times what is usual in these vectors."""
    return float(3 * np.median(np.abs(vectors)))


def _fit_names(names: Sequence[str], wanted: set[int], left: float) -> dict[int, tuple[float, float]]:
    """The middle and the width of a column for each position that is drawn: as wide as its name, and wider where there is room."""
    room = (WIDTH - EDGE - left) / len(names)
    widths = [max(min(0.58, max(0.27, room)), 0.072 * min(measure_letters(name), 10) + 0.1) for name in names]
    return fit_columns(widths, wanted, len(names), left, WIDTH - EDGE, MOST_COLUMNS)


def _draw_places(
    page: Axes, places: Sequence[TextPlace], columns: Mapping[int, tuple[float, float]], limit: float, top: float
) -> None:
    """The vectors of the places that are drawn, under their labels."""
    strips = [(middle, width - 0.08, places[i].vector) for i, (middle, width) in columns.items()]
    draw_strips(page, strips, limit, top - STRIP, top)
    for i, (middle, width) in columns.items():
        place, half = places[i], width / 2 - 0.04
        frame = {"edgecolor": INK, "linewidth": 2.2} if place.ours else {"edgecolor": GREY, "linewidth": 0.8}
        if place.unread:
            page.add_patch(
                make_rectangle(middle - half, middle + half, top - STRIP, top, facecolor="#E2E4E7", alpha=0.85)
            )
        page.add_patch(make_rectangle(middle - half, middle + half, top - STRIP, top, **frame))
        size = 8.5 if len(columns) < CROWDED else 7.5
        look = {"color": SLATE if place.unread else INK, "weight": "bold" if place.ours else "normal"}
        add_text(page, middle, top + 0.1, shorten(place.label, 10), size, ha="center", **look)


def _write_beneath(page: Axes, column: tuple[float, float], y: float, text: str, colour: str) -> None:
    """A few words beneath a column, and where there is no room for them to its right, to its left."""
    middle, width = column
    x, side = (middle + width / 2, "right") if middle > WIDTH - 0.9 else (middle, "center")
    add_text(page, x, y, text, 8.5, weight="bold", color=colour, ha=side)


def _draw_ellipses(page: Axes, columns: Mapping[int, tuple[float, float]], length: int, y: float) -> None:
    """An ellipsis wherever positions are left out."""
    shown = sorted(columns)
    for place, following in zip(shown, [*shown[1:], length]):
        if following != place + 1:
            middle, width = columns[place]
            add_text(page, middle + width / 2 + 0.12, y, "…", 10, ha="center")


# --- what a context is worth -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Method:
    """The accuracies of one way to learn, or of one prompt: in each column those of its runs; a line joins their means.

    colour and marker are its own in every figure. faint: only there to compare with, hollow and without a line.
    """

    name: str
    columns: Sequence[Sequence[float]]
    colour: str = STONE
    marker: str = "o"
    faint: bool = False


@dataclass(frozen=True)
class Panel:
    """One diagram among several that share their columns. lines: names and accuracies that are the same in every column."""

    heading: str
    methods: Sequence[Method]
    lines: Sequence[tuple[str, float]] = ()


def draw_accuracy_by_shots(
    shots: Sequence[int], panel: Panel, limits: tuple[float, float], *, title: str, alt: str, caption: str = ""
) -> Picture:
    """Accuracy over the number of pictures to learn from: a dot a run, a line through the means, prompts as horizontal lines."""
    height = 4.0
    with LOCK:
        figure = make_blank(height)
        axes = add_axes(figure, 0.62, 0.48, 4.35, 3.02)
        across = say(en="shots: pictures of each class to learn from", zh="每类的训练图片数")
        upwards = say(en="accuracy on test pictures (%)", zh="测试集上的准确率（%）")
        _dress_columns(axes, shots, limits, across, upwards)
        _draw_panel(axes, panel)
        add_title(figure, title, size=10)
        return finish(figure, alt, caption)


def draw_accuracy_by_length(
    lengths: Sequence[int],
    chosen: int,
    panels: Sequence[Panel],
    limits: tuple[float, float],
    *,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """Accuracy over the length of the context, in two panels: a dot a run, those that share the chosen settings dark.

    chosen: the number of the column whose runs have the settings that the learner chose, all of them: it stands in a frame. What the
    marks are called stands beside the last panel.
    """
    height, width = 3.72, 2.4
    with LOCK:
        figure = make_blank(height)
        for number, panel in enumerate(panels):
            axes = add_axes(figure, 0.62 + number * (width + 0.4), 0.48, width, 2.62)
            across = say(en="vectors in the context", zh="上下文向量的个数")
            _dress_columns(axes, lengths, limits, across, "" if number else _name_accuracy())
            axes.axvspan(chosen - 0.42, chosen + 0.42, facecolor="none", edgecolor=INK, linewidth=1.6, zorder=5)
            _draw_panel(axes, panel, named=number == len(panels) - 1, joined=len(lengths))
        add_title(figure, title, size=10)
        return finish(figure, alt, caption)


def draw_base_and_new(
    panels: Sequence[Panel], limits: tuple[float, float], *, title: str, alt: str, caption: str = ""
) -> Picture:
    """Accuracy on the classes that were learned from, on new ones, and the harmonic mean of the two, in panels side by side.

    Each method has three columns; a line joins the first two, and how it slopes is what there is to see.
    """
    height, width = 3.72, 2.2
    with LOCK:
        figure = make_blank(height)
        for number, panel in enumerate(panels):
            axes = add_axes(figure, 0.62 + number * (width + 1.3), 0.55, width, 2.55)
            columns = (
                say(en="base\nclasses", zh="基类"),
                say(en="new\nclasses", zh="新类"),
                say(en="harmonic\nmean", zh="调和平均"),
            )
            _dress_columns(axes, columns, limits, "", "" if number else _name_accuracy())
            axes.axvline(1.5, color=GREY, linewidth=0.8)
            _draw_panel(axes, panel, joined=2)
        add_title(figure, title, size=10)
        return finish(figure, alt, caption)


def _name_accuracy() -> str:
    return say(en="accuracy (%)", zh="准确率（%）")


def _dress_columns(axes: Axes, names: Sequence[object], limits: tuple[float, float], across: str, upwards: str) -> None:
    """Axes with a column for each name, and per cent upwards; across, upwards: what the axes are called."""
    axes.set(xlim=(-0.5, len(names) - 0.5), ylim=limits, xticks=range(len(names)), xticklabels=names)
    axes.yaxis.set_major_formatter(lambda share, position: f"{100 * share:.0f}")
    axes.tick_params(labelsize=8, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=GREY, alpha=0.35, linewidth=0.6)
    axes.set_xlabel(across, fontsize=8, color=INK, labelpad=3)
    axes.set_ylabel(upwards, fontsize=8, color=INK, labelpad=3)


def _draw_panel(axes: Axes, panel: Panel, named: bool = True, joined: int | None = None) -> None:
    """The methods and the lines of a panel, with their names on its right if they are named.

    joined: how many columns a line joins; None: all of them, and the last mean stands behind the name. Beside each other stand the dots
    of different methods, so that none hides another; those of one method stand one above the other, and so do faint ones of one shape.
    """
    axes.set_title(panel.heading, fontsize=9, color=INK, loc="left", pad=5)
    faint_first = sorted(panel.methods, key=lambda method: not method.faint)
    lanes = list(dict.fromkeys(map(_find_lane, faint_first)))
    names: list[tuple[float, str, str]] = []
    for method in panel.methods:
        shift = 0.18 * (lanes.index(_find_lane(method)) - (len(lanes) - 1) / 2)
        look = {"color": method.colour, "zorder": 2 if method.faint else 3}
        means = [(column, float(np.mean(runs))) for column, runs in enumerate(method.columns) if len(runs)]
        for column, runs in enumerate(method.columns):
            dots = (
                {"markersize": 3.5, "markerfacecolor": "none", "markeredgewidth": 0.7}
                if method.faint
                else {"markersize": 5, "alpha": CLOUD, "markeredgewidth": 0}
            )
            axes.plot([column + shift] * len(runs), runs, method.marker, **dots, **look)
        if not means:
            continue
        text = f"{GLYPHS[method.marker][method.faint]} {method.name}"
        if method.faint:
            if method.name:
                names.append((float(np.mean(np.concatenate(method.columns))), text, method.colour))
            continue
        line = [(column + shift, mean) for column, mean in means if joined is None or column < joined]
        axes.plot(*zip(*line), linewidth=1.8, **look)
        for column, mean in means:
            axes.plot([column + shift - 0.09, column + shift + 0.09], [mean, mean], linewidth=2.6, **look)
        names.append((means[-1][1], text if joined else f"{text}  {format_percent(means[-1][1])}", method.colour))
    dashes = ((0, (1, 1.6)), (0, (5, 2)), (0, (5, 1.5, 1, 1.5)))
    for (name, share), dash in zip(panel.lines, dashes):
        axes.axhline(share, color=INK, linewidth=1.3, linestyle=dash, zorder=1)
        names.append((share, f"{name}  {format_percent(share)}", INK))
    if named and names:
        _write_names_beside(axes, names)


def _find_lane(method: Method) -> str:
    """What a method shares its place within a column with."""
    return method.marker if method.faint else method.name


def _write_names_beside(axes: Axes, names: Sequence[tuple[float, str, str]]) -> None:
    """Names on the right of the axes, each as near to its height as the others let it, and joined to it by a thin line."""
    names = sorted(names, key=lambda name: name[0])
    low, high = axes.get_ylim()
    width, height = axes.get_position().size * axes.figure.get_size_inches()  # inches
    gap = TEXT_GAP * (high - low) / height
    for (share, name, colour), y in zip(names, spread([share for share, _, _ in names], gap, low, high)):
        style = {"fontsize": 8, "color": colour, "weight": "normal" if colour == INK else "bold"}
        where = axes.get_yaxis_transform()
        axes.annotate(
            name,
            (1.0, share),
            (1.0 + 0.14 / width, y),
            where,
            where,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.7,
                "shrinkA": 0,
                "shrinkB": 0,
                "relpos": (0, 0.5),
            },
            path_effects=make_halo(),
            va="center",
            parse_math=False,
            **style,
        )
