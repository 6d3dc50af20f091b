"""Texts on a page, as wide as there is room for them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from helpers.language import say
from lessons.kit.picture import add_text, shorten

SIZE, LINE = 8.5, 0.165  # points of most letters, and inches from one line of them to the next


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
