"""Tests and notebooks with other Pythons and packages: python tests/versions.py [oldest] [colab] [conda] [tested] [newest] [PATH ...].

Each environment is made in .venvs/ where it is missing or its Python or list has changed, by the functions of course.py, and there the
tests and all notebooks run without network. What came out is written into docs/tested-with.json and from it into docs/tested-with.md,
unless only some PATHs were run. An environment whose Python is not on this machine is left out. Standard library only.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import course  # noqa: E402
from course import Environment, Problem, Say  # noqa: E402

ENVIRONMENTS = {
    "oldest": Environment(".venvs/oldest", "requirements.txt", "constraints/oldest.txt"),
    "colab": Environment(".venvs/colab", "constraints/colab.txt", "constraints/colab.txt"),
    "conda": Environment(".venvs/conda", "requirements.txt", "constraints/tested.txt"),
    "tested": course.TESTED,
    "newest": Environment(".venvs/newest", "requirements.txt", "constraints/newest.txt"),
}
# Which Python each is made from: the oldest that we support, Colab's, that of environment.yml (conda and Binder). The others: any.
PYTHONS = {"oldest": "3.11", "colab": "3.13", "conda": "3.12"}
# The versions that are written down.
PACKAGES = [
    "torch",
    "transformers",
    "numpy",
    "pillow",
    "matplotlib",
    "scikit-learn",
    "ipywidgets",
    "ipython",
    "ipykernel",
]
# What no version of these packages decides: the tree, course.py, odd places and this file; and what needs a browser as well.
ELSEWHERE = [*(f"tests/test_{name}.py" for name in ("tree", "course", "reruns", "versions")), "tests/browser"]
RECORD = "docs/tested-with.json"
PAGE = "docs/tested-with.md"
BEGIN, END = "<!-- from here on written by tests/versions.py -->", "<!-- up to here -->"


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
    """A Python of this version ("3.13"): the one that runs this, pythonX.Y on PATH or in pyenv. None where there is none."""
    running = getattr(sys, "_base_executable", sys.executable)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    on_path = shutil.which(f"python{version}")
    for python in [running, *([on_path] if on_path else []), *sorted(pyenv.glob(f"versions/{version}.*/bin/python"))]:
        try:  # pyenv's python3.13 on PATH may be there and start nothing
            ask = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
            if subprocess.run(ask, capture_output=True, text=True).stdout.strip() == version:
                return str(python)
        except OSError:
            continue
    return None


def prepare(name: str, say: Say) -> Environment | None:
    """The environment with its packages in place; None where its Python is missing. One of another Python is made anew.

    So is the newest of another day: there may be newer releases.
    """
    place, wanted = ENVIRONMENTS[name], PYTHONS.get(name)
    stamp = course.stamp(place)
    if wanted:
        python = find_python(wanted)
        if python is None:
            return None
        place = place._replace(python=python)
    old = name == "newest" and stamp.exists() and day(stamp.stat().st_mtime) != day(time.time())
    if old or (wanted and stamp.exists() and course.venv_python_version(place) != wanted):
        shutil.rmtree(course.venv(place))
    course.install(say(f"{name}: the tests, without network", f"{name}：断网运行测试"), say, place)
    return place


def day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds))


def run(place: Environment, paths: list[str]) -> Result:
    """Runs these tests and notebooks, or all, with the Python of this environment."""
    started, commit = time.time(), commit_here()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [str(course.venv_python(place)), "-m", "pytest", "--nbval-lax", "-q", f"--junitxml={report}"]
        command += ["--continue-on-collection-errors", "-p", "no:cacheprovider"]
        command += paths or [*(f"--ignore={path}" for path in ELSEWHERE), "tests", "notebooks"]
        status = course.attend(command)  # conftest.py cuts the network off
        counts = read(report.read_text(encoding="utf-8") if report.exists() else "<testsuites/>")
    if status and not counts["faults"]:
        counts["faults"] = [f"pytest ended with status {status}"]
    return Result(day(started), commit, versions(place), **counts, seconds=round(time.time() - started))


def read(report: str) -> dict:
    """Counts and faults of pytest's JUnit report. A notebook's cells are its test cases, and it passes if none of them fails."""
    passed = failed = skipped = 0
    faults, notebooks = [], {}
    for case in xml.etree.ElementTree.fromstring(report).iter("testcase"):
        where, name = case.get("classname"), case.get("name")
        fault = case.find("failure") is not None or case.find("error") is not None
        if fault:
            faults.append(f"{where}::{name}" if where else name)
        if where.endswith(".ipynb"):
            notebooks[where] = notebooks.get(where, True) and not fault
        elif fault:
            failed += 1
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return {
        "passed": passed,
        "failed": failed,
        "skipped": skipped,
        "notebooks": len(notebooks),
        "notebooks_passed": sum(notebooks.values()),
        "faults": list(dict.fromkeys(faults)),  # a test may fail and then its teardown too
    }


def versions(place: Environment) -> dict[str, str]:
    """{"python": "3.11", "torch": "2.13.0", ...} of what is installed there, without a build such as +cpu."""
    folders = course.venv_folders(place)
    found = {name: next(iter(importlib.metadata.distributions(name=name, path=folders)), None) for name in PACKAGES}
    return {
        "python": course.venv_python_version(place) or "missing",
        **{name: package.version.partition("+")[0] if package else "missing" for name, package in found.items()},
    }


def commit_here() -> str:
    """The commit that is tried, with " + changes" where a file differs from it; "unknown" without git."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changes = git("status", "--porcelain", "--", ".", f":(exclude){RECORD}", f":(exclude){PAGE}")
        return git("rev-parse", "--short", "HEAD") + (" + changes" if changes else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


# Writing down


def load() -> dict[str, Result]:
    path = ROOT / RECORD
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {name: Result(**record[name]) for name in ENVIRONMENTS if name in record}


def write_down(name: str, result: Result) -> None:
    """Keeps the result as the last one of this environment, and brings the page up to date."""
    results = {**load(), name: result}
    record = {each: results[each]._asdict() for each in ENVIRONMENTS if each in results}
    (ROOT / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    (ROOT / PAGE).write_text(with_tables(page, load()), encoding="utf-8")


def with_tables(page: str, results: dict[str, Result]) -> str:
    """The page with its tables made of these results; the prose around them is written by hand."""
    block = f"{BEGIN}\n\n{tables(results)}\n\n{END}"
    return re.sub(f"(?s){re.escape(BEGIN)}.*{re.escape(END)}", lambda _: block, page)


def untried(results: dict[str, Result]) -> list[str]:
    """The environments that no whole run has tried as they are now: with this Python, and the versions of this list."""
    return [name for name in ENVIRONMENTS if name not in results or differs(name, results[name].versions)]


def differs(name: str, tried: dict[str, str]) -> bool:
    lines = (ROOT / ENVIRONMENTS[name].constraints).read_text(encoding="utf-8").splitlines()
    listed = dict(line.split("==") for line in lines if not line.startswith("#"))
    listed |= {"python": PYTHONS[name]} if name in PYTHONS else {}
    return any(tried[package] != listed[package] for package in tried if package in listed)


def tables(results: dict[str, Result]) -> str:
    waiting = ", ".join(f"{name} (Python {PYTHONS[name]})" if name in PYTHONS else name for name in untried(results))
    ahead = [f"No whole run yet of these as they are now: {waiting}."] if waiting else []
    if not results:
        return ahead[0]
    outcome = [
        [name, r.date, r.commit, r.passed, r.failed, r.skipped, f"{r.notebooks_passed} of {r.notebooks}", minutes(r)]
        for name, r in results.items()
    ]
    heads = ["environment", "date", "commit", "tests passed", "failed", "skipped", "notebooks passed", "min:s"]
    installed = [[name, *(r.versions[package] for package in ["python", *PACKAGES])] for name, r in results.items()]
    faults = [f"- {name}: `{fault}`" for name, r in results.items() for fault in r.faults]
    failed = "What failed:\n\n" + "\n".join(faults) if faults else "Nothing failed."
    return "\n\n".join([*ahead, table(heads, outcome), failed, table(["environment", "Python", *PACKAGES], installed)])


def minutes(result: Result) -> str:
    return f"{result.seconds // 60}:{result.seconds % 60:02d}"


def table(heads: list[str], rows: list[list]) -> str:
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [heads, ["---"] * len(heads), *rows])


# The command line


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Tests and notebooks with other versions / 用别的版本跑测试和笔记本")
    names = " | ".join(ENVIRONMENTS)
    parser.add_argument("what", nargs="*", metavar=f"{names} | PATH", help="environments; tests or notebooks to run")
    parser.add_argument("--lang", choices=["en", "zh"], default=course.locale_language())
    arguments = parser.parse_args(argv)
    chosen = [name for name in ENVIRONMENTS if name in arguments.what] or list(ENVIRONMENTS)
    paths = [word for word in arguments.what if word not in ENVIRONMENTS]
    for path in paths:
        if not (ROOT / path.split("::")[0]).exists():
            parser.error(f'"{path}" is neither an environment ({names}) nor a file in the folder of the course')

    say = course.console_speaker(arguments.lang)
    status, lines = 0, []
    for name in chosen:
        try:
            place = prepare(name, say)
            if place is None:
                wanted = PYTHONS[name]
                english = (
                    f"{name}: left out, since there is no Python {wanted} here, neither python{wanted} nor in pyenv"
                )
                lines.append(say(english, f"{name}：略过，这里没有 Python {wanted}（PATH 里和 pyenv 里都没有）"))
                continue
            result = run(place, paths)
        except Problem as problem:
            print(say(*problem.texts), file=sys.stderr)
            status = 1
            continue
        if not paths:
            write_down(name, result)
        status = status or int(bool(result.faults))
        lines.append(
            f"{name}: {result.passed} passed, {result.failed} failed, {result.skipped} skipped; "
            f"notebooks: {result.notebooks_passed} of {result.notebooks}; {minutes(result)}"
        )
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, course.interrupt)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
