"""Explorer of lesson 01b: where one head of GPT-2 looks, with the causal mask and without it, and what is predicted then."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import ipywidgets
from transformers import GPT2LMHeadModel

from helpers.language import say
from lessons.kit.explorer import Explorer, format_percent, make_dropdown, style_control
from lessons.kit.picture import Picture
from lessons.lesson_01_inside_clip import figures_b as figures
from lessons.lesson_01_inside_clip.explorers_b.shared import count_hits, guess_next, make_text_line, read_text


def explore_heads(gpt2: GPT2LMHeadModel, tokenizer: Any, text: str, layer: int = 1, head: int = 1) -> Explorer:
    """Type a text, choose a layer and a head, and see who looks at whom; take the mask away, and see what becomes of the predictions.

    layer, head: those to begin with, counted from 1.
    """
    layers, heads = gpt2.config.n_layer, gpt2.config.n_head
    masks = {say(en="causal", zh="因果掩码"): True, say(en="none", zh="不用"): False}
    controls = {
        "text": make_text_line(text),
        "layer": ipywidgets.IntSlider(
            layer, min=1, max=layers, description=say(en="layer", zh="层"), **style_control(26)
        ),
        "head": ipywidgets.IntSlider(head, min=1, max=heads, description=say(en="head", zh="头"), **style_control(26)),
        "masked": make_dropdown(say(en="mask", zh="掩码"), masks, True, 18),
    }

    def draw(now: SimpleNamespace) -> Picture:
        tokens, states, shares = read_text(gpt2, tokenizer, now.text, now.masked)
        guesses = guess_next(gpt2, tokenizer, states[-1])
        weights = shares[now.layer - 1][now.head - 1]  # (T, T)
        last, where = tokens[-1], int(weights[-1].argmax())
        most = format_percent(weights[-1, where].item(), 0)
        hits, of = count_hits(tokens, guesses), len(tokens) - 1
        firsts = [names[0] for names in guesses.names]
        looks = [f"{token} → {tokens[int(row.argmax())]}" for token, row in zip(tokens, weights)]
        return figures.draw_head(
            tokens,
            weights.numpy(),
            guesses,
            masked=now.masked,
            title=say(
                en=f"Layer {now.layer}, head {now.head}: the last “{last}” looks most at “{tokens[where]}” (position {where}, {most})",
                zh=f"第 {now.layer} 层第 {now.head} 个头：最后的“{last}”看得最多的是位置 {where} 的“{tokens[where]}”（{most}）",
            ),
            alt=say(
                en=f"A grid of {len(tokens)} rows and columns, one for each token of the text; a row looks, a column is looked at, darker "
                f"is more. {'Above the diagonal all is hatched: nobody looks ahead' if now.masked else 'No mask: rows look ahead as well'}. "
                f"Where each looks most: {', '.join(looks)}. On the right, what GPT-2 then expects next: {', '.join(firsts)}.",
                zh=f"{len(tokens)} 行 {len(tokens)} 列的格子，文中每个词元一行一列；行是谁在看，列是看谁，颜色越深看得越多。"
                f"{'对角线以上全是斜线：谁也不往后看' if now.masked else '没有掩码：也能往后看'}。每一行看得最多的：{'、'.join(looks)}。"
                f"右边是这样算下来，GPT-2 预测的下一个词元：{'、'.join(firsts)}。",
            ),
            caption=say(
                en="The numbers are attention weights in per cent, from 5 on; a row adds up to 100. Layer and head are what you look "
                f"at; the predictions on the right come out of all of them together, and {hits} of {of} are what follows in the text (✓).",
                zh="格子里是注意力权重，单位是 %，5 以下的不写；一行加起来是 100。层和头只决定你看的是哪一张图；右边的预测是所有层、所有头"
                f"一起算出来的，{of} 个里有 {hits} 个和文中的下一个词元相同（✓）。",
            ),
        )

    return Explorer(controls, draw)
