"""The stored study of what learned prompts say, in the token table and when the model is asked.

`python -m pocket.studies.asking_study` makes data/runs/asking.json from the prompts of
`noun_study`; broken off, it goes on where it was. Each prompt is read in two ways: by the rows of
the token table that are nearest to its vectors, and by the model itself, which finds them, or their
hidden states at a layer, in a sentence that asks what they mean (InSPEcT: arXiv 2410.11660;
Patchscopes: arXiv 2401.06102). Beside prompts that learned the categories of nouns stand their
nulls: prompts from permuted labels, prompts of another task, random vectors; and words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import GenerationConfig

from helpers.files import DATA
from helpers.language_model import decode, prepare_language_model, read_token_table
from helpers.pretrained import identify_model, load_language_model
from helpers.reading import Metric, find_nearest_tokens, measure_distances
from pocket import nouns
from pocket.nouns import Language, embed_text, find_answers
from pocket.studies import noun_study
from pocket.studies.common import (
    Job,
    Numbers,
    describe_machine,
    find_unfinished,
    read_versions,
    run_jobs,
    sort_by_part,
    write_json,
)
from pocket.studies.noun_study import MODEL, RANDOM_DRAWS, make_prompt
from pocket.studies.noun_study import load_study as load_nouns

FILE = DATA / "runs" / "asking.json"
COMMAND = "python -m pocket.studies.asking_study"

# what is written before and after the vectors
FRAMES = (
    ('An instruction: "', '". In other words, the instruction asks for the'),
    ("", "\nThe text above is about"),
    ('Here is what some requests ask for. "Bonjour means" asks for a translation. "2 + 2 =" asks '
     'for a sum. "', '" asks for a'),
    ("Question: what is to be said about each word?\nTask:", "\nAnswer: say its"),
    ("<|im_start|>user\nWhat is this text about? ",
     "<|im_end|>\n<|im_start|>assistant\nThis text is about"),
)  # fmt: skip
LAYERS = (0, 6, 12, 18, 24)  # before which the states are put in: 0 is the vectors themselves
IN_WORDS = "Say what kind of thing each word is:"  # the task, without a name of a category
WRITTEN = 16  # tokens of an answer
NEAREST, RANDOM_VECTORS = 5, 1000
# an answer that has one of these, or of the categories, names the task
NAMES_TASK = ("category", "categories", "kind", "kinds", "type", "types", "class", "classes")
LETTER_NAMES = ("letter", "letters", "alphabet", "initial", "initials", "spelling")


@dataclass(frozen=True)
class AskedPrompt:
    """What a model answers about one prompt in one frame, from its states at one layer.

    prompt: a number in `NounStudy.prompts`, or of a random draw; group: "category", "permuted",
    "first letter", "random" or "in words"; rank: the median rank, among all tokens, of the
    categories' names as the next one; names_category, names_letter: whether the answer does.
    """

    group: str
    prompt: int
    frame: int
    layer: int
    rank: float
    answer: str
    names_category: bool
    names_letter: bool


@dataclass(frozen=True)
class NearestWords:
    """The rows of the token table nearest to each vector of a prompt, by their cosine.

    words, centred_words: M lists, as the table is and with its mean taken off rows and vectors;
    euclidean_words: by the length of the difference. rank, centred_rank: for each category the best
    rank of its name among all rows, over the vectors.
    """

    group: str
    prompt: int
    words: list[list[str]]
    centred_words: list[list[str]]
    euclidean_words: list[list[str]]
    rank: list[int]
    centred_rank: list[int]


@dataclass(frozen=True)
class TokenTable:
    """How alike the rows of a token table are, with and without their mean.

    cosine: of two different rows, on average; mean_share: the share of the mean squared length that
    is the mean row's; hubs, euclidean_hubs: the rows nearest to most of `RANDOM_VECTORS` random
    vectors, and their shares of these; short: the shortest rows.
    """

    centred: bool
    cosine: float
    mean_share: float
    hubs: dict[str, float]
    euclidean_hubs: dict[str, float]
    short: list[str]


@dataclass(frozen=True)
class AskingStudy:
    """All of it; model: as `identify_model` says."""

    command: str
    versions: dict[str, str]
    seconds: float
    machine: dict[str, Any]
    model: dict[str, str]
    frames: list[list[str]]
    table: list[TokenTable]
    nearest: list[NearestWords]
    asked: list[AskedPrompt]


PARTS = {"table": TokenTable, "nearest": NearestWords, "asked": AskedPrompt}


def save_study(study: AskingStudy, file: Path = FILE) -> None:
    """Write the study for `load_study`."""
    write_json(file, asdict(study))


def load_study(file: Path = FILE) -> AskingStudy:
    """The study as it was written."""
    stored = json.loads(file.read_text(encoding="utf-8"))
    return AskingStudy(
        **stored | {part: [kind(**run) for run in stored[part]] for part, kind in PARTS.items()}
    )


# --- the prompts ----------------------------------------------------------------------------------


def read_prompts(language: Language) -> Iterator[tuple[str, int, Tensor]]:
    """Every prompt's group, number and vectors (M, D)."""
    for number, run in enumerate(load_nouns().prompts):
        yield "permuted" if run.permuted else run.task, number, run.vectors
    for draw in RANDOM_DRAWS:
        vectors = make_prompt(language, noun_study.LENGTH, "random", 1000 + draw)
        yield "random", draw, vectors().detach()
    yield "in words", 0, embed_text(language, IN_WORDS)


# --- asked ----------------------------------------------------------------------------------------


@torch.no_grad()
def read_states(language: Language, vectors: Tensor) -> list[Tensor]:
    """The hidden states (M, D) before each of `LAYERS`, of vectors that stand alone."""
    read = language[0].base_model(inputs_embeds=vectors[None], output_hidden_states=True)
    return [read.hidden_states[layer][0] for layer in LAYERS]


@contextmanager
def put_in(language: Language, states: Sequence[Tensor], start: int) -> Iterator[None]:
    """Within, row i of a batch has states[i] (M, D) before layer LAYERS[i], from `start` on."""

    def make_hook(row: int) -> Any:
        def replace_states(module: torch.nn.Module, given: tuple, named: dict) -> tuple:
            hidden = given[0]  # (B, T, D)
            if hidden.shape[1] > 1:  # not where one more token is written
                hidden = hidden.clone()
                hidden[row, start : start + len(states[row])] = states[row]
            return (hidden, *given[1:]), named

        return replace_states

    layers = language[0].base_model.layers
    hooks = [
        layers[layer].register_forward_pre_hook(make_hook(row), with_kwargs=True)
        for row, layer in enumerate(LAYERS)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def ask(language: Language, vectors: Tensor, frame: int) -> list[tuple[float, str]]:
    """Put a prompt's states into a frame, from each of `LAYERS`.

    Returns for each the median rank of the categories' names, and the answer.

    Args:
        language: the model and its tokenizer.
        vectors: the prompt, (M, D).
        frame: a number of `FRAMES`.
    """
    model, tokenizer = language
    before, after = (embed_text(language, text) for text in FRAMES[frame])
    whole = torch.cat([before, vectors, after]).expand(len(LAYERS), -1, -1)  # (B, P + M + Q, D)
    how = GenerationConfig(
        max_new_tokens=WRITTEN, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id, output_scores=True, return_dict_in_generate=True,
    )  # fmt: skip
    with put_in(language, read_states(language, vectors), len(before)):
        written = model.generate(
            inputs_embeds=whole,
            attention_mask=torch.ones(whole.shape[:2], dtype=torch.long),
            generation_config=how,
        )
    scores = written.scores[0]  # (B, V)
    names = find_answers(tokenizer, nouns.make_category_task().answers)  # (A,)
    ranks = (scores[:, None] > scores[:, names, None]).sum(-1) + 1  # (B, A)
    texts = [decode(tokenizer, ids) for ids in written.sequences]
    return [*zip(ranks.float().quantile(0.5, dim=-1).tolist(), texts)]


def has_word(text: str, words: Sequence[str]) -> bool:
    """Whether a text has one of the words."""
    return not {*re.findall(r"[a-z]+", text.lower())}.isdisjoint(words)


def measure_asked(language: Language, prompts: dict, job: Job) -> Numbers:
    """The answers about one prompt, in every frame and from every layer."""
    vectors = prompts[job["group"], job["prompt"]]
    categories = nouns.make_category_task().answers
    named = (*NAMES_TASK, *categories, *(f"{name}s" for name in categories))
    found = []
    for frame in range(len(FRAMES)):
        for layer, (rank, answer) in zip(LAYERS, ask(language, vectors, frame)):
            found.append(
                {
                    "frame": frame,
                    "layer": layer,
                    "rank": rank,
                    "answer": answer,
                    "names_category": has_word(answer, named),
                    "names_letter": has_word(answer, LETTER_NAMES),
                }
            )
    return {"asked": found}


# --- in the table ---------------------------------------------------------------------------------


def take_mean_off(table: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (V, D) and vectors (M, D) without the mean row."""
    mean = table.mean(0)
    return table - mean, vectors - mean


def measure_nearest(language: Language, prompts: dict, job: Job) -> Numbers:
    """A `NearestWords`."""
    tokenizer, table = language[1], read_token_table(language[0])
    vectors = prompts[job["group"], job["prompt"]]
    rows = find_answers(tokenizer, nouns.make_category_task().answers)  # (A,)
    numbers: Numbers = {
        "euclidean_words": decode_each(
            tokenizer, find_nearest_tokens(vectors, table, NEAREST, "euclidean").ids
        )
    }
    for name, pair in (("", (table, vectors)), ("centred_", take_mean_off(table, vectors))):
        ids = find_nearest_tokens(pair[1], pair[0], NEAREST).ids  # (M, k)
        numbers[f"{name}words"] = decode_each(tokenizer, ids)
        apart = measure_distances(pair[1], pair[0])  # (M, V)
        closer = apart[:, None] < apart[:, rows, None]  # (M, A, V)
        numbers[f"{name}rank"] = (closer.sum(-1).min(0).values + 1).tolist()
    return numbers


def decode_each(tokenizer: Any, ids: Tensor) -> list[list[str]]:
    """Each of the tokens (M, k) as a text."""
    return [[tokenizer.decode([id]) for id in row] for row in ids.tolist()]


def measure_table(language: Language, prompts: dict, job: Job) -> Numbers:
    """A `TokenTable`."""
    tokenizer, table = language[1], read_token_table(language[0])
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(RANDOM_VECTORS, table.shape[1], generator=generator) * table.std()
    if job["centred"]:
        table = table - table.mean(0)

    def count_hubs(metric: Metric) -> dict[str, float]:
        nearest = find_nearest_tokens(drawn, table, 1, metric).ids[:, 0].bincount()
        counts, rows = nearest.topk(5)
        names = [tokenizer.decode([row]) for row in rows.tolist()]
        return dict(zip(names, (counts.double() / RANDOM_VECTORS).tolist()))

    unit, count = F.normalize(table.double(), dim=-1), len(table)
    short = table.norm(dim=-1).topk(5, largest=False).indices
    return {
        "cosine": ((unit.sum(0).square().sum() - count) / (count * (count - 1))).item(),
        "mean_share": (table.mean(0).square().sum() / table.square().sum(-1).mean()).item(),
        "hubs": count_hubs("cosine"),
        "euclidean_hubs": count_hubs("euclidean"),
        "short": [tokenizer.decode([row]) for row in short.tolist()],
    }


MEASURE = {"table": measure_table, "nearest": measure_nearest, "asked": measure_asked}


# --- making it ------------------------------------------------------------------------------------


def main() -> None:
    language = load_language_model(MODEL)
    assert prepare_language_model(language[0])
    prompts = {(group, number): vectors for group, number, vectors in read_prompts(language)}
    jobs: list[Job] = [{"part": "table", "centred": centred} for centred in (False, True)]
    for part in ("nearest", "asked"):
        jobs += [{"part": part, "group": group, "prompt": number} for group, number in prompts]
    made_with, model = read_versions(), identify_model(language[0])
    learned = noun_study.FILE.read_text(encoding="utf-8")
    unfinished = find_unfinished("asking", (__file__, nouns.__file__), learned, model, made_with)
    records, seconds = run_jobs(
        jobs, lambda job: MEASURE[job["part"]](language, prompts, job), unfinished
    )
    parts = sort_by_part(records)
    parts["asked"] = [
        {**record, **found} for record in parts["asked"] for found in record.pop("asked")
    ]
    study = AskingStudy(
        COMMAND,
        made_with,
        round(seconds, 1),
        describe_machine(),
        model,
        [list(frame) for frame in FRAMES],
        **{part: [kind(**run) for run in parts[part]] for part, kind in PARTS.items()},
    )
    save_study(study)
    unfinished.unlink()
    print(f"{len(records)} jobs in {seconds / 60:.0f} min: {FILE}")


if __name__ == "__main__":
    main()
