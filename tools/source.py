"""A lesson's script as its builders read it: cells with id, language and tags; what is prose in them, and what an exercise says of itself."""

from pathlib import Path
from typing import NamedTuple

import jupytext
from nbformat import NotebookNode, ValidationError, v4

ROOT = Path(__file__).resolve().parents[1]
LANGUAGES = ("en", "zh")
# The line above an exercise: its stars and minutes
EXERCISE = {
    lang: rf"(?m)^\*\*{word}\*\* · (★☆☆|★★☆|★★★) · ([1-9]\d*) {minutes}[ \t]*$"
    for lang, word, minutes in (("en", "Exercise", "minutes?"), ("zh", "练习", "分钟"))
}
# What is no prose (code, formulas); what is no text (addresses, HTML tags)
NO_PROSE = r"(?ms)^[ >]*(```|~~~).*?(?:^[ >]*\1|\Z)|(`+)(?!`).+?(?<!`)\2(?!`)|\$\$.+?\$\$|(?<!\\)\$[^$\n]+\$"
NO_TEXT = r"\]\([^)]*\)|(?m:^\[.+?\]:.*)|<[^>]*>|https?://\S+"
HAN = "[\u3400-\u4dbf\u4e00-\u9fff]"


class Refused(Exception):
    """What a contributor can put right, in one sentence."""


class Lesson(NamedTuple):
    name: str  # "00_start_here"
    cells: list[NotebookNode]  # as in the script, right or wrong; the metadata has id, lang ("" for code) and tags


def scripts(root: Path) -> list[Path]:
    return sorted(root.glob("lessons/[0-9]*_*.py"))


def read_script(path: Path) -> Lesson:
    try:
        cells = jupytext.read(path, fmt="py:percent").cells or [v4.new_code_cell()]  # an empty file is an empty cell
    except ValidationError as error:
        raise Refused(f"lessons/{path.name}: jupytext cannot read it ({str(error).splitlines()[0]}).") from error
    for cell in cells:
        cell.metadata = NotebookNode({"id": "", "lang": "", "tags": []} | cell.metadata)
        cell.metadata.pop("lines_to_next_cell", None)  # jupytext's own
    return Lesson(path.stem, cells)
