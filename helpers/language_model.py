"""What the course asks of a frozen causal language model, in each model's own way.

Families differ: some scale embeddings, some scale or cap logits. Here is the one place that knows;
the soft prompt and its training (helpers/captioner.py) ask here.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from helpers.language import LearnerError

# Chinese, Japanese and their punctuation, between which nobody writes a blank
_CJK = "[\u2e80-\u9fff\uf900-\ufaff\uff00-\uff65]"


def embed_ids(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """Turn ids (…, T) into the vectors (…, T, D) that enter the model.

    By its embedding module and not from the module's table, which some families scale (Gemma 3).

    Raises:
        ValueError: an id has no row in the table, so the tokenizer is of another model.
    """
    module = model.get_input_embeddings()
    rows = module.weight.shape[0]
    if ids.numel() and not 0 <= ids.min() <= ids.max() < rows:
        raise LearnerError(
            en=f"the text has the token id {ids.max().item()}, and the model's table ends at "
            f"{rows - 1}: tokenizer and model do not belong together",
            zh=f"文字里有编号 {ids.max().item()} 的词元，而模型的词表只到 {rows - 1}："
            "分词器和模型不是一套",
        )
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
        separable: whether body and head may be called one after the other, as `check_causal` says.
            Then hidden states come back, and the head need only see the places that are scored.
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
def check_causal(model: PreTrainedModel) -> bool:
    """Whether body and head, one after the other, give the model's own logits.

    They do not where its forward scales or caps logits in between (Cohere, Gemma 2, Granite).
    Found out on one ragged batch, whose two rows are also read by the model alone.

    Raises:
        ValueError: it reads words otherwise when they come as vectors, or it sees what stands
            behind a word, so that to predict the next one is no task.
    """
    table, pad = model.get_input_embeddings().weight, getattr(model.config, "pad_token_id", None)
    allowed = torch.tensor([row for row in range(len(table)) if row != pad][: 10**4])
    ids = allowed[torch.linspace(0, len(allowed) - 1, 12).long()].view(2, 6).to(table.device)
    short = slice(0, 4)
    alone = [model(input_ids=row).logits[0] for row in (ids[:1, short], ids[1:])]
    try:
        vectors = embed_ids(model, ids)  # (2, 6, D)
        rows = (vectors[:1, short].clone(), vectors[1:].clone())
        entered = [model(inputs_embeds=row).logits[0] for row in rows]
    # a model that takes no vectors
    except (TypeError, ValueError, NotImplementedError):
        entered = [torch.full_like(row, torch.nan) for row in alone]
    kind = type(model).__name__
    if not _agree(torch.cat(entered), torch.cat(alone)):
        raise LearnerError(
            en=f"{kind} reads words otherwise when they come as vectors: a soft prompt would stand "
            "beside words that it does not know. Use another language model",
            zh=f"{kind} 读到向量和读到词元时，算法不一样：软提示词旁边的词它就认错了。"
            "请换一个语言模型",
        )
    # a copy: CTRL scales what it is given in its place
    whole = model(inputs_embeds=vectors.clone()).logits  # (2, 6, V)
    if not _agree(torch.cat([whole[0, short], whole[1]]), torch.cat(alone)):
        raise LearnerError(
            en=f"{kind} sees the words that come after the one it predicts: it is not causal as it "
            'was loaded (for BERT and its like, "is_decoder": true in config.json makes it so)',
            zh=f"{kind} 预测一个词时，看得见后面的词：照现在的配置，它不是因果模型"
            '（BERT 一类的模型，要在 config.json 里写 "is_decoder": true）',
        )
    try:
        body = read_vectors(model, vectors, separable=True)
        return _agree(compute_logits(model, body, separable=True), whole)
    # no body or head that could be called by itself
    except (TypeError, AttributeError, RuntimeError):
        return False


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
