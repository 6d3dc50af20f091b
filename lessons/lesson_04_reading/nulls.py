"""What chance alone would show: the nulls that lesson 04 lays beside its readings, and how a reading is compared with them.

Pure functions on tensors, for any model.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.reading import Metric, measure_distances


def draw_random_like(vectors: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    """Draw vectors (draws, M, D) that point anywhere, as long as those of (M, D).

    Taken apart in lesson 04, section 4.
    """
    anywhere = torch.randn(draws, *vectors.shape, generator=generator).to(vectors)
    return F.normalize(anywhere, dim=-1) * vectors.norm(dim=-1, keepdim=True)


def shuffle_columns(table: Tensor, generator: torch.Generator) -> Tensor:
    """Shuffle each column of a table (V, D) on its own, so that nothing belongs together.

    The share of variance that its directions carry is the null for those of the table (parallel
    analysis: Horn 1965).
    """
    orders = torch.rand(table.shape, generator=generator).argsort(0).to(table.device)  # (V, D)
    return table.gather(0, orders)


def measure_distances_within(table: Tensor, rows: Tensor, metric: Metric = "cosine", at_most: int = 500) -> Tensor:
    """How far rows are from the nearest *other* one of them.

    Args:
        table: token embeddings, (V, D).
        rows: the numbers of the rows, (W,).
        metric: "cosine" or "euclidean".
        at_most: of how many rows, evenly chosen.

    Returns:
        (W,), or (at_most,).
    """
    step = max(1, -(-len(rows) // at_most))
    apart = measure_distances(table[rows[::step]], table[rows], metric)
    return apart.topk(2, largest=False).values[:, 1]


def measure_share_as_near(apart: Tensor, null: Tensor) -> Tensor:
    """Measure the share of the null's distances (N,) that are at most as large as these (…).

    Small where chance rarely comes as near.
    """
    return (null <= apart[..., None]).double().mean(-1)


def compute_p_value(observed: float, null: Tensor) -> float:
    """Compute how often chance does as well.

    The share of observed and null values (N,) that are at most as large as what was observed.

    What was observed counts as one of them, so that p is never 0 and, where nothing but chance is
    at work, P(p ≤ α) ≤ α (Phipson and Smyth 2010, arXiv 1603.05766). Small values must be the
    remarkable ones: give ranks or distances, and scores with a minus.
    Taken apart in lesson 04, section 8.
    """
    return (1 + int((null <= observed).sum())) / (1 + len(null))
