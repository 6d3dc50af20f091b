"""What a lesson asks, what is behind wrong answers, and what a check says to them."""

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import Any, NamedTuple

import nbformat

from tools.source import EXERCISE, HAN, LANGUAGES, Lesson
from tools.teaching.sections import Section

LETTERS = "ABCDEF"
Bilingual = dict[str, str]  # by language


class Answer(NamedTuple):
    """One of those that a guess or a quiz offers, and what is behind it."""

    letter: str
    text: Bilingual
    why: Bilingual
    right: bool


class Question(NamedTuple):
    """A guess, a quiz or an exercise, where it stands in a lesson."""

    section: Section
    module: Any  # the exercises of its room
    name: str  # and its name there
    outcome: str  # the letter that a guess came out as, in the stored notebook
    above: Bilingual  # just above it
    below: str  # the source of the cell after it: of an exercise, its solution

    @property
    def kind(self) -> str:
        """ "prediction", "quiz" or "exercise"."""
        return type(getattr(self.module, self.name)).__name__.lower()

    @property
    def texts(self) -> dict[str, Any]:
        """Of questions.toml."""
        return self.module.questions.texts[self.kind][self.name]

    @property
    def answers(self) -> list[Answer]:
        """Of a guess or a quiz."""
        if self.kind == "quiz":
            return [
                Answer(letter, choice["text"], choice["why"], choice.get("right", False))
                for letter, choice in zip(LETTERS, self.texts["choices"])
            ]
        return [
            Answer(letter, text, text.get("behind", self.texts["because"]), letter == self.outcome)
            for letter, text in zip(LETTERS, self.texts["answers"])
        ]

    @property
    def headline(self) -> Bilingual:
        """Of an exercise: stars, minutes and what it is called."""
        lines = {}
        for lang, above in self.above.items():
            name = [self.section.heading[lang], *re.findall(r"(?m)^#+ (.+)", above)][-1]
            stars = re.search(EXERCISE[lang], above)[0].strip()
            lines[lang] = f"{stars} · {re.split('[:：] *', name, maxsplit=1)[-1]}"
        return lines

    @property
    def mistakes(self) -> list[Bilingual]:
        return list_mistakes(self.module, self.name)


def list_questions(lesson: Lesson, sections: list[Section], root: Path) -> list[Question]:
    """All that a lesson asks, in its order."""
    outcomes = read_outcomes(root / "notebooks/en" / f"{lesson.name}.ipynb")
    module, found = f"lessons.{lesson.room}.exercises{lesson.part}", []
    for section in sections:
        for n, cell in enumerate(section.cells):
            above = {half.metadata.lang: half.source for half in section.cells[max(0, n - 2) : n]}
            below = "".join(after.source for after in section.cells[n + 1 : n + 2])
            asks = re.findall(r"(?m)^exercises\.(\w+)\.(?:ask|check)\(", cell.source)
            for name in asks if cell.cell_type == "code" else []:
                place = importlib.import_module(module), name, outcomes.get(name, "")
                found.append(Question(section, *place, above, below))
    return found


def read_outcomes(notebook: Path) -> dict[str, str]:
    """The letters that guesses came out as in a notebook, by what was asked to reveal them."""
    cells = nbformat.read(notebook, as_version=4).cells if notebook.exists() else []
    letters = {}
    for cell in [cell for cell in cells if cell.cell_type == "code"]:
        told = "".join(output.get("data", {}).get("text/plain", "") for output in cell.outputs)
        for name in re.findall(r"\w+\.(\w+)\.reveal\(", cell.source):
            letters[name] = "".join(re.findall("came out as ([A-F])", told)[:1])
    return letters


def list_mistakes(module: Any, test: str) -> list[Bilingual]:
    """What a check says to wrong answers; … stands for what depends on the answer.

    Left out is what several checks of the module share: it speaks of types and shapes.
    """
    body = ast.parse(inspect.getsource(module)).body
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    checks = [
        name
        for name, node in functions.items()
        if "exercise" in "".join(map(ast.unparse, node.decorator_list))
    ]
    helpers = {name for name, node in functions.items() if not node.decorator_list}

    def follow(name: str, seen: tuple[str, ...] = ()) -> tuple[str, ...]:
        """The helpers that this function calls, directly or not."""
        for node in ast.walk(functions[name]):
            if isinstance(node, ast.Name) and node.id in helpers and node.id not in seen:
                seen = follow(node.id, (*seen, node.id))
        return seen

    of_others = {name for check in checks if check != test for name in follow(check)}
    own = [test, *(name for name in follow(test) if name not in of_others)]
    nodes = [node for name in own for node in ast.walk(functions[name]) if hasattr(node, "lineno")]
    nodes.sort(key=lambda node: (node.lineno, node.col_offset))
    texts = [text for node in nodes if (text := read_mistake(node))]
    return [
        text for n, text in enumerate(texts) if text["en"].strip("… ") and text not in texts[:n]
    ]


def read_mistake(node: ast.AST) -> Bilingual:
    """The texts of Mistake(en=…, zh=…), or of a row of a table that ends in such a pair."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Mistake":
        return {argument.arg: read_literal(argument.value) for argument in node.keywords}
    if isinstance(node, ast.Tuple) and len(node.elts) > 2:
        pair = dict(zip(LANGUAGES, map(read_literal, node.elts[-2:])))
        return pair if re.search(HAN, pair["zh"]) else {}
    return {}


def read_literal(node: ast.AST) -> str:
    """The text of a string in code, with … where something is filled in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(read_literal, node.values))
    return str(node.value) if isinstance(node, ast.Constant) else "…"
