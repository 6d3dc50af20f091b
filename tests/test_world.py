"""Facts about the drawn world: pictures, truth, captions and notes."""

import re
from dataclasses import replace

import numpy as np
import pytest

from pocket import corpus, language, words
from pocket.tasks import COUNT_TASK, ON_ITS_SIDE, make_secret_task, make_style_task
from pocket.world import (
    ALL_STYLES,
    BACKGROUNDS,
    COLOURS,
    OBJECTS,
    SHOWS_COLOUR,
    SIZES,
    STYLES,
    UNSEEN_STYLE,
    Scene,
    Thing,
    draw,
    list_all_facts,
    list_facts,
    make_near_twin,
    make_random_scene,
    map_patches_to_objects,
)

CAT = Scene((Thing("cat", "red", "large"),), "beach", "photo")
PAIR = Scene((Thing("cat", "red", "small"), Thing("key", "blue", "large")), "night", "cartoon")


def scenes(n: int, seed: int = 7) -> list[Scene]:
    rng = np.random.default_rng(seed)
    return [make_random_scene(rng) for _ in range(n)]


def pixels(scene: Scene, seed: int = 0, size: int = 64) -> np.ndarray:
    return np.asarray(draw(scene, seed, size)).astype(float)


def test_the_world_is_as_large_as_the_course_promises():
    assert len(OBJECTS) >= 24 and len(COLOURS) >= 10 and len(SIZES) == 3 and len(BACKGROUNDS) >= 8
    assert len(STYLES) == 8 and UNSEEN_STYLE in ALL_STYLES and UNSEEN_STYLE not in STYLES
    assert len(corpus.list_vocabulary()) >= 800


def test_drawing_is_a_pure_function_of_scene_and_seed():
    assert np.array_equal(pixels(PAIR, 3), pixels(PAIR, 3))
    assert not np.array_equal(pixels(PAIR, 3), pixels(PAIR, 4))


@pytest.mark.parametrize("style", ALL_STYLES)
def test_every_part_of_a_scene_shows_in_its_picture(style):
    scene = replace(CAT, style=style)
    thing = scene.things[0]
    changes = [replace(scene, background="city"), replace(scene, style="photo" if style != "photo" else "sketch")]
    changes += [
        replace(scene, things=(replace(thing, object="boat"),)),
        replace(scene, things=(replace(thing, size="small"),)),
    ]
    for changed in changes:
        assert np.abs(pixels(changed) - pixels(scene)).mean() > 2, changed
    recoloured = pixels(replace(scene, things=(replace(thing, colour="blue"),)))
    assert (np.abs(recoloured - pixels(scene)).max() > 40) == (style in SHOWS_COLOUR) or style == UNSEEN_STYLE


@pytest.mark.parametrize("style", ALL_STYLES)
def test_the_small_picture_is_the_large_one_made_small(style):
    scene = replace(PAIR, style=style)
    shrunk = np.asarray(draw(scene, 5, 256).resize((64, 64), 4)).astype(float)  # 4: box filter
    assert np.abs(shrunk - pixels(scene, 5)).mean() < 9


def test_the_patch_truth_lies_where_the_picture_changes():
    with_cat, without = pixels(CAT), pixels(replace(CAT, things=(Thing("cat", "blue", "large"),)))
    changed = (np.abs(with_cat - without).sum(2) > 60).reshape(8, 8, 8, 8).mean((1, 3))
    owners = map_patches_to_objects(CAT)
    assert (owners >= 0).sum() > 12
    assert changed[owners == 0].mean() > 0.5 > 0.1 > changed[owners == -1].mean()


def test_two_things_own_different_patches_left_and_right():
    owners = map_patches_to_objects(PAIR)
    assert np.argwhere(owners == 0)[:, 1].mean() < 4 < np.argwhere(owners == 1)[:, 1].mean() + 0.5


def test_a_scene_that_the_world_cannot_draw_is_refused_with_what_it_can():
    with pytest.raises(ValueError, match="no object 'unicorn'; it knows cat"):
        Scene((Thing("unicorn", "red"),))
    with pytest.raises(ValueError, match="one to three things, not 0"):
        Scene(())
    with pytest.raises(ValueError, match="at least 16 pixels"):
        draw(CAT, size=8)


def test_colours_are_true_only_where_the_style_shows_them():
    assert ("colour", "cat", "red") in list_facts(CAT)
    assert not any("colour" in fact[0] for fact in list_facts(replace(CAT, style="blueprint")))


def test_every_fact_of_a_trained_style_has_a_label():
    known = set(list_all_facts())
    assert all(list_facts(scene) <= known for scene in scenes(300))


def test_a_near_twin_differs_but_little():
    rng = np.random.default_rng(0)
    for scene in scenes(300):
        twin = make_near_twin(scene, rng)
        assert len(twin.things) == len(scene.things)
        assert len(list_facts(scene) ^ list_facts(twin)) <= 22


def test_a_caption_is_true_of_its_scene_and_stays_in_the_vocabulary():
    rng = np.random.default_rng(1)
    known = set(corpus.list_vocabulary())
    for scene in scenes(500):
        said = language.write_caption(scene, rng)
        assert said.facts <= list_facts(scene), said
        assert set(re.findall("[a-z]+", said.text)) <= known, said.text


def test_the_same_scene_is_told_in_many_ways():
    rng = np.random.default_rng(2)
    assert len({language.write_caption(PAIR, rng).text for _ in range(200)}) > 150


def test_what_is_read_from_a_full_caption_is_the_scene():
    for scene in scenes(500):
        said = language.read_caption(language.write_full_caption(scene))
        assert said <= list_facts(scene)
        assert {("object", t.object) for t in scene.things} | {
            ("background", scene.background),
            ("style", scene.style),
        } <= said


def test_a_wrong_or_foreign_caption_is_not_read_as_true():
    assert not language.read_caption("a sketch of a large red dog at night.") <= list_facts(CAT)
    assert language.read_caption("zwei Birnen") == frozenset()


def test_answers_and_stories_stay_in_the_vocabulary_and_fit_the_scene():
    rng = np.random.default_rng(3)
    known = set(corpus.list_vocabulary())
    for scene in scenes(200):
        texts = [corpus.write_answer(task, scene, rng) for task in corpus.INSTRUCTIONS if task != "is there"]
        texts += [*corpus.write_question(scene, rng), corpus.write_free_text(rng)]
        assert set(re.findall("[a-z]+", " ".join(texts))) <= known
    assert corpus.write_answer("count", PAIR, rng) == "there are two things."
    assert corpus.write_answer("colour", PAIR, rng) == "the cat is red and the key is blue."
    assert corpus.write_answer("place", CAT, rng) == "it is on the beach."


def test_notes_name_what_is_there():
    rng = np.random.default_rng(4)
    for scene in scenes(100):
        wanted = {t.object for t in scene.things} | {scene.background}
        assert wanted <= {note[0][0] for note in corpus.write_word_notes(scene, rng)}
        grid = corpus.write_grid_notes(scene, rng, seed=1)
        assert len(grid) == 64
        assert all(abs(sum(share for _, share in note) - 1) < 1e-9 for note in grid)


def test_no_word_means_two_things():
    for table in (
        words.OBJECT_WORDS,
        words.COLOUR_WORDS,
        words.SIZE_WORDS,
        words.STYLE_WORDS,
        words.BACKGROUND_PHRASES,
    ):
        phrases = [phrase for options in table.values() for phrase in options]
        assert len(phrases) == len(set(phrases))


def test_a_secret_task_hides_its_secret_in_the_scene_and_not_in_the_names():
    rng = np.random.default_rng(5)
    for secret, field in (("small", "size"), ("large", "size"), ("red", "colour")):
        task = make_secret_task(secret)
        assert secret not in task.class_names
        for label in range(24):
            scene = task.scene(label, rng)
            holders = [t.object for t in scene.things if getattr(t, field) == secret]
            assert holders == [task.class_names[label]]
    left = make_secret_task("left").scene(3, rng)
    assert left.things[0].object == OBJECTS[3]


def test_examples_of_a_task_are_reproducible_and_of_their_class():
    for task in (COUNT_TASK, ON_ITS_SIDE, make_style_task("sketch")):
        first, again = task.example(2, 5, seed=9), task.example(2, 5, seed=9)
        assert np.array_equal(np.asarray(first), np.asarray(again))
        assert not np.array_equal(np.asarray(first), np.asarray(task.example(2, 6, seed=9)))
