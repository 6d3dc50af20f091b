"""A lesson's script as its builders read it: cells with id, language and tags; what is prose in
them, and what an exercise says of itself. And what else the builders share.
"""

import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import jupytext
from nbformat import NotebookNode, ValidationError, v4

from tools.console import Problem

LANGUAGES = ("en", "zh")
# The line above an exercise: its stars and minutes
EXERCISE = {
    lang: rf"(?m)^\*\*{word}\*\* · (★☆☆|★★☆|★★★) · ([1-9]\d*) {minutes}[ \t]*$"
    for lang, word, minutes in (("en", "Exercise", "minutes?"), ("zh", "练习", "分钟"))
}
# What is no prose (code, formulas); what is no text (addresses, HTML tags)
NO_PROSE = (
    r"(?ms)^[ >]*(```|~~~).*?(?:^[ >]*\1|\Z)|(`+)(?!`).+?(?<!`)\2(?!`)"
    r"|\$\$.+?\$\$|(?<!\\)\$[^$\n]+\$"
)
NO_TEXT = r"\]\([^)]*\)|(?m:^\[.+?\]:.*)|<[^>]*>|https?://\S+"
HAN = "[\u3400-\u4dbf\u4e00-\u9fff]"


class Refused(Problem):
    """What a contributor can put right, in one sentence."""

    def __init__(self, text: str) -> None:
        super().__init__(text, text)


class Lesson(NamedTuple):
    """A script of a room: lesson.py, or lesson_b.py.

    The notebook of the latter is called by its number and the id of its first cell.
    """

    room: str  # "lesson_02_learnable_context"
    part: str  # "" or "_b"
    # as in the script, right or wrong; the metadata has id, lang ("" for code) and tags
    cells: list[NotebookNode]

    @property
    def script(self) -> str:
        return f"lessons/{self.room}/lesson{self.part}.py"

    @property
    def number(self) -> str:
        """ "02" or "02b"."""
        return self.room.split("_")[1] + self.part[1:]

    @property
    def name(self) -> str:
        """That of its notebooks: "02_learnable_context" or "02b_faster"."""
        own = str(self.cells[0].metadata.id).replace("-", "_")
        return f"{self.number}_{own}" if self.part else self.room.removeprefix("lesson_")


def read_lessons(root: Path) -> list[Lesson]:
    """All of them, in their order."""
    return [read_script(path) for path in sorted(root.glob("lessons/lesson_*/lesson*.py"))]


def read_script(path: Path) -> Lesson:
    lesson = Lesson(path.parent.name, path.stem.removeprefix("lesson"), [])
    try:
        # an empty file is an empty cell
        cells = jupytext.read(path, fmt="py:percent").cells or [v4.new_code_cell()]
    except ValidationError as error:
        raise Refused(
            f"{lesson.script}: jupytext cannot read it ({str(error).splitlines()[0]})."
        ) from error
    for cell in cells:
        cell.metadata = NotebookNode({"id": "", "lang": "", "tags": []} | cell.metadata)
        cell.metadata.pop("lines_to_next_cell", None)  # jupytext's own
    return lesson._replace(cells=cells)


def read_toml(root: Path, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads((root / name).read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{name}: this is not TOML ({error}); mend it.") from error


def make_anchor(heading: str) -> str:
    """What GitHub makes of a heading in an address."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
