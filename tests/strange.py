"""Strange places: copies of the course into which nobody may write, under a path with spaces and Chinese characters, in the C locale.

conftest.py has cut off the network in all of them. For test_reruns.py and test_accessibility.py, which share the runs.
"""

import atexit
import ctypes
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
LESSONS = sorted(path.stem for path in (ROOT / "notebooks" / "en").glob("*.ipynb"))
MAY_WRITE = (stat.S_IWUSR, stat.S_IWGRP, stat.S_IWOTH)
# of Linux: PR_CAPBSET_DROP; CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
DROP_FROM_BOUNDING_SET, IGNORE_MODES = 24, (1, 2)


class Place(NamedTuple):
    """What is strange there."""

    read_only: bool = True
    odd_path: bool = True
    c_locale: bool = True


STRANGEST = Place()


def course_files() -> list[str]:
    """What a clone holds, and what is new and not ignored; without git, all but what git would ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True).stdout.decode().split("\0")
    if not any(listed):
        ours = [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file()]
        listed = [
            path.as_posix() for path in ours if not {"work", "__pycache__"} & {*path.parts} and path.parts[0][0] != "."
        ]
    return [name for name in listed if name and (ROOT / name).is_file()]


@cache
def clone(read_only: bool, odd_path: bool) -> Path:
    """A copy of the course, removed at the end."""
    top = Path(tempfile.mkdtemp(prefix="ten-vectors-"))
    root = top / ("十个 向量/my course" if odd_path else "course")
    for name in course_files():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, root / name)
    if read_only:
        set_writable(root, False)
    atexit.register(remove, top, root)
    return root


def set_writable(root: Path, writable: bool) -> None:
    for path in [root, *root.rglob("*")]:
        mode = path.stat().st_mode
        path.chmod(mode | stat.S_IWUSR if writable else mode & ~sum(MAY_WRITE))


def remove(top: Path, root: Path) -> None:
    set_writable(root, True)
    shutil.rmtree(top, ignore_errors=True)


def obey_modes() -> None:
    """Root may read and write whatever the modes say. In the child that is about to start, root may no more."""
    for right in IGNORE_MODES:
        ctypes.CDLL(None).prctl(DROP_FROM_BOUNDING_SET, right, 0, 0, 0)


def run_there(*arguments: str, place: Place = STRANGEST) -> subprocess.CompletedProcess:
    """Python with these arguments, in the folder of a course that lies in such a place."""
    environment = {name: value for name, value in os.environ.items() if name not in ("LANG", "LANGUAGE", "PYTHONUTF8")}
    environment["LC_ALL"] = "C" if place.c_locale else "C.UTF-8"
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=clone(place.read_only, place.odd_path),
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        preexec_fn=obey_modes if place.read_only and sys.platform == "linux" else None,
    )


@cache
def read_only_binds() -> bool:
    """Whether this system keeps us from writing where the modes forbid it. Root without the right to give rights up is not kept."""
    return run_there("-c", "open('written', 'w')").returncode != 0


@cache
def seen(lesson: str, lang: str, place: Place, thoroughly: bool) -> dict[str, Any]:
    """What twice.py tells of a notebook there, or {"failed": why}."""
    ran = run_there(
        "-m", "tests.twice", f"notebooks/{lang}/{lesson}.ipynb", *["--thoroughly"] * thoroughly, place=place
    )
    return json.loads(ran.stdout) if ran.returncode == 0 else {"failed": ran.stderr.strip().splitlines()[-1]}
