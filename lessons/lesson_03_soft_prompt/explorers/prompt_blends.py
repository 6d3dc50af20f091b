"""What one frozen model writes with two soft prompts and their blends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import SimpleNamespace

import ipywidgets
import torch
from torch import Tensor

from helpers.captioner import VLMWithSoftPrompt
from helpers.language import say
from lessons.kit.explorer import Explorer, make_dropdown
from lessons.kit.picture import LOCK, Picture
from lessons.lesson_03_soft_prompt.explorers.shared import (
    compute_state,
    describe_scene,
    encode_scenes,
    generate_captions,
    make_number_slider,
    make_picture_list,
    name_prompt,
    name_scene,
)
from lessons.lesson_03_soft_prompt.figures import captions as figures
from pocket.scoring import find_form, is_right
from pocket.world import Scene, Thing, draw

BLENDS = 11
SOME_THINGS = (
    (Scene((Thing("cat", "gray", "large"), Thing("ball", "red", "medium")), "meadow", "photo"), 1),
    (Scene((Thing("apple", "green", "large"),), "room", "photo"), 4),
    (Scene((Thing("boat", "white", "large"),), "beach", "painting"), 2),
    (Scene((Thing("mushroom", "orange", "medium"), Thing("butterfly", "purple", "medium")), "forest", "cartoon"), 3),
    (Scene((Thing("crown", "yellow", "large"),), "snow", "mosaic"), 5),
    (Scene((Thing("car", "red", "large"), Thing("house", "brown", "large")), "city", "sketch"), 6),
)


def explore_prompt_blends(model: VLMWithSoftPrompt, prompts: Mapping[str, Tensor]) -> Explorer:
    """Choose a picture and two soft prompts, blend them, and see what one frozen model writes.

    prompts: by name, a task each, (M, D), learned beside the projection that the model has. The first picture of the list that all of
    them answer rightly is shown first.
    """
    shapes = {name: tuple(vectors.shape) for name, vectors in prompts.items()}
    if len(set(shapes.values())) != 1:
        raise ValueError(f"prompts can be blended only if they are of one length; these are {shapes}")
    features, names = encode_scenes(model, SOME_THINGS), list(prompts)
    options = {name_prompt(name): name for name in names}

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
        "blend": make_number_slider(say(en="blend", zh="混合比例"), ipywidgets.FloatSlider, 0.0, 0.0, 1.0, step=0.1),
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
            names=(name_prompt(now.first), name_prompt(now.second)),
            title=say(
                en=f"One frozen model: from “{now.first}” to “{now.second}” the text changes {_format_times(len(turns))}",
                zh=f"同一个冻结的模型：提示词从“{name_prompt(now.first)}”到“{name_prompt(now.second)}”，文字变了 {len(turns)} 次",
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
    one, other = name_prompt(now.first), name_prompt(now.second)
    return say(
        en=f" With the prompts “{one}” and “{other}”, blended at {chosen / 10:.1f}, the model writes: “{texts[chosen]}” A list of all blends, "
        f"with a triangle at this one: {'; '.join(en)}.",
        zh=f"把提示词“{one}”和“{other}”按 {chosen / 10:.1f} 混合，模型写的是：“{texts[chosen]}”下面列出所有混合比例，三角形标出当前的："
        f"{'；'.join(zh)}。",
    )


def _explain_blends(now: SimpleNamespace, turns: Sequence[int]) -> str:
    first, second = name_prompt(now.first), name_prompt(now.second)
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
