"""Lesson 04's instruments beside the nearest tokens: stored vectors, principal components, and what a vector does.

Pure functions on tensors, for any model; the components are scikit-learn's. The nearest tokens are in helpers/reading.py, since a
study needs them too; what chance would show is in nulls.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from helpers.checkpoint import KINDS, check_models
from helpers.files import read_tensors
from helpers.language import LearnerError
from helpers.pretrained import identify_model


def load_learned_vectors(file: str | Path, model: PreTrainedModel) -> Tensor:
    """Load the context or soft prompt in a saved file, (M, D) or (C, M, D).

    Raises ValueError unless it was learned on this very model.
    """
    tensors, notes = read_tensors(Path(file))
    parts = {name.split(".")[-1]: tensor for name, tensor in tensors.items()}
    found = [parts[name] for name in ("context", "prompt_embeddings") if name in parts]
    if not found or notes.get("format") not in KINDS:
        raise LearnerError(
            en=f"{file} holds neither a context nor a soft prompt",
            zh=f"{file} 里既没有上下文向量，也没有软提示词",
        )
    part = "language" if "models" in notes else ""
    check_models(Path(file), notes["format"], notes, {part: identify_model(model)})
    return found[0]


# --- principal components --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Projection:
    """What is left of a space in K directions.

    `words` (V, K), `vectors` (…, K), `explained` (K,), the share of the vocabulary's variance
    that each direction carries, and `outside` (…,), the share of each vector's squared distance
    from the centre that no direction shows.
    """

    words: Tensor
    vectors: Tensor
    explained: Tensor
    outside: Tensor


def project(vectors: Tensor, table: Tensor, n_components: int = 2) -> Projection:
    """Project vectors (…, D) on the directions in which a table (V, D) varies most.

    The directions are the table's alone: fitted on the vectors as well, they would turn towards
    them, and show what they were asked to.
    Taken apart in lesson 04, section 5.
    """
    pca = PCA(n_components, svd_solver="full").fit(table.detach().double().cpu().numpy())
    centre, axes = torch.tensor(pca.mean_), torch.tensor(pca.components_)  # (D,), (K, D)
    offsets = vectors.detach().double().cpu() - centre  # (…, D)
    shown = offsets @ axes.T  # (…, K)
    whole = offsets.square().sum(-1)
    outside = torch.where(whole > 0, 1 - shown.square().sum(-1) / whole, 0)
    words = (table.detach().double().cpu() - centre) @ axes.T
    return Projection(words, shown, torch.tensor(pca.explained_variance_ratio_), outside)


# --- influence -------------------------------------------------------------------------------------------------------------------


def leave_one_out(vectors: Tensor) -> list[Tensor]:
    """Leave out one of the vectors (M, D), each in turn: M times (M - 1, D).

    Taken apart in lesson 04, section 7.
    """
    return [torch.cat([vectors[:out], vectors[out + 1 :]]) for out in range(len(vectors))]


def permute_vectors(vectors: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    """Put the same vectors (M, D) in other orders, (draws, M, D), none of them the given one."""
    M, found = len(vectors), []
    while len(found) < draws:
        order = torch.randperm(M, generator=generator)
        if M < 2 or not torch.equal(order, torch.arange(M)):
            found.append(vectors[order.to(vectors.device)])
    return torch.stack(found)


def interpolate(begun: Tensor, learned: Tensor, shares: Sequence[float]) -> Tensor:
    """Walk the straight line from one (M, D) to the other: (S, M, D); share 0 is `begun`."""
    return torch.stack([torch.lerp(begun, learned, share) for share in shares])


def compute_cosines(vectors: Tensor) -> Tensor:
    """Of each vector (M, D) with each: (M, M)."""
    unit = F.normalize(vectors, dim=-1)
    return unit @ unit.T


def measure_attention_to_slots(shares: Sequence[Tensor], slots: Tensor, end: Tensor) -> Tensor:
    """Measure how much attention a text's end pays to each slot, in each layer: (L, M).

    The mean of all heads and texts.

    shares: of each of the L layers (C, H, T, T), each row of which sums to 1; slots (C, T): true in
    M places; end (C,): of each text.
    """
    texts = torch.arange(len(end), device=end.device)
    of_end = torch.stack([layer.mean(1)[texts, end] for layer in shares])  # (L, C, T)
    return of_end[:, slots].unflatten(1, (len(end), -1)).mean(1)  # (L, M)
