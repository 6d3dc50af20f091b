"""A contact sheet with what is wrong marked on it, pairs that look alike, accuracies of many splits, and what learning costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from helpers.language import say
from lessons.kit.picture import (
    BLUE,
    GREY,
    INK,
    LOCK,
    SLATE,
    VERMILION,
    WIDTH,
    Picture,
    add_axes,
    add_title,
    finish,
    make_blank,
    make_halo,
    shorten,
    show_image,
)

LABELS = 1.15  # inches for the names of the classes
SHOWN = 12  # pictures in a row of the sheet
IN_CLASS = 8  # in a row of the sheet with file names
NAMED = 96  # pictures with file names at most
PAIRS = 9


@dataclass(frozen=True)
class Tile:
    """A picture of the sheet, None where it cannot be read; what is wrong with it, as a sign and a word, "" for nothing.

    name: of the file; it may have two lines, such as the folder and the file.
    """

    name: str
    image: Image.Image | None
    sign: str = ""
    word: str = ""


@dataclass(frozen=True)
class SheetRow:
    """A class: what it is called, what is said of it, whether that is a fault of the whole class, and its pictures."""

    name: str
    told: str
    wrong: bool
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Pair:
    """Two pictures, how different they are in grey levels, and whether that counts as the same."""

    one: Image.Image
    other: Image.Image
    difference: float
    same: bool


@dataclass(frozen=True)
class Cost:
    """What is paid for, how much, and the same in words."""

    name: str
    amount: float
    told: str


# --- pictures --------------------------------------------------------------------------------------------------------


def draw_rows_of_pictures(rows: Sequence[SheetRow], *, title: str, alt: str, caption: str = "") -> Picture:
    """A row for each class. What is wrong stands in a frame, with a sign in its corner and a word under it."""
    side = (WIDTH - LABELS - 0.1) / SHOWN
    shown = [_choose_first(row.tiles) for row in rows]
    tall = [side + (0.15 if any(tile.sign for tile in tiles) else 0.03) for tiles in shown]
    height = 0.42 + sum(tall)
    with LOCK:
        figure = make_blank(height)
        add_title(figure, title)
        top = height - 0.36
        for row, tiles, rise in zip(rows, shown, tall):
            style = {"fontsize": 9, "va": "center", "parse_math": False}
            middle = (top - side / 2) / height
            figure.text(0.08 / WIDTH, middle + 0.07 / height, shorten(row.name, 15), color=INK, weight="bold", **style)
            told, colour = (f"✗ {row.told}", VERMILION) if row.wrong else (row.told, SLATE)
            figure.text(0.08 / WIDTH, middle - 0.1 / height, told, color=colour, **style | {"fontsize": 8})
            for column, tile in enumerate(tiles):
                _draw_tile(figure, tile, LABELS + column * side, top - side, side - 0.04, 6.5)
            if more := len(row.tiles) - len(tiles):
                place = LABELS + len(tiles) * side
                figure.text((place + 0.06) / WIDTH, middle, f"+ {more}", color=SLATE, fontsize=8, va="center")
            top -= rise
        return finish(figure, alt, caption)


def draw_pictures_with_names(tiles: Sequence[Tile], *, title: str, alt: str, caption: str = "") -> Picture:
    """Pictures with their file names, so many in a row; what is wrong stands in a frame with its sign and word."""
    shown = tiles[:NAMED]
    line_height = 0.13
    names = line_height * max((tile.name.count("\n") + 1 for tile in shown), default=1)
    words = 0.15 if any(tile.sign for tile in shown) else 0.0
    side = WIDTH / IN_CLASS
    step = side + words + names + 0.06
    height = 0.4 + (-(-len(shown) // IN_CLASS) * step or 0.3)
    with LOCK:
        figure = make_blank(height)
        add_title(figure, title)
        for number, tile in enumerate(shown):
            line, column = divmod(number, IN_CLASS)
            bottom = height - 0.36 - line * step - side
            _draw_tile(figure, tile, column * side + 0.05, bottom + 0.04, side - 0.1, 8)
            style = {"fontsize": 7.5, "ha": "center", "va": "top", "color": INK, "parse_math": False}
            for place, name in enumerate(tile.name.split("\n")):
                top = bottom - (words if tile.sign else 0) - place * line_height
                figure.text((column + 0.5) * side / WIDTH, top / height, shorten(name, 16), **style)
        if not shown:
            nothing = say(en="no picture", zh="没有图片")
            figure.text(0.08 / WIDTH, 0.2 / height, nothing, color=SLATE, fontsize=9)
        if more := len(tiles) - len(shown):
            style = {"ha": "right", "va": "center", "color": SLATE, "fontsize": 8}
            figure.text(1 - 0.08 / WIDTH, 1 - 0.2 / height, f"+ {more}", **style)
        return finish(figure, alt, caption)


def draw_pairs(pairs: Sequence[Pair], *, title: str, alt: str, caption: str = "") -> Picture:
    """Pairs of pictures in rows of three, the most alike first; under each how different they are, and whether that counts as the same."""
    columns, side = 3, 1.1
    step = side + 0.36
    height = 0.4 + max(1, -(-len(pairs) // columns)) * step
    with LOCK:
        figure = make_blank(height)
        add_title(figure, title)
        for number, pair in enumerate(pairs):
            line, column = divmod(number, columns)
            left, bottom = column * WIDTH / columns + 0.06, height - 0.36 - line * step - side
            for place, image in enumerate((pair.one, pair.other)):
                axes = add_axes(figure, left + place * (side + 0.03), bottom, side, side)
                show_image(axes, image)
                if pair.same:
                    _add_frame(axes)
            told = say(en=f"{pair.difference:.2f}: two pictures", zh=f"{pair.difference:.2f}：两张不同的图")
            colour, weight = INK, "normal"
            if pair.same:
                told = say(en=f"{pair.difference:.2f} = the same", zh=f"{pair.difference:.2f}：同一张")
                colour, weight = VERMILION, "bold"
            style = {"fontsize": 8.5, "ha": "center", "va": "top", "color": colour, "weight": weight}
            figure.text((left + side) / WIDTH, (bottom - 0.06) / height, told, **style)
        return finish(figure, alt, caption)


def _choose_first(tiles: Sequence[Tile]) -> list[Tile]:
    """As many as a row has room for, all that is wrong among them, in their order."""
    if len(tiles) <= SHOWN:
        return list(tiles)
    wrong = [number for number, tile in enumerate(tiles) if tile.sign][: SHOWN - 1]
    right = [number for number, tile in enumerate(tiles) if not tile.sign]
    return [tiles[number] for number in sorted([*wrong, *right[: SHOWN - 1 - len(wrong)]])]


def _draw_tile(figure: Figure, tile: Tile, left: float, bottom: float, side: float, size: float) -> None:
    axes = add_axes(figure, left, bottom, side, side)
    if tile.image is None:
        axes.set(xticks=[], yticks=[], facecolor="#ECEEF1")
        axes.spines[:].set_color(GREY)
        axes.text(0.5, 0.5, "?", transform=axes.transAxes, ha="center", va="center", fontsize=16, color=SLATE)
    else:
        show_image(axes, tile.image)
    if tile.sign:
        _add_frame(axes)
        box = {"boxstyle": "square,pad=0.2", "facecolor": VERMILION, "edgecolor": "none"}
        style = {"fontsize": size + 1, "color": "white", "weight": "bold", "va": "top", "ha": "left"}
        axes.text(0.03, 0.97, tile.sign, transform=axes.transAxes, bbox=box, **style)
        style = {"fontsize": size, "color": VERMILION, "weight": "bold", "va": "top", "ha": "center"}
        axes.text(0.5, -0.03, tile.word, transform=axes.transAxes, **style)


def _add_frame(axes: Axes) -> None:
    frame = Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, edgecolor=VERMILION, linewidth=2.4)
    axes.add_patch(frame)


# --- what was learned ------------------------------------------------------------------------------------------------


def draw_accuracies_of_splits(
    ways: Sequence[tuple[str, Sequence[float]]], chance: float, *, title: str, alt: str, caption: str = ""
) -> Picture:
    """For each way a row of dots, one for the accuracy on each split, stacked where they are equal; a bar at their mean."""
    height = 0.95 + 0.52 * len(ways)
    with LOCK:
        figure = make_blank(height)
        add_title(figure, title)
        axes = add_axes(figure, 2.0, 0.45, 4.6, height - 0.85)
        for row, (_, shares) in enumerate(ways):
            seen: Counter[float] = Counter()
            for share in sorted(shares):
                axes.plot(share, row + 0.22 - 0.09 * seen[share], "o", color=SLATE, markersize=4.2, alpha=0.75)
                seen[share] += 1
            middle = float(np.mean(shares))
            axes.plot([middle] * 2, [row - 0.36, row + 0.36], color=BLUE, linewidth=2.6)
            style = {"fontsize": 9, "weight": "bold", "color": BLUE, "va": "center", "path_effects": make_halo()}
            axes.annotate(
                f"{middle:.0%}", (1.02, row), (6, 0), textcoords="offset points", annotation_clip=False, **style
            )
        axes.axvline(chance, color=INK, linewidth=1, linestyle=(0, (3, 2)))
        _name_line(axes, chance, -0.56, 3, say(en="by chance", zh="瞎猜"))
        axes.set(xlim=(0, 1.02), ylim=(len(ways) - 0.5, -0.75), yticks=range(len(ways)))
        axes.set_yticklabels([name for name, _ in ways], fontsize=9, color=INK)
        ticks = [0, 0.25, 0.5, 0.75, 1]
        labels = [f"{tick:.0%}".replace("%", say(en=" %", zh="%")) for tick in ticks]
        axes.set_xticks(ticks, labels, fontsize=8, color=INK)
        axes.set_xlabel(
            say(en="accuracy on the test pictures; blue: the mean", zh="测试图片上的准确率；蓝色：平均"),
            fontsize=8,
            color=INK,
            labelpad=2,
        )
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right"]].set_visible(False)
        return finish(figure, alt, caption)


# --- what it costs ---------------------------------------------------------------------------------------------------


def draw_time_and_memory(
    seconds: Sequence[Cost], gigabytes: Sequence[Cost], room: float, *, title: str, alt: str, caption: str = ""
) -> Picture:
    """Calculated seconds and gigabytes on logarithmic axes, the largest in bold; a line stands where `room` gigabytes of memory end."""
    height = 2.75
    clock = {
        1: say(en="1 s", zh="1 秒"),
        60: say(en="1 min", zh="1 分钟"),
        3600: say(en="1 h", zh="1 小时"),
        86400: say(en="1 day", zh="1 天"),
        30 * 86400: say(en="1 month", zh="1 个月"),
        365 * 86400: say(en="1 year", zh="1 年"),
    }
    sizes = {1e-3: "1 MB", 1e-1: "100 MB", 10: "10 GB", 1e3: "1 TB"}
    with LOCK:
        figure = make_blank(height)
        add_title(figure, title)
        heading = say(en="Time, calculated", zh="时间（计算值）")
        _draw_amounts(add_axes(figure, 1.3, 0.5, 2.05, 1.65), heading, seconds, (1e-2, 4e8), clock)
        axes = add_axes(figure, 4.85, 0.5, 2.05, 1.65)
        heading = say(en="Memory of each process, calculated", zh="每个进程占的内存（计算值）")
        _draw_amounts(axes, heading, gigabytes, (1e-4, 1e4), sizes)
        axes.axvline(room, color=INK, linewidth=1.2, linestyle=(0, (3, 2)), zorder=0)
        _name_line(axes, room, -0.55, 2, f"{room:g} GB")
        return finish(figure, alt, caption)


def _draw_amounts(
    axes: Axes, heading: str, costs: Sequence[Cost], limits: tuple[float, float], ticks: dict[float, str]
) -> None:
    largest = int(np.argmax([cost.amount for cost in costs]))
    for row, cost in enumerate(costs):
        colour, weight, marker = (BLUE, "bold", "D") if row == largest else (SLATE, "normal", "o")
        amount = max(cost.amount, limits[0])
        axes.hlines(row, limits[0], amount, color=GREY, linewidth=1)
        axes.plot(amount, row, marker, color=colour, markersize=7)
        box = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}  # hides the line of `room`
        style = {"fontsize": 8.5, "va": "center", "weight": weight, "color": INK, "bbox": box}
        axes.annotate(cost.told, (amount, row), (7, 0), textcoords="offset points", annotation_clip=False, **style)
    axes.set(xscale="log", xlim=limits, ylim=(len(costs) - 0.5, -0.9), yticks=range(len(costs)))
    axes.set_yticklabels([cost.name for cost in costs], fontsize=8, color=INK)
    axes.minorticks_off()
    axes.set_xticks(list(ticks), list(ticks.values()), fontsize=7, color=INK, rotation=35, ha="right")
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", pad=1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(heading, fontsize=9, color=INK, loc="left", x=-0.58, pad=8)


def _name_line(axes: Axes, x: float, y: float, beside: float, name: str) -> None:
    """Write the name of a vertical line, so many points to the right of it."""
    axes.annotate(name, (x, y), (beside, 0), textcoords="offset points", fontsize=7.5, color=INK, va="center")
