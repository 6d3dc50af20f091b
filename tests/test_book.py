"""Facts about the pages of the book; those of the whole book are in browser/test_whole_book.py."""

import pytest
from bs4 import BeautifulSoup

from tools.book import build_book, pages
from tools.console import ROOT
from tools.source import LANGUAGES, read_lessons


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_of_a_lesson_holds_every_cell_with_solutions_folded_and_every_picture_told(lang):
    lesson = read_lessons(ROOT)[0]
    page = pages.read_lesson(lesson.name, lang, lambda target, source: target)
    soup = BeautifulSoup(page.body, "html.parser")
    ids = [tag["id"] for tag in soup.find_all(id=True)]
    assert ids == [cell.metadata.id for cell in lesson.cells if cell.metadata.lang in ("", lang)]
    assert soup.find_all("details") and not soup.select("details[open]") and "¶" not in page.body
    assert all(len(picture["alt"]) >= 15 for picture in soup.find_all("img")) and soup.find_all("img")
    assert {heading.id for heading in page.contents} < set(ids)


def test_a_folder_with_anything_else_in_it_is_refused(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(build_book.Problem, match="holds something else"):
        build_book.make_book(["--out", str(tmp_path)], "en", lambda en, zh: en)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_without_an_address_a_link_to_a_file_that_is_no_page_leads_nowhere():
    links = {
        address: pages.make_resolver({"a/b.md": "en/b.html"}, set(), address)
        for address in ("", "https://github.com/me/it")
    }
    for resolve in links.values():
        assert resolve("../a/b.md#c", "docs/x.md") == "../en/b.html#c" and resolve("#c", "docs/x.md") == "#c"
    assert [resolve("../README.md", "docs/x.md") for resolve in links.values()] == [
        "",
        "https://github.com/me/it/blob/main/README.md",
    ]
