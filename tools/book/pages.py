"""What the pages of the book hold: lessons from their notebooks, documents from their markdown, each with links that stay in the book."""

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nbformat
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html

from tools.source import ROOT
from tools.teaching import anchor

HERE = Path(__file__).parent
HEADINGS = ["h1", "h2", "h3", "h4"]


class Heading(NamedTuple):
    id: str
    text: str


class Page(NamedTuple):
    """A page in one language."""

    lang: str
    name: str  # of its file: "03_soft_prompt"
    title: str
    body: str  # HTML
    contents: list[Heading]

    @property
    def path(self) -> str:
        return f"{self.lang}/{self.name}.html"


Resolve = Callable[
    [str, str], str
]  # (what a link says, the file that says it) -> an address as seen from a page, or ""


def read_lesson(name: str, lang: str, resolve: Resolve) -> Page:
    """The page of a lesson: its cells and outputs, solutions folded, headings under the ids of their cells."""
    source = f"notebooks/{lang}/{name}.ipynb"
    exporter = HTMLExporter(template_file="lesson.html.j2", extra_template_paths=[str(HERE)], exclude_anchor_links=True)
    html, _ = exporter.from_notebook_node(nbformat.read(ROOT / source, as_version=4))
    soup = BeautifulSoup(html, "html.parser")
    for heading in soup.find_all(HEADINGS):
        del heading["id"]
    contents = [Heading(heading.find_parent("section")["id"], heading.get_text()) for heading in soup.find_all("h2")]
    return finish_page(lang, name, soup, contents, source, resolve)


def read_document(source: str, name: str, lang: str, resolve: Resolve, fold: str = "") -> Page:
    """The page of a markdown file, headings under the ids that GitHub gives them.

    fold: what is written on the lid under which each part (from one h2 to the next) is folded away; "" leaves all open.
    """
    text = (ROOT / source).read_text("utf-8")
    soup = BeautifulSoup(markdown2html(text), "html.parser")
    for link in soup.select("a.anchor-link"):
        link.decompose()
    seen: dict[str, int] = {}
    for heading in soup.find_all(HEADINGS):
        id = anchor(heading.get_text())
        seen[id] = seen.get(id, -1) + 1
        heading["id"] = f"{id}-{seen[id]}" if seen[id] else id
    contents = [Heading(heading["id"], heading.get_text()) for heading in soup.find_all("h2")]
    if fold:
        fold_parts(soup, fold)
    return finish_page(lang, name, soup, contents, source, resolve)


def make_page(name: str, lang: str, html: str, source: str, resolve: Resolve) -> Page:
    """A page of its own making, without contents; source: the file whose links it has."""
    return finish_page(lang, name, BeautifulSoup(html, "html.parser"), [], source, resolve)


def fold_parts(soup: BeautifulSoup, lid: str) -> None:
    """Everything under each h2 goes into a closed <details>."""
    for heading in soup.find_all("h2"):
        details, summary = soup.new_tag("details"), soup.new_tag("summary")
        summary.string = lid
        details.append(summary)
        while (after := heading.next_sibling) is not None and getattr(after, "name", "") != "h2":
            details.append(after.extract())
        heading.insert_after(details)


def finish_page(
    lang: str, name: str, soup: BeautifulSoup, contents: list[Heading], source: str, resolve: Resolve
) -> Page:
    """Links stay in the book or lose their address; wide things can be scrolled, by keyboard too."""
    for tag, attribute in [("a", "href"), ("img", "src")]:
        for found in soup.find_all(tag, attrs={attribute: True}):
            address = resolve(found[attribute], source)
            if address:
                found[attribute] = address
            elif tag == "a":
                found.unwrap()
            else:
                raise FileNotFoundError(f"{source}: there is no picture {found[attribute]}.")
    for table in soup.find_all("table"):
        table.wrap(soup.new_tag("div", attrs={"class": "wide", "tabindex": "0"}))
    for code in soup.select("div.highlight pre"):
        code["tabindex"] = "0"
    title = soup.find("h1")
    text = title.get_text() if title else name
    return Page(lang, name, text, str(soup), contents)


def make_resolver(pages: dict[str, str], copied: set[str], address: str) -> Resolve:
    """What links of a page lead to.

    Args:
        pages: {file in the repository: path of its page}.
        copied: files that the book takes along; pictures are added.
        address: of the repository on GitHub; "" where it has none, and then a link to a file that is no page loses its address.
    """

    def resolve(target: str, source: str) -> str:
        if re.match(r"(https?|data|mailto):", target):
            return target
        path, _, fragment = target.partition("#")
        fragment = f"#{fragment}" if fragment else ""
        if not path:
            return fragment
        file = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if file in pages:
            return f"../{pages[file]}{fragment}"
        if Path(file).suffix in (".png", ".jpg", ".webp") and (ROOT / file).is_file():
            copied.add(file)
            return f"../files/{file}"
        return f"{address}/blob/main/{file}{fragment}" if address and (ROOT / file).exists() else ""

    return resolve
