"""The figures of what trainings measured: losses over the steps, captions while they are learned, and a dot for each run.

Shares are shares of one in every function, and per cent in every figure; losses are in nats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from helpers.language import say
from helpers.training import History
from lessons.kit.picture import (
    BLUE,
    CLOUD,
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
    finish,
    make_blank,
    make_halo,
    move_apart,
    plot_column,
    show_image,
)
from lessons.lesson_03_soft_prompt.figures.captions import (
    LINE,
    SIZE,
    Phrase,
    break_lines,
    measure_width,
    write_lines,
    write_phrases,
)

DASHED = (0, (3, 1.5))
UNKNOWN = 0.1, 3.0  # limits of losses as long as there are none
MOST_TICKS = 6  # on the scale of losses; where there would be more, only those of the decades
LOSSES = "loss", "validation_loss"  # the two curves of a training


def draw_learned_captions(
    run: History | None,
    earlier: Sequence[History],
    pictures: Sequence[tuple[Image.Image, Sequence[Phrase], str]],
    length: int,
    *,
    stored: bool = False,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """Both losses over the steps on a logarithmic scale, and beneath them three pictures over what the model says of each.

    run: the learner's own, however far it has come, with a ring around what would be kept; None: there is none yet, and length is how
    many steps it will have. stored: it is another's, and grey. pictures: each with its caption in pieces and a note; what is true is
    bold and has a tick.
    """
    side, step = 1.3, (WIDTH - 2 * EDGE) / 3
    height, lines = 4.62, 4
    known = [*earlier, *([run] if run and run.evaluations else [])]
    across = max([length, *(other.steps for other in known)])
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        axes = add_axes(figure, 0.62, height - 0.42 - 1.5, 5.2, 1.5)
        set_loss_axes(axes, across, [loss for other in known for name in LOSSES for loss in other.column(name)])
        for other in earlier:
            plot_column(axes, other, "loss", color=BLUE, alpha=CLOUD, linewidth=0.9)
            plot_column(axes, other, "validation_loss", color=BLUE, alpha=CLOUD, linewidth=0.9, linestyle=DASHED)
        if run and run.evaluations:
            draw_run_losses(axes, run, SLATE if stored else BLUE)
        for number, (image, pieces, note) in enumerate(pictures):
            left, top = EDGE + number * step, height - 2.5
            show_image(add_axes(figure, left, top - side, side, side), image)
            add_text(page, left + side + 0.1, top - 0.12, note, 9, va="top")
            write_phrases(page, left, top - side - 0.16, pieces, step - 0.1, lines)
        return finish(figure, alt, caption)


def draw_loss_panels(panels: Mapping[str, History], *, title: str, alt: str, caption: str = "") -> Picture:
    """Learning curves side by side, each with the letter that it is called by: training and validation loss, on one scale."""
    height, wide = 3.05, 1.95
    every = [loss for run in panels.values() for name in LOSSES for loss in run.column(name)]
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        for number, (name, run) in enumerate(panels.items()):
            axes = add_axes(figure, 0.62 + number * (wide + 0.32), 0.76, wide, 1.72)
            set_loss_axes(axes, run.steps, every, first=not number)
            axes.set_title(name, fontsize=11, weight="bold", color=INK, loc="left", pad=5)
            plot_column(axes, run, "loss", color=SLATE, linewidth=1.6)
            plot_column(axes, run, "validation_loss", color=BLUE, linewidth=2.2, linestyle=DASHED)
        for x, name, look in ((1.6, say(en="training loss", zh="训练集损失"), {"color": SLATE, "linewidth": 1.6}),
                              (3.7, say(en="validation loss", zh="验证集损失"), {"color": BLUE, "linewidth": 2.2, "linestyle": DASHED})):  # fmt: skip
            page.plot([x, x + 0.4], [0.16, 0.16], **look)
            add_text(page, x + 0.5, 0.16, name, SIZE, color=look["color"], weight="bold")
        return finish(figure, alt, caption)


def draw_loss_pairs(
    own: Sequence[History],
    true: Sequence[Sequence[float]],
    said: Sequence[tuple[str, Sequence[str]]],
    *,
    names: Sequence[str],
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """Trainings by two losses: left the one that each was trained with, right the next-token loss of both; beneath, what they write.

    own: the trainings, each with the validation loss it was trained with; true: of each the next-token losses at the same steps; names:
    what the trainings are called; said: true captions, and under each what the trainings write.
    """
    looks = [{"color": BLUE, "linestyle": "-", "marker": "o"}, {"color": VERMILION, "linestyle": DASHED, "marker": "s"}]
    beside, gap = 1.42, 0.03
    blocks = [[(say(en="the truth", zh="正确答案"), SLATE, [truth]), *((name, look["color"], break_lines(text, WIDTH - beside - EDGE, 1))
               for name, text, look in zip(names, texts, looks))] for truth, texts in said]  # fmt: skip
    rows = [lines for block in blocks for _, _, lines in block]
    height = 2.62 + LINE * sum(map(len, rows)) + gap * len(rows) + 0.1 * len(blocks)
    trained = [run.column("validation_loss") for run in own]
    every = [value for losses in (*trained, *true) for value in losses]
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        sides = (
            (trained, say(en="The loss it was trained with", zh="训练时用的损失")),
            (true, say(en="The loss of the next token", zh="预测下一个词元的损失")),
        )
        for number, (both, heading) in enumerate(sides):
            axes = add_axes(figure, 0.62 + number * 3.42, height - 0.58 - 1.5, 2.15, 1.5)
            set_loss_axes(axes, max(run.steps for run in own), every, first=not number)
            axes.set_title(heading, fontsize=9, color=INK, loc="left", pad=5)
            ends = [(losses[-1], name, look) for losses, name, look in zip(both, names, looks)]
            for run, losses, look in zip(own, both, looks):
                axes.plot(run.column("step"), losses, linewidth=2, markersize=4, clip_on=False, **look)
            _write_names_at_ends(axes, [(value, name, look["color"]) for value, name, look in ends])
        y = height - 2.62
        for block in blocks:
            for name, colour, lines in block:
                add_text(page, EDGE, y, name, SIZE, weight="normal" if colour == SLATE else "bold", color=colour)
                write_lines(page, beside, y, lines)
                y -= LINE * len(lines) + gap
            y -= 0.1
        return finish(figure, alt, caption)


@dataclass(frozen=True)
class DotRow:
    """A way of doing it, and for each panel what its runs got; bold: the one to look at, which has a triangle."""

    name: str
    columns: Sequence[Sequence[float]]
    bold: bool = False


@dataclass(frozen=True)
class Measure:
    """What a panel shows: shares in per cent, or losses, on a logarithmic scale and with their means in figures.

    line: a dotted line and what it stands for.
    """

    name: str
    share: bool = True
    line: tuple[float, str] | None = None


def draw_dots_in_rows(
    groups: Mapping[str, Sequence[DotRow]], measures: Sequence[Measure], *, title: str, alt: str, caption: str = ""
) -> Picture:
    """Panels side by side with a row for each way of doing it: a dot for each run, and a tick at their mean.

    groups: rows under a heading each; an empty heading is not drawn.
    """
    row, gap = 0.27, 0.2
    places: list[tuple[float, DotRow]] = []
    headings: list[tuple[float, str]] = []
    y = 0.0
    for heading, rows in groups.items():
        if heading:
            headings.append((y, heading))
            y += 1
        for entry in rows:
            places.append((y, entry))
            y += 1
        y += 0.35
    y -= 0.35
    names = [*(f"▶ {entry.name}" for _, entry in places), *(heading for _, heading in headings)]
    room = 0.22 + max(measure_width(name, SIZE, "bold") for name in names)  # inches, for the names
    wide = (WIDTH - room - 0.16 - gap * (len(measures) - 1)) / len(measures)
    height = 0.62 + row * y + 0.5
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        top = height - 0.62
        for at, heading in headings:
            add_text(page, EDGE, top - row * (at + 0.5), heading, SIZE, color=SLATE)
        for at, entry in places:
            weight = "bold" if entry.bold else "normal"
            name = f"▶ {entry.name}" if entry.bold else entry.name
            add_text(page, room - 0.06, top - row * (at + 0.5), name, SIZE, weight=weight, ha="right")
        for number, measure in enumerate(measures):
            axes = add_axes(figure, room + number * (wide + gap), 0.5, wide, row * y)
            axes.set(ylim=(y, 0), yticks=[])
            axes.set_title(measure.name, fontsize=9, color=INK, loc="left", pad=5)
            if measure.share:
                axes.set(xlim=(-0.03, 1.03), xticks=np.linspace(0, 1, 3 if wide < 1.6 else 6))
                axes.xaxis.set_major_formatter(lambda share, position: f"{100 * share:.0f}")
            else:
                every = [loss for _, entry in places for loss in entry.columns[number]]
                low, high = 0.8 * min(every), 2.2 * max(every)  # room on the right for the highest one's figures
                ticks = _choose_ticks(low, high)
                axes.set(xlim=(low, high), xscale="log")
                axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
                axes.minorticks_off()
            axes.tick_params(labelsize=8, colors=INK)
            unit = say(en="right (%)", zh="说对的（%）") if measure.share else say(en="loss (nats)", zh="损失（nat）")
            axes.set_xlabel(unit, fontsize=8, color=INK, labelpad=2)
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(axis="x", color=GREY, alpha=0.35, linewidth=0.6)
            for at, entry in places:
                runs, colour = entry.columns[number], BLUE if entry.bold else SLATE
                axes.axhline(at + 0.5, color=GREY, alpha=0.35, linewidth=0.6)
                look = {"color": colour, "markersize": 6, "alpha": CLOUD, "markeredgewidth": 0, "clip_on": False}
                axes.plot(runs, [at + 0.5] * len(runs), "o", zorder=3, **look)
                if len(runs):
                    axes.plot([np.mean(runs)] * 2, [at + 0.2, at + 0.8], color=colour, linewidth=2.4, zorder=4)
                if len(runs) and not measure.share:
                    style = {"va": "center", "fontsize": 8, "color": colour, "path_effects": make_halo()}
                    place = max(runs), at + 0.5
                    axes.annotate(f"{np.mean(runs):.3f}", place, (8, 0), textcoords="offset points", **style)
            if measure.line:
                axes.axvline(measure.line[0], color=INK, linewidth=1.3, linestyle=(0, (1, 1.6)), zorder=1)
                note = {"va": "bottom", "fontsize": 7.5, "color": INK, "path_effects": make_halo()}
                axes.annotate(measure.line[1], (measure.line[0], y), (3, 2), textcoords="offset points", **note)
        return finish(figure, alt, caption)


def set_loss_axes(axes: Axes, across: int, values: Sequence[float], first: bool = True) -> None:
    """Axes for losses over so many steps, on a logarithmic scale that these values fit into; the first of several is labelled."""
    low, high = (0.85 * min(values), 1.2 * max(values)) if len(values) else UNKNOWN
    axes.set(xlim=(-0.02 * across, across), ylim=(low, high), yscale="log")
    ticks = _choose_ticks(low, high)
    axes.set_yticks(ticks, [f"{tick:g}" if first else "" for tick in ticks])
    axes.minorticks_off()
    axes.locator_params(axis="x", nbins=5, integer=True)
    axes.tick_params(labelsize=8, colors=INK)
    axes.set_xlabel(say(en="training step", zh="训练步数"), fontsize=8, color=INK, labelpad=2)
    if first:
        axes.set_ylabel(say(en="loss (nats)", zh="损失（nat）"), fontsize=8, color=INK, labelpad=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=GREY, alpha=0.35, linewidth=0.6)


def draw_run_losses(axes: Axes, run: History, colour: str) -> None:
    """The two losses of a run with their names at their ends, and a ring around the evaluation that would be kept."""
    plot_column(axes, run, "loss", color=colour, linewidth=2)
    plot_column(axes, run, "validation_loss", color=colour, linewidth=2, linestyle=DASHED)
    last = run.evaluations[-1]
    ends = [
        (last.loss, say(en="training", zh="训练集"), colour),
        (last.validation_loss, say(en="validation", zh="验证集"), colour),
    ]
    for value, *_ in ends:
        axes.plot(last.step, value, "o", color=colour, markersize=4.5, clip_on=False)
    look = {"marker": "o", "markersize": 11, "fillstyle": "none", "color": INK, "markeredgewidth": 1.3, "zorder": 5}
    axes.plot(run.best.step, run.best.validation_loss, clip_on=False, **look)
    _write_names_at_ends(axes, ends, last.step)


def _choose_ticks(low: float, high: float) -> list[float]:
    """Round numbers between two ends, for a logarithmic scale."""
    steps = [(digit, digit * 10.0**power) for power in range(-6, 3) for digit in (1, 1.5, 2, 3, 4, 5, 6, 8)]
    within = [(digit, tick) for digit, tick in steps if low <= tick <= high]
    few = [tick for digit, tick in within if digit in (1, 2, 5)]
    ticks = few if len(few) > 2 else [tick for _, tick in within]
    return ticks if len(ticks) <= MOST_TICKS else [tick for tick in ticks if f"{tick:e}".startswith("1")]


def _write_names_at_ends(axes: Axes, ends: Sequence[tuple[float, str, str]], x: float | None = None) -> None:
    """Names of two curves right of their ends, at x or at the edge; moved from each other where they would overlap."""
    inches = axes.get_position().height * axes.figure.get_size_inches()[1]
    low, high = np.log(axes.get_ylim())
    heights = [(np.log(value) - low) / (high - low) * inches for value, _, _ in ends]
    x = axes.get_xlim()[1] if x is None else x
    for (value, name, colour), to in zip(ends, move_apart(heights, LINE)):
        at = (np.log(value) - low) / (high - low) * inches
        style = {
            "va": "center",
            "fontsize": 8.5,
            "weight": "bold",
            "path_effects": make_halo(),
            "annotation_clip": False,
        }
        axes.annotate(name, (x, value), (9, 72 * (to - at)), textcoords="offset points", color=colour, **style)
