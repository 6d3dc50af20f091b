"""What tests of explorers share: their language, their parts, and how they are moved."""

import re
from collections.abc import Iterator

from ipywidgets import Widget

CHINESE = re.compile("[\u4e00-\u9fff]")


def in_language(text: str, lang: str) -> bool:
    """Whether the text is Chinese where the learner is, and has no Chinese where not."""
    return bool(CHINESE.search(text)) == (lang == "zh")


def all_widgets(widget: Widget) -> Iterator[Widget]:
    """The widget and all that is in it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from all_widgets(child)


def moved(explorer, **values):
    """What the explorer shows once its controls stand at these values."""
    for name, value in values.items():
        explorer.controls[name].value = value
    return explorer.shown
