"""Facts about the book in a real browser: it asks nothing of any network, and reads in light and dark, on a phone, without scripts."""

import importlib.util
import re
import threading
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup

from tools.book import build_book

pytestmark = pytest.mark.slow


class Book(NamedTuple):
    out: Path
    address: str  # of a server that serves it
    pages: dict[str, BeautifulSoup]
    searchable: bool


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The whole book, with its search where Pagefind is installed."""
    out = tmp_path_factory.mktemp("book")
    searchable = importlib.util.find_spec("pagefind") is not None
    written = build_book.write_book(out, searchable, "")
    if searchable:
        build_book.index_book(out)
    pages = {
        path.relative_to(out).as_posix(): BeautifulSoup(path.read_text("utf-8"), "html.parser") for path in written
    }
    with build_book.open_server(out) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Book(out, f"http://127.0.0.1:{server.server_port}", pages, searchable)
        server.shutdown()


def test_every_link_and_every_picture_of_the_book_leads_somewhere(book):
    assert len(book.pages) > 40
    for name, soup in book.pages.items():
        for tag in soup.find_all(["a", "img", "link", "script"]):
            target = tag.get("href") or tag.get("src")
            if re.match("https?:|data:", target):
                assert tag.name == "a" or target.startswith("data:"), (name, target)
                continue
            path, _, id = unquote(target).partition("#")
            file = (book.out / name).parent / path if path else book.out / name
            assert file.is_file(), (name, target)
            there = book.pages.get(file.resolve().relative_to(book.out.resolve()).as_posix())
            assert not id or there.find(id=id), (name, target)


def test_no_solution_lies_open_and_no_id_stands_twice(book):
    for name, soup in book.pages.items():
        assert not soup.select("details[open]"), name
        assert [id for id, times in Counter(tag["id"] for tag in soup.find_all(id=True)).items() if times > 1] == [], (
            name
        )


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_gallery_shows_every_style_and_both_right_and_wrong_captions(book, lang):
    gallery = book.pages[f"{lang}/gallery.html"]
    assert len(gallery.find_all("figure")) == 18
    assert gallery.select(".right") and gallery.select(".wrong")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_asks_nothing_of_any_other_place(book, browser, scheme):
    asked, faults = [], []
    with browser.new_context(color_scheme=scheme) as context:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        for name in book.pages:
            page.goto(f"{book.address}/{name}")
            faults += [(name, fault["id"]) for fault in Axe().run(page).response["violations"]]
    assert faults == []
    assert [url for url in asked if not url.startswith((f"{book.address}/", "data:"))] == []


def test_no_page_is_wider_than_a_phone(book, browser):
    with browser.new_context(viewport={"width": 390, "height": 800}) as context:
        page = context.new_page()
        for name in book.pages:
            page.goto(f"{book.address}/{name}")
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, name


def test_it_reads_by_double_click_and_without_scripts(book, browser):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto((book.out / "zh/03_soft_prompt.html").as_uri())
        assert page.locator("h1").is_visible() and not page.locator("#book-theme").is_visible()
        page.locator("#book-twin").click()
        assert page.locator("html").get_attribute("lang") == "en"


def test_the_switch_is_remembered_and_the_other_language_opens_at_the_same_place(book, browser):
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{book.address}/en/03_soft_prompt.html#labels")
        page.locator("#book-theme").click()
        page.locator("#book-twin").click()
        page.wait_for_url("**/zh/03_soft_prompt.html#*")
        assert page.locator("html").get_attribute("data-theme") == "dark"
        assert page.locator(f"[id='{page.url.partition('#')[2]}']").bounding_box()["y"] < 400


@pytest.mark.parametrize(("lang", "words"), [("zh", "占位词元"), ("zh", "上下文"), ("en", "gradient")])
def test_search_finds_words_in_both_languages(book, browser, lang, words):
    if not book.searchable:
        pytest.skip("Pagefind is not installed here: course.py book installs it")
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{book.address}/{lang}/index.html")
        page.locator("#book-search").click()
        page.locator("#book-finder input").fill(words)
        page.locator(".pagefind-ui__result").first.wait_for()
        assert page.locator(".pagefind-ui__result").count() >= 3
