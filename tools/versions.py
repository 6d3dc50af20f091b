"""Tests and notebooks with other Pythons and packages:

    python -m tools.versions [oldest] [colab] [conda] [tested] [newest] [PATH ...]

Each environment is made in .venvs/ where it is missing or its Python or list has changed, and
there the tests and all notebooks run without network. What came out is written into
docs/tested-with.json and from it into docs/tested-with.md, unless only some PATHs were run.
An environment whose Python is not on this machine is left out. Rests on install.py.
"""

import argparse
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from pathlib import Path
from typing import NamedTuple

from tools.console import ROOT, Problem, Say, run_command
from tools.install import TESTED, Environment, ask_version, install_packages
from tools.processes import run_child

ENVIRONMENTS = {
    "oldest": Environment(".venvs/oldest", "requirements.txt", "constraints/oldest.txt"),
    "colab": Environment(".venvs/colab", "constraints/colab.txt", "constraints/colab.txt"),
    "conda": Environment(".venvs/conda", "requirements.txt", "constraints/tested.txt"),
    "tested": TESTED,
    "newest": Environment(".venvs/newest", "requirements.txt", "constraints/newest.txt"),
}
# Which Python each is made from: the oldest that we support, Colab's, that of environment.yml
# (conda and Binder). The others: any.
PYTHONS = {"oldest": "3.11", "colab": "3.13", "conda": "3.12"}
# The versions that are written down.
PACKAGES = ["torch", "transformers", "numpy", "pillow", "matplotlib", "scikit-learn"]
PACKAGES += ["ipywidgets", "ipython", "ipykernel"]
# What no version of these packages decides: the tree, course.py, odd places and this file; and what
# needs a browser as well.
ELSEWHERE = [f"tests/test_{name}.py" for name in ("tree", "course", "reruns", "versions")]
ELSEWHERE += ["tests/browser"]
RECORD = "docs/tested-with.json"
PAGE = "docs/tested-with.md"
BEGIN, END = "<!-- from here on written by tools/versions.py -->", "<!-- up to here -->"


class Result(NamedTuple):
    """What came out of one run: as many tests, notebooks, and the names of what failed."""

    date: str
    commit: str
    versions: dict[str, str]
    passed: int
    failed: int
    skipped: int
    notebooks: int
    notebooks_passed: int
    seconds: int
    faults: list[str]


# Running


def find_python(version: str) -> str | None:
    """A Python of this version ("3.13"): the running one, pythonX.Y on PATH or in pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    pythons = [getattr(sys, "_base_executable", sys.executable), shutil.which(f"python{version}")]
    pythons += sorted(pyenv.glob(f"versions/{version}.*/bin/python"))
    # pyenv's python3.13 on PATH may be there and start nothing
    return next((str(one) for one in pythons if one and ask_version(one) == version), None)


def prepare(name: str, say: Say) -> Environment | None:
    """The environment with its packages in place; None where its Python is missing.

    One of another Python is made anew, and so is the newest of another day: there may be newer
    releases.
    """
    place, wanted = ENVIRONMENTS[name], PYTHONS.get(name)
    if wanted:
        python = find_python(wanted)
        if python is None:
            return None
        place = place._replace(made_from=python)
    if place.stamp.exists():
        made = format_day(place.stamp.stat().st_mtime)
        old = name == "newest" and made != format_day(time.time())
        if old or (wanted and ask_version(place.python) != wanted):
            shutil.rmtree(place.path)
    goal = say(f"{name}: the tests, without network", f"{name}：断网运行测试")
    install_packages(goal, say, place)
    return place


def format_day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds))


def run_tests(place: Environment, paths: list[str]) -> Result:
    """Run these tests and notebooks, or all, with the Python of this environment."""
    started, commit = time.time(), name_commit()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [str(place.python), "-m", "pytest", "--nbval-lax", "-q", f"--junitxml={report}"]
        command += ["--continue-on-collection-errors", "-p", "no:cacheprovider"]
        command += paths or [*(f"--ignore={path}" for path in ELSEWHERE), "tests", "notebooks"]
        status = run_child(command)  # conftest.py cuts the network off
        text = report.read_text(encoding="utf-8") if report.exists() else "<testsuites/>"
    counts = read_report(text)
    if status and not counts["faults"]:
        counts["faults"] = [f"pytest ended with status {status}"]
    seconds = round(time.time() - started)
    return Result(format_day(started), commit, read_versions(place), **counts, seconds=seconds)


def read_report(report: str) -> dict:
    """Counts and faults of pytest's JUnit report.

    A notebook's cells are its test cases, and it passes if none of them fails.
    """
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    faults, notebooks = [], {}
    for case in xml.etree.ElementTree.fromstring(report).iter("testcase"):
        where, name = case.get("classname"), case.get("name")
        fault = case.find("failure") is not None or case.find("error") is not None
        if fault:
            faults.append(f"{where}::{name}" if where else name)
        if where.endswith(".ipynb"):
            notebooks[where] = notebooks.get(where, True) and not fault
        else:
            skipped = case.find("skipped") is not None
            counts["failed" if fault else "skipped" if skipped else "passed"] += 1
    counts |= {"notebooks": len(notebooks), "notebooks_passed": sum(notebooks.values())}
    # a test may fail and then its teardown too
    return counts | {"faults": list(dict.fromkeys(faults))}


def read_versions(place: Environment) -> dict[str, str]:
    """{"python": "3.11", "torch": "2.13.0", ...} of what is there, without a build such as +cpu."""
    found = {"python": ask_version(place.python) or "missing"}
    for name in PACKAGES:
        there = importlib.metadata.distributions(name=name, path=place.site_packages)
        found[name] = next((each.version.partition("+")[0] for each in there), "missing")
    return found


def name_commit() -> str:
    """The commit that is tried, with " + changes" where a file differs; "unknown" without git."""

    def ask_git(*arguments: str) -> str:
        git = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        )
        return git.stdout.strip()

    try:
        ours = [f":(exclude){path}" for path in (RECORD, PAGE)]
        changes = ask_git("status", "--porcelain", "--", ".", *ours)
        return ask_git("rev-parse", "--short", "HEAD") + (" + changes" if changes else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


# Writing down


def load_results() -> dict[str, Result]:
    path = ROOT / RECORD
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {name: Result(**record[name]) for name in ENVIRONMENTS if name in record}


def write_down(name: str, result: Result) -> None:
    """Keep the result as the last one of this environment, and bring the page up to date."""
    results = load_results() | {name: result}
    record = {each: results[each]._asdict() for each in ENVIRONMENTS if each in results}
    (ROOT / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    (ROOT / PAGE).write_text(fill_page(page, load_results()), encoding="utf-8")


def fill_page(page: str, results: dict[str, Result]) -> str:
    """The page with its tables made of these results; the prose around them is written by hand."""
    block = f"{BEGIN}\n\n{format_tables(results)}\n\n{END}"
    return re.sub(f"(?s){re.escape(BEGIN)}.*{re.escape(END)}", lambda _: block, page)


def list_untried(results: dict[str, Result]) -> list[str]:
    """The environments that no whole run has tried with this Python and these versions."""
    untried = []
    for name, place in ENVIRONMENTS.items():
        pins = re.findall(r"(?m)^(\S+)==(\S+)$", (ROOT / place.constraints).read_text("utf-8"))
        listed = dict(pins) | {"python": PYTHONS[name]} if name in PYTHONS else dict(pins)
        tried = results[name].versions if name in results else {}
        if not tried or any(tried[each] != listed.get(each, tried[each]) for each in tried):
            untried.append(name)
    return untried


def format_tables(results: dict[str, Result]) -> str:
    untried = list_untried(results)
    named = [f"{name} (Python {PYTHONS[name]})" if name in PYTHONS else name for name in untried]
    ahead = [f"No whole run yet of these as they are now: {', '.join(named)}."] if untried else []
    if not results:
        return ahead[0]
    heads = ["environment", "date", "commit", "tests passed", "failed", "skipped"]
    outcome = [[*heads, "notebooks passed", "min:s"]]
    installed, faults = [["environment", "Python", *PACKAGES]], []
    for name, r in results.items():
        notebooks = f"{r.notebooks_passed} of {r.notebooks}"
        counts = [r.passed, r.failed, r.skipped, notebooks, format_minutes(r)]
        outcome.append([name, r.date, r.commit, *counts])
        installed.append([name, *(r.versions[package] for package in ["python", *PACKAGES])])
        faults += [f"- {name}: `{fault}`" for fault in r.faults]
    failed = "What failed:\n\n" + "\n".join(faults) if faults else "Nothing failed."
    return "\n\n".join([*ahead, format_table(outcome), failed, format_table(installed)])


def format_minutes(result: Result) -> str:
    return f"{result.seconds // 60}:{result.seconds % 60:02d}"


def format_table(rows: list[list]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join([lines[0], "| --- " * len(rows[0]) + "|", *lines[1:]])


# The command line


def try_versions(words: list[str], lang: str, say: Say) -> int:
    about = "Tests and notebooks with other versions / 用别的版本跑测试和笔记本"
    parser = argparse.ArgumentParser("tools.versions", description=about, allow_abbrev=False)
    names = " | ".join(ENVIRONMENTS)
    texts = {"metavar": f"{names} | PATH", "help": "environments; tests or notebooks to run"}
    parser.add_argument("what", nargs="*", **texts)
    parser.add_argument("--lang", choices=["en", "zh"], default=lang)
    asked = parser.parse_args(words).what
    paths = [word for word in asked if word not in ENVIRONMENTS]
    for path in paths:
        if not (ROOT / path.split("::")[0]).exists():
            parser.error(f'"{path}" is neither an environment ({names}) nor a file of the course')

    status, lines = 0, []
    for name in [name for name in ENVIRONMENTS if name in asked] or ENVIRONMENTS:
        try:
            place = prepare(name, say)
        except Problem as problem:
            print(say(*problem.texts), file=sys.stderr)
            status = 1
            continue
        if place is None:
            python = PYTHONS[name]
            english = f"there is no Python {python} here, neither python{python} nor in pyenv"
            chinese = f"这里没有 Python {python}（PATH 里和 pyenv 里都没有）"
            lines.append(say(f"{name}: left out, since {english}", f"{name}：略过，{chinese}"))
            continue
        result = run_tests(place, paths)
        if not paths:
            write_down(name, result)
        status = status or int(bool(result.faults))
        lines.append(
            f"{name}: {result.passed} passed, {result.failed} failed, {result.skipped} skipped; "
            f"notebooks: {result.notebooks_passed} of {result.notebooks}; {format_minutes(result)}"
        )
    print("\n".join(lines))
    return status


def main(words: list[str] | None = None) -> int:
    return run_command(try_versions, words)


if __name__ == "__main__":
    sys.exit(main())
