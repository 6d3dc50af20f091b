"""The stored study of what a soft prompt for words alone is worth, beside its rivals.

`python -m pocket.studies.noun_study` makes data/runs/nouns.json and the vectors beside it again,
once `python course.py models smollm2` has fetched the model; broken off, it goes on where it was.
A frozen SmolLM2 is to say the category of a noun: after an instruction in words, after examples in
its context, after learned vectors. All accuracies are of the nouns that nothing was learned from,
and nothing is chosen by those: what is kept of a training has the lowest loss on validation nouns,
by which the learning rate was chosen, too (0.003, 0.01, 0.02 and 0.03 were tried, with one seed).
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch import Tensor

from helpers.captioner import SoftPrompt
from helpers.files import DATA, read_tensors, write_tensors
from helpers.language_model import prepare_language_model, read_token_table
from helpers.pretrained import identify_model, load_language_model
from helpers.training import History, TrainConfig
from pocket import nouns
from pocket.nouns import (
    Language,
    NounTask,
    answer_nouns,
    calibrate,
    embed_text,
    find_answers,
    make_category_task,
    make_letter_task,
    train_prompt,
)
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

FILE = DATA / "runs" / "nouns.json"
COMMAND = "python -m pocket.studies.noun_study"
MODEL = "smollm2"

CONFIG = TrainConfig(steps=120, learning_rate=0.03, batch_size=16, eval_every=20, warmup_steps=5)
LENGTHS, SEEDS, LENGTH = (1, 4, 10, 20), range(3), 10
INITS = ("vocabulary", "class labels")  # beside "random", as in Lester et al., section 3.2
TASKS = {"category": make_category_task, "first letter": make_letter_task}
RANDOM_DRAWS = range(10)
SHOTS, DRAWS = (8, 32, 176), range(5)  # examples in the context, and their choice and order
# what is written before and after a noun: {} are the categories
INSTRUCTIONS = (
    ("\n", ":"),
    ("Category of a word, one of {}.\n", ":"),
    ("Say which category each word belongs to: {}.\n\nWord:", "\nCategory:"),
    ("A dictionary.\n", " is a type of"),
    ("Each of these words names an {}.\n", " is a kind of"),
    ("Which of these is it: {}?\nWord:", "\nAnswer: it is a kind of"),
    (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
        "<|im_end|>\n<|im_start|>user\nWhich category does this word belong to: {}? Word:",
        "<|im_end|>\n<|im_start|>assistant\nThe category is",
    ),
    ("<|im_start|>user\nIs it a kind of {}? Word:",
     "<|im_end|>\n<|im_start|>assistant\nIt is a kind of"),
)  # fmt: skip
WITH_EXAMPLES = (0, 4, 5)  # the numbers of instructions after which examples stand


# --- the numbers ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Accuracy:
    """Shares of nouns whose right category is the likeliest of all categories.

    validation: nouns by which one may choose (of an instruction all seen nouns, else those to
    validate on); unseen: nouns that nothing was learned from; calibrated_…: with the categories'
    probabilities divided by those after inputs without content; says: the share of unseen nouns
    behind which the right category is the likeliest of all tokens.
    """

    validation: float
    unseen: float
    calibrated_validation: float
    calibrated_unseen: float
    says: float


@dataclass(frozen=True)
class InstructionRun:
    """What a model answers after an instruction, a number of `INSTRUCTIONS`."""

    instruction: int
    accuracy: Accuracy


@dataclass(frozen=True)
class ExamplesRun:
    """The same after `shots` examples too, of which `draw` is the seed."""

    instruction: int
    shots: int
    draw: int
    accuracy: Accuracy


@dataclass(frozen=True)
class RandomRun:
    """The same after random vectors as long as a row of the token table."""

    draw: int
    accuracy: Accuracy


@dataclass(frozen=True)
class PromptRun:
    """A soft prompt that learned a task, with vectors (M, D), and how it learned.

    permuted: from nouns with each other's answers.
    """

    task: str
    length: int
    init: str
    seed: int
    permuted: bool
    seconds: float
    history: History
    accuracy: Accuracy
    vectors: Tensor


@dataclass(frozen=True)
class NounStudy(Study):
    """All of it; categories: the answers; model: as `identify_model` says."""

    machine: dict[str, Any]
    model: dict[str, str]
    categories: list[str]
    nouns: dict[str, int]
    instructions: list[InstructionRun]
    examples: list[ExamplesRun]
    random: list[RandomRun]
    prompts: list[PromptRun]


PARTS = {
    "instructions": InstructionRun,
    "examples": ExamplesRun,
    "random": RandomRun,
    "prompts": PromptRun,
}


def save_study(study: NounStudy, file: Path = FILE) -> None:
    """Write the study for `load_study`, its vectors beside it."""
    stored = {name: value for name, value in vars(study).items() if name not in PARTS}
    stored |= {part: [_to_json(run) for run in getattr(study, part)] for part in PARTS}
    write_json(file, stored | {"config": asdict(study.config)})
    vectors = {str(number): run.vectors for number, run in enumerate(study.prompts)}
    write_tensors(file.with_suffix(".safetensors"), vectors, study.model)


def _to_json(run: Any) -> dict[str, Any]:
    record = {name: value for name, value in vars(run).items() if name != "vectors"}
    record["accuracy"] = asdict(run.accuracy)
    if "history" in record:
        record["history"] = run.history.to_json(
            "step", "loss", "validation_loss", "validation_score", digits=4
        )
    return record


def load_study(file: Path = FILE) -> NounStudy:
    """The study as it was written."""
    stored = json.loads(file.read_text(encoding="utf-8"))
    vectors = read_tensors(file.with_suffix(".safetensors"))[0]
    for number, record in enumerate(stored["prompts"]):
        record["vectors"] = vectors[str(number)]
    stored |= {
        part: [_from_json(kind, run) for run in stored[part]] for part, kind in PARTS.items()
    }
    return NounStudy(**stored | {"config": TrainConfig(**stored["config"])})


def _from_json(kind: type, record: dict[str, Any]) -> Any:
    made = {"accuracy": Accuracy(**record["accuracy"])}
    if "history" in record:
        made["history"] = History.from_json(record["history"])
    return kind(**record | made)


# --- what is chosen, and selected -----------------------------------------------------------------


def choose_instruction(study: NounStudy) -> int:
    """The instruction that does best on nouns by which one may choose, calibrated or not."""
    best = max(study.instructions, key=lambda run: max(_choosable(run.accuracy)))
    return best.instruction


def choose_format(study: NounStudy) -> int:
    """The instruction behind which examples do best on validation nouns, on average."""
    numbers = {run.instruction for run in study.examples}
    return max(
        numbers,
        key=lambda number: mean(
            run.accuracy.validation for run in study.examples if run.instruction == number
        ),
    )


def _choosable(accuracy: Accuracy) -> tuple[float, float]:
    return accuracy.validation, accuracy.calibrated_validation


def select_prompts(
    study: NounStudy,
    length: int = LENGTH,
    init: str = "random",
    task: str = "category",
    permuted: bool = False,
) -> list[PromptRun]:
    """The soft prompts that were learned in this way, one for each seed."""
    wanted = (task, length, init, permuted)
    return [
        run for run in study.prompts if (run.task, run.length, run.init, run.permuted) == wanted
    ]


# --- one job of each part -------------------------------------------------------------------------


def join_names(task: NounTask) -> str:
    """The answers as a list in a sentence."""
    *others, last = task.answers
    return f"{', '.join(others)} or {last}"


def write_instruction(task: NounTask, number: int, examples: Sequence[int] = ()) -> tuple[str, str]:
    """What stands before and after a noun: an instruction, and examples by their numbers."""
    before, after = INSTRUCTIONS[number]
    before = before.format(join_names(task))
    head, start = before.rpartition("\n")[::2]  # what begins every example's line
    lines = [
        f"{start} {task.train.words[row]}{after} {task.answers[task.train.labels[row]]}\n"
        for row in examples
    ]
    return f"{head}\n{''.join(lines)}{start}", after


def choose_examples(task: NounTask, shots: int, draw: int) -> list[int]:
    """Choose as many nouns of each category to stand in the context, in a random order."""
    rng, chosen = random.Random(draw), []
    for label in range(len(task.answers)):
        rows = (task.train.labels == label).nonzero()[:, 0].tolist()
        chosen += rng.sample(rows, shots // len(task.answers))
    rng.shuffle(chosen)
    return chosen


def measure_accuracy(
    language: Language, prefix: Tensor, task: NounTask, after: str = ":", by_all_seen: bool = False
) -> Numbers:
    """The numbers of an `Accuracy`.

    Args:
        language: the model and its tokenizer.
        prefix: vectors before a noun, (P, D).
        task: its nouns and answers.
        after: what follows a noun.
        by_all_seen: all seen nouns are for choosing, and not only those to validate on.
    """
    validation = task.validation
    if by_all_seen:
        labels = torch.cat([task.train.labels, validation.labels])
        validation = nouns.Nouns(task.train.words + validation.words, labels)
    free = calibrate(language, prefix, task.answers, after)
    shares = {}
    for name, part in (("validation", validation), ("unseen", task.unseen)):
        answered = answer_nouns(language, prefix, part.words, task.answers, after)
        for prefix_of_name, scores in (
            ("", answered.scores),
            ("calibrated_", answered.scores - free),
        ):
            right = (scores.argmax(-1) == part.labels).float().mean().item()
            shares[prefix_of_name + name] = right
    # of the last part, the unseen nouns
    right_tokens = find_answers(language[1], task.answers)[task.unseen.labels]
    said = (answered.tokens == right_tokens).float().mean().item()
    return shares | {"says": said}


def measure_instruction(language: Language, job: Job) -> Numbers:
    """An `InstructionRun`."""
    task = make_category_task()
    before, after = write_instruction(task, job["instruction"])
    prefix = embed_text(language, before)
    return {"accuracy": measure_accuracy(language, prefix, task, after, by_all_seen=True)}


def measure_examples(language: Language, job: Job) -> Numbers:
    """An `ExamplesRun`."""
    task = make_category_task()
    rows = choose_examples(task, job["shots"], job["draw"])
    before, after = write_instruction(task, job["instruction"], rows)
    return {"accuracy": measure_accuracy(language, embed_text(language, before), task, after)}


def make_prompt(language: Language, length: int, init: str, seed: int) -> SoftPrompt:
    """A soft prompt that has learned nothing yet."""
    model, tokenizer = language
    table = read_token_table(model)  # (V, D)
    words = " " + " ".join(make_category_task().answers) if init == "class labels" else init
    generator = torch.Generator().manual_seed(seed)
    return SoftPrompt(
        length, table.shape[1], len(table), words,
        table=table, tokenizer=tokenizer, generator=generator,
    )  # fmt: skip


def measure_random(language: Language, job: Job) -> Numbers:
    """A `RandomRun`."""
    vectors = make_prompt(language, LENGTH, "random", 1000 + job["draw"])().detach()
    return {"accuracy": measure_accuracy(language, vectors, make_category_task())}


def measure_prompt(language: Language, job: Job) -> Numbers:
    """A `PromptRun`."""
    task = TASKS[job["task"]]()
    learned_from = task
    if job["permuted"]:
        shuffled = [
            part.permute_labels(100 + job["seed"]) for part in (task.train, task.validation)
        ]
        learned_from = NounTask(task.answers, *shuffled, task.unseen)
    prompt = make_prompt(language, job["length"], job["init"], job["seed"])
    config, begun, history = (
        replace(CONFIG, seed=job["seed"]),
        time.monotonic(),
        History(CONFIG.steps),
    )
    for evaluation in train_prompt(language, prompt, learned_from, config):
        history = history.add(evaluation)
    seconds = round(time.monotonic() - begun)
    vectors = prompt().detach()
    columns = ("step", "loss", "validation_loss", "validation_score")
    return {
        "seconds": seconds,
        "history": history.to_json(*columns),
        "accuracy": measure_accuracy(language, vectors, task),
        "vectors": vectors.tolist(),
    }


MEASURE = {
    "instructions": measure_instruction,
    "examples": measure_examples,
    "random": measure_random,
    "prompts": measure_prompt,
}


# --- making it ------------------------------------------------------------------------------------


def list_jobs() -> list[Job]:
    """List all that is to be run, what most depends on first."""

    def prompt(seed: int, length: int = LENGTH, init: str = "random", **other: Any) -> Job:
        settings = {"task": "category", "length": length, "init": init, "permuted": False}
        return {"part": "prompts", **settings, "seed": seed, **other}

    prompts = []
    for seed in SEEDS:
        prompts += [prompt(seed), prompt(seed, permuted=True), prompt(seed, task="first letter")]
        prompts += [prompt(seed, length) for length in LENGTHS if length != LENGTH]
        prompts += [prompt(seed, init=init) for init in INITS]
    return [
        *({"part": "instructions", "instruction": number} for number in range(len(INSTRUCTIONS))),
        *({"part": "random", "draw": draw} for draw in RANDOM_DRAWS),
        *prompts,
        *({"part": "examples", "instruction": number, "shots": shots, "draw": draw}
          for number in WITH_EXAMPLES for shots in SHOTS for draw in DRAWS),
    ]  # fmt: skip


def main() -> None:
    language = load_language_model(MODEL)
    assert prepare_language_model(language[0])  # so body and head may be called apart
    made_with, model = read_versions(), identify_model(language[0])
    data = nouns.FILE.read_text(encoding="utf-8")
    unfinished = find_unfinished("noun", (__file__, nouns.__file__), data, model, made_with)
    records, seconds = run_jobs(
        list_jobs(), lambda job: MEASURE[job["part"]](language, job), unfinished
    )
    parts = sort_by_part(records)
    for record in parts["prompts"]:
        record["vectors"] = torch.tensor(record["vectors"])
    task = make_category_task()
    study = NounStudy(
        COMMAND,
        made_with,
        round(seconds, 1),
        CONFIG,
        describe_machine(),
        model,
        list(task.answers),
        {name: len(getattr(task, name).words) for name in ("train", "validation", "unseen")},
        **{part: [_from_json(kind, run) for run in parts[part]] for part, kind in PARTS.items()},
    )
    save_study(study)
    unfinished.unlink()
    print(f"{len(records)} jobs in {seconds / 60:.0f} min: {FILE}")


if __name__ == "__main__":
    main()
