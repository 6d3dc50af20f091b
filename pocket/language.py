"""What can be said about a scene: captions for CLIP, and for GPT-2 also notes, questions, answers and small stories.

Every sentence is made from facts of the scene (`world.facts`), and a caption comes with the facts that it states, so that
one can tell of which other scenes it would be true as well. Grammars, not templates alone: the same can be said in many ways.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pocket import words as w
from pocket.world import SHOWS_COLOUR, Fact, Scene, Thing, objects_by_patch


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


def with_article(phrase: str) -> str:
    vowel = (
        phrase[0] in "aeiou"
        and not phrase.startswith(("uk", "one"))
        or phrase.startswith(("hour", "honest"))
    )
    return f"{'an' if vowel else 'a'} {phrase}"


def tidy(text: str) -> str:
    """Punctuation closes up to the word before it."""
    return re.sub(r" ([.,?!:])", r"\1", text)


# --- captions --------------------------------------------------------------------------------------------------------


def noun_phrase(
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
        anonymous: the object goes unnamed ("something small", "a red thing"), which is true of any object.
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
    return Caption(with_article(" ".join(parts)), frozenset(said))


def caption(
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
        phrase = noun_phrase(
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
        medium = with_article(pick(rng, w.STYLE_WORDS[scene.style], 0.8))
        said.add(("style", scene.style))
        text = (
            f"{medium} of {joined}"
            if kind < 0.56 and not joined.startswith("on")
            else f"{joined} , {medium}"
        )
    elif kind < 0.76 and not joined.startswith("on"):
        text = f"{with_article(pick(rng, w.NEUTRAL_WORDS))} of {joined}"
    elif kind < 0.82:
        text = f"{pick(rng, ('there is', 'here is', 'we see', 'this is'))} {joined}"
    else:
        text = joined
    return Caption(tidy(text + " ." if rng.random() < 0.8 else text), frozenset(said))


def full_caption(scene: Scene) -> str:
    """The caption that says everything in the usual words: what GPT-2 answers to the notes, in one fixed order."""
    things = []
    for thing in scene.things:
        colour = f"{thing.colour} " if scene.style in SHOWS_COLOUR else ""
        things.append(with_article(f"{thing.size} {colour}{thing.object}"))
    return f"{with_article(scene.style)} of {' and '.join(things)} {BACKGROUND_PHRASE[scene.background]}."


# --- reading a caption back ----------------------------------------------------------------------------------------------


def _lexicon(table: dict[str, Sequence[str]]) -> dict[str, str]:
    return {phrase: name for name, phrases in table.items() for phrase in phrases}


_OBJECTS, _COLOURS, _SIZES = (
    _lexicon(w.OBJECT_WORDS),
    _lexicon(w.COLOUR_WORDS),
    _lexicon(w.SIZE_WORDS),
)
_BACKGROUNDS, _STYLES = _lexicon(w.BACKGROUND_PHRASES), _lexicon(w.STYLE_WORDS)


def read_caption(text: str) -> frozenset[Fact]:
    """What a caption claims: objects with the size and colour named before them, background and style.

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


# --- notes: what GPT-2 is given to write from -----------------------------------------------------------------------------

Note = tuple[tuple[str, float], ...]  # up to three words with their shares: a note may be a blend
STYLE_NOTE = {"neon sign": "neon"}


def thing_words(scene: Scene, thing: Thing) -> list[str]:
    return [thing.object, thing.size] + ([thing.colour] if scene.style in SHOWS_COLOUR else [])


def setting_words(scene: Scene) -> list[str]:
    return [scene.background, STYLE_NOTE.get(scene.style, scene.style)]


def word_notes(
    scene: Scene, rng: np.random.Generator, distractors: Sequence[str] = ()
) -> list[Note]:
    """The scene's words one by one: repeated, out of order (those of one thing stay together), with a few strangers."""
    groups = [thing_words(scene, thing) for thing in scene.things] + [setting_words(scene)]
    slots: list[str] = []
    for g in rng.permutation(len(groups)):
        group = groups[g] * int(rng.integers(1, 5))
        slots += [group[i] for i in rng.permutation(len(group))]
    for _ in range(int(rng.integers(0, 4)) if len(distractors) else 0):
        slots.insert(int(rng.integers(len(slots) + 1)), pick(rng, distractors))
    return [((word, 1.0),) for word in slots]


def grid_notes(scene: Scene, rng: np.random.Generator, seed: int, grid: int = 8) -> list[Note]:
    """The notes laid out as the picture is, row by row: each patch blends words of what stands there and of the setting.

    Some patches say nothing of the thing on them and some name another thing's words, as a reader of pictures would err.

    Args:
        scene: what is noted.
        rng: random numbers.
        seed: of the drawing.
        grid: patches a side.
    """
    notes = []
    groups = [thing_words(scene, thing) for thing in scene.things]
    owners = objects_by_patch(scene, seed, grid).ravel()
    for owner in owners:
        if owner >= 0 and rng.random() < 0.85:
            group = groups[owner] if rng.random() < 0.95 else groups[int(rng.integers(len(groups)))]
        else:
            group = setting_words(scene)
        chosen = [group[i] for i in rng.permutation(len(group))]
        if rng.random() < 0.3:
            chosen[-1] = pick(rng, setting_words(scene))
        shares = rng.dirichlet(np.ones(len(chosen)) * 2.0)
        notes.append(tuple(zip(chosen, shares.tolist())))
    return notes


# --- tasks for GPT-2: an instruction, notes, an answer -----------------------------------------------------------------------

INSTRUCTIONS = {
    "describe": (
        "describe what you see:",
        "write a caption for the picture:",
        "what is in the picture?",
        "say what this is:",
    ),
    "count": ("how many things are there?", "count the things:"),
    "colour": ("what colour is it?", "name the colour:"),
    "place": ("where is it?", "name the place:"),
    "style": ("what kind of picture is it?", "name the style:"),
    "size": ("how big is it?", "name the size:"),
    "story": ("tell a story:", "write a short story about this:", "once upon a time?"),
    "is there": ("is there {}?", "can you see {}?"),
}


def answer(task: str, scene: Scene, rng: np.random.Generator) -> str:
    """The right answer to a task of `INSTRUCTIONS` (not "is there", which needs its object)."""
    several = len(scene.things) > 1
    if task == "describe":
        return full_caption(scene)
    if task == "count":
        n = len(scene.things)
        return f"there {'are' if several else 'is'} {w.NUMBER_WORDS[n]} {'things' if several else 'thing'}."
    if task == "place":
        return f"{'they are' if several else 'it is'} {BACKGROUND_PHRASE[scene.background]}."
    if task == "style":
        return f"it is {with_article(scene.style)}."
    if task == "colour":
        if scene.style not in SHOWS_COLOUR:
            return "nobody can see the colour."
        return " and ".join(f"the {t.object} is {t.colour}" for t in scene.things) + "."
    if task == "size":
        return " and ".join(f"the {t.object} is {t.size}" for t in scene.things) + "."
    return story(scene, rng)


def is_there(scene: Scene, rng: np.random.Generator) -> tuple[str, str]:
    """A question about one object, present half of the time, and its answer."""
    present = [t.object for t in scene.things]
    absent = [o for o in w.OBJECT_WORDS if o not in present]
    yes = rng.random() < 0.5
    thing = pick(rng, present if yes else absent)
    question = pick(rng, INSTRUCTIONS["is there"]).format(with_article(thing))
    return question, f"yes, there is {with_article(thing)}." if yes else f"no, there is no {thing}."


def story(scene: Scene, rng: np.random.Generator) -> str:
    """A story of one or two lines about the first thing of the scene, where the scene is, with whatever else comes to mind."""
    hero = scene.things[0]
    colour = f"{hero.colour} " if scene.style in SHOWS_COLOUR else ""
    where = BACKGROUND_PHRASE[scene.background]
    opening = (
        f"once upon a time there was {with_article(f'{hero.size} {colour}{hero.object}')} {where}."
    )
    p, c, n, a, v = w.PEOPLE, w.CREATURES, w.NOUNS, w.ADJECTIVES, w.VERBS_PAST
    ends = (
        f"{with_article(pick(rng, a))} {pick(rng, p)} {pick(rng, v)} with the {hero.object} .",
        f"{pick(rng, w.ADVERBS)} the {pick(rng, a)} {pick(rng, c)} {pick(rng, v)} and {pick(rng, v)} .",
        f"it wanted to {pick(rng, w.VERBS)} {with_article(pick(rng, n))} .",
        f"the {hero.object} met {with_article(pick(rng, c))} and they {pick(rng, v)} together .",
    )
    return tidy(f"{opening} {pick(rng, ends)}")


def free_text(rng: np.random.Generator) -> str:
    """A line about nothing in the picture: what gives the vocabulary its breadth."""
    p, c, n, a, v, adverb = w.PEOPLE, w.CREATURES, w.NOUNS, w.ADJECTIVES, w.VERBS_PAST, w.ADVERBS
    numbers = ["one", "two", "three", *w.MORE_NUMBERS]
    start = int(rng.integers(1, 15))
    counting = ["zero", "one", "two", "three", *w.MORE_NUMBERS[1:]]
    x, y = int(rng.integers(1, 9)), int(rng.integers(1, 9))
    options = (
        f"the {pick(rng, a)} {pick(rng, p)} {pick(rng, v)} {pick(rng, adverb)} .",
        f"on {pick(rng, w.DAYS)} the {pick(rng, p)} {pick(rng, v)} to the {pick(rng, n)} .",
        f"{with_article(pick(rng, a))} {pick(rng, c)} and {with_article(pick(rng, a))} {pick(rng, c)} {pick(rng, v)} .",
        f"my {pick(rng, p)} has {pick(rng, numbers)} {pick(rng, a)} {pick(rng, n)} and {with_article(pick(rng, n))} .",
        f"i {pick(rng, v)} the {pick(rng, n)} because it was {pick(rng, a)} .",
        f"do you {pick(rng, w.VERBS)} {with_article(pick(rng, n))} ? {pick(rng, ('yes', 'no'))} , i {pick(rng, w.VERBS)} {pick(rng, adverb)} .",
        f"if the {pick(rng, n)} is {pick(rng, a)} then we must {pick(rng, w.VERBS)} it !",
        f"she {pick(rng, v)} her {pick(rng, n)} but he {pick(rng, v)} his {pick(rng, n)} .",
        f"who {pick(rng, v)} between the {pick(rng, n)} and the {pick(rng, n)} ? the {pick(rng, c)} .",
        f"they could not {pick(rng, w.VERBS)} without their {pick(rng, a)} {pick(rng, n)} .",
        f"which {pick(rng, n)} is {pick(rng, adverb)} {pick(rng, a)} ? that one .",
        f"would you please {pick(rng, w.VERBS)} for the {pick(rng, c)} , or should i {pick(rng, w.VERBS)} ?",
        " ".join(counting[start : start + int(rng.integers(3, 8))]) + " .",
        f"{counting[x]} and {counting[y]} make {counting[x + y]} .",
    )
    return tidy(pick(rng, options))


FUNCTION_WORDS = (
    "a an the and or but if then because with without beside between next to on in at by for from of off up down over into "
    "is are was were be been has have had do did does can could will would should must may not no yes please it its they them "
    "their he his him she her i my me you your we our us this that these those here there who what where when why how which "
    "thing things something left right middle one once upon time make makes so too also as than more most some any all each "
    "nobody everybody see look behind above under about after before during until while"
)


def vocabulary() -> list[str]:
    """Every word that the grammars can say, sorted: the tokenizers keep each of them whole."""
    text: list[str] = []
    for name in vars(w):
        table = getattr(w, name)
        if name.isupper():
            values = table.values() if isinstance(table, dict) else table
            text += [
                phrase
                for value in values
                for phrase in ([value] if isinstance(value, str) else value)
            ]
    text += [line for lines in INSTRUCTIONS.values() for line in lines]
    text += list(STYLE_NOTE.values()) + FUNCTION_WORDS.split()
    return sorted(set(re.findall(r"[a-z]+", " ".join(text))))
