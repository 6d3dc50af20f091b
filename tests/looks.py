"""What can be measured of what eyes see: contrast by WCAG's formula, colours for the colour-blind, and what in a figure hangs on colour alone.

WCAG 2.2, 1.4.3 and 1.4.11 (contrast) and 1.4.1 (use of colour): https://www.w3.org/TR/WCAG22/. How colours look to the colour-blind
is after Machado, Oliveira and Fernandes, A physiologically-based model for simulation of color vision deficiency (2009).
"""

import itertools
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import NamedTuple

import numpy as np
from matplotlib import colors, patheffects
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from lessons.kit.picture import GREY

FOR_TEXT, FOR_LARGE_TEXT, FOR_MARKS = 4.5, 3.0, 3.0
FURNITURE, HOLLOW = GREY.lower(), ((1.0, 1.0, 1.0, 1.0), (0.0, 0.0, 0.0, 0.0))
NOTHING = ("None", "none", "", " ", None)  # no line, or no marker
LARGE, LARGE_BOLD = 24.0, 18.66  # CSS pixels
APART = 3.0  # contrast between two colours that a print in grey tells apart as well
BESIDE = 12.0  # CSS pixels from a line to the words that name it
DEFICIENCIES = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


# --- colours -------------------------------------------------------------------------------------------------------------------


def linear(colour) -> np.ndarray:
    """The light of an sRGB colour, (..., 3) in 0 to 1."""
    rgb = np.asarray(colour if not isinstance(colour, str) else colors.to_rgb(colour), dtype=float)[..., :3]
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def luminance(colour) -> np.ndarray:
    return linear(colour) @ [0.2126, 0.7152, 0.0722]


def contrast(one, other) -> np.ndarray:
    """From 1, the same, to 21, black on white."""
    a, b = luminance(one) + 0.05, luminance(other) + 0.05
    return np.maximum(a, b) / np.minimum(a, b)


def seen_with(colour, deficiency: str) -> np.ndarray:
    """The colour as somebody sees it who has this deficiency wholly, as linear light."""
    return np.clip(linear(colour) @ np.transpose(DEFICIENCIES[deficiency]), 0, 1)


def lab(light: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear light: distances in it are about as large as the differences that are seen."""
    xyz = light @ np.transpose([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = xyz / [0.9505, 1.0, 1.089]
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def over(colour, ground=(1.0, 1.0, 1.0)) -> tuple[float, ...]:
    """A colour with its opacity, laid on a ground."""
    *rgb, alpha = colors.to_rgba(colour)
    return tuple(alpha * c + (1 - alpha) * g for c, g in zip(rgb, ground))


# --- figures -------------------------------------------------------------------------------------------------------------------


def faults_of(figure: Figure) -> list[str]:
    """What in a finished figure is hard to read, or cannot be told without colours."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    shown = [axes for axes in figure.axes if axes.get_visible()]
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    texts = [text for text in texts if text.axes is None or text.axes in shown]
    found = pale_texts(figure, canvas, texts)
    for axes in shown:
        found += told_by_colour_alone(axes, texts)
    return list(dict.fromkeys(found + pale_marks(canvas, shown)))


def pale_texts(figure: Figure, canvas: FigureCanvasAgg, texts: list[Text]) -> list[str]:
    """Texts with too little contrast to what lies under them; of several colours there, the worst that takes a tenth of the place."""
    with_texts, boxes = (
        pixels(canvas),
        [text.get_window_extent() for text in texts],
    )  # before titles move up to fill the void
    for text in texts:
        text.set_visible(False)
    canvas.draw()
    ground = pixels(canvas)
    for text in texts:
        text.set_visible(True)
    inked = np.abs(with_texts - ground).max(-1) > 0.1
    pixel = figure.dpi / 100  # pixels drawn for each one of CSS
    found = []
    for text, box in zip(texts, boxes):
        height = ground.shape[0]
        place = (
            slice(max(0, int(height - box.y1)), int(height - box.y0) + 1),
            slice(max(0, int(box.x0)), int(box.x1) + 1),
        )
        under = ground[place][inked[place]]
        if ground_of_its_own := halo_of(text):
            under = np.array([colors.to_rgb(ground_of_its_own)])
        if (patch := text.get_bbox_patch()) is not None and patch.get_facecolor()[3] > 0.9:
            under = np.array([patch.get_facecolor()[:3]])
        if not len(under):  # of a tick outside the axes
            continue
        shades, shares = np.unique((under * 85).round() / 85, axis=0, return_counts=True)
        shades = shades[shares >= 0.1 * shares.sum()] if (shares >= 0.1 * shares.sum()).any() else shades
        alpha = text.get_alpha() if text.get_alpha() is not None else 1.0
        drawn = [over((*colors.to_rgb(text.get_color()), alpha), shade) for shade in shades]
        least = min(float(contrast(one, shade)) for one, shade in zip(drawn, shades))
        size = text.get_fontsize() / 72 * figure.dpi / pixel  # CSS pixels
        large = size >= (LARGE_BOLD if text.get_fontweight() in ("bold", "semibold", 700, 600) else LARGE)
        if least < (FOR_LARGE_TEXT if large else FOR_TEXT):
            found.append(f"the text “{text.get_text()[:30]}” has a contrast of {least:.1f} to what lies under it")
    return found


def pixels(canvas: FigureCanvasAgg) -> np.ndarray:
    return np.array(canvas.buffer_rgba())[..., :3] / 255


class Series(NamedTuple):
    """A line, some marks, a patch or a frame: how it looks but for its colour, and its colour (r, g, b, opacity)."""

    kind: str
    look: tuple
    colour: tuple[float, ...]
    artist: Artist

    @property
    def hue(self) -> str:
        return colors.to_hex(self.colour[:3])


def series_of(axes: Axes) -> list[Series]:
    """What these axes show, without what is only furniture: grids, frames and thin lines in the grey that is kept for them."""
    found = []
    for line in axes.get_lines():
        stroked = line.get_linestyle() not in NOTHING and line.get_linewidth() > 0
        marker = line.get_marker() if line.get_marker() not in NOTHING else ""
        if not line.get_visible() or not len(line.get_xdata()) or not (stroked or marker):
            continue
        colour = colors.to_rgba(line.get_color() if stroked else line.get_markeredgecolor(), line.get_alpha())
        hollow = bool(marker) and colors.to_rgba(line.get_markerfacecolor()) in HOLLOW
        dash, width = (str(line._dash_pattern), round(line.get_linewidth(), 1)) if stroked else ("", 0)
        found.append(Series("line" if stroked else "marks", (dash, width, str(marker), hollow), colour, line))
    for marks in axes.collections:
        if isinstance(marks, PathCollection) and marks.get_visible() and len(marks.get_offsets()):
            fill, edge = marks.get_facecolor(), marks.get_edgecolor()
            shape = tuple(np.round(marks.get_paths()[0].vertices, 2).ravel()[:8])
            for colour in {tuple(row) for row in (fill if len(fill) else edge)}:
                found.append(Series("marks", (shape, len(fill) > 0), colour, marks))
    for patch in [patch for patch in axes.patches if patch.get_visible()]:
        dash, width, hatch = str(patch.get_linestyle()), round(patch.get_linewidth(), 1), patch.get_hatch() or ""
        framed = width > 0 and patch.get_edgecolor()[3] > 0
        if patch.get_fill() and patch.get_facecolor() not in HOLLOW:
            found.append(Series("patch", (hatch, framed and (dash, width)), patch.get_facecolor(), patch))
        elif framed:
            found.append(Series("frame", (hatch, dash, width), patch.get_edgecolor(), patch))
    return [
        one
        for one in found
        if not (one.hue == FURNITURE and one.kind in ("line", "frame") and one.artist.get_linewidth() <= 1)
    ]


def pale_marks(canvas: FigureCanvasAgg, shown: list[Axes]) -> list[str]:
    """Lines and marks with too little contrast to what most of them lies on, thin lines and letters not counted."""
    series = [(axes, one) for axes in shown for one in series_of(axes) if one.kind in ("line", "marks")]
    above = [artist for axes in shown for artist in (*axes.lines, *axes.collections, *axes.texts)]
    above += [
        line for axes in shown for line in (*axes.get_xgridlines(), *axes.get_ygridlines(), *axes.spines.values())
    ]
    hidden = [artist for artist in above if artist.get_visible()]
    for artist in hidden:
        artist.set_visible(False)
    canvas.draw()
    for artist in hidden:
        artist.set_visible(True)
    ground, found = pixels(canvas), []
    for axes, one in series:
        at = points_of(one.artist)
        at = at[inside(at, axes.bbox)].astype(int)
        under = ground[np.clip(len(ground) - 1 - at[:, 1], 0, None), np.clip(at[:, 0], 0, ground.shape[1] - 1)]
        under = np.array([colors.to_rgb(white)] * len(at)) if (white := halo_of(one.artist)) else under
        cut_out = one.hue == colors.to_hex(axes.get_facecolor())  # white around a mark, as a halo is around letters
        if len(at) and not (cut_out and one.kind == "marks"):
            much = float(np.median([contrast(over(one.colour, shade), shade) for shade in under]))
            if much < FOR_MARKS:
                found.append(f"{one.kind} in {one.hue} has a contrast of {much:.1f} to what lies under it")
    return found


def halo_of(artist: Artist) -> str | None:
    """The colour of the line around a text or a line that sets it off from what lies under it, if it has one."""
    strokes = [effect for effect in artist.get_path_effects() or () if isinstance(effect, patheffects.withStroke)]
    return strokes[0]._gc.get("foreground", "black") if strokes else None


def told_by_colour_alone(axes: Axes, texts: list[Text]) -> list[str]:
    """Pairs of colours that only their hue tells apart: in both the same dashes, markers, widths and hatches, about as light, and no name
    beside them."""
    found, series = [], series_of(axes)
    for kinds in (("line", "marks"), ("patch",), ("frame",)):
        by_hue: dict[str, list[Series]] = {}
        for one in [one for one in series if one.kind in kinds]:
            by_hue.setdefault(one.hue, []).append(one)
        for (hue, ones), (other, others) in itertools.combinations(by_hue.items(), 2):
            if {(one.kind, one.look) for one in ones} != {(one.kind, one.look) for one in others}:
                continue
            if contrast(hue, other) < APART and not any(
                all(has_name(one, texts) for one in both) for both in (ones, others)
            ):
                found.append(f"only the colour tells {ones[0].kind} in {hue} from {others[0].kind} in {other}")
    return found


def has_name(one: Series, texts: list[Text]) -> bool:
    """Whether some words stand at it: in or at a patch, or close to a line or a mark."""
    near = BESIDE * one.artist.get_figure().dpi / 100
    points = points_of(one.artist)
    points = points[inside(points, one.artist.axes.bbox.padded(2))]
    return any(inside(points, text.get_window_extent().padded(near)).any() for text in texts)


def points_of(artist: Artist) -> np.ndarray:
    """Places of a series on the canvas, (N, 2): along a line, at its marks, or all over a patch."""
    if hasattr(artist, "get_xydata"):
        ends = artist.get_transform().transform(np.asarray(artist.get_xydata(), dtype=float))
        ends = ends[np.isfinite(ends).all(1)]
        if artist.get_linestyle() in NOTHING:
            return ends
        steps = np.linspace(0, 1, 20)[:, None]
        return np.concatenate([ends, *(a + (b - a) * steps for a, b in itertools.pairwise(ends))])
    if hasattr(artist, "get_offsets"):
        return artist.get_offset_transform().transform(np.asarray(artist.get_offsets(), dtype=float))
    box = artist.get_window_extent()
    return np.stack(np.meshgrid(np.linspace(box.x0, box.x1, 12), np.linspace(box.y0, box.y1, 12)), -1).reshape(-1, 2)


def inside(points: np.ndarray, box: Bbox) -> np.ndarray:
    return (points >= [box.x0, box.y0]).all(1) & (points <= [box.x1, box.y1]).all(1)


# --- pages ---------------------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Reads HTML for what is hard to read, or cannot be heard. `letters` is what a text must have of the language to be in it."""

    VOID = ("img", "br", "hr", "input", "wbr", "col", "meta", "link")

    def __init__(self, letters: Callable[[str], bool]) -> None:
        super().__init__()
        self.letters, self.faults = letters, []
        self.open: list[tuple[str, dict[str, str]]] = []
        self.rows: list[list[str]] = []  # of the table that is read: its cells, "th", "td" or "" (empty, no heading)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        had = {name: value or "" for name, value in attributes}
        style = dict(re.findall(r"([\w-]+)\s*:\s*([^;]+?)\s*(?:;|$)", had.get("style", "")))
        ground = style.get("background", style.get("background-color", "transparent"))
        if ground != "transparent" and "color" not in style:
            self.faults.append(
                f"<{tag}> has a ground of its own ({ground}) and not the letters to it: a dark page has white ones"
            )
        if tag == "img" and not (len(had.get("alt", "")) >= 15 and self.letters(had["alt"])):
            self.faults.append(f"a picture has the alt text {had.get('alt', '')!r}")
        if re.fullmatch("h[1-6]", tag):
            self.faults.append(f"<{tag}> in an output: headings stand in the lesson's own cells")
        if tag == "table":
            self.rows = []
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("th" if tag == "th" else "")
        if tag not in self.VOID:
            self.open.append((tag, style))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass
        if tag == "table" and len(self.rows) > 1 and {*self.rows[0]} - {""} != {"th"}:
            self.faults.append("a table has no header over its columns")

    def handle_data(self, text: str) -> None:
        if text.strip() and self.rows and self.rows[-1]:
            self.rows[-1][-1] = self.rows[-1][-1] or "td"
        styles = [style for _, style in self.open]
        inherited = [style["color"] for style in styles if "color" in style]
        if not text.strip() or not inherited:
            return
        grounds = [style.get("background", style.get("background-color", "transparent")) for style in styles]
        ground = next((one for one in reversed(grounds) if one != "transparent"), "white")
        if (much := float(contrast(inherited[-1], ground))) < FOR_TEXT:
            self.faults.append(f"“{text[:30]}” has a contrast of {much:.1f} to its ground")


def faults_of_page(page: str, letters: Callable[[str], bool]) -> list[str]:
    reader = Page(letters)
    reader.feed(page)
    reader.close()
    return reader.faults
