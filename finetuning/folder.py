"""The folder of a run, and what it remembers; nothing heavy is imported."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# in the folder of a run: how far it is; what it has learned; how it went
TRAINING, CHECKPOINT, LOG = "training.safetensors", "captioner.safetensors", "log.jsonl"


def find_folder(output: Path | None, resume: bool, runs: Path) -> Path:
    """Find where a training is kept, or will be; this makes no folder.

    Raises ValueError where there is one too many, or none to go on with.
    """
    if output is None and resume:
        return find_last(runs, TRAINING)
    numbers = [number for number, _ in _list_numbered(runs)]
    folder = (output or runs / str(max(numbers, default=0) + 1)).absolute()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir():
        raise ValueError(f"{there} is a file: name a folder by --output")
    if not os.access(there, os.W_OK):
        raise ValueError(f"nothing can be written to {there}: name another folder by --output")
    if resume and not (folder / TRAINING).is_file():
        raise ValueError(
            f"there is no training in {folder} to go on with: "
            "leave out --resume, or name another folder by --output"
        )
    if not resume and (folder / TRAINING).exists():
        raise ValueError(
            f"{folder} holds a training already: "
            "go on with it by --resume, or name another folder by --output"
        )
    return folder


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


def read_lines(log: Path) -> Iterator[dict[str, Any]]:
    """The objects in a log, one a line; lines that are cut off or something else are left out."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict):
            yield entry
