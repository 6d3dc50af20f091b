"""The stored study behind lesson 02: what a learned context is worth, how to choose it, and what it does to new classes.

`python -m pocket.studies.context_study` makes data/runs/learnable-context.json again, on one thread in about a quarter of an hour.
Broken off, it goes on where it was. CoOp: Zhou et al. 2022, arXiv 2109.01134; new classes: Zhou et al. 2022, arXiv 2203.05557.

All accuracies are shares of the same 20 test pictures a class, and nothing is chosen by those. Validation pictures are as many as
shots, and at most 4 a class, as in CoOp. What was chosen beyond that: in "shots" a context of 4 random vectors, the class name at the
end; in "base_to_new" 16 shots, and 4 vectors that begin as "a photo of a", so that without a step they are the hand prompt. In
"choices" one vector cannot be split around the name: at length 1 the name "in the middle" stands in front, and that was run twice.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPModel, CLIPProcessor

from helpers import context, training
from helpers.context import PromptedCLIP, learn, words_of_length
from helpers.data import FewShot, describe_preparation, encode_split
from helpers.files import DATA, write_whole
from helpers.pretrained import encode_texts, fingerprint, load_clip
from pocket.datasets import few_shot
from pocket.studies.common import Job, Numbers, laid_out, resume, unfinished_file, versions
from pocket.tasks import BLURRED, RIDDLE, style_task
from pocket.world import drawing_version

FILE = DATA / "runs" / "learnable-context.json"
COMMAND = "python -m pocket.studies.context_study"
CODE = (
    __file__,
    context.__file__,
    training.__file__,
)  # a study begun with other code is not gone on with
DRAWING = drawing_version("tasks.py", "datasets.py")

PLAN = training.TrainConfig()
HAND = "a photo of a {}."
OWN = {  # each task, and the template that names what its class names keep silent
    RIDDLE: "a photo of a red {}.",
    style_task("sketch"): "a sketch of a {}.",
    BLURRED: "a blurred photo of a {}.",
    style_task("sepia print"): "a sepia print of a {}.",
}
TASKS = {task.name: task for task in OWN}
ENSEMBLE = (
    "a photo of a {}.", "a picture of a {}.", "an image of a {}.", "a photo of the {}.",
    "a photo of a small {}.", "a photo of a large {}.", "a nice {}.", "there is a {}.",
)  # fmt: skip

TESTS, MOST_CHECKS, MOST_SHOTS = 20, 4, 16  # pictures of each class
SHOTS, SEEDS = (1, 2, 4, 8, 16), range(5)
LENGTH = 4  # of the context, where it is not what is studied
STRENGTHS = (1.0, 10.0, 100.0, 1000.0)  # a linear probe's C: the smaller, the more it is held back
CHOICE_SHOTS, CHOICE_SEEDS = 8, range(3)
LENGTHS, POSITIONS, INITS = (1, 2, 4, 8, 16), ("end", "middle", "front"), ("words", "random")
PULLS = (0, 0.5, 2, 8, 32)
NEW_TASKS = (RIDDLE, BLURRED)

Pictures = tuple[Tensor, Tensor]  # unit features (N, D) with labels (N,)


def jobs() -> list[Job]:
    """Everything that is to be run; the jobs on the same pictures stand together."""
    shots = [
        {"part": "shots", "task": name, "shots": shots, "seed": seed}
        for name in TASKS for seed in SEEDS for shots in SHOTS
    ]  # fmt: skip
    choices = [
        {"part": "choices", "task": RIDDLE.name, "length": length, "position": position, "init": init,
         "class_specific": class_specific, "seed": seed}
        for length in LENGTHS for position in POSITIONS for init in INITS for class_specific in (False, True)
        for seed in CHOICE_SEEDS
    ]  # fmt: skip
    new = [
        {"part": "base_to_new", "task": task.name, "pull": pull, "seed": seed}
        for task in NEW_TASKS for pull in PULLS for seed in SEEDS
    ]  # fmt: skip
    return [*shots, *choices, *new]


# --- pictures ------------------------------------------------------------------------------------------------------------


def fewer(data: FewShot, shots: int) -> FewShot:
    """The first `shots` of each class, and as many to validate on, but at most `MOST_CHECKS`; the test pictures stay.

    That is what `few_shot` draws when it is asked for so many, since its fewer shots are the first of more.
    """

    def first(pictures: Pictures, each: int) -> Pictures:
        features, labels = pictures  # (N, D), (N,): class by class
        classes = int(labels.max()) + 1
        return features.unflatten(0, (classes, -1))[:, :each].flatten(0, 1), labels.view(
            classes, -1
        )[:, :each].flatten()

    return FewShot(
        first(data.train, shots), first(data.validation, min(shots, MOST_CHECKS)), data.test
    )


def of_classes(pictures: Pictures, classes: Sequence[int]) -> Pictures:
    """The pictures of some classes alone, which are numbered 0, 1, 2 … from here on."""
    features, labels = pictures
    numbers = torch.full((int(labels.max()) + 1,), -1)
    numbers[list(classes)] = torch.arange(len(classes))
    mine = numbers[labels] >= 0  # (N,)
    return features[mine], numbers[labels[mine]]


def base_and_new(classes: int) -> tuple[list[int], list[int]]:
    """Every second class to learn on, and the others, which are to be new."""
    return list(range(0, classes, 2)), list(range(1, classes, 2))


# --- what is measured ----------------------------------------------------------------------------------------------------


def share(scores: Tensor, labels: Tensor) -> float:
    """How many of the pictures (N,) got the highest of their scores (N, C) for their class, as a share."""
    return (scores.argmax(-1) == labels).float().mean().item()


def by_templates(
    clip: CLIPModel,
    processor: CLIPProcessor,
    names: Sequence[str],
    pictures: Pictures,
    templates: Sequence[str],
) -> float:
    """Accuracy of hand-written prompts; of several templates, each class takes the mean of its text features."""
    features = torch.stack(
        [encode_texts(clip, processor, [t.format(name) for name in names]) for t in templates]
    )
    return share(
        pictures[0] @ F.normalize(features.mean(0), dim=-1).T, pictures[1]
    )  # features (K, C, D)


def by_class_mean(data: FewShot) -> float:
    """Accuracy on the test pictures when each takes the class whose mean training picture is nearest, by cosine."""
    features, labels = data.train
    means = torch.stack([features[labels == label].mean(0) for label in labels.unique()])  # (C, D)
    return share(data.test[0] @ F.normalize(means, dim=-1).T, data.test[1])


def by_probe(data: FewShot) -> float:
    """Accuracy on the test pictures of a linear probe, held back as much as is best for the validation pictures.

    Of strengths that are equally good there, the smallest.
    """
    train, validation, test = (
        (features.cpu().numpy(), labels.cpu().numpy())
        for features, labels in (data.train, data.validation, data.test)
    )
    with (
        warnings.catch_warnings()
    ):  # about as many classes as pictures, which with one shot is meant so
        warnings.filterwarnings("ignore", "The number of unique classes")
        probes = [
            LogisticRegression(C=strength, max_iter=1000).fit(*train) for strength in STRENGTHS
        ]
    return float(max(probes, key=lambda probe: probe.score(*validation)).score(*test))


def learned(
    clip: CLIPModel, processor: CLIPProcessor, names: Sequence[str], data: FewShot, pull: float = 0.0,
    *, length: int, init: str, seed: int, **shape: Any,
) -> PromptedCLIP:  # fmt: skip
    """A context learned by the plan. init: "random", or "words" for those of "a photo of a"; shape: `position`, `class_specific`."""
    generator = torch.Generator().manual_seed(seed)
    begin = words_of_length("a photo of a", length) if init == "words" else init
    prompted = PromptedCLIP(clip, processor, names, length, begin, generator=generator, **shape)
    for _ in learn(prompted, data, PLAN, pull=pull):
        pass
    return prompted


# --- one job of each part ------------------------------------------------------------------------------------------------


def shots_job(clip: CLIPModel, processor: CLIPProcessor, data: FewShot, job: Job) -> Numbers:
    """Test accuracies of a context, a linear probe and the nearest class mean, learned from the same few pictures."""
    data, names = fewer(data, job["shots"]), TASKS[job["task"]].class_names
    prompted = learned(clip, processor, names, data, length=LENGTH, init="random", seed=job["seed"])
    return {
        "context": prompted.accuracy(*data.test),
        "probe": by_probe(data),
        "class_mean": by_class_mean(data),
    }


def choices_job(clip: CLIPModel, processor: CLIPProcessor, data: FewShot, job: Job) -> Numbers:
    """Validation and test accuracy of a context of some length, place and beginning, for all classes or for each its own."""
    data, names = fewer(data, CHOICE_SHOTS), TASKS[job["task"]].class_names
    settings = {
        name: job[name] for name in ("length", "position", "init", "class_specific", "seed")
    }
    prompted = learned(clip, processor, names, data, **settings)
    return {
        "validation": prompted.accuracy(*data.validation),
        "test": prompted.accuracy(*data.test),
    }


def base_to_new_job(clip: CLIPModel, processor: CLIPProcessor, data: FewShot, job: Job) -> Numbers:
    """Test accuracies of a context learned on the base classes: among those, and put before new names among the new ones."""
    names = TASKS[job["task"]].class_names
    base, new = base_and_new(len(names))
    known = FewShot(
        *(of_classes(pictures, base) for pictures in (data.train, data.validation, data.test))
    )
    base_names, new_names = [names[i] for i in base], [names[i] for i in new]
    prompted = learned(
        clip,
        processor,
        base_names,
        known,
        job["pull"],
        length=LENGTH,
        init="words",
        seed=job["seed"],
    )
    moved = PromptedCLIP(clip, processor, new_names, LENGTH, init=prompted.context.detach())
    return {
        "base": prompted.accuracy(*known.test),
        "new": moved.accuracy(*of_classes(data.test, new)),
    }


DO = {"shots": shots_job, "choices": choices_job, "base_to_new": base_to_new_job}


# --- all of them, with breaks --------------------------------------------------------------------------------------------


def report(
    records: Sequence[dict[str, Any]],
    test_pictures: Callable[[str], Pictures],
    clip: CLIPModel,
    processor: CLIPProcessor,
) -> dict[str, Any]:
    """The three parts of the stored file: the records beside what hand-written prompts reach on the same pictures."""

    def runs(part: str, task: str) -> list[dict[str, Any]]:
        mine = [record for record in records if (record["part"], record["task"]) == (part, task)]
        return [
            {name: value for name, value in record.items() if name not in ("part", "task")}
            for record in mine
        ]

    def hand(task: str, *templates: str, classes: Sequence[int] | None = None) -> float:
        names, pictures = TASKS[task].class_names, test_pictures(task)
        if classes is not None:
            names, pictures = [names[i] for i in classes], of_classes(pictures, classes)
        return round(by_templates(clip, processor, names, pictures, templates), 4)

    def shots_entry(task: str, own: str) -> dict[str, Any]:
        return {
            "task": task,
            "hand": hand(task, HAND),
            "own": {"template": own, "accuracy": hand(task, own)},
            "ensemble": {"templates": ENSEMBLE, "accuracy": hand(task, *ENSEMBLE)},
            "runs": runs("shots", task),
        }

    def new_entry(task: str) -> dict[str, Any]:
        names = TASKS[task].class_names
        classes = dict(zip(("base", "new"), base_and_new(len(names))))
        return {
            "task": task,
            **{which: [names[i] for i in numbers] for which, numbers in classes.items()},
            "hand": {
                which: hand(task, HAND, classes=numbers) for which, numbers in classes.items()
            },
            "runs": runs("base_to_new", task),
        }

    riddle = RIDDLE.name
    return {
        "shots": [shots_entry(task.name, own) for task, own in OWN.items()],
        "choices": {
            "task": riddle,
            "shots": CHOICE_SHOTS,
            "hand": hand(riddle, HAND),
            "runs": runs("choices", riddle),
        },
        "base_to_new": [new_entry(task.name) for task in NEW_TASKS],
    }


def main() -> None:
    torch.set_num_threads(1)
    clip, processor = load_clip("pocket")
    made_with = versions()

    @functools.cache
    def pictures(task: str, seed: int) -> FewShot:
        return encode_split(
            clip, processor, few_shot(TASKS[task], MOST_SHOTS, MOST_CHECKS, TESTS, seed)
        )

    def run(job: Job) -> Numbers:
        return DO[job["part"]](clip, processor, pictures(job["task"], job["seed"]), job)

    unfinished = unfinished_file(
        "context",
        CODE,
        DRAWING,
        PLAN,
        fingerprint(clip),
        describe_preparation(processor),
        made_with,
    )
    records, seconds = resume(jobs(), run, unfinished, lambda line: print(line, flush=True))
    parts = report(records, lambda task: pictures(task, 0).test, clip, processor)
    whole = {
        "command": COMMAND,
        "versions": made_with,
        "seconds": round(seconds, 1),
        "plan": asdict(PLAN),
        **parts,
    }
    FILE.parent.mkdir(parents=True, exist_ok=True)
    write_whole(
        FILE, lambda part: part.write_text(f"{laid_out(whole)}\n", encoding="utf-8", newline="\n")
    )
    unfinished.unlink()
    print(f"{len(records)} trainings in {seconds / 60:.0f} min: {FILE}")


if __name__ == "__main__":
    main()
