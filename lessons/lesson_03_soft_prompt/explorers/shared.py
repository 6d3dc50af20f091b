"""What several explorers of lesson 03 share: pictures and their names, features, tokens, captions, controls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import ipywidgets
from PIL import Image
from torch import Tensor

from helpers.captioner import VLMWithSoftPrompt
from helpers.files import DATA
from helpers.language import say
from lessons.kit.explorer import (
    compute_checksum,
    dropdown,
    look,
    use_one_thread,
)
from lessons.kit.picture import LOCK
from pocket.datasets import read_scene
from pocket.language import write_full_caption
from pocket.words import translate
from pocket.world import SHOWS_COLOUR, Scene, draw

SCENES = DATA / "captions" / "scenes.json"
SHOWN = ("test-0060", "test-0082", "test-0012", "test-0026", "test-0015", "test-0020")  # of one thing, in its colour
MOST_TOKENS = 26  # a caption that says everything of three things has 22


@dataclass(frozen=True)
class Seen:
    """One of the pictures that the explorers show: its scene, a drawing for eyes, and the one that the model gets."""

    scene: Scene
    large: Image.Image
    small: Image.Image


def _pictures(model: VLMWithSoftPrompt) -> list[Seen]:
    scenes, side = json.loads(SCENES.read_text(encoding="utf-8")), model.vision_model.config.image_size
    records = [scenes[f"images/{name}.png"] for name in SHOWN]
    return [
        Seen(scene, draw(scene, record["seed"]), draw(scene, record["seed"], side))
        for scene, record in zip(map(read_scene, records), records)
    ]


def _features(model: VLMWithSoftPrompt, seen: Sequence[Seen], kind: str) -> Tensor:
    """The vision features (N, P, Dv) of either kind."""
    asked = copy(model)  # shallow: the same weights
    asked.vision_features = kind
    return asked.encode([picture.small for picture in seen])


def _patch_count(model: VLMWithSoftPrompt) -> int:
    config = model.vision_model.config
    return (config.image_size // config.patch_size) ** 2 if model.vision_features == "patches" else 1


def _picture_list(seen: Sequence[Seen]) -> ipywidgets.Dropdown:
    return dropdown(say(en="picture", zh="图片"), {_name(picture.scene): i for i, picture in enumerate(seen)}, 0, 29)


def _name(scene: Scene) -> str:
    """Such as "red cat, meadow, photo", or in Chinese "红色猫，草地，仿照片"."""
    thing = scene.things[0]
    return say(en=" ", zh="").join(map(translate, (thing.colour, thing.object))) + "".join(
        say(en=", ", zh="，") + translate(part) for part in (scene.background, scene.style)
    )


def _ids(model: VLMWithSoftPrompt, text: str) -> list[int]:
    return model.tokenizer(text, add_special_tokens=False)["input_ids"]


def _label(model: VLMWithSoftPrompt, id: int | Tensor) -> str:
    """A token for people: a word for the end of text; of white space its name in code."""
    if int(id) == model.tokenizer.eos_token_id:
        return _end()
    text = model.tokenizer.decode([int(id)])
    return text.strip() or repr(text)[1:-1]


def _end() -> str:
    return say(en="end", zh="结束")


def _pad() -> str:
    return say(en="pad", zh="填充")


def _tick(label: str, value: bool = True) -> ipywidgets.Checkbox:
    return ipywidgets.Checkbox(
        value, description=label, indent=False, layout={"width": "auto", "margin": "2px 1em 2px 0"}
    )


def _side(model: VLMWithSoftPrompt) -> int:
    """How many pixels wide the pictures are that the vision tower takes."""
    return model.vision_model.config.image_size


def _encode(model: VLMWithSoftPrompt, scenes: Sequence[tuple[Scene, int]]) -> Tensor:
    """The vision features (N, P, Dv) of drawn scenes."""
    with LOCK, use_one_thread():
        return model.encode([draw(scene, seed, _side(model)) for scene, seed in scenes])


def _generate(model: VLMWithSoftPrompt, features: Tensor, max_new_tokens: int = MOST_TOKENS, **how: Any) -> list[str]:
    with use_one_thread():
        return model.generate(features, max_new_tokens=max_new_tokens, **how)


def _state(model: VLMWithSoftPrompt) -> str:
    """Changes with what the model has learned: what was kept of another state is not shown for this one."""
    return compute_checksum(model.soft_prompt) + compute_checksum(model.vision_projection)


def _scene_list(scenes: Sequence[tuple[Scene, int]], first: int) -> ipywidgets.Dropdown:
    options = {_called(scene): number for number, (scene, _) in enumerate(scenes)}
    return dropdown(say(en="picture", zh="图片"), options, first, 30)


def _slider(label: str, kind: type, value: float, least: float, most: float, **more: Any) -> ipywidgets.Widget:
    if kind is ipywidgets.FloatSlider:
        more = {"readout_format": ".1f", **more}
    return kind(value, min=least, max=most, description=label, continuous_update=False, **more, **look(24))


def _options(label: str, options: Sequence[float], value: float) -> ipywidgets.SelectionSlider:
    named = [(f"{option:,}" if option >= 1 else f"{option:g}", option) for option in options]
    return ipywidgets.SelectionSlider(
        options=named, value=value, description=label, continuous_update=False, **look(22)
    )  # fmt: skip


def _called(scene: Scene) -> str:
    """A scene in a few words of the learner's language, for a list: "red cat, photo"."""
    named = [
        say(
            en=f"{thing.colour} {thing.object}" if scene.style in SHOWS_COLOUR and len(scene.things) == 1 else thing.object,
            zh=f"{translate(thing.colour)}的{translate(thing.object)}"
            if scene.style in SHOWS_COLOUR and len(scene.things) == 1
            else translate(thing.object),
        )
        for thing in scene.things
    ]  # fmt: skip
    things = say(en=", ".join(named[:-1]) + " and " if named[:-1] else "", zh="、".join([*named[:-1], ""])) + named[-1]
    return say(en=f"{things}, {scene.style}", zh=f"{things}，{translate(scene.style)}")


def _in_words(scene: Scene) -> str:
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


def _prompt_name(name: str) -> str:
    chinese = {"describe": "描述", "count": "数数", "colour": "颜色", "story": "故事"}
    return say(en=name, zh=chinese.get(name, name))
