"""The text features of a learnable context with less work: the same numbers, up to rounding.

Three things are saved: what stands behind the end of every text is cut off, positions that all
texts share are computed once, and the last layer is finished where the texts end and nowhere else.
Taken apart in lesson 02b, sections 2 and 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers import CLIPModel
from transformers.models.clip.modeling_clip import CLIPTextEmbeddings

KEPT_FOR_BACKWARD = 512 * 2**20  # bytes that a chunk of texts may keep for the backward pass


def encode_fast(
    clip: CLIPModel,
    embeddings: CLIPTextEmbeddings,
    ids: Tensor,
    end: Tensor,
    shared: int,
    chunk_size: int | None = None,
) -> Tensor:
    """The text features (C, D) of `context.encode_plain`, up to rounding.

    Args:
        clip: the model.
        embeddings: that it reads the texts by.
        ids: (C, T).
        end: where each text ends, (C,): there its features are taken.
        shared: how many positions at the beginning are the same in all texts.
        chunk_size: texts that go through the tower together; by default as many as
            `KEPT_FOR_BACKWARD` allows. The others follow in turn, and are computed again in
            the backward pass, so that memory is bounded (gradient checkpointing: Chen
            et al. 2016, arXiv 1604.06174).
    """
    vectors = embeddings(input_ids=ids[:, : int(end.max()) + 1])  # (C, T', D)
    common, own, end = vectors[0, :shared], vectors[:, shared:], end - shared  # (S, D), (C, L, D)
    if chunk_size is None:
        layers = clip.config.text_config.num_hidden_layers
        kept = own.element_size() * count_kept(own.shape[2], layers, own.shape[1], shared)
        chunk_size = max(1, KEPT_FOR_BACKWARD // kept)
    if len(own) <= chunk_size:
        pooled = run_side_by_side(clip, common, own, end)  # (C, D)
    else:
        parts = [
            checkpoint(run_side_by_side, clip, common, *chunk, use_reentrant=False)
            for chunk in zip(own.split(chunk_size), end.split(chunk_size))
        ]
        pooled = torch.cat(parts)
    return clip.text_projection(clip.text_model.final_layer_norm(pooled))


def run_side_by_side(clip: CLIPModel, common: Tensor, own: Tensor, end: Tensor) -> Tensor:
    """Send shared positions (S, D) and the texts' own (C, L, D) through the tower: (C, D).

    Args:
        clip: the model.
        common: the shared positions, (S, D).
        own: of each text, (C, L, D).
        end: where what is given stands, (C,), counted from the first of a text's own positions.
    """
    shared, (texts, length, _) = len(common), own.shape
    # (S + C L, D): a position is a row, whichever text it belongs to
    x = torch.cat([common, own.flatten(0, 1)])
    *layers, last = clip.text_model.encoder.layers
    for layer in layers:
        x = finish_layer(layer, x, attend_back(layer, x, shared, texts))  # (S + C L, D)
    ends = shared + length * torch.arange(texts, device=x.device) + end  # (C,)
    return finish_layer(last, x[ends], attend_back(last, x, shared, texts)[ends])


def attend_back(layer: nn.Module, x: Tensor, shared: int, texts: int) -> Tensor:
    """What attention takes for each position from those before it: rows (S + C L, D) to rows.

    Shared positions attend to each other, a text's own to the shared ones and to each other.

    Args:
        layer: one of `encoder.layers`.
        x: the shared positions, and then those of each text, (S + C L, D).
        shared: S.
        texts: C.
    """
    attention, normed = layer.self_attn, layer.layer_norm1(x)

    def split_heads(project: nn.Module) -> tuple[Tensor, Tensor]:
        """(1, H, S, d) of the shared positions, (C, H, L, d) of the texts' own."""
        split = project(normed).unflatten(-1, (attention.num_heads, -1))  # (S + C L, H, d)
        common, own = split.split([shared, len(x) - shared])
        return common[None].transpose(1, 2), own.unflatten(0, (texts, -1)).transpose(1, 2)

    common_query, query = split_heads(attention.q_proj)
    common_key, key = split_heads(attention.k_proj)
    common_value, value = split_heads(attention.v_proj)
    key = torch.cat([common_key.expand(texts, -1, -1, -1), key], dim=2)  # (C, H, S + L, d)
    value = torch.cat([common_value.expand(texts, -1, -1, -1), value], dim=2)
    length = query.shape[2]
    # (L, S + L): everything that is shared, and of a text's own positions none that comes later
    allowed = torch.ones(length, shared + length, dtype=torch.bool, device=x.device).tril(shared)
    taken = (
        F.scaled_dot_product_attention(common_query, common_key, common_value, is_causal=True),
        F.scaled_dot_product_attention(query, key, value, attn_mask=allowed),
    )  # (1, H, S, d), (C, H, L, d)
    return torch.cat([part.transpose(1, 2).flatten(0, 1).flatten(1) for part in taken])


def finish_layer(layer: nn.Module, x: Tensor, taken: Tensor) -> Tensor:
    """The rest of a layer, in which no position sees another: (N, D) to (N, D)."""
    x = x + layer.self_attn.out_proj(taken)
    return x + layer.mlp(layer.layer_norm2(x))


def count_shared(ids: Tensor, end: Tensor, own_slots: int | None = None) -> int:
    """Count positions at the beginning that are the same in all texts (C, T).

    None of them ends a text, end: (C,).
    own_slots: id of the placeholder where each text has vectors of its own in the slots, so that
    none of those is shared.
    """
    same = (ids == ids[0]).all(0)  # (T,)
    if own_slots is not None:
        same &= ids[0] != own_slots
    return min(int(same.int().cumprod(0).sum()), int(end.min()))


def count_kept(width: int, layers: int, own: int, shared: int = 0) -> int:
    """Count the numbers that a text keeps for its backward pass.

    Args:
        width: D.
        layers: how many.
        own: its own positions, each with about 20 D numbers in each layer.
        shared: those of all texts, of which it keeps keys and values.
    """
    return layers * width * (20 * own + 2 * shared)
