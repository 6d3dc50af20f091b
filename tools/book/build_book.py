"""Makes the book: `python course.py book`. Its pages open by double-click; search, by Pagefind, needs a server (--serve)."""

import argparse
import http.server
import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import jinja2
from nbconvert.filters import markdown2html

from pocket.world import Scene
from tools.book.gallery import describe_scenes, make_gallery
from tools.book.pages import HERE, Page, make_page, make_resolver, read_document, read_lesson
from tools.source import LANGUAGES, ROOT, Lesson, read_lessons

OUT = ROOT / "work" / "book"
# Documents by the names of their pages; {} stands for the language
DOCUMENTS = {
    "guide": "docs/teaching.{}.md",
    "answers": "docs/answers.{}.md",
    "questions": "docs/questions.{}.md",
    "glossary": "lessons/glossary.md",
    "tested-with": "docs/tested-with.md",
    **{
        f"card-{name}": f"data/{name}/README.md"
        for name in ("pocket-clip", "pocket-gpt2", "world", "captions", "captioner", "fonts")
    },
}
README = {"en": "README_EN.md", "zh": "README.md"}
WORDS = {
    "en": {
        "course": "Ten Vectors", "skip": "To the text", "search": "Search", "dark": "Dark", "other": "中文", "contents": "Contents",
        "turn": "Previous and next", "close": "Close", "answers": "Show the answers", "lesson": "lesson", "able": "you will be able to", "minutes": "minutes",
        "run": "Run this lesson", "clone": "You need Python 3.11 or newer and about 2 GB of disk. In the folder of the course:",
    },
    "zh": {
        "course": "十个向量", "skip": "跳到正文", "search": "搜索", "dark": "深色", "other": "English", "contents": "本页目录",
        "turn": "上一页和下一页", "close": "关闭", "answers": "展开答案", "lesson": "课", "able": "学完能做什么", "minutes": "分钟",
        "run": "亲手运行这一课", "clone": "需要 Python 3.11 或更新的版本，以及大约 2 GB 磁盘空间。在课程的文件夹里运行：",
    },
}  # fmt: skip
# The row of a lesson in the map at the end of lesson 00: number and name, what one will be able to do, minutes
MAP_ROW = r"(?m)^\| \**((\d\d\w?) .*?)\** \| (.+) \| (\d+) \|"


def make_pages(lessons: Sequence[Lesson], address: str, copied: set[str]) -> dict[str, list[Page]]:
    """All pages of each language, lessons first and in their order; the files that they show are added to `copied`."""
    described = describe_scenes()
    return {lang: make_pages_in(lang, lessons, address, copied, described) for lang in LANGUAGES}


def make_pages_in(
    lang: str, lessons: Sequence[Lesson], address: str, copied: set[str], described: list[tuple[Scene, str]]
) -> list[Page]:
    places = {f"notebooks/{lang}/{lesson.name}.ipynb": lesson.name for lesson in lessons}
    places |= {source.format(lang): name for name, source in DOCUMENTS.items()}
    places |= {f"{README[lang]}": "index", "tools/book/gallery.html": "gallery"}
    resolve = make_resolver({file: f"{lang}/{name}.html" for file, name in places.items()}, copied, address)
    pages = [read_lesson(lesson.name, lang, resolve) for lesson in lessons]
    front = (HERE / f"front.{lang}.md").read_text("utf-8").replace("{lessons}", make_map(lessons, lang))
    pages.append(make_page("index", lang, markdown2html(front), f"tools/book/front.{lang}.md", resolve))
    for name, source in DOCUMENTS.items():
        fold = WORDS[lang]["answers"] if name == "answers" else ""
        pages.append(read_document(source.format(lang), name, lang, resolve, fold))
    return [*pages, make_page("gallery", lang, make_gallery(described, lang), "tools/book/gallery.py", resolve)]


def make_map(lessons: Sequence[Lesson], lang: str) -> str:
    """The map of the lessons that stands at the end of lesson 00, its names led to their pages."""
    text = "\n".join(cell.source for cell in lessons[0].cells if cell.metadata.lang == lang)
    pages = {lesson.number: f"../../notebooks/{lang}/{lesson.name}.ipynb" for lesson in lessons}
    head = f"| {WORDS[lang]['lesson']} | {WORDS[lang]['able']} | {WORDS[lang]['minutes']} |\n|---|---|---|\n"
    rows = re.findall(r"(?m)^\| \**((\d\d\w?) .*?)\** \| (.+) \| (\d+) \|", text)
    return head + "\n".join(
        f"| [{name}]({pages[number]}) | {able} | {minutes} |" for name, number, able, minutes in rows
    )


def write_book(out: Path, searchable: bool, address: str) -> list[Path]:
    """Writes all pages and what they need into `out`, whose old content goes; returns the pages."""
    copied: set[str] = set()
    lessons = read_lessons(ROOT)
    made = make_pages(lessons, address, copied)
    template = jinja2.Environment(autoescape=False, trim_blocks=True, lstrip_blocks=True).from_string(
        (HERE / "page.html.j2").read_text("utf-8")
    )
    shutil.rmtree(out, ignore_errors=True)
    for name in ("book.css", "book.js"):
        copy(HERE / name, out / name)
    copy(HERE / "choose.html", out / "index.html")
    for name in copied:
        copy(ROOT / name, out / "files" / name)
    written = []
    for lang, pages in made.items():
        other = LANGUAGES[1 - LANGUAGES.index(lang)]
        for page, before, after in zip(pages, [None, *pages], [*pages[1 : len(lessons)], *[None] * len(pages)]):
            lesson = page in pages[: len(lessons)]
            text = template.render(
                page=page, words=WORDS[lang], twin=f"{other}/{page.name}.html", searchable=searchable, lesson=lesson,
                before=before if lesson else None, after=after if lesson else None, address=address, **find_services(page, address),
            )  # fmt: skip
            written.append(out / page.path)
            written[-1].parent.mkdir(parents=True, exist_ok=True)
            written[-1].write_text(text, "utf-8")
    return written


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def find_services(page: Page, address: str) -> dict[str, str]:
    """Where a lesson of a repository on GitHub runs without installing."""
    repository, notebook = address.removeprefix("https://github.com/"), f"notebooks/{page.lang}/{page.name}.ipynb"
    return {
        "colab": f"https://colab.research.google.com/github/{repository}/blob/main/{notebook}",
        "binder": f"https://mybinder.org/v2/gh/{repository}/main?labpath={notebook}",
    }


def index_book(out: Path) -> None:
    """Makes the index that the search of the pages reads. Raises OSError or CalledProcessError where Pagefind cannot."""
    subprocess.run([sys.executable, "-m", "pagefind", "--site", str(out)], check=True, capture_output=True)


def serve_book(out: Path, lang: str) -> None:
    """Serves the book on this machine alone until Ctrl-C."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=out)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        address = f"http://127.0.0.1:{server.server_port}/{lang}/index.html"
        print(
            f"书在 {address}，按 Ctrl-C 结束。" if lang == "zh" else f"The book is at {address}\nCtrl-C ends it.",
            flush=True,
        )
        server.serve_forever()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="course.py book", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, default=OUT, help="the folder that the book is written into; what is there goes"
    )
    parser.add_argument("--serve", action="store_true", help="then serve it on this machine, with search")
    parser.add_argument("--lang", choices=LANGUAGES, default="en")
    arguments = parser.parse_args(argv)
    address = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ten-vectors"]["address"]
    searchable = importlib.util.find_spec("pagefind") is not None
    pages = write_book(arguments.out, searchable, address)
    if searchable:
        index_book(arguments.out)
    size = sum(path.stat().st_size for path in arguments.out.rglob("*") if path.is_file()) / 1e6
    first = arguments.out / arguments.lang / "index.html"
    print(
        f"{len(pages)} 页，{size:.1f} MB：双击 {first} 打开。"
        if arguments.lang == "zh"
        else f"{len(pages)} pages, {size:.1f} MB: open {first} by double-click."
    )
    if arguments.serve:
        serve_book(arguments.out, arguments.lang)
    return 0


if __name__ == "__main__":
    sys.exit(main())
