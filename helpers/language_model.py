"""What the course asks of a frozen causal language model, in each model's own way.

Families differ: some scale embeddings, some scale or cap logits. Here is the one place that knows;
the soft prompt and its training (helpers/captioner.py) ask here.
"""

from __future__ import annotations

import copy
import re
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationConfig, PreTrainedModel

from helpers.language import LearnerError

# Chinese, Japanese and their punctuation, between which nobody writes a blank
_CJK = "[\u2e80-\u9fff\uf900-\ufaff\uff00-\uff65\U00020000-\U0003ffff—‘’“”…·]"


def embed_ids(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """Turn ids (…, T) into the vectors (…, T, D) that enter the model.

    By its embedding module and not from the module's table, which some families scale (Gemma 3).

    Raises:
        ValueError: an id has no row in the table, so the tokenizer is of another model.
    """
    module = model.get_input_embeddings()
    rows = module.weight.shape[0]
    if ids.numel() and not 0 <= ids.min() <= ids.max() < rows:
        raise LearnerError(key="id_beyond_table", highest=ids.max().item(), last=rows - 1)
    return module(ids)


def read_token_table(model: PreTrainedModel) -> Tensor:
    """The vectors that enter the model for each of its tokens, (V, D)."""
    module = model.get_input_embeddings()
    if type(module) is nn.Embedding:
        return module.weight
    return module(torch.arange(len(module.weight), device=module.weight.device)).detach()


def read_vectors(
    model: PreTrainedModel, vectors: Tensor, separable: bool, mask: Tensor | None = None
) -> Tensor:
    """Let a model read vectors (B, T, D): its last hidden states, or logits (B, T, V).

    Args:
        model: the language model.
        vectors: what it reads.
        separable: whether body and head may be called one after the other, as
            `prepare_language_model` says. Then hidden states come back, and the head need only see
            the places that are scored.
        mask: (B, T), 0 on padding. None where it stands on the right or nowhere.
    """
    if mask is not None:
        # padding goes to the right, where no word sees it: so no family's own way with masks and
        # positions matters
        order = mask.argsort(dim=1, descending=True, stable=True)[..., None]  # (B, T, 1)
        read = read_vectors(model, vectors.take_along_dim(order, 1), separable)
        return read.take_along_dim(order.argsort(1), 1)
    if separable:
        return model.base_model(inputs_embeds=vectors).last_hidden_state
    return model(inputs_embeds=vectors).logits


def compute_logits(model: PreTrainedModel, read: Tensor, separable: bool) -> Tensor:
    """Logits (…, V) at some places of what `read_vectors` gave, (…, D) or (…, V)."""
    return model.get_output_embeddings()(read) if separable else read


@torch.no_grad()
def prepare_language_model(model: PreTrainedModel) -> bool:
    """Whether body and head, one after the other, give the model's own logits.

    They do not where its forward scales or caps logits in between (Cohere, Gemma 2, Granite).
    Found out on one ragged batch, whose two rows are also read by the model alone. Its settings for
    writing are dropped: a penalty or another end of text would change what greedy means.

    Raises:
        ValueError: it reads words otherwise when they come as vectors; it sees what stands behind a
            word, so that to predict the next one is no task; or it cannot write behind vectors.
    """
    model.generation_config = GenerationConfig()
    if torch.finfo(model.dtype).bits < 32:  # rounding would hide what is looked for
        model = copy.deepcopy(model).float()
    table, pad = model.get_input_embeddings().weight, getattr(model.config, "pad_token_id", None)
    allowed = torch.tensor([row for row in range(len(table)) if row != pad][: 10**4])
    ids = allowed[torch.linspace(0, len(allowed) - 1, 12).long()].view(2, 6).to(table.device)
    kind, short = type(model).__name__, slice(0, 4)
    alone = [model(input_ids=row).logits[0] for row in (ids[:1, short], ids[1:])]
    try:
        vectors = embed_ids(model, ids)  # (2, 6, D)
        # copies: CTRL scales what it is given in its place
        rows = (vectors[:1, short].clone(), vectors[1:].clone())
        entered = [model(inputs_embeds=row).logits[0] for row in rows]
    # a model that takes no vectors
    except (TypeError, ValueError, NotImplementedError):
        entered = [torch.full_like(row, torch.nan) for row in alone]
    if not _agree(torch.cat(entered), torch.cat(alone)):
        raise LearnerError(key="reads_vectors_otherwise", kind=kind)
    whole = model(inputs_embeds=vectors.clone()).logits  # (2, 6, V)
    if not _agree(torch.cat([whole[0, short], whole[1]]), torch.cat(alone)):
        raise LearnerError(key="not_causal", kind=kind)
    if not _writes_as_it_reads(model, vectors):
        raise LearnerError(key="cannot_write", kind=kind)
    try:
        body = read_vectors(model, vectors, separable=True)
        return _agree(compute_logits(model, body, separable=True), whole)
    # no body or head that could be called by itself
    except (TypeError, AttributeError, RuntimeError):
        return False


def _writes_as_it_reads(model: PreTrainedModel, vectors: Tensor) -> bool:
    """Whether tokens that `generate` writes behind vectors (B, T, D) are the likeliest there."""
    how, mask = GenerationConfig(max_new_tokens=4, pad_token_id=0), vectors.new_ones(2, 6).long()
    try:
        ids = model.generate(  # (B, 4)
            inputs_embeds=vectors.clone(), attention_mask=mask, generation_config=how
        )
    # the library's class passes no vectors on
    except ValueError:
        return False
    behind = torch.cat([vectors, embed_ids(model, ids[:, :-1])], dim=1)
    logits = model(inputs_embeds=behind).logits[:, vectors.shape[1] - 1 :]  # (B, 4, V)
    return _agree(logits.take_along_dim(ids[..., None], -1)[..., 0], logits.max(-1).values)


def _agree(ours: Tensor, theirs: Tensor) -> bool:
    """Whether logits are equal up to rounding: to 1e-5 of the largest in fp32."""
    if ours.shape != theirs.shape:
        return False
    apart = (ours - theirs).float().abs().max()
    return bool(apart <= 84 * torch.finfo(theirs.dtype).eps * theirs.float().abs().max())


def decode(tokenizer: Any, ids: Tensor) -> str:
    """Turn ids (T,), all of a text, into the text, without special tokens.

    BERT's tokenizers put blanks between Chinese characters, where nobody writes them.
    """
    text = tokenizer.decode(ids, skip_special_tokens=True).strip()
    joined = re.sub(f"(?<={_CJK}) +(?={_CJK})", "", text)
    same = joined == text or tokenizer(joined)["input_ids"] == tokenizer(text)["input_ids"]
    return joined if same else text
