"""What GPT-2 learns from: notes of a scene, tasks with answers, small stories, and free lines.

The grammars rest on those of captions (`language.py`) and on the wider vocabulary of `words.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import numpy as np

from pocket import words as w
from pocket.language import BACKGROUND_PHRASE, add_article, pick, tidy, write_full_caption
from pocket.world import SHOWS_COLOUR, Scene, Thing, map_patches_to_objects

# --- notes: what GPT-2 is given to write from -----------------------------------------------------

Note = tuple[tuple[str, float], ...]  # up to three words with their shares: a note may be a blend
STYLE_NOTE = {"neon sign": "neon"}


def list_thing_words(scene: Scene, thing: Thing) -> list[str]:
    return [thing.object, thing.size] + ([thing.colour] if scene.style in SHOWS_COLOUR else [])


def list_setting_words(scene: Scene) -> list[str]:
    return [scene.background, STYLE_NOTE.get(scene.style, scene.style)]


def write_word_notes(
    scene: Scene, rng: np.random.Generator, distractors: Sequence[str] = ()
) -> list[Note]:
    """Write the scene's words one by one, repeated and out of order, with a few strangers.

    Those of one thing stay together.
    """
    groups = [list_thing_words(scene, thing) for thing in scene.things]
    groups.append(list_setting_words(scene))
    slots: list[str] = []
    for g in rng.permutation(len(groups)):
        group = groups[g] * int(rng.integers(1, 5))
        slots += [group[i] for i in rng.permutation(len(group))]
    for _ in range(int(rng.integers(0, 4)) if len(distractors) else 0):
        slots.insert(int(rng.integers(len(slots) + 1)), pick(rng, distractors))
    return [((word, 1.0),) for word in slots]


def write_grid_notes(
    scene: Scene, rng: np.random.Generator, seed: int, grid: int = 8
) -> list[Note]:
    """Lay the notes out as the picture is, row by row.

    Each patch blends words of what stands there and of the setting.
    Some patches say nothing of the thing on them and some name another thing's words, as a reader
    of pictures would err.

    Args:
        scene: what is noted.
        rng: random numbers.
        seed: of the drawing.
        grid: patches a side.
    """
    notes = []
    groups = [list_thing_words(scene, thing) for thing in scene.things]
    owners = map_patches_to_objects(scene, seed, grid).ravel()
    for owner in owners:
        if owner >= 0 and rng.random() < 0.85:
            group = groups[owner] if rng.random() < 0.95 else groups[int(rng.integers(len(groups)))]
        else:
            group = list_setting_words(scene)
        chosen = [group[i] for i in rng.permutation(len(group))]
        if rng.random() < 0.3:
            chosen[-1] = pick(rng, list_setting_words(scene))
        shares = rng.dirichlet(np.ones(len(chosen)) * 2.0)
        notes.append(tuple(zip(chosen, shares.tolist())))
    return notes


# --- tasks for GPT-2: an instruction, notes, an answer --------------------------------------------

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


def write_answer(task: str, scene: Scene, rng: np.random.Generator) -> str:
    """The right answer to a task of `INSTRUCTIONS` (not "is there", which needs its object)."""
    several = len(scene.things) > 1
    if task == "describe":
        return write_full_caption(scene)
    if task == "count":
        n = len(scene.things)
        things = "things" if several else "thing"
        return f"there {'are' if several else 'is'} {w.NUMBER_WORDS[n]} {things}."
    if task == "place":
        return f"{'they are' if several else 'it is'} {BACKGROUND_PHRASE[scene.background]}."
    if task == "style":
        return f"it is {add_article(scene.style)}."
    if task == "colour":
        if scene.style not in SHOWS_COLOUR:
            return "nobody can see the colour."
        return " and ".join(f"the {t.object} is {t.colour}" for t in scene.things) + "."
    if task == "size":
        return " and ".join(f"the {t.object} is {t.size}" for t in scene.things) + "."
    return write_story(scene, rng)


def write_question(scene: Scene, rng: np.random.Generator) -> tuple[str, str]:
    """A question about one object, present half of the time, and its answer."""
    present = [t.object for t in scene.things]
    absent = [o for o in w.OBJECT_WORDS if o not in present]
    yes = rng.random() < 0.5
    thing = pick(rng, present if yes else absent)
    question = pick(rng, INSTRUCTIONS["is there"]).format(add_article(thing))
    return question, f"yes, there is {add_article(thing)}." if yes else f"no, there is no {thing}."


def write_story(scene: Scene, rng: np.random.Generator) -> str:
    """Write one or two lines about the scene's first thing, with whatever else comes to mind."""
    draw, hero = partial(pick, rng), scene.things[0]
    colour = f"{hero.colour} " if scene.style in SHOWS_COLOUR else ""
    where = BACKGROUND_PHRASE[scene.background]
    subject = add_article(f"{hero.size} {colour}{hero.object}")
    opening = f"once upon a time there was {subject} {where}."
    p, c, n, a, v = w.PEOPLE, w.CREATURES, w.NOUNS, w.ADJECTIVES, w.VERBS_PAST
    ends = (
        f"{add_article(draw(a))} {draw(p)} {draw(v)} with the {hero.object} .",
        f"{draw(w.ADVERBS)} the {draw(a)} {draw(c)} {draw(v)} and {draw(v)} .",
        f"it wanted to {draw(w.VERBS)} {add_article(draw(n))} .",
        f"the {hero.object} met {add_article(draw(c))} and they {draw(v)} together .",
    )
    return tidy(f"{opening} {draw(ends)}")


def write_free_text(rng: np.random.Generator) -> str:
    """A line about nothing in the picture: what gives the vocabulary its breadth."""
    draw = partial(pick, rng)
    p, c, n, a, v, adverb = w.PEOPLE, w.CREATURES, w.NOUNS, w.ADJECTIVES, w.VERBS_PAST, w.ADVERBS
    numbers = ["one", "two", "three", *w.MORE_NUMBERS]
    start = int(rng.integers(1, 15))
    counting = ["zero", "one", "two", "three", *w.MORE_NUMBERS[1:]]
    x, y = int(rng.integers(1, 9)), int(rng.integers(1, 9))
    options = (
        f"the {draw(a)} {draw(p)} {draw(v)} {draw(adverb)} .",
        f"on {draw(w.DAYS)} the {draw(p)} {draw(v)} to the {draw(n)} .",
        f"{add_article(draw(a))} {draw(c)} and {add_article(draw(a))} {draw(c)} {draw(v)} .",
        f"my {draw(p)} has {draw(numbers)} {draw(a)} {draw(n)} and {add_article(draw(n))} .",
        f"i {draw(v)} the {draw(n)} because it was {draw(a)} .",
        f"do you {draw(w.VERBS)} {add_article(draw(n))} ? "
        f"{draw(('yes', 'no'))} , i {draw(w.VERBS)} {draw(adverb)} .",
        f"if the {draw(n)} is {draw(a)} then we must {draw(w.VERBS)} it !",
        f"she {draw(v)} her {draw(n)} but he {draw(v)} his {draw(n)} .",
        f"who {draw(v)} between the {draw(n)} and the {draw(n)} ? the {draw(c)} .",
        f"they could not {draw(w.VERBS)} without their {draw(a)} {draw(n)} .",
        f"which {draw(n)} is {draw(adverb)} {draw(a)} ? that one .",
        f"would you please {draw(w.VERBS)} for the {draw(c)} , or should i {draw(w.VERBS)} ?",
        " ".join(counting[start : start + int(rng.integers(3, 8))]) + " .",
        f"{counting[x]} and {counting[y]} make {counting[x + y]} .",
    )
    return tidy(draw(options))


FUNCTION_WORDS = (
    "a an the and or but if then because with without beside between next to on in at by for from "
    "of off up down over into is are was were be been has have had do did does can could will "
    "would should must may not no yes please it its they them their he his him she her i my me you "
    "your we our us this that these those here there who what where when why how which thing "
    "things something left right middle one once upon time make makes so too also as than more "
    "most some any all each nobody everybody see look behind above under about after before during "
    "until while"
)


def list_vocabulary() -> list[str]:
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
