"""Every picture that the lessons show: functions from numbers to a `Picture`, which carries its alt text and its caption.

Drawn with `matplotlib.figure.Figure` under one lock and never with pyplot, since widget callbacks may run in a second thread.
Colours are Okabe and Ito's (Color Universal Design, 2008), which colour-blind readers can tell apart; none says a thing alone.
"""

from __future__ import annotations

import base64
import html
import io
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from PIL import Image

LOCK = threading.RLock()  # held while drawing, and by `widgets` while a model computes for a callback
BLUE, VERMILION, GREY, SLATE, INK = "#0072B2", "#B64A00", "#B4BCC6", "#5F6975", "#222222"
SHARPNESS = 2  # pixels drawn for each one on the page: screens are finer than they say
WIDTH = 7.4  # of every figure, in inches of 100 CSS pixels
MIN_ALT = 15


@dataclass(frozen=True)
class Picture:
    """A finished figure: its pixels, what one would say of it over the telephone, and what there is to see in it."""

    image: Image.Image
    alt: str
    caption: str = ""

    def __post_init__(self) -> None:
        if len(self.alt) < MIN_ALT:
            raise ValueError(f"the alt text {self.alt!r} is too short to tell anybody what the figure shows")

    def html(self) -> str:
        """An <img> with alt text, which JupyterLab would drop from a plain PNG, and the caption beneath it."""
        data, width = _encoded(self.image, format="webp", quality=75), self.image.width // SHARPNESS
        alt = html.escape(self.alt)
        image = f'<img alt="{alt}" width="{width}" style="max-width: 100%" src="data:image/webp;base64,{data}">'
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        return f'<figure style="margin: 0">{image}{caption}</figure>'

    def bundle(self) -> dict[str, str]:
        """One output for every reader: html for the page, a small PNG for converters, plain text for the ear and for nbval."""
        page = self.image.resize((self.image.width // SHARPNESS, self.image.height // SHARPNESS), Image.Resampling.BOX)
        png = _encoded(page.quantize(128), format="png", optimize=True)
        return {"text/html": self.html(), "image/png": png, "text/plain": f"Figure: {self.alt}"}

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return self.bundle()


def picture_with_scores(
    image: Image.Image,
    names: Sequence[str],
    scores: Sequence[float],
    *,
    title: str,
    alt: str,
    caption: str = "",
    top: int = 8,
) -> Picture:
    """A picture, and beside it a bar for each of the `top` names with the highest scores.

    scores: (C,) shares of one, one for each name. The highest bar is darker; its label is bold and carries a triangle.
    """
    values = np.asarray(scores, dtype=float)
    if values.shape != (len(names),):
        raise ValueError(f"{len(names)} names need as many scores; these have the shape {values.shape}")
    order = np.argsort(-values, kind="stable")[:top]
    labels = [shorten(name, 44) for name in names]
    room = min(0.22 + 0.078 * max(map(len, labels)), 3.3)  # inches for the longest label
    height = 2.72
    with LOCK:
        figure = _figure(height)
        _show(_axes(figure, 0.08, 0.08, 2.56, 2.56), image)
        left = 2.85 + room
        bars = _axes(figure, left, 0.52, WIDTH - left - 0.62, 1.92)
        bars.barh(range(len(order)), values[order], color=[BLUE] + [GREY] * (len(order) - 1), height=0.7)
        for row, index in enumerate(order):
            style = {
                "va": "center",
                "fontsize": 9,
                "color": INK,
                "weight": "normal" if row else "bold",
                "parse_math": False,
            }
            label, beside = labels[index] if row else f"▶ {labels[index]}", bars.get_yaxis_transform()
            bars.text(-0.06 / (WIDTH - left - 0.62), row, label, ha="right", family=_fonts(), transform=beside, **style)
            bars.text(values[index] + 0.02, row, f"{values[index]:.1%}", **style)
        bars.set(xlim=(0, 1), ylim=(7.5, -0.5), yticks=[], xticks=[0, 1], xticklabels=["0", "100 %"])
        bars.tick_params(labelsize=8, colors=INK)
        bars.set_xlabel("share of the score", fontsize=8, color=INK, labelpad=1)
        bars.spines[["top", "right"]].set_visible(False)
        figure.text(2.85 / WIDTH, 1 - 0.2 / height, title, fontsize=10, color=INK, family=_fonts(), parse_math=False)
        return _finished(figure, alt, caption)


def pictures_with_guesses(
    images: Sequence[Image.Image],
    labels: Sequence[str],
    guesses: Sequence[str],
    scores: Sequence[float],
    truths: Sequence[str],
    *,
    alt: str,
    caption: str = "",
) -> Picture:
    """Small pictures in rows of five, each under its label and above the model's guess with its share of the score.

    A guess that is the truth has a tick; any other has a cross, and stands in bold.
    """
    if not len(images) == len(labels) == len(guesses) == len(scores) == len(truths):
        found = f"{len(images)} pictures, {len(labels)} labels, {len(guesses)} guesses, {len(scores)} scores, {len(truths)} truths"
        raise ValueError(f"{found}: there must be as many of each")
    side, step = 1.36, WIDTH / 5
    rows = -(-len(images) // 5)
    with LOCK:
        figure = _figure(1.92 * rows)
        for i, (image, label, guess, score, truth) in enumerate(zip(images, labels, guesses, scores, truths)):
            row, column = divmod(i, 5)
            axes = _axes(figure, column * step + 0.06, 1.92 * (rows - row) - 0.24 - side, side, side)
            _show(axes, image)
            axes.set_title(label, fontsize=9, color=INK, pad=3)
            mark, colour, weight = ("✓", BLUE, "normal") if guess == truth else ("✗", VERMILION, "bold")
            axes.set_xlabel(f"{mark} {guess} {score:.0%}", fontsize=9, color=colour, weight=weight, labelpad=3)
        return _finished(figure, alt, caption)


@dataclass(frozen=True)
class Run:
    """The numbers of one training: as many of each as there were looks at the validation pictures. Accuracies are shares of one."""

    length: int  # steps when it is complete
    steps: Sequence[int]
    loss: Sequence[float]
    validation_loss: Sequence[float]
    validation_accuracy: Sequence[float]
    hand: float  # accuracy of the hand-written prompt on the validation pictures
    before: float  # the same on the test pictures
    after: float | None = None  # accuracy of what was learned on the test pictures; None until it is known


def learning_curve(
    run: Run | None,
    stored: Run | None = None,
    earlier: Sequence[Run] = (),
    *,
    prompts: tuple[str, str],
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """Loss and validation accuracy over the steps, and under them the test accuracy of the two prompts, before and after.

    run: the learner's own, however far it has come, or None before it begins: then the bars are those of the stored run, hatched.
    stored: lies in grey behind; earlier: the learner's other runs, their accuracy in faint blue. prompts: what the two bars are called.
    """
    known = [other for other in (stored, *earlier, run) if other is not None]
    if not known:
        raise ValueError("there is nothing to draw: give a run, or a stored one")
    height, across = 4.1, max(other.length for other in known)
    with LOCK:
        figure = _figure(height)
        loss, accuracy = _axes(figure, 0.62, 1.7, 1.62, 1.86), _axes(figure, 3.5, 1.7, 2.8, 1.86)
        for axes, low, high, label, heading in (
            (loss, *_round_limits(known, ("loss", "validation_loss"), 1), "loss (nats)", "Loss: lower is better"),
            (
                accuracy,
                *_round_limits(known, ("validation_accuracy", "hand"), 0.2),
                "accuracy (%)",
                "Accuracy on validation pictures: higher is better",
            ),
        ):
            axes.set(xlim=(-0.02 * across, across), ylim=(low, high), xticks=np.linspace(0, across, 5).round())
            axes.locator_params(axis="y", nbins=5)
            axes.tick_params(labelsize=8, colors=INK)
            axes.set_xlabel("training step", fontsize=8, color=INK, labelpad=2)
            axes.set_ylabel(label, fontsize=8, color=INK, labelpad=3)
            axes.set_title(heading, fontsize=9, color=INK, loc="left", pad=5)
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(axis="y", color=GREY, alpha=0.35, linewidth=0.6)
        accuracy.yaxis.set_major_formatter(lambda share, position: f"{100 * share:.0f}")
        for other in earlier:
            accuracy.plot(other.steps, other.validation_accuracy, color=BLUE, alpha=0.3, linewidth=1.2)
        for other, look in ((stored, {"color": GREY, "linewidth": 1.8}), (run, {"color": BLUE, "linewidth": 2.2})):
            if other is not None:
                loss.plot(other.steps, other.loss, **look)
                loss.plot(other.steps, other.validation_loss, linestyle=(0, (3, 1.5)), **look)
                accuracy.plot(other.steps, other.validation_accuracy, **look)
        _name_curves(loss, accuracy, run, stored, across)
        hand = known[-1].hand
        accuracy.axhline(hand, color=INK, linewidth=1.2, linestyle=(0, (1, 1.6)))
        accuracy.annotate(
            f"{prompts[0]}  {hand:.0%}",
            (across, hand),
            xytext=(0, -4),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=8,
            color=INK,
            parse_math=False,
            path_effects=_halo(),
        )
        _before_and_after(_axes(figure, 2.3, 0.46, 4.0, 0.58), run, stored, prompts)
        figure.text(0.08 / WIDTH, 1 - 0.2 / height, title, fontsize=10.5, color=INK, family=_fonts(), parse_math=False)
        return _finished(figure, alt, caption)


def rows_of_vectors(
    rows: Sequence[tuple[Sequence[str], np.ndarray, Sequence[bool]]], *, title: str, alt: str, caption: str = ""
) -> Picture:
    """Prompts as a text tower reads them: one vector a position, drawn as a strip of its numbers under its label.

    rows: for each prompt its labels, vectors (T, D), and which of them were learned (T,): those are framed, their labels bold. All
    strips share one colour scale, purple below zero, orange above it, white at zero.
    """
    step, strip, space = 0.5, 1.02, 0.4
    limit = 4 * np.median(np.abs(np.concatenate([vectors for _, vectors, _ in rows])))
    height = 0.36 + (strip + space) * len(rows)
    with LOCK:
        figure = _figure(height)
        figure.text(0.08 / WIDTH, 1 - 0.2 / height, title, fontsize=10, color=INK, family=_fonts(), parse_math=False)
        for number, (labels, vectors, learned) in enumerate(rows, start=1):
            bottom = height - 0.28 - (strip + space) * number
            for place, (label, vector, ours) in enumerate(zip(labels, vectors, learned, strict=True)):
                axes = _axes(figure, 0.12 + place * step, bottom, step - 0.1, strip)
                look = {"cmap": "PuOr_r", "vmin": -limit, "vmax": limit, "interpolation": "nearest", "aspect": "auto"}
                axes.imshow(np.asarray(vector)[:, None], **look)
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set(color=VERMILION if ours else GREY, linewidth=1.8 if ours else 0.8)
                style = {"color": VERMILION, "weight": "bold"} if ours else {"color": INK}
                axes.set_title(label, fontsize=8.5, pad=3, family=_fonts(), parse_math=False, **style)
        return _finished(figure, alt, caption)


def shorten(text: str, length: int) -> str:
    """The text, or as much of it as fits, and an ellipsis."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def square(image: Image.Image, side: int) -> Image.Image:
    """The middle square of a picture, which is all of it that CLIP's own preparation keeps, `side` pixels wide."""
    short = min(image.size)
    left, top = (image.width - short) // 2, (image.height - short) // 2
    return image.crop((left, top, left + short, top + short)).resize((side, side), Image.Resampling.LANCZOS)


def _figure(height: float) -> Figure:
    return Figure(figsize=(WIDTH, height), dpi=100 * SHARPNESS, facecolor="white")


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes placed in inches, so that a picture of 256 pixels can stand on 2.56 of them."""
    w, h = figure.get_size_inches()
    return figure.add_axes((left / w, bottom / h, width / w, height / h))


def _show(axes: Axes, image: Image.Image) -> None:
    axes.imshow(np.asarray(image.convert("RGB")), interpolation="antialiased")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color(GREY)


def _round_limits(runs: Sequence[Run], names: Sequence[str], unit: float) -> tuple[float, float]:
    """From below the least to above the greatest of these numbers, in whole units, so that axes seldom move while a curve grows."""
    values = np.concatenate([np.ravel(getattr(run, name)) for run in runs for name in names])
    return unit * np.floor(values.min() / unit - 0.3), unit * np.ceil(values.max() / unit + 0.3)


def _name_curves(loss: Axes, accuracy: Axes, run: Run | None, stored: Run | None, across: int) -> None:
    """Each curve by its name, at its end; the learner's ends in a dot, which is all that one look gives."""
    first = run if run and len(run.steps) else stored
    if first is None or not len(first.steps):
        return
    colour = BLUE if first is run else SLATE
    at = first.steps[-1]
    ends = first.loss[-1], first.validation_loss[-1]
    for y, name, beside in zip(_apart(ends, 0.13 * np.ptp(loss.get_ylim())), ("training", "validation"), ends):
        _label(loss, at, y, name, colour)
        if first is run:
            loss.plot(at, beside, "o", color=BLUE, markersize=4.5, clip_on=False)
    names = [(first.steps[-1], first.validation_accuracy[-1], "your run" if first is run else "a stored run", colour)]
    if first is run:
        accuracy.plot(at, names[0][1], "o", color=BLUE, markersize=5.5, clip_on=False)
        if stored is not None and len(stored.steps):
            names.append((stored.steps[-1], stored.validation_accuracy[-1], "a stored run", SLATE))
    heights = [name[1] for name in names]
    if at > 0.7 * across:
        heights = _apart(heights, 0.09 * np.ptp(accuracy.get_ylim()))
    for (x, _, name, colour), y in zip(names, heights):
        _label(accuracy, x, y, name, colour)


def _apart(heights: Sequence[float], gap: float) -> list[float]:
    """One or two heights, the two moved from each other where they are closer than the gap."""
    if len(heights) < 2 or abs(heights[0] - heights[1]) >= gap:
        return list(heights)
    middle, first_up = sum(heights) / 2, 0.5 if heights[0] >= heights[1] - 1e-3 else -0.5
    return [middle + first_up * gap, middle - first_up * gap]


def _label(axes: Axes, x: float, y: float, name: str, colour: str) -> None:
    style = {"fontsize": 8.5, "color": colour, "va": "center", "weight": "bold" if colour == BLUE else "normal"}
    axes.annotate(
        name, (x, y), (7, 0), textcoords="offset points", annotation_clip=False, path_effects=_halo(), **style
    )


def _halo() -> list[withStroke]:
    """White around letters that stand on lines."""
    return [withStroke(linewidth=2.5, foreground="white")]


def _before_and_after(axes: Axes, run: Run | None, stored: Run | None, prompts: tuple[str, str]) -> None:
    """The accuracy of both prompts on the test pictures, or a question mark where it is not known yet."""
    shown = run or stored
    for row, (name, share, colour) in enumerate(zip(prompts, (shown.before, shown.after), (SLATE, BLUE))):
        style = {"va": "center", "fontsize": 9, "color": INK, "weight": "bold" if row and run else "normal"}
        axes.text(-0.015, row, name, ha="right", parse_math=False, family=_fonts(), **style)
        if share is None:
            axes.text(0.015, row, "?", **style)
            continue
        if run is None:
            axes.barh(row, share, height=0.66, facecolor="white", edgecolor=GREY, hatch="////", linewidth=1)
        else:
            axes.barh(row, share, height=0.66, color=colour)
        note = "  (a stored run)" if run is None and row else ""
        axes.text(share + 0.012, row, f"{share:.1%}{note}", **style)
    axes.set(xlim=(0, 1), ylim=(1.5, -0.5), yticks=[], xticks=np.linspace(0, 1, 6))
    axes.xaxis.set_major_formatter(lambda share, position: f"{100 * share:.0f}")
    axes.tick_params(labelsize=8, colors=INK)
    axes.set_xlabel("accuracy on test pictures (%)", fontsize=8, color=INK, labelpad=2)
    axes.spines[["top", "right"]].set_visible(False)


def _finished(figure: Figure, alt: str, caption: str) -> Picture:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "Glyph .* missing from"
        )  # a learner's text in a script that no font here can write
        figure.savefig(buffer, format="raw")
    width, height = (round(inches * figure.dpi) for inches in figure.get_size_inches())
    return Picture(Image.frombytes("RGBA", (width, height), buffer.getvalue()).convert("RGB"), alt, caption)


@cache
def _fonts() -> tuple[str, ...]:
    """Matplotlib's own font, then those of this machine that can write Chinese: learners type their own texts."""
    here = {font.name for font in font_manager.fontManager.ttflist}
    chinese = ("Noto Sans CJK SC", "Noto Sans CJK JP", "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "SimHei")
    return ("DejaVu Sans", *(name for name in chinese if name in here))


def _encoded(image: Image.Image, **options: object) -> str:
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return base64.b64encode(buffer.getvalue()).decode()
