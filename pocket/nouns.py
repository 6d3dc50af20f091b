"""Nouns by category, and prompt tuning on them: vectors before a word, and the word that follows.

The nouns lie in data/nouns; half of them are never learned from. The language model is frozen, and
all that learns is a `SoftPrompt`: Lester et al. 2021, arXiv 2104.08691. Calibration of answers:
Zhao et al. 2021, arXiv 2102.09690.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from helpers import training
from helpers.captioner import SoftPrompt
from helpers.data import get_end_of_text
from helpers.files import DATA
from helpers.language import LearnerError
from helpers.language_model import compute_logits, embed_ids, read_vectors
from helpers.training import Evaluation, TrainConfig

FILE = DATA / "nouns" / "nouns.toml"
Language = tuple[PreTrainedModel, Any]  # what `load_language_model` gives
CHECKS = 4  # nouns of each category to validate on; the rest of the seen half is to learn from
COLON = ":"  # what stands between a noun and its answer
# inputs that say nothing; what a model answers to them is what it answers anyway
CONTENT_FREE = ("N/A", "[MASK]", "")
BATCH_SIZE = 52


class Nouns(NamedTuple):
    """Nouns, and of each the number of its answer, (N,)."""

    words: tuple[str, ...]
    labels: Tensor

    def permute_labels(self, seed: int) -> Nouns:
        """The same nouns with each other's answers, at random."""
        order = torch.randperm(len(self.words), generator=torch.Generator().manual_seed(seed))
        return Nouns(self.words, self.labels[order])


class NounTask(NamedTuple):
    """What is to be said of a noun: one of the answers, each a single token behind a colon."""

    answers: tuple[str, ...]
    train: Nouns
    validation: Nouns
    unseen: Nouns


def read_categories() -> dict[str, list[str]]:
    """Read the nouns of each category."""
    whole = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {
        name: [noun.replace("-", " ") for noun in nouns.split()] for name, nouns in whole.items()
    }


def make_category_task(seed: int = 0) -> NounTask:
    """The category of a noun. The same seed splits the nouns in the same way."""
    return _make_task(
        {noun: name for name, nouns in read_categories().items() for noun in nouns}, seed
    )


def make_letter_task(seed: int = 0) -> NounTask:
    """The first letter of a noun, from the same nouns: another task, for comparison."""
    return _make_task(
        {noun: noun[0] for nouns in read_categories().values() for noun in nouns}, seed
    )


def _make_task(answer: dict[str, str], seed: int) -> NounTask:
    """A task from the answer to each noun; what is seen of each category does not depend on it."""
    answers = tuple(sorted({*answer.values()}))
    generator, parts = torch.Generator().manual_seed(seed), ([], [], [])
    for nouns in read_categories().values():
        order = torch.randperm(len(nouns), generator=generator).tolist()
        half = len(nouns) // 2
        for part, places in zip(parts, (order[CHECKS:half], order[:CHECKS], order[half:])):
            part.extend(nouns[place] for place in places)
    return NounTask(
        answers,
        *(
            Nouns(tuple(words), torch.tensor([answers.index(answer[noun]) for noun in words]))
            for words in parts
        ),
    )


# --- behind a prefix ------------------------------------------------------------------------------


def pad_nouns(tokenizer: Any, nouns: Sequence[str], after: str = COLON) -> tuple[Tensor, Tensor]:
    """Make ids (N, T) of nouns and what follows them, and the place of each last token, (N,).

    Padding stands on the right, where no place before it sees it.
    """
    rows = [
        torch.tensor(
            tokenizer(f" {noun}{after}" if noun else after, add_special_tokens=False)["input_ids"]
        )
        for noun in nouns
    ]
    ids = pad_sequence(rows, batch_first=True, padding_value=get_end_of_text(tokenizer))
    return ids, torch.tensor([len(row) - 1 for row in rows])


def find_answers(tokenizer: Any, answers: Sequence[str]) -> Tensor:
    """Find the tokens (A,) of the answers, each with the blank before it.

    Raises ValueError where an answer is more than one token.
    """
    rows = [tokenizer(f" {answer}", add_special_tokens=False)["input_ids"] for answer in answers]
    if any(len(row) > 1 for row in rows):
        raise LearnerError(
            en=f"not all of these answers are a single token for this model: {list(answers)}",
            zh=f"这些答案里，有的对这个模型来说不是一个 token：{list(answers)}",
        )
    return torch.tensor(rows)[:, 0]


def compute_next_logits(language: Language, vectors: Tensor, last: Tensor) -> Tensor:
    """Logits (N, V) of what follows the last of some vectors, (N, T, D)."""
    read = read_vectors(language[0], vectors, separable=True)  # (N, T, D)
    rows = torch.arange(len(read), device=read.device)
    return compute_logits(language[0], read[rows, last], separable=True)


def train_prompt(
    language: Language, prompt: SoftPrompt, task: NounTask, config: TrainConfig
) -> Iterator[Evaluation]:
    """Let a soft prompt learn to make a frozen model say a task's answers, and yield evaluations.

    The loss is that of the next token among all tokens; an evaluation's score is the share of
    validation nouns behind which the right answer is the likeliest token.

    Args:
        language: the frozen model and its tokenizer.
        prompt: what learns, (M, D).
        task: its nouns and answers.
        config: how to train.
    """
    model, tokenizer = language
    answers = find_answers(tokenizer, task.answers)

    def measure(nouns: Nouns, rows: Tensor) -> tuple[Tensor, Tensor]:
        ids, last = pad_nouns(tokenizer, [nouns.words[row] for row in rows.tolist()])
        vectors = torch.cat([prompt(len(ids)), embed_ids(model, ids)], dim=1)  # (B, M + T, D)
        logits = compute_next_logits(language, vectors, prompt.prompt_length + last)  # (B, V)
        right = answers[nouns.labels[rows]]  # (B,)
        return F.cross_entropy(logits, right), (logits.argmax(-1) == right).float().mean()

    def validate() -> tuple[float, float]:
        loss, right = measure(task.validation, torch.arange(len(task.validation.words)))
        return loss.item(), right.item()

    return training.train(
        prompt, len(task.train.words), lambda rows: measure(task.train, rows)[0], validate, config
    )


class Answered(NamedTuple):
    """What a model says behind a prefix and N nouns.

    scores: log-probabilities of the A answers, (N, A); tokens: the likeliest of all, (N,).
    """

    scores: Tensor
    tokens: Tensor


@torch.no_grad()
def answer_nouns(
    language: Language,
    prefix: Tensor,
    nouns: Sequence[str],
    answers: Sequence[str],
    after: str = COLON,
) -> Answered:
    """Ask a model about nouns behind a prefix, which is read once and kept in the KV cache.

    Args:
        language: the model and its tokenizer.
        prefix: vectors (P, D), of words or learned; at least one.
        nouns: N of them.
        answers: A words.
        after: what follows each noun.
    """
    model, tokenizer = language
    wanted, parts = find_answers(tokenizer, answers), []
    before = model.base_model(inputs_embeds=prefix[None], use_cache=True).past_key_values
    for start in range(0, len(nouns), BATCH_SIZE):
        ids, last = pad_nouns(tokenizer, nouns[start : start + BATCH_SIZE], after)
        cache = copy.deepcopy(before)
        cache.batch_repeat_interleave(len(ids))
        read = model.base_model(inputs_embeds=embed_ids(model, ids), past_key_values=cache)
        behind = read.last_hidden_state[torch.arange(len(ids)), last]  # (B, D)
        logits = compute_logits(model, behind, separable=True).log_softmax(-1)  # (B, V)
        parts.append(Answered(logits[:, wanted], logits.argmax(-1)))
    return Answered(*map(torch.cat, zip(*parts)))


def embed_text(language: Language, text: str) -> Tensor:
    """Look up the vectors (P, D) of a text's tokens."""
    ids = language[1](text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    return embed_ids(language[0], ids.long())[0].detach()


def calibrate(
    language: Language, prefix: Tensor, answers: Sequence[str], after: str = COLON
) -> Tensor:
    """What is to be taken off the answers' log-probabilities, (A,): those without any content."""
    return answer_nouns(language, prefix, CONTENT_FREE, answers, after).scores.exp().mean(0).log()
