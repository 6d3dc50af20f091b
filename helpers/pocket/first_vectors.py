"""The stored run that lesson 00 shows before the learner's own: ten vectors learned for "the red one of two".

`python -m helpers.pocket.first_vectors` makes data/runs/first-vectors.json again, on the pictures that the lesson uses.
"""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import torch
import transformers

from helpers.pocket.datasets import few_shot
from helpers.pocket.promptable import FewShot, context_steps, encode, prompted_accuracy
from helpers.pocket.tasks import RIDDLE
from helpers.pretrained import load_clip

FILE = Path(__file__).resolve().parents[2] / "data" / "runs" / "first-vectors.json"
TASK = RIDDLE
PICTURES = {"shots": 8, "checks": 4, "tests": 20}  # of each class: to learn from, to validate on, to test on
LEARNING = {"seed": 0, "length": 10, "steps": 160, "rate": 0.02}


def learn(clip, processor, data: FewShot) -> tuple[dict[str, Any], torch.Tensor]:
    """The numbers of one run, by the names of the fields of `figures.Run`, and the context (M, D)."""

    def share(pictures: tuple[torch.Tensor, torch.Tensor], context: torch.Tensor | None = None) -> float:
        return round(prompted_accuracy(clip, processor, TASK.class_names, pictures, context), 4)

    steps = list(context_steps(clip, processor, TASK.class_names, data, **LEARNING))
    context = steps[-1].context
    numbers = ("loss", "validation_loss", "validation_accuracy")
    return {
        "length": LEARNING["steps"],
        "steps": [step.step for step in steps],
        **{name: [round(getattr(step, name), 4) for step in steps] for name in numbers},
        "hand": share(data.validation),
        "before": share(data.test),
        "after": share(data.test, context),
    }, context


def main() -> None:
    clip, processor = load_clip("pocket")
    data = encode(clip, processor, few_shot(TASK, **PICTURES))
    begun = time.monotonic()
    run, context = learn(clip, processor, data)
    report = {
        "command": "python -m helpers.pocket.first_vectors",
        "arguments": {"task": TASK.name, **PICTURES, **LEARNING},
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "seconds": round(time.monotonic() - begun, 1),
        "run": run,
        "context": [[round(number, 5) for number in vector] for vector in context.tolist()],
    }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in report.items())
    FILE.parent.mkdir(parents=True, exist_ok=True)
    unfinished = FILE.with_suffix(".new")
    unfinished.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8", newline="\n")
    os.replace(unfinished, FILE)
    print(f"{run['before']:.1%} before, {run['after']:.1%} after, in {report['seconds']} s: {FILE}")


if __name__ == "__main__":
    main()
