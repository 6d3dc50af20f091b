"""Lessons and documents as pages: HTML whose links stay in the book."""

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nbformat
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html

from tools.console import ROOT
from tools.source import make_anchor

HERE = Path(__file__).parent
HEADINGS = ["h1", "h2", "h3", "h4"]
PICTURES = (".png", ".jpg", ".webp")
# (what a link says, the file that says it) -> an address as seen from a page, or ""
Resolve = Callable[[str, str], str]


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


def read_lesson(name: str, lang: str, resolve: Resolve) -> Page:
    """A lesson from its notebook; its headings are reached under the ids of their cells."""
    source = f"notebooks/{lang}/{name}.ipynb"
    exporter = HTMLExporter(
        template_file="lesson.html.j2",
        extra_template_paths=[str(HERE)],
        exclude_anchor_links=True,
    )
    html, _ = exporter.from_notebook_node(nbformat.read(ROOT / source, as_version=4))
    soup = BeautifulSoup(html, "html.parser")
    for section in soup.find_all("section"):
        for n, heading in enumerate(section.find_all(HEADINGS)):
            del heading["id"]
            if n == 0:  # search finds what stands under headings that have an id
                heading["id"] = section.attrs.pop("id")
    contents = [Heading(found["id"], found.get_text()) for found in soup.find_all("h2", id=True)]
    return finish_page(Page(lang, name, "", "", contents), soup, source, resolve)


def read_document(source: str, name: str, lang: str, resolve: Resolve, lid: str = "") -> Page:
    """A page from a markdown file; its headings have the ids that GitHub gives them.

    Args:
        source: the file, as seen from the folder of the course.
        name: of the page.
        lang: of the page.
        resolve: what its links lead to.
        lid: what is written on the lid under which each part is folded away; "": all is open.
    """
    text = (ROOT / source).read_text("utf-8")
    soup = BeautifulSoup(render_markdown(text), "html.parser")
    seen: dict[str, int] = {}
    for heading in soup.find_all(HEADINGS):
        id = make_anchor(heading.get_text())
        seen[id] = seen.get(id, -1) + 1
        heading["id"] = f"{id}-{seen[id]}" if seen[id] else id
    contents = [Heading(heading["id"], heading.get_text()) for heading in soup.find_all("h2")]
    if lid:
        fold_parts(soup, lid)
    return finish_page(Page(lang, name, "", "", contents), soup, source, resolve)


def make_page(name: str, lang: str, html: str, source: str, resolve: Resolve) -> Page:
    """A page without contents; source: the file that its links are seen from."""
    soup = BeautifulSoup(html, "html.parser")
    return finish_page(Page(lang, name, "", "", []), soup, source, resolve)


def render_markdown(text: str) -> str:
    """HTML as nbconvert makes it of a text cell, without the ¶ behind headings."""
    return re.sub(r'<a class="anchor-link".*?</a>', "", markdown2html(text))


def fold_parts(soup: BeautifulSoup, lid: str) -> None:
    """What stands under each h2 goes into a closed <details>."""
    for heading in soup.find_all("h2"):
        details, summary = soup.new_tag("details"), soup.new_tag("summary")
        summary.string = lid
        details.append(summary)
        while (after := heading.next_sibling) is not None and after.name != "h2":
            details.append(after.extract())
        heading.insert_after(details)


def finish_page(page: Page, soup: BeautifulSoup, source: str, resolve: Resolve) -> Page:
    """With its title and body: links lead somewhere or lose their address, wide things scroll."""
    for link in soup.find_all("a", href=True):
        if address := resolve(link["href"], source):
            link["href"] = address
        else:
            link.unwrap()
    for picture in soup.find_all("img", src=True):
        picture["src"] = resolve(picture["src"], source)
    for table in soup.find_all("table"):
        table.wrap(soup.new_tag("div", attrs={"class": "wide", "tabindex": "0"}))
    for code in soup.find_all("pre"):
        code["tabindex"] = "0"  # what scrolls must be reached by keyboard
    return page._replace(title=soup.find("h1").get_text(), body=str(soup))


def make_resolver(pages: dict[str, str], copied: set[str], address: str) -> Resolve:
    """What links of the pages in one language lead to.

    Args:
        pages: {file in the repository: its page, such as "en/guide.html"}.
        copied: files that the book takes along; the pictures that are met are added.
        address: of the repository on GitHub, or "": then a link to any other file leads nowhere.
    """

    def resolve(target: str, source: str) -> str:
        if re.match(r"(https?|data|mailto):", target):
            return target
        path, hash, fragment = target.partition("#")
        if not path:
            return target
        file = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if file in pages:
            return f"../{pages[file]}{hash}{fragment}"
        if Path(file).suffix in PICTURES and (ROOT / file).is_file():
            copied.add(file)
            return f"../files/{file}"
        there = address and (ROOT / file).exists()
        return f"{address}/blob/main/{file}{hash}{fragment}" if there else ""

    return resolve
