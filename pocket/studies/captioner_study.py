"""The stored study behind lesson 03: what a captioner is worth, what each part of it adds, and what happens when one follows the usual tips.

`python -m pocket.studies.captioner_study` makes data/runs/captioner.json and the files in data/captioner again; broken off, it goes on
where it was. All captions are greedy, of scenes that neither CLIP nor the captioner has learned from, and nothing is chosen by those:
what is kept of a training has the lowest loss on validation scenes.

What is fixed beyond that: scenes hold one thing. But the projection that several prompts stand on learned from scenes of which an eighth
holds two or three, and the prompt that counts learns from, and is tested on, scenes of one to three as the world has them.
"""

from __future__ import annotations

import functools
import multiprocessing
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from multiprocessing.pool import Pool
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers import captioner, training
from helpers.captioner import DESCRIBE, IGNORED, VLMWithSoftPrompt
from helpers.captioner_training import ablations, begin_as_words, caption_batch, learn, whitened
from helpers.files import DATA, write_whole
from helpers.pretrained import identify_model, load_clip, load_gpt2
from pocket import words
from pocket.language import INSTRUCTIONS, answer, full_caption, read_caption
from pocket.pretrain_clip import fresh_scene
from pocket.scoring import claims, score, truth
from pocket.studies.common import Job, Numbers, laid_out, resume, unfinished_file, versions
from pocket.world import OBJECTS, SHOWS_COLOUR, Scene, draw, drawing_version, random_scene

FILE = DATA / "runs" / "captioner.json"
PROMPTS = DATA / "captioner"  # what was learned: the whole of it, and one prompt file a task
COMMAND = "python -m pocket.studies.captioner_study"
CODE = (
    __file__,
    captioner.__file__,
    training.__file__,
)  # a study begun with other code is not gone on with
DRAWING = drawing_version("language.py", "words.py")

PLAN = training.TrainConfig(
    steps=2000, learning_rate=3e-3, batch_size=8, eval_every=250, warmup_steps=30, max_grad_norm=1.0
)
SHORT = replace(PLAN, steps=300, eval_every=100)  # where trainings are compared with each other
LOSS_PLAN = replace(PLAN, steps=1000, eval_every=100)  # where two losses are compared
PROMPT_PLAN = replace(
    PLAN, steps=1200, eval_every=300
)  # of a prompt for another task, the projection frozen
PICTURES, CHECKS, TESTS = 6000, 200, 400  # scenes to learn from, to validate on, to test on
SEEDS = range(3)  # of the order in which the pictures come; where settings are compared, one
KINDS = ("object", "colour", "size", "background", "style")
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
FAULTS: dict[
    str, dict[str, Any]
] = {  # one learning curve each, for the learner to tell apart: what differs from PLAN
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
LAYERS = {
    "patches": -2,
    "last layer": -1,
    "pooled": -1,
}  # what is taken of the vision tower, and from which layer


@dataclass(frozen=True)
class Album:
    """Scenes, and the vision features (N, P, Dv) of their pictures."""

    scenes: tuple[Scene, ...]
    features: Tensor

    def first(self, number: int) -> Album:
        return self.of(range(number))

    def of(self, rows: Sequence[int]) -> Album:
        return Album(tuple(self.scenes[row] for row in rows), self.features[list(rows)])

    def __add__(self, other: Album) -> Album:
        return Album(self.scenes + other.scenes, torch.cat([self.features, other.features]))

    @property
    def captions(self) -> list[str]:
        return [full_caption(scene) for scene in self.scenes]


@dataclass(frozen=True)
class Albums:
    """To learn from, to validate on, to test on; no test or validation scene is among those that anything learned from."""

    train: Album
    checks: Album
    tests: Album


def albums(
    encode: Callable[[Sequence], Tensor],
    pool: Pool,
    seed: int = 0,
    things: int | None = 1,
    pictures: int = PICTURES,
) -> Albums:
    """Scenes drawn at random, with so many things (None: one to three), and their features by `encode`."""
    rng = np.random.default_rng([seed, things or 0])
    train = [random_scene(rng, things=things) for _ in range(pictures)]
    learned_from = frozenset(train)

    def fresh() -> (
        Scene
    ):  # as many things as in the world, although more scenes of one were drawn in training
        return fresh_scene(rng, learned_from, things=things or len(random_scene(rng).things))

    others = [[fresh() for _ in range(number)] for number in (CHECKS, TESTS)]
    made, first = (
        [],
        3_000_000 + 100_000 * seed + 20_000 * (things or 0),
    )  # another seed for each drawing
    for scenes in (train, *others):
        drawn = pool.starmap(
            draw, [(scene, first + i, 64) for i, scene in enumerate(scenes)], chunksize=32
        )
        made.append(Album(tuple(scenes), encode(drawn)))
        first += len(scenes)
    return Albums(*made)


# --- learning ------------------------------------------------------------------------------------------------------------


def new_captioner(
    clip: tuple, language: tuple, train: Album | None = None, seed: int = 0, *, length: int = 10, prompt: str = DESCRIBE,
    kind: str = "patches", as_words: bool = True,
) -> VLMWithSoftPrompt:  # fmt: skip
    """Nothing learned yet. prompt: what the soft prompt begins as; kind: of vision features, a key of `LAYERS`.

    as_words: whether the projection begins as a translation into the words of `train`, or at random.
    """
    features, generator = (
        "pooled" if kind == "pooled" else "patches",
        torch.Generator().manual_seed(seed),
    )
    model = VLMWithSoftPrompt(
        clip,
        language,
        length,
        features,
        init=prompt,
        vision_layer=LAYERS[kind],
        generator=generator,
    )
    if as_words and train is not None:
        begin_as_words(model, train.features, train.captions)
    return model


def learned(
    model: VLMWithSoftPrompt,
    train: Album,
    checks: Album,
    plan: training.TrainConfig = PLAN,
    until: int | None = None,
) -> list[training.Evaluation]:
    """Learn to describe the scenes, as far as step `until`; gives what the training saw."""
    seen = []
    with closing(
        learn(model, (train.features, train.captions), (checks.features, checks.captions), plan)
    ) as looks:
        for look in looks:
            seen.append(look)
            if look.step == until:
                break
    return seen


def learned_unshifted(
    model: VLMWithSoftPrompt, train: Album, checks: Album, plan: training.Plan
) -> list[training.Evaluation]:
    """The classic mistake: what is said at a token is scored against that token. A look's score is minus the right loss."""
    check_ids, check_labels = caption_batch(model.tokenizer, checks.captions)

    def loss(features: Tensor, ids: Tensor, labels: Tensor) -> Tensor:
        at_tokens = model(features, ids)[
            :, -ids.shape[1] :
        ]  # (B, T, V), one place too far to the right
        return F.cross_entropy(at_tokens.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)

    with whitened(model, train.features) as even:
        seen, seen_checks, captions = even(train.features), even(checks.features), train.captions

        def of_rows(rows: Tensor) -> Tensor:
            return loss(
                seen[rows],
                *caption_batch(model.tokenizer, [captions[row] for row in rows.tolist()]),
            )

        def validate() -> tuple[float, float]:
            right = model(seen_checks, check_ids, labels=check_labels).item()
            return loss(seen_checks, check_ids, check_labels).item(), -right

        with closing(training.train(model, len(captions), of_rows, validate, plan)) as looks:
            return list(looks)


# --- scoring -------------------------------------------------------------------------------------------------------------


def scores(captions: Sequence[str], scenes: Sequence[Scene]) -> dict[str, float]:
    """The share of what is true that the captions say, of each kind; a colour or size counts with the object that has it.

    "colour alone": whether the colours that are named are those that show; "all": the captions with nothing missing or wrong.
    """
    kinds = score(captions, scenes)
    shown = [
        content("colour", *pair) for pair in zip(captions, scenes) if pair[1].style in SHOWS_COLOUR
    ]
    right = [
        truth(scene) == claims(caption) for caption, scene in zip(captions, scenes, strict=True)
    ]
    recalls = {kind: kinds[kind].recall for kind in KINDS}
    return {**recalls, "colour alone": sum(shown) / len(shown), "all": sum(right) / len(right)}


def ways_of_asking(
    model: VLMWithSoftPrompt, tests: Album
) -> Iterator[tuple[str, dict[str, float]]]:
    """The scores of a captioner as it was trained, and with one part taken away or exchanged at a time."""
    table = model.language_model.get_input_embeddings().weight
    rows = table[model.tokenizer(DESCRIBE, add_special_tokens=False)["input_ids"]]
    for how, features in ablations(model, tests.features, rows):
        yield how, scores(model.generate(features), tests.scenes)


FORMS = {
    "count": re.compile(r"there (is|are) (one|two|three) things?\."),
    "colour": re.compile(r"nobody can see the colour\.|the \w+ is \w+( and the \w+ is \w+)*\."),
    "story": re.compile(r"once upon a time .+"),
    "describe": re.compile(r"an? .+ of an? .+"),
}


def form(text: str) -> str:
    """Which task the text is an answer to, by how it is made; "" for none."""
    return next((task for task, pattern in FORMS.items() if pattern.fullmatch(text)), "")


def colours_named(text: str) -> list[str]:
    return sorted(word for word in re.findall(r"[a-z]+", text) if word in words.COLOUR_WORDS)


def content(task: str, text: str, scene: Scene) -> bool:
    """Whether the answer is right in what was asked for: the objects, the number, the colours, the hero of the story and its place."""
    said = read_caption(text)
    if task == "describe":
        return {fact for fact in said if fact[0] == "object"} == {
            ("object", thing.object) for thing in scene.things
        }
    if task == "count":
        return f" {words.NUMBER_WORDS[len(scene.things)]} " in text
    if task == "colour":
        seen = sorted(thing.colour for thing in scene.things) if scene.style in SHOWS_COLOUR else []
        return colours_named(text) == seen
    return {("object", scene.things[0].object), ("background", scene.background)} <= said


# --- one job of each part ------------------------------------------------------------------------------------------------


@dataclass
class Studio:
    """The frozen models, and albums that are drawn when they are first asked for."""

    clip: tuple
    language: tuple
    pool: Pool

    @functools.cache  # noqa: B019  there is one studio
    def albums(self, kind: str = "patches", things: int | None = 1) -> Albums:
        return albums(self.new_captioner(kind=kind).encode, self.pool, things=things)

    def new_captioner(
        self, train: Album | None = None, seed: int = 0, **how: Any
    ) -> VLMWithSoftPrompt:
        return new_captioner(self.clip, self.language, train, seed, **how)

    def __hash__(self) -> int:
        return id(self)


def trained_job(studio: Studio, job: Job) -> Numbers:
    """A whole captioner, one that never had a soft prompt, and one that sees a single vector of each picture."""
    kind = "pooled" if job["trained"] == "pooled feature" else "patches"
    length = 0 if job["trained"] == "without soft prompt" else 10
    data = studio.albums(kind)
    model = studio.new_captioner(data.train, job["seed"], length=length, kind=kind)
    begun = time.monotonic()
    looks = learned(model, data.train, data.checks, replace(PLAN, seed=job["seed"]))
    numbers: Numbers = {
        "training_seconds": round(time.monotonic() - begun),
        "validation_loss": min(look.validation_loss for look in looks),
    }
    if job["trained"] != "whole":
        return numbers | scores(model.generate(data.tests.features), data.tests.scenes)
    if job["seed"] == 0:
        model.save(PROMPTS / "captioner.safetensors")
    asked = dict(ways_of_asking(model, data.tests))
    return numbers | asked["as trained"] | {"asked": asked}


def shift_job(studio: Studio, job: Job) -> Numbers:
    """The right loss and the unshifted one, trained alike: each one's own loss over the steps, and the right loss beside it."""
    data = studio.albums()
    model = studio.new_captioner(data.train)
    train = learned if job["shifted"] else learned_unshifted
    looks = train(model, data.train, data.checks, LOSS_PLAN)
    said = model.generate(data.tests.features)
    return {
        "steps": [look.step for look in looks],
        "loss": [look.validation_loss for look in looks],
        "true_loss": [
            look.validation_loss if job["shifted"] else -look.validation_score for look in looks
        ],
        "object": scores(said, data.tests.scenes)["object"],
        "captions": [
            [full_caption(scene), text] for scene, text in list(zip(data.tests.scenes, said))[:3]
        ],
    }


def curve_job(studio: Studio, job: Job) -> Numbers:
    """The learning curve of a training with one fault."""
    data, fault = studio.albums(), dict(FAULTS[job["what"]])
    train, until = data.train.first(fault.pop("pictures", PICTURES)), fault.pop("until", None)
    looks = learned(studio.new_captioner(train), train, data.checks, replace(PLAN, **fault), until)
    return {
        "steps": [look.step for look in looks],
        "loss": [look.loss for look in looks],
        "validation_loss": [look.validation_loss for look in looks],
    }


def tip_job(studio: Studio, job: Job) -> Numbers:
    """A short training with one setting changed."""
    setting = {
        "rate": SHORT.learning_rate, "length": 10, "pictures": PICTURES, "batch": SHORT.batch_size, "begin": "both as words",
        "features": "patches", job["tip"]: job["value"],
    }  # fmt: skip
    data = studio.albums(setting["features"])
    train = data.train.first(setting["pictures"])
    prompt = DESCRIBE if setting["begin"] == "both as words" else "random"
    as_words = setting["begin"] in ("projection as words", "both as words")
    how = {
        "length": setting["length"],
        "prompt": prompt,
        "kind": setting["features"],
        "as_words": as_words,
    }
    model = studio.new_captioner(train, **how)
    looks = learned(
        model,
        train,
        data.checks,
        replace(SHORT, learning_rate=setting["rate"], batch_size=setting["batch"]),
    )
    got = scores(model.generate(data.tests.features), data.tests.scenes)
    best = min(look.validation_loss for look in looks)
    return {
        "object": got["object"],
        "all": got["all"],
        "validation_loss": best,
        "loss": looks[-1].loss,
    }


def prompt_job(studio: Studio, job: Job) -> Numbers:
    """One prompt for one task. "describe" learns with the projection, which is frozen from then on; the other prompts learn alone."""
    task, alone = job["prompt"], studio.albums()
    data = studio.albums(things=None) if task == "count" else alone
    begin = DESCRIBE if task == "describe" else " ".join(INSTRUCTIONS[task])
    model = studio.new_captioner(prompt=begin)
    by_hand = model.soft_prompt.prompt_embeddings.detach().clone()
    if task == "describe":
        several = studio.albums(things=None).train
        rows = [row for row, scene in enumerate(several.scenes) if len(scene.things) > 1][
            : PICTURES // SEVERAL
        ]
        train = alone.train.first(PICTURES - len(rows)) + several.of(rows)
        begin_as_words(model, train.features, train.captions)
        learned(model, train, alone.checks)
        model.save(PROMPTS / "many.safetensors")
    else:
        model.load(PROMPTS / "many.safetensors")
        model.soft_prompt.prompt_embeddings = torch.nn.Parameter(by_hand.clone())
        model.vision_projection.requires_grad_(False)
        rng = np.random.default_rng(0)
        texts, checks = (
            [answer(task, scene, rng) for scene in part.scenes]
            for part in (data.train, data.checks)
        )
        for _ in learn(
            model, (data.train.features, texts), (data.checks.features, checks), PROMPT_PLAN
        ):
            pass
    model.save_prompt(PROMPTS / f"{task}.safetensors")
    said = model.generate(data.tests.features)
    with model.prompted(by_hand):
        in_words = model.generate(data.tests.features)
    scenes, number = data.tests.scenes, [str(len(scene.things)) for scene in data.tests.scenes]
    right = [content(task, text, scene) for text, scene in zip(said, scenes, strict=True)]
    return {
        **judged(task, said, scenes),
        "by_number": {
            n: np.mean([hit for hit, m in zip(right, number) if m == n]).item()
            for n in sorted(set(number))
        },
        "by_hand": judged(task, in_words, scenes),
        "one_answer_to_all": max(
            np.mean([content(task, text, scene) for scene in scenes]).item() for text in set(said)
        ),
        "answers": [[full_caption(scene), text] for scene, text in list(zip(scenes, said))[:3]],
    }


def judged(task: str, said: Sequence[str], scenes: Sequence[Scene]) -> dict[str, Any]:
    """The share of answers that have the form of each task, and of those that are right in what this one asks for."""
    forms = [form(text) for text in said]
    return {
        "form": {other: forms.count(other) / len(forms) for other in TASKS},
        "content": np.mean(
            [content(task, text, scene) for text, scene in zip(said, scenes, strict=True)]
        ).item(),
    }


DO = {
    "trained": trained_job,
    "shift": shift_job,
    "curves": curve_job,
    "prompts": prompt_job,
    "tips": tip_job,
}


def jobs() -> list[Job]:
    """Everything that is to be run. The prompt that describes comes before the others, which stand on its projection."""
    trained = [
        {"part": "trained", "trained": trained, "seed": seed}
        for trained in ("whole", "without soft prompt", "pooled feature") for seed in SEEDS
    ]  # fmt: skip
    prompts = [{"part": "prompts", "prompt": task} for task in TASKS]
    shift = [{"part": "shift", "shifted": shifted} for shifted in (True, False)]
    curves = [{"part": "curves", "what": fault} for fault in FAULTS]
    tips = [
        {"part": "tips", "tip": tip, "value": value} for tip, values in TIPS.items() for value in values
    ]  # fmt: skip
    return [trained[0], *prompts, *shift, *curves, *trained[1:], *tips]


def report(records: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The parts of the stored file; what the whole captioners gave in other ways of asking stands in a part of its own."""
    parts: dict[str, list[dict[str, Any]]] = {part: [] for part in DO}
    parts["asked"] = []
    for record in records:
        entry = {name: value for name, value in record.items() if name not in ("part", "asked")}
        parts[record["part"]].append(entry)
        for how, numbers in record.get("asked", {}).items():
            parts["asked"].append({"how": how, "seed": record["seed"], **numbers})
    return parts


def main() -> None:
    made_with = versions()
    PROMPTS.mkdir(parents=True, exist_ok=True)
    with multiprocessing.Pool() as pool:
        studio = Studio(load_clip("pocket"), load_gpt2("pocket"), pool)
        models = [repr(identify_model(model)) for model in (studio.clip[0], studio.language[0])]
        unfinished = unfinished_file("captioner", CODE, DRAWING, *models, made_with)
        records, seconds = resume(
            jobs(),
            lambda job: DO[job["part"]](studio, job),
            unfinished,
            lambda line: print(line, flush=True),
        )
    whole = {
        "command": COMMAND,
        "versions": made_with,
        "seconds": round(seconds, 1),
        "plan": asdict(PLAN),
        "short_plan": asdict(SHORT),
        "chance": round(1 / len(OBJECTS), 4),
        **report(records),
    }
    write_whole(
        FILE, lambda part: part.write_text(f"{laid_out(whole)}\n", encoding="utf-8", newline="\n")
    )
    unfinished.unlink()
    print(f"{len(records)} jobs in {seconds / 60:.0f} min: {FILE}")


if __name__ == "__main__":
    main()
