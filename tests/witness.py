"""Looks on in a notebook's kernel: `begin` in a cell behind the set-up cell, `account` in one behind the lesson (twice.py puts them there).

Every figure is judged when it is drawn (looks.py, chinese.py); controls and HTML are told as they are when the lesson is over.
"""

import os
import socket
from pathlib import Path
from typing import Any

import ipywidgets
import looks
from chinese import faults_of_words, who_draws
from ipywidgets.widgets import widget

from helpers.language import get_language, set_language
from lessons.kit import picture
from lessons.kit.explorer import Explorer

FIGURES: dict[str, dict[str, Any]] = {}
EXPLORERS: list[Explorer] = []  # of the last Chinese run
TOLD: set[str] = set()  # widgets of earlier accounts
MOVING: list[bool] = []  # not empty while controls are moved
PROGRESS = (ipywidgets.IntProgress, ipywidgets.FloatProgress)
NO_CONTROLS = (ipywidgets.HTML, ipywidgets.Label, ipywidgets.Valid, ipywidgets.Image, *PROGRESS)
MOST_VALUES = 4  # of one control


def begin() -> None:
    """From here on, figures are judged when they are drawn, and explorers are kept in mind."""

    class Judging(picture.FigureCanvasAgg):
        def draw(self, *args: Any, **more: Any) -> None:
            if not TOLD or MOVING:  # a second run shows the same figures
                judge(looks.faults_of(self.figure))
                self.figure.set_canvas(self)
            super().draw(*args, **more)
            if get_language() == "zh":
                judge(faults_of_words(self.figure, who_draws()))

    def remembered(self: Explorer, *args: Any) -> None:
        EXPLORERS.append(self)
        plain(self, *args)

    plain, Explorer.__init__ = Explorer.__init__, remembered
    picture.FigureCanvasAgg = Judging


def judge(faults: list[str]) -> None:
    """What is wrong with it goes under the name of the function of lessons that has drawn it."""
    known = FIGURES.setdefault(who_draws(), {"drawn": 0, "faults": []})
    known["drawn"] += 1
    known["faults"] += [fault for fault in faults if fault not in known["faults"]]


def account() -> dict[str, Any]:
    """Controls as (kind, label, label and what is said where the pointer rests), and HTML, of widgets made since the last account.

    `move` will move the explorers of the last Chinese one.
    """
    known = getattr(widget, "_instances", None)  # ipywidgets 8
    alive = {**(ipywidgets.Widget.widgets if known is None else known)}
    new = [one for number, one in alive.items() if number not in TOLD]
    TOLD.update(alive)
    chinese = get_language() == "zh"
    EXPLORERS[:] = [one for one in EXPLORERS if (one.widget in new) is chinese]
    controls = [one for one in new if hasattr(one, "description") and not isinstance(one, NO_CONTROLS)]
    tips = [getattr(one, "tooltip", None) or getattr(one, "description_tooltip", None) or "" for one in controls]
    return {
        "controls": [
            (type(one).__name__, one.description, f"{one.description} {tip}") for one, tip in zip(controls, tips)
        ],
        "html": [one.value for one in new if isinstance(one, ipywidgets.HTML) and one.value],
    }


def move() -> int:
    """Set each control of each explorer to some values, one after the other, so that figures are drawn of all; how often."""
    set_language("zh")
    moves = [(one, value) for explorer in EXPLORERS for one in explorer.controls.values() for value in values_of(one)]
    MOVING.append(True)
    for control, value in moves:
        control.value = value
    return len(moves)


def end(move_all: bool) -> dict[str, Any]:
    """What was seen in all, if asked for after every control has been moved."""
    return {"moved": move() if move_all else 0, "figures": FIGURES}


def values_of(control: ipywidgets.Widget) -> list[Any]:
    """Some values that it can take, its ends among them; none of what is written or chosen from a disk."""
    if isinstance(control, ipywidgets.ToggleButton | ipywidgets.Checkbox):
        return [not control.value, control.value]
    if isinstance(control, ipywidgets.widget_selection._Selection):
        values = [value for _, value in control._options_full]
        return [*values[: MOST_VALUES - 1], *values[MOST_VALUES - 1 :][-1:]]
    if isinstance(control, ipywidgets.FloatLogSlider):
        return [control.base**control.min, control.base**control.max]
    if isinstance(control, ipywidgets.widget_int._BoundedInt | ipywidgets.widget_float._BoundedFloat):
        return [control.min, control.max]
    return []


def place() -> dict[str, Any]:
    """Where this kernel is: whether it has a network, can write into the course."""
    try:
        Path("written").touch()
        Path("written").unlink()
        can_write = True
    except OSError:
        can_write = False
    return {
        "folder": str(Path.cwd()),
        "network is cut off": getattr(socket, "network_is_cut_off", False),
        "can write": can_write,
        "LC_ALL": os.environ.get("LC_ALL", ""),
    }
