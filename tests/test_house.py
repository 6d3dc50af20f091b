"""The rules of the house: who may import whom, what is private, and how much a reader of helpers and a lesson has to carry."""

import ast
import io
import re
import sys
import tokenize
from functools import cache

import pytest

from tools.console import ROOT
from tools.source import read_lessons

PACKAGES = ("helpers", "pocket", "finetuning", "lessons", "tools")
MAY_IMPORT = {
    "helpers": {"helpers"},
    "pocket": {"pocket", "helpers"},
    "finetuning": {"finetuning", "helpers"},
    "lessons.kit": {"lessons.kit", "helpers", "pocket", "tools.doctor"},
    "tools": {"tools", "tools.doctor", "helpers", "pocket"},
    "tools.doctor": {"tools"},
}
NEED_PACKAGES = ("build", "source")  # of tools; the others must run before anything is installed


@cache
def modules():
    """{module: its file} of the packages that a lesson may load."""
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}
    return {name: path for name, path in names.items() if not re.search(r"\.lesson(_b)?$|\.wrong_answers$", name)}


def imported(tree):
    """What a piece of code imports, also inside functions and for type checkers: modules and "module.name"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def needs(tree):
    """The modules of the house that a piece of code imports, with the packages in which they lie."""
    found = {name for name in imported(tree) if name in modules()}
    return found | {package for name in found for package in [name.split(".")[0]] if package in modules()}


@cache
def tree_of(module):
    return ast.parse(modules()[module].read_text("utf-8"))


def wing(module):
    """ "helpers", "lessons.kit", the room of a lesson, or "tools.doctor", which lessons too may ask."""
    return module if module == "tools.doctor" else ".".join(module.split(".")[: 1 + module.startswith("lessons.")])


def test_everybody_imports_only_whom_they_may():
    packages = {name for name, path in modules().items() if path.name == "__init__.py"}
    for module in modules().keys() - packages:
        mine = wing(module)
        allowed = MAY_IMPORT.get(mine, {mine, "lessons.kit", "helpers", "pocket", "finetuning", "tools.doctor"})
        assert {wing(name) for name in needs(tree_of(module)) - packages} <= allowed, module


def test_what_installs_the_packages_needs_none():
    files = [ROOT / "course.py", *(ROOT / "tools").glob("*.py")]
    for path in [path for path in files if path.stem not in NEED_PACKAGES]:
        wanted = {name.split(".")[0] for name in imported(ast.parse(path.read_text("utf-8")))}
        assert wanted <= sys.stdlib_module_names | {"tools"}, path


def test_helpers_draw_nothing_and_have_no_buttons():
    outside = {
        name.split(".")[0] for module in modules() if wing(module) == "helpers" for name in imported(tree_of(module))
    }
    assert not outside & {"ipywidgets", "matplotlib", "IPython"}


def test_imports_make_no_circle():
    left = {module: needs(tree_of(module)) - {module, module.split(".")[0]} for module in modules()}
    while ready := [module for module, wanted in left.items() if not wanted & set(left)]:
        for module in ready:
            del left[module]
    assert left == {}


def test_no_name_with_an_underscore_crosses_a_file():
    found = []
    for module in modules():
        tree = tree_of(module)
        local = {alias.asname or alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
                 and str(node.module).split(".")[0] in PACKAGES for alias in node.names}  # fmt: skip
        found += [f"{module}: {name}" for name in local if name.startswith("_")]
        found += [f"{module}: {ast.unparse(node)}" for node in ast.walk(tree) if isinstance(node, ast.Attribute)
                  and isinstance(node.value, ast.Name) and node.value.id in local
                  and node.attr.startswith("_") and not node.attr.startswith("__")]  # fmt: skip
    assert found == []


@pytest.mark.parametrize("package", [name for name, path in modules().items() if path.name == "__init__.py"])
def test_a_package_exports_nothing_again(package):
    (only,) = tree_of(package).body
    assert isinstance(only, ast.Expr)


def lines_of_code(path):
    """How many lines hold code: without blank lines, comments and docstrings."""
    text = path.read_text("utf-8")
    documented = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node)
        for line in range(node.body[0].lineno, node.body[0].end_lineno + 1)
    }
    thin = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    held = {line for token in tokens if token.type not in thin for line in range(token.start[0], token.end[0] + 1)}
    return len(held - documented)


def test_helpers_can_be_read_in_an_evening():
    files = list((ROOT / "helpers").rglob("*.py"))
    assert len(files) <= 16
    assert sum(map(lines_of_code, files)) <= 2200


def loaded_by(lesson):
    """All modules of the house that the code of a lesson loads but for the doctor's, and the lines of their files."""
    code = "\n".join(cell.source for cell in lesson.cells if cell.cell_type == "code")
    found, todo = set(), needs(ast.parse(code)) | {"lessons.kit.setup_cell"}
    while todo := todo - found:
        found |= todo
        todo = {name for module in todo for name in needs(tree_of(module)) if wing(name)[:5] != "tools"}
    return found, sum(len(modules()[name].read_text("utf-8").splitlines()) for name in found)


def test_lesson_00_loads_little():
    found, lines = loaded_by(read_lessons(ROOT)[0])
    assert len(found) <= 32 and lines <= 7500
    wings = {wing(name) for name in found if modules()[name].name != "__init__.py"}
    assert wings == {"helpers", "pocket", "lessons.kit", "lessons.lesson_00_start_here"}
