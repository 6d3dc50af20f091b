"""What every figure is made of: the `Picture` with its alt text, the lock, the colours, and axes placed in inches.

Drawn with `matplotlib.figure.Figure` under one lock and never with pyplot, since widget callbacks may run in a second thread.
Colours are Okabe and Ito's (Color Universal Design, 2008), which colour-blind readers can tell apart; none says a thing alone. GREY is
for frames, grids and what lies behind; a mark that says something is STONE or darker, and a dot among others at least CLOUD opaque.
"""

from __future__ import annotations

import base64
import html
import io
import threading
import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import font_manager, rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from PIL import Image

from helpers.language import say
from helpers.training import History

LOCK = threading.RLock()  # held while drawing, and by explorers while a model computes for a callback
BLUE, VERMILION, GREY, STONE, SLATE, INK = "#0072B2", "#B64A00", "#B4BCC6", "#808A95", "#5F6975", "#222222"
CLOUD = 0.75
TINT = "#E4ECF3"  # behind what is looked at
SHARPNESS = 2  # pixels drawn for each one on the page: screens are finer than they say
WIDTH = 7.4  # of every figure, in inches of 100 CSS pixels
EDGE = 0.12  # inches at the sides of a page
MIN_ALT = 15
CHINESE = Path(__file__).parents[2] / "data/fonts/NotoSansSC-Regular.otf"


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
        data, width = encode_base64(self.image, format="webp", quality=65, method=6), self.image.width // SHARPNESS
        alt = html.escape(self.alt)
        look = "display: block; max-width: 100%"  # as a line of text it would have a gap beneath
        image = f'<img alt="{alt}" width="{width}" style="{look}" src="data:image/webp;base64,{data}">'
        look = "margin: 2px 8px; line-height: 1.5"  # begins below the picture's inner edge; an explorer's lines are apart like rows
        caption = f'<figcaption style="{look}">{html.escape(self.caption)}</figcaption>' if self.caption else ""
        return f'<figure style="margin: 0">{image}{caption}</figure>'

    def bundle(self) -> dict[str, str]:
        """One output for every reader: html for the page, a small PNG for converters, plain text for the ear and for nbval."""
        page = self.image.resize((self.image.width // SHARPNESS, self.image.height // SHARPNESS), Image.Resampling.BOX)
        png = encode_base64(page.quantize(128), format="png", optimize=True)
        plain = say(en="Figure: ", zh="图：") + self.alt
        return {"text/html": self.html(), "image/png": png, "text/plain": plain}

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return self.bundle()


def add_fonts() -> None:
    """From here on what matplotlib's own font cannot write is written in the Chinese font of the course, then in those of this machine.

    So axes, ticks and legends need not name a font, and a learner's own figures show Chinese as well.
    """
    font_manager.fontManager.addfont(CHINESE)
    fonts = font_manager.fontManager.ttflist
    here = {font.name for font in fonts}
    ours = font_manager.ttfFontProperty(font_manager.get_font(CHINESE)).name
    others = ("PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "SimHei", "WenQuanYi Zen Hei")
    added = [ours, *(name for name in others if name in here)]
    # as bold too: of a font that has no bold, matplotlib 3.11 says so in every notebook
    fonts += [replace(font, weight=700) for font in fonts if font.name in added]
    rcParams["font.family"] = ["DejaVu Sans", *added]


add_fonts()


def measure_letters(text: str) -> int:
    """How broad a text is, in Latin letters: a Chinese character is as broad as two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def shorten(text: str, length: int) -> str:
    """The text, or as much of it as fits in so many Latin letters, and an ellipsis."""
    if measure_letters(text) <= length:
        return text
    while measure_letters(text) >= length:
        text = text[:-1]
    return text.rstrip() + "…"


def crop_square(image: Image.Image, side: int) -> Image.Image:
    """The middle square of a picture, which is all of it that CLIP's own preparation keeps, `side` pixels wide."""
    short = min(image.size)
    left, top = (image.width - short) // 2, (image.height - short) // 2
    return image.crop((left, top, left + short, top + short)).resize((side, side), Image.Resampling.LANCZOS)


def make_blank(height: float) -> Figure:
    """An empty figure as wide as all are, and so many inches high."""
    # a hair more, since 4.1 inches at 200 dots would be cut to 819
    return Figure(figsize=(WIDTH + 1e-6, height + 1e-6), dpi=100 * SHARPNESS, facecolor="white")


def add_axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes placed in inches from the lower left corner, so that a picture of 256 pixels can stand on 2.56 of them."""
    w, h = figure.get_size_inches()
    return figure.add_axes((left / w, bottom / h, width / w, height / h))


def add_page(figure: Figure, title: str) -> Axes:
    """The whole figure as axes in inches, without a frame, under its title."""
    width, height = figure.get_size_inches()
    page = add_axes(figure, 0, 0, width, height)
    page.set(xlim=(0, width), ylim=(0, height), autoscale_on=False)
    page.axis("off")
    page.text(0.08, height - 0.2, title, fontsize=10, color=INK, parse_math=False)
    return page


def add_title(figure: Figure, title: str, left: float = 0.08, size: float = 10.5) -> None:
    """Write the title over a figure of axes, from so many inches on and in letters of so many points."""
    width, height = figure.get_size_inches()
    figure.text(left / width, 1 - 0.2 / height, title, fontsize=size, color=INK, parse_math=False)


def add_text(page: Axes, x: float, y: float, words: str, size: float, **style: object) -> None:
    """Write words on a page, at a place in inches and in letters of so many points; style: matplotlib's, such as ha and color."""
    style = {"va": "center", "color": INK, "parse_math": False, **style}
    page.text(x, y, words, fontsize=size, **style)


def plot_column(axes: Axes, history: History, column: str, **style: Any) -> None:
    """A curve over the steps of a training, of one of the numbers in its history."""
    axes.plot(history.column("step"), history.column(column), **style)


def make_rectangle(left: float, right: float, low: float, high: float, **style: Any) -> Rectangle:
    """A rectangle between two abscissas and two ordinates, empty unless it is given a facecolor."""
    return Rectangle((left, low), right - left, high - low, **{"facecolor": "none", **style})


def show_image(axes: Axes, image: Image.Image) -> None:
    """Fill axes with a picture, in a thin frame."""
    axes.imshow(np.asarray(image.convert("RGB")), interpolation="antialiased")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color(GREY)


def draw_stripes(vectors: np.ndarray, limit: float) -> np.ndarray:
    """The colours (…, D, 4) of vectors (…, D): purple below zero, orange above it; from -limit to limit."""
    return ScalarMappable(Normalize(-limit, limit), "PuOr_r").to_rgba(np.asarray(vectors))


def choose_letter_colour(colour: Sequence[float]) -> str:
    """White or black, whichever stands out more on (r, g, b) from 0 to 1: by WCAG's formula the contrast is never less than 4.5."""
    light = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return "white" if np.dot(light, (0.2126, 0.7152, 0.0722)) < 0.179 else "black"


def spread(heights: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move heights as little as need be until each is a gap above the one before and all lie between two ends.

    Args:
        heights: in rising order; those that are too near to each other are spread around their mean.
        gap: the least distance between two.
        low, high: the ends, far enough apart for all.
    """
    # heights without their gaps, which must rise: where they fall, they share their mean
    blocks: list[list[float]] = []
    for number, height in enumerate(heights):
        blocks.append([height - number * gap])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    bare = np.concatenate([np.full(len(block), np.mean(block)) for block in blocks])
    top = high - (len(heights) - 1) * gap
    return (np.clip(bare, low, top) + gap * np.arange(len(heights))).tolist()


def move_apart(heights: Sequence[float], gap: float) -> list[float]:
    """One or two heights, the two moved from each other where they are closer than the gap."""
    if len(heights) < 2 or abs(heights[0] - heights[1]) >= gap:
        return list(heights)
    middle, first_up = sum(heights) / 2, 0.5 if heights[0] >= heights[1] - 1e-3 else -0.5
    return [middle + first_up * gap, middle - first_up * gap]


def make_halo() -> list[withStroke]:
    """White around letters that stand on lines."""
    return [withStroke(linewidth=2.5, foreground="white")]


def finish(figure: Figure, alt: str, caption: str) -> Picture:
    """The figure, drawn."""
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():  # a learner's text may be in a script that no font here can write
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        canvas.draw()
    return Picture(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"), alt, caption)


def encode_base64(image: Image.Image, **options: object) -> str:
    """A picture's file in base64; options: what `Image.save` takes."""
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return base64.b64encode(buffer.getvalue()).decode()


# --- a figure that several lessons show -----------------------------------------------------------------------------------------


def draw_picture_with_scores(
    image: Image.Image,
    names: Sequence[str],
    scores: Sequence[float],
    *,
    title: str,
    alt: str,
    caption: str = "",
    top: int = 8,
) -> Picture:
    """A picture, and beside it a bar for each of the names with the highest scores.

    Args:
        image: drawn as a square.
        names: of the C classes, or texts.
        scores: (C,) probabilities. The highest bar is darker; its label is bold and carries a triangle.
        title, alt, caption: as of every figure.
        top: how many bars there are at most.

    Raises:
        ValueError: there are not as many scores as names.
    """
    values = np.asarray(scores, dtype=float)
    if values.shape != (len(names),):
        raise ValueError(f"{len(names)} names need as many scores; these have the shape {values.shape}")
    order = np.argsort(-values, kind="stable")[:top]
    labels = [shorten(name, 34) for name in names]
    room = min(0.22 + 0.078 * max(map(measure_letters, labels)), 3.3)  # inches for the longest label
    height = 2.72
    with LOCK:
        figure = make_blank(height)
        show_image(add_axes(figure, 0.08, 0.08, 2.56, 2.56), image)
        left = 2.85 + room
        tall = 0.24 * len(order)
        bars = add_axes(figure, left, 2.44 - tall, WIDTH - left - 0.62, tall)
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
            bars.text(-0.06 / (WIDTH - left - 0.62), row, label, ha="right", transform=beside, **style)
            bars.annotate(f"{values[index]:.1%}", (values[index], row), (5, 0), textcoords="offset points", **style)
        ends = ["0", say(en="100 %", zh="100%")]
        bars.set(xlim=(0, 1), ylim=(len(order) - 0.5, -0.5), yticks=[], xticks=[0, 1], xticklabels=ends)
        bars.tick_params(labelsize=8, colors=INK)
        bars.set_xlabel(say(en="probability", zh="概率"), fontsize=8, color=INK, labelpad=1)
        bars.spines[["top", "right"]].set_visible(False)
        add_title(figure, title, left=2.85, size=10)
        return finish(figure, alt, caption)
