"""The teacher's guide and the answers: built from the lessons, so that they cannot fall behind.

From a lesson's script come its sections and their minutes, its exercises and solutions; from its
room its questions, and what the checks say to wrong answers; from the stored notebook how a guess
came out; from benchmarks/results.json time and memory. What only a person can say (routes, goals,
the board, discussions) stands in lessons/teaching.toml, and how a page reads in its template.
"""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from tools.console import ROOT
from tools.source import LANGUAGES, Refused, make_anchor, read_lessons, read_toml
from tools.teaching.questions import Question, list_questions
from tools.teaching.sections import A_MINUTE, SECONDS, Section, list_sections

NOTES = "lessons/teaching.toml"


class TaughtLesson(NamedTuple):
    """A lesson, and what teachers are told of it."""

    name: str
    number: str
    sections: list[Section]
    questions: list[Question]
    notes: dict[str, Any]  # of teaching.toml

    @property
    def title(self) -> dict[str, str]:
        """ "02 · a learnable context": number, and what stands behind the colon of its heading."""
        headings = self.sections[0].heading.items()
        return {
            lang: f"{self.number} · {re.split('[:：] *', heading, maxsplit=1)[1]}"
            for lang, heading in headings
        }

    @property
    def minutes(self) -> float:
        return sum(section.minutes for section in self.sections)

    @property
    def rounded(self) -> int:
        """Its minutes, to five."""
        return 5 * round(self.minutes / 5)

    def count(self, *kinds: str) -> int:
        return sum(question.kind in kinds for question in self.questions)


class Course(NamedTuple):
    """What the pages are made of."""

    lessons: dict[str, TaughtLesson]
    notes: dict[str, Any]  # of teaching.toml
    record: dict[str, Any]  # of the benchmark "lessons"
    address: str


def read_course(root: Path, address: str) -> Course:
    """Raises Refused where the notes lack something, or name what is not there."""
    notes = read_toml(root, NOTES)
    record = json.loads((root / "benchmarks/results.json").read_text("utf-8"))["lessons"]
    lessons = {}
    for lesson in read_lessons(root):
        sections = list_sections(lesson, record["cells"].get(lesson.name, {}))
        questions = list_questions(lesson, sections, root)
        check_answers(questions)
        (of_lesson,) = pick(notes["lesson"], [lesson.name], "notes on lessons")
        parts = lesson.name, lesson.number, sections, questions, of_lesson
        lessons[lesson.name] = TaughtLesson(*parts)
    return Course(lessons, notes, record, address)


def check_answers(questions: list[Question]) -> None:
    """Raise Refused unless each guess has come out, and says what is behind the other answers."""
    for one in [one for one in questions if one.kind == "prediction"]:
        if not one.outcome:
            raise Refused(f"How {one.name} came out stands in no notebook: build its lesson first.")
        explained = ["behind" in answer for answer in one.texts["answers"]]
        if explained != [not answer.right for answer in one.answers]:
            raise Refused(
                f"{one.module.questions.path.relative_to(ROOT).as_posix()}: of the answers to "
                f"{one.name} each wrong one has behind.en and behind.zh, and no other."
            )


def pick(there: dict[str, Any], names: list[str], group: str) -> list[Any]:
    """Those with these names. Raises Refused where one is not there."""
    if unknown := [name for name in names if name not in there]:
        lacking = f"there is no {', '.join(unknown)} among the {group}"
        raise Refused(f"{NOTES}: {lacking}; there are {', '.join(there)}.")
    return [there[name] for name in names]


def plan_routes(course: Course) -> list[dict[str, Any]]:
    """The routes of the notes, with what each step takes. Raises Refused where one ends too late.

    A step is a talk, as in the notes, or sections of a lesson.
    """
    routes = []
    for route in course.notes["route"]:
        steps = [plan_step(course, step) if "lesson" in step else step for step in route["steps"]]
        total = sum(step["minutes"] for step in steps)
        if not route["minutes"] - 5 <= total <= route["minutes"]:
            takes = f"the route of {route['minutes']} minutes takes {total}"
            raise Refused(f"{NOTES}: {takes}; change its steps.")
        routes.append(route | {"steps": steps, "total": total})
    return routes


def plan_step(course: Course, step: dict[str, Any]) -> dict[str, Any]:
    (lesson,) = pick(course.lessons, [step["lesson"]], "lessons")
    there = {section.id: section for section in lesson.sections}
    sections = pick(there, step["sections"], f"sections of {lesson.name}")
    minutes = max(1, round(sum(section.minutes for section in sections)))
    return {"minutes": minutes, "lesson": lesson, "sections": sections}


# The pages


def render_page(course: Course, page: str) -> str:
    """page: "teaching.en.md"; its template lies beside this file."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "anchor": make_anchor,
        "plain": escape_markdown,
        "whole": lambda number: "<1" if number < 0.5 else round(number),
        "quoted": partial(quote, safe=""),
    }
    rule = A_MINUTE | SECONDS
    try:
        template = environment.get_template(f"{page}.j2")
        return template.render(course._asdict(), routes=plan_routes(course), rule=rule)
    except TemplateError as error:
        raise Refused(f"tools/teaching/{page}.j2 or {NOTES}: {error}; mend it.") from error


def escape_markdown(text: str) -> str:
    """A text as markdown that shows it as it is; code in `…` stays code."""
    parts = re.split("(`[^`]*`)", text)
    special = r"([*<\\]|(?<!\w)_|_(?!\w)|\](?=\())"
    return "".join(
        part if part.startswith("`") else re.sub(special, r"\\\1", part) for part in parts
    )


def make_pages(root: Path, address: str) -> dict[Path, bytes]:
    """What each page should be. None where the course has no notes for teachers."""
    if not (root / NOTES).exists():
        return {}
    course = read_course(root, address)
    pages = [f"{name}.{lang}.md" for name in ("teaching", "answers") for lang in LANGUAGES]
    return {root / "docs" / page: render_page(course, page).encode() for page in pages}


def build_pages(root: Path, address: str) -> Iterator[str]:
    """Bring the pages up to date and say what was done."""
    for path, page in make_pages(root, address).items():
        same = path.exists() and path.read_bytes() == page
        if not same:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(page)
        yield f"docs/{path.name}: {'unchanged' if same else 'written'}"


def find_stale_pages(root: Path, address: str) -> list[str]:
    """Those that are not what the lessons make."""
    pages = make_pages(root, address).items()
    stale = [path for path, page in pages if not path.exists() or path.read_bytes() != page]
    what = f"differs from lessons and {NOTES}; run python course.py build."
    return [f"docs/{path.name}: {what}" for path in stale]
