"""The verbs models, book, test, build and bench: each starts its work in the environment."""

import argparse
import os
import tempfile
from pathlib import Path

from tools.console import ROOT, Incomplete, Problem, Say
from tools.install import add_packages, choose_python
from tools.processes import run_child

# For tests without paths: whole files and notebooks on each worker, in the order of
# tests/conftest.py. Not with these options.
TWO_WORKERS = ["-n", "2", "--dist=loadscope", "--no-loadscope-reorder"]
ONE_PROCESS = ("-k", "--pdb")


def run_tests(arguments: argparse.Namespace, say: Say) -> int:
    check_there("tests")
    goal = say("The tests, without network", "断网运行测试")
    modules = ["pytest", "xdist", "nbval", "jupytext", "torch", "transformers"]
    python = choose_python(arguments.here, modules, goal, say)
    status = run_child([python, "-m", *choose_tests(arguments)])  # conftest.py cuts the network off
    if arguments.all and not arguments.pytest and not arguments.here:
        print(say("The notebooks with the versions of Colab", "用 Colab 的版本运行笔记本"))
        command = ["-m", "tools.versions", "colab", "notebooks", "--lang", arguments.lang]
        with_colab = run_child([python, *command])
        status = status or with_colab
    return status


def choose_tests(arguments: argparse.Namespace) -> list[str]:
    """pytest and its options: all of tests/ and notebooks/ on two workers, or what is named.

    That runs in one process, which starts at once.
    """
    given = arguments.pytest
    command = ["pytest", "--nbval-lax", *(["-m", ""] if arguments.all else [])]
    if find_paths(given):
        return [*command, *given]
    workers = [] if any(option.startswith(ONE_PROCESS) for option in given) else TWO_WORKERS
    notebooks = ["notebooks"] if any((ROOT / "notebooks").rglob("*.ipynb")) else []
    return [*command, *workers, *given, "tests", *notebooks]


def find_paths(arguments: list[str]) -> list[str]:
    """Those of pytest's arguments that name tests or notebooks: tests/test_course.py::test_name."""
    with_value = ("-k", "-m", "-p", "-o", "-W", "--ignore", "--deselect")
    return [
        argument
        for option, argument in zip(["", *arguments], arguments)
        if option not in with_value
        and not argument.startswith("-")
        and os.path.exists(ROOT / argument.split("::")[0])
    ]


def fetch_model(arguments: argparse.Namespace, say: Say) -> int:
    check_there("tools/models/fetch_model.py")
    goal = say("SmolLM2, a language model that people use", "SmolLM2，一个大家在用的语言模型")
    python = choose_python(arguments.here, ["torch", "transformers"], goal, say)
    command = ["-m", "tools.models.fetch_model", "--lang", arguments.lang]
    return run_child([python, *command, arguments.model])


def make_book(arguments: argparse.Namespace, say: Say) -> int:
    check_there("tools/book/build_book.py")
    goal = say("The book", "生成网页书")
    python = choose_python(arguments.here, ["nbconvert", "torch", "transformers"], goal, say)
    if not arguments.here:
        try:
            add_packages("tools/book/requirements.txt", say)
        except Problem as problem:
            print(say(*problem.texts))
            print(say("The book is made without its search.", "这次生成的书没有搜索。"))
    options = ["--serve"] if arguments.serve else []
    options += ["--out", os.path.abspath(arguments.out)] if arguments.out else []
    return run_child([python, "-m", "tools.book.build_book", "--lang", arguments.lang, *options])


def build_notebooks(arguments: argparse.Namespace, say: Say) -> int:
    check_there("tools/build.py")
    if not arguments.check:
        check_writable(ROOT if arguments.no_solutions else ROOT / "notebooks")
    goal = say("The notebooks, from lessons/", "由 lessons/ 生成笔记本")
    modules = ["jupytext", "nbformat", "nbclient", "torch", "transformers"]
    python = choose_python(arguments.here, modules, goal, say)
    given = [name for name in ("check", "all", "no_solutions") if getattr(arguments, name)]
    options = [f"--{name.replace('_', '-')}" for name in given]
    command = ["-m", "tools.build", "--lang", arguments.lang, *options]
    return run_child([python, *command, *arguments.lesson])


def run_benchmarks(arguments: argparse.Namespace, say: Say) -> int:
    check_there("benchmarks/run.py")
    check_writable(ROOT / "benchmarks")
    goal = say("The benchmarks", "基准测试")
    python = choose_python(arguments.here, ["torch", "transformers", "matplotlib"], goal, say)
    command = ["-m", "benchmarks.run", "--lang", arguments.lang]
    return run_child([python, *command, *arguments.name])


def check_there(name: str) -> None:
    """Raise Incomplete where this part of the course is missing: before minutes of installing."""
    if not os.path.exists(ROOT / name):
        raise Incomplete(ROOT / name)


def check_writable(folder: Path) -> None:
    """Raise an OSError where nothing can be written into the folder: before minutes of work."""
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except FileNotFoundError:
        pass  # it will be made
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error
