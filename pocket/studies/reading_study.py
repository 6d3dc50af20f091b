"""The stored study behind lesson 04: do the nearest words say what is known to be there?

`python -m pocket.studies.reading_study` makes data/runs/readings.json and the vectors beside it
again, on one thread; broken off, it goes on where it was. Each task keeps a secret that no class
name mentions: a style that all its pictures have, a word that tells which of two things is meant,
two styles at once, or a change for which the world has no word. Every context was learned twice
from the same pictures, once with permuted labels, which is the null. All accuracies are of the same
20 test pictures a class; nothing is chosen by those.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPModel, CLIPProcessor

from helpers import reading
from helpers.context import PromptedCLIP, train_context
from helpers.data import FewShot, describe_preparation, encode_split
from helpers.files import DATA, read_tensors, write_tensors
from helpers.pretrained import encode_texts, fingerprint, identify_model, load_clip
from helpers.reading import Vocabulary
from helpers.training import TrainConfig
from pocket.datasets import draw_few_shot
from pocket.studies.common import (
    Job,
    Numbers,
    Study,
    describe_machine,
    find_unfinished,
    read_versions,
    run_jobs,
    sort_by_part,
    write_json,
)
from pocket.studies.word_search import snap_parameter
from pocket.tasks import BLURRED, ON_ITS_SIDE, RIDDLE, Task, make_secret_task, make_style_task
from pocket.words import STYLE_WORDS
from pocket.world import UNSEEN_STYLE, compute_drawing_version

FILE = DATA / "runs" / "readings.json"
COMMAND = "python -m pocket.studies.reading_study"

CONFIG = TrainConfig()
WORDS_CONFIG = TrainConfig(eval_every=1)  # words change in jumps: every step is evaluated
LENGTH, SEEDS = 4, range(5)
INITS = ("random", "a photo of a")
SHOTS, CHECKS, TESTS = 16, 4, 20  # pictures of each class
PERMUTATIONS = range(99)  # of the labels, where a single context is tested
RANDOM_WORDS = 20  # prompts of words drawn at random
SECRETS = ("red", "blue", "green", "pink", "small", "large", "left", "right")
MIXTURES = (
    ("sketch", "mosaic"),
    ("photo", "blueprint"),
    ("silhouette", "neon sign"),
    ("painting", "cartoon"),
)
KINDS = {  # of task, and for each task the words that would be right
    "style": {make_style_task(style): tuple(style.split()) for style in STYLE_WORDS},
    "secret": {make_secret_task(word): (word,) for word in SECRETS},
    "mixture": {make_style_task(*both): tuple(" ".join(both).split()) for both in MIXTURES},
    "no word": {BLURRED: (), ON_ITS_SIDE: (), make_style_task(UNSEEN_STYLE): ()},
}
RIGHT = {task.name: words for tasks in KINDS.values() for task, words in tasks.items()}
TASKS = {task.name: task for tasks in KINDS.values() for task in tasks}
KIND = {task.name: kind for kind, tasks in KINDS.items() for task in tasks}
# every evaluation of these is kept, and each class also gets vectors of its own
FOLLOWED = (RIDDLE.name, make_style_task("sketch").name, BLURRED.name)
TESTED = FOLLOWED[:2]  # their labels are permuted many times


# --- the numbers ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class LearnedContext:
    """A context learned as in lesson 02, with vectors (M, D).

    The step that was kept, test accuracies of it and of its nearest words.
    begun, context, last: before the first step, as they were kept, and after the last one; path
    (E, M, D): at every evaluation, where those were kept. Where nothing was gained the best step
    may be
    the first, and then what was kept is the beginning.
    """

    task: str
    seed: int
    init: str
    permuted: bool
    step: int
    accuracy: float
    snapped: float
    begun: Tensor
    context: Tensor
    last: Tensor
    path: Tensor | None = None


@dataclass(frozen=True)
class WordSearch:
    """Words found by a search that never leaves them, from random ones, and their accuracy."""

    task: str
    seed: int
    accuracy: float
    words: str


@dataclass(frozen=True)
class HelpfulWords:
    """What each word does for the training loss, put before the name in "a photo of a {}".

    hand, random_words: test accuracies of that prompt, and of words drawn at random; without: the
    loss of that prompt; losses: by word, the most helpful first; called: how often that prompt
    gives each class, as it is and with the most helpful word.
    """

    task: str
    hand: float
    random_words: list[float]
    without: float
    losses: dict[str, float]
    called: dict[str, int]
    called_with_best: dict[str, int]


@dataclass(frozen=True)
class ClassContexts:
    """Vectors (C, M, D) that each class learned for itself, and their test accuracy."""

    task: str
    seed: int
    accuracy: float
    context: Tensor


@dataclass(frozen=True)
class PermutedContext:
    """A context (M, D) learned from labels in another order, and its test accuracy."""

    task: str
    seed: int
    permutation: int
    accuracy: float
    context: Tensor


@dataclass(frozen=True)
class ReadingStudy(Study):
    """All that was learned; kinds: of task, and for each the words that would be right."""

    machine: dict[str, Any]
    seeds: list[int]
    kinds: dict[str, dict[str, list[str]]]
    learned: list[LearnedContext]
    on_words: list[WordSearch]
    helpful: list[HelpfulWords]
    each_class: list[ClassContexts]
    permutations: list[PermutedContext]

    def contexts(
        self, task: str, init: str = "random", permuted: bool = False, field: str = "context"
    ) -> Tensor:
        """The vectors learned for a task, one context a seed.

        Args:
            task: its name.
            init: what they began as.
            permuted: whether from permuted labels.
            field: "context", "begun", "last" or "path".

        Returns:
            (S, M, D); of the field "path" (S, E, M, D).

        Raises:
            ValueError: the study has none.
        """
        wanted = {"task": task, "init": init, "permuted": permuted}
        mine = [getattr(run, field) for run in self.learned if wanted.items() <= vars(run).items()]
        if not mine or mine[0] is None:
            raise ValueError(
                f"the study holds no {field} of {wanted}: its tasks are {', '.join(TASKS)}"
            )
        return torch.stack(mine)

    def permuted_contexts(self, task: str) -> Tensor:
        """The contexts from seed 0's pictures with labels permuted in other ways: (N, M, D)."""
        return torch.stack([run.context for run in self.permutations if run.task == task])

    def class_contexts(self, task: str) -> ClassContexts:
        """What each class of a followed task learned for itself."""
        return next(run for run in self.each_class if run.task == task)

    def helpful_words(self, task: str) -> HelpfulWords:
        """What words do for a task."""
        return next(run for run in self.helpful if run.task == task)

    def accuracies(self, task: str, init: str = "random") -> tuple[float, float, float]:
        """Of "a photo of a {}", and means of five seeds, as learned and snapped to words."""
        wanted = {"task": task, "init": init, "permuted": False}
        runs = [run for run in self.learned if wanted.items() <= vars(run).items()]
        learned, snapped = (
            sum(getattr(run, name) for run in runs) / len(runs) for name in ("accuracy", "snapped")
        )
        return self.helpful_words(task).hand, learned, snapped

    def count_named(
        self,
        kind: str,
        words: Vocabulary,
        within: int,
        field: str = "context",
        inits: Sequence[str] = INITS,
    ) -> tuple[int, int, int]:
        """Count in how many contexts of a kind a right word is among some vector's nearest.

        Args:
            kind: a key of `KINDS`.
            words: of the model.
            within: among how many nearest words.
            field: of the learned contexts.
            inits: what they began as.

        Returns:
            of those learned from the true labels, of those from permuted ones, and out of how many
            each.
        """
        hits = {False: 0, True: 0}
        for task, right in KINDS[kind].items():
            for init in inits:
                for permuted in hits:
                    ranks = find_best_rank(
                        self.contexts(task.name, init, permuted, field), right, words
                    )
                    hits[permuted] += int((ranks <= within).sum())
        return hits[False], hits[True], len(KINDS[kind]) * len(inits) * len(SEEDS)


# the parts of a study, and the fields of their records that hold vectors: those stand
# in the file beside
PARTS = {
    "learned": LearnedContext,
    "on_words": WordSearch,
    "helpful": HelpfulWords,
    "each_class": ClassContexts,
    "permutations": PermutedContext,
}
VECTORS = ("begun", "context", "last", "path")


def save_study(study: ReadingStudy, notes: dict[str, str], file: Path = FILE) -> None:
    """Write the study for `load_study`. notes: what the file of the vectors says of the model."""
    whole, vectors = {field.name: getattr(study, field.name) for field in fields(study)}, {}
    for part in PARTS:
        records = [vars(run) for run in whole[part]]
        whole[part] = [
            {name: value for name, value in record.items() if name not in VECTORS}
            for record in records
        ]
        for name in VECTORS:
            rows = [record[name] for record in records if record.get(name) is not None]
            if rows:
                # half precision: a reading needs no more, and the file is half as large
                vectors[f"{part} {name}"] = torch.stack(rows).half()
    write_tensors(file.with_suffix(".safetensors"), vectors, notes)
    write_json(file, whole | {"config": asdict(study.config)})


@functools.cache
def load_study(file: Path = FILE) -> ReadingStudy:
    """The study as it was written, its vectors in fp32."""
    stored = json.loads(file.read_text(encoding="utf-8"))
    tensors, _ = read_tensors(file.with_suffix(".safetensors"))
    vectors = {name: iter(rows.float()) for name, rows in tensors.items()}
    for part, kind in PARTS.items():
        own = [name for name in VECTORS if f"{part} {name}" in vectors]
        stored[part] = [
            kind(
                **record,
                **{
                    name: next(vectors[f"{part} {name}"])
                    for name in own
                    if name != "path" or is_followed(record)
                },
            )
            for record in stored[part]
        ]
    return ReadingStudy(**stored | {"config": TrainConfig(**stored["config"])})


# --- how it is read -------------------------------------------------------------------------------


def find_best_rank(
    vectors: Tensor, right: Sequence[str], words: Vocabulary, metric: reading.Metric = "cosine"
) -> Tensor:
    """The best rank that any of the right words has among all words, seen from any of the vectors.

    Args:
        vectors: (…, M, D).
        right: words of the model.
        words: all of them.
        metric: of the distance.

    Returns:
        (…,), 1 for the nearest.
    """
    distances = reading.measure_distances(vectors, words.table[words.words], metric)
    return find_best_rank_by_distance(distances, right, words)


def find_best_rank_by_distance(
    distances: Tensor, right: Sequence[str], words: Vocabulary
) -> Tensor:
    """The same of vectors whose distances to all words are known already: (…, M, W) to (…,)."""
    ranks = [rank_row(distances, words.words == words.row(word)) for word in right]
    return torch.stack(ranks).amin(0).amin(-1)


def rank_row(apart: Tensor, which: Tensor) -> Tensor:
    """Rank the one row that is marked in (W,) by distances (…, W): (…,), 1 for the nearest."""
    return 1 + (apart < apart[..., which]).sum(-1)


# --- what is to be run ----------------------------------------------------------------------------


def list_jobs() -> list[Job]:
    """Everything that is to be run; the jobs on the same pictures stand together."""
    learned = [
        {"part": "learned", "task": task, "seed": seed, "init": init, "permuted": permuted}
        for task in TASKS for seed in SEEDS for init in INITS for permuted in (False, True)
    ]  # fmt: skip
    on_words = [
        {"part": "on_words", "task": task, "seed": seed} for task in TASKS for seed in SEEDS
    ]
    helpful = [{"part": "helpful", "task": task} for task in TASKS]
    own = [{"part": "each_class", "task": task, "seed": 0} for task in FOLLOWED]
    permutations = [
        {"part": "permutations", "task": task, "seed": 0, "permutation": number}
        for task in TESTED for number in PERMUTATIONS
    ]  # fmt: skip
    return sorted(
        [*learned, *on_words, *helpful, *own, *permutations],
        key=lambda job: list(TASKS).index(job["task"]),
    )


# --- one job of each part -------------------------------------------------------------------------


class ReadingSetup:
    """The model, its words, and every task's pictures as features."""

    def __init__(self, clip: CLIPModel, processor: CLIPProcessor) -> None:
        self.clip, self.processor = clip, processor
        self.words: Vocabulary = reading.read_vocabulary(clip, processor.tokenizer)
        # jobs on the same pictures stand together
        self.data = functools.lru_cache(maxsize=8)(self.draw_data)

    def draw_data(self, task: str, seed: int) -> FewShot:
        pictures = draw_few_shot(TASKS[task], SHOTS, CHECKS, TESTS, seed)
        return encode_split(self.clip, self.processor, pictures)

    def make_context(self, task: Task, init: str, seed: int, **shape: Any) -> PromptedCLIP:
        """CLIP with a context that has learned nothing yet.

        Args:
            task: gives the class names.
            init: "random", or words.
            seed: of a random beginning.
            shape: as of `PromptedCLIP`.
        """
        generator = torch.Generator().manual_seed(seed)
        return PromptedCLIP(
            self.clip,
            self.processor,
            task.class_names,
            LENGTH,
            init,
            generator=generator,
            **shape,
        )


def is_followed(settings: dict[str, Any]) -> bool:
    """Whether every evaluation of a context with these settings is kept."""
    return settings["task"] in FOLLOWED and not settings["permuted"]


def measure_learned(setup: ReadingSetup, task: Task, job: Job) -> Numbers:
    """A `LearnedContext`."""
    data = setup.data(task.name, job["seed"])
    prompted = setup.make_context(task, job["init"], job["seed"])
    evaluations, path = [], []
    examples = data.permute_labels(job["seed"]) if job["permuted"] else data
    for evaluation in train_context(prompted, examples, CONFIG):
        evaluations.append(evaluation)
        path.append(prompted.context.tolist())
    best = min(evaluations, key=lambda one: one.validation_loss)
    snapped = reading.snap(prompted.context, setup.words.table, setup.words.words)
    return {
        "step": best.step,
        "accuracy": prompted.accuracy(*data.test),
        "snapped": prompted.with_context(snapped).accuracy(*data.test),
        "begun": path[0],
        "context": prompted.context.tolist(),
        "last": path[-1],
        **({"path": path} if is_followed(job) else {}),
    }


def measure_on_words(setup: ReadingSetup, task: Task, job: Job) -> Numbers:
    """A `WordSearch`."""
    data, words = setup.data(task.name, job["seed"]), setup.words
    prompted = setup.make_context(task, "random", job["seed"])
    with snap_parameter(prompted.embeddings, "context", words.table, words.words):
        for _ in train_context(prompted, data, WORDS_CONFIG):
            pass
    ids = (
        reading.find_nearest_tokens(prompted.context, words.table, 1, rows=words.words)
        .ids[:, 0]
        .tolist()
    )
    return {
        "accuracy": prompted.accuracy(*data.test),
        "words": " ".join(words.names[id] for id in ids),
    }


def measure_helpful(setup: ReadingSetup, task: Task, job: Job) -> Numbers:
    """A `HelpfulWords`."""
    data, table, names = setup.data(task.name, 0), setup.words.table, setup.words.names
    prompted, rows = setup.make_context(task, INITS[1], 0), setup.words.words
    images, labels = data.train

    def compute_scores(word: str = "") -> Tensor:
        prompts = [f"a photo of a {word} {name}." for name in task.class_names]
        texts = encode_texts(setup.clip, setup.processor, prompts)  # (C, D)
        return setup.clip.logit_scale.exp() * images @ texts.T  # (N, C)

    def compute_loss(word: str = "") -> float:
        return F.cross_entropy(compute_scores(word), labels).item()

    def count_called(word: str = "") -> dict[str, int]:
        counts = compute_scores(word).argmax(-1).bincount(minlength=len(task.class_names))
        return dict(zip(task.class_names, counts.tolist()))

    losses = dict(
        sorted(
            ((names[row], compute_loss(names[row])) for row in rows.tolist()),
            key=lambda item: item[1],
        )
    )
    generator = torch.Generator().manual_seed(0)
    drawn = rows[torch.randint(len(rows), (RANDOM_WORDS, LENGTH), generator=generator)]
    return {
        "hand": prompted.accuracy(*data.test),
        "random_words": [prompted.with_context(table[ids]).accuracy(*data.test) for ids in drawn],
        "without": compute_loss(),
        "losses": losses,
        "called": count_called(),
        "called_with_best": count_called(next(iter(losses))),
    }


def measure_each_class(setup: ReadingSetup, task: Task, job: Job) -> Numbers:
    """A `ClassContexts`."""
    data = setup.data(task.name, job["seed"])
    return train_from_random(setup, task, data, job["seed"], class_specific=True)


def measure_permuted(setup: ReadingSetup, task: Task, job: Job) -> Numbers:
    """A `PermutedContext`; the test pictures keep their labels."""
    data = setup.data(task.name, job["seed"]).permute_labels(1000 + job["permutation"])
    return train_from_random(setup, task, data, job["seed"])


def train_from_random(
    setup: ReadingSetup, task: Task, data: FewShot, seed: int, **shape: Any
) -> Numbers:
    """What a context reaches that began at random, and the context.

    Args:
        setup: has the model.
        task: gives the class names.
        data: to learn from, to validate on, to test on.
        seed: of the beginning.
        shape: as of `PromptedCLIP`.
    """
    prompted = setup.make_context(task, "random", seed, **shape)
    for _ in train_context(prompted, data, CONFIG):
        pass
    return {"accuracy": prompted.accuracy(*data.test), "context": prompted.context.tolist()}


MEASURE = {
    "learned": measure_learned,
    "on_words": measure_on_words,
    "helpful": measure_helpful,
    "each_class": measure_each_class,
    "permutations": measure_permuted,
}


# --- making it ------------------------------------------------------------------------------------


def make_parts(records: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Of the records of all jobs those of each part as dataclasses, their vectors as tensors."""
    parts = sort_by_part(records)
    return {
        part: [
            kind(
                **{
                    name: torch.tensor(value) if name in VECTORS else value
                    for name, value in record.items()
                }
            )
            for record in parts[part]
        ]
        for part, kind in PARTS.items()
    }


def main() -> None:
    torch.set_num_threads(1)
    clip, processor = load_clip("pocket")
    made_with, setup = read_versions(), ReadingSetup(clip, processor)

    def run(job: Job) -> Numbers:
        return MEASURE[job["part"]](setup, TASKS[job["task"]], job)

    drawing = compute_drawing_version("tasks.py", "datasets.py", "scenes.py")
    made_by = drawing, fingerprint(clip), describe_preparation(processor), made_with
    unfinished = find_unfinished("reading", (__file__,), *made_by)
    records, seconds = run_jobs(list_jobs(), run, unfinished)
    study = ReadingStudy(
        COMMAND,
        made_with,
        round(seconds, 1),
        CONFIG,
        describe_machine(),
        list(SEEDS),
        {
            kind: {task.name: list(words) for task, words in tasks.items()}
            for kind, tasks in KINDS.items()
        },
        **make_parts(records),
    )
    save_study(study, {"command": COMMAND, **identify_model(clip)})
    unfinished.unlink()
    print(f"{len(records)} jobs in {seconds / 60:.0f} min: {FILE}")


if __name__ == "__main__":
    main()
