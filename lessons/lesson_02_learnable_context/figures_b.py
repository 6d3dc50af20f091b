"""The figures of lesson 02b: which positions of a text need not be computed, what that saves, and when setting up pays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes

from helpers.language import say
from lessons.kit.picture import (
    BLUE,
    EDGE,
    GREY,
    INK,
    LOCK,
    SLATE,
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
    move_apart,
    shorten,
)

Kind = Literal["shared", "own", "cut"]
LOOKS: dict[Kind, dict[str, Any]] = {  # solid, outlined, hatched: they can be told apart without colour
    "shared": {"facecolor": BLUE, "edgecolor": BLUE},
    "own": {"facecolor": "#FCE9DA", "edgecolor": VERMILION},
    "cut": {"facecolor": "white", "edgecolor": GREY, "hatch": "/////"},
}
MARK = {"markeredgewidth": 1.6, "linestyle": "none", "zorder": 5, "clip_on": False}
MARGIN = 1.08  # of a limit, so that a curve does not end at the frame
EARLY = 3  # the first steps of a run are shown until so many times the break-even
DASHED, DOTTED = (0, (4, 1.6)), (0, (1, 1.6))
PLAIN_LOOK = {"color": VERMILION, "linestyle": DASHED, "linewidth": 2, "marker": "s", "markersize": 5.5}
FAST_LOOK = {"color": BLUE, "linewidth": 2.2, "marker": "o", "markersize": 6}
LIMIT_LOOK = {"color": SLATE, "linestyle": DOTTED, "linewidth": 1.8}


def _name_kinds() -> dict[Kind, str]:
    return {
        "shared": say(en="the same in all texts", zh="所有文字都相同"),
        "own": say(en="each text's own", zh="各段文字自己的"),
        "cut": say(en="after the end: cut off", zh="结尾之后：截掉"),
    }


# --- where the positions go --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TextRow:
    """One text: the class it names, what stands at each of its positions, and the position where it is read off."""

    name: str
    labels: Sequence[str]
    end: int


def draw_positions_by_kind(
    texts: Sequence[TextRow],
    shared: int,
    length: int,
    ways: Sequence[tuple[str, Mapping[Kind, int]]],
    *,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """A row for each text, a column for each position: what all share is one block over all rows, what comes after is hatched.

    shared: so many positions at the beginning are the same; length: so many are left when the texts are cut. A frame marks where
    each text is read off. ways: for each way through the tower its name and how many positions of each kind it computes, as bars.
    """
    room, rows = len(texts[0].labels), len(texts)
    shown = min(length + 2, room)  # two of those that are cut off, and an ellipsis for the others
    names = [shorten(text.name, 20) for text in texts]
    left, tail, cell = 0.24 + 0.068 * max(map(measure_letters, names)), 0.62, 0.27
    labels, edges, size = _fit_labels([text.labels[:shown] for text in texts], left, WIDTH - tail)
    low = 0.62 + 0.24 * len(ways)
    top = low + rows * cell
    with LOCK:
        figure = make_blank(top + 0.82)
        page = add_page(figure, title)
        ends = {"shared": (0, shared), "own": (shared, length), "cut": (length, shown)}
        for kind, (first, last) in ends.items():
            _draw_block(page, edges[first : last + 1], low, top, 1 if kind == "shared" else rows, kind)
        for column, (x0, x1) in enumerate(zip(edges, edges[1:])):
            add_text(page, (x0 + x1) / 2, top + 0.09, str(column), 6.5, ha="center", color=SLATE)
            for row, text in enumerate(texts):
                style = {"color": "white" if column < shared else SLATE if column > text.end else INK}
                if column >= length:
                    style["path_effects"] = make_halo()
                add_text(page, (x0 + x1) / 2, top - (row + 0.5) * cell, labels[row][column], size, ha="center", **style)
        for row, (text, name) in enumerate(zip(texts, names)):
            y = top - (row + 0.5) * cell
            add_text(page, left - 0.08, y, name, 8.5, ha="right")
            frame = edges[text.end] + 0.02, edges[text.end + 1] - 0.02, y - cell / 2 + 0.02, y + cell / 2 - 0.02
            page.add_patch(make_rectangle(*frame, edgecolor=INK, linewidth=1.8))
        if shown < room:
            add_text(page, edges[-1] + 0.08, (low + top) / 2, f"… {room - 1}", 8.5, color=SLATE)
        kinds = _name_kinds()
        titles = (
            say(en=f"{kinds['shared']}: {shared}", zh=f"{kinds['shared']}：{shared} 个"),
            say(en=f"{kinds['own']}: {length - shared}", zh=f"{kinds['own']}：{length - shared} 个"),
            say(en="cut off", zh="截掉"),
        )
        parts = [
            (edges[first], edges[last], name) for (first, last), name in zip(ends.values(), titles) if last > first
        ]
        _name_parts(page, parts, top + 0.2)
        add_text(page, left - 0.08, top + 0.09, say(en="position", zh="位置"), 7, color=SLATE, ha="right")
        _draw_bars_by_kind(add_axes(figure, 2.2, 0.42, 4.0, 0.24 * len(ways)), ways)
        read_off = {"edgecolor": INK, "linewidth": 1.8}, say(en="the text is read off here", zh="结果从这里取出")
        _draw_legend(page, EDGE, 0.2, [*((LOOKS[kind], name) for kind, name in kinds.items()), read_off])
        return finish(figure, alt, caption)


def _draw_block(page: Axes, edges: np.ndarray, low: float, high: float, rows: int, kind: Kind) -> None:
    """Cells of one kind: columns between these edges, so many rows between the two heights."""
    if len(edges) < 2:  # there are none of this kind
        return
    page.add_patch(make_rectangle(edges[0], edges[-1], low, high, linewidth=0.7, **LOOKS[kind]))
    lines = {"colors": "white" if kind == "shared" else LOOKS[kind]["edgecolor"], "linewidth": 0.7}
    page.vlines(edges[1:-1], low, high, **lines)
    page.hlines(np.linspace(low, high, rows + 1)[1:-1], edges[0], edges[-1], **lines)


def _fit_labels(rows: Sequence[Sequence[str]], left: float, right: float) -> tuple[list[list[str]], np.ndarray, float]:
    """What is written in the cells, the edges of the columns in inches, and the size of the letters, so that all fits in between.

    A column is as wide as its longest label; labels get shorter, then smaller, until there is room.
    """
    for longest, size in ((10, 7.5), (10, 6.5), (8, 6), (6, 6), (6, 5.5), (4, 5.5)):
        labels = [[shorten(label, longest) for label in row] for row in rows]
        widest = np.array([max(map(measure_letters, column)) for column in zip(*labels)])
        widths = 0.0095 * size * widest + 0.09
        if widths.sum() <= right - left:
            break
    spare = max(0.0, min(0.12, (right - left - widths.sum()) / len(widths)))
    widths = (widths + spare) * min(1.0, (right - left) / widths.sum())
    return labels, left + np.concatenate([[0.0], widths.cumsum()]), size


def _name_parts(page: Axes, parts: Sequence[tuple[float, float, str]], y: float) -> None:
    """A line over each part of the columns, and its name; where the part before is too narrow for its own, the next moves up."""
    level, taken = 0, -1.0
    for x0, x1, name in parts:
        page.plot([x0 + 0.02, x1 - 0.02], [y, y], color=INK, linewidth=1.2, solid_capstyle="butt")
        level = 1 - level if x0 < taken else 0
        page.text(x0 + 0.02, y + 0.05 + 0.14 * level, name, fontsize=7.5, color=INK, va="bottom")
        taken = x0 + 0.066 * measure_letters(name)


def _draw_bars_by_kind(axes: Axes, ways: Sequence[tuple[str, Mapping[Kind, int]]]) -> None:
    """How many positions each way computes, a bar for each, stacked by kind."""
    most = max(sum(parts.values()) for _, parts in ways)
    for row, (name, parts) in enumerate(ways):
        start, total = 0, sum(parts.values())
        for kind, count in parts.items():
            axes.barh(row, count, left=start, height=0.66, linewidth=0.7, **LOOKS[kind])
            start += count
        style = {"fontsize": 8.5, "color": INK, "va": "center", "weight": "bold" if row == len(ways) - 1 else "normal"}
        axes.text(-0.015, row, name, ha="right", transform=axes.get_yaxis_transform(), **style)
        axes.text(total + 0.015 * most, row, say(en=f"{total:,} positions", zh=f"{total:,} 个位置"), **style)
    axes.set(xlim=(0, most), ylim=(len(ways) - 0.5, -0.5))
    axes.axis("off")


def _draw_legend(page: Axes, x: float, y: float, entries: Sequence[tuple[dict[str, Any], str]]) -> None:
    """A small box of each look, and what it means."""
    for style, meaning in entries:
        page.add_patch(make_rectangle(x, x + 0.24, y - 0.07, y + 0.07, **{"linewidth": 0.8, **style}))
        add_text(page, x + 0.3, y, meaning, 8)
        x += 0.3 + 0.058 * measure_letters(meaning) + 0.24


# --- what is saved -----------------------------------------------------------------------------------------------


def draw_cost_of_ways(
    ways: Sequence[tuple[str, float, str]],
    kinds: Mapping[Kind, int],
    texts: int,
    *,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """One text as a strip of positions by kind, and under it a bar for each way and what it costs beside the first.

    ways: name, cost, and what stands beside the bar; kinds: how many positions of a text are of each kind; texts: how many there are.
    """
    left, bars, step = 2.05, 0.5, 0.34
    height = bars + step * len(ways) + 1.28
    strip, room = height - 0.66, sum(kinds.values())
    most = ways[0][1]
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        x, unit = left, (WIDTH - left - 0.3) / room
        text = say(en="the only text", zh="唯一的一段文字")
        if texts > 1:
            text = say(en=f"each of {texts:,} texts", zh=f"每段文字（共 {texts:,} 段）")
        add_text(page, left - 0.1, strip, text, 9, ha="right")
        for kind, count in kinds.items():
            _draw_block(page, x + unit * np.arange(count + 1), strip - 0.11, strip + 0.11, 1, kind)
            x += unit * count
        names = _name_kinds()
        meanings = {
            kind: say(en=f"{count} {names[kind]}", zh=f"{names[kind]}：{count} 个") for kind, count in kinds.items()
        }
        _draw_legend(page, left, strip - 0.3, [(LOOKS[kind], meaning) for kind, meaning in meanings.items()])
        axes = add_axes(figure, left, bars, 3.1, step * len(ways))
        for row, (name, cost, words) in enumerate(ways):
            last = row == len(ways) - 1
            weight = "bold" if last else "normal"
            axes.barh(row, cost, height=0.62, color=SLATE)
            style = {"fontsize": 9, "color": INK, "weight": weight, "va": "center"}
            axes.text(-0.1 / 3.1, row, name, ha="right", transform=axes.get_yaxis_transform(), **style)
            axes.annotate(words, (cost, row), (5, 0), textcoords="offset points", annotation_clip=False, **style)
        axes.set(xlim=(0, most), ylim=(len(ways) - 0.5, -0.5), yticks=[], xticks=np.linspace(0, most, 5))
        axes.set_xticklabels([f"{100 * tick / most:.0f}" for tick in axes.get_xticks()])
        _dress_axes(axes, say(en="multiply-adds, per cent of the first", zh="乘加次数（占第一条的百分比）"))
        return finish(figure, alt, caption)


# --- when it pays ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curve:
    """Seconds y over the numbers of classes, or of steps, x."""

    x: Sequence[float]
    y: Sequence[float]


def draw_seconds_by_steps(
    textbook: Curve,
    ours: Curve,
    measured: tuple[int, int],
    even: int | None,
    pictures: int,
    *,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """Seconds passed by the steps done, the textbook's way and ours; from where both have taken as long, ours is ahead.

    measured: up to which step each curve was measured, in the order of the curves; from there on it is dotted. even: the first
    step after which ours is ahead, None for never; pictures: so many ours encodes before its first step.
    """
    height, steps = 3.7, max(textbook.x)
    most = MARGIN * max(*textbook.y, *ours.y)
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        axes = add_axes(figure, 0.72, 0.82, 4.9, 2.4)
        ends = []
        for curve, far, colour, marker, name in (
            (textbook, measured[0], VERMILION, "s", say(en="the textbook's way", zh="教科书做法")),
            (ours, measured[1], BLUE, "o", say(en="ours", zh="我们的做法")),
        ):
            known = sorted({*(x for x in curve.x if x < far), min(far, steps)})
            axes.plot(known, np.interp(known, curve.x, curve.y), color=colour, linewidth=2.4, zorder=3)
            rest = [min(far, steps), steps]
            axes.plot(rest, np.interp(rest, curve.x, curve.y), color=colour, linewidth=2, linestyle=(0, (1, 1.4)))
            axes.plot(steps, curve.y[-1], marker, color=colour, markersize=6, clip_on=False, zorder=4)
            ends.append((curve.y[-1], f"{name}\n{_format_seconds(curve.y[-1])}", colour))
        heights = move_apart([end[0] for end in ends], 0.16 * most)
        for y, (_, name, colour) in zip(heights, ends):
            style = {"fontsize": 9, "color": colour, "weight": "bold", "va": "center", "linespacing": 1.15}
            axes.annotate(
                name, (steps, max(y, 0.08 * most)), (10, 0), textcoords="offset points", annotation_clip=False, **style
            )
        if ours.y[0] > 0:
            axes.plot(0, ours.y[0], "o", color="white", markeredgecolor=BLUE, markersize=7, **MARK)
        meets = even is not None and 1 < even <= steps  # and not at the origin
        if meets:
            x, y = _find_meeting(textbook, ours, even)
            axes.plot([x] * 2, [0, y], color=INK, linewidth=1, linestyle=(0, (4, 2)))
            axes.plot(x, y, "D", color="white", markeredgecolor=INK, markersize=7, **MARK)
        axes.set(xlim=(0, MARGIN * steps), ylim=(0, most), xticks=np.linspace(0, steps, 6))
        axes.locator_params(axis="y", nbins=6)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda number, position: f"{number:,g}")
        across, upwards = (
            say(en="training steps", zh="训练步数"),
            say(en="seconds since the beginning", zh="从开始算起的秒数"),
        )
        _dress_axes(axes, across, upwards, 8.5, 4)
        axes.grid(axis="y", color=GREY, alpha=0.35, linewidth=0.6)
        ahead = say(en=f"ours is ahead from step {even} on", zh=f"从第 {even} 步起我们的做法领先")
        if even is None:
            ahead = say(en="ours is never ahead", zh="我们的做法始终没有领先")
        notes = [("◇  " if meets else "") + ahead]
        if ours.y[0] > 0:
            encoding = say(
                en=f"before step 1: the features of {pictures} pictures", zh=f"第 1 步之前：算 {pictures} 张图片的特征"
            )
            notes.append(f"○  {encoding}")
        if steps > min(measured):
            notes.append("····  " + say(en="not measured: the same pace", zh="没有实测，按同样的速度推算"))
        x = EDGE
        for note in notes:
            add_text(page, x, 0.22, note, 8)
            x += 0.063 * measure_letters(note) + 0.2
        return finish(figure, alt, caption)


def _find_meeting(textbook: Curve, ours: Curve, even: int) -> tuple[float, float]:
    """Where the two curves meet on the way to the step after which ours is ahead."""
    steps = np.array([even - 1, even])
    behind = np.interp(steps, ours.x, ours.y) - np.interp(steps, textbook.x, textbook.y)
    x = even - 1 + behind[0] / (behind[0] - behind[1])
    return x, float(np.interp(x, textbook.x, textbook.y))


def _format_seconds(value: float) -> str:
    return f"{value:,.{0 if value >= 99.5 else 1}f} " + say(en="s", zh="秒")


def draw_seconds_by_classes(
    plain: Curve,
    fast: Curve,
    limit: Curve,
    absent: Sequence[tuple[int, float]] = (),
    *,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """Seconds of a step by the number of classes, on logarithmic axes, above what the machine would take at its best.

    absent: the numbers of classes for which the plain path was not run, and the GiB of memory that it would have needed for them.
    """
    height = 3.9
    with LOCK:
        figure = make_blank(height)
        axes = add_axes(figure, 0.72, 0.52, 4.85, 2.9)
        axes.set(xscale="log", yscale="log")
        _dress_axes(axes, say(en="classes", zh="类别数"), say(en="seconds for one step", zh="一步的秒数"))
        axes.grid(color=GREY, alpha=0.35, linewidth=0.6)
        for curve, name, look, va in (
            (plain, say(en="plain:\nCLIP's own path", zh="朴素做法：\nCLIP 自带的"), PLAIN_LOOK, "center"),
            (fast, say(en="fast: the same numbers", zh="快的做法：结果相同"), FAST_LOOK, "bottom"),
            (
                limit,
                say(en="the machine's limit\nfor the fast path", zh="快的做法\n在这台机器上的极限"),
                LIMIT_LOOK,
                "top",
            ),
        ):
            axes.plot(curve.x, curve.y, **look)
            _write_beside(axes, curve.x[-1], curve.y[-1], name, look["color"], (9, 0), va)
        axes.set_xticks(fast.x, [f"{classes:,}" for classes in fast.x])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(lambda seconds, position: f"{seconds:g}")
        _draw_gain(axes, plain, fast)
        missing = [
            say(
                en=f"plain for {classes:,} classes was not run:\nit would keep {memory:.0f} GiB for the backward pass",
                zh=f"{classes:,} 个类别时没有跑朴素做法：\n光是留给反向传播的就要 {memory:.0f} GiB",
            )
            for classes, memory in absent
        ]
        axes.text(0.02, 0.98, "\n".join(missing), transform=axes.transAxes, color=VERMILION, fontsize=8, va="top")
        add_title(figure, title)
        return finish(figure, alt, caption)


def draw_break_even(
    textbook: Curve, ours: Curve, step: int | None, measured: int, *, title: str, alt: str, caption: str = ""
) -> Picture:
    """Seconds that have passed after so many steps of a run, by the textbook and by ours: its beginning, and the whole.

    step: at whose end ours is ahead for the first time, or None where that never comes; measured: so many steps of the textbook were
    measured, and what lies beyond them is extrapolated.
    """
    height, whole = 3.1, ours.x[-1]
    early = min(whole, EARLY * step) if step else whole
    with LOCK:
        figure = make_blank(height)
        beginning, run = add_axes(figure, 0.66, 0.5, 2.86, 2.0), add_axes(figure, 4.3, 0.5, 2.86, 2.0)
        for axes, last, heading in ((beginning, early, f"The first {early} steps"), (run, whole, f"All {whole} steps")):
            _dress_axes(axes, "training steps", "seconds since the start")
            axes.set_title(heading, fontsize=9, color=INK, loc="left", pad=5)
            axes.grid(axis="y", color=GREY, alpha=0.35, linewidth=0.6)
            axes.plot(textbook.x, textbook.y, color=VERMILION, linestyle=DASHED, linewidth=2)
            axes.plot(ours.x, ours.y, color=BLUE, linewidth=2.6)
            solid = np.array([0, min(measured, last)])
            axes.plot(solid, np.interp(solid, textbook.x, textbook.y), color=VERMILION, linewidth=2.6)
            if step:
                axes.plot(step, np.interp(step, textbook.x, textbook.y), "o", color=INK, markersize=6, zorder=5)
            axes.set(
                xlim=(0, last), ylim=(0, 1.12 * max(np.interp(last, curve.x, curve.y) for curve in (textbook, ours)))
            )
        _write_beside(beginning, 0, ours.y[0], "ours", BLUE, (5, 5), va="bottom")
        end = np.interp(early, textbook.x, textbook.y)
        _write_beside(beginning, early, end, "textbook", VERMILION, (-16, 0), va="center", ha="right")
        if step:
            _write_beside(beginning, step, ours.y[0], f"after step {step}\nours is ahead", INK, (12, -6), va="top")
        _write_beside(run, whole, ours.y[-1], f"ours: {ours.y[-1]:.0f} s", BLUE, (-4, 6), va="bottom", ha="right")
        name = f"textbook: {textbook.y[-1]:.0f} s,\nextrapolated from {measured} steps"
        _write_beside(run, 0, run.get_ylim()[1], name, VERMILION, (6, -6), va="top")
        add_title(figure, title)
        return finish(figure, alt, caption)


def _dress_axes(axes: Axes, across: str, upwards: str = "", size: float = 8, pad: float = 3) -> None:
    """Two open sides, and what the axes are called, in letters of so many points; upwards stands so many points away."""
    axes.tick_params(labelsize=8, colors=INK)
    axes.set_xlabel(across, fontsize=size, color=INK, labelpad=2)
    axes.set_ylabel(upwards, fontsize=size, color=INK, labelpad=pad)
    axes.spines[["top", "right"]].set_visible(False)


def _write_beside(
    axes: Axes, x: float, y: float, text: str, colour: str, offset: tuple[float, float], va: str, ha: str = "left"
) -> None:
    """A text so many points from a place in the axes, which it may leave."""
    style = {"fontsize": 8.5, "weight": "bold", "color": colour, "va": va, "ha": ha}
    halo = {"path_effects": make_halo(), "annotation_clip": False}
    axes.annotate(text, (x, y), offset, textcoords="offset points", **style, **halo)


def _draw_gain(axes: Axes, plain: Curve, fast: Curve) -> None:
    """How many times as long the plain path takes, between the two, for the most classes that both were run for."""
    classes = max(set(plain.x) & set(fast.x))
    high, low = (curve.y[list(curve.x).index(classes)] for curve in (plain, fast))
    arrow = {"arrowstyle": "<->", "color": INK, "linewidth": 1.2, "shrinkA": 5, "shrinkB": 5}
    axes.annotate("", (classes, high), (classes, low), arrowprops=arrow)
    _write_beside(axes, classes, (high * low) ** 0.5, f"÷ {high / low:.1f}", INK, (6, 0), va="center")
