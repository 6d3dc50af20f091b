"""Facts about the caption set in data/captions, and about the sets that are drawn when they are needed."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.files import find_cache_folder
from helpers.pretrained import encode_images, encode_texts, load_clip
from pocket import cards, datasets
from pocket.datasets import (
    CAPTION_COUNTS,
    CAPTION_SIZE,
    CAPTIONS,
    draw_captioned,
    draw_few_shot,
    find_split,
    read_scene,
)
from pocket.language import add_article, read_caption, write_full_caption
from pocket.scenes import make_training_scenes
from pocket.tasks import BLURRED, COUNT_TASK, Task, make_altered_task, make_secret_task, make_style_task
from pocket.world import OBJECTS, STYLES, Scene, Thing, compute_drawing_version, draw, list_facts, make_random_scene

RED = make_secret_task("red")
FEW = {"shots": 2, "checks": 1, "tests": 1}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def nothing_trained(monkeypatch):
    """What training drew takes seconds to count up; most facts do not depend on it."""
    monkeypatch.setattr(datasets, "make_training_scenes", frozenset)


@pytest.fixture(scope="module")
def captions() -> dict[str, list[dict]]:
    return {split: json.loads((CAPTIONS / f"{split}.json").read_text(encoding="utf-8")) for split in CAPTION_COUNTS}


@pytest.fixture(scope="module")
def truth() -> dict[str, dict]:
    return json.loads((CAPTIONS / "scenes.json").read_text(encoding="utf-8"))


def pixels(images: list[Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(image) for image in images])


# --- the caption set ------------------------------------------------------------------------------------------------------


def test_every_entry_has_a_path_beside_the_json_file_and_a_text(captions, truth):
    assert {split: len(entries) for split, entries in captions.items()} == CAPTION_COUNTS
    entries = [entry for split in captions.values() for entry in split]
    assert all(list(entry) == ["image_path", "text"] for entry in entries)
    assert [entry["image_path"] for entry in entries] == list(truth)
    assert {f"images/{file.name}" for file in (CAPTIONS / "images").iterdir()} == set(truth)


def test_all_pictures_are_rgb_of_one_size_and_the_folder_is_small(truth):
    for path in truth:
        with Image.open(CAPTIONS / path) as image:
            image.load()
            assert (image.mode, image.size, image.format) == ("RGB", (CAPTION_SIZE, CAPTION_SIZE), "PNG")
    assert sum(file.stat().st_size for file in CAPTIONS.rglob("*") if file.is_file()) < 5.8e6


def test_no_scene_occurs_twice_and_training_drew_no_lone_thing(truth):
    scenes = {path: read_scene(record) for path, record in truth.items()}
    assert len({list_facts(scene) for scene in scenes.values()}) == len(scenes)
    assert all(path.startswith(f"images/{find_split(scene)}-") for path, scene in scenes.items())
    assert make_training_scenes().isdisjoint(scene for scene in scenes.values() if len(scene.things) == 1)


def test_all_of_the_world_is_in_the_caption_set_but_the_style_kept_for_tests(truth):
    scenes = [read_scene(record) for record in truth.values()]
    assert {scene.style for scene in scenes} == set(STYLES)
    assert {thing.object for scene in scenes for thing in scene.things} == set(OBJECTS)
    assert [sum(len(scene.things) == n for scene in scenes) for n in (1, 2, 3)] == [330, 198, 72]


def test_every_text_says_what_its_picture_shows_and_nothing_else(captions, truth):
    for entry in [entry for split in captions.values() for entry in split]:
        scene = read_scene(truth[entry["image_path"]])
        assert entry["text"] == write_full_caption(scene)
        said = read_caption(entry["text"])
        assert said <= list_facts(scene)
        assert {("object", thing.object) for thing in scene.things} <= said and ("style", scene.style) in said


def test_a_picture_drawn_again_has_the_very_same_pixels(truth):
    for path, record in list(truth.items())[::15]:
        again = draw(read_scene(record), record["seed"], CAPTION_SIZE)
        assert np.array_equal(np.asarray(again), np.asarray(Image.open(CAPTIONS / path))), path


def test_clip_reads_the_stored_pictures_about_as_well_as_pictures_drawn_for_it(truth):
    clip, processor = load_clip("pocket")
    lone = dict([item for item in truth.items() if len(item[1]["things"]) == 1][::3])
    labels = torch.tensor([OBJECTS.index(record["things"][0]["object"]) for record in lone.values()])
    texts = encode_texts(clip, processor, [f"a picture of {add_article(name)}." for name in OBJECTS])

    def hits(images: list[Image.Image]) -> float:
        return (encode_images(clip, processor, images) @ texts.T).argmax(1).eq(labels).float().mean().item()

    stored = hits([Image.open(CAPTIONS / path) for path in lone])
    assert stored > 0.95
    assert stored > hits([draw(read_scene(record), record["seed"], 64) for record in lone.values()]) - 0.03


def test_the_cards_say_what_was_measured_and_show_texts_of_the_set():
    fillings = list(cards.list_fillings())
    assert len(fillings) == 5
    assert [(card, name) for card, name, text in fillings if text not in card.read_text(encoding="utf-8")] == []


def test_the_set_is_made_whole_and_keeps_its_card(tmp_path, nothing_trained):
    folder = tmp_path / "captions"
    (folder / "images").mkdir(parents=True)
    (folder / "README.md").write_text("the card")
    (folder / "images" / "old.png").write_text("old")
    datasets.make_captions(folder, {"train": 4, "validation": 2, "test": 2})
    assert {p.name for p in folder.iterdir()} == {
        "README.md", "images", "scenes.json", "test.json", "train.json", "validation.json",
    }  # fmt: skip
    assert len(list((folder / "images").iterdir())) == 8
    assert [p.name for p in tmp_path.iterdir()] == ["captions"]


def test_a_making_that_fails_leaves_the_old_set_as_it_was(tmp_path, nothing_trained, monkeypatch):
    (tmp_path / "captions").mkdir()
    (tmp_path / "captions" / "README.md").write_text("the card")
    monkeypatch.setattr(datasets, "draw", fail)
    with pytest.raises(AssertionError, match="nothing should be drawn"):
        datasets.make_captions(tmp_path / "captions", {"train": 1})
    assert [p.name for p in tmp_path.rglob("*")] == ["captions", "README.md"]


# --- splits and few-shot sets -----------------------------------------------------------------------------------------------


def fail(*_: object) -> None:
    raise AssertionError("nothing should be drawn")


def test_half_of_all_scenes_are_for_training_and_a_quarter_each_for_validation_and_test():
    rng = np.random.default_rng(0)
    splits = [find_split(make_random_scene(rng)) for _ in range(2000)]
    shares = [splits.count(split) / 2000 for split in CAPTION_COUNTS]
    assert np.allclose(shares, [0.5, 0.25, 0.25], atol=0.03)


def test_sketches_that_differ_in_a_colour_nobody_sees_lie_in_one_split():
    for style in ("sketch", "silhouette", "blueprint"):
        scene = Scene((Thing("cat", "red"),), "beach", style)
        assert {find_split(replace(scene, things=(Thing("cat", c),))) for c in ("red", "blue", "white")} == {
            find_split(scene)
        }


@pytest.mark.parametrize("task", [RED, COUNT_TASK, make_style_task("sketch")])
def test_every_class_has_its_pictures_in_every_split_and_no_scene_is_in_two(task, nothing_trained):
    splits = draw_few_shot(task, **FEW)
    for name, each in (("train", 2), ("validation", 1), ("test", 1)):
        pictures = getattr(splits, name)
        assert pictures.labels.bincount().tolist() == [each] * len(task.class_names)
        assert len(pictures.images) == len(pictures.scenes) == len(pictures.labels)
        assert {find_split(scene) for scene in pictures.scenes} == {name}
        assert {(image.size, image.mode) for image in pictures.images} == {((64, 64), "RGB")}


def test_a_picture_fits_its_label():
    splits = draw_few_shot(RED, **FEW)
    for label, scene in zip(splits.train.labels, splits.train.scenes):
        assert [thing.object for thing in scene.things if thing.colour == "red"] == [RED.class_names[label]]


@pytest.mark.parametrize("style", ["photo", "blueprint", "sepia print"])
def test_a_style_has_scenes_enough_that_training_never_drew(style):
    for split, each in (("train", 16), ("validation", 8), ("test", 20)):
        chosen = datasets.list_task_drawings(make_style_task(style), split, each, seed=0)
        assert len(set(chosen)) == len(chosen) == 24 * each
        assert make_training_scenes().isdisjoint(scene for scene, _ in chosen)


def test_the_same_call_gives_the_same_pictures_and_another_seed_others_to_learn_from(nothing_trained, monkeypatch):
    one, other = draw_few_shot(RED, **FEW), draw_few_shot(RED, **FEW, seed=1)
    monkeypatch.setenv("COURSE_CACHE", str(find_cache_folder() / "another"))
    again = draw_few_shot(RED, **FEW)
    for name in ("train", "validation", "test"):
        assert np.array_equal(pixels(getattr(one, name).images), pixels(getattr(again, name).images))
        assert getattr(one, name).scenes == getattr(again, name).scenes
    assert one.train.scenes != other.train.scenes and one.test.scenes == other.test.scenes


def test_fewer_shots_are_the_first_of_more(nothing_trained):
    few, more = (datasets.list_task_drawings(RED, "train", each, seed=0) for each in (2, 3))
    assert few[:2] == more[:2] and few[2:4] == more[3:5]


def test_a_class_without_scenes_is_told_and_not_looked_for_for_ever():
    cat = Task("one cat", ("cat",), lambda label, rng: Scene((Thing("cat", "red"),), "beach", "sepia print"))
    split = "validation" if find_split(cat.scene(0, None)) == "test" else "test"
    with pytest.raises(ValueError, match=f"one cat: only 0 {split} pictures of 'cat', not 1; ask for fewer"):
        datasets.list_task_drawings(cat, split, 1, seed=0)


# --- captioned pictures --------------------------------------------------------------------------------------------------------


def test_captioned_pictures_show_what_is_said_of_them(nothing_trained):
    for things in (None, 1, 2):
        some = draw_captioned(12, seed=3, things=things)
        assert all(one.text == write_full_caption(one.scene) for one in some)
        assert things is None or {len(one.scene.things) for one in some} == {things}
    assert {find_split(one.scene) for one in draw_captioned(5, split="test")} == {"test"}
    assert draw_captioned(0) == []


def test_progress_is_told_up_to_the_last_picture(nothing_trained):
    told = []
    draw_captioned(60, size=16, progress=lambda done, total: told.append((done, total)))
    assert told == [(50, 60), (60, 60)]


# --- the cache -------------------------------------------------------------------------------------------------------------------


def test_the_second_time_nothing_is_drawn(nothing_trained, monkeypatch):
    first = draw_few_shot(BLURRED, **FEW), draw_captioned(5)
    monkeypatch.setattr(datasets, "draw", fail)
    again = draw_few_shot(BLURRED, **FEW), draw_captioned(5)
    assert np.array_equal(pixels(first[0].train.images), pixels(again[0].train.images))
    assert first[0].train.scenes == again[0].train.scenes and [c.text for c in first[1]] == [c.text for c in again[1]]
    assert all(re.fullmatch(r"(blurred|captioned)-[\w.-]+\.npz", file.name) for file in find_cache_folder().iterdir())


def test_pictures_of_older_code_are_not_used(nothing_trained, monkeypatch):
    draw_captioned(2)
    monkeypatch.setattr(datasets, "compute_drawing_version", lambda *modules: "another")
    monkeypatch.setattr(datasets, "draw", fail)
    with pytest.raises(AssertionError, match="nothing should be drawn"):
        draw_captioned(2)


def test_the_version_changes_with_what_it_is_asked_to_watch():
    assert compute_drawing_version() == compute_drawing_version() != compute_drawing_version("tasks.py")


def test_a_task_of_ones_own_may_change_and_keep_its_name(nothing_trained):
    plain, upside_down = (
        make_altered_task("mine", alter) for alter in (lambda image: image, lambda image: image.rotate(180))
    )
    one, other = (pixels(draw_few_shot(task, 0, 0, 1).test.images) for task in (plain, upside_down))
    assert np.array_equal(one[:, ::-1, ::-1], other)
    ball = replace(plain, scene=lambda label, rng: Scene((Thing("ball", "red"),), style=STYLES[rng.integers(8)]))
    assert draw_few_shot(ball, 1, 0, 0).train.scenes[0].things[0].object == "ball"


@pytest.mark.parametrize("broken", [b"", b"not an archive", None])
def test_a_broken_file_is_drawn_again(nothing_trained, broken):
    first = draw_captioned(3)
    (file,) = find_cache_folder().iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if broken is None else broken)
    assert np.array_equal(pixels([c.image for c in draw_captioned(3)]), pixels([c.image for c in first]))
    assert file.stat().st_size == len(whole)


def test_where_nothing_can_be_kept_pictures_are_drawn_all_the_same(nothing_trained, tmp_path, monkeypatch):
    (tmp_path / "a file").write_text("where a folder should be")
    for folder in (tmp_path / "a file", tmp_path / "a file" / "below"):
        monkeypatch.setenv("COURSE_CACHE", str(folder))
        assert len(draw_captioned(2)) == 2


@pytest.mark.parametrize(
    "system, variable, expected",
    [
        ("linux", "XDG_CACHE_HOME", "ten-vectors"),
        ("win32", "LOCALAPPDATA", "ten-vectors"),
        ("linux", None, ".cache/ten-vectors"),
        ("darwin", None, "Library/Caches/ten-vectors"),
        ("win32", None, "AppData/Local/ten-vectors"),
    ],
)
def test_the_cache_lies_where_each_system_keeps_caches(tmp_path, monkeypatch, system, variable, expected):
    for name in ("COURSE_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path))
    assert find_cache_folder() == tmp_path / expected and find_cache_folder().is_dir()
