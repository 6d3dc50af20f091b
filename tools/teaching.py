"""The teacher's guide and the answers, docs/teaching.*.md and docs/answers.*.md: built from the lessons, so that they cannot fall behind.

From a lesson's script come its sections and their minutes, its exercises and solutions; from its room its questions, and what the
checks say to wrong answers; from the stored notebook how a guess came out; from benchmarks/results.json time and memory. What only
a person can say (routes, goals, the board, discussions) stands in lessons/teaching.toml.
"""

import ast
import importlib
import inspect
import json
import math
import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from nbformat import NotebookNode

from tools.source import (
    EXERCISE,
    HAN,
    LANGUAGES,
    NO_PROSE,
    NO_TEXT,
    ROOT,
    Lesson,
    Refused,
    read_lessons,
)

NOTES = "lessons/teaching.toml"
# The rule of minutes: for a learner alone, who reads all, plays with every explorer and does every exercise
WORDS_A_MINUTE, CHARACTERS_A_MINUTE = 180, 270  # English words; Chinese characters
SECONDS = {
    "line": 3,
    "picture": 20,
    "explorer": 90,
    "question": 45,
}  # a line of code; picture or table; explorer or training; guess or quiz
TRAININGS = (
    "Explorer",
    "LongWork",
    "ContextTraining",
    "CaptionerTraining",
)  # what functions that show an explorer give back
# Functions of the kit that lessons call, and that show something
SHOWING = ("explorer.tabulate_accuracies", "models.show_prediction", "models.tell_whose_numbers")
HEADING = r"(?m)^##? (.+)"
LETTERS = "ABCDEF"


def say(lang: str, en: str, zh: str) -> str:
    return zh if lang == "zh" else en


# --- what a lesson holds -------------------------------------------------------------------------------------------------------------


class Section(NamedTuple):
    """What stands under one heading of first or second order."""

    id: str  # of the cell with the heading
    cells: list[NotebookNode]

    def heading(self, lang: str) -> str:
        texts = (cell.source for cell in self.cells if cell.metadata.lang == lang)
        return next(found[1] for text in texts if (found := re.search(HEADING, text)))

    def code(self) -> list[NotebookNode]:
        return [cell for cell in self.cells if cell.cell_type == "code" and "solution" not in cell.metadata.tags]

    def seconds(self, run: dict[str, float]) -> float:
        """That its cells run. run: the seconds of each code cell, as measured."""
        return sum(run.get(cell.metadata.id, 0) for cell in self.code())

    def minutes(self, run: dict[str, float]) -> float:
        """By the rule, in the language that takes longer."""
        seconds = sum(map(seconds_of_code, self.code())) + self.seconds(run)
        texts = {lang: [cell.source for cell in self.cells if cell.metadata.lang == lang] for lang in LANGUAGES}
        return seconds / 60 + max(sum(minutes_of_text(text, lang) for text in texts[lang]) for lang in LANGUAGES)


def minutes_of_text(text: str, lang: str) -> float:
    """To read it, and what it grants an exercise."""
    prose = re.sub(NO_TEXT, " ", re.sub(NO_PROSE, " ", text))
    words, characters = len(re.findall(r"[A-Za-z][A-Za-z’'-]*", prose)), len(re.findall(HAN, prose))
    granted = sum(int(minutes) for _, minutes in re.findall(EXERCISE[lang], text))
    return words / WORDS_A_MINUTE + characters / CHARACTERS_A_MINUTE + granted


def seconds_of_code(cell: NotebookNode) -> int:
    """To read it, and to look at what it shows."""
    lines = 0 if cell.metadata.id == "setup" else len([line for line in cell.source.split("\n") if line.strip()])
    called = re.findall(r"\b(\w+(?:\.\w+)?)\(", cell.source)
    kinds = ["line"] * lines + [shown()[name] for name in called if name in shown()]
    return sum(SECONDS[kind] for kind in kinds + ["question"] * cell.source.count(".ask()"))


@cache
def shown() -> dict[str, str]:
    """What the functions of explorers and of the kit show, "picture" or "explorer", by the names that lessons call them by."""
    found = {}
    for path in ROOT.glob("lessons/lesson_*/**/*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if ".explorers" in module and path.stem != "__init__":
            functions = inspect.getmembers(importlib.import_module(module), inspect.isfunction)
            found |= {f"{path.stem.removesuffix('_b')}.{name}": it for name, it in functions}
    for module, name in [place.split(".") for place in SHOWING]:
        found[name] = getattr(importlib.import_module(f"lessons.kit.{module}"), name)
    return {name: kind for name, it in found.items() if (kind := kind_of(it))}


def kind_of(function: Any) -> str:
    """What a function shows, by what it says that it gives back: "picture", "explorer" or nothing."""
    gives = str(inspect.signature(function).return_annotation)
    return "explorer" if gives in TRAININGS else "" if gives.startswith(("dict", "tuple", "Tensor")) else "picture"


def sections(lesson: Lesson) -> list[Section]:
    parts: list[Section] = []
    for cell in lesson.cells:
        begins = cell.cell_type == "markdown" and re.search(HEADING, cell.source)
        if begins and not (parts and parts[-1].id == cell.metadata.id):
            parts.append(Section(cell.metadata.id, []))
        if parts:
            parts[-1].cells.append(cell)
    return parts


class Asked(NamedTuple):
    """A guess, a quiz or an exercise, where it stands in a lesson."""

    section: Section
    module: Any  # the exercises of its room
    name: str  # and its name there
    it: Any  # a Prediction, Quiz or Exercise of lessons.kit.exercise
    outcome: str  # the letter that a guess came out as, in the stored notebook
    above: dict[str, str]  # the text just above it, in each language
    below: str  # the source of the cell after it: of an exercise, its solution

    @property
    def kind(self) -> str:
        return type(self.it).__name__


def questions(lesson: Lesson, root: Path) -> list[Asked]:
    """All that a lesson asks, in its order."""
    came_out, found = outcomes(root / "notebooks/en" / f"{lesson.name}.ipynb"), []
    for section in sections(lesson):
        for n, cell in [(n, cell) for n, cell in enumerate(section.cells) if cell.cell_type == "code"]:
            above = {half.metadata.lang: half.source for half in section.cells[max(0, n - 2) : n]}
            below = "".join(after.source for after in section.cells[n + 1 : n + 2])
            for name in re.findall(r"(?m)^exercises\.(\w+)\.(?:ask|check)\(", cell.source):
                module = importlib.import_module(f"lessons.{lesson.room}.exercises{lesson.part}")
                found.append(Asked(section, module, name, getattr(module, name), came_out.get(name, ""), above, below))
    return found


def outcomes(notebook: Path) -> dict[str, str]:
    """The letters that the guesses of a stored notebook came out as, by what was asked to reveal them."""
    letters = {}
    for cell in nbformat.read(notebook, as_version=4).cells if notebook.exists() else []:
        for name in re.findall(r"\w+\.(\w+)\.reveal\(", cell.source) if cell.cell_type == "code" else []:
            told = "".join(output.get("data", {}).get("text/plain", "") for output in cell.outputs)
            letters[name] = "".join(re.findall("came out as ([A-F])", told)[:1])
    return letters


def behind(one: Asked) -> dict[str, dict[str, str]]:
    """What is behind each wrong answer to a prediction, by its letter."""
    answers = one.module.questions.texts["prediction"][one.name]["answers"]
    return {letter: answer["behind"] for letter, answer in zip(LETTERS, answers) if "behind" in answer}


def mistakes(module: Any, test: str) -> list[dict[str, str]]:
    """What a check says to wrong answers, in both languages; … stands for what depends on the answer.

    Left out is what several checks of the module share: it speaks of types and shapes.
    """
    found = [node for node in ast.parse(inspect.getsource(module)).body if isinstance(node, ast.FunctionDef)]
    checks = {node.name: node for node in found if "exercise" in "".join(map(ast.unparse, node.decorator_list))}
    helpers = {node.name: node for node in found if not node.decorator_list}

    def reached(function: ast.FunctionDef, seen: tuple[str, ...] = ()) -> tuple[str, ...]:
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and node.id in helpers and node.id not in seen:
                seen = reached(helpers[node.id], (*seen, node.id))
        return seen

    of_others = {name for check in checks.values() if check.name != test for name in reached(check)}
    own = [checks[test], *(helpers[name] for name in reached(checks[test]) if name not in of_others)]
    nodes = sorted((node for function in own for node in ast.walk(function) if hasattr(node, "lineno")), key=by_line)
    texts = [text for node in nodes if (text := both_languages(node))]
    return [text for n, text in enumerate(texts) if text["en"].strip("… ") and text not in texts[:n]]


def by_line(node: Any) -> tuple[int, int]:
    return node.lineno, node.col_offset


def both_languages(node: ast.AST) -> dict[str, str]:
    """The texts of Mistake(en=…, zh=…), or of a row of a table of mistakes, which ends in the English and the Chinese one."""
    if is_call(node, "Mistake"):
        return {argument.arg: literal(argument.value) for argument in node.keywords}
    if isinstance(node, ast.Tuple) and len(node.elts) > 2 and re.search(HAN, literal(node.elts[-1])):
        return dict(zip(LANGUAGES, map(literal, node.elts[-2:])))
    return {}


def is_call(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == name


def literal(node: ast.AST) -> str:
    """The text of a string in code, with … where something is filled in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(literal, node.values))
    return str(node.value) if isinstance(node, ast.Constant) else "…"


# --- the whole -----------------------------------------------------------------------------------------------------------------------


class Course(NamedTuple):
    """What the pages are made of."""

    lessons: list[Lesson]
    asked: dict[str, list[Asked]]  # by the lesson's name
    notes: dict[str, Any]  # of teaching.toml
    record: dict[str, Any]  # of the benchmark "lessons"
    address: str

    def minutes(self, lesson: Lesson, ids: Iterable[str] | None = None) -> float:
        """Of a lesson, or of these sections of it. Raises Refused where one is not there."""
        there = {section.id: section for section in sections(lesson)}
        if unknown := [id for id in ids or () if id not in there]:
            raise Refused(f"{NOTES}: {lesson.name} has no section {', '.join(unknown)}; there are {', '.join(there)}.")
        run = self.record["cells"].get(lesson.name, {})
        return sum(there[id].minutes(run) for id in (there if ids is None else ids))

    def rounded(self, lesson: Lesson) -> int:
        return 5 * round(self.minutes(lesson) / 5)


def read_course(root: Path, address: str) -> Course:
    """Raises Refused where the notes lack something, or name what is not there."""
    lessons = read_lessons(root)
    notes = tomllib.loads((root / NOTES).read_text("utf-8"))
    record = json.loads((root / "benchmarks/results.json").read_text("utf-8"))["lessons"]
    asked = {lesson.name: questions(lesson, root) for lesson in lessons}
    if missing := [lesson.name for lesson in lessons if lesson.name not in notes["lesson"]]:
        raise Refused(f"{NOTES} has nothing on {', '.join(missing)}: write goals, board and discussions.")
    for one in [one for each in asked.values() for one in each if one.kind == "Prediction"]:
        if not one.outcome:
            raise Refused(f"How {one.name} came out stands in no notebook: build its lesson first.")
        if [letter for letter in LETTERS[: len(one.it.answers)] if letter != one.outcome] != list(behind(one)):
            raise Refused(
                f"{one.module.questions.path.relative_to(ROOT).as_posix()}: of the answers to {one.name} each wrong one has behind.en and behind.zh, and no other."
            )
    return Course(lessons, asked, notes, record, address)


def pages(root: Path, address: str) -> dict[Path, str]:
    """The text of each page. None where the course has no notes for teachers."""
    if not (root / NOTES).exists():
        return {}
    course = read_course(root, address)
    makers = {"teaching": guide, "answers": answers}
    return {root / f"docs/{name}.{lang}.md": make(course, lang) for name, make in makers.items() for lang in LANGUAGES}


def build(root: Path, address: str) -> list[str]:
    """Brings the pages up to date and says what was done."""
    report = []
    for path, text in pages(root, address).items():
        same = path.exists() and path.read_text("utf-8") == text
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode())
        report.append(f"docs/{path.name}: {'unchanged' if same else 'written'}")
    return report


def differences(root: Path, address: str) -> list[str]:
    """Pages that are not what the lessons make."""
    stale = [
        path for path, text in pages(root, address).items() if not path.exists() or path.read_text("utf-8") != text
    ]
    return [f"docs/{path.name}: differs from lessons and {NOTES}; run python course.py build." for path in stale]


# --- the pages -----------------------------------------------------------------------------------------------------------------------


def title(lesson: Lesson, lang: str) -> str:
    """ "02 · a learnable context": number, and what stands behind the colon of its heading."""
    return f"{lesson.name.split('_')[0]} · {re.split('[:：] *', sections(lesson)[0].heading(lang), maxsplit=1)[1]}"


def anchor(heading: str) -> str:
    """What GitHub makes of a heading in an address."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def plain(text: str) -> str:
    """A text of the exercises as markdown that shows it as it is; code in `…` stays code."""
    parts = re.split("(`[^`]*`)", text)
    special = r"([*<\\]|(?<!\w)_|_(?!\w)|\](?=\())"
    return "".join(part if part.startswith("`") else re.sub(special, r"\\\1", part) for part in parts)


def table(header: list[str], rows: list[list[str]], right: str = "") -> list[str]:
    """Markdown; `right`: the numbers of columns that hold numbers."""
    lines = ["---:" if str(n) in right else "---" for n in range(len(header))]
    return [f"| {' | '.join(row)} |" for row in [header, lines, *rows]]


def head(lang: str, name: str, heading: str) -> list[str]:
    other, others = say(lang, f"[中文]({name}.zh.md)", f"[English]({name}.en.md)"), NOTES
    built = say(
        lang,
        f"Built by `python course.py build` from the lessons and [`{others}`](../{others}): change those, not this page.",
        f"本页由 `python course.py build` 根据课文和 [`{others}`](../{others}) 生成：要改请改那里，不要改这一页。",
    )
    return [f"# {heading}", "", other, "", built]


def guide(course: Course, lang: str) -> str:
    """docs/teaching.*.md"""
    lines = head(lang, "teaching", say(lang, "Teaching Ten Vectors", "《十个向量》教学指南"))
    lines += ["", *overview(course, lang), "", *routes(course, lang), "", *when(course, lang), "", *hub(course, lang)]
    lines += ["", "## " + say(lang, "Lesson by lesson", "逐课说明")]
    for lesson in course.lessons:
        lines += ["", *about(course, lesson, lang)]
    return "\n".join(lines) + "\n"


def overview(course: Course, lang: str) -> list[str]:
    rows, all_minutes = [], 0
    for lesson in course.lessons:
        kinds = [one.kind for one in course.asked[lesson.name]]
        minutes, record = course.rounded(lesson), course.record
        run = record["seconds"].get(lesson.name, {}).get("median")
        memory = record["peak_gib"].get(lesson.name)
        all_minutes += minutes
        counts = [kinds.count("Exercise"), len(kinds) - kinds.count("Exercise")]
        measured = [f"{run:.0f} {say(lang, 's', '秒')}" if run else "–", f"{memory:.1f} GiB" if memory else "–"]
        heading = title(lesson, lang)
        rows.append([f"[{heading}](#{anchor(heading)})", *map(str, [minutes, *counts]), *measured])
    header = say(
        lang,
        "lesson | minutes | exercises | guesses and quizzes | runs in | memory",
        "课 | 分钟 | 练习 | 先猜与小测验 | 运行 | 内存",
    ).split(" | ")
    machine = course.record["machine"]
    threads = machine["threads"]
    return [
        "## " + say(lang, "At a glance", "一览"),
        "",
        *table(header, rows, right="12345"),
        "",
        say(
            lang,
            f"All together {all_minutes} minutes. **The rule of minutes**: {WORDS_A_MINUTE} English words or {CHARACTERS_A_MINUTE} "
            f"Chinese characters a minute, whichever text takes longer; {SECONDS['line']} seconds a line of code, "
            f"{SECONDS['picture']} a picture or table, {SECONDS['explorer']} an explorer or a training, {SECONDS['question']} a guess or "
            "a quiz; the minutes printed above each exercise; and the time that the cells take to run. A lesson is rounded to five minutes. "
            "It is a rule, not a measurement: we have not yet watched a class.",
            f"合计 {all_minutes} 分钟。**分钟数的算法**：每分钟 {CHARACTERS_A_MINUTE} 个汉字或 {WORDS_A_MINUTE} 个英文词，取较长的一种；"
            f"每行代码 {SECONDS['line']} 秒，每张图或表 {SECONDS['picture']} 秒，每个互动图或一次训练 {SECONDS['explorer']} 秒，"
            f"每次“先猜”或小测验 {SECONDS['question']} 秒；再加上每道练习上方标出的分钟数，以及各格实际的运行时间。每课取到 5 分钟。"
            "这是算出来的，不是测出来的：我们还没有在课堂上计过时。",
        ),
        "",
        say(
            lang,
            f"**Run time and memory** are measured: every cell once, in a fresh kernel, without pressing a training button (each press takes "
            f"seconds, up to a minute in lesson 03); memory is the most that the kernel held. {course.record['date']}, {machine['cpu']}, "
            f"{threads} thread{'s' * (threads > 1)}, torch {machine['torch']}, transformers {machine['transformers']}; the whole course in "
            f"one language took {course.record['value']:.0f} seconds. `{course.record['command']}` measures it again and lists every cell.",
            f"**运行时间和内存**是实测的：在全新的内核里把每一格运行一遍，不按训练按钮（按一次要几秒，第 03 课最多一分钟左右）；"
            f"内存是内核占用的最大值。{course.record['date']}，{machine['cpu']}，{threads} 个线程，torch {machine['torch']}，"
            f"transformers {machine['transformers']}；一种语言的全部课程共 {course.record['value']:.0f} 秒。"
            f"`{course.record['command']}` 会重新测一遍，并记下每一格的时间。",
        ),
    ]


def routes(course: Course, lang: str) -> list[str]:
    by_name = {lesson.name: lesson for lesson in course.lessons}
    lines = ["## " + say(lang, "Three routes", "三条路线")]
    for route in course.notes["route"]:
        rows, total = [], 0
        for step in route["steps"]:
            minutes, where, what = route_step(course, by_name, step, lang)
            rows, total = [*rows, [str(minutes), where, what]], total + minutes
        if not route["minutes"] - 5 <= total <= route["minutes"]:
            raise Refused(f"{NOTES}: the route of {route['minutes']} minutes takes {total}; change its steps.")
        header = say(lang, "minutes | lesson | sections", "分钟 | 课 | 小节").split(" | ")
        sum_ = [f"**{total}**", "", say(lang, "together", "合计")]
        heading = say(lang, f"{route['minutes']} minutes: ", f"{route['minutes']} 分钟：") + route["title"][lang]
        lines += ["", f"### {heading}", "", route["aim"][lang], "", *table(header, [*rows, sum_], right="0")]
    return lines


def route_step(course: Course, lessons: dict[str, Lesson], step: dict[str, Any], lang: str) -> tuple[int, str, str]:
    """Minutes, the notebook and its sections; or a talk."""
    if "lesson" not in step:
        return step["minutes"], "", step[lang]
    lesson = lessons[step["lesson"]]
    minutes = max(1, round(course.minutes(lesson, step["sections"])))
    headings = {section.id: section.heading(lang) for section in sections(lesson)}
    link = f"[{lesson.name.split('_')[0]}](../notebooks/{lang}/{lesson.name}.ipynb)"
    return minutes, link, " / ".join(headings[id] for id in step["sections"])


def when(course: Course, lang: str) -> list[str]:
    headings = {
        "evening": say(lang, "The evening before", "课前一晚"),
        "class": say(lang, "In class", "课上"),
        "after": say(lang, "Afterwards", "课后"),
    }
    lines = []
    for part, heading in headings.items():
        lines += ["", f"## {heading}", "", *(f"- {point[lang]}" for point in course.notes["when"][part])]
    return lines[1:]


def hub(course: Course, lang: str) -> list[str]:
    most = max(course.record["peak_gib"].values())
    limit = math.ceil(2 * most)  # a second lesson left open
    repository = course.address or "https://github.com/OWNER/REPOSITORY"
    coded = repository.replace(":", "%3A").replace("/", "%2F")
    folder = repository.rsplit("/", 1)[1]
    start = f"lab%2Ftree%2F{folder}%2Fnotebooks%2F{lang}%2F00_start_here.ipynb"
    link = f"https://HUB/hub/user-redirect/git-pull?repo={coded}&branch=main&urlpath={start}"
    unset = ("", "") if course.address else (
        " (The course has no public address yet: put the course into a repository of yours, write its address into `address` in "
        "`pyproject.toml`, and build again; this page then holds your link.)",
        "（课程还没有公开的地址：请放进你自己的仓库，把地址写进 `pyproject.toml` 的 `address`，重新生成，这里就会换成你的链接。）",
    )  # fmt: skip
    return [
        "## " + say(lang, "A hub for the class", "给全班架一台服务器"),
        "",
        say(
            lang,
            "[The Littlest JupyterHub](https://tljh.jupyter.org) gives every student a JupyterLab on one Ubuntu server: "
            "`curl -L https://tljh.jupyter.org/bootstrap.py | sudo -E python3 - --admin NAME`, then log in as that admin, open a terminal, "
            "get the course, and in its folder install the packages for everybody: `sudo -E pip install -r requirements.txt -c "
            "constraints/tested.txt --extra-index-url https://download.pytorch.org/whl/cpu`. A kernel held at most "
            f"{most:.1f} GiB, and a student may have two lessons open, so plan {limit} GiB for each who works at the same time "
            f"(`sudo tljh-config set limits.memory {limit}G && sudo tljh-config reload`). With "
            "[nbgitpuller](https://nbgitpuller.readthedocs.io), which is part of it, one link fetches the course into the student's "
            f"folder and opens lesson 00, with HUB replaced by the name of your server: `{link}`.{unset[0]} To hand out the set without "
            "solutions, run `python course.py build --no-solutions`, add the folder to your repository (`git add -f classroom`), and "
            f"write `classroom` for `notebooks` in the link. We had no server to try this recipe on.",
            "[The Littlest JupyterHub](https://tljh.jupyter.org) 能在一台 Ubuntu 服务器上给每位学生一个 JupyterLab："
            "`curl -L https://tljh.jupyter.org/bootstrap.py | sudo -E python3 - --admin NAME`。装好后用这个管理员登录，打开终端，取得课程，"
            "在课程文件夹里为所有人安装依赖：`sudo -E pip install -r requirements.txt -c constraints/tested.txt --extra-index-url "
            f"https://download.pytorch.org/whl/cpu`。一个内核最多占 {most:.1f} GiB，学生可能同时开着两课，所以同时上课的每人按 "
            f"{limit} GiB 准备（`sudo tljh-config set limits.memory {limit}G && sudo tljh-config reload`）。"
            "它自带 [nbgitpuller](https://nbgitpuller.readthedocs.io)：学生点一个链接，课程就取到自己的文件夹里，并打开第 00 课；"
            f"链接中的 HUB 换成你的服务器名：`{link}`。{unset[1]}要发不带参考答案的一套，先运行 `python course.py build "
            "--no-solutions`，把这个文件夹加进你的仓库（`git add -f classroom`），再把链接里的 `notebooks` 换成 `classroom`。"
            "我们没有服务器，这一段没有实际试过。",
        ),
    ]


def about(course: Course, lesson: Lesson, lang: str) -> list[str]:
    """A lesson in the guide: all that one skims before class, and a link to its answers."""
    notes, heading = course.notes["lesson"][lesson.name], title(lesson, lang)
    run = course.record["cells"].get(lesson.name, {})
    parts = [(part.heading(lang), part.minutes(run), part.seconds(run)) for part in sections(lesson)]
    unit = say(lang, " s", " 秒")
    short = [[name, whole(minutes, ""), whole(seconds, unit)] for name, minutes, seconds in parts]
    lines = [
        f"### {heading}",
        "",
        say(
            lang,
            f"[Notebook](../notebooks/en/{lesson.name}.ipynb) · [answers, and what is behind wrong ones](answers.en.md#{anchor(heading)}) · "
            f"{course.rounded(lesson)} minutes",
            f"[笔记本](../notebooks/zh/{lesson.name}.ipynb) · [答案与错误背后的想法](answers.zh.md#{anchor(heading)}) · {course.rounded(lesson)} 分钟",
        ),
        "",
        say(lang, "**Needed before.** ", "**需要先会**：") + notes["before"][lang],
        "",
        say(lang, "**Afterwards they can**", "**学完能做到**"),
        "",
        *(f"- {goal[lang]}{say(lang, '', '。')}" for goal in notes["goals"]),
        "",
        say(lang, "**On the board.** ", "**黑板上**：") + notes["board"][lang],
        "",
        say(lang, "**To discuss**", "**讨论**"),
        "",
    ]
    for n, question in enumerate(notes["discuss"], start=1):
        good = say(lang, "*A good answer*: ", "*好的回答*：")
        lines.append(f"{n}. {question[lang]}<br>{good}{question['good'][lang]}")
    summary = say(lang, "Sections, minutes, waiting", "小节、分钟与等待")
    columns = say(lang, "section | minutes | of them running", "小节 | 分钟 | 其中运行").split(" | ")
    rows = table(columns, short, right="12")
    return [*lines, "", f"<details><summary>{summary}</summary>", "", *rows, "", "</details>"]


def whole(number: float, unit: str) -> str:
    """A number without its fraction, or "<1"."""
    return f"{'<1' if number < 0.5 else round(number)}{unit}"


def answers(course: Course, lang: str) -> str:
    """docs/answers.*.md"""
    lines = head(lang, "answers", say(lang, "Answers to Ten Vectors", "《十个向量》答案"))
    lines += [
        "",
        say(
            lang,
            "For teachers; the guide is [here](teaching.en.md). All that the lessons ask, in their order: how each guess comes out and what "
            "is behind a wrong one; every choice of every quiz; and for each exercise its solution, its hints, and the mistakes that its "
            "check knows by name (… stands for what depends on the answer; what the checks say of wrong types and shapes is left out).",
            "供教师使用，教学指南在[这里](teaching.zh.md)。课文里问的都在这里，按出现的先后排列：每个“先猜”的结果，以及猜错的背后是什么想法；"
            "每道小测验的每个选项；每道练习的参考答案、提示，以及程序叫得出名字的错误（“…”处随答案而变；关于类型和形状的评语从略）。",
        ),
    ]
    for lesson in course.lessons:
        lines += ["", f"## {title(lesson, lang)}"]
        for before, one in zip([None, *course.asked[lesson.name]], course.asked[lesson.name]):
            if before is None or before.section.id != one.section.id:
                lines += ["", f"### {one.section.heading(lang)}"]
            lines += ["", *(of_exercise(one, lang) if one.kind == "Exercise" else of_question(course, one, lang))]
    return "\n".join(lines) + "\n"


def of_question(course: Course, one: Asked, lang: str) -> list[str]:
    """A guess or a quiz: each answer with what is behind it, the right one marked."""

    def text(part: Any) -> str:
        return plain(getattr(part, lang))

    if one.kind == "Quiz":
        rows = [(text(choice.text), text(choice.why), choice.right) for choice in one.it.choices]
        lines = [say(lang, "**Quiz.** ", "**小测验**：") + text(one.it.question), ""]
    else:
        whys = behind(one) | {one.outcome: {lang: text(one.it.because)}}
        rows = [
            (text(given), whys[letter][lang], letter == one.outcome) for letter, given in zip(LETTERS, one.it.answers)
        ]
        lines = [say(lang, "**Guess.** ", "**先猜**：") + text(one.it.question), ""]
    for letter, (given, why, right) in zip(LETTERS, rows):
        lines.append(f"- {f'✓ **{letter}. {given}**' if right else f'✗ {letter}. {given}'}<br>{why}")
    return lines


def of_exercise(one: Asked, lang: str) -> list[str]:
    """Its line, solution, hints, and the mistakes that its check names."""
    line = re.search(EXERCISE[lang], one.above[lang])[0].strip()
    name = re.findall(r"(?m)^#+ (.+)", one.above[lang])[-1:] or [one.section.heading(lang)]
    said = mistakes(one.module, one.name)
    return [
        f"{line} · {re.split('[:：] *', name[0], maxsplit=1)[-1]}",
        "",
        "```python",
        one.below,
        "```",
        "",
        *(f"{n}. {plain(getattr(hint, lang))}" for n, hint in enumerate(one.it.hints, start=1)),
        "",
        *(f"- ✗ {plain(mistake[lang])}" for mistake in said),
    ]
