"""What the explorers of lesson 01b share: a text as GPT-2 reads it, what stands in it after each layer, and what that predicts."""

from __future__ import annotations

from typing import Any, NamedTuple

import ipywidgets
import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

from helpers import by_hand
from helpers.language import LearnerError, say
from lessons.kit.explorer import style_control
from lessons.kit.tokens import name_token

MOST_TOKENS = 22  # there is a row for each in the figures


def make_text_line(text: str) -> ipywidgets.Text:
    return ipywidgets.Text(text, description=say(en="text", zh="文字"), continuous_update=False, **style_control(46))


def make_text_and_place(tokenizer: Any, text: str) -> dict[str, ipywidgets.Widget]:
    """A line to write in, and a slider over the positions of what stands there, at the last one."""
    line, last = make_text_line(text), len(tokenizer(text)["input_ids"]) - 1
    label = say(en="position", zh="位置")
    place = ipywidgets.IntSlider(last, min=0, max=last, description=label, **style_control(46))

    def fit_place(change: dict[str, Any]) -> None:
        """Where the text fits into the figure, so that no position is beyond it."""
        if 1 <= (length := len(tokenizer(change["new"], verbose=False)["input_ids"])) <= MOST_TOKENS:
            place.max = length - 1

    line.observe(fit_place, names="value")
    return {"text": line, "place": place}


class Reading(NamedTuple):
    """A text: its tokens for people, and in GPT-2 the vectors (1, T, D) before the first layer and after each, and the shares (H, T, T)."""

    tokens: list[str]
    states: list[Tensor]
    shares: list[Tensor]


@torch.no_grad()
def read_text(gpt2: GPT2LMHeadModel, tokenizer: Any, text: str, masked: bool = True) -> Reading:
    """Let GPT-2 read a text, by hand, so that it can also be done without the mask."""
    row = tokenizer(text, verbose=False)["input_ids"]
    most = min(MOST_TOKENS, gpt2.config.n_positions)
    if not 1 <= len(row) <= most:
        raise LearnerError(
            en=f"This text has {len(row)} tokens; the figure has room for 1 to {most}.",
            zh=f"这段文字有 {len(row)} 个词元，图里放得下 1 到 {most} 个。",
        )
    ids = torch.tensor([row], device=gpt2.device)
    states, shares = [by_hand.embed_gpt2_tokens(gpt2, ids)], []
    mask = by_hand.make_causal_mask(len(row)).to(gpt2.device) if masked else None
    for block in gpt2.transformer.h:
        shares.append(by_hand.attend_gpt2(block, block.ln_1(states[-1]), mask)[1][0].float().cpu())
        states.append(by_hand.run_gpt2_layer(block, states[-1], mask))
    return Reading([name_token(tokenizer, id) for id in row], states, shares)


class Guesses(NamedTuple):
    """At each of T places the likeliest k next tokens, by name, and their probabilities (T, k)."""

    names: list[list[str]]
    shares: list[list[float]]


@torch.no_grad()
def guess_next(gpt2: GPT2LMHeadModel, tokenizer: Any, state: Tensor, k: int = 1) -> Guesses:
    """What the head says to vectors (1, T, D), those after the last layer or any before it."""
    shares, ids = by_hand.score_next_tokens(gpt2, state)[0].float().softmax(-1).topk(k)
    return Guesses([[name_token(tokenizer, id) for id in row] for row in ids], shares.tolist())


def count_hits(tokens: list[str], guesses: Guesses) -> int:
    """At how many places the likeliest next token is the one that follows."""
    return sum(names[0] == token for names, token in zip(guesses.names, tokens[1:]))
