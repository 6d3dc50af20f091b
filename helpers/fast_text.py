"""The text features of a learnable context with less work: the same numbers as the plain path, to rounding (lesson 02b)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers import CLIPModel
from transformers.models.clip.modeling_clip import CLIPTextEmbeddings

KEPT_FOR_BACKWARD = 512 * 2**20  # bytes that a chunk of classes may keep for the backward pass


def fast_features(
    clip: CLIPModel,
    embeddings: CLIPTextEmbeddings,
    ids: Tensor,
    end: Tensor,
    shared: int,
    at_once: int | None = None,
) -> Tensor:
    """The same as `plain_features`, to rounding; lesson 02b shows why.

    end: (C,), where each text is pooled. What stands after the last of them is cut off. The first `shared` positions are the same
    in all texts and are computed once for all of them.
    at_once: how many texts go through the tower together; by default as many as `KEPT_FOR_BACKWARD` allows. More are done in turn, and
    computed a second time in the backward pass (gradient checkpointing: Chen et al. 2016, arXiv 1604.06174), so that memory is bounded.
    """
    vectors = embeddings(input_ids=ids[:, : int(end.max()) + 1])  # (C, T, D)
    common, own, end = (
        vectors[0, :shared],
        vectors[:, shared:],
        end - shared,
    )  # (S, D), (C, L, D), (C,)
    at_once = at_once or _affordable(clip, common, own)
    if len(own) <= at_once:
        pooled = side_by_side(clip, common, own, end)  # (C, D)
    else:
        chunks = zip(own.split(at_once), end.split(at_once))
        pooled = torch.cat(
            [
                checkpoint(side_by_side, clip, common, *chunk, use_reentrant=False)
                for chunk in chunks
            ]
        )
    return clip.text_projection(clip.text_model.final_layer_norm(pooled))


def side_by_side(clip: CLIPModel, common: Tensor, own: Tensor, end: Tensor) -> Tensor:
    """The positions that all texts share (S, D) and the texts' own (C, L, D) through the tower, to what stands at the ends (C, D).

    end: (C,), counted from the first of a text's own positions. The last layer is finished at the ends and nowhere else.
    """
    shared, (texts, length, _) = len(common), own.shape
    x = torch.cat(
        [common, own.flatten(0, 1)]
    )  # (S + C L, D): a position is a row, whichever text it belongs to
    *layers, last = clip.text_model.encoder.layers
    for layer in layers:
        x = finish(layer, x, look_back(layer, x, shared, texts))
    ends = shared + length * torch.arange(texts, device=x.device) + end  # (C,)
    return finish(last, x[ends], look_back(last, x, shared, texts)[ends])


def look_back(layer: nn.Module, x: Tensor, shared: int, texts: int) -> Tensor:
    """What each position takes from those before it: rows (S + C L, D) to rows.

    The shared positions look at each other, a text's own at the shared ones and at each other.
    """
    attend, normed = layer.self_attn, layer.layer_norm1(x)

    def heads(project: nn.Module) -> tuple[Tensor, Tensor]:
        """(1, H, S, d) of the shared positions, (C, H, L, d) of the texts' own."""
        common, own = (
            project(normed).unflatten(-1, (attend.num_heads, -1)).split([shared, len(x) - shared])
        )
        return common[None].transpose(1, 2), own.unflatten(0, (texts, -1)).transpose(1, 2)

    common_query, query = heads(attend.q_proj)
    common_key, key = heads(attend.k_proj)
    common_value, value = heads(attend.v_proj)
    key = torch.cat([common_key.expand(texts, -1, -1, -1), key], dim=2)  # (C, H, S + L, d)
    value = torch.cat([common_value.expand(texts, -1, -1, -1), value], dim=2)
    length = query.shape[2]
    # (L, S + L): everything that is shared, and of one's own nothing that comes later
    allowed = torch.ones(length, shared + length, dtype=torch.bool, device=x.device).tril(shared)
    taken = (
        F.scaled_dot_product_attention(
            common_query, common_key, common_value, is_causal=True
        ),  # (1, H, S, d)
        F.scaled_dot_product_attention(query, key, value, attn_mask=allowed),  # (C, H, L, d)
    )
    return torch.cat(
        [part.transpose(1, 2).flatten(0, 1).flatten(1) for part in taken]
    )  # (S + C L, D)


def finish(layer: nn.Module, x: Tensor, taken: Tensor) -> Tensor:
    """The rest of a layer, in which no position looks at another: (N, D) to (N, D)."""
    x = x + layer.self_attn.out_proj(taken)
    return x + layer.mlp(layer.layer_norm2(x))


def shared_positions(ids: Tensor, end: Tensor, own_slots: int | None = None) -> int:
    """How many positions at the beginning are the same in all texts (C, T), none of which ends (C,) there.

    own_slots: id of the placeholder where every text has vectors of its own in the slots, so that none of those is shared.
    """
    same = (ids == ids[0]).all(0)  # (T,)
    if own_slots is not None:
        same &= ids[0] != own_slots
    return min(int(same.int().cumprod(0).sum()), int(end.min()))


def _affordable(clip: CLIPModel, common: Tensor, own: Tensor) -> int:
    """How many texts may keep what their backward pass needs, in each layer: about 20 D numbers for each of L positions, and keys and
    values of the S that they look back at."""
    _, length, width = own.shape
    numbers = (20 * length + 2 * len(common)) * width * clip.config.text_config.num_hidden_layers
    return max(1, KEPT_FOR_BACKWARD // (numbers * own.element_size()))
