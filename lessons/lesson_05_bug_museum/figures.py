"""The figures of lesson 05: curves that look healthy, what a loss scores, which experiment rings for which mistake, words by a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from helpers.language import say
from lessons.kit.picture import (
    BLUE,
    EDGE,
    GREY,
    INK,
    LOCK,
    SLATE,
    TINT,
    VERMILION,
    WIDTH,
    Picture,
    add_axes,
    add_page,
    finish,
    make_blank,
    make_rectangle,
    measure_letters,
    shorten,
    spread,
)

LINES = ("-", (0, (5, 2)), (0, (1, 1.4)), (0, (5, 1.5, 1, 1.5)))
ALARM = "#FAEEE6"  # behind what an experiment found wrong


@dataclass(frozen=True)
class Line:
    """A named curve; `at` is a place on it that is marked."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str = BLUE
    thin: bool = False
    at: float | None = None


def curves(
    lines: Sequence[Line], across: str, upwards: str, *, title: str, alt: str, caption: str = "",
    limits: tuple[float, float] | None = None, ticks: Sequence[float] | None = None,
) -> Picture:  # fmt: skip
    """Curves over the same numbers, each with its name at its right end. ticks: on a logarithmic axis, where they are given."""
    height = 3.0
    with LOCK:
        figure = make_blank(height)
        axes = add_axes(figure, 0.7, 0.5, 4.5, 2.1)
        if ticks:
            axes.set_xscale("log")
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.minorticks_off()
        axes.set_xlabel(across, fontsize=8, color=INK, labelpad=3)
        axes.set_ylabel(upwards, fontsize=8, color=INK, labelpad=3)
        axes.tick_params(labelsize=8, colors=INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color=GREY, alpha=0.35, linewidth=0.6)
        plain = any(line.thin for line in lines)  # then the thick one is the one to look at
        for number, line in enumerate(lines):
            look = {"linewidth": 1.2 if line.thin else 2.4, "linestyle": LINES[0 if plain else number % len(LINES)]}
            axes.plot(line.x, line.y, color=line.colour, **look)
            if line.at is not None:
                place = list(line.x).index(line.at)
                axes.plot(line.at, line.y[place], "o", markersize=4 if line.thin else 7, color=line.colour, zorder=4)
                axes.axvline(line.at, color=GREY, linewidth=0.8, zorder=1)
        axes.set_xlim(lines[0].x[0], lines[0].x[-1])
        axes.set_ylim(*(limits or (0, 1.08 * max(max(line.y) for line in lines))))
        low, high = axes.get_ylim()
        ends = sorted(lines, key=lambda line: line.y[-1])
        heights = spread([line.y[-1] for line in ends], 0.165 * (high - low) / 2.1, low, high)
        for line, y in zip(ends, heights):
            arrow = {"arrowstyle": "-", "color": line.colour, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0}
            axes.annotate(
                line.name, (1, line.y[-1]), (1.035, y), axes.get_yaxis_transform(), axes.get_yaxis_transform(),
                fontsize=8, color=line.colour, va="center", weight="normal" if line.thin else "bold", parse_math=False,
                annotation_clip=False, arrowprops={**arrow, "relpos": (0, 0.5)},
            )  # fmt: skip
        _title(figure, title, height)
        return finish(figure, alt, caption)


@dataclass(frozen=True)
class Place:
    """A position of a text: what stands there, what it is scored against ("" for nothing), and what that target is."""

    token: str
    target: str = ""
    kind: str = "next"  # "next", "itself", "padding" or "other"
    padding: bool = False


def scored(places: Sequence[Place], first: int, *, title: str, alt: str, caption: str = "") -> Picture:
    """What a loss scores against what, position by position. first: the number of the first position."""
    left, height = 1.2, 1.95
    letters = [max(measure_letters(place.token), measure_letters(place.target)) for place in places]
    widths = [max(0.34, 0.08 * number + 0.1) for number in letters]
    scale = min(1.6, (WIDTH - EDGE - left) / sum(widths))
    rows = {"position": 1.42, "token": 1.12, "target": 0.42}
    marks = {"next": BLUE, "itself": VERMILION, "padding": VERMILION, "other": VERMILION}
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        names = (
            say(en="position", zh="位置"),
            say(en="what stands there", zh="这里的词元"),
            say(en="is scored against", zh="对照的目标"),
        )
        for y, words in zip(rows.values(), names):
            _words(page, left - 0.1, y, words, 8, ha="right", color=SLATE)
        x = left
        for number, (place, width) in enumerate(zip(places, widths)):
            middle, half = x + width * scale / 2, width * scale / 2 - 0.025
            x += width * scale
            _words(page, middle, rows["position"], str(first + number), 7, color=SLATE)
            fill = "#E9EBEE" if place.padding else TINT if not number else "white"
            page.add_patch(
                make_rectangle(
                    middle - half,
                    middle + half,
                    rows["token"] - 0.14,
                    rows["token"] + 0.14,
                    facecolor=fill,
                    edgecolor=GREY,
                )
            )
            _words(page, middle, rows["token"], place.token, 8, color=SLATE if place.padding else INK)
            if not place.target:
                _words(page, middle, rows["target"], "–", 8, color=SLATE)
                continue
            colour = marks[place.kind]
            look = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.5, "shrinkA": 0, "shrinkB": 0}
            page.annotate("", (middle, rows["target"] + 0.15), (middle, rows["token"] - 0.15), arrowprops=look)
            wrong = place.kind != "next"
            page.add_patch(
                make_rectangle(
                    middle - half, middle + half, rows["target"] - 0.14, rows["target"] + 0.14,
                    facecolor=ALARM if wrong else "white", edgecolor=colour, linewidth=1.8,
                )
            )  # fmt: skip
            _words(page, middle, rows["target"], place.target, 8, color=INK)
            if wrong:
                _words(page, middle, rows["target"] - 0.26, "✗", 9, color=colour, weight="bold")
        return finish(figure, alt, caption)


@dataclass(frozen=True)
class Grid:
    """Codes by experiments: whether each code passed."""

    heading: str
    codes: Sequence[str]
    experiments: Sequence[str]
    passed: Sequence[Sequence[bool]]


def alarms(grids: Sequence[Grid], chosen: tuple[int, int, int], *, title: str, alt: str, caption: str = "") -> Picture:
    """Which experiment rings for which code, in grids one below the other. chosen: grid, code and experiment, framed."""
    left, row, head = 2.0, 0.27, 0.5
    height = 0.42 + sum(head + row * len(grid.codes) + 0.2 for grid in grids)
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        top = height - 0.42
        for g, grid in enumerate(grids):
            width = (WIDTH - EDGE - left) / max(len(each.experiments) for each in grids)
            _words(page, left - 0.12, top - 0.3, grid.heading, 8.5, ha="right", weight="bold")
            for e, name in enumerate(grid.experiments):
                own = chosen[0] == g and chosen[2] == e
                _words(page, left + (e + 0.5) * width, top - 0.24, name, 7.5, weight="bold" if own else "normal")
            for c, (code, passed) in enumerate(zip(grid.codes, grid.passed)):
                y = top - head - (c + 0.5) * row
                own = chosen[:2] == (g, c)
                _words(page, left - 0.12, y, code, 8, ha="right", weight="bold" if own else "normal")
                for e, fine in enumerate(passed):
                    x = left + e * width
                    look = {"facecolor": "white" if fine else ALARM, "edgecolor": GREY, "linewidth": 0.8}
                    page.add_patch(
                        make_rectangle(x + 0.03, x + width - 0.03, y - row / 2 + 0.02, y + row / 2 - 0.02, **look)
                    )
                    words, colour = ("✓", BLUE) if fine else (say(en="✗ rings", zh="✗ 报警"), VERMILION)
                    _words(page, x + width / 2, y, words, 8, color=colour, weight="normal" if fine else "bold")
                    if (g, c, e) == chosen:
                        box = (x + 0.03, x + width - 0.03, y - row / 2 + 0.02, y + row / 2 - 0.02)
                        page.add_patch(make_rectangle(*box, edgecolor=INK, linewidth=2.2, zorder=5))
            top -= head + row * len(grid.codes) + 0.2
        return finish(figure, alt, caption)


def words_by_table(
    degrees: Sequence[float], share: Sequence[float], chosen: float, readings: Sequence[tuple[str, str, str]], *,
    title: str, alt: str, caption: str = "",
) -> Picture:  # fmt: skip
    """Left, how many rows read back as themselves in a table that is turned; right, what vectors read as, by their own table and it.

    readings: the vector's name, its word by its own table, and by the turned one.
    """
    height = 2.75
    with LOCK:
        figure = make_blank(height)
        axes = add_axes(figure, 0.66, 0.5, 2.7, 1.8)
        axes.plot(degrees, share, color=BLUE, linewidth=2.4)
        axes.plot(chosen, share[list(degrees).index(chosen)], "o", color=INK, markersize=7, zorder=4, clip_on=False)
        axes.axvline(chosen, color=INK, linewidth=0.8)
        axes.set(xlim=(0, 90), ylim=(-0.03, 1.05), xticks=(0, 30, 60, 90))
        axes.yaxis.set_major_formatter(lambda value, position: f"{100 * value:.0f}")
        axes.set_xlabel(
            say(en="the other table is turned by (degrees)", zh="另一张表转动的角度（度）"),
            fontsize=8,
            color=INK,
            labelpad=3,
        )
        upwards = say(en="rows that read back as\nthemselves (%)", zh="读回来还是自己的行（%）")
        axes.set_ylabel(upwards, fontsize=8, color=INK, labelpad=3)
        axes.tick_params(labelsize=8, colors=INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color=GREY, alpha=0.35, linewidth=0.6)
        page = add_axes(figure, 0, 0, WIDTH, height)
        page.set(xlim=(0, WIDTH), ylim=(0, height))
        page.axis("off")
        columns = (3.75, 4.95, 6.2)
        names = (
            say(en="vector", zh="向量"),
            say(en="by its own table", zh="按自己的表"),
            say(en=f"turned by {chosen:g}°", zh=f"按转了 {chosen:g}° 的表"),
        )
        for x, words in zip(columns, names):
            _words(page, x, height - 0.58, words, 8, ha="left", color=SLATE)
        for number, (name, own, other) in enumerate(readings):
            y = height - 0.86 - 0.245 * number
            same = own == other
            _words(page, columns[0], y, shorten(name, 15), 8, ha="left")
            _words(page, columns[1], y, shorten(own, 13), 8.5, ha="left", weight="bold")
            look = {"color": BLUE} if same else {"color": VERMILION, "weight": "bold"}
            _words(page, columns[2], y, f"{'=' if same else '✗'} {shorten(other, 11)}", 8.5, ha="left", **look)
        _title(figure, title, height)
        return finish(figure, alt, caption)


def _words(page: object, x: float, y: float, words: str, size: float, **style: object) -> None:
    look = {"ha": "center", "va": "center", "color": INK, "linespacing": 1.15, **style}
    page.text(x, y, words, fontsize=size, parse_math=False, **look)


def _title(figure: object, title: str, height: float) -> None:
    figure.text(0.08 / WIDTH, 1 - 0.2 / height, title, fontsize=10, color=INK, parse_math=False)
