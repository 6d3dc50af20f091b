"""Few-shot tasks on the pocket world, some with a secret that a learned context has to find.

A task says which scene to draw, what its class is, and what the class is called. `secret` holds the
words (the usual one first) that would turn "a photo of a {}" into the right question: *small* in "a
photo of a small {}". Nothing names it to the learner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image, ImageFilter

from helpers.language import LearnerError
from pocket.words import NUMBER_WORDS
from pocket.world import (
    ALL_STYLES,
    BACKGROUNDS,
    COLOURS,
    OBJECTS,
    SHOWS_COLOUR,
    UNSEEN_STYLE,
    Scene,
    Thing,
    draw,
    make_random_scene,
)


@dataclass(frozen=True)
class Task:
    """class_names: what fills `Prompt {class}`; scene(label, rng): a scene of that class."""

    name: str
    class_names: tuple[str, ...]
    scene: Callable[[int, np.random.Generator], Scene]
    secret: str | None = None
    alter: Callable[[Image.Image], Image.Image] | None = None

    def numbers(self, label: int, index: int, seed: int) -> np.random.Generator:
        """The random numbers of one example: its scene is drawn from them, then its drawing."""
        return np.random.default_rng([seed, label, index])

    def drawing(self, label: int, index: int, seed: int) -> tuple[Scene, int]:
        """The scene and the drawing seed of picture number `index` of a class."""
        rng = self.numbers(label, index, seed)
        return self.scene(label, rng), int(rng.integers(2**31))

    def example(self, label: int, index: int, seed: int, size: int = 64) -> Image.Image:
        """A picture of a class; the same numbers give the same picture.

        Args:
            label: the number of the class.
            index: the number of the picture.
            seed: of the scenes.
            size: pixels a side.
        """
        image = draw(*self.drawing(label, index, seed), size)
        return self.alter(image) if self.alter else image


def _make_single_scene(label: int, rng: np.random.Generator, styles: tuple[str, ...]) -> Scene:
    return make_random_scene(
        rng, things=1, object=OBJECTS[label], style=styles[rng.integers(len(styles))]
    )


def _make_counted_scene(label: int, rng: np.random.Generator) -> Scene:
    return make_random_scene(rng, things=label + 1, style="photo")


def _make_pair_scene(label: int, rng: np.random.Generator, secret: str) -> Scene:
    """Two different objects; the class is the one that fits the secret, as the other never does."""
    other = OBJECTS[(label + 1 + rng.integers(len(OBJECTS) - 1)) % len(OBJECTS)]
    colours = [str(c) for c in rng.permutation(list(COLOURS))[:2]]
    sizes = [str(s) for s in rng.choice(["small", "medium", "large"], 2)]
    if secret in ("small", "large"):
        sizes = [secret, "large" if secret == "small" else "small"]
    if secret in COLOURS:
        colours = [secret, *[c for c in colours if c != secret]]
    things = [Thing(OBJECTS[label], colours[0], sizes[0]), Thing(other, colours[1], sizes[1])]
    if secret == "right" or secret != "left" and rng.random() < 0.5:
        things.reverse()
    background = BACKGROUNDS[rng.integers(len(BACKGROUNDS))]
    return Scene(
        tuple(things),
        background,
        SHOWS_COLOUR[rng.integers(len(SHOWS_COLOUR))] if secret in COLOURS else "photo",
    )


def make_secret_task(secret: str) -> Task:
    """Which object is the small one, the red one, the left one of two?"""
    return Task(
        f"the {secret} one of two", OBJECTS, partial(_make_pair_scene, secret=secret), secret
    )


def make_style_task(*styles: str) -> Task:
    """Objects in one style that no class name mentions; of several styles, each picture has one."""
    for style in styles:
        if style not in ALL_STYLES:
            raise LearnerError(
                en=f"no style {style!r}; there are {', '.join(ALL_STYLES)}",
                zh=f"没有 {style!r} 这种风格；有 {'、'.join(ALL_STYLES)}",
            )
    secret = styles[0] if len(styles) == 1 and styles[0] != UNSEEN_STYLE else None
    return Task(
        f"objects, each a {' or a '.join(styles)}",
        OBJECTS,
        partial(_make_single_scene, styles=styles),
        secret,
    )


def make_altered_task(name: str, alter: Callable[[Image.Image], Image.Image]) -> Task:
    """Photos of objects changed in a way for which the world has no word."""
    return Task(name, OBJECTS, partial(_make_single_scene, styles=("photo",)), None, alter)


COUNT_TASK = Task("how many", tuple(NUMBER_WORDS.values()), _make_counted_scene)
RIDDLE = make_secret_task("red")  # lesson 00 asks for the rule, so its code must not tell
ON_ITS_SIDE = make_altered_task(
    "on its side", partial(Image.Image.transpose, method=Image.Transpose.ROTATE_90)
)
BLURRED = make_altered_task(
    "blurred", partial(Image.Image.filter, filter=ImageFilter.GaussianBlur(2))
)
