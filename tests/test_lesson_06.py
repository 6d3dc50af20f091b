"""Facts about folders of somebody's own pictures: what is found wrong with them, how they are split, and the explorers of lesson 06."""

import io
import json
import re
import shutil
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from chinese import english_of
from explorers import in_language, moved
from PIL import Image, ImageEnhance, ImageOps
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPConfig, CLIPModel, GPT2Config, GPT2LMHeadModel

from finetuning.options import read_options
from finetuning.run import COPIES
from helpers import data, fast_text, pictures
from helpers.language import LearnerError
from helpers.pretrained import encode_images, load_clip, load_language_model
from lessons.kit import flops
from lessons.kit.models import show_prediction
from lessons.lesson_06_own_pictures import figures
from lessons.lesson_06_own_pictures.explorers import costs, photographs, sheets, splits, uploads
from pocket import classifiers, few_shot, folders, own_folder, world
from pocket.datasets import read_scene
from pocket.studies import own_pictures_study

EIGHT = list(own_folder.CLASS_NAMES)
PLANTED = {
    "cup/cup-04.png": "unreadable",
    "key/IMG_0412.heic": "unreadable",
    "bird/bird-05 (1).png": "copy",
    "cat/shared.jpg": "copy",
    "house/by_the_sea.jpg": "two classes",
    "boat/boat-05.png": "two classes",
    "new_folder": "empty",
    "umbrella": "alone",
}


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    return own_folder.draw_folder(tmp_path_factory.mktemp("own") / "sepia")


@pytest.fixture
def folder(tmp_path):
    """Two classes, a and b, of four pictures each."""
    place = tmp_path / "mine"
    for number in range(4):
        for name in "ab":
            save(noise(number + (10 if name == "b" else 0)), place / name / f"{number}.png")
    return place


def noise(seed, side=64):
    """A picture like no other: soft blobs."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


def save(image, file, **how):
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file, **how)


def kinds(folder, **how):
    return {fault.path.relative_to(folder).as_posix(): fault.kind for fault in folders.check_folder(folder, **how)[1]}


# --- what is wrong with a folder -----------------------------------------------------------------------------------------


def test_every_planted_fault_is_found_and_nothing_else(example):
    assert kinds(example) == PLANTED
    classes, _ = folders.check_folder(example)
    assert classes.class_names == EIGHT and len(classes.files) == len(classes.labels) == 126
    assert all(file.parent.name == classes.class_names[label] for file, label in zip(classes.files, classes.labels))
    left = {file.relative_to(example).as_posix() for file in classes.files}
    assert left.isdisjoint(PLANTED) and {"bird/bird-05.png", "cat/cat-02.png"} <= left


def test_all_faults_are_told_at_once_each_with_what_to_do(example, lang):
    with pytest.raises(LearnerError) as error:
        folders.read_folder(example)
    lines = str(error.value).split("\n")
    assert len(lines) == len(PLANTED)
    for path in PLANTED:
        (line,) = [line for line in lines if line.startswith(f"{example / path} ")]
        advice = {"en": ("save", "delete", "needed"), "zh": ("另存", "重新保存", "删掉", "至少")}[lang]
        assert any(word in line for word in advice) and not (lang == "zh" and english_of(line)), line
    assert len(folders.read_folder(example, leave_out=True).files) == 126


def test_a_folder_without_faults_is_read_whole(tmp_path):
    clean = own_folder.draw_folder(tmp_path / "clean", faults=False)
    assert len(folders.read_folder(clean).files) == len(EIGHT) * own_folder.EACH and kinds(clean) == {}


def test_more_than_a_hundred_faults_are_count_flops(folder):
    for number in range(120):
        (folder / "a" / f"x{number}.jpg").write_text("no picture")
    with pytest.raises(LearnerError, match="… and 20 more"):
        folders.read_folder(folder)


def jpeg(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, format="jpeg", quality=quality)
    return Image.open(buffer).convert("RGB")


SAME = {
    "the same bytes": lambda image: image,
    "JPEG, good": lambda image: jpeg(image, 90),
    "JPEG, poor": lambda image: jpeg(image, 30),
    "half as large": lambda image: image.resize((image.width // 2, image.height // 2)),
    "larger": lambda image: image.resize((image.width * 2, image.height * 2), Image.Resampling.BICUBIC),
    "sent round": lambda image: jpeg(image.resize((image.width // 2, image.height // 2)), 50),
    "in grey": lambda image: image.convert("L"),
    "256 colours": lambda image: image.quantize(256),
}
OTHERWISE = {
    "cropped": lambda image: image.crop((10, 10, image.width - 10, image.height - 10)),
    "mirrored": ImageOps.mirror,
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
}


def a_drawing(style="photo"):
    record = {
        "things": [{"object": "cat", "colour": "red", "size": "large"}],
        "background": "meadow",
        "style": style,
    }
    return world.draw(read_scene(record), 1, 128)


@pytest.mark.parametrize("style", ["photo", "sketch", "sepia print", "silhouette"])
@pytest.mark.parametrize("how", SAME)
def test_a_picture_that_was_shrunk_or_saved_again_is_known(folder, style, how):
    save(a_drawing(style), folder / "a" / "cat.png")
    save(SAME[how](a_drawing(style)), folder / "a" / "later.png")
    assert kinds(folder) == {"a/later.png": "copy"}


@pytest.mark.parametrize("how", OTHERWISE)
def test_one_that_was_cropped_mirrored_or_made_brighter_is_not_as_the_lesson_says(folder, how):
    save(a_drawing(), folder / "a" / "cat.png")
    save(OTHERWISE[how](a_drawing()), folder / "a" / "later.png")
    assert kinds(folder) == {}


def test_between_copies_and_other_pictures_of_the_example_lies_a_wide_gap(example):
    classes, faults = folders.check_folder(example)

    def apart(one, other):
        return float(np.abs(folders.make_thumbnail(one) - folders.make_thumbnail(other)).mean())

    copies = [apart(*map(pictures.open_picture, (fault.path, fault.of))) for fault in faults if fault.of]
    small = [folders.make_thumbnail(pictures.open_picture(file)) for file in classes.files]
    others = min(np.abs(one - other).mean() for one, other in combinations(small, 2))
    assert len(copies) == 4 and max(copies) < 0.5 * folders.COPY_THRESHOLD and others > 1.5 * folders.COPY_THRESHOLD


def test_the_original_is_kept_and_its_copy_is_told(folder):
    save(noise(50), folder / "a" / "cat.png")
    save(noise(50), folder / "a" / "cat (1).png")
    classes, (fault,) = folders.check_folder(folder)
    assert (fault.kind, fault.path.name, fault.of.name) == ("copy", "cat (1).png", "cat.png")
    assert folder / "a" / "cat.png" in classes.files


def test_of_a_picture_in_two_classes_both_are_left_out(folder):
    save(noise(60), folder / "a" / "x.png")
    save(noise(60), folder / "b" / "y.png")
    assert kinds(folder) == {"a/x.png": "two classes", "b/y.png": "two classes"}
    assert len(folders.read_folder(folder, leave_out=True).files) == 8


def test_a_class_of_too_few_is_left_out_with_its_pictures(folder):
    for number in range(3):
        save(noise(70 + number), folder / "c" / f"{number}.png")
    assert kinds(folder) == {"c": "few"} and folders.read_folder(folder, leave_out=True).class_names == ["a", "b"]
    assert kinds(folder, fewest=3) == {}


def test_copies_do_not_make_a_class_large_enough(folder):
    for number in range(5):
        save(noise(80), folder / "c" / f"{number}.png")
    assert kinds(folder)["c"] == "alone"


def test_what_a_system_puts_there_is_no_picture_and_no_class(folder):
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / "__MACOSX").mkdir()
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (folder / "a" / name).write_bytes(b"x")
    (folder / "captions.json").write_text("[]")
    assert kinds(folder) == {}


def test_pictures_in_deeper_folders_belong_to_the_class_and_names_may_be_anything(folder):
    (folder / "b").rename(folder / "红 杯_子")
    save(noise(90), folder / "a" / "2024" / "一月" / "9.png")
    classes = folders.read_folder(folder)
    assert classes.class_names == ["a", "红 杯 子"] and len(classes.files) == 9


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, b"\xff\xd8\xff\xe0" * 9])
def test_a_file_that_is_no_picture_is_told_and_stops_nothing(folder, content):
    (folder / "a" / "odd.jpg").write_bytes(content)
    assert kinds(folder) == {"a/odd.jpg": "unreadable"}


@pytest.mark.parametrize(
    ("names", "told"),
    [([], "has no sub-folders"), (["train", "test"], "holds the parts of a data set"), (["a"], "there must be two")],
)
def test_a_folder_that_holds_no_classes_says_what_it_should_hold(tmp_path, names, told):
    for name in names:
        for number in range(4):
            save(noise(number), tmp_path / name / f"{number}.png")
    with pytest.raises(ValueError, match=told):
        folders.read_folder(tmp_path)


@pytest.mark.parametrize("other", ["red cup", "Red_Cup", "_red__cup_", "red\u3000cup", "RED CUP"])
def test_folders_whose_names_are_one_to_clip_are_refused_and_named(folder, other):
    (folder / "a").rename(folder / "red_cup")
    (folder / "b").rename(folder / other)
    with pytest.raises(LearnerError) as told:
        folders.check_folder(folder)
    assert "“red_cup”" in str(told.value) and f"“{other}”" in str(told.value)


@pytest.mark.parametrize("blank", ["_", "__ _", "\u3000"])
def test_a_folder_whose_name_is_blank_is_refused(folder, blank):
    (folder / "a").rename(folder / blank)
    with pytest.raises(LearnerError, match="class names are blank"):
        folders.check_folder(folder)


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        folders.read_folder(tmp_path / "nowhere")


# --- split and encoded ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(3, 3), (4, 5, 8), (16, 3, 40, 7)])
def test_a_split_has_every_class_in_every_part_and_each_picture_once(sizes):
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))]
    parts = few_shot.split_own_pictures(labels, seed=0)
    assert sorted(torch.cat(parts).tolist()) == list(range(len(labels)))
    for label, size in enumerate(sizes):
        train, validation, test = (int((labels[part] == label).sum()) for part in parts)
        assert validation == test == max(1, size // 4) and train == size - 2 * test >= 1


def test_the_same_seed_splits_alike_and_another_otherwise():
    labels = torch.arange(4).repeat(10)
    one, again, other = (few_shot.split_own_pictures(labels, seed) for seed in (0, 0, 1))
    assert all(map(torch.equal, one, again)) and not torch.equal(one[2].sort().values, other[2].sort().values)


def test_a_class_of_two_cannot_be_split():
    with pytest.raises(ValueError, match="class 1 has 2 examples"):
        few_shot.split_own_pictures(torch.tensor([0, 0, 0, 1, 1]), seed=0)


def test_own_pictures_are_encoded_as_any_pictures_and_few_are_open_at_once(example, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    clip, processor = load_clip("pocket")
    parts = folders.read_own_pictures(folders.read_folder(example, leave_out=True), seed=3)
    most = []

    def compute(clip, processor, images):
        most.append(len(images))
        return encode_images(clip, processor, images)

    ours = data.cache_features(clip, processor, parts.train.images, compute)
    assert max(most) == pictures.FILE_BATCH_SIZE < len(parts.train.images)
    theirs = encode_images(clip, processor, [pictures.open_picture(file) for file in parts.train.images.files])
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert [file.parent.name for file in parts.test.images.files] == [EIGHT[label] for label in parts.test.labels]
    features = data.encode_split(clip, processor, parts)
    assert [len(part[0]) for part in (features.train, features.validation, features.test)] == [66, 30, 30]


# --- what is calculated --------------------------------------------------------------------------------------------------


def count_flops(model, **given):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(**given)
    return counter.get_total_flops()


@pytest.mark.parametrize("patch", [32, 16])
def test_the_count_of_a_vision_tower_is_that_of_torch(patch):
    config = CLIPConfig(vision_config={"patch_size": patch})
    with torch.device("meta"):
        clip = CLIPModel(config)
    seen = count_flops(clip.vision_model, pixel_values=torch.empty(3, 3, 224, 224, device="meta"))
    assert flops.FLOP * flops.count_vision_tower(config, 3).forward == seen


@pytest.mark.parametrize("config", [GPT2Config(), GPT2Config(n_embd=192, n_layer=4, n_head=6, vocab_size=1858)])
def test_the_count_of_a_language_model_is_that_of_torch(config):
    with torch.device("meta"):
        model = GPT2LMHeadModel(config)
    read = count_flops(model, inputs_embeds=torch.empty(2, 72, config.n_embd, device="meta"))
    assert flops.FLOP * flops.count_language_model(config, 2, 72, 72).forward == read
    scored = flops.count_language_model(config, 2, 72, 13)
    assert (read // flops.FLOP - scored.forward) == 2 * (72 - 13) * config.n_embd * config.vocab_size


def test_the_bill_of_a_context_is_bounded_as_the_mechanism_bounds_it():
    config = CLIPConfig()
    # texts of 4 positions of their own behind 17 shared ones, in ViT-B/32's text tower, that go through it together
    fitting = fast_text.KEPT_FOR_BACKWARD // (4 * fast_text.count_kept(512, 12, 4, 17))
    one, most, more = (flops.count_context_training(config, classes, 16) for classes in (1, fitting, fitting + 1))
    assert one.backward * fitting == pytest.approx(most.backward) and most.backward <= fast_text.KEPT_FOR_BACKWARD
    assert more.backward == fast_text.KEPT_FOR_BACKWARD
    assert more.training > 1.3 * most.training  # computed a second time


def test_the_bill_of_a_captioner_asks_for_the_memory_that_the_script_asks_for():
    bill = flops.count_captioner_training(CLIPConfig(), GPT2Config(), 1_000_000)
    pooled = flops.count_captioner_training(CLIPConfig(), GPT2Config(), 1_000_000, patches=False)
    assert bill.features == COPIES * 1_000_000 * 49 * 768 * 4 == 49 * pooled.features
    assert bill.encoding == pooled.encoding and bill.training > pooled.training


# --- the stored study ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_study_measures_again_what_it_stored(example):
    study = own_pictures_study.load_study()
    clip, processor = load_clip("pocket")
    classes = folders.read_folder(example, leave_out=True)
    features = data.encode_split(clip, processor, folders.read_own_pictures(classes, 0))
    again = own_pictures_study.measure_split(clip, processor, classes.class_names, features, 0)
    assert classes.class_names == study.classes and len(classes.files) == study.pictures
    for way, share in vars(again).items():  # another processor rounds otherwise, and training makes more of it
        assert share == pytest.approx(getattr(study.runs[0], way), abs=0.11)


# --- pictures and explorers ----------------------------------------------------------------------------------------------


def reads_well(picture, lang):
    assert in_language(picture.alt, lang) and in_language(picture.caption, lang)
    return picture


def test_the_sheet_shows_a_class_or_all_and_names_what_is_wrong(example, lang):
    sheet = sheets.explore_sheet(example)
    for name in ("umbrella", "new folder", "cat", ""):
        shown = reads_well(moved(sheet, name=name), lang)
        wrong = [path for path in PLANTED if not name or path.replace("_", " ").startswith(name)]
        for path in wrong:
            assert path.replace("new_folder", "new folder") in shown.alt
        files = sum(shown.alt.count(kind) for kind in (".png", ".jpg", ".heic"))
        assert files == sum("." in path for path in wrong), name
    reads_well(moved(sheet, wrong=True), lang)
    reads_well(moved(sheet, name="guitar"), lang)  # nothing is wrong with it


def test_what_is_wrong_is_shown_with_the_names_of_folder_and_file(example):
    rows = sheets._list_rows(example, *folders.check_folder(example))
    tiles = [tile for row in rows for tile in sheets._list_wrong_tiles(row)]
    assert [tile.name.replace("/\n", "/").rstrip("/") for tile in tiles] == sorted(
        path.replace("_folder", " folder") for path in PLANTED
    )
    assert all(tile.sign and tile.word for tile in tiles)


def test_many_pictures_with_names_stay_on_a_page():
    tiles = [figures.Tile(f"{n}.png", None, "?", "unreadable") for n in range(1000)]
    assert figures.draw_pictures_with_names(tiles, title="t", alt="many that cannot be read").image.height < 4000


def test_classes_with_chinese_names_are_shown_by_them(tmp_path, lang):
    """A letter that no font can write would fail in conftest.py."""
    for name in ("猫", "房子", "一只名字特别特别长的红色小猫"):
        for number in range(4):
            save(noise(number + 10 * len(name)), tmp_path / "照片" / name / f"图 {number}.png")
    (tmp_path / "照片" / "猫" / "坏了.png").write_text("no picture")
    (tmp_path / "照片" / "新建文件夹").mkdir()
    sheet = sheets.explore_sheet(tmp_path / "照片")
    shown = [moved(sheet, name=name, wrong=wrong) for name in ("", "猫", "新建文件夹") for wrong in (False, True)]
    assert all("猫/坏了.png" in picture.alt for picture in shown[:4]) and "新建文件夹" in shown[5].alt
    image = Image.open(tmp_path / "照片" / "猫" / "图 0.png")
    assert "房子" in show_prediction(image, {"房子": 0.75, "猫": 0.25}).alt


def test_a_crowded_row_keeps_what_is_wrong():
    tiles = [figures.Tile(str(n), None, "=" if n in (3, 40) else "") for n in range(50)]
    shown = figures._choose_first(tiles)
    assert len(shown) == figures.SHOWN - 1 and {"3", "40"} <= {tile.name for tile in shown}
    assert [int(tile.name) for tile in shown] == sorted(int(tile.name) for tile in shown)


def test_every_fault_has_words_in_both_languages(folder, lang):
    assert set(sheets.FAULTS) == set(folders.FaultKind.__args__)
    for number in range(2):
        save(noise(70 + number), folder / "c" / f"{number}.png")
    table = sheets.tabulate_faults(folder, folders.check_folder(folder)[1])
    assert repr(table).split("\n")[1].startswith("c  ") and in_language(repr(table).split("\n")[1], lang)


def test_a_wider_limit_makes_more_pairs_the_same(example, lang):
    explorer = sheets.explore_copies(example)
    alts = [reads_well(moved(explorer, limit=limit), lang).alt for limit in (0.5, 2.0, 5.0, 12.0)]
    counts = [int(re.findall(r"\d+", alt)[-1]) for alt in alts]
    assert counts == sorted(counts) and counts[1] == 3 and counts[2] > 3


def test_folders_that_cannot_be_shown_are_told_in_a_sentence(tmp_path, lang):
    for place in ("empty", "parts/train", "parts/test"):
        (tmp_path / place).mkdir(parents=True)
    for place in ("nowhere", "empty", "parts"):
        with pytest.raises(LearnerError) as told:
            sheets.draw_sheet(tmp_path / place)
        assert in_language(str(told.value), lang)


def test_a_folder_with_one_class_that_can_be_used_says_what_is_missing(tmp_path, lang):
    for number in range(4):
        save(noise(number), tmp_path / "cat" / f"{number}.png")
    caption = sheets.draw_sheet(tmp_path).caption
    assert {"en": "not yet two classes", "zh": "还不到两个"}[lang] in caption and in_language(caption, lang)
    told = {"en": "fewer than two classes with at least 4 pictures", "zh": "至少有 4 张图片的类别不到两个"}[lang]
    with pytest.raises(LearnerError, match=told):
        folders.read_folder(tmp_path)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A course in a temporary folder, so that nothing is saved in this one."""
    monkeypatch.setattr(uploads, "DATA", tmp_path / "course" / "data")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "course").mkdir()
    uploads.find_place_for_pictures.cache_clear()
    yield tmp_path
    uploads.find_place_for_pictures.cache_clear()


def files(version, *names):
    """The value of a FileUpload after these files were chosen, in ipywidgets 7 or 8."""
    contents = {}
    for number, name in enumerate(names):
        buffer = io.BytesIO()
        noise(number).save(buffer, format="png")
        contents[name] = buffer.getvalue()
    if version == 7:
        return {name: {"metadata": {"name": name}, "content": content} for name, content in contents.items()}
    return tuple({"name": name, "content": memoryview(content)} for name, content in contents.items())


def now(path="", label="", files=()):
    """What the controls say."""
    return SimpleNamespace(path=path, label=label, files=files)


@pytest.mark.parametrize("version", [7, 8])
def test_uploaded_pictures_come_into_the_folder_of_their_class_once(example, place, lang, version):
    tool = uploads.explore_folder(example)
    assert tool.folder == example and "8" in reads_well(tool.shown, lang).alt
    chosen = files(version, "one.png", "C:\\fakepath\\two.png", "../three.png", "four.png")
    shown = tool._look(now(label="red cup", files=chosen))
    where = place / "course" / "work" / "pictures"
    assert tool.folder == where == Path(tool.controls["path"].value) and str(where) in shown.caption
    assert {path.stem for path in (where / "red_cup").iterdir()} == {"one", "two", "three", "four"}
    assert kinds(where) == {} and reads_well(shown, lang)
    tool._look(now(path=str(where), label="key", files=chosen))  # the label alone has changed
    assert not (where / "key").exists()
    tool._look(now(path=str(where), label="key", files=files(version, "five.png")))
    assert (where / "key" / "five.png").exists() and tool.folder == where


def test_without_the_name_of_a_class_nothing_is_saved(example, place, lang):
    tool = uploads.explore_folder(example)
    for label in ("", "  ", "../up", "a/b", ".hidden", "a\\b", "what?"):
        with pytest.raises(LearnerError) as told:
            tool._look(now(label=label, files=files(8, "one.png")))
        assert in_language(str(told.value), lang) and not (place / "course" / "work").exists(), label


def test_files_without_a_class_wait_for_its_name_and_do_not_stand_in_the_way_of_a_path(example, folder, place):
    tool, chosen = uploads.explore_folder(example), files(8, "one.png")
    with pytest.raises(LearnerError):
        tool._look(now(files=chosen))
    tool._look(now(path=str(folder), files=chosen))
    assert tool.folder == folder
    tool._look(now(path=str(folder), label="cup", files=chosen))
    assert (place / "course" / "work" / "pictures" / "cup" / "one.png").exists() and tool.folder != folder


def test_where_the_course_cannot_be_written_to_another_place_is_taken_and_told(example, place, monkeypatch, lang):
    shutil.rmtree(place / "course")
    (place / "course").write_text("a file, so that no folder can be made in it")
    tool = uploads.explore_folder(example)
    tool._look(now(label="cup", files=files(8, "one.png")))
    assert tool.folder == place / "cache" / "pictures" and (tool.folder / "cup" / "one.png").exists()
    uploads.find_place_for_pictures.cache_clear()
    monkeypatch.setattr(uploads.os, "access", lambda *_: False)
    shown = tool._look(now(label="cup", files=files(8, "two.png")))
    assert (tool.folder / "cup" / "two.png").exists() and place not in tool.folder.parents
    assert {"en": "temporary", "zh": "临时"}[lang] in shown.caption


def test_a_path_is_taken_and_an_empty_one_means_the_example(example, folder, place, lang):
    tool = uploads.explore_folder(example)
    assert reads_well(moved(tool, path=str(folder)), lang).alt and tool.folder == folder
    assert "nowhere" in moved(tool, path=str(folder / "nowhere")).text
    moved(tool, path="")
    assert tool.folder == example


def test_nobody_asks_for_anything_before_an_upload(example, place):
    uploads.explore_folder(example)
    assert sorted(path.name for path in place.iterdir()) == ["course"] and not list((place / "course").iterdir())


@pytest.mark.parametrize("photograph", [0, 1])
def test_a_photograph_is_shown_with_what_the_pocket_clip_says(lang, photograph):
    explorer = photographs.explore_photographs(*load_clip("pocket"), world.OBJECTS)
    first = reads_well(moved(explorer, photograph=photograph), lang)
    other = reads_well(moved(explorer, template="{}"), lang)
    assert first.image.tobytes() != other.image.tobytes()
    assert ("plane" if photograph == 0 else "cat") in first.alt and (photograph == 0 or "flower" in other.alt)


def test_pieces_of_a_photograph_are_told_apart_though_nothing_was_learned_of_photographs():
    clip, processor = load_clip("pocket")
    images, which = photographs.cut_pieces()
    again, _ = photographs.cut_pieces()
    assert which.tolist() == [0] * 16 + [1] * 16 and images[5].tobytes() == again[5].tobytes()
    vectors = encode_images(clip, processor, images)
    parts = few_shot.split_own_pictures(which, seed=0)
    few = data.FewShot(*((vectors[part], which[part]) for part in parts))
    assert classifiers.measure_class_mean(few) == 1.0


def test_what_changes_is_read_off_the_models(lang):
    table = costs.tabulate_changes(load_clip("pocket")[0], load_language_model("pocket")[0])
    rows = {here: there for _, here, there in table.rows}
    assert rows["64"] == "49" and rows["128"] == "1,024"
    theirs = [row[2] for row in table.rows]
    assert {"224", "32", "49", "768", "512", "77", "100", "5,120", "1,024", "151,277,313", "124,439,808"} <= set(theirs)
    assert all(in_language(row[0], lang) for row in table.rows)


def test_costs_grow_with_what_there_is_to_do_and_devices_share_the_captions_alone(lang):
    explorer = costs.explore_costs()
    large = reads_well(explorer.shown, lang)
    small = reads_well(moved(explorer, classes=100, captions=10_000), lang)
    moved(explorer, classes=1000, captions=1_000_000)
    assert "452 GB" in large.alt and "452 GB" not in small.alt and {"en": "days", "zh": "天"}[lang] in large.alt
    many = reads_well(moved(explorer, devices=64), lang)
    assert "452 GB" in many.alt and many.alt != large.alt  # memory is as it was, and time is not
    assert {"en": "every process", "zh": "每个进程"}[lang] in many.caption
    pooled = reads_well(moved(explorer, patches=False), lang)
    assert "9.2 GB" in pooled.alt and "452 GB" not in pooled.alt


def test_measured_sizes_come_from_the_stored_benchmarks(lang):
    table = costs.tabulate_measured()
    numbers = [tuple(float(cell.split()[0]) for cell in row[1:]) for row in table.rows]
    assert all(1 < measured / calculated < 1.3 for calculated, measured in numbers[-2:])  # of memory
    assert all(in_language(row[0], lang) for row in table.rows)


def test_the_table_of_costs_says_what_the_explorer_says(lang):
    table, explorer = costs.tabulate_costs(), costs.explore_costs()
    pace = explorer.controls["pace"].options[-1][1]
    states = {}, {"pace": pace}, {"devices": 8}, {"devices": 1, "batch": 64}
    for row, how in zip(table.rows, states, strict=True):
        alt = moved(explorer, **how).alt
        assert row[4] in alt and {"en": f"together {row[4]}", "zh": f"合计 {row[4]}"}[lang] in alt
    assert all(in_language(name, lang) for name in (table.rows[0][0], *table.header))


def test_the_table_of_photographs_says_what_the_explorer_says(lang):
    models = *load_clip("pocket"), world.OBJECTS
    table, explorer = photographs.tabulate_photographs(*models), photographs.explore_photographs(*models)
    for template, *answers in table.rows:
        for number, answer in enumerate(answers):
            shown = moved(explorer, photograph=number, template=template)
            assert {"en": f"that of “{answer}”", "zh": f"最长的是“{answer}”"}[lang] in shown.alt


def test_the_study_is_drawn_with_its_numbers(lang):
    assert "27 (20–37)" in reads_well(splits.draw_splits(), lang).alt
    command = own_pictures_study.load_study().command
    assert command == own_pictures_study.COMMAND == f"python -m {own_pictures_study.__name__}"


def test_the_splits_of_ones_own_pictures_are_measured(example):
    classes = folders.read_folder(example, leave_out=True)
    table = splits.tabulate_splits(*load_clip("pocket"), classes, seeds=(0,))
    assert [row[0] for row in table.rows] == ["0", "mean"] and table.rows[0][2:] == table.rows[1][2:]


def test_the_command_line_reads_the_captions_of_a_folder(example):
    classes, file = folders.read_folder(example, leave_out=True), example / "captions.json"
    file.write_text(json.dumps(folders.make_caption_entries(classes, example)), encoding="utf-8")
    config = read_options(["--data", str(file)])
    pairs = pictures.read_pairs(config.data, config.allow_outside)
    assert [path for path, _ in pairs] == classes.files and {text for _, text in pairs} == {f"a {c}." for c in EIGHT}
    file.unlink()
