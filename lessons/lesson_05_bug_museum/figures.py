"""The figures of lesson 05: curves that look healthy, what a loss scores, which experiment rings for which mistake, words by a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

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
    add_text,
    add_title,
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


def draw_named_curves(
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
        add_title(figure, title, size=10)
        return finish(figure, alt, caption)


@dataclass(frozen=True)
class ScoredToken:
    """A position of a text: what stands there, what it is scored against ("" for nothing), and what that target is."""

    token: str
    target: str = ""
    kind: str = "next"  # "next", "itself", "padding" or "other"
    padding: bool = False


def draw_targets(places: Sequence[ScoredToken], first: int, *, title: str, alt: str, caption: str = "") -> Picture:
    """What a loss scores against what, position by position. first: the number of the first position."""
    left, height = 1.2, 1.95
    letters = [max(measure_letters(place.token), measure_letters(place.target)) for place in places]
    widths = [max(0.34, 0.08 * number + 0.1) for number in letters]
    scale = min(1.6, (WIDTH - EDGE - left) / sum(widths))
    rows = {"position": 1.42, "token": 1.12, "target": 0.42}
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        names = (
            say(en="position", zh="位置"),
            say(en="what stands there", zh="这里的词元"),
            say(en="is scored against", zh="对照的目标"),
        )
        for y, words in zip(rows.values(), names):
            add_text(page, left - 0.1, y, words, 8, ha="right", color=SLATE)
        x = left
        for number, (place, width) in enumerate(zip(places, widths)):
            middle, half = x + width * scale / 2, width * scale / 2 - 0.025
            x += width * scale
            _write_centred(page, middle, rows["position"], str(first + number), 7, color=SLATE)
            fill = "#E9EBEE" if place.padding else TINT if not number else "white"
            box = middle - half, middle + half, rows["token"] - 0.14, rows["token"] + 0.14
            page.add_patch(make_rectangle(*box, facecolor=fill, edgecolor=GREY))
            _write_centred(page, middle, rows["token"], place.token, 8, color=SLATE if place.padding else INK)
            if not place.target:
                _write_centred(page, middle, rows["target"], "–", 8, color=SLATE)
                continue
            wrong = place.kind != "next"
            colour, ground = (VERMILION, ALARM) if wrong else (BLUE, "white")
            look = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.5, "shrinkA": 0, "shrinkB": 0}
            page.annotate("", (middle, rows["target"] + 0.15), (middle, rows["token"] - 0.15), arrowprops=look)
            box = middle - half, middle + half, rows["target"] - 0.14, rows["target"] + 0.14
            page.add_patch(make_rectangle(*box, facecolor=ground, edgecolor=colour, linewidth=1.8))
            _write_centred(page, middle, rows["target"], place.target, 8, color=INK)
            if wrong:
                _write_centred(page, middle, rows["target"] - 0.26, "✗", 9, color=colour, weight="bold")
        return finish(figure, alt, caption)


def draw_alarms(
    heading: str, codes: Sequence[str], experiments: Sequence[str], passed: Sequence[Sequence[bool]],
    chosen: tuple[int, int], *, title: str, alt: str, caption: str = "",
) -> Picture:  # fmt: skip
    """Which experiment rings for which code.

    Args:
        heading: what the codes are.
        codes, experiments: what they are called.
        passed: of each code, whether it passed each experiment.
        chosen: the numbers of a code and an experiment, framed.
    """
    left, row, head = 2.0, 0.27, 0.5
    height = 0.42 + head + row * len(codes) + 0.2
    top, width = height - 0.42, (WIDTH - EDGE - left) / len(experiments)
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        add_text(page, left - 0.12, top - 0.3, heading, 8.5, ha="right", weight="bold")
        for e, name in enumerate(experiments):
            weight = "bold" if e == chosen[1] else "normal"
            _write_centred(page, left + (e + 0.5) * width, top - 0.24, name, 7.5, weight=weight)
        for c, (code, each) in enumerate(zip(codes, passed)):
            y = top - head - (c + 0.5) * row
            add_text(page, left - 0.12, y, code, 8, ha="right", weight="bold" if c == chosen[0] else "normal")
            for e, fine in enumerate(each):
                x = left + e * width
                box = (x + 0.03, x + width - 0.03, y - row / 2 + 0.02, y + row / 2 - 0.02)
                page.add_patch(
                    make_rectangle(*box, facecolor="white" if fine else ALARM, edgecolor=GREY, linewidth=0.8)
                )
                words, colour = ("✓", BLUE) if fine else (say(en="✗ rings", zh="✗ 报警"), VERMILION)
                _write_centred(page, x + width / 2, y, words, 8, color=colour, weight="normal" if fine else "bold")
                if (c, e) == chosen:
                    page.add_patch(make_rectangle(*box, edgecolor=INK, linewidth=2.2, zorder=5))
        return finish(figure, alt, caption)


def draw_words_by_table(
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
        page = add_page(figure, title)
        columns = (3.75, 4.95, 6.2)
        names = (
            say(en="vector", zh="向量"),
            say(en="by its own table", zh="按自己的表"),
            say(en=f"turned by {chosen:g}°", zh=f"按转了 {chosen:g}° 的表"),
        )
        for x, words in zip(columns, names):
            add_text(page, x, height - 0.58, words, 8, color=SLATE)
        for number, (name, own, other) in enumerate(readings):
            y = height - 0.86 - 0.245 * number
            same = own == other
            add_text(page, columns[0], y, shorten(name, 15), 8)
            add_text(page, columns[1], y, shorten(own, 13), 8.5, weight="bold")
            look = {"color": BLUE} if same else {"color": VERMILION, "weight": "bold"}
            add_text(page, columns[2], y, f"{'=' if same else '✗'} {shorten(other, 11)}", 8.5, **look)
        return finish(figure, alt, caption)


def _write_centred(page: Axes, x: float, y: float, words: str, size: float, **style: object) -> None:
    add_text(page, x, y, words, size, ha="center", linespacing=1.15, **style)
