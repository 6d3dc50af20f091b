"""Explorer of lesson 01b: what GPT-2 expects next, at every place of a text."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from transformers import GPT2LMHeadModel

from helpers.language import say
from lessons.kit.explorer import Explorer, format_percent
from lessons.kit.picture import Picture
from lessons.lesson_01_inside_clip import figures_b as figures
from lessons.lesson_01_inside_clip.explorers_b.shared import count_hits, guess_next, make_text_and_place, read_text

TOP = 7


def explore_places(gpt2: GPT2LMHeadModel, tokenizer: Any, text: str) -> Explorer:
    """Type a text and choose a place in it: see what GPT-2 expects after every place, and after that one more closely."""
    controls = make_text_and_place(tokenizer, text)

    def draw(now: SimpleNamespace) -> Picture:
        tokens, states, _ = read_text(gpt2, tokenizer, now.text)
        guesses = guess_next(gpt2, tokenizer, states[-1], TOP)
        firsts = [names[0] for names in guesses.names]
        hits, of = count_hits(tokens, guesses), len(tokens) - 1
        best, share = firsts[now.place], format_percent(guesses.shares[now.place][0], 0)
        listed = say(en=", ", zh="，").join(
            say(en=f"after “{token}” it expects “{guess}”", zh=f"“{token}”之后猜“{guess}”")
            for token, guess in zip(tokens, firsts)
        )
        return figures.draw_places(
            tokens,
            guesses,
            now.place,
            title=say(
                en=f"After “{tokens[now.place]}” at position {now.place} GPT-2 expects “{best}” ({share})",
                zh=f"读到位置 {now.place} 的“{tokens[now.place]}”，GPT-2 认为接下来最可能是“{best}”（{share}）",
            ),
            alt=say(
                en=f"A row for each of {len(tokens)} positions: the token read there, and the token that GPT-2 finds likeliest next: "
                f"{listed}. Beside them, for position {now.place}, a bar for each of the {TOP} likeliest tokens, “{best}” the longest.",
                zh=f"一共 {len(tokens)} 个位置，每个占一行：读到的词元，以及 GPT-2 认为最可能的下一个词元：{listed}。"
                f"右边是位置 {now.place} 上最可能的 {TOP} 个词元，各画一条，最长的是“{best}”。",
            ),
            caption=say(
                en=f"One pass through GPT-2 gives all {len(tokens)} predictions. A ✓ says that the likeliest token is the one that "
                f"follows in the text: {hits} of {of}. What comes after the last position, nobody has written yet.",
                zh=f"GPT-2 只算一遍，{len(tokens)} 个预测就都有了。✓ 表示最可能的词元和文中的下一个相同：{of} 个里有 {hits} 个。"
                "最后一个位置之后是什么，还没有人写。",
            ),
        )

    return Explorer(controls, draw)
