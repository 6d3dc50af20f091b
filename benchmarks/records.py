"""What a benchmark finds, and how results.json keeps it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.machine import Timing, describe_machine_and_versions, measure_gflops
from helpers.files import write_whole

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER / "results.json"


@dataclass(frozen=True)
class Measured:
    """What one benchmark found; `value` in `unit` is what its bound is about."""

    what: str  # what was timed, and how
    sizes: dict[str, Any]
    seconds: dict[str, Timing]
    value: float
    unit: str
    ratio: tuple[str, float]  # of what to what, and how much that is
    gflops: float  # of the machine's own matrix product, measured before anything else
    bound: float | None = None  # the least that is good enough
    at_most: bool = False  # or rather the most
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool | None:
        if self.bound is None:
            return None
        return self.value <= self.bound if self.at_most else self.value >= self.bound


def make_record(name: str, measured: Measured) -> dict[str, Any]:
    """What results.json keeps of a benchmark: what was found, on which machine, by which command."""
    of, ratio = measured.ratio
    return {
        "what": measured.what,
        "command": f"python course.py bench {name}",
        "date": date.today().isoformat(),
        "machine": describe_machine_and_versions(),
        "matmul_gflops": {"before": measured.gflops, "after": measure_gflops()},
        "sizes": measured.sizes,
        "seconds": {name: asdict(timing) for name, timing in measured.seconds.items()},
        "ratio": {"of": of, "value": ratio},
        "value": measured.value,
        "unit": measured.unit,
        "bound": measured.bound,
        "at_most": measured.at_most,
        "holds": measured.holds,
        **measured.more,
    }


def round_numbers(value: Any) -> Any:
    """The same with four digits of every number that is not whole: a timing has no more."""
    if isinstance(value, dict):
        return {name: round_numbers(part) for name, part in value.items()}
    if isinstance(value, list):
        return [round_numbers(part) for part in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def load_results(file: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """The records by name; none where there is no file yet."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def lay_out(records: dict[str, Any]) -> str:
    """JSON in which a list or an object without others in it stands on one line."""
    text = json.dumps(records, ensure_ascii=False, indent=1)
    return re.sub(r"[\[{][^\[\]{}]*[\]}]", lambda innermost: re.sub(r"\s*\n\s*", " ", innermost[0]), text) + "\n"


def save_record(name: str, found: dict[str, Any], order: Sequence[str], file: Path = RESULTS) -> None:
    """Put a record into the file, in this order of names, and leave the others as they are."""
    records = load_results(file) | {name: found}
    ordered = {name: records[name] for name in [*order, *records] if name in records}
    text = lay_out(ordered)
    write_whole(file, lambda part: part.write_text(text, encoding="utf-8", newline="\n"))
