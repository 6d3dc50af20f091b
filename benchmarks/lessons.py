"""The lessons as a learner runs them: how long each takes, which cells are slow, how much memory its kernel needs.

Rests on nbclient, with which the notebooks are built too.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import GIB, Timing, measure_gflops
from benchmarks.records import FOLDER, Measured

PEAK = f"""\
import sys; sys.path.append({str(FOLDER.parent)!r})
from benchmarks.machine import measure_peak_memory; print(measure_peak_memory())"""


@dataclass(frozen=True)
class NotebookRun:
    """One notebook, run once."""

    seconds: float  # with the start of its kernel
    cells: dict[str, float]  # seconds of each code cell by its id
    peak: int  # bytes: the most that its kernel held


def run_notebook(path: Path, cache: str) -> NotebookRun:
    """Run a notebook in a kernel of its own, in its own folder. `cache`: where features of pictures are kept."""
    import nbformat  # only whoever runs notebooks needs these two
    from nbclient import NotebookClient

    book = nbformat.read(path, as_version=4)
    client = NotebookClient(book, timeout=600, kernel_name="python3")
    client.resources = {"metadata": {"path": str(path.parent)}}
    begun, cells = time.perf_counter(), {}
    with client.setup_kernel(env={**os.environ, "COURSE_CACHE": cache}):
        for number, cell in [(n, cell) for n, cell in enumerate(book.cells) if cell.cell_type == "code"]:
            before = time.perf_counter()
            client.execute_cell(cell, number)
            cells[cell.id] = time.perf_counter() - before
        seconds = time.perf_counter() - begun
        book.cells.append(nbformat.v4.new_code_cell(PEAK))
        peak = client.execute_cell(book.cells[-1], len(book.cells) - 1).outputs[0].text
    return NotebookRun(seconds, cells, int(peak))


def measure_lessons(notebooks: Sequence[Path], bound: float) -> Measured:
    """Measure the whole course in one language, in order.

    The cache is empty at its beginning, and later lessons find what earlier ones kept.
    """
    gflops = measure_gflops()
    with tempfile.TemporaryDirectory() as cache:
        runs = {path.stem: run_notebook(path, cache) for path in notebooks}
    seconds = {name: one.seconds for name, one in runs.items()}
    total = sum(seconds.values())
    return Measured(
        what="every notebook of one language from top to bottom, in a fresh kernel each, one after the other, "
        "from an empty cache; no button is pressed",
        sizes={"lessons": len(runs), "cells": sum(len(one.cells) for one in runs.values())},
        seconds={name: Timing.of([each]) for name, each in seconds.items()},
        value=total,
        unit="s",
        ratio=("the slowest lesson ÷ all", max(seconds.values()) / total),
        gflops=gflops,
        bound=bound,
        at_most=True,
        more={
            "peak_gib": {name: one.peak / GIB for name, one in runs.items()},
            "cells": {name: one.cells for name, one in runs.items()},
        },
    )
