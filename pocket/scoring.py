"""How much of a scene a caption gets right: objects, colours, sizes, background, style and number, with precision and recall.

The drawn world knows the truth of every picture (`world.facts`), and `language.read_caption` reads what a caption claims.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pocket.language import read_caption
from pocket.world import SHOWS_COLOUR, Fact, Scene

KINDS = ("object", "colour", "size", "background", "style", "count")


@dataclass(frozen=True)
class Score:
    """Of one kind of fact, over some captions: how many were claimed, how many are true, and how many of the claims are."""

    claimed: int
    true: int
    right: int

    @property
    def precision(self) -> float:
        """The share of what was claimed that is true; 0 where nothing was."""
        return self.right / self.claimed if self.claimed else 0.0

    @property
    def recall(self) -> float:
        """The share of what is true that was claimed; 0 where nothing is."""
        return self.right / self.true if self.true else 0.0


def truth(scene: Scene) -> frozenset[Fact]:
    """What a complete caption of the scene claims. Colours count where the style shows them."""
    facts: set[Fact] = {
        ("background", scene.background),
        ("style", scene.style),
        ("count", str(len(scene.things))),
    }
    for thing in scene.things:
        facts |= {("object", thing.object), ("size", thing.object, thing.size)}
        if scene.style in SHOWS_COLOUR:
            facts.add(("colour", thing.object, thing.colour))
    return frozenset(facts)


def claims(caption: str) -> frozenset[Fact]:
    """What a caption claims, the number of things among it: as many as it names."""
    said = read_caption(caption)
    named = sum(fact[0] == "object" for fact in said)
    return said | {("count", str(named))} if named else said


def score(captions: Sequence[str], scenes: Sequence[Scene]) -> dict[str, Score]:
    """Of each kind of fact, over all captions and their scenes. A colour or size is right only with the object that has it."""
    claimed, true, right = Counter(), Counter(), Counter()
    for caption, scene in zip(captions, scenes, strict=True):
        said, facts = claims(caption), truth(scene)
        claimed.update(fact[0] for fact in said)
        true.update(fact[0] for fact in facts)
        right.update(fact[0] for fact in said & facts)
    return {kind: Score(claimed[kind], true[kind], right[kind]) for kind in KINDS}
