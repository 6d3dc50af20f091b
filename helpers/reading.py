"""Reading learned vectors: a model's vocabulary, the nearest tokens, and snapping to them.

Pure functions on tensors. Nearest words of a context: CoOp, Zhou et al. 2022, arXiv 2109.01134;
what such words are worth: Khashabi et al. 2022, arXiv 2112.08348. What else lesson 04 measures lies
in its room: lessons/lesson_04_reading, instruments.py and nulls.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from helpers.language import LearnerError, check_choice
from helpers.language_model import read_token_table
from helpers.pretrained import find_trained_rows

Metric = Literal["cosine", "euclidean"]


# --- the table, and vectors that belong to it -----------------------------------------------------


@dataclass(frozen=True)
class Vocabulary:
    """A model's token embeddings, and what each row is called.

    `table` (V, D); `trained` (V,): whether training ever used a row;
    `words` (W,): the numbers of the rows that are trained and whole words of letters.
    """

    table: Tensor
    names: tuple[str, ...]
    trained: Tensor
    words: Tensor

    def row(self, word: str) -> int:
        """The number of the row of a whole word. Raises ValueError where there is none."""
        for row in self.words.tolist():
            if self.names[row] == word:
                return row
        raise LearnerError(key="no_such_word", word=word)


def read_vocabulary(model: PreTrainedModel, tokenizer: Any) -> Vocabulary:
    """Read the vocabulary of a CLIP's text tower, or of a language model."""
    tower = getattr(model, "text_model", None)
    table = tower.embeddings.token_embedding.weight if tower else read_token_table(model)
    table = table.detach()  # (V, D)
    tokens = tokenizer.convert_ids_to_tokens(range(len(table)))
    names = tuple((token or "").removesuffix("</w>").lstrip("Ġ▁") for token in tokens)
    trained = find_trained_rows(model).to(table.device)
    # a word's beginning is marked in GPT-2's vocabulary, and its end in CLIP's
    whole = [
        bool(t) and (t[0] in "Ġ▁" or t.endswith("</w>")) and name.isalpha()
        for t, name in zip(tokens, names)
    ]
    words = (torch.tensor(whole).to(table.device) & trained).nonzero().flatten()  # (W,)
    return Vocabulary(table, names, trained, words)


# --- nearest tokens -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Neighbours:
    """The closest rows, closest first: `ids` (…, k), their numbers, and `distances` (…, k)."""

    ids: Tensor
    distances: Tensor


def measure_distances(vectors: Tensor, table: Tensor, metric: Metric = "cosine") -> Tensor:
    """Measure from each vector (…, D) to each row of a table (V, D): (…, V).

    "cosine" is 1 - cos, "euclidean" the length of the difference.

    Raises ValueError if the widths differ, and for another metric.
    """
    if vectors.shape[-1] != table.shape[-1]:
        own, other = vectors.shape[-1], table.shape[-1]
        raise LearnerError(key="other_width", own=own, other=other)
    check_choice("metric", metric, "cosine", "euclidean")
    vectors, table = vectors.detach().double(), table.detach().double()
    if metric == "cosine":
        vectors, table = F.normalize(vectors, dim=-1), F.normalize(table, dim=-1)
    # so that a row is at distance 0 from itself
    exactly = "donot_use_mm_for_euclid_dist"
    flat = vectors.reshape(1, -1, vectors.shape[-1])  # (1, N, D)
    apart = torch.cdist(flat, table[None], compute_mode=exactly)[0]  # (N, V)
    apart = apart.view(*vectors.shape[:-1], len(table))
    # of unit vectors, |u - v|² = 2 (1 - cos)
    return apart.square() / 2 if metric == "cosine" else apart


def find_nearest_tokens(
    vectors: Tensor,
    table: Tensor,
    k: int = 5,
    metric: Metric = "cosine",
    rows: Tensor | None = None,
) -> Neighbours:
    """Find the k rows of an embedding table that are closest to each vector.

    Args:
        vectors: learned vectors, (…, D).
        table: token embeddings of the *same* model, (V, D).
        k: how many rows for each vector.
        metric: "cosine" (1 - cos) or "euclidean" (the length of the difference, as CoOp's own
            script has it).
        rows: the numbers of those to look among, (W,); by default all.

    Returns:
        ids and distances, (…, k), closest first.

    Raises:
        ValueError: the widths D differ; vectors from one model mean nothing in another's table.

    Taken apart in lesson 04, section 2.
    """
    chosen = table if rows is None else table[rows]
    apart = measure_distances(vectors, chosen, metric)
    apart, places = apart.topk(min(k, len(chosen)), largest=False)
    return Neighbours(places if rows is None else rows[places], apart)


# --- snapping to words ----------------------------------------------------------------------------


def snap(
    vectors: Tensor, table: Tensor, rows: Tensor | None = None, metric: Metric = "cosine"
) -> Tensor:
    """Replace each vector by the row of the table that is nearest to it.

    Args:
        vectors: learned vectors, (…, D).
        table: token embeddings of the same model, (V, D).
        rows: the numbers of those allowed, (W,); by default all.
        metric: "cosine" or "euclidean".

    Returns:
        (…, D).

    Taken apart in lesson 04, section 6.
    """
    return table[find_nearest_tokens(vectors, table, 1, metric, rows).ids[..., 0]].detach()
