"""What holds for the tree as a whole: its style, its words and its links."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lessons import build

ROOT = Path(__file__).parents[1]
TRACKED = subprocess.run(
    ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
).stdout
FILES = [ROOT / name for name in TRACKED.splitlines() if (ROOT / name).is_file()]
PAGES = [path for path in FILES if path.suffix == ".md"]
CHINESE = re.compile("[\u4e00-\u9fff]")


def chinese_texts():
    """(file, text) of all Chinese that learners may read outside the lessons' own cells."""
    yield ROOT / "README.md", (ROOT / "README.md").read_text("utf-8")
    for path in FILES:
        if path.suffix == ".py" and path.parts[-2] not in ("lessons", "tests", "browser"):
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
        for fault in build.wrong_variants(text, glossary)
    ]
    assert found == []


@pytest.mark.skipif(importlib.util.find_spec("ruff") is None, reason="ruff is not installed here")
@pytest.mark.parametrize("command", ["check", "format --check"])
def test_ruff_has_nothing_to_say(command):
    result = subprocess.run(
        [sys.executable, "-m", "ruff", *command.split(), "."], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_to_files_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)", re.sub(r"(?s)```.*?```", "", page.read_text("utf-8")))
    assert [link for link in links if ":" not in link and not (page.parent / link).exists()] == []


def test_both_readmes_say_the_same_in_the_same_order():
    """As many sections, tables, commands and links to files, and the same commands."""
    chinese, english = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README_EN.md"))
    for pattern in (r"(?m)^## ", r"(?m)^\|", r"\]\(", r"(?m)^- "):
        assert len(re.findall(pattern, chinese)) == len(re.findall(pattern, english)), pattern
    blocks = ["\n".join(re.findall(r"(?ms)^```\w*\n(.*?)^```", text)) for text in (chinese, english)]
    commands = [[line.split("  #")[0].strip() for line in block.splitlines()] for block in blocks]
    assert commands[0] == commands[1] and len(commands[0]) > 6


# Imports


def imports():
    """{module: the modules of helpers that it imports}, also inside functions; those that are for type checkers alone left out."""
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (ROOT / "helpers").rglob("*.py")
    }
    found = {}
    for module, path in files.items():
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = [ast.Pass()]
        named = {
            name
            for node in ast.walk(tree)
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        found[module] = (named & set(files)) - {module}
    return found


def test_imports_make_no_circle():
    left = imports()
    while ready := [module for module, needs in left.items() if not needs & set(left)]:
        for module in ready:
            del left[module]
    assert left == {}


MECHANISM = ("pretrained", "context", "captioner", "checkpoints", "data", "pictures", "training", "reading", "files")


@pytest.mark.parametrize("module", MECHANISM)
def test_the_mechanism_knows_nothing_of_notebooks(module):
    assert imports()[f"helpers.{module}"] <= {f"helpers.{name}" for name in ("__init__", *MECHANISM)} | {"helpers"}


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
