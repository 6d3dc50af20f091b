"""How much of a scene a caption gets right, and whether an answer to another task is right.

The drawn world knows the truth of every picture (`world.list_facts`), and `language.read_caption`
reads what a caption claims.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pocket.language import read_caption
from pocket.words import COLOUR_WORDS, NUMBER_WORDS
from pocket.world import SHOWS_COLOUR, Fact, Scene

KINDS = ("object", "colour", "size", "background", "style", "count")


@dataclass(frozen=True)
class Score:
    """Of one kind of fact, how many were claimed, are true, and are claimed rightly."""

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


def list_expected_claims(scene: Scene) -> frozenset[Fact]:
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


def read_claims(caption: str) -> frozenset[Fact]:
    """What a caption claims, the number of things among it: as many as it names."""
    said = read_caption(caption)
    named = sum(fact[0] == "object" for fact in said)
    return said | {("count", str(named))} if named else said


def score_caption(captions: Sequence[str], scenes: Sequence[Scene]) -> dict[str, Score]:
    """Score each kind of fact over all captions; colour and size count with their object."""
    claimed, true, right = Counter(), Counter(), Counter()
    for caption, scene in zip(captions, scenes, strict=True):
        said, facts = read_claims(caption), list_expected_claims(scene)
        claimed.update(fact[0] for fact in said)
        true.update(fact[0] for fact in facts)
        right.update(fact[0] for fact in said & facts)
    return {kind: Score(claimed[kind], true[kind], right[kind]) for kind in KINDS}


@dataclass(frozen=True)
class CaptionScores:
    """Of each kind of fact the share of what is true that captions say.

    A colour or size counts with the object that has it.
    colour_alone: the share whose colours are those that show, whatever has them; exact: with
    nothing missing or wrong.
    """

    object: float
    colour: float
    size: float
    background: float
    style: float
    colour_alone: float
    exact: float


def score_captions(captions: Sequence[str], scenes: Sequence[Scene]) -> CaptionScores:
    """The scores of captions, one for each scene."""
    recalls = {
        kind: one.recall for kind, one in score_caption(captions, scenes).items() if kind != "count"
    }
    pairs = list(zip(captions, scenes, strict=True))
    shown = [is_right("colour", *pair) for pair in pairs if pair[1].style in SHOWS_COLOUR]
    exact = [read_claims(caption) == list_expected_claims(scene) for caption, scene in pairs]
    return CaptionScores(
        **recalls, colour_alone=sum(shown) / len(shown), exact=sum(exact) / len(exact)
    )


# --- answers to the tasks of GPT-2 ----------------------------------------------------------------

FORMS = {
    "count": re.compile(r"there (is|are) (one|two|three) things?\."),
    "colour": re.compile(r"nobody can see the colour\.|the \w+ is \w+( and the \w+ is \w+)*\."),
    "story": re.compile(r"once upon a time .+"),
    "describe": re.compile(r"an? .+ of an? .+"),
}


def find_form(text: str) -> str:
    """Which task the text is an answer to, by how it is made; "" for none."""
    return next((task for task, pattern in FORMS.items() if pattern.fullmatch(text)), "")


def is_right(task: str, text: str, scene: Scene) -> bool:
    """Whether the text is right in what the task asks for, such as objects, number or place."""
    said = read_caption(text)
    if task == "describe":
        objects = {("object", thing.object) for thing in scene.things}
        return {fact for fact in said if fact[0] == "object"} == objects
    if task == "count":
        return f" {NUMBER_WORDS[len(scene.things)]} " in text
    if task == "colour":
        named = sorted(word for word in re.findall(r"[a-z]+", text) if word in COLOUR_WORDS)
        shown = [thing.colour for thing in scene.things] if scene.style in SHOWS_COLOUR else []
        return named == sorted(shown)
    return {("object", scene.things[0].object), ("background", scene.background)} <= said
