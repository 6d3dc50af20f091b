"""The stored study behind lesson 04: contexts learned where we know what is to be found, to see whether their nearest words say it.

`python -m pocket.studies.reading_study` makes data/runs/readings.json and the vectors beside it again, on one thread; broken off, it
goes on where it was. Each task keeps a secret that no class name mentions: a style that all its pictures have, a word that tells which of
two things is meant, two styles at once, or a change for which the world has no word. Every context was learned twice from the same
pictures, once with permuted labels, which is the null. All accuracies are of the same 20 test pictures a class; nothing is chosen by
those.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPModel, CLIPProcessor

from helpers import context, reading, training
from helpers.context import PromptedCLIP, learn
from helpers.data import FewShot, describe_preparation, encode_split
from helpers.files import DATA, read_tensors, write_tensors, write_whole
from helpers.pretrained import encode_texts, fingerprint, identify_model, load_clip
from helpers.reading import Vocabulary
from pocket.datasets import few_shot
from pocket.studies.common import Job, Numbers, laid_out, machine, resume, unfinished_file, versions
from pocket.tasks import BLURRED, ON_ITS_SIDE, RIDDLE, Task, secret_task, style_task
from pocket.words import STYLE_WORDS
from pocket.world import UNSEEN_STYLE, drawing_version

FILE = DATA / "runs" / "readings.json"
VECTORS = FILE.with_suffix(".safetensors")
COMMAND = "python -m pocket.studies.reading_study"
CODE = (
    __file__,
    context.__file__,
    training.__file__,
)  # a study begun with other code is not gone on with
DRAWING = drawing_version("tasks.py", "datasets.py")

PLAN = training.TrainConfig()
WORDS_PLAN = training.TrainConfig(eval_every=1)  # words change in jumps: every step is looked at
LENGTH, SEEDS = 4, range(5)
INITS = ("random", "a photo of a")
SHOTS, CHECKS, TESTS = 16, 4, 20  # pictures of each class
PERMUTATIONS = range(99)  # of the labels, where a single context is tested
RANDOM_WORDS = 20  # prompts of words drawn at random
FIELDS = (
    "context",
    "begun",
    "last",
    "path",
)  # of a record, that hold vectors: kept, before the first step, after the last, at every look

SECRETS = ("red", "blue", "green", "pink", "small", "large", "left", "right")
MIXTURES = (
    ("sketch", "mosaic"),
    ("photo", "blueprint"),
    ("silhouette", "neon sign"),
    ("painting", "cartoon"),
)
KINDS = {  # of task, and for each task the words that would be right
    "style": {style_task(style): tuple(style.split()) for style in STYLE_WORDS},
    "secret": {secret_task(word): (word,) for word in SECRETS},
    "mixture": {style_task(*both): tuple(" ".join(both).split()) for both in MIXTURES},
    "no word": {BLURRED: (), ON_ITS_SIDE: (), style_task(UNSEEN_STYLE): ()},
}
RIGHT = {task.name: words for tasks in KINDS.values() for task, words in tasks.items()}
TASKS = {task.name: task for tasks in KINDS.values() for task in tasks}
KIND = {task.name: kind for kind, tasks in KINDS.items() for task in tasks}
# every look at these is kept, and each class also gets vectors of its own
FOLLOWED = (RIDDLE.name, style_task("sketch").name, BLURRED.name)
TESTED = FOLLOWED[:2]  # their labels are permuted many times


def jobs() -> list[Job]:
    """Everything that is to be run; the jobs on the same pictures stand together."""
    learned = [
        {"part": "learned", "task": task, "seed": seed, "init": init, "permuted": permuted}
        for task in TASKS for seed in SEEDS for init in INITS for permuted in (False, True)
    ]  # fmt: skip
    on_words = [
        {"part": "on words", "task": task, "seed": seed} for task in TASKS for seed in SEEDS
    ]
    helpful = [{"part": "helpful", "task": task} for task in TASKS]
    own = [{"part": "each class its own", "task": task, "seed": 0} for task in FOLLOWED]
    permutations = [
        {"part": "permutations", "task": task, "seed": 0, "permutation": number}
        for task in TESTED for number in PERMUTATIONS
    ]  # fmt: skip
    return sorted(
        [*learned, *on_words, *helpful, *own, *permutations],
        key=lambda job: list(TASKS).index(job["task"]),
    )


# --- one job of each part ------------------------------------------------------------------------------------------------


def begin(
    clip: CLIPModel, processor: CLIPProcessor, task: Task, init: str, seed: int, **shape: Any
) -> PromptedCLIP:
    generator = torch.Generator().manual_seed(seed)
    return PromptedCLIP(
        clip, processor, task.class_names, LENGTH, init, generator=generator, **shape
    )


def listed(vectors: Tensor) -> list:
    return vectors.detach().tolist()


def followed(job: Job) -> bool:
    """Whether every look at a context is kept."""
    return job["task"] in FOLLOWED and not job["permuted"]


def learned_job(studio: Studio, task: Task, job: Job) -> Numbers:
    """A context learned as in lesson 02: what it reaches, where it began, and what is left when it is snapped to words."""
    data = studio.data(task.name, job["seed"])
    prompted, looks, path = (
        begin(studio.clip, studio.processor, task, job["init"], job["seed"]),
        [],
        [],
    )
    for look in learn(
        prompted, data.permute_labels(job["seed"]) if job["permuted"] else data, PLAN
    ):
        looks.append(look)
        path.append(listed(prompted.context))
    best = min(looks, key=lambda look: look.validation_loss)
    snapped = reading.snap(prompted.context, studio.words.table, studio.words.words)
    return {
        "step": best.step,
        "accuracy": prompted.accuracy(*data.test),
        "snapped": prompted.with_context(snapped).accuracy(*data.test),
        "context": listed(prompted.context),
        "begun": path[0],
        # where nothing was gained the best step may be the first, and then what was kept is the beginning
        "last": path[-1],
        **({"path": path} if followed(job) else {}),
    }


def on_words_job(studio: Studio, task: Task, job: Job) -> Numbers:
    """Words found by a search that never leaves them, which began where a random context begins."""
    data, words = studio.data(task.name, job["seed"]), studio.words
    prompted = begin(studio.clip, studio.processor, task, "random", job["seed"])
    with reading.snap_parameter(prompted.embeddings, "context", words.table, words.words):
        for _ in learn(prompted, data, WORDS_PLAN):
            pass
    ids = (
        reading.nearest_tokens(prompted.context, words.table, 1, rows=words.words)
        .ids[:, 0]
        .tolist()
    )
    return {
        "accuracy": prompted.accuracy(*data.test),
        "words": " ".join(words.names[id] for id in ids),
    }


def helpful_job(studio: Studio, task: Task, job: Job) -> Numbers:
    """What every single word does for the loss on the training pictures, put before the class name of "a photo of a {}", the most
    helpful first; how often that prompt gives each class, as it is and with the most helpful word; and test accuracies of that prompt and
    of words drawn at random."""
    data, table, names = studio.data(task.name, 0), studio.words.table, studio.words.names
    prompted, rows = begin(studio.clip, studio.processor, task, INITS[1], 0), studio.words.words
    images, labels = data.train

    def scores(word: str = "") -> Tensor:
        texts = [f"a photo of a {word} {name}." for name in task.class_names]
        return (
            studio.clip.logit_scale.exp()
            * images
            @ encode_texts(studio.clip, studio.processor, texts).T
        )  # (N, C)

    def loss(word: str = "") -> float:
        return F.cross_entropy(scores(word), labels).item()

    def called(word: str = "") -> dict[str, int]:
        counts = scores(word).argmax(-1).bincount(minlength=len(task.class_names))
        return dict(zip(task.class_names, counts.tolist()))

    losses = dict(
        sorted(((names[row], loss(names[row])) for row in rows.tolist()), key=lambda item: item[1])
    )
    generator = torch.Generator().manual_seed(0)
    drawn = rows[torch.randint(len(rows), (RANDOM_WORDS, LENGTH), generator=generator)]
    return {
        "hand": prompted.accuracy(*data.test),
        "random_words": [prompted.with_context(table[ids]).accuracy(*data.test) for ids in drawn],
        "without": loss(),
        "losses": losses,
        "called": called(),
        "called_with_best": called(next(iter(losses))),
    }


def own_job(studio: Studio, task: Task, job: Job) -> Numbers:
    """Vectors for each class of its own."""
    return from_random(
        studio, task, studio.data(task.name, job["seed"]), job["seed"], class_specific=True
    )


def permutations_job(studio: Studio, task: Task, job: Job) -> Numbers:
    """A context learned from the same pictures with labels in another order."""
    data = studio.data(task.name, job["seed"]).permute_labels(
        1000 + job["permutation"]
    )  # the test pictures keep their labels
    return from_random(studio, task, data, job["seed"])


def from_random(studio: Studio, task: Task, data: FewShot, seed: int, **shape: Any) -> Numbers:
    """What a context reaches that began at random, and the context."""
    prompted = begin(studio.clip, studio.processor, task, "random", seed, **shape)
    for _ in learn(prompted, data, PLAN):
        pass
    return {"accuracy": prompted.accuracy(*data.test), "context": listed(prompted.context)}


DO = {
    "learned": learned_job,
    "on words": on_words_job,
    "helpful": helpful_job,
    "each class its own": own_job,
    "permutations": permutations_job,
}


# --- all of them, with breaks --------------------------------------------------------------------------------------------


class Studio:
    """The model, its words, and every task's pictures as features."""

    def __init__(self, clip: CLIPModel, processor: CLIPProcessor) -> None:
        self.clip, self.processor = clip, processor
        self.words: Vocabulary = reading.read_vocabulary(clip, processor.tokenizer)
        self.data = functools.lru_cache(maxsize=8)(
            self._data
        )  # jobs on the same pictures stand together

    def _data(self, task: str, seed: int) -> FewShot:
        return encode_split(
            self.clip, self.processor, few_shot(TASKS[task], SHOTS, CHECKS, TESTS, seed)
        )


def split(
    records: Sequence[dict[str, Any]],
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, Tensor]]:
    """The records of each part without their vectors; and the vectors, one row for each record, by "part field"."""
    parts: dict[str, list[dict[str, Any]]] = {}
    vectors: dict[str, list] = {}
    for record in records:
        parts.setdefault(record["part"], []).append(
            {name: value for name, value in record.items() if name not in ("part", *FIELDS)}
        )
        for field in FIELDS:
            if field in record:
                vectors.setdefault(f"{record['part']} {field}", []).append(record[field])
    # half precision: a reading needs no more, and the files are half as large
    return parts, {name: torch.tensor(rows).half() for name, rows in vectors.items()}


# --- what is stored ------------------------------------------------------------------------------------------------------


@functools.cache
def stored() -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The study as it lies in data/: the records, and the vectors in fp32."""
    tensors, _ = read_tensors(VECTORS)
    return json.loads(FILE.read_text(encoding="utf-8")), {
        name: rows.float() for name, rows in tensors.items()
    }


def contexts(
    task: str, init: str = "random", permuted: bool = False, field: str = "context"
) -> Tensor:
    """The vectors learned for a task, one context a seed: (S, M, D); of the field "path" (S, looks, M, D).

    Raises ValueError where the study has none.
    """
    records, vectors = stored()
    having = [record for record in records["learned"] if field != "path" or followed(record)]
    wanted = {"task": task, "init": init, "permuted": permuted}
    mine = [row for row, record in enumerate(having) if wanted.items() <= record.items()]
    if not mine:
        raise ValueError(
            f"the study holds no {field} of {wanted}: its tasks are {', '.join(TASKS)}"
        )
    return vectors[f"learned {field}"][mine]


def permutations(task: str) -> Tensor:
    """The contexts learned from the pictures of seed 0 with labels permuted in other ways: (N, M, D)."""
    records, vectors = stored()
    mine = [row for row, record in enumerate(records["permutations"]) if record["task"] == task]
    return vectors["permutations context"][mine]


def each_class(task: str) -> tuple[Tensor, float]:
    """The vectors that each class of a followed task learned for itself, (C, M, D), and their accuracy on test pictures."""
    records, vectors = stored()
    ((row, record),) = [
        pair for pair in enumerate(records["each class its own"]) if pair[1]["task"] == task
    ]
    return vectors["each class its own context"][row], record["accuracy"]


def helpful(task: str) -> dict[str, Any]:
    """What `helpful_job` measured for a task."""
    (record,) = [record for record in stored()[0]["helpful"] if record["task"] == task]
    return record


def accuracies(task: str, init: str = "random") -> tuple[float, float, float]:
    """On test pictures: of "a photo of a {}", and the means of five seeds as learned and snapped to words."""
    records, _ = stored()
    wanted = {"task": task, "init": init, "permuted": False}
    runs = [record for record in records["learned"] if wanted.items() <= record.items()]
    return helpful(task)["hand"], *(
        sum(run[what] for run in runs) / len(runs) for what in ("accuracy", "snapped")
    )


def best_place(
    vectors: Tensor, right: Sequence[str], words: Vocabulary, metric: reading.Metric = "cosine"
) -> Tensor:
    """The best place that any of the right words takes among all words, seen from any of the vectors (…, M, D): (…,), 1 for the nearest."""
    return best_of(reading.distances(vectors, words.table[words.words], metric), right, words)


def best_of(apart: Tensor, right: Sequence[str], words: Vocabulary) -> Tensor:
    """The same of vectors whose distances to all words are known already: (…, M, W) to (…,)."""
    places = [reading.rank_row(apart, words.words == words.row(word)) for word in right]
    return torch.stack(places).amin(0).amin(-1)


def named(
    kind: str, words: Vocabulary, within: int, field: str = "context", inits: Sequence[str] = INITS
) -> tuple[int, int, int]:
    """In how many contexts of a kind of task a right word is among so many nearest words of some vector: of those learned from the
    true labels, of those from permuted ones, and out of how many each."""
    hits = {False: 0, True: 0}
    for task, right in KINDS[kind].items():
        for init in inits:
            for permuted in hits:
                places = best_place(contexts(task.name, init, permuted, field), right, words)
                hits[permuted] += int((places <= within).sum())
    return hits[False], hits[True], len(KINDS[kind]) * len(inits) * len(SEEDS)


# --- making it -----------------------------------------------------------------------------------------------------------


def main() -> None:
    torch.set_num_threads(1)
    clip, processor = load_clip("pocket")
    made_with, studio = versions(), Studio(clip, processor)

    def run(job: Job) -> Numbers:
        return DO[job["part"]](studio, TASKS[job["task"]], job)

    unfinished = unfinished_file(
        "reading", CODE, DRAWING, fingerprint(clip), describe_preparation(processor), made_with
    )
    records, seconds = resume(jobs(), run, unfinished, lambda line: print(line[:150], flush=True))
    parts, vectors = split(records)
    whole = {
        "command": COMMAND,
        "versions": made_with,
        "machine": machine(),
        "seconds": round(seconds, 1),
        "seeds": list(SEEDS),
        "plan": asdict(PLAN),
        "kinds": {
            kind: {task.name: words for task, words in tasks.items()}
            for kind, tasks in KINDS.items()
        },
        **parts,
    }
    write_tensors(VECTORS, vectors, {"command": COMMAND, **identify_model(clip)})
    write_whole(
        FILE, lambda part: part.write_text(f"{laid_out(whole)}\n", encoding="utf-8", newline="\n")
    )
    unfinished.unlink()
    print(f"{len(records)} jobs in {seconds / 60:.0f} min: {FILE}")


if __name__ == "__main__":
    main()
