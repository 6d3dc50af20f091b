"""The figures of lesson 03: the next token, captions while they are learned, prompts blended, and what a stored study says of them.

Shares are shares of one in every function, and per cent in every figure; losses are in nats.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
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
    finish,
    make_blank,
    make_halo,
    make_rectangle,
    plot_column,
    shorten,
    show_image,
)

SIZE, LINE = 8.5, 0.165  # points of most letters, and inches from one line of them to the next
DASHED = (0, (3, 1.5))
UNKNOWN = 0.1, 3.0  # limits of losses as long as there are none
MOST_TICKS = 6  # on the scale of losses; where there would be more, only those of the decades
LARGE = 13  # points of the one text that is looked at
TINT = "#EDF3F8"


# --- the next token --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Likely:
    """A token that may come next, its share, and whether it is among those that one may be drawn from."""

    token: str
    share: float
    kept: bool


def next_tokens(
    image: Image.Image,
    tokens: Sequence[Likely],
    texts: Sequence[tuple[str, Sequence[str]]],
    *,
    before: str,
    setting: str,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """A picture, beside it a bar for each token that is likely to come next, and beneath them whole captions.

    before: the text that stands already; setting: how the shares were made. A kept token's bar is filled, another's hatched. texts: for
    each way to write a caption its name and the captions it gave, at most two lines each.
    """
    side, gap, beside = 2.0, 0.07, 1.42  # inches: of the picture, between two captions, and where these begin
    paragraphs = [(name, [_lines(text, WIDTH - beside - EDGE, 2) for text in captions]) for name, captions in texts]
    rows = [lines for _, captions in paragraphs for lines in captions]
    height = 0.42 + side + 0.3 + LINE * sum(map(len, rows)) + gap * len(rows)
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        show_image(add_axes(figure, EDGE, height - 0.42 - side, side, side), image)
        left, room = EDGE + side + 0.25, 0.95  # inches: of the bars' column, and for the names in it
        style = {"fontsize": 8.5, "va": "center", "color": INK, "parse_math": False}
        after = say(en=f"after “{_tail(before, 46)}”", zh=f"“{_tail(before, 46)}”之后")
        after = after if before else say(en="at the beginning", zh="开头处")
        for number, told in enumerate((after, setting)):
            page.text(left, height - 0.5 - number * LINE, told, weight="normal" if number else "bold", **style)
        wide, tall = WIDTH - left - room - 0.75, side - 2 * LINE - 0.32
        bars = add_axes(figure, left + room, height - 0.42 - side + 0.24, wide, tall)
        for place, likely in enumerate(tokens):
            filled = {"color": BLUE} if likely.kept else {"facecolor": "white", "edgecolor": GREY, "hatch": "////"}
            bars.barh(place, likely.share, height=0.7, **filled)
            style["weight"] = "bold" if likely.kept else "normal"
            left_of = bars.get_yaxis_transform()
            bars.text(-0.06 / wide, place, shorten(likely.token, 12), ha="right", transform=left_of, **style)
            share = say(en=f"{100 * likely.share:.1f} %", zh=f"{100 * likely.share:.1f}%")
            bars.annotate(share, (likely.share, place), (4, 0), textcoords="offset points", **style)
        ends = ["0", say(en="100 %", zh="100%")]
        bars.set(xlim=(0, 1), ylim=(len(tokens) - 0.5, -0.5), yticks=[], xticks=[0, 1], xticklabels=ends)
        bars.tick_params(labelsize=8, colors=INK)
        bars.spines[["top", "right"]].set_visible(False)
        y = height - 0.42 - side - 0.26
        for name, captions in paragraphs:
            _text(page, EDGE, y, name, weight="bold")
            for lines in captions:
                _below(page, beside, y, lines)
                y -= LINE * len(lines) + gap
        return finish(figure, alt, caption)


LOSSES = "loss", "validation_loss"  # the two curves of a training

# --- captions while they are learned ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Piece:
    """Some words of a caption, and whether they say something true of the picture."""

    words: str
    true: bool = False


def captions_learned(
    run: History | None,
    earlier: Sequence[History],
    pictures: Sequence[tuple[Image.Image, Sequence[Piece], str]],
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
        _losses(axes, across, [loss for other in known for name in LOSSES for loss in other.column(name)])
        for other in earlier:
            plot_column(axes, other, "loss", color=BLUE, alpha=CLOUD, linewidth=0.9)
            plot_column(axes, other, "validation_loss", color=BLUE, alpha=CLOUD, linewidth=0.9, linestyle=DASHED)
        if run and run.evaluations:
            _curves(axes, run, SLATE if stored else BLUE)
        for number, (image, pieces, note) in enumerate(pictures):
            left, top = EDGE + number * step, height - 2.5
            show_image(add_axes(figure, left, top - side, side, side), image)
            _text(page, left + side + 0.1, top - 0.12, note, va="top", size=9)
            _pieces(page, left, top - side - 0.16, pieces, step - 0.1, lines)
        return finish(figure, alt, caption)


def pictures_with_captions(
    pictures: Sequence[tuple[Image.Image, Sequence[Piece]]], *, title: str, alt: str, caption: str = ""
) -> Picture:
    """Three pictures side by side, each over a caption in pieces; what is true is bold and has a tick."""
    side, step, height = 1.7, (WIDTH - 2 * EDGE) / 3, 2.92
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        for number, (image, pieces) in enumerate(pictures):
            left, top = EDGE + number * step, height - 0.42
            show_image(add_axes(figure, left, top - side, side, side), image)
            _pieces(page, left, top - side - 0.18, pieces, step - 0.1, 4)
        return finish(figure, alt, caption)


def loss_panels(panels: Mapping[str, History], *, title: str, alt: str, caption: str = "") -> Picture:
    """Learning curves side by side, each with the letter that it is called by: training and validation loss, on one scale."""
    height, wide = 3.05, 1.95
    every = [loss for run in panels.values() for name in LOSSES for loss in run.column(name)]
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        for number, (name, run) in enumerate(panels.items()):
            axes = add_axes(figure, 0.62 + number * (wide + 0.32), 0.76, wide, 1.72)
            _losses(axes, run.steps, every, first=not number)
            axes.set_title(name, fontsize=11, weight="bold", color=INK, loc="left", pad=5)
            plot_column(axes, run, "loss", color=SLATE, linewidth=1.6)
            plot_column(axes, run, "validation_loss", color=BLUE, linewidth=2.2, linestyle=DASHED)
        for x, name, look in ((1.6, say(en="training loss", zh="训练集损失"), {"color": SLATE, "linewidth": 1.6}),
                              (3.7, say(en="validation loss", zh="验证集损失"), {"color": BLUE, "linewidth": 2.2, "linestyle": DASHED})):  # fmt: skip
            page.plot([x, x + 0.4], [0.16, 0.16], **look)
            _text(page, x + 0.5, 0.16, name, colour=look["color"], weight="bold")
        return finish(figure, alt, caption)


def two_losses(
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
    blocks = [[(say(en="the truth", zh="正确答案"), SLATE, [truth]), *((name, look["color"], _lines(text, WIDTH - beside - EDGE, 1))
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
            _losses(axes, max(run.steps for run in own), every, first=not number)
            axes.set_title(heading, fontsize=9, color=INK, loc="left", pad=5)
            ends = [(losses[-1], name, look) for losses, name, look in zip(both, names, looks)]
            for run, losses, look in zip(own, both, looks):
                axes.plot(run.column("step"), losses, linewidth=2, markersize=4, clip_on=False, **look)
            _names_at_the_end(axes, [(value, name, look["color"]) for value, name, look in ends])
        y = height - 2.62
        for block in blocks:
            for name, colour, lines in block:
                _text(page, EDGE, y, name, weight="normal" if colour == SLATE else "bold", colour=colour)
                _below(page, beside, y, lines)
                y -= LINE * len(lines) + gap
            y -= 0.1
        return finish(figure, alt, caption)


# --- prompts, blended ------------------------------------------------------------------------------------------------------------


def blended_prompts(
    image: Image.Image,
    texts: Sequence[str],
    chosen: int,
    *,
    names: tuple[str, str],
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """A picture beside the text that one blend of two prompts gives, and the texts of all blends from the first prompt to the second.

    texts: in equal steps from one prompt to the other; chosen: the one that stands large, and has a triangle in the list. The ground
    changes wherever the text does.
    """
    side, row = 2.0, 0.19
    height = 0.42 + side + 0.42 + row * len(texts) + 0.1
    share = [number / (len(texts) - 1) for number in range(len(texts))]
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        show_image(add_axes(figure, EDGE, height - 0.42 - side, side, side), image)
        left = EDGE + side + 0.25
        one, other = f"{100 * (1 - share[chosen]):.0f}", f"{100 * share[chosen]:.0f}"
        mixed = say(
            en=f"{one} % “{names[0]}”  +  {other} % “{names[1]}”", zh=f"{one}%“{names[0]}” + {other}%“{names[1]}”"
        )
        _text(page, left, height - 0.52, mixed, size=9, colour=SLATE)
        _below(page, left, height - 0.86, _lines(texts[chosen], WIDTH - left - EDGE, 6, LARGE), LARGE)
        top = height - 0.42 - side - 0.2
        ends = say(en=f"0: all of “{names[0]}”, 1: all of “{names[1]}”", zh=f"0：全是“{names[0]}”，1：全是“{names[1]}”")
        _text(page, 0.34, top, say(en="blend", zh="比例"), size=8, colour=SLATE)
        _text(page, 0.95, top, ends, size=8, colour=SLATE)
        runs = np.cumsum([0, *(one != other for one, other in zip(texts, texts[1:]))])
        for number, text in enumerate(texts):
            y = top - 0.2 - row * number
            if runs[number] % 2 == 0:
                page.add_patch(make_rectangle(EDGE, WIDTH - EDGE, y - row / 2, y + row / 2, facecolor=TINT, zorder=-1))
            weight = "bold" if number == chosen else "normal"
            if number == chosen:
                page.add_patch(
                    make_rectangle(EDGE, WIDTH - EDGE, y - row / 2, y + row / 2, edgecolor=INK, linewidth=1.2)
                )
                _text(page, EDGE + 0.06, y, "▶")
            _text(page, 0.4, y, f"{share[number]:.1f}", weight=weight)
            _below(page, 0.95, y, _lines(text, WIDTH - 0.95 - EDGE - 0.08, 1, weight=weight), weight=weight)
        return finish(figure, alt, caption)


# --- dots in rows ----------------------------------------------------------------------------------------------------------------


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


def dots_in_rows(
    groups: Mapping[str, Sequence[DotRow]],
    measures: Sequence[Measure],
    *,
    title: str,
    alt: str,
    caption: str = "",
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
    room = 0.22 + max(_wide(name, SIZE, "bold") for name in names)  # inches, for the names
    wide = (WIDTH - room - 0.16 - gap * (len(measures) - 1)) / len(measures)
    height = 0.62 + row * y + 0.5
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        top = height - 0.62
        for at, heading in headings:
            _text(page, EDGE, top - row * (at + 0.5), heading, colour=SLATE)
        for at, entry in places:
            weight = "bold" if entry.bold else "normal"
            name = f"▶ {entry.name}" if entry.bold else entry.name
            _text(page, room - 0.06, top - row * (at + 0.5), name, weight=weight, ha="right")
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
                ticks = _log_ticks(low, high)
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


# --- curves ----------------------------------------------------------------------------------------------------------------------


def _losses(axes: Axes, across: int, values: Sequence[float], first: bool = True) -> None:
    """Axes for losses over so many steps, on a logarithmic scale that these values fit into; the first of several is labelled."""
    low, high = (0.85 * min(values), 1.2 * max(values)) if len(values) else UNKNOWN
    axes.set(xlim=(-0.02 * across, across), ylim=(low, high), yscale="log")
    ticks = _log_ticks(low, high)
    axes.set_yticks(ticks, [f"{tick:g}" if first else "" for tick in ticks])
    axes.minorticks_off()
    axes.locator_params(axis="x", nbins=5, integer=True)
    axes.tick_params(labelsize=8, colors=INK)
    axes.set_xlabel(say(en="training step", zh="训练步数"), fontsize=8, color=INK, labelpad=2)
    if first:
        axes.set_ylabel(say(en="loss (nats)", zh="损失（nat）"), fontsize=8, color=INK, labelpad=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=GREY, alpha=0.35, linewidth=0.6)


def _curves(axes: Axes, run: History, colour: str) -> None:
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
    _names_at_the_end(axes, ends, last.step)


def _log_ticks(low: float, high: float) -> list[float]:
    """Round numbers between two ends, for a logarithmic scale."""
    steps = [(digit, digit * 10.0**power) for power in range(-6, 3) for digit in (1, 1.5, 2, 3, 4, 5, 6, 8)]
    within = [(digit, tick) for digit, tick in steps if low <= tick <= high]
    few = [tick for digit, tick in within if digit in (1, 2, 5)]
    ticks = few if len(few) > 2 else [tick for _, tick in within]
    return ticks if len(ticks) <= MOST_TICKS else [tick for tick in ticks if f"{tick:e}".startswith("1")]


def _names_at_the_end(axes: Axes, ends: Sequence[tuple[float, str, str]], x: float | None = None) -> None:
    """Names of two curves right of their ends, at x or at the edge; moved from each other where they would overlap."""
    inches = axes.get_position().height * axes.figure.get_size_inches()[1]
    low, high = np.log(axes.get_ylim())
    heights = [(np.log(value) - low) / (high - low) * inches for value, _, _ in ends]
    if abs(heights[0] - heights[1]) < LINE:
        middle, up = sum(heights) / 2, 1 if heights[0] >= heights[1] else -1
        heights = [middle + up * LINE / 2, middle - up * LINE / 2]
    x = axes.get_xlim()[1] if x is None else x
    for (value, name, colour), to in zip(ends, heights):
        at = (np.log(value) - low) / (high - low) * inches
        style = {
            "va": "center",
            "fontsize": 8.5,
            "weight": "bold",
            "path_effects": make_halo(),
            "annotation_clip": False,
        }
        axes.annotate(name, (x, value), (9, 72 * (to - at)), textcoords="offset points", color=colour, **style)


# --- texts that fit --------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _wide(text: str, size: float, weight: str = "normal") -> float:
    """Inches that a text takes."""
    properties = FontProperties(size=size, weight=weight)
    return text_to_path.get_text_width_height_descent(text, properties, False)[0] / 72


def _text(
    page: Axes, x: float, y: float, text: str, *, size: float = SIZE, weight: str = "normal", colour: str = INK,
    ha: str = "left", va: str = "center",
) -> None:  # fmt: skip
    style = {"fontsize": size, "weight": weight, "color": colour, "ha": ha, "va": va}
    page.text(x, y, text, parse_math=False, **style)


def _lines(text: str, width: float, most: int, size: float = SIZE, weight: str = "normal") -> list[str]:
    """The text in lines of so many inches; an ellipsis stands for what does not fit into `most` of them."""
    words, lines = [shorten(word, 36) for word in (text or _nothing()).split()], [""]
    for number, word in enumerate(words):
        longer, more = f"{lines[-1]} {word}".strip(), number < len(words) - 1
        if _wide(longer + (" …" if more and len(lines) == most else ""), size, weight) <= width:
            lines[-1] = longer
        elif len(lines) < most:
            lines.append(word)
        else:
            lines[-1] += " …"
            break
    return lines


def _below(page: Axes, x: float, y: float, lines: Sequence[str], size: float = SIZE, weight: str = "normal") -> None:
    """Lines of text, the first at this height."""
    for number, line in enumerate(lines):
        _text(page, x, y - number * LINE * size / SIZE, line, size=size, weight=weight)


def _pieces(page: Axes, left: float, y: float, pieces: Sequence[Piece], width: float, most: int) -> None:
    """A caption word by word: true words bold, blue and with a tick behind the last of them, the others plain."""
    space, x, line = _wide("a b", SIZE) - _wide("ab", SIZE), left, 0
    for text, true, glued in _words(pieces or [Piece(_nothing())]):
        weight = "bold" if true else "normal"
        wide = 1.015 * _wide(text, SIZE, weight)  # on the page letters stand on whole pixels
        x += 0 if glued or x == left else space
        if x + wide > left + width and x > left:
            x, line = left, line + 1
        if line == most:
            _text(page, left + width, y - (most - 1) * LINE, "…", ha="right")
            return
        _text(page, x, y - line * LINE, text, weight=weight, colour=BLUE if true else INK)
        x += wide


def _words(pieces: Sequence[Piece]) -> Iterator[tuple[str, bool, bool]]:
    """Each word of a caption, whether it is true, and whether it closes up to the word before it, as a full stop does."""
    for piece in pieces:
        words = piece.words.split()
        for number, word in enumerate(words):
            last = piece.true and number == len(words) - 1
            yield f"{word}✓" if last else word, piece.true, not word[0].isalnum()


def _nothing() -> str:
    return say(en="(nothing)", zh="（什么也没说）")


def _tail(text: str, length: int) -> str:
    """The end of a text, as much as fits."""
    return text if len(text) <= length else "…" + text[len(text) - length + 1 :]
