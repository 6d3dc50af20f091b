"""Seconds and bytes that the course's own benchmarks measured (`python course.py bench`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
ON_CPU, ON_GPU = FOLDER / "results.json", FOLDER / "gpu.json"


def read_benchmarks(file: Path = ON_CPU) -> dict[str, Any]:
    """The records of one machine, by the names of what was measured."""
    return json.loads(file.read_text(encoding="utf-8"))
