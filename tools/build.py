"""Builds the notebooks: lesson.py in a lesson's room holds its text in both languages and its code
once. And the teacher's pages, by tools/teaching; and for a class a set without solutions.

`python course.py build` runs this file. jupytext reads the scripts, nbclient runs the notebooks,
nbformat writes them.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from functools import partial
from itertools import zip_longest
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, CellExecutionError, DeadKernelError
from nbformat import NotebookNode, v4

from tools.console import ROOT, Say, run_command
from tools.source import (
    EXERCISE,
    HAN,
    NO_PROSE,
    NO_TEXT,
    Lesson,
    Refused,
    read_lessons,
    read_toml,
)
from tools.teaching import guide

Glossary = list[list[list[str]]]  # of each row its right Chinese terms, and their wrong variants
TAGS = ("exercise", "solution", "prepare", "measured", "raises-exception")
# The first code cell of every script, and what it says in Chinese. The course lies in a folder
# above, or in one below.
SETUP = """\
import runpy
from pathlib import Path

here, script = Path.cwd(), "lessons/kit/setup_cell.py"
found = [path for folder in [here, *here.parents] for path in folder.glob(script)]
found += sorted(here.glob("*/" + script))
if not found:
    raise FileNotFoundError(f"The course is not here: {here} is not inside its folder. \
Move this notebook into it.")
start = runpy.run_path(str(found[0]))["start"]
start("en")"""
IN_CHINESE = {
    '"en"': '"zh"',
    "The course is not here: {here} is not inside its folder. Move this notebook into it.": (
        "这里找不到课程：{here} 不在课程的文件夹里。请把这个笔记本移到课程的文件夹里。"
    ),
}
SOLUTION = "<details><summary>{}</summary>\n\n```python\n{}\n```\n\n</details>"
WORDS = {"en": ("Solution", "Open this lesson in Colab"), "zh": ("参考答案", "在 Colab 中打开本课")}
# Headings, table rows, list items or paragraphs
BLOCK = r"(?m)^[ >]*[#|].*|^.+(?:\n(?![ \t]*(?:[#>|]|[-*+]\s|\d+[.)]\s|$)).+)*"
HALF_WIDTH = rf"(?m){HAN}[*_）》”’]*(?:[,;:?]|!(?!\[)|\.[ \t]*$)"


def read_glossary(path: Path) -> Glossary:
    """Rows are | English | 中文 | wrong variants | note |; （） holds explanations."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    rows = [re.sub("（.*?）", "", line).split("|")[2:4] for line in lines if line.startswith("|")]
    if len(rows) < 3:
        lacking = "there is no table of terms; write it, or bring the file back"
        raise Refused(f"lessons/{path.name}: {lacking}.")
    return [
        [[term.strip() for term in cell.split("、") if term.strip()] for cell in row]
        for row in rows[2:]
    ]


def make_setup_code(lang: str, address: str = "") -> str:
    """A notebook's set-up cell. With an address it first fetches the course, on Colab."""
    code = SETUP
    for english, chinese in IN_CHINESE.items() if lang == "zh" else ():
        code = code.replace(english, chinese)
    if not address:
        return code
    return f"""import os, sys
if "google.colab" in sys.modules and not os.path.exists("ten-vectors"):
    get_ipython().system("git clone -q --depth 1 {address} ten-vectors")
{code}"""


def select_code(cells: list[NotebookNode]) -> list[NotebookNode]:
    return [cell for cell in cells if cell.cell_type == "code"]


def encode(book: NotebookNode) -> bytes:
    """The notebook as it is stored."""
    return f"{nbformat.writes(book, version=4)}\n".encode()


def build_for_class(lessons: list[Lesson], root: Path, address: str) -> None:
    """Writes both languages into a folder that git ignores."""
    for lesson in lessons:
        for lang in WORDS:
            path = root / "classroom" / lang / f"{lesson.name}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(make_notebook(lesson, lang, address, solutions=False)))


def make_notebook(
    lesson: Lesson,
    lang: str,
    address: str = "",
    ran: list[NotebookNode] | None = None,
    solutions: bool = True,
) -> NotebookNode:
    """The lesson in one language, with the outputs of the cells that have run before.

    Without solutions there is no link to Colab either: it would open the notebook that has them.
    """
    book = v4.new_notebook(nbformat_minor=5, metadata={"language_info": {"name": "python"}})
    book.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    colab = address.replace("https://github.com", "https://colab.research.google.com/github")
    to_colab = f"\n\n[{WORDS[lang][1]}]({colab}/blob/main/notebooks/{lang}/{lesson.name}.ipynb)"
    link = to_colab if address and solutions else ""
    for cell in [cell for cell in lesson.cells if cell.metadata.lang in ("", lang)]:
        id, source, tags = str(cell.metadata.id), cell.source, cell.metadata.tags
        if "solution" in tags and not solutions:
            continue
        if "solution" in tags:
            new = v4.new_markdown_cell(SOLUTION.format(WORDS[lang][0], source))
        elif cell.cell_type == "markdown":
            new, link = v4.new_markdown_cell(source + link), ""
        else:
            new = v4.new_code_cell(make_setup_code(lang, address) if id == "setup" else source)
            for before in [before for before in select_code(ran or []) if before.get("id") == id]:
                new.execution_count, new.outputs = before.execution_count, before.outputs
            if new.outputs and not {"measured", "raises-exception"} & set(tags):
                tags = [*tags, "nbval-check-output"]
        tags = [tag for tag in tags if tag not in ("prepare", "measured")]
        new.id, new.metadata = id, NotebookNode(tags=tags) if tags else NotebookNode()
        book.cells.append(new)
    return book


def clean_outputs(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Outputs without views of widgets, which would reopen as an error.

    Neighbouring streams of one name become one.
    """
    kept: list[NotebookNode] = []
    for output in outputs:
        for kind in [kind for kind in output.get("data", ()) if "jupyter.widget" in kind]:
            del output.data[kind]
        if output.output_type == "stream" and kept and kept[-1].get("name") == output.name:
            kept[-1].text += output.text
        elif output.get("data") != {}:
            kept.append(output)
    return kept


def execute(book: NotebookNode, path: Path, timeout: int = 600) -> list[NotebookNode]:
    """The cells after a run in a fresh kernel, in the folder of the notebook.

    Raises Refused if one of them fails or warns.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    client = NotebookClient(book, timeout=timeout, kernel_name="python3", record_timing=False)
    client.resources = {"metadata": {"path": str(path.parent)}}
    with client.setup_kernel():
        for n, cell in enumerate(book.cells):
            if cell.cell_type != "code":
                continue
            try:
                client.execute_cell(cell, n)
                cell.outputs = clean_outputs(cell.outputs)
                streams = [output for output in cell.outputs if output.get("name") == "stderr"]
                failed = "".join(output.text.strip() for output in streams)
            except CellExecutionError as error:
                failed = f"{error.ename}: {error.evalue}"
            except (CellControlSignal, DeadKernelError) as error:
                failed = str(error).splitlines()[0]
            if failed:
                raise Refused(f'cell "{cell.id}" ({path.parent.name}): {failed}')
    return book.cells


def compare_with_stored(
    lesson: Lesson, root: Path, address: str
) -> Iterator[tuple[str, Path, list[NotebookNode], NotebookNode]]:
    """Of each language: where its notebook is kept, the cells stored there, and what it should be.

    The latter has the outputs of the former.
    """
    for lang in WORDS:
        path = root / "notebooks" / lang / f"{lesson.name}.ipynb"
        try:
            old = nbformat.read(path, as_version=4).cells
        except (OSError, ValueError):  # it is missing, or cannot be read
            old = []
        yield lang, path, old, make_notebook(lesson, lang, address, old)


def find_stale_notebooks(lesson: Lesson, root: Path, address: str = "") -> Iterator[str]:
    """Where the stored notebooks are not what the script makes, outputs aside."""
    for lang, path, old, book in compare_with_stored(lesson, root, address):
        unlike = [new or was for new, was in zip_longest(book.cells, old) if new != was]
        missing = "the notebook is missing or cannot be read"
        what = f"differs from {lesson.script}" if old else missing
        remedy = f"run python course.py build {lesson.name}"
        for cell in unlike[:1]:
            yield f'notebooks/{lang}/{path.name}, cell "{cell.get("id")}": {what}; {remedy}.'


def build_lesson(
    lesson: Lesson, root: Path, address: str = "", everything: bool = False
) -> list[str]:
    """Brings a lesson's notebooks up to date and says what was done.

    Nothing is written unless every cell ran well in both.
    """
    files, report = {}, []
    for lang, path, old, book in compare_with_stored(lesson, root, address):
        done = "unchanged"
        if everything or select_code(book.cells) != select_code(old):
            done = "executed"
            try:
                ran = execute(make_notebook(lesson, lang, address), path)
            except Refused as failure:
                raise Refused(f"{lesson.script}, {failure}") from failure
            book = make_notebook(lesson, lang, address, ran)
        content = encode(book)
        if not path.exists() or path.read_bytes() != content:
            files[path] = content
            done = "prose changed, outputs kept" if done == "unchanged" else done
        report.append(f"notebooks/{lang}/{path.name}: {done}")
    for path, content in files.items():
        path.with_suffix(".new").write_bytes(content)
        path.with_suffix(".new").replace(path)
    return report


def find_script_faults(lesson: Lesson, glossary: Glossary) -> list[str]:
    """All that is wrong with a script, cell by cell."""
    found = []
    for n, cell in enumerate(lesson.cells):
        name = f'"{cell.metadata.id}"' if cell.metadata.id else f"no. {n + 1}"
        whats = [*find_form_faults(lesson.cells, n), *find_word_faults(cell, glossary)]
        found += [f"{lesson.script}, cell {name}: {what}." for what in whats]
    return list(dict.fromkeys(found))


def find_form_faults(cells: list[NotebookNode], n: int) -> list[str]:
    """What is wrong with the frame of cell n: id, language and tags, its other half, neighbours."""
    cell, before = cells[n], cells[max(0, n - 2) : n]
    id, lang, tags = str(cell.metadata.id), cell.metadata.lang, set(cell.metadata.tags)
    code, markdown = cell.cell_type == "code", cell.cell_type == "markdown"
    good_id = re.fullmatch("(?=.{1,64}$)[a-z0-9]+(-[a-z0-9]+)*", id)
    twins = [m for m, other in enumerate(cells) if m != n and other.metadata.id == id]
    apart = [abs(m - n) for m in twins if cells[m].metadata.lang != lang]
    alone = markdown and lang in WORDS and not apart
    first = n == next((m for m, other in enumerate(cells) if other.cell_type == "code"), 0)
    halves = {half.metadata.lang: half.source for half in before}
    en, zh = (re.findall(line, halves.get(lang, "")) for lang, line in EXERCISE.items())
    unlike = "exercise" in tags and not (en == zh != [])
    posed = any("exercise" in other.metadata.tags for other in before[-1:])
    solved = any("solution" in other.metadata.tags for other in cells[n + 1 : n + 2])
    strange, more = tags - set(TAGS if code else ()), [*cell.metadata][3:]
    no_stars = "**Exercise** · ★☆☆ · 4 minutes or the same **练习** · ★☆☆ · 4 分钟 is missing"
    rules = {
        f"it is a {cell.cell_type} cell; make it markdown or code": not (code or markdown),
        f"unknown metadata {', '.join(more)}; take it out": more,
        f"unknown tag in {cell.metadata.tags}; code cells may have {', '.join(TAGS)}": strange,
        "it has no id like-this-1; give it one": not good_id,
        "its id stands elsewhere too; choose another": id and len(twins) > markdown,
        "it is empty; fill it or take it out": not cell.source.strip(),
        'lang is "en" or "zh" for markdown, and absent for code; mend it': (
            lang not in (WORDS if markdown else [""])
        ),
        "its other half is missing; write it in both languages": alone,
        "its halves stand apart; put them side by side": markdown and apart and min(apart) > 1,
        "it is not the set-up cell; copy that of another lesson": (
            first and (id, cell.source) != ("setup", SETUP)
        ),
        "no solution follows; write it in the next cell": "exercise" in tags and not solved,
        "it solves no exercise; put it behind one": "solution" in tags and not posed,
        f"{no_stars} above; write both": unlike,
    }
    return [what for what, wrong in rules.items() if wrong]


def find_wrong_variants(chinese: str, glossary: Glossary) -> Iterator[str]:
    """The glossary's wrong variants in a text, unless they are part of a right term."""
    for right, variants in glossary:
        for wrong in variants:
            longer = [term for terms, _ in glossary for term in terms if wrong in term]
            longer.sort(key=len, reverse=True)
            if wrong in re.sub("|".join(map(re.escape, longer)) or "(?!)", "`", chinese):
                yield f"wrong variant {wrong}; the glossary has {'、'.join(right)}"


def find_word_faults(cell: NotebookNode, glossary: Glossary) -> Iterator[str]:
    """What is wrong with the words: the other language, a wrong term, half-width punctuation."""
    words, chinese = re.sub(NO_PROSE, "`", cell.source), ""
    if cell.cell_type == "code":
        try:
            nodes = [*ast.walk(ast.parse(re.sub("(?m)^[%!].*", "", cell.source)))]  # without magics
        except SyntaxError as error:
            nodes = []
            yield f"its line {error.lineno} is not Python ({error.msg}); mend it"
        in_zh = set()
        for node in nodes:
            if isinstance(node, ast.keyword) and node.arg == "zh":
                in_zh |= {*ast.walk(node)}
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name == "say" and not {"en", "zh"} <= {word.arg for word in node.keywords}:
                    yield "say lacks a language; write say(en=..., zh=...)"
        for node in nodes:
            if isinstance(node, ast.Constant) and re.search(HAN, str(node.value)):
                chinese += re.sub(NO_PROSE, "`", node.value) + "\n"
                if node not in in_zh:
                    yield f"Chinese outside zh= ({node.value}); write say(en=..., zh=...)"
    elif cell.metadata.lang == "en":
        for found in re.findall(f"{HAN}+", words.replace("十个向量", "")):
            yield f"Chinese in an English cell ({found}); say it in English, or set it as code"
    elif cell.metadata.lang == "zh":
        chinese = words
        for block in re.findall(BLOCK, re.sub(NO_TEXT, " ", words)):
            if not re.search(HAN, block) and len(re.findall(r"\b[a-z]+\b", block)) >= 4:
                english = f"English only among the Chinese ({block.strip()[:60]})"
                yield f"{english}; translate it, or set it as code"
    yield from find_wrong_variants(chinese, glossary)
    for found in re.findall(HALF_WIDTH, chinese):
        half = f"half-width punctuation after Chinese ({found.strip()})"
        yield f"{half}; use the full-width sign"


def find_question_faults(root: Path, room: str, glossary: Glossary) -> list[str]:
    """All that is wrong with the texts of a room's questions, one after the other."""
    place, found = f"lessons/{room}/questions.toml", []
    questions = read_toml(root, place) if (root / place).exists() else {}
    for name, text in list_texts(questions):
        whats = []
        if missing := [lang for lang in WORDS if not text.get(lang, "").strip()]:
            whats.append(f"{' and '.join(missing)} is missing; write it in both languages")
        elif not re.search(HAN, text["zh"]):
            whats.append("there is no Chinese in zh; say it in Chinese")
        for lang in text:
            cell = v4.new_markdown_cell(text[lang], metadata={"lang": lang})
            whats += find_word_faults(cell, glossary)
        found += [f"{place}, {name}: {what}." for what in whats]
    for name, quiz in questions.get("quiz", {}).items():
        rights = [choice.get("right", False) for choice in quiz.get("choices", [])]
        if len(rights) < 4 or sum(rights) != 1:
            what = "it has one choice with right = true and at least three others; mend it"
            found.append(f"{place}, quiz.{name}: {what}.")
    return list(dict.fromkeys(found))


def list_texts(part: dict | list, name: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    """Each text {en, zh} in the questions, and where: "quiz.cached.choices.0.why"."""
    if isinstance(part, dict) and set(WORDS) & set(part):
        yield name, {lang: part[lang] for lang in WORDS if lang in part}
    for key, inner in part.items() if isinstance(part, dict) else enumerate(part):
        if isinstance(inner, dict | list):
            yield from list_texts(inner, f"{name}.{key}".strip("."))


def parse(words: list[str], lang: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser("course.py build", description=__doc__.splitlines()[0])
    add = partial(parser.add_argument, action="store_true")
    parser.add_argument("lesson", nargs="*", help="a name or a number, such as 00; without, all")
    add("--check", help="change nothing, only say what is not as it must be")
    add("--all", help="run every notebook, even where its code is unchanged")
    add("--no-solutions", help="a set for a class, in classroom/; run nothing")
    parser.add_argument("--lang", choices=WORDS, default=lang, help="of what is said")
    return parser.parse_args(words)


def build_course(words: list[str], lang: str, say: Say, root: Path = ROOT) -> int:
    arguments = parse(words, lang)
    there = {name: one for one in read_lessons(root) for name in (one.name, one.number)}
    if unknown := [name for name in arguments.lesson if name not in there]:
        known = ", ".join(there) or "none yet"
        raise Refused(f"There is no lesson {', '.join(unknown)}; there are {known}.")
    lessons = [*{there[name].name: there[name] for name in arguments.lesson or there}.values()]
    address = read_toml(root, "pyproject.toml")["tool"]["ten-vectors"]["address"]
    glossary = read_glossary(root / "lessons/glossary.md")
    faults = [fault for lesson in lessons for fault in find_script_faults(lesson, glossary)]
    for room in dict.fromkeys(lesson.room for lesson in lessons):
        faults += find_question_faults(root, room, glossary)
    if arguments.no_solutions and not faults:
        build_for_class(lessons, root, address)
        n, where = len(lessons), ("classroom/en", "classroom/zh")
        english = f"{' and '.join(where)}: {n} notebooks each, without solutions and outputs."
        print(say(english, f"{' 和 '.join(where)}：各 {n} 个笔记本，不带参考答案和运行结果。"))
    elif arguments.check and not faults:
        for lesson in lessons:
            faults += find_stale_notebooks(lesson, root, address)
        for path in sorted(root.glob("notebooks/*/*.ipynb")):
            if path.stem not in there:
                stray = path.relative_to(root).as_posix()
                faults.append(f"{stray}: no script makes it; remove it.")
        faults += guide.find_stale_pages(root, address)
        if not faults:
            print("Scripts and notebooks agree.")
    elif not faults:
        for lesson in lessons:
            print(*build_lesson(lesson, root, address, arguments.all), sep="\n")
        for line in guide.build_pages(root, address):
            print(line)
    sys.stderr.writelines(f"{fault}\n" for fault in faults)
    return 1 if faults else 0


def main(words: list[str] | None = None, root: Path = ROOT) -> int:
    return run_command(partial(build_course, root=root), words)


if __name__ == "__main__":
    sys.exit(main())
