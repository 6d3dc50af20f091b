"""The stored study of lesson 06: a small folder of pictures, split and learned twenty times.

`python -m pocket.studies.own_pictures_study` makes data/runs/own-pictures.json again, on the folder
that the lesson draws; a minute or two.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from transformers import CLIPModel, CLIPProcessor

from helpers.data import FewShot, encode_split
from helpers.files import DATA
from helpers.pretrained import load_clip
from helpers.training import TrainConfig
from pocket.classifiers import measure_probe, measure_templates, train_new_context
from pocket.folders import read_folder, read_own_pictures
from pocket.own_folder import draw_folder
from pocket.studies.common import Study, read_versions, round_floats, write_json

FILE = DATA / "runs" / "own-pictures.json"
COMMAND = "python -m pocket.studies.own_pictures_study"
SPLITS, LENGTH, CONFIG = range(20), 4, TrainConfig()


@dataclass(frozen=True)
class SplitRun:
    """Test accuracies on one split.

    Of the hand prompt, a context, one from shuffled labels, one for classes named 1, 2 …, a probe.
    """

    split: int
    hand: float
    context: float
    shuffled: float
    numbered: float
    probe: float


@dataclass(frozen=True)
class OwnPicturesStudy(Study):
    """The classes, how many pictures there are, how many each split tests on, and the splits."""

    classes: list[str]
    pictures: int
    tests: int
    runs: list[SplitRun]


def save_study(study: OwnPicturesStudy, file: Path = FILE) -> None:
    """Write the study for `load_study`."""
    write_json(file, asdict(study))


def load_study(file: Path = FILE) -> OwnPicturesStudy:
    """The study as it was written."""
    stored = json.loads(file.read_text(encoding="utf-8"))
    config, runs = TrainConfig(**stored["config"]), [SplitRun(**run) for run in stored["runs"]]
    return OwnPicturesStudy(**stored | {"config": config, "runs": runs})


def measure_split(
    clip: CLIPModel, processor: CLIPProcessor, names: Sequence[str], data: FewShot, seed: int
) -> SplitRun:
    """Everything on one split.

    Args:
        clip: the model.
        processor: what prepares its input.
        names: of the classes.
        data: the split's pictures as features.
        seed: the number of the split, and the seed of what is random.
    """

    def measure_context(names: Sequence[str], data: FewShot) -> float:
        settings = {"length": LENGTH, "seed": seed}
        prompted = train_new_context(clip, processor, names, data, CONFIG, **settings)
        return prompted.accuracy(*data.test)

    return SplitRun(
        seed,
        hand=measure_templates(clip, processor, names, data.test),
        context=measure_context(names, data),
        shuffled=measure_context(names, data.permute_labels(seed)),
        numbered=measure_context([str(number) for number in range(1, len(names) + 1)], data),
        probe=measure_probe(data),
    )


def main() -> None:
    torch.set_num_threads(1)
    clip, processor = load_clip("pocket")
    begun, runs = time.monotonic(), []
    with TemporaryDirectory() as place:
        classes = read_folder(draw_folder(Path(place) / "sepia"), leave_out=True)
        for seed in SPLITS:
            data = encode_split(clip, processor, read_own_pictures(classes, seed))
            run = measure_split(clip, processor, classes.class_names, data, seed)
            runs.append(SplitRun(**round_floats(asdict(run))))
    seconds, tests = round(time.monotonic() - begun, 1), len(data.test[1])
    names, pictures = classes.class_names, len(classes.files)
    how = COMMAND, read_versions(), seconds, CONFIG
    save_study(OwnPicturesStudy(*how, names, pictures, tests, runs), FILE)
    print(f"{len(runs)} splits in {seconds:.0f} s: {FILE}")


if __name__ == "__main__":
    main()
