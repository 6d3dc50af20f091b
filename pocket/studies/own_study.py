"""The stored study of lesson 06: one small folder of pictures, split twenty times, and what is learned from each split.

`python -m pocket.studies.own_study` makes data/runs/own-pictures.json again, on the folder that the lesson draws; a minute or two.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from transformers import CLIPModel, CLIPProcessor

from helpers.data import FewShot, encode_split, read_own_pictures
from helpers.files import DATA, write_whole
from helpers.pictures import read_folder
from helpers.pretrained import load_clip
from pocket.own_folder import draw_folder
from pocket.studies.common import laid_out, rounded, versions
from pocket.studies.context_study import HAND, LENGTH, PLAN, by_probe, by_templates, learned

FILE = DATA / "runs" / "own-pictures.json"
COMMAND = "python -m pocket.studies.own_study"
SPLITS = range(20)


def accuracies(
    clip: CLIPModel, processor: CLIPProcessor, names: Sequence[str], data: FewShot, seed: int
) -> dict[str, float]:
    """On the test pictures: of the hand prompt, a context, one from shuffled labels, one for classes named 1, 2 …, and a linear probe."""

    def context(names: Sequence[str], data: FewShot) -> float:
        prompted = learned(clip, processor, names, data, length=LENGTH, init="random", seed=seed)
        return prompted.accuracy(*data.test)

    return {
        "hand": by_templates(clip, processor, names, data.test, [HAND]),
        "context": context(names, data),
        "shuffled": context(names, data.permute_labels(seed)),
        "numbered": context([str(number) for number in range(1, len(names) + 1)], data),
        "probe": by_probe(data),
    }


def main() -> None:
    torch.set_num_threads(1)
    clip, processor = load_clip("pocket")
    begun, runs = time.monotonic(), []
    with TemporaryDirectory() as place:
        classes = read_folder(draw_folder(Path(place) / "sepia"), leave_out=True)
        for seed in SPLITS:
            data = encode_split(clip, processor, read_own_pictures(classes, seed))
            runs.append(
                {
                    "split": seed,
                    **rounded(accuracies(clip, processor, classes.class_names, data, seed)),
                }
            )
    whole = {
        "command": COMMAND,
        "versions": versions(),
        "seconds": round(time.monotonic() - begun, 1),
        "plan": asdict(PLAN),
        "classes": classes.class_names,
        "pictures": len(classes.files),
        "tests": len(data.test[1]),
        "runs": runs,
    }
    FILE.parent.mkdir(parents=True, exist_ok=True)
    write_whole(
        FILE, lambda part: part.write_text(f"{laid_out(whole)}\n", encoding="utf-8", newline="\n")
    )
    print(f"{len(runs)} splits in {whole['seconds']:.0f} s: {FILE}")


if __name__ == "__main__":
    main()
