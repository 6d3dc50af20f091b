"""What every explorer is made of: controls, one function that draws what they say, and one output with two faces.

Core ipywidgets only, 7.7 and 8, on `observe` with an `HTML` view; whatever draws or computes holds the lock of `figures`.
The two faces: the live widget where a kernel answers, and its static twin (html, PNG, plain text) on every other page.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Protocol

import ipywidgets

from helpers import figures
from helpers.lesson import Plainly

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class Shown(Protocol):
    """What an explorer draws: a `figures.Picture` or a `Sentence`."""

    def html(self) -> str: ...
    def bundle(self) -> dict[str, str]: ...


class Sentence:
    """Words in the place of a picture, when there is nothing to draw: they say what to do."""

    def __init__(self, text: str) -> None:
        self.text = text

    def html(self) -> str:
        style = f"border-left: 4px solid {figures.VERMILION}; padding: 0.4em 1em; line-height: 1.5"
        return f'<p role="alert" style="{style}">{html.escape(self.text)}</p>'

    def bundle(self) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": self.text}


class Live:
    """One output with two faces: `widget`, and `shown`, which is what stands in it now."""

    widget: ipywidgets.Widget
    shown: Shown

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        return {**self.shown.bundle(), WIDGET_VIEW: view}


class Explorer(Live):
    """Controls above a picture that is drawn anew at every change.

    controls: labelled widgets by name; draw: gets their values under the same names, and returns what to show. Where it raises
    `Plainly`, that sentence is shown. `shown` is what stands in the view now.
    """

    def __init__(self, controls: Mapping[str, ipywidgets.Widget], draw: Callable[[SimpleNamespace], Shown]) -> None:
        self.controls, self._draw = dict(controls), draw
        self.view = ipywidgets.HTML()
        row = ipywidgets.Box(list(self.controls.values()), layout={"flex_flow": "row wrap", "width": "100%"})
        self.widget = ipywidgets.VBox([row, self.view])
        self.update()
        for control in self.controls.values():
            control.observe(self.update, names="value")

    def update(self, change: object = None) -> None:
        """Draw what the controls say now."""
        with figures.LOCK:
            try:
                self.shown = self._draw(
                    SimpleNamespace(**{name: control.value for name, control in self.controls.items()})
                )
            except Plainly as sentence:
                self.shown = Sentence(str(sentence))
            self.view.value = self.shown.html()


def look(width: float = 23) -> dict[str, Any]:
    """A width in em that leaves the label whole."""
    return {"style": {"description_width": "6em"}, "layout": {"width": f"{width}em", "margin": "2px 0.5em 2px 0"}}
