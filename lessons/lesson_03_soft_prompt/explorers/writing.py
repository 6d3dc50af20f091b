"""What the captioner writes and which of its words are true, how a caption is chosen token by token, and what other prompts do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import ipywidgets
import torch
from torch import Tensor

from helpers.captioner import VLMWithSoftPrompt
from helpers.language import say
from helpers.notebook import Table
from lessons.kit.explorer import (
    Explorer,
    compute_checksum,
    format_count,
    format_percent,
    make_dropdown,
    style_control,
    use_one_thread,
)
from lessons.kit.picture import LOCK, Picture
from lessons.kit.tokens import name_end, name_token
from lessons.lesson_03_soft_prompt.explorers.input_row import make_picture_list
from lessons.lesson_03_soft_prompt.figures import captions as figures
from pocket.language import read_caption, write_full_caption
from pocket.scoring import find_form, is_right, list_expected_claims
from pocket.words import translate
from pocket.world import SHOWS_COLOUR, Scene, Thing, draw

MOST_TOKENS = 26  # a caption that says everything of three things has 22
TOP, SAMPLES = 8, 3
ONE_THING = (  # scenes of one thing, each with the seed of its drawing
    (Scene((Thing("key", "blue", "small"),), "room", "cartoon"), 6),
    (Scene((Thing("cat", "red", "large"),), "snow", "photo"), 4),
    (Scene((Thing("umbrella", "yellow", "medium"),), "beach", "cartoon"), 5),
    (Scene((Thing("rocket", "purple", "medium"),), "night", "neon sign"), 7),
    (Scene((Thing("snail", "orange", "small"),), "forest", "painting"), 8),
    (Scene((Thing("guitar", "brown", "large"),), "desert", "sketch"), 9),
)
BLENDS = 11
SOME_THINGS = (
    (Scene((Thing("cat", "gray", "large"), Thing("ball", "red", "medium")), "meadow", "photo"), 1),
    (Scene((Thing("apple", "green", "large"),), "room", "photo"), 4),
    (Scene((Thing("boat", "white", "large"),), "beach", "painting"), 2),
    (Scene((Thing("mushroom", "orange", "medium"), Thing("butterfly", "purple", "medium")), "forest", "cartoon"), 3),
    (Scene((Thing("crown", "yellow", "large"),), "snow", "mosaic"), 5),
    (Scene((Thing("car", "red", "large"), Thing("house", "brown", "large")), "city", "sketch"), 6),
)


# --- what it says ---------------------------------------------------------------------------------------------------------------


def draw_descriptions(model: VLMWithSoftPrompt, scenes: Sequence[tuple[Scene, int]]) -> Picture:
    """Three drawn scenes, each with its seed, over what the model says of them; what is true is marked."""
    said = generate_captions(model, encode_scenes(model, scenes))
    told = [judge_caption(text, scene) for text, (scene, _) in zip(said, scenes, strict=True)]
    right, of = sum(number for _, number in told), sum(len(list_facts(scene)) for scene, _ in scenes)
    en = " ".join(f"{describe_scene(scene)} Under it: “{text}”" for text, (scene, _) in zip(said, scenes))
    zh = "".join(f"{describe_scene(scene)}下面写着“{text}”。" for text, (scene, _) in zip(said, scenes))
    return figures.draw_pictures_with_captions(
        [(draw(scene, seed), pieces) for (scene, seed), (pieces, _) in zip(scenes, told)],
        title=say(
            en=f"What the frozen GPT-2 writes about pictures: {right} of {of} facts are right",
            zh=f"冻结的 GPT-2 给图片写的说明文字：{of} 个事实说对了 {right} 个",
        ),
        alt=say(en=f"Three pictures with captions. {en}", zh=f"三张带说明文字的图片。{zh}"),
        caption=explain_ticks()
        + say(en=" Everything is written by GPT-2, word by word.", zh="每一句都是 GPT-2 一个词一个词写出来的。"),
    )


def explain_ticks() -> str:
    """What a tick in a caption means."""
    return say(
        en="In bold blue with a ✓: what is true of the picture; a size or a colour counts only with the right object.",
        zh="蓝色带 ✓ 的词符合图片；物体说对了，大小和颜色才算。",
    )


def judge_caption(caption: str, scene: Scene) -> tuple[list[figures.Phrase], int]:
    """A caption in pieces, those marked that say something true of the scene, and how many of its facts it says.

    A word belongs to a fact if the fact is not said without it. Each fact counts where it is said first.
    """
    words, facts, said = caption.split(), list_facts(scene), frozenset()
    says: list[Any] = [None] * len(words)  # the fact that each word belongs to
    for end in range(1, len(words) + 1):
        new = (read_caption(" ".join(words[:end])) & facts) - said
        # without its object a size or colour is not said either
        for fact in sorted(new, key=lambda fact: fact[0] != "object"):
            for place in range(end):
                without = [*words[:place], "x", *words[place + 1 : end]]
                if fact not in read_caption(" ".join(without)):
                    says[place] = says[place] or fact
        said |= new
    pieces: list[tuple[str, Any]] = []
    for text, fact in zip(words, says):
        bare = text.rstrip(".,!?:;")
        for part, whose in ((bare, fact), (text[len(bare) :], None)):
            if part and pieces and pieces[-1][1] == whose and part[0].isalnum():
                pieces[-1] = (f"{pieces[-1][0]} {part}", whose)
            elif part:
                pieces.append((part, whose))
    return [figures.Phrase(part, fact is not None) for part, fact in pieces], len(said)


def list_facts(scene: Scene) -> frozenset:
    """What is true of a scene and can be said in words; the number of its things nobody says."""
    return frozenset(fact for fact in list_expected_claims(scene) if fact[0] != "count")


# --- the next token -------------------------------------------------------------------------------------------------------------


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
            torch.manual_seed(0)  # the same figure at every call
            return generate_captions(model, rows, do_sample=True, temperature=temperature, top_p=top_p)

    def count_places(number: int) -> int:
        return len(decode(number, compute_state(model)).logits)

    with LOCK:
        first = find_least_sure([decode(number, compute_state(model)) for number in range(len(ONE_THING))])
        unsure = int(decode(first, compute_state(model)).compute_sureness().argmin()) + 1
    controls = {
        "picture": make_picture_list([name_scene(scene) for scene, _ in ONE_THING], first),
        "word": make_number_slider(say(en="word", zh="第几个词"), unsure, 1, count_places(first)),
        "temperature": make_number_slider(say(en="temperature", zh="温度"), 1.0, 0.2, 3.0, step=0.1),
        "top_p": make_number_slider("top_p", 0.9, 0.1, 1.0, step=0.05, readout_format=".2f"),
        "beams": make_number_slider(say(en="beams", zh="束的个数"), 3, 1, 6),
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


# --- prompts, blended -----------------------------------------------------------------------------------------------------------


def explore_prompt_blends(model: VLMWithSoftPrompt, prompts: Mapping[str, Tensor]) -> Explorer:
    """Choose a picture and two soft prompts, blend them, and see what one frozen model writes.

    prompts: by name, a task each, (M, D), learned beside the projection that the model has. The first picture of the list that all of
    them answer rightly is shown first.
    """
    shapes = {name: tuple(vectors.shape) for name, vectors in prompts.items()}
    if len(set(shapes.values())) != 1:
        raise ValueError(f"prompts can be blended only if they are of one length; these are {shapes}")
    features, names = encode_scenes(model, SOME_THINGS), list(prompts)
    options = {translate(name): name for name in names}

    @cache
    def write_blends(number: int, first: str, second: str, state: str) -> list[str]:
        """What the model writes with each of the blends, all in one batch."""
        share = torch.linspace(0, 1, BLENDS)[:, None, None]
        one, other = (prompts[name].detach().float().cpu() for name in (first, second))  # (M, D)
        with model.swap_prompt((1 - share) * one + share * other):  # (BLENDS, M, D)
            return generate_captions(model, features[number].expand(BLENDS, -1, -1), max_new_tokens=40)

    def is_all_right(number: int) -> bool:
        scene, _ = SOME_THINGS[number]
        answers = {name: write_blends(number, name, name, compute_state(model))[0] for name in names}
        return all(find_form(text) == task and is_right(task, text, scene) for task, text in answers.items())

    with LOCK:
        shown = next(filter(is_all_right, range(len(SOME_THINGS))), 0)
    controls = {
        "picture": make_picture_list([name_scene(scene) for scene, _ in SOME_THINGS], shown),
        "first": make_dropdown(say(en="prompt", zh="提示词"), options, names[0], 20),
        "second": make_dropdown(say(en="and", zh="另一个"), options, names[1], 20),
        "blend": make_number_slider(say(en="blend", zh="混合比例"), 0.0, 0.0, 1.0, step=0.1),
    }

    def draw_now(now: SimpleNamespace) -> Picture:
        scene, seed = SOME_THINGS[now.picture]
        written = write_blends(now.picture, now.first, now.second, compute_state(model))
        chosen = round(now.blend * (BLENDS - 1))
        turns = [place for place in range(1, BLENDS) if written[place] != written[place - 1]]
        return figures.draw_prompt_blends(
            draw(scene, seed),
            written,
            chosen,
            names=(translate(now.first), translate(now.second)),
            title=say(
                en=f"One frozen model: from “{now.first}” to “{now.second}” the text changes {_format_times(len(turns))}",
                zh=f"同一个冻结的模型：提示词从“{translate(now.first)}”到“{translate(now.second)}”，文字变了 {len(turns)} 次",
            ),
            alt=describe_scene(scene) + _describe_blends(now, written, chosen, turns),
            caption=_explain_blends(now, turns),
        )

    return Explorer(controls, draw_now)


def _format_times(number: int) -> str:
    return {0: "nowhere", 1: "once", 2: "twice"}.get(number, f"{number} times")


def _describe_blends(now: SimpleNamespace, texts: Sequence[str], chosen: int, turns: Sequence[int]) -> str:
    ends = list(zip([0, *turns], [*turns, BLENDS]))
    spans = [f"{one / 10:.1f}" + (f"–{(end - 1) / 10:.1f}" if end - 1 > one else "") for one, end in ends]
    en = [f"{span} “{texts[first]}”" for span, (first, _) in zip(spans, ends)]
    zh = [f"{span} 是“{texts[first]}”" for span, (first, _) in zip(spans, ends)]
    one, other = translate(now.first), translate(now.second)
    return say(
        en=f" With the prompts “{one}” and “{other}”, blended at {chosen / 10:.1f}, the model writes: “{texts[chosen]}” A list of all blends, "
        f"with a triangle at this one: {'; '.join(en)}.",
        zh=f"把提示词“{one}”和“{other}”按 {chosen / 10:.1f} 混合，模型写的是：“{texts[chosen]}”下面列出所有混合比例，三角形标出当前的："
        f"{'；'.join(zh)}。",
    )


def _explain_blends(now: SimpleNamespace, turns: Sequence[int]) -> str:
    first, second = translate(now.first), translate(now.second)
    where = say(en=", ", zh="、").join(f"{turn / 10:.1f}" for turn in turns)
    text = say(
        en="Model, projection and picture stay the same; only the vectors in front are exchanged. At the blend b they are (1 − b) × the first "
        "prompt + b × the second, number by number. "
        + (f"The text changes at {where}. " if turns else "All eleven blends give the same text. ")
        + "The ground of the list changes with it.",
        zh="模型、投影和图片都不变，换的只是最前面的十个向量。混合比例为 b 时，它们是（1 − b）× 第一个提示词 + b × 第二个，逐个数相加。"
        + (f"文字在 {where} 处变了，" if turns else "十一种混合写出的都是同一句话，")
        + "列表的底色随文字一起变。",
    )
    if first == second:
        text += say(en=" (Both prompts are the same one: choose another.)", zh="（两个提示词是同一个：换一个试试。）")
    return text


# --- what these explorers share -------------------------------------------------------------------------------------------------


def encode_scenes(model: VLMWithSoftPrompt, scenes: Sequence[tuple[Scene, int]]) -> Tensor:
    """The vision features (N, P, Dv) of scenes, each drawn with its seed as large as the vision tower takes them."""
    with LOCK, use_one_thread():
        return model.encode([draw(scene, seed, model.vision_model.config.image_size) for scene, seed in scenes])


def generate_captions(
    model: VLMWithSoftPrompt, features: Tensor, max_new_tokens: int = MOST_TOKENS, **how: Any
) -> list[str]:
    """`model.generate` from features (N, P, Dv), in one thread; how: what it takes besides."""
    with use_one_thread():
        return model.generate(features, max_new_tokens=max_new_tokens, **how)


def compute_state(model: VLMWithSoftPrompt) -> str:
    """Changes with what the model has learned: what was kept of another state is not shown for this one."""
    return compute_checksum(model.soft_prompt) + compute_checksum(model.vision_projection)


def name_scene(scene: Scene) -> str:
    """A scene in a few words of the learner's language, for a list: "red cat, photo"."""
    coloured = scene.style in SHOWS_COLOUR and len(scene.things) == 1
    named = [
        say(
            en=f"{thing.colour} {thing.object}" if coloured else thing.object,
            zh=f"{translate(thing.colour)}的{translate(thing.object)}" if coloured else translate(thing.object),
        )
        for thing in scene.things
    ]
    things = say(en=" and ", zh="、").join(named)
    return say(en=f"{things}, {scene.style}", zh=f"{things}，{translate(scene.style)}")


def describe_scene(scene: Scene) -> str:
    """The scene in a sentence of the learner's language, for alt texts."""
    english = write_full_caption(scene)
    things = [
        f"{translate(thing.colour) + '的' if scene.style in SHOWS_COLOUR else ''}{translate(thing.object)}（{translate(thing.size)}）"
        for thing in scene.things
    ]
    return say(
        en=english[0].upper() + english[1:],
        zh=f"{translate(scene.style)}风格的画：{'、'.join(things)}，背景是{translate(scene.background)}。",
    )


def make_number_slider(label: str, value: float, least: float, most: float, **more: Any) -> ipywidgets.Widget:
    """A slider for whole numbers or others, as the value is, which counts when it is let go; more: what it takes besides."""
    kind = ipywidgets.FloatSlider if isinstance(value, float) else ipywidgets.IntSlider
    look = {"readout_format": ".1f"} if isinstance(value, float) else {}
    look |= {"min": least, "max": most, "continuous_update": False, **style_control(24), **more}
    return kind(value, description=label, **look)
