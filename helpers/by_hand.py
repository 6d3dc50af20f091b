"""CLIP's two towers and GPT-2 by hand, from the library model's own weights; a loop that writes.

What lessons 01, 01b and 03 take apart. Every function takes the model (or one of its layers) and
tensors, and gives what the library gives, to rounding. CLIP: Radford et al. 2021, arXiv 2103.00020;
GPT-2: Radford et al. 2019; the layer is that of Vaswani et al. 2017, arXiv 1706.03762, normalised
first.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import CLIPModel, GPT2LMHeadModel, PreTrainedModel


def embed_tokens(clip: CLIPModel, ids: Tensor) -> Tensor:
    """Look up what enters the text tower: ids (B, T) to vectors (B, T, D).

    The row of each token plus the vector of its position.

    Taken apart in lesson 01, section 3.
    """
    tables = clip.text_model.embeddings
    return tables.token_embedding(ids) + tables.position_embedding.weight[: ids.shape[1]]


def make_causal_mask(length: int) -> Tensor:
    """Make what is added to attention scores, (T, T): minus infinity where it would look ahead."""
    return torch.full((length, length), float("-inf")).triu(1)


def run_heads(
    query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Let positions take from each other, in each head by itself.

    Args:
        query, key, value: (B, T, D) each, all heads side by side.
        heads: into how many D is cut.
        mask: (T, T), what is added to the scores. None where every position may look anywhere.

    Returns:
        What each position took, (B, T, D), and the shares (B, H, T, T): shares[b, h, i, j] is how
        much position i took from position j in head h.

    Taken apart in lesson 01b, section 3.
    """
    split = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key, value))
    query, key, value = split  # (B, H, T, D / H)
    scores = query @ key.mT * query.shape[-1] ** -0.5  # (B, H, T, T)
    if mask is not None:
        scores = scores + mask
    shares = scores.softmax(-1)
    return (shares @ value).transpose(1, 2).flatten(2), shares


def attend(layer: nn.Module, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Let positions take from each other: x (B, T, D) to (B, T, D), and the shares (B, H, T, T).

    layer: one of CLIP's `encoder.layers`; x: already normalised.
    Taken apart in lesson 01, section 4.
    """
    attention = layer.self_attn
    projections = attention.q_proj, attention.k_proj, attention.v_proj
    query, key, value = (project(x) for project in projections)
    taken, shares = run_heads(query, key, value, attention.num_heads, mask)
    return attention.out_proj(taken), shares


def run_layer(layer: nn.Module, x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Add to each position what it takes from the others, then what it thinks of it: (B, T, D)."""
    x = x + attend(layer, layer.layer_norm1(x), mask)[0]
    return x + layer.mlp(layer.layer_norm2(x))


def find_end_of_text(clip: CLIPModel, ids: Tensor) -> Tensor:
    """Find where each text is pooled, (B,): at its first end-of-text token.

    OpenAI's configurations say eos_token_id = 2, which no text contains; for them the largest id is
    taken, which is end-of-text.
    Taken apart in lesson 01, section 5.
    """
    eos = clip.config.text_config.eos_token_id
    return ids.argmax(-1) if eos == 2 else (ids == eos).int().argmax(-1)


def run_text_layers(clip: CLIPModel, x: Tensor) -> Tensor:
    """Send what entered the text tower, (B, T, D), through its layers and last normalisation."""
    mask = make_causal_mask(x.shape[1]).to(clip.device)
    for layer in clip.text_model.encoder.layers:
        x = run_layer(layer, x, mask)
    return clip.text_model.final_layer_norm(x)


def run_text_tower(clip: CLIPModel, ids: Tensor) -> Tensor:
    """ids (B, T) to one vector a text, (B, D)."""
    x = run_text_layers(clip, embed_tokens(clip, ids))  # (B, T, D)
    return x[torch.arange(len(ids)), find_end_of_text(clip, ids)]


def embed_patches(clip: CLIPModel, pixels: Tensor) -> Tensor:
    """Make what enters the vision tower: pixels (B, 3, S, S) to (B, 1 + P, D).

    The class vector first, then one vector a patch.

    Taken apart in lesson 01, section 6.
    """
    tables = clip.vision_model.embeddings
    patches = tables.patch_embedding(pixels).flatten(2).mT  # (B, P, D)
    first = tables.class_embedding.expand(len(pixels), 1, -1)  # (B, 1, D)
    return torch.cat([first, patches], dim=1) + tables.position_embedding.weight


def run_vision_tower(clip: CLIPModel, pixels: Tensor) -> Tensor:
    """pixels (B, 3, S, S) to one vector a picture, (B, D)."""
    x = clip.vision_model.pre_layrnorm(embed_patches(clip, pixels))
    for layer in clip.vision_model.encoder.layers:
        x = run_layer(layer, x)
    return clip.vision_model.post_layernorm(x[:, 0])


def compute_logits(clip: CLIPModel, images: Tensor, texts: Tensor) -> Tensor:
    """Score how well pictures (B, Dv) and texts (C, Dt) fit: (B, C), cosines times the scale.

    The vectors are those that the towers give; the scale was learned.

    Taken apart in lesson 01, section 8.
    """
    images = nn.functional.normalize(clip.visual_projection(images), dim=-1)
    texts = nn.functional.normalize(clip.text_projection(texts), dim=-1)
    return clip.logit_scale.exp() * images @ texts.T


def embed_gpt2_tokens(gpt2: GPT2LMHeadModel, ids: Tensor) -> Tensor:
    """Look up what enters GPT-2, as `embed_tokens` does for CLIP: ids (B, T) to (B, T, D)."""
    body = gpt2.transformer
    return body.wte(ids) + body.wpe.weight[: ids.shape[1]]


def attend_gpt2(block: nn.Module, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """What `attend` does, with the weights of one of GPT-2's `transformer.h`.

    One matrix makes query, key and value, side by side.
    """
    attention = block.attn
    query, key, value = attention.c_attn(x).chunk(3, dim=-1)  # (B, T, D) each
    taken, shares = run_heads(query, key, value, attention.num_heads, mask)
    return attention.c_proj(taken), shares


def run_gpt2_layer(block: nn.Module, x: Tensor, mask: Tensor | None = None) -> Tensor:
    """What `run_layer` does, with the weights of one of GPT-2's `transformer.h`: (B, T, D)."""
    x = x + attend_gpt2(block, block.ln_1(x), mask)[0]
    return x + block.mlp(block.ln_2(x))


def score_next_tokens(gpt2: GPT2LMHeadModel, x: Tensor) -> Tensor:
    """Score every token as the next one: vectors (B, T, D) to logits (B, T, V).

    The head is tied: it is the embedding table, transposed. Taken apart in lesson 01b, section 5.
    """
    return gpt2.transformer.ln_f(x) @ gpt2.transformer.wte.weight.T


def run_gpt2(gpt2: GPT2LMHeadModel, ids: Tensor) -> Tensor:
    """ids (B, T) to the logits of each position's next token, (B, T, V)."""
    x, mask = embed_gpt2_tokens(gpt2, ids), make_causal_mask(ids.shape[1]).to(gpt2.device)
    for block in gpt2.transformer.h:
        x = run_gpt2_layer(block, x, mask)
    return score_next_tokens(gpt2, x)


@torch.no_grad()
def decode_greedily(
    language_model: PreTrainedModel, before: Tensor, end: int, longest: int = 40
) -> list[int]:
    """Take the likeliest token again and again, everything computed anew each time.

    Args:
        language_model: whose tokens they are.
        before: the vectors that stand in front, (1, N, D).
        end: the id that ends a text.
        longest: how many tokens at most.

    Returns:
        The ids, without that of the end.

    Taken apart in lesson 03, section 8.
    """
    table, vectors, ids = language_model.get_input_embeddings(), before, []
    while len(ids) < longest:
        id = language_model(inputs_embeds=vectors).logits[0, -1].argmax()
        if id == end:
            break
        ids.append(id.item())
        vectors = torch.cat([vectors, table(id)[None, None]], dim=1)  # (1, N + 1, D)
    return ids
