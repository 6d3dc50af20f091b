"""The figures of what a captioner writes: the next token, captions with what is true in them, and under blended prompts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from PIL import Image

from helpers.language import say
from lessons.kit.picture import (
    BLUE,
    EDGE,
    GREY,
    INK,
    LOCK,
    SLATE,
    WIDTH,
    Picture,
    add_axes,
    add_page,
    add_text,
    finish,
    make_blank,
    make_rectangle,
    shorten,
    show_image,
)

SIZE, LINE = 8.5, 0.165  # points of most letters, and inches from one line of them to the next
LARGE = 13  # points of the one text that is looked at
GROUND = "#EDF3F8"  # behind every second run of equal texts


@dataclass(frozen=True)
class Likely:
    """A token that may come next, its share, and whether it is among those that one may be drawn from."""

    token: str
    share: float
    kept: bool


def draw_next_tokens(
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
    paragraphs = [
        (name, [break_lines(text, WIDTH - beside - EDGE, 2) for text in captions]) for name, captions in texts
    ]
    rows = [lines for _, captions in paragraphs for lines in captions]
    height = 0.42 + side + 0.3 + LINE * sum(map(len, rows)) + gap * len(rows)
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        show_image(add_axes(figure, EDGE, height - 0.42 - side, side, side), image)
        left, room = EDGE + side + 0.25, 0.95  # inches: of the bars' column, and for the names in it
        style = {"fontsize": 8.5, "va": "center", "color": INK, "parse_math": False}
        after = say(en=f"after “{_keep_end(before, 46)}”", zh=f"“{_keep_end(before, 46)}”之后")
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
            add_text(page, EDGE, y, name, SIZE, weight="bold")
            for lines in captions:
                write_lines(page, beside, y, lines)
                y -= LINE * len(lines) + gap
        return finish(figure, alt, caption)


@dataclass(frozen=True)
class Phrase:
    """Some words of a caption, and whether they say something true of the picture."""

    words: str
    true: bool = False


def draw_pictures_with_captions(
    pictures: Sequence[tuple[Image.Image, Sequence[Phrase]]], *, title: str, alt: str, caption: str = ""
) -> Picture:
    """Three pictures side by side, each over a caption in pieces; what is true is bold and has a tick."""
    side, step, height = 1.7, (WIDTH - 2 * EDGE) / 3, 2.92
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        for number, (image, pieces) in enumerate(pictures):
            left, top = EDGE + number * step, height - 0.42
            show_image(add_axes(figure, left, top - side, side, side), image)
            write_phrases(page, left, top - side - 0.18, pieces, step - 0.1, 4)
        return finish(figure, alt, caption)


def draw_prompt_blends(
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
        add_text(page, left, height - 0.52, mixed, 9, color=SLATE)
        write_lines(page, left, height - 0.86, break_lines(texts[chosen], WIDTH - left - EDGE, 6, LARGE), LARGE)
        top = height - 0.42 - side - 0.2
        ends = say(en=f"0: all of “{names[0]}”, 1: all of “{names[1]}”", zh=f"0：全是“{names[0]}”，1：全是“{names[1]}”")
        add_text(page, 0.34, top, say(en="blend", zh="比例"), 8, color=SLATE)
        add_text(page, 0.95, top, ends, 8, color=SLATE)
        runs = np.cumsum([0, *(one != other for one, other in zip(texts, texts[1:]))])
        for number, text in enumerate(texts):
            y = top - 0.2 - row * number
            if runs[number] % 2 == 0:
                page.add_patch(
                    make_rectangle(EDGE, WIDTH - EDGE, y - row / 2, y + row / 2, facecolor=GROUND, zorder=-1)
                )
            weight = "bold" if number == chosen else "normal"
            if number == chosen:
                page.add_patch(
                    make_rectangle(EDGE, WIDTH - EDGE, y - row / 2, y + row / 2, edgecolor=INK, linewidth=1.2)
                )
                add_text(page, EDGE + 0.06, y, "▶", SIZE)
            add_text(page, 0.4, y, f"{share[number]:.1f}", SIZE, weight=weight)
            write_lines(page, 0.95, y, break_lines(text, WIDTH - 0.95 - EDGE - 0.08, 1, weight=weight), weight=weight)
        return finish(figure, alt, caption)


def write_phrases(page: Axes, left: float, y: float, pieces: Sequence[Phrase], width: float, most: int) -> None:
    """A caption word by word: true words bold, blue and with a tick behind the last of them, the others plain."""
    space, x, line = measure_width("a b", SIZE) - measure_width("ab", SIZE), left, 0
    for text, true, glued in _split_phrases(pieces or [Phrase(name_nothing())]):
        weight = "bold" if true else "normal"
        wide = 1.015 * measure_width(text, SIZE, weight)  # on the page letters stand on whole pixels
        x += 0 if glued or x == left else space
        if x + wide > left + width and x > left:
            x, line = left, line + 1
        if line == most:
            add_text(page, left + width, y - (most - 1) * LINE, "…", SIZE, ha="right")
            return
        add_text(page, x, y - line * LINE, text, SIZE, weight=weight, color=BLUE if true else INK)
        x += wide


def _split_phrases(pieces: Sequence[Phrase]) -> Iterator[tuple[str, bool, bool]]:
    """Each word of a caption, whether it is true, and whether it closes up to the word before it, as a full stop does."""
    for piece in pieces:
        words = piece.words.split()
        for number, word in enumerate(words):
            last = piece.true and number == len(words) - 1
            yield f"{word}✓" if last else word, piece.true, not word[0].isalnum()


def _keep_end(text: str, length: int) -> str:
    """The end of a text, as much as fits."""
    return text if len(text) <= length else "…" + text[len(text) - length + 1 :]


# --- texts that fit --------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def measure_width(text: str, size: float, weight: str = "normal") -> float:
    """Inches that a text takes."""
    properties = FontProperties(size=size, weight=weight)
    return text_to_path.get_text_width_height_descent(text, properties, False)[0] / 72


def break_lines(text: str, width: float, most: int, size: float = SIZE, weight: str = "normal") -> list[str]:
    """The text in lines of so many inches; an ellipsis stands for what does not fit into `most` of them."""
    words, lines = [shorten(word, 36) for word in (text or name_nothing()).split()], [""]
    for number, word in enumerate(words):
        longer, more = f"{lines[-1]} {word}".strip(), number < len(words) - 1
        if measure_width(longer + (" …" if more and len(lines) == most else ""), size, weight) <= width:
            lines[-1] = longer
        elif len(lines) < most:
            lines.append(word)
        else:
            lines[-1] += " …"
            break
    return lines


def write_lines(
    page: Axes, x: float, y: float, lines: Sequence[str], size: float = SIZE, weight: str = "normal"
) -> None:
    """Lines of text, the first at this height."""
    for number, line in enumerate(lines):
        add_text(page, x, y - number * LINE * size / SIZE, line, size, weight=weight)


def name_nothing() -> str:
    """What stands where a model has said nothing."""
    return say(en="(nothing)", zh="（什么也没说）")
