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
from PIL import Image

LOCK = threading.RLock()  # held while drawing, and by `widgets` while a model computes for a callback
BLUE, VERMILION, GREY, INK = "#0072B2", "#B64A00", "#B4BCC6", "#222222"
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
        data, width = _encoded(self.image, format="webp", quality=82), self.image.width // SHARPNESS
        alt = html.escape(self.alt)
        image = f'<img alt="{alt}" width="{width}" style="max-width: 100%" src="data:image/webp;base64,{data}">'
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        return f'<figure style="margin: 0">{image}{caption}</figure>'

    def bundle(self) -> dict[str, str]:
        """One output for every reader: html for the page, a small PNG for converters, plain text for the ear and for nbval."""
        page = self.image.resize((self.image.width // SHARPNESS, self.image.height // SHARPNESS), Image.Resampling.BOX)
        png = _encoded(page.quantize(256), format="png", optimize=True)
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
    truth: str,
    *,
    alt: str,
    caption: str = "",
) -> Picture:
    """Small pictures in rows of five, each under its label and above the model's guess with its share of the score.

    A guess that is the truth has a tick; any other has a cross, and stands in bold.
    """
    if not len(images) == len(labels) == len(guesses) == len(scores):
        found = f"{len(images)} pictures, {len(labels)} labels, {len(guesses)} guesses, {len(scores)} scores"
        raise ValueError(f"{found}: there must be as many of each")
    side, step = 1.36, WIDTH / 5
    rows = -(-len(images) // 5)
    with LOCK:
        figure = _figure(1.92 * rows)
        for i, (image, label, guess, score) in enumerate(zip(images, labels, guesses, scores, strict=True)):
            row, column = divmod(i, 5)
            axes = _axes(figure, column * step + 0.06, 1.92 * (rows - row) - 0.24 - side, side, side)
            _show(axes, image)
            axes.set_title(label, fontsize=9, color=INK, pad=3)
            mark, colour, weight = ("✓", BLUE, "normal") if guess == truth else ("✗", VERMILION, "bold")
            axes.set_xlabel(f"{mark} {guess} {score:.0%}", fontsize=9, color=colour, weight=weight, labelpad=3)
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
