"""The folder of a run: whose it is, who holds it, and what it remembers; nothing heavy is imported.

`training.safetensors` is written first and whole, and holds all that going on needs: what else is
in the folder can be made again from it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from helpers.language import LearnerError, say

# how far it is; what it has learned; how it went
TRAINING, CHECKPOINT, LOG, CURVE = FILES = (
    "training.safetensors",
    "captioner.safetensors",
    "log.jsonl",
    "loss.png",
)
LOCK = "soft_prompt_finetune.lock"
# of the lock file; far behind the process id in it, since on Windows nobody reads a locked byte
LOCKED_BYTE = 1 << 20
LONGEST_HEADER = 100_000_000  # bytes in a safetensors file


# --- which folder -------------------------------------------------------------------------------


def find_folder(output: Path | None, resume: bool, runs: Path) -> Path:
    """Find where a training is kept, or will be; this makes no folder.

    Raises ValueError where there is one too many, or none to go on with.
    """
    if output is None and resume:
        output = find_last(runs, TRAINING)
    numbers = [number for number, _ in _list_numbered(runs)]
    folder = (output or runs / str(max(numbers, default=0) + 1)).absolute()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir():
        raise ValueError(f"{there} is a file: name a folder by --output")
    if not os.access(there, os.W_OK):
        raise ValueError(f"nothing can be written to {there}: name another folder by --output")
    check_folder(folder, resume)
    return folder


def check_folder(folder: Path, resume: bool) -> None:
    """Raise ValueError where a training cannot begin in a folder, or cannot go on there."""
    notes = read_notes(folder / TRAINING)
    ours = "history" in notes and bool({"config", "plan"} & notes.keys())  # older: "plan"
    there = [name for name in FILES if os.path.lexists(folder / name)]
    there += [LOCK] if _is_foreign_lock(folder / LOCK) else []
    if resume and not there:
        raise ValueError(
            f"there is no training in {folder} to go on with: "
            "leave out --resume, or name another folder by --output"
        )
    if resume and not ours:
        raise LearnerError(
            en=f"{folder / TRAINING} is missing, damaged or another program's, "
            "so this training cannot go on: begin in another folder by --output",
            zh=f"{folder / TRAINING} 不见了、已经损坏，或者是别的程序的文件，没法接着训练："
            "请用 --output 指定另一个文件夹，重新开始",
        )
    if LOCK not in there and ours and not resume:
        raise ValueError(
            f"{folder} holds a training already: "
            "go on with it by --resume, or name another folder by --output"
        )
    if there and not ours or LOCK in there:
        raise LearnerError(
            en=f"{folder} holds {', '.join(there)}, which this script did not write; so that "
            "nothing of somebody else's is replaced, name another folder by --output",
            zh=f"{folder} 里有 {'、'.join(there)}，但不是本脚本写的；为了不覆盖别人的文件，"
            "请用 --output 指定另一个文件夹",
        )


def _is_foreign_lock(file: Path) -> bool:
    """Whether something has the name of our lock that is not one: another file, or a link."""
    if file.is_symlink() or not file.is_file():
        return os.path.lexists(file)
    # Windows lets nobody read a file that is locked, and then it is ours
    with suppress(OSError):
        return not re.fullmatch(rb"\d{0,19}\s*", file.read_bytes()[:21])
    return False


def find_last(runs: Path, wanted: str) -> Path:
    """Of the numbered runs the last that holds this file. Raises ValueError if none does."""
    known = [run for _, run in _list_numbered(runs) if (run / wanted).is_file()]
    if not known:
        raise ValueError(
            f"there is no training in {runs} yet: train first, or name its folder by --output"
        )
    return known[-1]


def _list_numbered(runs: Path) -> list[tuple[int, Path]]:
    folders = (run for run in runs.glob("*") if run.name.isascii() and run.name.isdigit())
    return sorted((int(run.name), run) for run in folders)


# --- what it remembers --------------------------------------------------------------------------


def recall_settings(folder: Path) -> dict[str, Any]:
    """What its run was asked for; {} where that is not known.

    The training says it; of runs from before it did, the log's first line.
    """
    noted = _read_object(read_notes(folder / TRAINING).get("settings", ""))
    logged = (line.get("settings") for line in read_lines(folder / LOG))
    return noted or next((known for known in logged if isinstance(known, dict)), {})


def read_notes(file: Path) -> dict[str, str]:
    """The texts in a whole safetensors file, read without its library; {} if there are none."""
    try:
        with file.open("rb") as opened:
            size = int.from_bytes(opened.read(8), "little")
            header = _read_object(opened.read(size) if size <= LONGEST_HEADER else b"")
            notes = header.pop("__metadata__", None)
            ends = [tensor["data_offsets"][1] for tensor in header.values()]
            whole = file.stat().st_size == 8 + size + max(ends, default=0)
    except (OSError, KeyError, TypeError, IndexError):
        return {}
    return notes if whole and isinstance(notes, dict) else {}


def read_lines(log: Path) -> Iterator[dict[str, Any]]:
    """The objects in a log, one a line; lines that are cut off or something else are left out."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    yield from filter(None, map(_read_object, text.splitlines()))


def _read_object(text: str | bytes) -> dict[str, Any]:
    """What stands there as JSON, if it is an object; else {}."""
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


# --- who holds it -------------------------------------------------------------------------------


@contextmanager
def hold_folder(folder: Path, new: bool) -> Iterator[Path]:
    """Hold a run's folder, of which nobody else can then take hold; yield which it is.

    It is made where there is none. What a killed run was writing in it is removed, and in the end
    what was made here, if nothing came into it.

    Args:
        folder: to hold.
        new: whether it must be one of its own: the next number if somebody else was faster.

    Raises:
        LearnerError: another process holds it.
    """
    missing: list[Path] = []
    try:
        while True:
            missing = [place for place in (folder, *folder.parents) if not place.exists()]
            try:
                folder.mkdir(parents=True, exist_ok=not new)
                break
            except FileExistsError:
                if not new:
                    raise
                folder = folder.with_name(str(int(folder.name) + 1))
        with _lock(folder):
            yield folder
    finally:
        for place in missing:
            with suppress(OSError):
                place.rmdir()


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Lock a file in the folder by the system, which lets go when the process ends, however."""
    file = folder / LOCK
    while True:
        held = file.open("a+b", buffering=0)
        try:
            _lock_file(held)
        except (BlockingIOError, PermissionError) as error:
            holder = f" ({number})" if (number := _read_holder(held)) else ""
            held.close()
            raise LearnerError(
                en=f"another process{holder} is training in {folder}: "
                "wait until it is done, or name another folder by --output",
                zh=f"另一个进程{holder}正在 {folder} 里训练："
                "请等它结束，或者用 --output 指定另一个文件夹",
            ) from error
        except OSError as error:
            problem = say(
                en=f"this file system cannot lock files ({error}): "
                f"make sure that no other run uses {folder}",
                zh=f"这个文件系统不支持文件锁（{error}）：请自己留意，不要让别的训练也用 {folder}",
            )
            print(problem, file=sys.stderr)
        # whoever held it may have removed it since it was opened
        with suppress(OSError):
            if os.path.samestat(os.fstat(held.fileno()), file.stat()):
                break
        held.close()
    if killed := _read_holder(held):
        for name in FILES:  # as `helpers.files.write_whole` names what it is writing
            with suppress(OSError):
                (folder / f"{name}.{killed}.part").unlink()
    try:
        held.truncate(0)
        held.write(b"%d\n" % os.getpid())
        yield
    finally:
        if sys.platform == "win32":  # where no open file can be removed
            held.close()
        with suppress(OSError):
            file.unlink()
        held.close()


def _lock_file(held: IO[bytes]) -> None:
    """Lock it, or raise BlockingIOError or PermissionError where somebody else has."""
    if sys.platform == "win32":
        import msvcrt

        held.seek(LOCKED_BYTE)
        msvcrt.locking(held.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _read_holder(held: IO[bytes]) -> str:
    """The process id in a lock file; "" where there is none."""
    held.seek(0)
    number = held.read(20).decode("ascii", "replace").strip()
    return number if number.isdigit() else ""
