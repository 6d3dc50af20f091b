"""The stored study behind lesson 02: what a learned context is worth, and how to choose it.

`python -m pocket.studies.context_study` makes data/runs/learnable-context.json again, on one thread
in about a quarter of an hour. Broken off, it goes on where it was. CoOp: Zhou et al. 2022,
arXiv 2109.01134; new classes: Zhou et al. 2022, arXiv 2203.05557.

All accuracies are shares of the same 20 test pictures a class, and nothing is chosen by those.
Validation pictures are as many as shots, and at most 4 a class, as in CoOp. What was chosen beyond
that: in "shots" a context of 4 random vectors, the class name at the end; in "base_to_new" 16
shots, and 4 vectors that begin as "a photo of a", so that without a step they are the hand prompt.
In "choices" one vector cannot be split around the name: at length 1 the name "in the middle" stands
in front, and that was run twice. "example" is one of the "choices" again, with its whole history,
which the lesson shows before the learner's own.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPModel, CLIPProcessor

from helpers.context import PromptedCLIP, encode_hand_prompt, train_context
from helpers.data import (
    FewShot,
    LabelledFeatures,
    describe_preparation,
    encode_split,
    measure_accuracy,
)
from helpers.files import DATA
from helpers.pretrained import fingerprint, load_clip
from helpers.training import History, TrainConfig
from pocket import classifiers
from pocket.classifiers import (
    HAND,
    measure_class_mean,
    measure_probe,
    measure_templates,
    train_new_context,
)
from pocket.datasets import draw_few_shot
from pocket.studies.common import (
    Job,
    Numbers,
    Study,
    find_unfinished,
    read_versions,
    run_jobs,
    sort_by_part,
    write_json,
)
from pocket.tasks import BLURRED, RIDDLE, make_style_task
from pocket.world import compute_drawing_version

FILE = DATA / "runs" / "learnable-context.json"
COMMAND = "python -m pocket.studies.context_study"

CONFIG = TrainConfig()
WORDS = "a photo of a"
OWN = {  # each task, and the template that names what its class names keep silent
    RIDDLE: "a photo of a red {}.",
    make_style_task("sketch"): "a sketch of a {}.",
    BLURRED: "a blurred photo of a {}.",
    make_style_task("sepia print"): "a sepia print of a {}.",
}
TASKS = {task.name: task for task in OWN}
ENSEMBLE = (
    "a photo of a {}.", "a picture of a {}.", "an image of a {}.", "a photo of the {}.",
    "a photo of a small {}.", "a photo of a large {}.", "a nice {}.", "there is a {}.",
)  # fmt: skip

TESTS, MOST_CHECKS, MOST_SHOTS = 20, 4, 16  # pictures of each class
SHOTS, SEEDS = (1, 2, 4, 8, 16), range(5)
LENGTH = 4  # of the context, where it is not what is studied
CHOICE_SHOTS, CHOICE_SEEDS = 8, range(3)
LENGTHS, POSITIONS, INITS = (1, 2, 4, 8, 16), ("end", "middle", "front"), ("words", "random")
REGULARISATIONS = (0, 0.5, 2, 8, 32)
NEW_TASKS = (RIDDLE, BLURRED)
EXAMPLE_SEED = 0
COLUMNS = ("step", "loss", "validation_loss", "validation_score")


# --- the numbers ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class ShotsRun:
    """Test accuracies of a context, a linear probe and the class mean, from the same pictures."""

    shots: int
    seed: int
    context: float
    probe: float
    class_mean: float


@dataclass(frozen=True)
class TaskByShots:
    """All runs on a task, and the test accuracies of hand-written prompts.

    hand: of "a photo of a {}."; own: of the template that names what the class names keep silent;
    ensemble: of averaged templates.
    """

    task: str
    hand: float
    own_template: str
    own: float
    ensemble_templates: list[str]
    ensemble: float
    runs: list[ShotsRun]


@dataclass(frozen=True)
class ChoicesRun:
    """How a context was made, and what it reaches on validation and on test pictures."""

    length: int
    position: str
    init: str
    class_specific: bool
    seed: int
    validation: float
    test: float


@dataclass(frozen=True)
class Choices:
    """Every choice beside every other on one task, and the test accuracy of the hand prompt."""

    task: str
    shots: int
    hand: float
    runs: list[ChoicesRun]


@dataclass(frozen=True)
class NewClassesRun:
    """What a context of the base classes reaches, pulled so strongly to the hand prompt."""

    regularisation: float
    seed: int
    base: float
    new: float


@dataclass(frozen=True)
class NewClasses:
    """All runs on a task whose classes are halved; of each half the names and the hand prompt."""

    task: str
    base: list[str]
    new: list[str]
    hand_base: float
    hand_new: float
    runs: list[NewClassesRun]


@dataclass(frozen=True)
class Example:
    """One training from its first step to its last, and the vectors (M, D) that it kept.

    hand: the validation accuracy of the hand prompt; before, after: test accuracies of
    that and of the vectors.
    """

    task: str
    shots: int
    seed: int
    hand: float
    before: float
    after: float
    history: History
    context: list[list[float]]


@dataclass(frozen=True)
class ContextStudy(Study):
    """Accuracies by shots, by choices, and on new classes, and one training in full."""

    shots: list[TaskByShots]
    choices: Choices
    base_to_new: list[NewClasses]
    example: Example


def save_study(study: ContextStudy, file: Path = FILE) -> None:
    """Write the study for `load_study`."""
    example = vars(study.example) | {"history": study.example.history.to_json(*COLUMNS)}
    write_json(file, asdict(study) | {"example": example})


def load_study(file: Path = FILE) -> ContextStudy:
    """The study as it was written."""
    return parse_study(json.loads(file.read_text(encoding="utf-8")))


def parse_study(stored: dict[str, Any]) -> ContextStudy:
    """The study from what its file holds."""

    def build(kind: type, run_kind: type, entry: dict[str, Any]) -> Any:
        return kind(**entry | {"runs": [run_kind(**run) for run in entry["runs"]]})

    parts = {
        "config": TrainConfig(**stored["config"]),
        "shots": [build(TaskByShots, ShotsRun, entry) for entry in stored["shots"]],
        "choices": build(Choices, ChoicesRun, stored["choices"]),
        "base_to_new": [build(NewClasses, NewClassesRun, one) for one in stored["base_to_new"]],
        "example": Example(
            **stored["example"] | {"history": History.from_json(stored["example"]["history"])}
        ),
    }
    return ContextStudy(**stored | parts)


# --- what is to be run ----------------------------------------------------------------------------


def list_jobs() -> list[Job]:
    """Everything that is to be run; the jobs on the same pictures stand together."""
    shots = [
        {"part": "shots", "task": name, "shots": shots, "seed": seed}
        for name in TASKS for seed in SEEDS for shots in SHOTS
    ]  # fmt: skip
    choices = [
        {"part": "choices", "task": RIDDLE.name, "length": length, "position": position,
         "init": init, "class_specific": class_specific, "seed": seed}
        for length in LENGTHS for position in POSITIONS for init in INITS
        for class_specific in (False, True) for seed in CHOICE_SEEDS
    ]  # fmt: skip
    new = [
        {"part": "base_to_new", "task": task.name, "regularisation": regularisation, "seed": seed}
        for task in NEW_TASKS for regularisation in REGULARISATIONS for seed in SEEDS
    ]  # fmt: skip
    example = {"part": "example", "task": RIDDLE.name, "shots": CHOICE_SHOTS, "seed": EXAMPLE_SEED}
    return [*shots, *choices, *new, example]


# --- pictures -------------------------------------------------------------------------------------


def take_shots(data: FewShot, shots: int) -> FewShot:
    """Take the first `shots` of each class, and as many, at most `MOST_CHECKS`, to validate on.

    That is what `draw_few_shot` draws when it is asked for so many, since its fewer shots
    are the first of more.
    """

    def take_first(pictures: LabelledFeatures, each: int) -> LabelledFeatures:
        features, labels = pictures  # (N, D), (N,): class by class
        classes = int(labels.max()) + 1
        return features.unflatten(0, (classes, -1))[:, :each].flatten(0, 1), labels.view(
            classes, -1
        )[:, :each].flatten()

    return FewShot(
        take_first(data.train, shots),
        take_first(data.validation, min(shots, MOST_CHECKS)),
        data.test,
    )


def take_classes(pictures: LabelledFeatures, classes: Sequence[int]) -> LabelledFeatures:
    """The pictures of some classes alone, which are numbered 0, 1, 2 … from here on."""
    features, labels = pictures
    numbers = torch.full((int(labels.max()) + 1,), -1)
    numbers[list(classes)] = torch.arange(len(classes))
    mine = numbers[labels] >= 0  # (N,)
    return features[mine], numbers[labels[mine]]


def halve_classes(classes: int) -> tuple[list[int], list[int]]:
    """Every second class to learn on, and the others, which are to be new."""
    return list(range(0, classes, 2)), list(range(1, classes, 2))


# --- one job of each part -------------------------------------------------------------------------


def measure_shots(clip: CLIPModel, processor: CLIPProcessor, data: FewShot, job: Job) -> Numbers:
    """One `ShotsRun`.

    Args:
        clip: the model.
        processor: what prepares its input.
        data: the pictures of the job's task and seed.
        job: its settings.
    """
    data, names = take_shots(data, job["shots"]), TASKS[job["task"]].class_names
    settings = {"length": LENGTH, "seed": job["seed"]}
    prompted = train_new_context(clip, processor, names, data, CONFIG, **settings)
    return {
        "context": prompted.accuracy(*data.test),
        "probe": measure_probe(data),
        "class_mean": measure_class_mean(data),
    }


def measure_choice(clip: CLIPModel, processor: CLIPProcessor, data: FewShot, job: Job) -> Numbers:
    """One `ChoicesRun`.

    Args:
        clip: the model.
        processor: what prepares its input.
        data: the pictures of the job's task and seed.
        job: its settings.
    """
    data, names = take_shots(data, CHOICE_SHOTS), TASKS[job["task"]].class_names
    settings = {name: job[name] for name in ("length", "position", "class_specific", "seed")}
    settings["init"] = WORDS if job["init"] == "words" else "random"
    prompted = train_new_context(clip, processor, names, data, CONFIG, **settings)
    return {
        "validation": prompted.accuracy(*data.validation),
        "test": prompted.accuracy(*data.test),
    }


def measure_new_classes(
    clip: CLIPModel, processor: CLIPProcessor, data: FewShot, job: Job
) -> Numbers:
    """One `NewClassesRun`: what was learned on the base classes is put before the new names.

    Args:
        clip: the model.
        processor: what prepares its input.
        data: the pictures of the job's task and seed.
        job: its settings.
    """
    names = TASKS[job["task"]].class_names
    base, new = halve_classes(len(names))
    known = FewShot(
        *(take_classes(pictures, base) for pictures in (data.train, data.validation, data.test))
    )
    base_names, new_names = [names[i] for i in base], [names[i] for i in new]
    settings = {"length": LENGTH, "seed": job["seed"], "init": WORDS}
    prompted = train_new_context(
        clip, processor, base_names, known, CONFIG, regularisation=job["regularisation"], **settings
    )
    moved = PromptedCLIP(clip, processor, new_names, LENGTH, init=prompted.context.detach())
    return {
        "base": prompted.accuracy(*known.test),
        "new": moved.accuracy(*take_classes(data.test, new)),
    }


def measure_context_example(
    clip: CLIPModel, processor: CLIPProcessor, data: FewShot, job: Job
) -> Numbers:
    """The `Example`.

    Args:
        clip: the model.
        processor: what prepares its input.
        data: the pictures of the job's task and seed.
        job: its settings.
    """
    data = take_shots(data, job["shots"])
    prompted = PromptedCLIP(clip, processor, TASKS[job["task"]].class_names, LENGTH, WORDS)
    by_hand = encode_hand_prompt(prompted)
    history = History(CONFIG.steps, list(train_context(prompted, data, CONFIG)))
    return {
        "hand": measure_accuracy(data.validation, by_hand),
        "before": measure_accuracy(data.test, by_hand),
        "after": prompted.accuracy(*data.test),
        "history": history.to_json(*COLUMNS),
        "context": prompted.context.tolist(),
    }


MEASURE = {
    "shots": measure_shots,
    "choices": measure_choice,
    "base_to_new": measure_new_classes,
    "example": measure_context_example,
}


# --- making it ------------------------------------------------------------------------------------


def add_hand_prompts(
    records: Sequence[dict[str, Any]],
    test_pictures: Callable[[str], LabelledFeatures],
    clip: CLIPModel,
    processor: CLIPProcessor,
) -> dict[str, Any]:
    """Add to the records what hand-written prompts reach on the same pictures: the file's parts.

    Args:
        records: of all jobs.
        test_pictures: gives those of the task of a name.
        clip: the model.
        processor: what prepares its input.
    """
    parts = sort_by_part(records)

    def list_runs(part: str, task: str) -> list[dict[str, Any]]:
        mine = [record for record in parts[part] if record["task"] == task]
        return [{name: run[name] for name in run if name != "task"} for run in mine]

    def measure_hand(task: str, *templates: str, classes: Sequence[int] | None = None) -> float:
        names, pictures = TASKS[task].class_names, test_pictures(task)
        if classes is not None:
            names, pictures = [names[i] for i in classes], take_classes(pictures, classes)
        return round(measure_templates(clip, processor, names, pictures, templates), 4)

    def make_shots_entry(task: str, own: str) -> dict[str, Any]:
        return {
            "task": task,
            "hand": measure_hand(task, HAND),
            "own_template": own,
            "own": measure_hand(task, own),
            "ensemble_templates": list(ENSEMBLE),
            "ensemble": measure_hand(task, *ENSEMBLE),
            "runs": list_runs("shots", task),
        }

    def make_new_entry(task: str) -> dict[str, Any]:
        names = TASKS[task].class_names
        base, new = halve_classes(len(names))
        return {
            "task": task,
            "base": [names[i] for i in base],
            "new": [names[i] for i in new],
            "hand_base": measure_hand(task, HAND, classes=base),
            "hand_new": measure_hand(task, HAND, classes=new),
            "runs": list_runs("base_to_new", task),
        }

    riddle = RIDDLE.name
    return {
        "shots": [make_shots_entry(task.name, own) for task, own in OWN.items()],
        "choices": {
            "task": riddle,
            "shots": CHOICE_SHOTS,
            "hand": measure_hand(riddle, HAND),
            "runs": list_runs("choices", riddle),
        },
        "base_to_new": [make_new_entry(task.name) for task in NEW_TASKS],
        "example": parts["example"][0],
    }


def main() -> None:
    torch.set_num_threads(1)
    clip, processor = load_clip("pocket")
    made_with = read_versions()

    @functools.cache
    def draw_pictures(task: str, seed: int) -> FewShot:
        drawn = draw_few_shot(TASKS[task], MOST_SHOTS, MOST_CHECKS, TESTS, seed)
        return encode_split(clip, processor, drawn)

    def run_job(job: Job) -> Numbers:
        return MEASURE[job["part"]](clip, processor, draw_pictures(job["task"], job["seed"]), job)

    drawing = compute_drawing_version("tasks.py", "datasets.py", "scenes.py")
    made_by = drawing, CONFIG, fingerprint(clip), describe_preparation(processor), made_with
    unfinished = find_unfinished("context", (__file__, classifiers.__file__), *made_by)
    records, seconds = run_jobs(list_jobs(), run_job, unfinished)
    how = {
        "command": COMMAND,
        "versions": made_with,
        "seconds": round(seconds, 1),
        "config": asdict(CONFIG),
    }
    parts = add_hand_prompts(records, lambda task: draw_pictures(task, 0).test, clip, processor)
    save_study(parse_study(how | parts))
    unfinished.unlink()
    print(f"{len(records)} trainings in {seconds / 60:.0f} min: {FILE}")


if __name__ == "__main__":
    main()
