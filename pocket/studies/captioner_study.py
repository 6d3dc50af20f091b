"""The stored study behind lesson 03: what a captioner, its parts and the usual tips are worth.

`python -m pocket.studies.captioner_study` makes data/runs/captioner.json and the files in
data/captioner again; broken off, it goes on where it was. All captions are greedy, of scenes that
neither CLIP nor the captioner has learned from, and nothing is chosen by those: what is kept of a
training has the lowest loss on validation scenes.

What is fixed beyond that: scenes hold one thing. But the projection that several prompts stand on
learned from scenes of which an eighth holds two or three, and the prompt that counts learns from,
and is tested on, scenes of one to three as the world has them.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers import training
from helpers.captioner import DESCRIBE, IGNORED, VLMWithSoftPrompt
from helpers.captioner_training import (
    ablate,
    batch_captions,
    initialise_projection,
    train_captioner,
    whiten,
)
from helpers.files import DATA
from helpers.language_model import read_token_table
from helpers.pretrained import identify_model, load_clip, load_language_model
from helpers.training import Evaluation, History, TrainConfig
from pocket import captioning, scoring
from pocket.captioning import (
    CONFIG,
    PICTURES,
    PROMPTS,
    CaptionerData,
    EncodedScenes,
    draw_captioner_data,
    make_captioner,
    train_to_describe,
)
from pocket.corpus import INSTRUCTIONS, write_answer
from pocket.language import write_full_caption
from pocket.scoring import CaptionScores, find_form, is_right, score_captions
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
from pocket.world import OBJECTS, Scene, Thing, compute_drawing_version, draw

FILE = DATA / "runs" / "captioner.json"
COMMAND = "python -m pocket.studies.captioner_study"
CODE = (__file__, captioning.__file__, scoring.__file__)

SHORT_CONFIG = replace(CONFIG, steps=300, eval_every=100)  # where trainings are compared
LOSS_CONFIG = replace(CONFIG, steps=1000, eval_every=100)  # where two losses are compared
PROMPT_CONFIG = replace(CONFIG, steps=1200, eval_every=300)  # of a prompt, the projection frozen
SEEDS = range(3)  # of the order in which the pictures come; where settings are compared, one
TASKS = ("describe", "count", "colour", "story")  # what one projection is prompted to do
SEVERAL = 8  # one in so many of the scenes that it learns from holds two or three things
TIPS: dict[str, tuple[Any, ...]] = {
    "rate": (1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 1e-1),
    "length": (0, 1, 3, 10, 20),
    "pictures": (100, 300, 1000, 6000),
    "batch": (2, 8, 32),
    "begin": ("all at random", "projection as words", "both as words"),
    "features": ("patches", "last layer", "pooled"),
}
LOSS_COLUMNS, FAULT_COLUMNS = ("step", "validation_loss"), ("step", "loss", "validation_loss")
# one learning curve each, for the learner to tell apart: what differs from CONFIG
FAULTS: dict[str, dict[str, Any]] = {
    "too few pictures": {"pictures": 40, "learning_rate": 1e-2, "steps": 240, "eval_every": 20},
    "rate too high": {
        "learning_rate": 20.0,
        "warmup_steps": 0,
        "max_grad_norm": None,
        "steps": 240,
        "eval_every": 20,
    },
    "stopped too soon": {"steps": 480, "eval_every": 8, "until": 96},
}
# what the button of lesson 03 trains if nobody moves its controls, and what is described then and
# never learned from
EXAMPLE_CONFIG, EXAMPLE_PICTURES = replace(CONFIG, steps=400, eval_every=40), 1000
WATCHED = (  # each with the seed of its drawing
    (Scene((Thing("dog", "orange", "large"),), "beach", "photo"), 1),
    (Scene((Thing("cup", "pink", "medium"),), "room", "cartoon"), 2),
    (Scene((Thing("plane", "blue", "large"),), "city", "painting"), 3),
)


# --- the numbers ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class TrainedRun:
    """A captioner trained whole, without a soft prompt, or on a single vector of each picture."""

    trained: str
    seed: int
    training_seconds: int
    validation_loss: float
    scores: CaptionScores


@dataclass(frozen=True)
class AskedRun:
    """A whole captioner as it was trained, or with one part taken away or exchanged."""

    how: str
    seed: int
    scores: CaptionScores


@dataclass(frozen=True)
class LossRun:
    """A training with the right loss, or with the unshifted one.

    next_token_loss: the right one, at each of its evaluations.
    object: the share of objects named right; captions: the true one and what is said, of three
    scenes.
    """

    shifted: bool
    history: History
    next_token_loss: list[float]
    object: float
    captions: list[list[str]]


@dataclass(frozen=True)
class FaultRun:
    """A training with one fault, a key of `FAULTS`, as far as it went."""

    fault: str
    history: History


@dataclass(frozen=True)
class ExampleRun:
    """A training from so many pictures by `EXAMPLE_CONFIG`, and its words on `WATCHED` scenes."""

    pictures: int
    history: History
    captions: list[str]


@dataclass(frozen=True)
class Answers:
    """The share of answers that have the form of each task, and of those that are right."""

    form: dict[str, float]
    content: float


@dataclass(frozen=True)
class PromptRun:
    """A prompt learned for one task, and the same instruction in words.

    by_number: the share right by the number of things; one_answer_to_all: of the best single
    answer; answers: of three scenes.
    """

    prompt: str
    learned: Answers
    by_hand: Answers
    by_number: dict[str, float]
    one_answer_to_all: float
    answers: list[list[str]]


@dataclass(frozen=True)
class TipRun:
    """A short training with one setting changed; object, exact: as in `CaptionScores`."""

    tip: str
    value: Any
    object: float
    exact: float
    validation_loss: float
    loss: float


@dataclass(frozen=True)
class CaptionerStudy(Study):
    """All trainings; chance: the share of objects that are right by chance."""

    short_config: TrainConfig
    chance: float
    trained: list[TrainedRun]
    shift: list[LossRun]
    faults: list[FaultRun]
    example: list[ExampleRun]
    prompts: list[PromptRun]
    tips: list[TipRun]
    asked: list[AskedRun]


def save_study(study: CaptionerStudy, file: Path = FILE) -> None:
    """Write the study for `load_study`."""
    parts = {
        part: [asdict(run) | {"history": run.history.to_json(*columns)} for run in runs]
        for part, runs, columns in (
            ("shift", study.shift, LOSS_COLUMNS),
            ("faults", study.faults, FAULT_COLUMNS),
            ("example", study.example, FAULT_COLUMNS),
        )
    }
    write_json(file, asdict(study) | parts)


def load_study(file: Path = FILE) -> CaptionerStudy:
    """The study as it was written."""
    return parse_study(json.loads(file.read_text(encoding="utf-8")))


def parse_study(stored: dict[str, Any]) -> CaptionerStudy:
    """The study from what its file holds."""

    def build(kind: type, run: dict[str, Any], make: Callable[..., Any], *names: str) -> Any:
        """The record, its fields of these names made by `make`."""
        return kind(**run | {name: make(run[name]) for name in names})

    def read_scores(numbers: dict[str, float]) -> CaptionScores:
        return CaptionScores(**numbers)

    def read_answers(shares: dict[str, Any]) -> Answers:
        return Answers(**shares)

    curve = History.from_json
    parts = {
        "config": TrainConfig(**stored["config"]),
        "short_config": TrainConfig(**stored["short_config"]),
        "trained": [build(TrainedRun, run, read_scores, "scores") for run in stored["trained"]],
        "asked": [build(AskedRun, run, read_scores, "scores") for run in stored["asked"]],
        "shift": [build(LossRun, run, curve, "history") for run in stored["shift"]],
        "faults": [build(FaultRun, run, curve, "history") for run in stored["faults"]],
        "example": [build(ExampleRun, run, curve, "history") for run in stored["example"]],
        "prompts": [
            build(PromptRun, run, read_answers, "learned", "by_hand") for run in stored["prompts"]
        ],
        "tips": [TipRun(**run) for run in stored["tips"]],
    }
    return CaptionerStudy(**stored | parts)


# --- the wrong loss -------------------------------------------------------------------------------


def train_unshifted(
    model: VLMWithSoftPrompt,
    train: EncodedScenes,
    validation: EncodedScenes,
    config: TrainConfig,
) -> list[Evaluation]:
    """Make the classic mistake: what is said at a token is scored against that token.

    An evaluation's score is minus the right loss.

    Args:
        model: learns.
        train: scenes to learn from.
        validation: scenes to choose by.
        config: how to train.
    """
    check_ids, check_labels = batch_captions(model.tokenizer, validation.captions)

    def loss(features: Tensor, ids: Tensor, labels: Tensor) -> Tensor:
        # one place too far to the right
        at_tokens = model(features, ids)[:, -ids.shape[1] :]  # (B, T, V)
        return F.cross_entropy(at_tokens.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)

    with whiten(model, train.features) as even:
        seen, seen_checks = even(train.features), even(validation.features)
        captions = train.captions

        def measure_rows(rows: Tensor) -> Tensor:
            return loss(
                seen[rows],
                *batch_captions(model.tokenizer, [captions[row] for row in rows.tolist()]),
            )

        def validate() -> tuple[float, float]:
            right = model(seen_checks, check_ids, labels=check_labels).item()
            return loss(seen_checks, check_ids, check_labels).item(), -right

        trained = training.train(model, len(captions), measure_rows, validate, config)
        with closing(trained) as evaluations:
            return list(evaluations)


# --- one job of each part -------------------------------------------------------------------------


@dataclass(eq=False)
class CaptionerSetup:
    """The frozen models, and scenes that are drawn when they are first asked for."""

    clip: tuple
    language: tuple
    pool: Pool

    @functools.cache  # noqa: B019  there is one setup
    def data(self, kind: str = "patches", things: int | None = 1) -> CaptionerData:
        return draw_captioner_data(self.make_captioner(kind=kind).encode, self.pool, things=things)

    def make_captioner(
        self, train: EncodedScenes | None = None, seed: int = 0, **how: Any
    ) -> VLMWithSoftPrompt:
        return make_captioner(self.clip, self.language, train, seed, **how)


def score_ablations(
    model: VLMWithSoftPrompt, test: EncodedScenes
) -> Iterator[tuple[str, CaptionScores]]:
    """Score a captioner as trained, and with one part at a time taken away or exchanged."""
    table = read_token_table(model.language_model)
    rows = table[model.tokenizer(DESCRIBE, add_special_tokens=False)["input_ids"]]
    for how, features in ablate(model, test.features, rows):
        yield how, score_captions(model.generate(features), test.scenes)


def measure_trained(setup: CaptionerSetup, job: Job) -> Numbers:
    """A `TrainedRun`; of a whole captioner also what it gives when it is asked in other ways."""
    kind = "pooled" if job["trained"] == "pooled feature" else "patches"
    length = 0 if job["trained"] == "without soft prompt" else 10
    data = setup.data(kind)
    model = setup.make_captioner(data.train, job["seed"], length=length, kind=kind)
    begun, config = time.monotonic(), replace(CONFIG, seed=job["seed"])
    evaluations = train_to_describe(model, data.train, data.validation, config)
    numbers: Numbers = {
        "training_seconds": round(time.monotonic() - begun),
        "validation_loss": min(one.validation_loss for one in evaluations),
    }
    if job["trained"] != "whole":
        said = model.generate(data.test.features)
        return numbers | {"scores": asdict(score_captions(said, data.test.scenes))}
    if job["seed"] == 0:
        model.save(PROMPTS / "captioner.safetensors")
    asked = {how: asdict(scores) for how, scores in score_ablations(model, data.test)}
    return numbers | {"scores": asked["as trained"], "asked": asked}


def measure_loss(setup: CaptionerSetup, job: Job) -> Numbers:
    """A `LossRun`: the right loss and the unshifted one, trained alike."""
    data = setup.data()
    model = setup.make_captioner(data.train)
    train = train_to_describe if job["shifted"] else train_unshifted
    evaluations = train(model, data.train, data.validation, LOSS_CONFIG)
    said, scenes = model.generate(data.test.features), data.test.scenes
    return {
        "history": History(LOSS_CONFIG.steps, evaluations).to_json(*LOSS_COLUMNS),
        "next_token_loss": [
            one.validation_loss if job["shifted"] else -one.validation_score for one in evaluations
        ],
        "object": score_captions(said, scenes).object,
        "captions": [[write_full_caption(scene), text] for scene, text in zip(scenes[:3], said)],
    }


def measure_fault(setup: CaptionerSetup, job: Job) -> Numbers:
    """A `FaultRun`."""
    data, fault = setup.data(), dict(FAULTS[job["fault"]])
    train, until = data.train.first(fault.pop("pictures", PICTURES)), fault.pop("until", None)
    model, config = setup.make_captioner(train), replace(CONFIG, **fault)
    evaluations = train_to_describe(model, train, data.validation, config, until)
    return {"history": History(evaluations[-1].step, evaluations).to_json(*FAULT_COLUMNS)}


def measure_training_example(setup: CaptionerSetup, job: Job) -> Numbers:
    """An `ExampleRun`."""
    data, watched = setup.data(), {scene for scene, _ in WATCHED}
    rows = [row for row, scene in enumerate(data.train.scenes) if scene not in watched]
    train = data.train.take(rows[: job["pictures"]])
    model = setup.make_captioner(train)
    evaluations = train_to_describe(model, train, data.validation, EXAMPLE_CONFIG)
    features = model.encode([draw(scene, seed, 64) for scene, seed in WATCHED])
    return {
        "history": History(EXAMPLE_CONFIG.steps, evaluations).to_json(*FAULT_COLUMNS),
        "captions": model.generate(features),
    }


def measure_tip(setup: CaptionerSetup, job: Job) -> Numbers:
    """A `TipRun`."""
    setting = {
        "rate": SHORT_CONFIG.learning_rate, "length": 10,
        "pictures": PICTURES, "batch": SHORT_CONFIG.batch_size,
        "begin": "both as words", "features": "patches", job["tip"]: job["value"],
    }  # fmt: skip
    data = setup.data(setting["features"])
    train = data.train.first(setting["pictures"])
    model = setup.make_captioner(
        train,
        length=setting["length"],
        prompt=DESCRIBE if setting["begin"] == "both as words" else "random",
        kind=setting["features"],
        as_words=setting["begin"] in ("projection as words", "both as words"),
    )
    config = replace(SHORT_CONFIG, learning_rate=setting["rate"], batch_size=setting["batch"])
    evaluations = train_to_describe(model, train, data.validation, config)
    scores = score_captions(model.generate(data.test.features), data.test.scenes)
    return {
        "object": scores.object,
        "exact": scores.exact,
        "validation_loss": min(one.validation_loss for one in evaluations),
        "loss": evaluations[-1].loss,
    }


def measure_prompt(setup: CaptionerSetup, job: Job) -> Numbers:
    """Make a `PromptRun`: "describe" with the projection, frozen from then on, others alone."""
    task, alone = job["prompt"], setup.data()
    data = setup.data(things=None) if task == "count" else alone
    begin = DESCRIBE if task == "describe" else " ".join(INSTRUCTIONS[task])
    model = setup.make_captioner(prompt=begin)
    by_hand = model.soft_prompt.prompt_embeddings.detach().clone()
    if task == "describe":
        several = setup.data(things=None).train
        rows = [row for row, scene in enumerate(several.scenes) if len(scene.things) > 1]
        rows = rows[: PICTURES // SEVERAL]
        train = alone.train.first(PICTURES - len(rows)) + several.take(rows)
        initialise_projection(model, train.features, train.captions)
        train_to_describe(model, train, alone.validation)
        model.save(PROMPTS / "many.safetensors")
    else:
        model.load(PROMPTS / "many.safetensors")
        model.soft_prompt.prompt_embeddings = torch.nn.Parameter(by_hand.clone())
        model.vision_projection.requires_grad_(False)
        rng = np.random.default_rng(0)
        examples = [
            (part.features, [write_answer(task, scene, rng) for scene in part.scenes])
            for part in (data.train, data.validation)
        ]
        for _ in train_captioner(model, *examples, PROMPT_CONFIG):
            pass
    model.save_prompt(PROMPTS / f"{task}.safetensors")
    said, scenes = model.generate(data.test.features), data.test.scenes
    with model.swap_prompt(by_hand):
        in_words = model.generate(data.test.features)
    right: dict[str, list[bool]] = {}
    for text, scene in zip(said, scenes, strict=True):
        right.setdefault(str(len(scene.things)), []).append(is_right(task, text, scene))
    return {
        "learned": judge_answers(task, said, scenes),
        "by_hand": judge_answers(task, in_words, scenes),
        "by_number": {number: np.mean(hits).item() for number, hits in sorted(right.items())},
        "one_answer_to_all": max(
            np.mean([is_right(task, text, scene) for scene in scenes]).item() for text in set(said)
        ),
        "answers": [[write_full_caption(scene), text] for scene, text in zip(scenes[:3], said)],
    }


def judge_answers(task: str, said: Sequence[str], scenes: Sequence[Scene]) -> dict[str, Any]:
    """The numbers of `Answers`."""
    forms = [find_form(text) for text in said]
    right = [is_right(task, text, scene) for text, scene in zip(said, scenes, strict=True)]
    return {
        "form": {other: forms.count(other) / len(forms) for other in TASKS},
        "content": np.mean(right).item(),
    }


MEASURE = {
    "trained": measure_trained,
    "shift": measure_loss,
    "faults": measure_fault,
    "example": measure_training_example,
    "prompts": measure_prompt,
    "tips": measure_tip,
}


# --- making it ------------------------------------------------------------------------------------


def list_jobs() -> list[Job]:
    """List all that is to be run: first the prompt on whose projection the others stand."""
    trained = [
        {"part": "trained", "trained": trained, "seed": seed}
        for trained in ("whole", "without soft prompt", "pooled feature") for seed in SEEDS
    ]  # fmt: skip
    prompts = [{"part": "prompts", "prompt": task} for task in TASKS]
    shift = [{"part": "shift", "shifted": shifted} for shifted in (True, False)]
    faults = [{"part": "faults", "fault": fault} for fault in FAULTS]
    example = [{"part": "example", "pictures": EXAMPLE_PICTURES}]
    tips = [
        {"part": "tips", "tip": tip, "value": value}
        for tip, values in TIPS.items() for value in values
    ]  # fmt: skip
    return [trained[0], *prompts, *shift, *faults, *example, *trained[1:], *tips]


def split_asked(records: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Split records into the file's parts; other ways of asking stand in one of their own."""
    parts = sort_by_part(records)
    asked = [(run["seed"], run.pop("asked")) for run in parts["trained"] if "asked" in run]
    parts["asked"] = [
        {"how": how, "seed": seed, "scores": scores}
        for seed, ways in asked
        for how, scores in ways.items()
    ]
    return parts


def main() -> None:
    made_with = read_versions()
    PROMPTS.mkdir(parents=True, exist_ok=True)
    with multiprocessing.Pool() as pool:
        setup = CaptionerSetup(load_clip("pocket"), load_language_model("pocket"), pool)
        models = [repr(identify_model(model)) for model in (setup.clip[0], setup.language[0])]
        drawing = compute_drawing_version("language.py", "corpus.py", "words.py", "scenes.py")
        unfinished = find_unfinished("captioner", CODE, drawing, *models, made_with)
        records, seconds = run_jobs(
            list_jobs(), lambda job: MEASURE[job["part"]](setup, job), unfinished
        )
    how = {
        "command": COMMAND,
        "versions": made_with,
        "seconds": round(seconds, 1),
        "config": asdict(CONFIG),
        "short_config": asdict(SHORT_CONFIG),
        "chance": round(1 / len(OBJECTS), 4),
    }
    save_study(parse_study(how | split_asked(records)))
    unfinished.unlink()
    print(f"{len(records)} jobs in {seconds / 60:.0f} min: {FILE}")


if __name__ == "__main__":
    main()
