"""Reading learned vectors: nearest tokens, components, snapping, influence, and chance alone.

Pure functions on tensors; the components are scikit-learn's. Nearest words of a context: CoOp, Zhou
et al. 2022, arXiv 2109.01134; a search that stays on words: PEZ, Wen et al. 2023, arXiv 2302.03668;
what such words are worth: Khashabi et al. 2022, arXiv 2112.08348.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize
from transformers import PreTrainedModel

from helpers.checkpoint import KINDS, check_models
from helpers.files import read_tensors
from helpers.language import LearnerError, check_choice
from helpers.pretrained import find_trained_rows, identify_model

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
        raise LearnerError(
            en=f"“{word}” is no trained word of one token in this vocabulary: "
            "it has no row of its own",
            zh=f"“{word}”在这个词表里不是训练过的、只占一个词元的词：它没有自己的行",
        )


def read_vocabulary(model: PreTrainedModel, tokenizer: Any) -> Vocabulary:
    """Read the vocabulary of a CLIP's text tower, or of a language model."""
    tower = getattr(model, "text_model", None)
    embeddings = tower.embeddings.token_embedding if tower else model.get_input_embeddings()
    table = embeddings.weight.detach()  # (V, D)
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
        raise LearnerError(
            en=f"vectors are {own} wide, the table {other}: they come from different models",
            zh=f"向量的宽度是 {own}，表的宽度是 {other}：它们来自不同的模型",
        )
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


def rank_row(apart: Tensor, which: Tensor) -> Tensor:
    """Rank the one row that is marked in (W,) by distances (…, W): (…,), 1 for the nearest."""
    return 1 + (apart < apart[..., which]).sum(-1)


# --- what chance would show -----------------------------------------------------------------------


def draw_random_like(vectors: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    """Draw vectors (draws, M, D) that point anywhere, as long as those of (M, D).

    Taken apart in lesson 04, section 4.
    """
    anywhere = torch.randn(draws, *vectors.shape, generator=generator).to(vectors)
    return F.normalize(anywhere, dim=-1) * vectors.norm(dim=-1, keepdim=True)


def measure_distances_within(
    table: Tensor, rows: Tensor, metric: Metric = "cosine", at_most: int = 500
) -> Tensor:
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


# --- principal components -------------------------------------------------------------------------


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


def shuffle_columns(table: Tensor, generator: torch.Generator) -> Tensor:
    """Shuffle each column of a table (V, D) on its own, so that nothing belongs together.

    The share of variance that its directions carry is the null for those of the table (parallel
    analysis: Horn 1965).
    """
    orders = torch.rand(table.shape, generator=generator).argsort(0).to(table.device)  # (V, D)
    return table.gather(0, orders)


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


class _Snapped(nn.Module):
    """The nearest rows in the forward pass; in the backward pass as if nothing had been done.

    Straight-through: Bengio et al. 2013,
    arXiv 1308.3432.
    """

    def __init__(self, table: Tensor, rows: Tensor) -> None:
        super().__init__()
        self.table, self.rows = table, rows

    def forward(self, vectors: Tensor) -> Tensor:
        snapped = snap(vectors, self.table, self.rows).to(vectors.dtype)
        return _StraightThrough.apply(vectors, snapped)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor, snapped: Tensor) -> Tensor:
        return snapped

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


@contextmanager
def snap_parameter(module: nn.Module, name: str, table: Tensor, rows: Tensor) -> Iterator[None]:
    """Within, have a parameter read as the nearest allowed rows; afterwards it is those rows.

    What lies beneath learns freely.

    Args:
        module: that has the parameter.
        name: of the parameter, (…, D).
        table: token embeddings, (V, D).
        rows: the numbers of those allowed, (W,).

    PEZ: Wen et al. 2023, arXiv 2302.03668. Taken apart in lesson 04, section 6.
    """
    parametrize.register_parametrization(module, name, _Snapped(table, rows))
    try:
        yield
    finally:
        parametrize.remove_parametrizations(module, name)


# --- influence ------------------------------------------------------------------------------------


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
