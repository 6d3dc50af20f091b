"""Texts on a page, as wide as there is room for them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from helpers.language import say
from lessons.kit.picture import (
    INK,
    shorten,
)

SIZE, LINE = 8.5, 0.165  # points of most letters, and inches from one line of them to the next


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


def _nothing() -> str:
    return say(en="(nothing)", zh="（什么也没说）")


def _tail(text: str, length: int) -> str:
    """The end of a text, as much as fits."""
    return text if len(text) <= length else "…" + text[len(text) - length + 1 :]
