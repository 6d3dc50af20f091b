"""Training in phases, for the pocket models: broken off, it goes on with the same numbers.

Rests on torch alone; `pocket.pretrain` is the command.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

SAVE_EVERY = 90  # seconds


def save_atomically(value: object, path: Path) -> None:
    """torch.save that leaves either the old file or the new one, never half of one."""
    part = path.with_suffix(".part")
    torch.save(value, part)
    os.replace(part, path)


@dataclass
class Phase:
    """One stretch of training: its steps, the peak rate of each group, and the loss of a step.

    loss(step) returns the value to descend and a dictionary of numbers to print and keep.
    """

    name: str
    steps: int
    groups: list[dict]
    loss: Callable[[int], tuple[Tensor, dict[str, float]]]
    weight_decay: float = 0.05


def compute_rate(step: int, steps: int, warm_up: int = 100) -> float:
    """The share of the peak rate at a step: a short rise, then half a cosine down to 2 %."""
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


def train_phases(
    phases: list[Phase], module: nn.Module, state_file: Path, log: Callable[[str], None] = print
) -> tuple[list[dict], float]:
    """Run the phases one after another.

    A run that was broken off goes on at its last save with the same random numbers, since every
    step draws from a generator of its own.

    Args:
        phases: what is trained, and how.
        module: holds all that learns.
        state_file: written as training goes.
        log: is told how it goes.

    Returns:
        the history, one row every 25 steps, and the seconds that training took.
    """
    history: list[dict] = []
    seconds, started = 0.0, time.monotonic()
    state = torch.load(state_file, weights_only=True) if state_file.exists() else None
    if state:
        module.load_state_dict(state["module"])
        history, seconds = state["history"], state["seconds"]
        log(f"going on at {state['phase']}, step {state['step']}")
    for index, phase in enumerate(phases):
        if state and index < state["index"]:
            continue
        optimizer = torch.optim.AdamW(
            [dict(group) for group in phase.groups],
            betas=(0.9, 0.98),
            weight_decay=phase.weight_decay,
        )
        peaks = [group["lr"] for group in optimizer.param_groups]
        first = 0
        if state and index == state["index"]:
            optimizer.load_state_dict(state["optimizer"])
            first, state = state["step"], None
        begun = saved = told = time.monotonic()
        for step in range(first, phase.steps):
            for group, peak in zip(optimizer.param_groups, peaks):
                group["lr"] = peak * compute_rate(step, phase.steps)
            loss, numbers = phase.loss(step)
            if not torch.isfinite(loss):
                raise FloatingPointError(
                    f"{phase.name}, step {step}: the loss is {loss.item()}; try a lower rate"
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_([p for g in phase.groups for p in g["params"]], 1.0)
            optimizer.step()
            now = time.monotonic()
            if step % 25 == 0 or step == phase.steps - 1:
                history.append(
                    {
                        "phase": phase.name,
                        "step": step,
                        **{k: round(v, 4) for k, v in numbers.items()},
                    }
                )
            if now - told > 20 or step == phase.steps - 1:
                left = (now - begun) / (step + 1 - first) * (phase.steps - step - 1)
                shown = "  ".join(f"{k} {v:.3f}" for k, v in numbers.items())
                log(f"{phase.name} {step + 1}/{phase.steps}  {shown}  {left / 60:.1f} min left")
                told = now
            if now - saved > SAVE_EVERY or step == phase.steps - 1:
                rest = {
                    "index": index,
                    "phase": phase.name,
                    "step": step + 1,
                    "history": history,
                    "seconds": seconds + now - started,
                }
                save_atomically(
                    {"module": module.state_dict(), "optimizer": optimizer.state_dict(), **rest},
                    state_file,
                )
                saved = now
    return history, seconds + time.monotonic() - started


def write_report(folder: Path, settings: dict, seconds: float, history: list[dict]) -> None:
    """Write training.json: what was run, how long it took and the curves, for the card.

    Args:
        folder: of the model.
        settings: by name.
        seconds: that training took.
        history: what `train_phases` gave.
    """
    device = (
        torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else f"CPU, {torch.get_num_threads()} threads"
    )
    report = {
        "settings": settings,
        "minutes": round(seconds / 60, 1),
        "device": device,
        "torch": torch.__version__,
        "history": history,
    }
    (folder / "training.json").write_text(json.dumps(report) + "\n", encoding="utf-8")


def write_trained_rows(folder: Path, seen: Tensor) -> None:
    """Write trained_rows.json: the embedding rows (V,) that training used."""
    rows = {"trained": seen.nonzero().flatten().tolist()}
    (folder / "trained_rows.json").write_text(json.dumps(rows) + "\n", encoding="utf-8")
