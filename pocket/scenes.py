"""Which scenes pocket CLIP was trained on, and fresh ones on which it can be measured.

Other seeds alone do not make a scene fresh: two thirds of all scenes of one thing occurred in
training, in another drawing.
"""

from __future__ import annotations

from collections.abc import Container
from functools import cache

import numpy as np

from pocket.world import Scene, make_near_twin, make_random_scene

PAIRS = 50_000  # of near twins, whose pictures pocket CLIP was trained on


def make_pair(index: int, seed: int) -> tuple[Scene, Scene]:
    """Two scenes that differ in one respect; the same index and seed give the same pair."""
    rng = np.random.default_rng([seed, index])
    scene = make_random_scene(rng)
    return scene, make_near_twin(scene, rng)


@cache
def make_training_scenes() -> frozenset[Scene]:
    """The scenes whose pictures the shipped pocket CLIP was trained on (seed 0)."""
    return frozenset(scene for index in range(PAIRS) for scene in make_pair(index, seed=0))


def make_fresh_scene(
    rng: np.random.Generator, besides: Container[Scene] = (), **fixed: object
) -> Scene:
    """Make a scene that no training drew, nor stands in `besides`; as `make_random_scene`."""
    while (scene := make_random_scene(rng, **fixed)) in make_training_scenes() or scene in besides:
        pass
    return scene
