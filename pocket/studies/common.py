"""What the stored studies share: many small jobs that can be broken off, and JSON that a person can read."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from helpers.files import cache_folder, write_whole

Job = dict[str, Any]  # one record to make: its "part" and the settings that stand in the record
Numbers = dict[str, Any]  # what was measured, by the names in the record


def versions() -> dict[str, str]:
    """Of what a study's numbers depend on beside the course's own code."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def machine() -> dict[str, Any]:
    """On what a study was run. It changes no conclusion: other processors round otherwise, and training makes more of that."""
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


def rounded(value: Any) -> Any:
    """Floats to four decimals, also those in lists and dictionaries."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    return [rounded(part) for part in value] if isinstance(value, (list, tuple)) else value


def unfinished_file(study: str, code: Sequence[str], *made_by: object) -> Path:
    """Where the cache keeps what a study has run so far; another file for other code (its files), models, versions or plans."""
    digest = hashlib.sha256(
        repr(made_by).encode() + b"".join(Path(file).read_bytes() for file in code)
    )
    return cache_folder() / f"{study}-study-{digest.hexdigest()[:8]}.json"


def resume(
    todo: Sequence[Job],
    run: Callable[[Job], Numbers],
    file: Path,
    tell: Callable[[str], None] = print,
) -> tuple[list[dict[str, Any]], float]:
    """Run every job that the file does not hold, and write the file after each.

    Gives for each job its record, which is its settings and then its numbers, and how many seconds they took together, whenever that
    was. A file that cannot be read counts as none.
    """
    try:
        done = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        done = {}
    keys = [json.dumps(job) for job in todo]
    left = [(key, job) for key, job in zip(keys, todo) if key not in done]
    begun = time.monotonic()
    for number, (key, job) in enumerate(left, start=1):
        started = time.monotonic()
        numbers = rounded(run(job))
        done[key] = {"numbers": numbers, "seconds": time.monotonic() - started}
        write_whole(file, lambda part: part.write_text(json.dumps(done), encoding="utf-8"))
        minutes = (time.monotonic() - begun) / number * (len(left) - number) / 60
        shown = job | {
            name: value for name, value in numbers.items() if isinstance(value, (int, float, str))
        }
        what = ", ".join(f"{name} {value}" for name, value in shown.items())
        tell(
            f"{len(todo) - len(left) + number} of {len(todo)}, about {minutes:.0f} min left: {what}"
        )
    return [job | done[key]["numbers"] for key, job in zip(keys, todo)], sum(
        done[key]["seconds"] for key in keys
    )


def laid_out(value: Any) -> str:
    """JSON with one record a line: only what holds records is broken into lines."""
    if not _holds_records(value):
        return json.dumps(value)
    if isinstance(value, dict):
        return (
            "{\n"
            + ",\n".join(f"{json.dumps(name)}: {laid_out(part)}" for name, part in value.items())
            + "\n}"
        )
    return "[\n" + ",\n".join(laid_out(part) for part in value) + "\n]"


def _holds_records(value: Any) -> bool:
    if isinstance(value, list):
        return any(isinstance(part, dict) for part in value)
    return isinstance(value, dict) and any(_holds_records(part) for part in value.values())
