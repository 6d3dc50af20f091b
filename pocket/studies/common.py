"""What the stored studies share: small jobs that can be broken off, and JSON for people.

Every study has dataclasses for its numbers, `main`, which makes them, and `save_study` and
`load_study`, which write and read them.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from helpers import files
from helpers.files import find_cache_folder, write_whole
from helpers.training import TrainConfig

Job = dict[str, Any]  # one record to make: its "part" and the settings that stand in the record
Numbers = dict[str, Any]  # what was measured, by the names in the record


@dataclass(frozen=True)
class Study:
    """How a study was made; its numbers stand in the fields of the class that rests on this one."""

    command: str
    versions: dict[str, str]
    seconds: float
    config: TrainConfig


def read_versions() -> dict[str, str]:
    """Of what a study's numbers depend on beside the course's own code."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def describe_machine() -> dict[str, Any]:
    """Describe on what a study is run; other processors round otherwise, and change little."""
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


# --- jobs, with breaks ----------------------------------------------------------------------------


def find_unfinished(study: str, code: Sequence[str], *made_by: object) -> Path:
    """Find where the cache keeps what a study has run so far.

    Another file for other code, models, versions or configs.
    code: the study's own files; all of helpers counts besides, since no list of what decides the
    numbers there would stay right.
    """
    mechanism = sorted(Path(files.__file__).parent.glob("*.py"))
    sources = [Path(file).read_bytes() for file in (*code, *mechanism)]
    digest = hashlib.sha256(repr(made_by).encode() + b"".join(sources))
    return find_cache_folder() / f"{study}-study-{digest.hexdigest()[:8]}.json"


def run_jobs(
    jobs: Sequence[Job],
    run: Callable[[Job], Numbers],
    file: Path,
    log: Callable[[str], None] = lambda line: print(line[:150], flush=True),
) -> tuple[list[dict[str, Any]], float]:
    """Run every job that the file does not hold, and write the file after each.

    Args:
        jobs: all that are wanted, in order.
        run: measures one; floats are rounded to four decimals.
        file: what was run so far; one that cannot be read counts as none.
        log: is told of each job, and about how long the others will take.

    Returns:
        for each job its record, which is its settings and then its numbers; and the seconds that
        they took together, whenever that was.
    """
    try:
        done = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        done = {}
    keys = [json.dumps(job) for job in jobs]
    left = [(key, job) for key, job in zip(keys, jobs) if key not in done]
    begun = time.monotonic()
    for number, (key, job) in enumerate(left, start=1):
        started = time.monotonic()
        numbers = round_floats(run(job))
        done[key] = {"numbers": numbers, "seconds": time.monotonic() - started}
        write_whole(file, lambda part: part.write_text(json.dumps(done), encoding="utf-8"))
        minutes = (time.monotonic() - begun) / number * (len(left) - number) / 60
        shown = job | {
            name: value for name, value in numbers.items() if isinstance(value, (int, float, str))
        }
        what = ", ".join(f"{name} {value}" for name, value in shown.items())
        log(
            f"{len(jobs) - len(left) + number} of {len(jobs)}, about {minutes:.0f} min left: {what}"
        )
    records = [job | done[key]["numbers"] for key, job in zip(keys, jobs)]
    return records, sum(done[key]["seconds"] for key in keys)


def sort_by_part(records: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The records of each part, without its name."""
    parts: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        entry = {name: value for name, value in record.items() if name != "part"}
        parts.setdefault(record["part"], []).append(entry)
    return parts


# --- what is written ------------------------------------------------------------------------------


def round_floats(value: Any) -> Any:
    """Floats to four decimals, also those in lists and dictionaries."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: round_floats(part) for name, part in value.items()}
    return [round_floats(part) for part in value] if isinstance(value, (list, tuple)) else value


def write_json(file: Path, whole: dict[str, Any]) -> None:
    """Write a study's file, whole or not at all, for a person to read."""
    lines = ",\n".join(f"{json.dumps(name)}: {format_json(part)}" for name, part in whole.items())
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(
        file, lambda part: part.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8", newline="\n")
    )


def format_json(value: Any) -> str:
    """JSON with one record a line: only what holds records is broken into lines."""
    if not _holds_records(value):
        return json.dumps(value)
    if isinstance(value, dict):
        inside = [f"{json.dumps(name)}: {format_json(part)}" for name, part in value.items()]
        return "{\n" + ",\n".join(inside) + "\n}"
    return "[\n" + ",\n".join(format_json(part) for part in value) + "\n]"


def _holds_records(value: Any) -> bool:
    if isinstance(value, list):
        return any(isinstance(part, dict) for part in value)
    return isinstance(value, dict) and any(_holds_records(part) for part in value.values())
