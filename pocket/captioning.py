"""The pocket captioner: what it learns from, how it begins and how it is trained.

The study of lesson 03 and the evaluation rest on it. Its prompt and projection lie in
data/captioner, where `pocket.studies.captioner_study` writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.pool import Pool

import numpy as np
import torch
from torch import Tensor

from helpers.captioner import DESCRIBE, VLMWithSoftPrompt
from helpers.captioner_training import initialise_projection, train_captioner
from helpers.files import DATA
from helpers.training import Evaluation, TrainConfig
from pocket.language import write_full_caption
from pocket.scenes import make_fresh_scene
from pocket.world import Scene, draw, make_random_scene

PROMPTS = DATA / "captioner"  # what was learned: the whole of it, and one prompt file a task
CONFIG = TrainConfig(
    steps=2000, learning_rate=3e-3, batch_size=8, eval_every=250, warmup_steps=30, max_grad_norm=1.0
)
PICTURES, CHECKS, TESTS = 6000, 200, 400  # scenes to learn from, to validate on, to test on
# what is taken of the vision tower, and from which layer
LAYERS = {"patches": -2, "last layer": -1, "pooled": -1}


@dataclass(frozen=True)
class EncodedScenes:
    """Scenes, and the vision features (N, P, Dv) of their pictures."""

    scenes: tuple[Scene, ...]
    features: Tensor

    def first(self, number: int) -> EncodedScenes:
        return self.take(range(number))

    def take(self, rows: Sequence[int]) -> EncodedScenes:
        return EncodedScenes(tuple(self.scenes[row] for row in rows), self.features[list(rows)])

    def __add__(self, other: EncodedScenes) -> EncodedScenes:
        return EncodedScenes(self.scenes + other.scenes, torch.cat([self.features, other.features]))

    @property
    def captions(self) -> list[str]:
        return [write_full_caption(scene) for scene in self.scenes]


@dataclass(frozen=True)
class CaptionerData:
    """To learn from, to validate on, to test on; nothing learned from scenes of the last two."""

    train: EncodedScenes
    validation: EncodedScenes
    test: EncodedScenes


def draw_captioner_data(
    encode: Callable[[Sequence], Tensor],
    pool: Pool,
    seed: int = 0,
    things: int | None = 1,
    pictures: int = PICTURES,
) -> CaptionerData:
    """Draw random scenes and encode their pictures.

    Args:
        encode: makes of N pictures the vision features (N, P, Dv).
        pool: the processes that draw.
        seed: of the scenes and of their drawings.
        things: how many in each scene; None for one to three, as the world has them.
        pictures: how many to learn from.
    """
    rng = np.random.default_rng([seed, things or 0])
    train = [make_random_scene(rng, things=things) for _ in range(pictures)]
    learned_from = frozenset(train)

    def choose_fresh() -> Scene:
        # as many things as in the world, although more scenes of one were drawn in training
        return make_fresh_scene(
            rng, learned_from, things=things or len(make_random_scene(rng).things)
        )

    others = [[choose_fresh() for _ in range(number)] for number in (CHECKS, TESTS)]
    # another seed for each drawing
    parts, first = [], 3_000_000 + 100_000 * seed + 20_000 * (things or 0)
    for scenes in (train, *others):
        jobs = [(scene, first + i, 64) for i, scene in enumerate(scenes)]
        parts.append(EncodedScenes(tuple(scenes), encode(pool.starmap(draw, jobs, chunksize=32))))
        first += len(scenes)
    return CaptionerData(*parts)


def make_captioner(
    clip: tuple, language: tuple, train: EncodedScenes | None = None, seed: int = 0, *,
    length: int = 10, prompt: str = DESCRIBE, kind: str = "patches", as_words: bool = True,
) -> VLMWithSoftPrompt:  # fmt: skip
    """A captioner that has learned nothing yet.

    Args:
        clip: what `load_clip` gives.
        language: what `load_language_model` gives.
        train: scenes whose words the projection begins as a translation into.
        seed: of what begins at random.
        length: vectors of the soft prompt, 0 for none.
        prompt: the words that it begins as, or "random".
        kind: of vision features, a key of `LAYERS`.
        as_words: False where the projection is to begin at random.
    """
    features = "pooled" if kind == "pooled" else "patches"
    generator = torch.Generator().manual_seed(seed)
    model = VLMWithSoftPrompt(
        clip,
        language,
        length,
        features,
        init=prompt,
        vision_layer=LAYERS[kind],
        generator=generator,
    )
    if as_words and train is not None:
        initialise_projection(model, train.features, train.captions)
    return model


def train_to_describe(
    model: VLMWithSoftPrompt,
    train: EncodedScenes,
    validation: EncodedScenes,
    config: TrainConfig = CONFIG,
    until: int | None = None,
) -> list[Evaluation]:
    """Train the captioner to describe scenes.

    Args:
        model: keeps what had the lowest validation loss.
        train: scenes to learn from.
        validation: scenes to choose by.
        config: how to train.
        until: the step after which the training is broken off.
    """
    evaluations = []
    examples = (train.features, train.captions), (validation.features, validation.captions)
    with closing(train_captioner(model, *examples, config)) as training:
        for evaluation in training:
            evaluations.append(evaluation)
            if evaluation.step == until:
                break
    return evaluations
