"""What several explorers of lesson 03 share: pictures and what they are called, features, tokens, captions, controls."""

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
from lessons.kit.explorer import compute_checksum, make_dropdown, style_control, use_one_thread
from lessons.kit.picture import LOCK
from pocket.datasets import read_scene
from pocket.language import write_full_caption
from pocket.words import translate
from pocket.world import SHOWS_COLOUR, Scene, draw

SCENES = DATA / "captions" / "scenes.json"
SHOWN = ("test-0060", "test-0082", "test-0012", "test-0026", "test-0015", "test-0020")  # of one thing, in its colour
MOST_TOKENS = 26  # a caption that says everything of three things has 22


# --- pictures of the data set -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """One of the test pictures that explorers show: its scene, a drawing for eyes, and the one that the model gets."""

    scene: Scene
    large: Image.Image
    small: Image.Image


def load_test_pictures(model: VLMWithSoftPrompt) -> list[Seen]:
    """The test pictures of data/captions that explorers show."""
    scenes, side = json.loads(SCENES.read_text(encoding="utf-8")), model.vision_model.config.image_size
    records = [scenes[f"images/{name}.png"] for name in SHOWN]
    return [
        Seen(scene, draw(scene, record["seed"]), draw(scene, record["seed"], side))
        for scene, record in zip(map(read_scene, records), records)
    ]


def encode_test_pictures(model: VLMWithSoftPrompt, seen: Sequence[Seen], kind: str) -> Tensor:
    """The vision features (N, P, Dv) of either kind."""
    asked = copy(model)  # shallow: the same weights
    asked.vision_features = kind
    return asked.encode([picture.small for picture in seen])


def name_test_scene(scene: Scene) -> str:
    """Such as "red cat, meadow, photo", or in Chinese "红色猫，草地，仿照片"."""
    thing = scene.things[0]
    return say(en=" ", zh="").join(map(translate, (thing.colour, thing.object))) + "".join(
        say(en=", ", zh="，") + translate(part) for part in (scene.background, scene.style)
    )


# --- drawn scenes -----------------------------------------------------------------------------------------------------------------


def encode_scenes(model: VLMWithSoftPrompt, scenes: Sequence[tuple[Scene, int]]) -> Tensor:
    """The vision features (N, P, Dv) of scenes, each drawn with its seed as large as the vision tower takes them."""
    with LOCK, use_one_thread():
        return model.encode([draw(scene, seed, model.vision_model.config.image_size) for scene, seed in scenes])


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


# --- what the model says ----------------------------------------------------------------------------------------------------------


def generate_captions(
    model: VLMWithSoftPrompt, features: Tensor, max_new_tokens: int = MOST_TOKENS, **how: Any
) -> list[str]:
    """`model.generate` from features (N, P, Dv), in one thread; how: what it takes besides."""
    with use_one_thread():
        return model.generate(features, max_new_tokens=max_new_tokens, **how)


def compute_state(model: VLMWithSoftPrompt) -> str:
    """Changes with what the model has learned: what was kept of another state is not shown for this one."""
    return compute_checksum(model.soft_prompt) + compute_checksum(model.vision_projection)


def name_token(tokenizer: Any, id: int | Tensor) -> str:
    """A token for people: words in the place of the end of text and of white space."""
    if int(id) == tokenizer.eos_token_id:
        return name_end()
    return tokenizer.decode([int(id)]).strip() or say(en="(space)", zh="（空格）")


def name_end() -> str:
    """What stands for the end of text, which has no letters."""
    return say(en="end", zh="结束")


def name_prompt(name: str) -> str:
    """The task of a learned prompt in the learner's language."""
    chinese = {"describe": "描述", "count": "数数", "colour": "颜色", "story": "故事"}
    return say(en=name, zh=chinese.get(name, name))


# --- controls ---------------------------------------------------------------------------------------------------------------------


def make_picture_list(names: Sequence[str], first: int = 0) -> ipywidgets.Dropdown:
    """A list of pictures to choose one from, by its number; first: the one that is chosen at first."""
    return make_dropdown(say(en="picture", zh="图片"), {name: number for number, name in enumerate(names)}, first, 30)


def make_number_slider(
    label: str, kind: type, value: float, least: float, most: float, **more: Any
) -> ipywidgets.Widget:
    """A slider that counts only when it is let go. kind: IntSlider or FloatSlider; more: what that takes besides."""
    if kind is ipywidgets.FloatSlider:
        more = {"readout_format": ".1f", **more}
    return kind(value, min=least, max=most, description=label, continuous_update=False, **more, **style_control(24))
