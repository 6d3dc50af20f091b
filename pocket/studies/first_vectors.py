"""The stored run that lesson 00 shows before the learner's own: ten vectors learned for "the red one of two".

`python -m pocket.studies.first_vectors` makes data/runs/first-vectors.json again, on the pictures that the lesson uses.
"""

from __future__ import annotations

import json
import platform
import time
from dataclasses import asdict
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import CLIPModel, CLIPProcessor

from helpers import context
from helpers.context import PromptedCLIP
from helpers.data import FewShot, encode_split
from helpers.files import DATA, write_whole
from helpers.pretrained import load_clip
from helpers.training import TrainConfig
from pocket.datasets import few_shot
from pocket.tasks import RIDDLE

FILE = DATA / "runs" / "first-vectors.json"
TASK = RIDDLE
PICTURES = {
    "shots": 8,
    "checks": 4,
    "tests": 20,
}  # of each class: to learn from, to validate on, to test on
VECTORS, SEED = 10, 0
PLAN = TrainConfig()


def learn(
    clip: CLIPModel, processor: CLIPProcessor, data: FewShot
) -> tuple[dict[str, Any], Tensor]:
    """The numbers of one run, by the names of the fields of `figures.Run`, and the context (M, D)."""
    by_hand = PromptedCLIP(clip, processor, TASK.class_names)
    generator = torch.Generator().manual_seed(SEED)
    prompted = PromptedCLIP(
        clip, processor, TASK.class_names, VECTORS, "random", generator=generator
    )
    looks = list(context.learn(prompted, data, PLAN))
    return {
        "length": PLAN.steps,
        "steps": [look.step for look in looks],
        "loss": [round(look.loss, 4) for look in looks],
        "validation_loss": [round(look.validation_loss, 4) for look in looks],
        "validation_accuracy": [round(look.validation_score, 4) for look in looks],
        "hand": round(by_hand.accuracy(*data.validation), 4),
        "before": round(by_hand.accuracy(*data.test), 4),
        "after": round(prompted.accuracy(*data.test), 4),
    }, prompted.context.detach()


def main() -> None:
    clip, processor = load_clip("pocket")
    data = encode_split(clip, processor, few_shot(TASK, **PICTURES))
    begun = time.monotonic()
    run, vectors = learn(clip, processor, data)
    report = {
        "command": "python -m pocket.studies.first_vectors",
        "arguments": {
            "task": TASK.name,
            **PICTURES,
            "vectors": VECTORS,
            "seed": SEED,
            "plan": asdict(PLAN),
        },
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "seconds": round(time.monotonic() - begun, 1),
        "run": run,
        "context": [[round(number, 5) for number in vector] for vector in vectors.tolist()],
    }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in report.items())
    FILE.parent.mkdir(parents=True, exist_ok=True)
    write_whole(
        FILE, lambda part: part.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8", newline="\n")
    )
    print(f"{run['before']:.1%} before, {run['after']:.1%} after, in {report['seconds']} s: {FILE}")


if __name__ == "__main__":
    main()
