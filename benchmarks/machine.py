"""The machine that measures: what it is, how fast it multiplies matrices, and how long or large something is on it.

Rests on torch and, for memory, on what the operating system counts.
"""

from __future__ import annotations

import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from pocket.studies.common import read_versions

MATRIX = 2048  # rows and columns: large enough that the processor is busy with nothing but products
GIB = 2**30


@dataclass(frozen=True)
class Timing:
    """Seconds of something that was done several times."""

    median: float
    least: float
    most: float
    repeats: int

    @classmethod
    def of(cls, seconds: list[float]) -> Timing:
        return cls(statistics.median(seconds), min(seconds), max(seconds), len(seconds))


def measure_seconds(do: Callable[[], object]) -> float:
    """How long it takes once."""
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun


def time_ways(ways: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Timing]:
    """Seconds of each way. They take turns, so that a machine that grows slower does so for all of them."""
    rounds = [{name: measure_seconds(do) for name, do in ways.items()} for _ in range(repeats)]
    return {name: Timing.of([turn[name] for turn in rounds]) for name in ways}


def measure_gflops(size: int = MATRIX, repeats: int = 7) -> float:
    """Billions of operations a second in a product of two float32 matrices, by the median of some."""
    a, b = torch.randn(2, size, size, generator=torch.Generator().manual_seed(0))
    a @ b  # the first one also starts the threads
    return 2 * size**3 / time_ways({"product": lambda: a @ b}, repeats)["product"].median / 1e9


def describe_machine_and_versions() -> dict[str, Any]:
    """What a reader must know of the machine to make sense of its seconds."""
    return {
        "cpu": read_cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        **read_versions(),
    }


def read_cpu_name() -> str:
    """As the processor calls itself, where the system tells."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def measure_peak_memory() -> int:
    """Measure the most bytes of memory that this process has had; OSError on Windows, which does not count."""
    if sys.platform == "win32":
        raise OSError("peak memory is measured on Linux and macOS only: leave this benchmark out")
    status = Path("/proc/self/status")
    if found := re.search(r"VmHWM:\s*(\d+) kB", status.read_text(encoding="utf-8") if status.exists() else ""):
        return int(found[1]) * 1024
    import resource  # its ru_maxrss is the same number, but on Linux a child begins with that of its parent

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def measure_kept_bytes(forward: Callable[[], Tensor], model: torch.nn.Module) -> int:
    """Bytes that a forward pass keeps for its backward pass, beside the weights of the model."""
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        memory = tensor.untyped_storage()
        kept[memory.data_ptr()] = memory.nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        result = forward()  # as long as it is there, what was kept is there too, each at an address of its own
    total = sum(size for address, size in kept.items() if address not in weights)
    del result
    return total
