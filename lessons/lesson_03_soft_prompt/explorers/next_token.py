"""How a caption is chosen token by token: greedily, with beams, or drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import ipywidgets
import torch
from torch import Tensor

from helpers.captioner import VLMWithSoftPrompt
from helpers.language import say
from helpers.notebook import Table
from lessons.kit.explorer import Explorer, format_count, format_percent, use_one_thread
from lessons.kit.picture import LOCK, Picture
from lessons.lesson_03_soft_prompt.explorers.shared import (
    compute_state,
    describe_scene,
    encode_scenes,
    generate_captions,
    make_number_slider,
    make_picture_list,
    name_end,
    name_scene,
    name_token,
)
from lessons.lesson_03_soft_prompt.figures import captions as figures
from pocket.language import write_full_caption
from pocket.world import Scene, Thing, draw

SEED = 0  # of what is drawn at random: the same figure at every call
TOP, SAMPLES = 8, 3
ONE_THING = (  # scenes of one thing, each with the seed of its drawing
    (Scene((Thing("key", "blue", "small"),), "room", "cartoon"), 6),
    (Scene((Thing("cat", "red", "large"),), "snow", "photo"), 4),
    (Scene((Thing("umbrella", "yellow", "medium"),), "beach", "cartoon"), 5),
    (Scene((Thing("rocket", "purple", "medium"),), "night", "neon sign"), 7),
    (Scene((Thing("snail", "orange", "small"),), "forest", "painting"), 8),
    (Scene((Thing("guitar", "brown", "large"),), "desert", "sketch"), 9),
)


def explore_next_token(model: VLMWithSoftPrompt) -> Explorer:
    """Choose a picture and a place in its caption, and see which tokens are likely there, and which captions come of it.

    Greedy, with beams, and drawn at random with temperature and top_p: always with the same seed, so that nothing moves by itself.
    """
    features = encode_scenes(model, ONE_THING)

    @cache
    def decode(number: int, state: str) -> Greedy:
        return write_greedily(model, features[number])

    @cache
    def search(number: int, beams: int, state: str) -> str:
        return generate_captions(model, features[number, None], num_beams=beams)[0]

    @cache
    def sample(number: int, temperature: float, top_p: float, state: str) -> list[str]:
        rows, device = features[number].expand(SAMPLES, -1, -1), features.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(SEED)
            return generate_captions(model, rows, do_sample=True, temperature=temperature, top_p=top_p)

    def count_places(number: int) -> int:
        return len(decode(number, compute_state(model)).logits)

    with LOCK:
        first = find_least_sure([decode(number, compute_state(model)) for number in range(len(ONE_THING))])
        unsure = int(decode(first, compute_state(model)).compute_sureness().argmin()) + 1
    controls = {
        "picture": make_picture_list([name_scene(scene) for scene, _ in ONE_THING], first),
        "word": make_number_slider(say(en="word", zh="第几个词"), ipywidgets.IntSlider, unsure, 1, count_places(first)),
        "temperature": make_number_slider(
            say(en="temperature", zh="温度"), ipywidgets.FloatSlider, 1.0, 0.2, 3.0, step=0.1
        ),
        "top_p": make_number_slider("top_p", ipywidgets.FloatSlider, 0.9, 0.1, 1.0, step=0.05, readout_format=".2f"),
        "beams": make_number_slider(say(en="beams", zh="束的个数"), ipywidgets.IntSlider, 3, 1, 6),
    }

    def fit_slider(change: dict[str, Any]) -> None:
        """Another caption may be shorter, or longer."""
        with LOCK:
            controls["word"].max = count_places(change["new"])

    controls["picture"].observe(fit_slider, names="value")

    def draw_now(now: SimpleNamespace) -> Picture:
        state, (scene, seed) = compute_state(model), ONE_THING[now.picture]
        temperature, top_p = round(now.temperature, 2), round(now.top_p, 2)
        caption, tokens, logits = decode(now.picture, state)
        place = min(now.word, len(logits)) - 1
        shares = (logits[place] / temperature).softmax(-1)
        best, ids = shares.sort(descending=True)
        kept = ((best.cumsum(0) - best) < top_p) | (top_p == 1)  # as long as the likelier ones do not reach top_p
        kept[0] = True
        names = [_name_next_token(model.tokenizer, id) for id in ids[:TOP]]
        likely = [figures.Likely(*row) for row in zip(names, best.tolist(), kept.tolist())]
        before, beamed = "".join(tokens[:place]).strip(), search(now.picture, now.beams, state)
        samples = sample(now.picture, temperature, top_p, state)
        return figures.draw_next_tokens(
            draw(scene, seed),
            likely,
            [
                (say(en="greedy", zh="贪心"), [caption]),
                (say(en=format_count(now.beams, "beam"), zh=f"束搜索，{now.beams} 束"), [beamed]),
                (say(en="drawn at random", zh="采样"), samples),
            ],
            before=before,
            setting=say(
                en=f"temperature {temperature:g}; top_p {top_p:g} keeps {int(kept.sum()):,} of {len(shares):,} tokens",
                zh=f"温度 {temperature:g}；top_p {top_p:g}，从 {len(shares):,} 个词元里留下 {int(kept.sum()):,} 个",
            ),
            title=say(
                en=f"The likeliest next token is “{names[0]}” ({format_percent(likely[0].share)}); greedy decoding always takes that one",
                zh=f"接下来最可能的词元是“{names[0]}”（{format_percent(likely[0].share)}）；贪心解码总是取它",
            ),
            alt=describe_scene(scene) + _describe_next_tokens(likely, before, temperature, top_p, int(kept.sum()))
            + _describe_captions(caption, now.beams, beamed, samples),
            caption=_explain_next_token(place + 1, caption, now.beams, beamed, samples),
        )  # fmt: skip

    return Explorer(controls, draw_now)


class Greedy(NamedTuple):
    """A greedy caption, its tokens, and the logits (T + 1, V) at each of them and behind the last."""

    caption: str
    tokens: list[str]
    logits: Tensor

    def compute_sureness(self, temperature: float = 1.0) -> Tensor:
        """(T + 1,) the probability of the likeliest token at each place."""
        return (self.logits / temperature).softmax(-1).amax(-1)


def write_greedily(model: VLMWithSoftPrompt, features: Tensor) -> Greedy:
    """What the model writes about one picture, of which these are the features (P, Dv)."""
    (caption,) = generate_captions(model, features[None])
    ids = torch.tensor(model.tokenizer(caption, add_special_tokens=False)["input_ids"], dtype=torch.long)
    with torch.no_grad(), use_one_thread():
        logits = model(features[None], ids[None].to(features.device))[0, -len(ids) - 1 :]
    return Greedy(caption, [model.tokenizer.decode([id]) for id in ids.tolist()], logits.float().cpu())


def find_least_sure(written: Sequence[Greedy]) -> int:
    """Of the pictures that are described rightly the one with the greatest doubt about a word; of all, if none is."""
    right = [
        number for number, (scene, _) in enumerate(ONE_THING) if written[number].caption == write_full_caption(scene)
    ]
    return min(right or range(len(written)), key=lambda number: written[number].compute_sureness().min())


def tabulate_doubts(model: VLMWithSoftPrompt, temperatures: Sequence[float] = (1.0, 3.0)) -> Table:
    """At each word of the caption that `explore_next_token` shows first the probability of the likeliest token, by temperature."""
    with LOCK:
        written = [write_greedily(model, features) for features in encode_scenes(model, ONE_THING)]
    shown = written[find_least_sure(written)]
    columns = [shown.compute_sureness(temperature).tolist() for temperature in temperatures]
    names = [*(token.strip() for token in shown.tokens), _name_next_token(model.tokenizer)]
    header = (
        say(en="likeliest next token", zh="最可能的下一个词元"),
        *(say(en=f"probability at {one:g}", zh=f"温度 {one:g} 时的概率") for one in temperatures),
    )
    return Table([(name, *map(format_percent, row)) for name, *row in zip(names, *columns)], header, align="right")


def _name_next_token(tokenizer: Any, id: Tensor | None = None) -> str:
    """The end of text, which no caption shows, in brackets; without an id that is meant."""
    if id is None or id == tokenizer.eos_token_id:
        return say(en=f"({name_end()})", zh=f"（{name_end()}）")
    return name_token(tokenizer, id)


def _describe_next_tokens(
    likely: Sequence[figures.Likely], before: str, temperature: float, top_p: float, kept: int
) -> str:  # fmt: skip
    told = [f"{one.token} {format_percent(one.share)}" for one in likely]
    return say(
        en=f" Beside it a bar for each of the {len(likely)} likeliest tokens "
        + (f"after “{before}”" if before else "at the beginning")
        + f", at the temperature {temperature:g}: {', '.join(told)}. top_p {top_p:g} keeps {format_count(kept, 'token')}, the likeliest, with "
        "filled bars; others are hatched.",
        zh=f"旁边的条形图是温度为 {temperature:g} 时，"
        + (f"“{before}”之后" if before else "开头处")
        + f"最可能的 {len(likely)} 个词元：{'、'.join(told)}。top_p 为 {top_p:g}，留下最可能的 {kept} 个，画成实心；其余的画成斜线填充。",
    )


def _describe_captions(greedy: str, beams: int, beamed: str, samples: Sequence[str]) -> str:
    listed = [f"“{text}”" for text in samples]
    return say(
        en=f" Beneath, captions. Greedy: “{greedy}” With {format_count(beams, 'beam')}: “{beamed}” Drawn at random: {' '.join(listed)}",
        zh=f"下面是几句说明文字。贪心：“{greedy}”；{beams} 束：“{beamed}”；采样：{''.join(listed)}。",
    )


def _explain_next_token(place: int, greedy: str, beams: int, beamed: str, samples: Sequence[str]) -> str:
    others = sum(text != greedy for text in samples)
    same = beamed == greedy
    return say(
        en=f"Word {place}: the bars are what GPT-2 gives the next token, after the picture and the words of the greedy caption before it. "
        "The temperature divides the logits: below 1 the longest bar grows, above 1 all become alike. top_p keeps the likeliest tokens that "
        "together have this share (filled); hatched ones are never drawn. Beams follow several beginnings at once and take the text whose "
        f"tokens are likeliest on average: with {format_count(beams, 'beam')} it is {'the greedy caption again' if same else 'another caption'}. Of the "
        f"{len(samples)} drawn at random, {others} differ{'s' if others == 1 else ''} from the greedy one.",
        zh=f"第 {place} 个词：前面是图片和贪心说明文字里已有的词，条形图是 GPT-2 给下一个词元的概率。logits 要除以温度："
        "小于 1，最长的一条更长；大于 1，各条趋于相等。top_p 只留下最可能的几个词元，合起来的概率刚好够这么多（实心）；斜线的永远抽不到。"
        f"束搜索同时跟着几个开头，取平均每个词元概率最高的一句：用 {beams} 束，得到的"
        f"{'还是贪心的那一句' if same else '是另一句'}。采样的 {len(samples)} 句{f'里，有 {others} 句和贪心的不同' if others else '都和贪心的一样'}。",
    )  # fmt: skip
