"""Explorer of lesson 01b, a logit lens: what GPT-2's head says to the vectors before the first layer and after each.

The idea is nostalgebraist's: interpreting GPT, the logit lens (2020).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from transformers import GPT2LMHeadModel

from helpers import by_hand
from helpers.language import say
from lessons.kit.explorer import Explorer
from lessons.kit.picture import Picture
from lessons.lesson_01_inside_clip import figures_b as figures
from lessons.lesson_01_inside_clip.explorers_b.shared import guess_next, make_text_and_place, read_text

MOST_COLUMNS = 7  # of a deep model the first, the last, and some between them


def explore_lens(gpt2: GPT2LMHeadModel, tokenizer: Any, text: str) -> Explorer:
    """Type a text and choose a place: see what the head says to the vectors of every place, layer by layer."""
    controls = make_text_and_place(tokenizer, text)

    def draw(now: SimpleNamespace) -> Picture:
        tokens, states, _ = read_text(gpt2, tokenizer, now.text)
        chosen, depth = now.place, len(states) - 1
        columns = torch.linspace(0, depth, min(MOST_COLUMNS, depth + 1)).round().int().tolist()
        guesses = [guess_next(gpt2, tokenizer, states[layer]) for layer in columns]
        said = [guess.names[chosen][0] for guess in guesses]
        with torch.no_grad():
            logits = torch.stack([by_hand.score_next_tokens(gpt2, state)[0, chosen] for state in states])  # (L + 1, V)
        final = logits.float().softmax(-1)[:, logits[-1].argmax()].tolist()
        first = next(
            layer for layer in range(depth + 1) if all(row.argmax() == logits[-1].argmax() for row in logits[layer:])
        )
        steps = say(en=", ", zh="，").join(
            say(en=f"after layer {layer} “{name}”", zh=f"第 {layer} 层之后“{name}”")
            if layer
            else say(en=f"before layer 1 “{name}”", zh=f"第 1 层之前“{name}”")
            for layer, name in zip(columns, said)
        )
        return figures.draw_lens(
            tokens,
            columns,
            guesses,
            chosen,
            final,
            title=say(
                en=f"Position {chosen}, “{tokens[chosen]}”: “{said[-1]}” is on top {_tell_since(first)}",
                zh=f"位置 {chosen} 的“{tokens[chosen]}”：{_tell_since(first)}，最可能的就是“{said[-1]}”",
            ),
            alt=say(
                en=f"A grid: a row for each of {len(tokens)} positions, a column for the vectors before the first layer and after each of "
                f"{depth}; in each cell the token that the head finds likeliest. At position {chosen}, {tokens[chosen]}: {steps}. Beneath, "
                f"a line: how likely “{said[-1]}” is at this position after each layer.",
                zh=f"一张格子图：{len(tokens)} 个位置各占一行，第一层之前和 {depth} 层里每一层之后的向量各占一列；格子里是输出头认为最可能的词元。"
                f"位置 {chosen}（{tokens[chosen]}）：{steps}。下面一条折线：这个位置上“{said[-1]}”的概率，逐层的变化。",
            ),
            caption=say(
                en="In each cell the likeliest token and its probability in per cent, the darker the higher. In bold: what GPT-2 says at the end. "
                "Only after the last layer is this what the model was trained to say; before it, we lay the head on vectors that it was never made for.",
                zh="每一格里是最可能的词元和它的概率（%），颜色越深，概率越高；粗体的，和 GPT-2 最后说的一样。只有最后一层之后，才是模型训练时要它说的；"
                "前面各列，是我们把输出头硬接到了不是为它准备的向量上。",
            ),
        )

    return Explorer(controls, draw)


def _tell_since(layer: int) -> str:
    return say(
        en=f"from layer {layer} on" if layer else "as it enters, and after every layer",
        zh=f"从第 {layer} 层起" if layer else "从进来时起",
    )
