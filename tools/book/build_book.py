"""Makes the book: `python course.py book`. It opens by double-click; search needs --serve."""

import argparse
import http.server
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from transformers.utils import logging

from pocket.world import Scene
from tools.book.gallery import describe_scenes, make_gallery
from tools.book.pages import (
    HERE,
    Page,
    make_page,
    make_resolver,
    read_document,
    read_lesson,
    render_markdown,
)
from tools.console import ROOT, Problem, Say, run_command
from tools.source import LANGUAGES, Lesson, read_lessons, read_toml

OUT = ROOT / "work" / "book"
CARDS = ("pocket-clip", "pocket-gpt2", "world", "captions", "captioner", "nouns", "fonts")
# Documents by the names of their pages; {} stands for the language
DOCUMENTS = {
    "guide": "docs/teaching.{}.md",
    "answers": "docs/answers.{}.md",
    "questions": "docs/questions.{}.md",
    "smollm2": "docs/smollm2.{}.md",
    "methods": "docs/methods.{}.md",
    "glossary": "lessons/glossary.md",
    "tested-with": "docs/tested-with.md",
    **{f"card-{name}": f"data/{name}/README.md" for name in CARDS},
}
README = {"en": "README_EN.md", "zh": "README.md"}
# In the map at the end of lesson 00: number and name, what one will be able to do, minutes
MAP_ROW = r"(?m)^\| \**((\d\d\w?) .*?)\** \| (.+) \| (\d+) \|"
WORDS = read_toml(ROOT, "tools/book/words.toml")


def make_pages(
    lang: str,
    lessons: Sequence[Lesson],
    described: Sequence[tuple[Scene, str]],
    copied: set[str],
    address: str,
) -> list[Page]:
    """All pages in one language, the lessons first and in their order.

    Args:
        lang: "en" or "zh".
        lessons: all of them.
        described: the scenes of the gallery, with their captions.
        copied: the files that the pages show are added to it.
        address: of the repository on GitHub, or "".
    """
    resolve = make_resolver(list_places(lang, lessons), copied, address)
    made = [read_lesson(lesson.name, lang, resolve) for lesson in lessons]
    front = HERE / f"front.{lang}.md"
    html = render_markdown(front.read_text("utf-8").replace("{lessons}", make_map(lessons, lang)))
    made.append(make_page("index", lang, html, f"tools/book/{front.name}", resolve))
    for name, source in DOCUMENTS.items():
        lid = WORDS[lang]["answers"] if name == "answers" else ""
        made.append(read_document(source.format(lang), name, lang, resolve, lid))
    gallery = make_gallery(described, lang)
    return [*made, make_page("gallery", lang, gallery, "tools/book/gallery.py", resolve)]


def list_places(lang: str, lessons: Sequence[Lesson]) -> dict[str, str]:
    """{file in the repository: the page that it is led to from pages in this language}."""
    places = {}
    for each in [*LANGUAGES, lang]:  # its own last: what both languages share is read in this one
        names = {f"notebooks/{each}/{lesson.name}.ipynb": lesson.name for lesson in lessons}
        names |= {source.format(each): name for name, source in DOCUMENTS.items()}
        names |= {README[each]: "index", "tools/book/gallery.py": "gallery"}
        places |= {file: f"{each}/{name}.html" for file, name in names.items()}
    return places


def make_map(lessons: Sequence[Lesson], lang: str) -> str:
    """The map of lessons that stands at the end of lesson 00, with links; markdown."""
    words = WORDS[lang]
    text = "\n".join(cell.source for cell in lessons[0].cells if cell.metadata.lang == lang)
    links = {lesson.number: f"../../notebooks/{lang}/{lesson.name}.ipynb" for lesson in lessons}
    rows = [
        f"| [{name}]({links[number]}) | {able} | {minutes} |"
        for name, number, able, minutes in re.findall(MAP_ROW, text)
    ]
    head = f"| {words['lesson']} | {words['able']} | {words['minutes']} |"
    return "\n".join([head, "|---|---|---|", *rows])


def write_book(out: Path, searchable: bool, address: str) -> list[Path]:
    """Write all pages and what they need into a folder whose old content goes; their files."""
    lessons, described = read_lessons(ROOT), describe_scenes()
    copied: set[str] = set()
    books = {lang: make_pages(lang, lessons, described, copied, address) for lang in LANGUAGES}
    shutil.rmtree(out, ignore_errors=True)
    for source in [HERE / "book.css", HERE / "book.js", HERE / "index.html"]:
        copy(source, out / source.name)
    for name in copied:
        copy(ROOT / name, out / "files" / name)
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((HERE / "page.html.j2").read_text("utf-8"))
    written = []
    for lang, pages in books.items():
        (out / lang).mkdir()
        for n, page in enumerate(pages):
            facts = find_neighbours(pages[: len(lessons)], n) | find_services(page, address)
            twin = LANGUAGES[1 - LANGUAGES.index(lang)]
            path = out / lang / f"{page.name}.html"
            path.write_text(
                template.render(
                    page=page,
                    words=WORDS[lang],
                    twin=f"{twin}/{page.name}.html",
                    searchable=searchable,
                    **facts,
                ),
                "utf-8",
            )
            written.append(path)
    return written


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def find_neighbours(lessons: Sequence[Page], n: int) -> dict[str, Any]:
    """The lessons before and after page n, which may be no lesson."""
    return {
        "lesson": n < len(lessons),
        "before": lessons[n - 1] if 0 < n < len(lessons) else None,
        "after": lessons[n + 1] if n + 1 < len(lessons) else None,
    }


def find_services(page: Page, address: str) -> dict[str, str]:
    """Where a lesson of a repository on GitHub runs without installing."""
    repository = address.removeprefix("https://github.com/")
    notebook = f"notebooks/{page.lang}/{page.name}.ipynb"
    return {
        "address": address,
        "colab": f"https://colab.research.google.com/github/{repository}/blob/main/{notebook}",
        "binder": f"https://mybinder.org/v2/gh/{repository}/main?labpath={notebook}",
    }


def index_book(out: Path) -> None:
    """Make the index that the search of the pages reads. Raises CalledProcessError."""
    command = [sys.executable, "-m", "pagefind", "--site", str(out)]
    subprocess.run(command, check=True, capture_output=True)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing of it."""

    def log_message(self, *what: object) -> None:
        pass


def open_server(out: Path) -> http.server.ThreadingHTTPServer:
    """A server of the book to this machine alone, on a free port."""
    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=out))


def serve_book(out: Path, lang: str, say: Say) -> None:
    """Serve the book until Ctrl-C."""
    with open_server(out) as server:
        place = f"http://127.0.0.1:{server.server_port}/{lang}/index.html"
        print(say(f"The book: {place}\nCtrl-C ends it.", f"网页书：{place}\n按 Ctrl-C 结束。"))
        server.serve_forever()


def check_out(out: Path) -> None:
    """Raise Problem where something lies that is no older book, and would be lost."""
    if out.exists() and not (out / "book.css").is_file() and (out.is_file() or any(out.iterdir())):
        raise Problem(
            f"{out} holds something else: name a new or an empty folder with --out.",
            f"{out} 里有别的东西：请用 --out 指定一个新的或空的文件夹。",
        )


def make_book(words: list[str], lang: str, say: Say) -> int:
    parser = argparse.ArgumentParser(prog="course.py book", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="where it goes; an older book goes")
    parser.add_argument("--serve", action="store_true", help="then serve it, with search")
    parser.add_argument("--lang", choices=LANGUAGES, default=lang)
    arguments = parser.parse_args(words)
    out = arguments.out
    check_out(out)
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    settings = read_toml(ROOT, "pyproject.toml")
    searchable = importlib.util.find_spec("pagefind") is not None
    pages = write_book(out, searchable, settings["tool"]["ten-vectors"]["address"])
    if searchable:
        index_book(out)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6
    first = out / lang / "index.html"
    print(
        say(
            f"{len(pages)} pages, {size:.1f} MB. A double-click opens {first}",
            f"{len(pages)} 页，{size:.1f} MB。双击打开 {first}",
        )
    )
    if arguments.serve:
        serve_book(out, lang, say)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(make_book))
