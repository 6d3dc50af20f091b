"""The sections of a lesson, and the rule by which their minutes are counted."""

import importlib
import inspect
import re
from functools import cache
from typing import Any, NamedTuple

from nbformat import NotebookNode

from tools.console import ROOT
from tools.source import EXERCISE, HAN, LANGUAGES, NO_PROSE, NO_TEXT, Lesson

# For a learner alone, who reads all, plays with every explorer and does every exercise
A_MINUTE = {"words": 180, "characters": 270}  # English words, Chinese characters
# a line of code; picture or table; explorer or training; guess or quiz
SECONDS = {"line": 3, "picture": 20, "explorer": 90, "question": 45}
# what functions that show an explorer give back
TRAININGS = ("Explorer", "LongWork", "ContextTraining", "CaptionerTraining")
# Functions of the kit that lessons call, and that show something
SHOWING = ("explorer.tabulate_accuracies", "models.show_prediction", "models.tell_whose_numbers")
HEADING = r"(?m)^##? (.+)"


class Section(NamedTuple):
    """What stands under one heading of first or second order."""

    id: str  # of the cell with the heading
    cells: list[NotebookNode]
    run: dict[str, float]  # seconds of each code cell of the lesson, as measured

    @property
    def texts(self) -> dict[str, list[str]]:
        marked = [(cell.metadata.lang, cell.source) for cell in self.cells]
        return {lang: [text for mark, text in marked if mark == lang] for lang in LANGUAGES}

    @property
    def heading(self) -> dict[str, str]:
        return {lang: re.search(HEADING, "\n".join(texts))[1] for lang, texts in self.texts.items()}

    @property
    def code(self) -> list[NotebookNode]:
        code = [cell for cell in self.cells if cell.cell_type == "code"]
        return [cell for cell in code if "solution" not in cell.metadata.tags]

    @property
    def seconds(self) -> float:
        """That its cells run."""
        return sum(self.run.get(cell.metadata.id, 0) for cell in self.code)

    @property
    def minutes(self) -> float:
        """By the rule, in the language that takes longer."""
        reading = {
            lang: sum(count_minutes(text, lang) for text in texts)
            for lang, texts in self.texts.items()
        }
        seconds = sum(map(count_seconds, self.code)) + self.seconds
        return seconds / 60 + max(reading.values())


def list_sections(lesson: Lesson, run: dict[str, float]) -> list[Section]:
    parts: list[Section] = []
    for cell in lesson.cells:
        begins = cell.cell_type == "markdown" and re.search(HEADING, cell.source)
        if begins and not (parts and parts[-1].id == cell.metadata.id):
            parts.append(Section(cell.metadata.id, [], run))
        if parts:
            parts[-1].cells.append(cell)
    return parts


def count_minutes(text: str, lang: str) -> float:
    """To read it, and what it grants an exercise."""
    prose = re.sub(NO_TEXT, " ", re.sub(NO_PROSE, " ", text))
    words, characters = len(re.findall(r"[A-Za-z][A-Za-z’'-]*", prose)), len(re.findall(HAN, prose))
    granted = sum(int(minutes) for _, minutes in re.findall(EXERCISE[lang], text))
    return words / A_MINUTE["words"] + characters / A_MINUTE["characters"] + granted


def count_seconds(cell: NotebookNode) -> int:
    """To read it, and to look at what it shows."""
    lines = [line for line in cell.source.split("\n") if line.strip()]
    kinds = [] if cell.metadata.id == "setup" else ["line"] * len(lines)
    called = re.findall(r"\b(\w+(?:\.\w+)?)\(", cell.source)
    kinds += [kind for name in called if (kind := classify_functions().get(name))]
    return sum(SECONDS[kind] for kind in kinds + ["question"] * cell.source.count(".ask()"))


@cache
def classify_functions() -> dict[str, str]:
    """What functions of explorers and of the kit show, by the names that lessons call them by."""
    found = {}
    for path in ROOT.glob("lessons/lesson_*/**/*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if ".explorers" in module and path.stem != "__init__":
            functions = inspect.getmembers(importlib.import_module(module), inspect.isfunction)
            place = path.stem.removesuffix("_b")
            found |= {f"{place}.{name}": function for name, function in functions}
    for module, name in [place.split(".") for place in SHOWING]:
        found[name] = getattr(importlib.import_module(f"lessons.kit.{module}"), name)
    return {name: classify(function) for name, function in found.items()}


def classify(function: Any) -> str:
    """What it shows, by what it says that it gives back: "picture", "explorer" or nothing."""
    gives = str(inspect.signature(function).return_annotation)
    if gives in TRAININGS:
        return "explorer"
    return "" if gives.startswith(("dict", "tuple", "Tensor")) else "picture"
