"""What can be said about a scene: captions, and what they claim. `corpus.py` has the rest.

Every sentence is made from facts of the scene (`world.list_facts`), and a caption comes with the
facts that it states, so that one can tell of which other scenes it would be true as well. Grammars,
not templates alone: the same can be said in many ways.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pocket import words as w
from pocket.world import SHOWS_COLOUR, Fact, Scene, Thing


@dataclass(frozen=True)
class Caption:
    """A sentence and what it states; it is true of every scene that has all its facts."""

    text: str
    facts: frozenset[Fact]


BACKGROUND_PHRASE = {name: phrases[0] for name, phrases in w.BACKGROUND_PHRASES.items()}


def pick(rng: np.random.Generator, options: Sequence, first: float | None = None):
    """One of the options; `first` is the probability of the first one, the usual word."""
    if first is not None and (len(options) == 1 or rng.random() < first):
        return options[0]
    return options[int(rng.integers(first is not None, len(options)))]


def add_article(phrase: str) -> str:
    vowel = (
        phrase[0] in "aeiou"
        and not phrase.startswith(("uk", "one"))
        or phrase.startswith(("hour", "honest"))
    )
    return f"{'an' if vowel else 'a'} {phrase}"


def tidy(text: str) -> str:
    """Punctuation closes up to the word before it."""
    return re.sub(r" ([.,?!:])", r"\1", text)


# --- captions -------------------------------------------------------------------------------------


def write_noun_phrase(
    thing: Thing,
    shows_colour: bool,
    rng: np.random.Generator,
    detail: float,
    anonymous: bool = False,
) -> Caption:
    """ "a small red cat" and what it states, the usual words mostly.

    Args:
        thing: what is named.
        shows_colour: whether its colour can be seen.
        rng: random numbers.
        detail: the probability that each property is named.
        anonymous: the object goes unnamed ("something small", "a red thing"), which is true of any
            object.
    """
    said: set[Fact] = set()
    parts = []
    if rng.random() < 0.06:
        parts.append(pick(rng, w.FILLER_ADJECTIVES))
    if rng.random() < detail or anonymous:
        parts.append(pick(rng, w.SIZE_WORDS[thing.size], 0.75))
        said.add(("any size", thing.size) if anonymous else ("size", thing.object, thing.size))
    if shows_colour and rng.random() < detail:
        parts.append(pick(rng, w.COLOUR_WORDS[thing.colour], 0.85))
        said.add(
            ("any colour", thing.colour) if anonymous else ("colour", thing.object, thing.colour)
        )
    if not anonymous:
        said.add(("object", thing.object))
    parts.append("thing" if anonymous else pick(rng, w.OBJECT_WORDS[thing.object], 0.88))
    return Caption(add_article(" ".join(parts)), frozenset(said))


def write_caption(
    scene: Scene, rng: np.random.Generator, detail: float = 0.55, alone: float = 0.45
) -> Caption:
    """One of the many true sentences about the scene.

    Args:
        scene: what it is about.
        rng: random numbers.
        detail: the probability that each property of a thing is named.
        alone: the probability that of several things only one is mentioned.
    """
    shows_colour = scene.style in SHOWS_COLOUR
    said: set[Fact] = set()
    n = len(scene.things)
    mentioned = list(range(n)) if n == 1 or rng.random() < 1 - alone else [int(rng.integers(n))]
    phrases = []
    for i in mentioned:
        phrase = write_noun_phrase(
            scene.things[i], shows_colour, rng, detail, anonymous=rng.random() < 0.06
        )
        said |= phrase.facts
        text = phrase.text
        if n > 1 and ("object", scene.things[i].object) in phrase.facts and rng.random() < 0.22:
            said.add(("place", scene.things[i].object, scene.places[i]))
            opens = len(mentioned) == 1 and rng.random() < 0.5
            text = (
                f"on the {scene.places[i]} {text}" if opens else f"{text} on the {scene.places[i]}"
            )
        phrases.append(text)
    if len(phrases) == n and n > 1:
        said.add(("count", str(n)))
        if rng.random() < 0.12:
            phrases[0] = f"{w.NUMBER_WORDS[n]} things , {phrases[0]}"
    joined = pick(rng, (" and ", " and ", " with ", " beside ", " next to ")).join(phrases)
    if rng.random() < 0.6:
        joined = f"{joined} {pick(rng, w.BACKGROUND_PHRASES[scene.background], 0.72)}"
        said.add(("background", scene.background))
    kind = rng.random()
    if kind < 0.62:
        medium = add_article(pick(rng, w.STYLE_WORDS[scene.style], 0.8))
        said.add(("style", scene.style))
        text = (
            f"{medium} of {joined}"
            if kind < 0.56 and not joined.startswith("on")
            else f"{joined} , {medium}"
        )
    elif kind < 0.76 and not joined.startswith("on"):
        text = f"{add_article(pick(rng, w.NEUTRAL_WORDS))} of {joined}"
    elif kind < 0.82:
        text = f"{pick(rng, ('there is', 'here is', 'we see', 'this is'))} {joined}"
    else:
        text = joined
    return Caption(tidy(text + " ." if rng.random() < 0.8 else text), frozenset(said))


def write_full_caption(scene: Scene) -> str:
    """Write the caption that says everything in the usual words, in one fixed order."""
    things = []
    for thing in scene.things:
        colour = f"{thing.colour} " if scene.style in SHOWS_COLOUR else ""
        things.append(add_article(f"{thing.size} {colour}{thing.object}"))
    said = " and ".join(things)
    return f"{add_article(scene.style)} of {said} {BACKGROUND_PHRASE[scene.background]}."


# --- reading a caption back -----------------------------------------------------------------------


def _make_lexicon(table: dict[str, Sequence[str]]) -> dict[str, str]:
    return {phrase: name for name, phrases in table.items() for phrase in phrases}


_OBJECTS, _COLOURS, _SIZES = (
    _make_lexicon(w.OBJECT_WORDS),
    _make_lexicon(w.COLOUR_WORDS),
    _make_lexicon(w.SIZE_WORDS),
)
_BACKGROUNDS, _STYLES = _make_lexicon(w.BACKGROUND_PHRASES), _make_lexicon(w.STYLE_WORDS)


def read_caption(text: str) -> frozenset[Fact]:
    """Read what a caption claims: objects with the size and colour before them, place and style.

    Words the world does not know are passed over; an empty set means that nothing was understood.
    """
    text = " ".join(re.findall(r"[a-z]+", text.lower()))
    said: set[Fact] = set()
    for table, name in ((_BACKGROUNDS, "background"), (_STYLES, "style")):
        found = [
            (text.find(f" {phrase} "), value)
            for phrase, value in table.items()
            if f" {phrase} " in f" {text} "
        ]
        said |= {(name, value) for _, value in sorted(found)[:1]}
    size = colour = None
    for word in text.split():
        size, colour = _SIZES.get(word, size), _COLOURS.get(word, colour)
        if word in _OBJECTS:
            thing = _OBJECTS[word]
            said.add(("object", thing))
            said |= {("size", thing, size)} if size else set()
            said |= {("colour", thing, colour)} if colour else set()
            size = colour = None
    return frozenset(said)
