"""The stored run that lesson 00 shows first: ten vectors for "the red one of two".

`python -m pocket.studies.first_vectors_study` makes data/runs/first-vectors.json again, on the
pictures that the lesson uses.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from helpers.context import PromptedCLIP, train_context
from helpers.data import encode_split
from helpers.files import DATA
from helpers.pretrained import load_clip
from helpers.training import History, TrainConfig
from pocket.datasets import draw_few_shot
from pocket.studies.common import Study, read_versions, write_json
from pocket.tasks import RIDDLE

FILE = DATA / "runs" / "first-vectors.json"
COMMAND = "python -m pocket.studies.first_vectors_study"
TASK = RIDDLE
# of each class: to learn from, to choose by, to report
PICTURES = {"shots": 8, "checks": 4, "tests": 20}
VECTORS, SEED = 10, 0
CONFIG = TrainConfig()


@dataclass(frozen=True)
class FirstVectorsStudy(Study):
    """One training, beside the hand prompt.

    hand: its validation accuracy; before, after: test accuracies of it and of the context (M, D).
    """

    task: str
    pictures: dict[str, int]
    seed: int
    hand: float
    before: float
    after: float
    history: History
    context: Tensor


def save_study(study: FirstVectorsStudy, file: Path = FILE) -> None:
    """Write the study for `load_study`."""
    columns = ("step", "loss", "validation_loss", "validation_score")
    history = study.history.to_json(*columns, digits=4)
    context = [[round(number, 5) for number in vector] for vector in study.context.tolist()]
    write_json(file, asdict(study) | {"history": history, "context": context})


def load_study(file: Path = FILE) -> FirstVectorsStudy:
    """The study as it was written."""
    stored = json.loads(file.read_text(encoding="utf-8"))
    return FirstVectorsStudy(
        **stored
        | {
            "config": TrainConfig(**stored["config"]),
            "history": History.from_json(stored["history"]),
            "context": torch.tensor(stored["context"]),
        }
    )


def main() -> None:
    clip, processor = load_clip("pocket")
    data = encode_split(clip, processor, draw_few_shot(TASK, **PICTURES))
    begun, names = time.monotonic(), TASK.class_names
    by_hand = PromptedCLIP(clip, processor, names)
    generator = torch.Generator().manual_seed(SEED)
    prompted = PromptedCLIP(clip, processor, names, VECTORS, "random", generator=generator)
    history = History(CONFIG.steps, list(train_context(prompted, data, CONFIG)))
    study = FirstVectorsStudy(
        COMMAND,
        read_versions(),
        round(time.monotonic() - begun, 1),
        CONFIG,
        TASK.name,
        PICTURES,
        SEED,
        hand=round(by_hand.accuracy(*data.validation), 4),
        before=round(by_hand.accuracy(*data.test), 4),
        after=round(prompted.accuracy(*data.test), 4),
        history=history,
        context=prompted.context.detach(),
    )
    save_study(study, FILE)
    print(f"{study.before:.1%} before, {study.after:.1%} after, in {study.seconds} s: {FILE}")


if __name__ == "__main__":
    main()
