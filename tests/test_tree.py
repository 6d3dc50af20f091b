"""What holds for the tree as a whole: its style, its words and its links."""

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from PIL import Image

from tools import build, links
from tools.source import read_lessons

sys.path.insert(0, str(Path(__file__).parent / "browser"))
import at_work

ROOT = Path(__file__).parents[1]
TRACKED = subprocess.run(
    ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
).stdout
FILES = [ROOT / name for name in TRACKED.splitlines() if (ROOT / name).is_file()]
PAGES = [path for path in FILES if path.suffix == ".md"]
CHINESE = re.compile("[\u4e00-\u9fff]")


def chinese_texts():
    """(file, text) of all Chinese that learners may read outside the lessons' own cells."""
    for name in ("README.md", "helpers/sentences.toml"):
        yield ROOT / name, (ROOT / name).read_text("utf-8")
    for path in FILES:
        if path.suffix == ".py" and "tests" not in path.parts and not path.stem.startswith("lesson"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and CHINESE.search(node.value):
                    yield path, node.value


@pytest.mark.skipif(not FILES, reason="this is no git checkout, so which files are ours cannot be told")
def test_chinese_texts_keep_to_the_glossary():
    glossary = build.read_glossary(ROOT / "lessons" / "glossary.md")
    assert sum(len(variants) for _, variants in glossary) > 50
    found = [
        f"{path.name}: {fault}, in “{text[:60]}”"
        for path, text in chinese_texts()
        for fault in build.find_wrong_variants(text, glossary)
    ]
    assert found == []


@pytest.mark.skipif(importlib.util.find_spec("ruff") is None, reason="ruff is not installed here")
@pytest.mark.parametrize("command", ["check", "format --check"])
def test_ruff_has_nothing_to_say(command):
    result = subprocess.run(
        [sys.executable, "-m", "ruff", *command.split(), "."], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout


def test_both_readmes_say_the_same_in_the_same_order():
    """As many sections, tables, commands and links to files, and the same commands."""
    chinese, english = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README_EN.md"))
    for pattern in (r"(?m)^## ", r"(?m)^\|", r"\]\(", r"(?m)^- "):
        assert len(re.findall(pattern, chinese)) == len(re.findall(pattern, english)), pattern
    blocks = ["\n".join(re.findall(r"(?ms)^```\w*\n(.*?)^```", text)) for text in (chinese, english)]
    commands = [[line.split("  #")[0].strip() for line in block.splitlines()] for block in blocks]
    assert commands[0] == commands[1] and len(commands[0]) > 6


# Public questions


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_sections_that_answer_public_questions_are_there(lang):
    page = (ROOT / "docs" / f"questions.{lang}.md").read_text("utf-8")
    answers = re.findall(rf"\[(\w+) · ([^\]]+)\]\(\.\./notebooks/{lang}/(\w+)\.ipynb\)", page)
    assert len(answers) >= 13
    for number, section, name in answers:
        cells = json.loads((ROOT / "notebooks" / lang / f"{name}.ipynb").read_text("utf-8"))["cells"]
        text = "".join(line for cell in cells if cell["cell_type"] == "markdown" for line in [*cell["source"], "\n"])
        assert name.startswith(f"{number}_") and re.search(rf"(?m)^#+ {re.escape(section)}$", text), section


# READMEs


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_picture_of_the_readme_shows_the_lesson_as_it_is(lang):
    """Where it does not: python tests/browser/at_work.py makes it anew."""
    with Image.open(ROOT / "docs" / f"at-work.{lang}.png") as picture:
        assert picture.text.get("shows") == at_work.fingerprint(lang)


@pytest.mark.parametrize("readme", ["README.md", "README_EN.md"])
def test_readmes_list_every_module_of_helpers(readme):
    listed = re.findall(r"(?m)^\| ((?:`\w+\.py`(?:, |、)?)+) \|", (ROOT / readme).read_text("utf-8"))
    named = {name for row in listed for name in re.findall(r"\w+\.py", row)}
    assert named - {"course.py"} == {path.name for path in (ROOT / "helpers").glob("*.py")} - {"__init__.py"}


# Links


def prose_of(text):
    """Markdown without its code."""
    return re.sub(r"(?ms)^([ >]*)(```|~~~).*?^\1\2[ \t]*$|(`+)(?!`).+?(?<!`)\3(?!`)", "", text)


def targets_in(text):
    """Where the links and pictures of a markdown text lead: inline, by reference, and in HTML."""
    prose = prose_of(text)
    inline = re.findall(r"\]\(<?([^)\s>]+)>?(?:\s+[\"'][^)]*)?\)", prose)
    return [
        *inline,
        *re.findall(r"(?m)^ {0,3}\[[^\]]+\]:\s*(\S+)", prose),
        *re.findall(r"\b(?:href|src)=\"([^\"]+)\"", prose),
    ]


def anchors_in(text):
    """What a link to a part of this markdown may end in: as GitHub names headings, and as JupyterLab does."""
    found = set(re.findall(r"<[^>]*\b(?:id|name)=\"([^\"]+)\"", text))
    for heading in re.findall(r"(?m)^#{1,6} +(.+?)[ #]*$", re.sub(r"(?ms)^```.*?^```", "", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)|[*`]", r"\1", heading).strip()
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        found |= {slug if slug not in found else f"{slug}-1", words.replace(" ", "-")}
    return found


def text_of(path):
    if path.suffix == ".ipynb":
        return "\n\n".join(
            cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"
        )
    return path.read_text("utf-8")


def broken_links(text, folder, root=ROOT):
    """The links of a markdown text in this folder that lead to no file of the course, or to no heading of it."""
    for target in targets_in(text):
        name, _, anchor = unquote(target).partition("#")
        if re.match(r"[a-z]+:", name):
            continue  # on the internet: links.py
        path = Path(os.path.normpath(folder / name)) if name else None
        if path is not None and path.is_relative_to(root / "work"):
            path = root / "notebooks" / path.relative_to(root / "work")  # where the copy comes from
        if path is not None and (name.startswith("/") or not path.exists() or not path.is_relative_to(root)):
            yield target
        elif anchor and (path is None or path.suffix in (".md", ".ipynb")):
            if anchor not in anchors_in(text if path is None else text_of(path)):
                yield target


def test_broken_links_are_found(tmp_path):
    (tmp_path / "a b.md").write_text("# One, two\n\n## Two `code`\n\n## 十个向量 · X\n", "utf-8")
    (tmp_path / "notebooks" / "en").mkdir(parents=True)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("## A heading")])
    nbformat.write(book, tmp_path / "notebooks" / "en" / "00.ipynb")
    good = '[a](a%20b.md#one-two) ![b](<a%20b.md>) [c](a%20b.md#two-code) [d](a%20b.md#十个向量--x) <a href="a%20b.md"> `[x](y)`'
    good += "\n[here](#top)\n\n# Top\n\n[e][1]\n\n[1]: notebooks/en/00.ipynb#A-heading\n\n```\n[x](nowhere)\n```\n[f](https://a.b/c)"
    assert [*broken_links(good, tmp_path, tmp_path)] == []
    bad = [
        "no.md",
        "a%20b.md#three",
        "#nowhere",
        "/etc/hosts",
        "../x.md",
        "notebooks/en/01.ipynb",
        "notebooks/en/00.ipynb#b",
    ]
    assert [*broken_links(" ".join(f"[x]({one})" for one in bad), tmp_path, tmp_path)] == bad
    assert [*broken_links('[1]: no.md\n\n<img src="no.png">', tmp_path, tmp_path)] == ["no.md", "no.png"]
    assert [*broken_links("[x](00.ipynb) [y](../../a%20b.md)", tmp_path / "work" / "en", tmp_path)] == []
    assert [*broken_links("[x](01.ipynb)", tmp_path / "work" / "en", tmp_path)] == ["01.ipynb"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_of_pages_lead_somewhere(page):
    assert [*broken_links(page.read_text("utf-8"), page.parent)] == []


@pytest.mark.parametrize(
    "book", sorted((ROOT / "notebooks").glob("*/*.ipynb")), ids=lambda book: f"{book.parent.name}/{book.stem}"
)
@pytest.mark.parametrize("where", ["notebooks", "work"])
def test_links_of_lessons_lead_somewhere_in_the_original_and_in_the_learners_copy(book, where):
    assert [*broken_links(text_of(book), ROOT / where / book.parent.name)] == []


def test_every_address_on_the_internet_has_a_good_form_and_a_host_that_a_person_has_looked_at():
    known = links.list_addresses()
    assert len(known) > 15 and known.keys() >= {"https://www.python.org/downloads/", "https://hf-mirror.com"}
    assert [(address, fault, where) for address, where in known.items() for fault in links.find_faults(address)] == []
    assert set(links.HOSTS) == {links.urlsplit(address).hostname for address in known}


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("http://github.com/a", "not https"),
        ("https://githob.com/a", "githob.com is not in"),
        ("https://github.com:8080/a", "github.com:8080 is not in"),
        ("https://github.com/a//b", "a double slash"),
        ("https://github.com/a，b", "a double slash"),
    ],
)
def test_an_address_of_a_bad_form_is_found(address, fault):
    (found,) = links.find_faults(address)
    assert fault in found


def test_addresses_are_read_without_what_stands_around_them():
    text = "See https://a.org/b. (https://a.org/c_(d)) [e](https://a.org/e), “https://a.org/f”；https://a.org/g。http://127.0.0.1:{port}/x"
    assert [one.rpartition("/")[2] for one in links.find_addresses(text)] == ["b", "c_(d)", "e", "f", "g"]


def test_an_address_is_asked_twice_before_it_counts_as_gone():
    asked = []

    class Answers(BaseHTTPRequestHandler):
        def do_HEAD(self):
            asked.append(self.path)
            self.send_response({"/good": 200}.get(self.path, 405))
            self.end_headers()

        def do_GET(self):
            self.send_response({"/gone": 404}.get(self.path, 200))
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        here = f"http://127.0.0.1:{server.server_port}"
        answers = [links.ask(f"{here}/{name}") for name in ("good", "no-head", "gone")]
        server.shutdown()
        thread.join()
    assert asked == ["/good", "/no-head", "/gone"]
    assert answers == [("ok", "200"), ("ok", "200"), ("gone", "404 Not Found")]
    assert (
        links.ask(here)[0] == links.ask("https://example.org")[0] == "silent"
    )  # nobody listens, and the guard of the tests


ADDRESS = "https://github.com/somebody/ten-vectors"


@pytest.mark.parametrize("lesson", read_lessons(ROOT), ids=lambda lesson: lesson.name)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_with_an_address_every_lesson_has_one_link_to_colab_that_leads_to_its_own_notebook(lesson, lang):
    cells = build.make_notebook(lesson, lang, ADDRESS).cells
    found = [
        target
        for cell in cells
        if cell.cell_type == "markdown"
        for target in targets_in(cell.source)
        if "colab" in target
    ]
    start = "https://colab.research.google.com/github/somebody/ten-vectors/blob/main/"
    assert len(found) == 1 and found[0].startswith(start) and links.find_faults(found[0]) == []
    assert found[0] in cells[0].source and (ROOT / found[0].removeprefix(start)).is_file()
