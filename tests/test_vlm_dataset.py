"""What holds of pictures with captions: what is right is opened when it is asked for, and all that is wrong is told in one message."""

import codecs
import inspect
import io
import json
import os
import re
import signal
import struct
import sys
import time
import unicodedata
import warnings
import zlib
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from chinese import english_of
from explorers import in_language
from PIL import Image, ImageFile
from transformers import PreTrainedTokenizerFast

from helpers import language
from helpers.data import VLMDataset, tokenize_captions
from helpers.language import LearnerError, LearnerWarning
from helpers.pictures import MAX_FAULTS, BadPicture, find_misreading, group_copies, open_picture
from helpers.pretrained import load_clip, load_tokenizer

COLOURS = {"red": (255, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer("pocket")


@pytest.fixture
def folder(tmp_path):
    """A folder with a picture, and beside it another that holds the canary."""
    for name, picture, colour in (("data", "cat.png", "red"), ("outside", "canary.png", "blue")):
        (tmp_path / name).mkdir()
        plain(colour).save(tmp_path / name / picture)
    return tmp_path / "data"


def plain(colour, mode="RGB"):
    return Image.new(mode, (8, 6), colour)


def noise(size=64):
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (size, size, 3), dtype=np.uint8))


def entry(image_path="cat.png", text="a cat."):
    return {"image_path": image_path, "text": text}


def written(folder, *entries, name="data.json"):
    (folder / name).write_text(json.dumps(entries), encoding="utf-8")
    return folder / name


def opened_as(folder, tokenizer, name):
    """The picture that the dataset makes of this file."""
    return VLMDataset(written(folder, entry(name)), tokenizer)[0][0]


def faults(file, tokenizer, **choices):
    """The lines of the one message; nothing outside of the folder was opened for it."""
    with outside_untouched(file.parent), pytest.raises(ValueError) as told:
        VLMDataset(file, tokenizer, **choices)
    return str(told.value).splitlines()


def fault(folder, tokenizer, *entries):
    """What is told of the only entry that has a fault, the last."""
    file = written(folder, *entries)
    (line,) = faults(file, tokenizer)
    start = f"{file}, entry {len(entries)}: "
    assert line.startswith(start)
    return line.removeprefix(start)


opened = None  # a list, while somebody watches


def watch(event, arguments):
    if event == "open" and opened is not None and not isinstance(arguments[0], int):
        opened.append(os.fsdecode(arguments[0]))


sys.addaudithook(watch)  # for good: there is no way to take it away


@contextmanager
def watching():
    """Within, a list of all that is opened."""
    global opened
    opened = []
    try:
        yield opened
    finally:
        opened = None


@contextmanager
def outside_untouched(folder):
    with watching() as files:
        yield
    beside = [os.path.realpath(file) for file in files]
    beside = [file for file in beside if file.startswith(os.path.realpath(folder.parent) + os.sep)]
    assert [file for file in beside if not file.startswith(os.path.realpath(folder) + os.sep)] == []


def link(place, target):
    try:
        place.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        pytest.skip("this user may not make links here")


# --- the seed's promise ------------------------------------------------------------------------------------------------------


def test_it_is_called_as_in_the_script_that_the_course_grew_from():
    parameters = inspect.signature(VLMDataset).parameters
    by_place = [name for name, each in parameters.items() if each.kind is each.POSITIONAL_OR_KEYWORD]
    assert by_place == ["data_path", "tokenizer", "max_length"] and parameters["max_length"].default == 128
    assert issubclass(VLMDataset, torch.utils.data.Dataset)


def test_an_item_is_a_picture_and_the_ids_of_its_caption_with_an_end(folder, tokenizer):
    plain("green").save(folder / "dog.png")
    dataset = VLMDataset(str(written(folder, entry(), entry("dog.png", "  two dogs. \n"))), tokenizer)
    assert len(dataset) == len(list(dataset)) == 2 and dataset.texts == ["a cat.", "two dogs."]
    for number, (colour, text) in enumerate((("red", "a cat."), ("green", "two dogs."))):
        picture, ids = dataset[number]
        assert picture.mode == "RGB" and picture.getpixel((0, 0)) == COLOURS[colour]
        assert ids.tolist() == [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    assert torch.equal(dataset[-1][1], dataset[1][1])


def test_a_tokenizer_without_an_end_is_refused(folder):
    with pytest.raises(ValueError, match="no end-of-text token.*another language model"):
        VLMDataset(written(folder, entry()), SimpleNamespace(eos_token_id=None, sep_token_id=None))


def test_long_captions_are_cut_lose_their_end_and_are_counted(folder, tokenizer):
    dataset = VLMDataset(written(folder, entry(), entry(text="a cat. " * 30)), tokenizer, 6)
    whole = VLMDataset(folder / "data.json", tokenizer, max_length=1000)
    assert (dataset.cut, whole.cut) == (1, 0)
    assert torch.equal(dataset[0][1], whole[0][1]) and torch.equal(dataset[1][1], whole[1][1][:6])
    assert dataset[1][1][-1] != tokenizer.eos_token_id == whole[1][1][-1]
    dataset.max_length = len(whole[1][1])
    assert dataset.cut == 0 and torch.equal(dataset[1][1], whole[1][1])
    dataset.max_length = 2
    assert dataset.cut == 2 and [len(row) for row in dataset.rows] == [len(ids) for _, ids in dataset] == [2, 2]


# --- pictures ------------------------------------------------------------------------------------------------------------------


def test_pictures_are_opened_when_they_are_asked_for(folder, tokenizer):
    dataset = VLMDataset(written(folder, entry(), entry()), tokenizer)
    plain("green").save(folder / "cat.png")
    assert dataset[0][0].getpixel((0, 0)) == COLOURS["green"]
    (folder / "cat.png").write_text("no picture any more")
    with pytest.raises(ValueError, match=r"cat\.png is no picture that can be read here: save it as PNG or JPEG"):
        dataset[0]
    (folder / "cat.png").unlink()
    with pytest.raises(FileNotFoundError) as told:
        dataset[1]
    assert str(told.value.filename).endswith("cat.png")


def test_a_slice_of_the_pictures_is_a_list(folder, tokenizer):
    names = [f"{colour}.png" for colour in COLOURS]
    for colour in COLOURS:
        plain(colour).save(folder / f"{colour}.png")
    pictures = VLMDataset(written(folder, *map(entry, names)), tokenizer).pictures
    firsts = [[picture.getpixel((0, 0)) for picture in pictures[part]] for part in (slice(2), slice(None, None, -2))]
    assert isinstance(pictures[:2], list) and firsts == [
        [COLOURS["red"], COLOURS["green"]],
        [COLOURS["white"], COLOURS["green"]],
    ]
    assert len(pictures) == 4 and pictures[9:] == []
    with pytest.raises(IndexError):
        pictures[4]


@pytest.mark.parametrize("kind", ["png", "jpg"])
@pytest.mark.parametrize(
    "orientation, above",
    list(enumerate(["ab", "ba", "dc", "cd", "ac", "ca", "db", "bd"], start=1)),
)
def test_a_picture_is_turned_as_the_camera_was_held(folder, tokenizer, orientation, above, kind):
    """above: which of the stored corners a b (above) and c d (below) are shown above, from the left."""
    corners = dict(zip("abcd", COLOURS.values()))
    stored = Image.new("RGB", (64, 32))
    for number, colour in enumerate(corners.values()):
        stored.paste(colour, (number % 2 * 32, number // 2 * 16, number % 2 * 32 + 32, number // 2 * 16 + 16))
    notes = Image.Exif()
    notes[0x0112] = orientation
    stored.save(folder / f"turned.{kind}", exif=notes)
    shown = opened_as(folder, tokenizer, f"turned.{kind}")
    assert shown.size == ((64, 32) if orientation < 5 else (32, 64))
    for letter, place in zip(above, (2, shown.width - 3)):
        assert np.abs(np.subtract(shown.getpixel((place, 2)), corners[letter])).max() < 20


@pytest.mark.parametrize("kind", ["RGBA", "LA", "palette", "marked colour", "gif"])
def test_what_is_transparent_becomes_white(folder, tokenizer, kind):
    if kind in ("RGBA", "LA"):
        plain(0, kind).save(folder / "clear.png")
    elif kind == "marked colour":
        plain((1, 2, 3)).save(folder / "clear.png", transparency=(1, 2, 3))
    else:
        file = folder / "clear.png" if kind == "palette" else folder / "clear.gif"
        plain("red").quantize(4).save(file, transparency=plain("red").quantize(4).getpixel((0, 0)))
    name = "clear.gif" if kind == "gif" else "clear.png"
    assert opened_as(folder, tokenizer, name).getcolors() == [(48, COLOURS["white"])]


def test_what_is_half_transparent_lies_on_white(folder, tokenizer):
    plain((255, 0, 0, 128), "RGBA").save(folder / "half.png")
    red, green, blue = opened_as(folder, tokenizer, "half.png").getpixel((0, 0))
    assert red == 255 and 125 <= green == blue <= 129


def test_sixteen_bit_grey_is_scaled_and_not_clipped(folder, tokenizer):
    grey = np.linspace(0, 65535, 512).astype(np.uint16).reshape(16, 32)
    for name in ("deep.png", "deep.tiff"):
        Image.fromarray(grey).save(folder / name)
        assert (np.asarray(opened_as(folder, tokenizer, name)) == (grey // 256)[..., None]).all()


@pytest.mark.parametrize(
    "mode, colour, name", [("L", 90, "a.png"), ("1", 1, "a.png"), ("P", 0, "a.png"), ("CMYK", 0, "a.jpg")]
)
def test_grey_palette_and_print_colours_become_rgb(folder, tokenizer, mode, colour, name):
    picture = plain("red").quantize(4) if mode == "P" else plain(colour, mode)
    picture.save(folder / name)
    wanted = {"L": (90, 90, 90), "1": COLOURS["white"], "P": COLOURS["red"], "CMYK": COLOURS["white"]}[mode]
    assert np.abs(np.subtract(opened_as(folder, tokenizer, name).getpixel((3, 3)), wanted)).max() < 3


def tiff(numbers, big_endian=False, white_is_zero=False):
    """A TIFF as other programs write it, with numbers that Pillow itself would not save."""
    order, (height, width) = "<>"[big_endian], numbers.shape
    content = numbers.astype(numbers.dtype.newbyteorder(order)).tobytes()
    form = {"u": 1, "i": 2, "f": 3}[numbers.dtype.kind]
    shorts = {256: width, 257: height, 258: 8 * numbers.itemsize, 259: 1, 262: 1 - white_is_zero, 277: 1, 278: height}
    tags = sorted(
        [*((tag, 3, value) for tag, value in (shorts | {339: form}).items()), (273, 4, 8), (279, 4, len(content))]
    )
    start = (b"MM\0*" if big_endian else b"II*\0") + struct.pack(order + "I", 8 + len(content))
    entries = [struct.pack(order + "HHI" + ("HH" if kind == 3 else "I"), tag, kind, 1, *([value, 0] if kind == 3 else [value])) for tag, kind, value in tags]  # fmt: skip
    return start + content + struct.pack(order + "H", len(tags)) + b"".join(entries) + bytes(4)


RANGES = {
    "u2": [(0, 65535), (0, 16383), (0, 4095), (16, 1000), (0, 255), (0, 3)],
    "i2": [(0, 32767), (0, 4095), (-1024, 3000), (-32768, -5)],
    "u4": [(0, 2**32 - 1), (2**31 - 9, 2**31 + 300), (0, 65535), (0, 4095), (0, 10**6)],
    "i4": [(-(2**31), 2**31 - 1), (0, 4095), (-5, 10**6)],
    "f4": [(0, 1), (0, 0.05), (0, 255), (0, 40), (-1, 1), (-3e4, 1e9), (270.5, 310.5)],
}
AS_IT_IS = {("u2", 65535), ("i2", 32767), ("u4", 65535), ("f4", 1), ("f4", 255)}


@pytest.mark.parametrize("white_is_zero", [False, True])
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("kind, low, high", [(kind, *ends) for kind, all in RANGES.items() for ends in all])
def test_grey_of_any_depth_keeps_order_and_contrast_and_what_was_stretched_is_told(kind, low, high, big_endian, white_is_zero):  # fmt: skip
    numbers = np.linspace(low, high, 256).astype(kind)
    if kind != "f4":
        numbers = np.array([int(low + (high - low) * step / 255) for step in range(256)]).astype(kind)
    file = io.BytesIO(tiff(numbers.reshape(8, 32), big_endian, white_is_zero))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            grey = np.asarray(open_picture(file))[..., 0].ravel().astype(int)
        except BadPicture as error:  # that Pillow knows nothing of
            assert error.kind == "no picture" and (big_endian or white_is_zero)
            return
    grey = 255 - grey if white_is_zero else grey
    assert (np.diff(grey) >= 0).all() and grey[-1] - grey[0] >= 120 and len(set(grey)) >= min(120, len(set(numbers)))
    stretched = (kind, high) not in AS_IT_IS or low < 0
    assert len(caught) == (stretched or (kind, high) == ("i2", 32767))
    assert [warning for warning in caught if "it was stretched" not in str(warning.message)] == []


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_colours_of_sixteen_bits_keep_order_or_are_refused(mode, bits):
    ramp = np.linspace(0, 2**bits - 1, 256).astype(np.uint16)
    colours = {"RGB": 3, "RGBA": 3, "LA": 1}[mode]
    bands = np.stack([ramp] * colours + [np.full_like(ramp, 65535)] * mode.endswith("A"), -1)
    header = struct.pack(">IIBBBBB", 256, 4, 16, {"RGB": 2, "RGBA": 6, "LA": 4}[mode], 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(4 * (b"\0" + bands.astype(">u2").tobytes()))), (b"IEND", b"")
    file = io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(map(png_chunk, parts)))
    if bits == 8:
        with pytest.raises(BadPicture, match="of 8 bits a colour"):
            open_picture(file)
        return
    with nullcontext() if bits == 16 else pytest.warns(LearnerWarning, match="stretched"):
        shown = np.asarray(open_picture(file)).astype(int)[0]
    assert (np.diff(shown, axis=0) >= 0).all() and shown[-1].min() - shown[0].max() >= 190


def test_what_floating_numbers_are_no_numbers_is_black_or_white():
    numbers = np.linspace(0, 1, 64, dtype="f4").reshape(8, 8)
    numbers[0, :3] = np.nan, np.inf, -np.inf
    grey = np.asarray(open_picture(io.BytesIO(tiff(numbers))))[..., 0]
    assert grey[0, :3].tolist() == [0, 255, 0] and (np.diff(grey.ravel()[3:].astype(int)) >= 0).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"])
@pytest.mark.parametrize("kind", ["png", "tiff", "jpeg", "bmp", "gif", "webp"])
def test_a_grey_ramp_is_one_in_every_mode_of_every_format(mode, kind):
    ramp = Image.fromarray(np.repeat(np.arange(256, dtype=np.uint8)[None], 16, 0))
    if mode == "LAB":
        ramp = Image.merge("LAB", [ramp, *2 * [ramp.point([128] * 256)]])
    else:
        ramp = (ramp.convert("RGB") if mode == "YCbCr" else ramp.convert("P") if mode == "PA" else ramp).convert(mode)
    file = io.BytesIO()
    try:
        ramp.save(file, kind)
    except (OSError, ValueError, KeyError):
        pytest.skip("not in this format")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        grey = np.asarray(open_picture(file)).mean((0, 2))
    blocks = grey.reshape(8, 32).mean(-1)  # of black and white dots, and of lossy formats
    assert (np.diff(blocks) > 10).all() and grey[-8:].mean() - grey[:8].mean() > 200


@pytest.mark.parametrize("kind", ["gif", "png", "webp", "tiff"])
def test_of_several_frames_it_takes_the_first_and_says_so_once(folder, tokenizer, kind):
    frames = [plain(colour) for colour in ("red", "green", "blue")]
    names = [f"moves {number}.{kind}" for number in range(5)]
    for name in names:
        frames[0].save(folder / name, save_all=True, append_images=frames[1:])
    with pytest.warns(LearnerWarning) as caught:
        dataset = VLMDataset(written(folder, entry(), *map(entry, names)), tokenizer)
    told = f"{folder / names[0]} has several frames: only the first is used, here and in other pictures like it."
    assert [str(warning.message) for warning in caught] == [told]
    assert np.abs(np.subtract(dataset[1][0].getpixel((3, 3)), COLOURS["red"])).max() < 9


def test_a_photograph_with_a_map_of_its_depth_is_one_picture(folder):
    noise().save(folder / "telephone.jpg", "MPO", save_all=True, append_images=[noise()])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_picture(folder / "telephone.jpg").size == (64, 64)


@pytest.mark.parametrize("kind", ["gif", "png", "webp", "tiff", "jpeg"])
def test_of_one_frame_nothing_is_said(folder, kind):
    noise().save(folder / f"still.{kind}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_picture(folder / f"still.{kind}")


# --- copies of a picture ------------------------------------------------------------------------------------------------------


def test_copies_are_mapped_to_the_first_with_the_same_bytes_whatever_their_names(folder):
    first, other = folder / "cat.png", folder / "dog.png"
    plain("blue").save(other)
    other.write_bytes(other.read_bytes().ljust(first.stat().st_size + 9, b"x"))
    first.write_bytes(first.read_bytes().ljust(other.stat().st_size, b"x"))  # as long, and another
    copy = folder / "图 copy.png"
    copy.write_bytes(first.read_bytes())
    os.link(first, folder / "hard.png")
    link(folder / "soft.png", first)
    same = [first, copy, folder / "hard.png", folder / "soft.png", folder / "below" / ".." / "cat.png"]
    (folder / "below").mkdir()
    nothing = [folder / "missing.png", folder / "gone.png"]
    groups = group_copies([*same, other, *nothing, first])
    assert groups == {file: first for file in same} | {file: file for file in (other, *nothing)}
    assert list(group_copies([copy, first]).values()) == [copy, copy] and group_copies([]) == {}


def test_only_files_of_equal_size_are_read_to_look_for_copies(folder):
    for number in range(5):
        (folder / f"{number}.jpg").write_bytes(b"x" * number)
    with watching() as files:
        group_copies([folder / f"{number}.jpg" for number in range(5)] * 2)
    assert files == []


@pytest.mark.parametrize("captions_each", [1, 5])
def test_each_picture_is_encoded_once_however_many_captions_and_copies_it_has(folder, tokenizer, captions_each):
    for number, colour in enumerate(("green", "blue")):
        plain(colour).save(folder / f"{number}.png")
    (folder / "copy.png").write_bytes((folder / "0.png").read_bytes())
    names = ["0.png", "cat.png", "./0.png", "1.png", "copy.png"] * captions_each
    entries = [entry(name, f"caption {number}.") for number, name in enumerate(names)]
    dataset = VLMDataset(written(folder, *entries), tokenizer)
    assert len(dataset) == len(dataset.texts) == len(dataset.rows) == len(names)
    assert dataset.picture_of.tolist() == [0, 1, 0, 2, 0] * captions_each
    with watching() as files:
        colours = torch.tensor([picture.getpixel((0, 0)) for picture in dataset.pictures[:]])
    assert len([file for file in files if file.endswith(".png")]) == len(dataset.pictures) == 3
    own = torch.tensor([picture.getpixel((0, 0)) for picture, _ in dataset])
    assert torch.equal(colours[dataset.picture_of], own) and torch.equal(own[-1], own[0])


# --- texts and paths -------------------------------------------------------------------------------------------------------------


def test_a_byte_order_mark_is_no_fault(folder, tokenizer):
    (folder / "data.json").write_bytes(b"\xef\xbb\xbf" + json.dumps([entry()]).encode())
    assert len(VLMDataset(folder / "data.json", tokenizer)) == 1


def test_paths_and_texts_may_be_chinese(folder, tokenizer):
    (folder / "图片").mkdir()
    plain("green").save(folder / "图片" / "猫 1.png")
    for ascii_only in (True, False):
        text = json.dumps([entry("图片/猫 1.png", "一只绿色的猫 😺")], ensure_ascii=ascii_only)
        (folder / "数据.json").write_text(text, encoding="utf-8")
        picture, ids = VLMDataset(folder / "数据.json", tokenizer)[0]
        assert picture.getpixel((0, 0)) == COLOURS["green"]
        assert tokenizer.decode(ids[:-1]).strip() == "一只绿色的猫 😺"


def test_a_picture_that_many_captions_share_is_looked_at_once(folder, tokenizer):
    file = written(folder, *(entry(text=f"cat {number}.") for number in range(50)))
    with watching() as files:
        dataset = VLMDataset(file, tokenizer)
    assert sum(name.endswith("cat.png") for name in files) == 1
    assert len(dataset) == 50 and dataset.texts[49] == "cat 49." and dataset[49][0].size == dataset[0][0].size


def test_many_captions_of_one_missing_picture_are_each_told(folder, tokenizer):
    lines = faults(written(folder, entry("dog.png"), entry("dog.png")), tokenizer)
    assert [line.partition(": ")[0].rpartition(", ")[2] for line in lines] == ["entry 1", "entry 2"]


def test_a_path_may_be_absolute_and_may_turn_back_within_the_folder(folder, tokenizer):
    (folder / "below").mkdir()
    for path in (str(folder / "cat.png"), "./cat.png", "below/../cat.png", "../data/cat.png"):
        assert opened_as(folder, tokenizer, path).getpixel((0, 0)) == COLOURS["red"]


def test_a_link_within_the_folder_may_be_followed(folder, tokenizer):
    link(folder / "same.png", folder / "cat.png")
    assert opened_as(folder, tokenizer, "same.png").getpixel((0, 0)) == COLOURS["red"]


def test_a_folder_that_is_reached_by_a_link_is_a_folder_like_any_other(folder, tokenizer, tmp_path):
    link(tmp_path / "linked", folder)
    assert opened_as(tmp_path / "linked", tokenizer, "cat.png").getpixel((0, 0)) == COLOURS["red"]


def test_paths_are_relative_to_the_json_file_wherever_one_stands(folder, tokenizer, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    written(folder, entry())
    monkeypatch.chdir(tmp_path / "elsewhere")
    dataset = VLMDataset("../data/data.json", tokenizer)
    assert dataset[0][0].getpixel((0, 0)) == COLOURS["red"]
    monkeypatch.chdir(folder)
    assert VLMDataset("data.json", tokenizer)[0][0].getpixel((0, 0)) == COLOURS["red"]
    written(folder, entry("../outside/canary.png"))
    with pytest.raises(ValueError, match=r'^data\.json, entry 1: "\.\./outside/canary\.png" leaves the folder'):
        VLMDataset("data.json", tokenizer)


def test_paths_that_count_from_the_working_folder_are_followed_where_they_lead_into_that_of_the_file(folder, tokenizer, tmp_path, monkeypatch):  # fmt: skip
    """As in the script that the course grew from, which opened them as they stand."""
    (folder / "below").mkdir()
    plain("green").save(folder / "below" / "dog.png")
    monkeypatch.chdir(tmp_path)
    for path in ("data/cat.png", "data/below/dog.png", "./data/below/../cat.png"):
        monkeypatch.chdir(tmp_path)
        dataset = VLMDataset(written(folder, entry(path)), tokenizer, 128)
        monkeypatch.chdir("/")
        assert dataset[0][0].getpixel((0, 0)) == COLOURS["green" if "dog" in path else "red"]
    monkeypatch.chdir(tmp_path)
    (folder / "data").mkdir()
    plain("white").save(folder / "data" / "cat.png")  # the file's own folder comes first
    assert opened_as(folder, tokenizer, "data/cat.png").getpixel((0, 0)) == COLOURS["white"]


def test_paths_from_the_working_folder_lead_out_of_that_of_the_file_only_if_allowed(folder, tokenizer, tmp_path, monkeypatch):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    link(folder / "out", tmp_path / "outside")
    inside_and_out = fault(folder, tokenizer, entry("outside/canary.png"))
    assert inside_and_out.replace("canary", "no") == fault(folder, tokenizer, entry("outside/no.png"))
    assert inside_and_out.endswith("with --allow-outside also from the folder where you are")
    assert fault(folder, tokenizer, entry("data/out/canary.png")).startswith('no file "data/out/canary.png"')
    file = written(folder, entry("outside/canary.png"), entry("data/out/canary.png"))
    dataset = VLMDataset(file, tokenizer, allow_outside=True)
    assert [picture.getpixel((0, 0)) for picture, _ in dataset] == [COLOURS["blue"]] * 2


def test_pictures_are_found_also_when_one_goes_elsewhere_afterwards(folder, tokenizer, tmp_path, monkeypatch):
    written(folder, entry())
    monkeypatch.chdir(folder)
    dataset = VLMDataset("data.json", tokenizer)
    monkeypatch.chdir(tmp_path)
    assert dataset[0][0].getpixel((0, 0)) == COLOURS["red"]


# --- texts that were read in another encoding than they were written in --------------------------------------------------------

# in letters that the fonts of the course need not write
SENTENCES = Path(__file__).with_name("sentences.txt").read_text("utf-8").splitlines()
CHINESE = [
    text
    for text in SENTENCES
    if text.encode("gb2312", "replace").decode("gb2312") == text and re.match("[\u4e00-\u9fff]{3}", text)
]


def misread(text, written_in, read_in):
    return text.encode(written_in).decode(read_in, "replace")


def test_what_people_write_in_any_language_is_taken_as_it_stands():
    for text in SENTENCES:
        for form in (text, text.upper(), unicodedata.normalize("NFD", text), *text.split(), *text):
            assert find_misreading(form) is None, form


def test_chinese_as_the_lessons_write_it_is_taken_as_it_stands():
    """Also single characters and pairs of them, whose bytes may well be letters in UTF-8."""
    rooms = Path(__file__).parents[1].joinpath("lessons").glob("*/lesson*.py")
    lines = {line for file in rooms for line in file.read_text("utf-8").splitlines() if not line.isascii()}
    pieces = {piece for line in lines for piece in re.findall(r"[\u4e00-\u9fff]+", line)}
    pairs = {piece[place : place + size] for piece in pieces for size in (1, 2, 3) for place in range(len(piece))}
    wrong = [text for text in lines | pieces | pairs if find_misreading(text)]
    assert len(pieces) > 3000 and wrong == []


@pytest.mark.parametrize("read_in", ["latin-1", "cp1252", "gb18030"])
def test_utf_8_that_was_read_as_something_else_is_found(read_in):
    codecs.register_error("keep", lambda error: (error.object[error.start : error.end].decode("latin-1"), error.end))
    for text in SENTENCES:
        lossy = "replace" if read_in == "gb18030" else "keep"
        seen = text.encode().decode(read_in, lossy)
        if text.isascii() or (read_in == "gb18030" and text not in CHINESE):
            continue
        if any("\u0180" <= letter <= "\u02ff" for letter in text) or text.startswith("喝café"):
            continue  # these could be anything
        wrote, read, meant = find_misreading(seen)
        assert "\ufffd" in seen or (wrote, meant) == ("UTF-8", text) and read in ("cp1252", "GB18030"), text


def test_gbk_that_was_read_as_western_text_or_happens_to_be_utf_8_is_found():
    assert len(CHINESE) >= 4
    for text in CHINESE:
        assert find_misreading(misread(text, "gbk", "latin-1"))[::2] == ("GB2312", text)
    for text in ("一只猫", "要一只猫", "a 一只猫.", "这只"):
        raw = text.encode("gbk")
        with suppress(UnicodeDecodeError):
            assert find_misreading(raw.decode("utf-8")) == ("GB2312", "UTF-8", text)


def test_a_file_of_such_captions_is_named_once_with_what_was_meant(folder, tokenizer):
    content = json.dumps([entry(), *[entry(text="一只猫")] * 9], ensure_ascii=False).encode("gbk")
    (folder / "data.json").write_bytes(content)  # which is UTF-8 by chance
    with pytest.warns(LearnerWarning) as caught:
        assert len(VLMDataset(folder / "data.json", tokenizer)) == 10
    told = [str(warning.message) for warning in caught if "data.json" in str(warning.message)]
    assert told == [
        f"{folder / 'data.json'}: a caption looks like GB2312 that was read as UTF-8. Was it “一只猫”? "
        "Go back to where the file was written and save it as UTF-8."
    ]


# --- captions and their tokenizer ----------------------------------------------------------------------------------------------


def build_tokenizers():
    """One of each family: bytes, words, pieces of words, bytes where no piece fits; and one that knows Chinese."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    def finish(inner, **named):
        return PreTrainedTokenizerFast(tokenizer_object=inner, **named)

    words = ["a", "cat", ".", "dog", "the"]
    by_words = Tokenizer(models.WordLevel({word: n for n, word in enumerate(["[UNK]", "</s>", *words])}, "[UNK]"))
    by_words.pre_tokenizer = pre_tokenizers.Whitespace()
    pieces = ["[UNK]", "[SEP]", "[CLS]", *words, *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")]
    by_pieces = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="[UNK]"))
    by_pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *"abcdefghijklmnopqrstuvwxyz."]
    with_bytes = Tokenizer(models.BPE({token: n for n, token in enumerate(tokens)}, [], unk_token="<unk>", byte_fallback=True))  # fmt: skip
    with_bytes.normalizer = normalizers.Replace(" ", "▁")
    with_bytes.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    letters = dict.fromkeys(["[UNK]", "<|im_end|>", *"".join(CHINESE), *words])
    chinese = Tokenizer(models.WordLevel({letter: n for n, letter in enumerate(letters)}, "[UNK]"))
    chinese.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex("[\u4e00-\u9fff，。.]"), "isolated")]
    )
    named = {
        "words": finish(by_words, unk_token="[UNK]", eos_token="</s>"),
        "pieces": finish(by_pieces, unk_token="[UNK]", eos_token="[SEP]", cls_token="[CLS]"),
        "bytes where no piece fits": finish(with_bytes, unk_token="<unk>", bos_token="<s>", eos_token="</s>"),
        "Chinese": finish(chinese, unk_token="[UNK]", eos_token="<|im_end|>"),
        "pocket GPT-2": load_tokenizer("pocket"),
        "pocket CLIP": load_clip("pocket")[1].tokenizer,
    }
    for each in named.values():
        each.add_tokens([AddedToken("<|of our own|>", special=True)])
    return named


TOKENIZERS = build_tokenizers()


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_special_token_within_a_caption_is_refused_and_named(kind):
    tokenizer = TOKENIZERS[kind]
    special = {*tokenizer.all_special_tokens, "<|of our own|>"} - {tokenizer.unk_token} | {tokenizer.eos_token}
    for token in special:
        for caption in (f"a {token} cat", f"{token}", f"a cat {token}", f"a{token}cat"):
            with pytest.raises(LearnerError) as told:
                tokenize_captions(tokenizer, ["a cat", caption])
            assert f"“{caption}” contains {token}, " in str(told.value) and "\n" not in str(told.value)
    assert len(tokenize_captions(tokenizer, ["a cat", "the dog of our own"])) == 2


KNOWS = {"Chinese": ["a cat.", *CHINESE, "一只鼬坐在红色的沙发上"], **dict.fromkeys([*TOKENIZERS][:3], ["a cat."])}


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_where_letters_become_bytes_or_unknown_that_is_told_once_and_else_never(kind):
    tokenizer = TOKENIZERS[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenize_captions(tokenizer, KNOWS.get(kind, ["a cat.", "xylophones!", "100 % 😺"]))
    strange = ["Кот", "γάτα", "고양이", "แมว"] if kind == "Chinese" else ["猫", "Кот", "γάτα", "고양이", "แมว"]
    for word in strange:
        with pytest.warns(LearnerWarning) as caught:
            tokenize_captions(tokenizer, ["a cat", f"a {word}", *[f"{word} {word}"] * 20])
        (told,) = [str(warning.message) for warning in caught]
        assert (
            told.startswith(f"“{word[:1]}")
            and "of them single bytes or unknown: this model has seen hardly any" in told
        )


# --- what is wrong with the file ---------------------------------------------------------------------------------------------------


WRONG_FILES = [
    (b"", "is no JSON: Expecting value in line 1, column 1"),
    (b'[\n{"image_path": }]', 'is no JSON: Expecting value in line 2, column 16: {"image_path": }]$'),
    (b'[{"image_path": "cat.png", "text": "a cat."},\n', "is no JSON: .* in line 2, column 1"),
    (b'[{"text": "' + "é".encode("latin-1"), r"is not UTF-8 \(line 1, byte 12 of the file\): save it as UTF-8"),
    ("[]".encode("utf-16"), r"is not UTF-8 \(line 1, byte 1 of the file\): save it as UTF-8"),
    (b"[" + b"9" * 5000 + b"]", "is no JSON that can be read here: it holds an absurd number"),
    (b"[" * 100_000, "is no JSON that can be read here: .* nested too deep"),
    (b'{"a": ' * 100_000, "is no JSON that can be read here: .* nested too deep"),
    (b"[]", r'holds an empty list: it should be \[{"image_path": "cat.jpg", "text": "a cat."}, …\]'),
    (b"{}", "holds an object: it should be "),
    (b'{"image_path": "cat.png", "text": "a cat."}', "holds an object: it should be "),
    (b'"cat.png"', "holds text: it should be "),
    (b"null", "holds null: it should be "),
    (b"NaN", "holds a number: it should be "),
    (b"true", "holds true or false: it should be "),
]


@pytest.mark.parametrize(
    "content, what",
    WRONG_FILES,
    ids=lambda value: value[:12].decode("latin-1") if isinstance(value, bytes) else "",
)
def test_a_file_that_is_no_list_of_entries_is_named_with_what_to_do(folder, tokenizer, content, what):
    (folder / "data.json").write_bytes(content)
    with pytest.raises(ValueError, match=what) as told:
        VLMDataset(folder / "data.json", tokenizer)
    assert str(told.value).startswith(f"{folder / 'data.json'} ") and "\n" not in str(told.value)


def test_where_there_is_no_file_that_is_an_os_error(folder, tokenizer):
    for place in (folder / "nowhere.json", folder):
        with pytest.raises(OSError) as told:
            VLMDataset(place, tokenizer)
        assert str(place) in str(told.value)


# --- what is wrong with an entry -----------------------------------------------------------------------------------------------------

WRONG_TYPES = [(3.5, "a number"), (None, "null"), ([entry()], "a list"), (True, "true or false"), ({}, "an object")]
SHOULD_BE = 'should be {"image_path": …, "text": …}'
WRONG_ENTRIES = [
    *((value, [f"is {kind}, and {SHOULD_BE}"]) for value, kind in [*WRONG_TYPES[:-1], ("cat.png", "text")]),
    *((entry(image_path=value), [f'"image_path" is {kind}, and should be text']) for value, kind in WRONG_TYPES),
    *((entry(text=value), [f'"text" is {kind}, and should be text']) for value, kind in WRONG_TYPES),
    ({"text": "a cat."}, ['has no "image_path"']),
    ({"image_path": "cat.png"}, ['has no "text"']),
    (
        {"image": "cat.png", "Text": "a cat."},
        ['has no "image_path" (it has "image", "Text")', 'has no "text" (it has "image"'],
    ),
    (entry("", " \n\t"), ['"image_path" is empty', '"text" is empty']),
    (entry("\ud800.png", "a \udfff"), ['"image_path" holds half a character', '"text" holds half a character']),
    (entry("dog.png", ""), ['no file "dog.png" (looked in ', '"text" is empty']),
    (entry("a\0b.png"), ['the path "a\\u0000b.png" holds a zero byte']),
    (entry("x" * 5000), ['no file "xxx']),
    (entry("/".join("x" * 2500)), ['no file "x/x']),
    (entry("."), ['"." is a folder, and should be a picture']),
    (entry("Cat.PNG"), ['no file "Cat.PNG" (looked in ']),
    (entry("cat.png/dog.png"), ['no file "cat.png/dog.png"']),
    (entry("data.json"), ['"data.json" is no picture that can be read here: save it as PNG or JPEG']),
    (entry("../outside/canary.png"), ['"../outside/canary.png" leaves the folder of the JSON file: copy']),
    (entry("/canary.png"), ['"/canary.png" leaves the folder of the JSON file: copy']),
]


@pytest.mark.parametrize("wrong, told", WRONG_ENTRIES)
def test_a_wrong_entry_is_told_with_its_file_and_number(folder, tokenizer, wrong, told):
    file = written(folder, entry(), wrong, entry())
    lines = faults(file, tokenizer)
    assert len(lines) == len(told)
    for line, start in zip(lines, told):
        assert line.startswith(f"{file}, entry 2: {start}")


def test_all_faults_stand_in_one_message_in_order(folder, tokenizer):
    lines = faults(written(folder, *(wrong for wrong, _ in WRONG_ENTRIES)), tokenizer)
    wanted = [(number, start) for number, (_, told) in enumerate(WRONG_ENTRIES, start=1) for start in told]
    assert len(lines) == len(wanted)
    for line, (number, start) in zip(lines, wanted):
        assert f", entry {number}: {start}" in line


def test_readers_of_chinese_are_told_all_of_it_in_chinese(folder, tokenizer):
    language.set_language("zh")
    try:
        lines = faults(written(folder, *(wrong for wrong, _ in WRONG_ENTRIES), *[{}] * 65), tokenizer)
        for content, _ in WRONG_FILES:
            (folder / "data.json").write_bytes(content)
            lines += faults(folder / "data.json", tokenizer)
        (folder / "cat.png").write_text("no picture")
        lines += faults(written(folder, entry(), entry("catt.png"), entry("below\\cat.png")), tokenizer)
    finally:
        language.set_language("en")
    assert len(lines) > MAX_FAULTS + len(WRONG_FILES)
    assert [line for line in lines if not in_language(line, "zh") or english_of(line)] == []


@pytest.mark.parametrize("key", ["text", "image_path"])
@pytest.mark.parametrize("times", [2, 5])
def test_a_key_that_stands_more_than_once_is_a_fault_of_its_entry(folder, tokenizer, key, times):
    other = {"text": "image_path", "image_path": "text"}[key]
    repeated = ", ".join([f'"{key}": "cat.png"'] * times)
    entries = [entry(), "{" + repeated + f', "{other}": "cat.png"' + "}", "{" + repeated + "}"]
    (folder / "data.json").write_text("[" + ", ".join([json.dumps(entries[0]), *entries[1:]]) + "]")
    told = f'has "{key}" {times} times: write an entry for each'
    lines = {line.partition(", entry ")[2] for line in faults(folder / "data.json", tokenizer)}
    assert lines == {f"2: {told}", f"3: {told}", f'3: has no "{other}" (it has "{key}")'}


def test_what_stands_twice_where_nobody_reads_it_is_no_fault(folder, tokenizer):
    whole = '[{"image_path": "cat.png", "text": "a cat.", "id": 1, "id": 2, "more": {"text": 1, "text": 2}}]'
    (folder / "data.json").write_text(whole)
    assert VLMDataset(folder / "data.json", tokenizer).texts == ["a cat."]


def test_more_than_a_hundred_faults_are_counted(folder, tokenizer):
    lines = faults(written(folder, entry(), *[{}] * 65), tokenizer)
    assert len(lines) == MAX_FAULTS + 1 and lines[-1] == "… and 30 more"
    assert lines[0].endswith('entry 2: has no "image_path"') and lines[99].endswith('entry 51: has no "text"')


def test_what_else_stands_in_an_entry_is_no_fault(folder, tokenizer):
    assert len(VLMDataset(written(folder, entry() | {"id": 7, "tags": None}), tokenizer)) == 1


def test_two_halves_of_a_character_are_a_whole_one(folder, tokenizer):
    (folder / "data.json").write_text('[{"image_path": "cat.png", "text": "\\ud83d\\ude3a"}]')
    assert VLMDataset(folder / "data.json", tokenizer).texts == ["😺"]


@pytest.mark.parametrize(
    "path, meant",
    [("Cat.PNG", ": did you mean cat.png?"), ("catt.png", ": did you mean cat.png?"), ("below\\cat.png", ": write / and no \\"),
     ("elephant.png", ". Paths"), ("nowhere/cat.png", ". Paths")],
)  # fmt: skip
def test_where_a_path_leads_to_no_file_it_says_what_may_have_been_meant(folder, tokenizer, path, meant):
    told = fault(folder, tokenizer, entry(path))
    assert (
        told.endswith(
            "Paths start from the folder of the JSON file; with --allow-outside also from the folder where you are"
        )
        and f"){meant}" in told
    )


# --- what is wrong with a picture ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a cat.",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
        b"P6 1 1 255 \0\0\0",
        b"\x89PNG",
    ],
    ids=["nothing", "text", "postscript", "ppm", "four letters of a png"],
)
def test_what_is_no_picture_or_of_a_format_that_is_not_read_is_refused(folder, tokenizer, content):
    (folder / "dog.png").write_bytes(content)
    told = fault(folder, tokenizer, entry(), entry("dog.png"))
    assert told.startswith(
        '"dog.png" is no picture that can be read here: save it as PNG or JPEG, a HEIC of an iPhone too (what is read: JPEG'
    )


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp", "bmp", "tiff"])
def test_a_picture_that_was_cut_off_is_broken(folder, tokenizer, kind):
    noise().save(folder / f"dog.{kind}")
    whole = (folder / f"dog.{kind}").read_bytes()
    (folder / f"dog.{kind}").write_bytes(whole[: len(whole) // 2])
    told = fault(folder, tokenizer, entry(), entry(f"dog.{kind}"))
    if kind not in ("tiff", "webp"):  # of these the beginning alone cannot be read
        assert told == f'"dog.{kind}" begins like a picture and is broken or cut off: fetch or save it again'
    assert ": " in told


def png_chunk(part):
    name, content = part
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def absurd(kind, side=60_000):
    """A small file that says it is a picture of this side."""
    if kind == "png":
        chunks = (
            (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(b"\0" * 99)),
            (b"IEND", b""),
        )
        return b"\x89PNG\r\n\x1a\n" + b"".join(map(png_chunk, chunks))
    small = io.BytesIO()
    plain("red").save(small, kind)
    content = bytearray(small.getvalue())
    if kind == "gif":
        content[6:10] = struct.pack("<HH", side, side)
    elif kind == "bmp":
        content[18:26] = struct.pack("<ii", side, side)
    else:
        start = content.index(b"\xff\xc0") + 5
        content[start : start + 4] = struct.pack(">HH", side, side)
    return bytes(content)


@pytest.mark.parametrize("kind", ["png", "gif", "bmp", "jpeg"])
@pytest.mark.parametrize("side", [8_000, 15_000, 60_000])
def test_a_picture_of_absurd_size_is_refused_and_never_unpacked(folder, tokenizer, monkeypatch, kind, side):
    (folder / "huge").write_bytes(absurd(kind, side))
    assert (folder / "huge").stat().st_size < 2000
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("it was unpacked"))
    start = time.monotonic()
    told = fault(folder, tokenizer, entry("huge"))
    assert told == '"huge" is larger than 50 megapixels: save a smaller copy of it' and time.monotonic() - start < 5


@pytest.mark.parametrize("size", [(1_000_000, 1), (10, 1_000_000)])
def test_a_strip_is_refused_since_its_short_side_would_be_made_as_long_as_the_model_needs(folder, tokenizer, size):
    """One of a kilobyte and a megapixel would fill forty gigabytes on its way into CLIP."""
    Image.new("1", size).save(folder / "strip.png")
    assert fault(folder, tokenizer, entry(), entry("strip.png")).startswith('"strip.png" ')


def test_a_panorama_is_no_strip(folder, tokenizer):
    Image.new("RGB", (600, 30)).save(folder / "wide.png")
    assert opened_as(folder, tokenizer, "wide.png").size == (600, 30)


def test_a_file_that_may_not_be_read_is_told(folder, tokenizer):
    plain("red").save(folder / "secret.png")
    (folder / "secret.png").chmod(0)
    if os.access(folder / "secret.png", os.R_OK):
        pytest.skip("this user may read everything")
    assert fault(folder, tokenizer, entry(), entry("secret.png")) == '"secret.png" cannot be opened: Permission denied'


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with a name")
def test_a_pipe_is_no_picture_and_nobody_waits_for_it(folder, tokenizer):
    os.mkfifo(folder / "pipe.png")
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits"))
    signal.alarm(20)
    try:
        assert fault(folder, tokenizer, entry(), entry("pipe.png")).startswith('no file "pipe.png" (looked in ')
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# --- what lies outside of the folder -------------------------------------------------------------------------------------------------


def ways_out(folder):
    """Every path that leads to the canary."""
    outside = folder.parent / "outside"
    link(folder / "file link.png", outside / "canary.png")
    link(folder / "folder link", outside)
    link(folder / "link to a link.png", folder / "file link.png")
    return [
        "../outside/canary.png",
        "below/../../outside/canary.png",
        str(outside / "canary.png"),
        str(folder / ".." / "outside" / "canary.png"),
        "file link.png",
        "link to a link.png",
        "folder link/canary.png",
        str(folder / "folder link" / "canary.png"),
    ]


def test_a_path_that_leaves_the_folder_is_refused_and_what_is_there_never_opened(folder, tokenizer):
    paths = ways_out(folder)
    lines = faults(written(folder, *map(entry, paths)), tokenizer)
    for number, (line, path) in enumerate(zip(lines, paths, strict=True), start=1):
        shown = json.dumps(path, ensure_ascii=False)
        assert f"entry {number}: {shown} leaves the folder of the JSON file: copy the picture into it, or " in line
        assert "--allow-outside" in line


def test_whether_there_is_a_file_outside_is_not_told(folder, tokenizer):
    told = [fault(folder, tokenizer, entry(f"../outside/{name}.png")).replace(name, "") for name in ("canary", "no")]
    assert told[0] == told[1]


def test_a_path_that_goes_out_and_comes_back_by_a_link_is_refused_too(folder, tokenizer):
    link(folder.parent / "outside" / "back", folder)
    assert "leaves the folder" in fault(folder, tokenizer, entry("../outside/back/cat.png"))


def test_a_folder_whose_name_begins_alike_is_outside_too(folder, tokenizer, tmp_path):
    (tmp_path / "data2").mkdir()
    plain("blue").save(tmp_path / "data2" / "cat.png")
    assert "leaves the folder" in fault(folder, tokenizer, entry("../data2/cat.png"))


def test_what_is_outside_is_opened_where_that_is_allowed(folder, tokenizer):
    (folder / "below").mkdir()
    paths = ways_out(folder)
    dataset = VLMDataset(written(folder, *map(entry, paths)), tokenizer, allow_outside=True)
    assert [picture.getpixel((0, 0)) for picture, _ in dataset] == [COLOURS["blue"]] * len(paths)
    missing = faults(written(folder, entry("../outside/no.png")), tokenizer, allow_outside=True)
    assert 'no file "../outside/no.png" (looked in ' in missing[0]


def test_what_is_opened_is_the_file_that_was_checked(folder, tokenizer):
    """By its letters this path is cat.png; the system first follows the link, and finds a file of that name outside."""
    (folder.parent / "outside" / "below").mkdir()
    plain("blue").save(folder.parent / "outside" / "cat.png")
    link(folder / "link", folder.parent / "outside" / "below")
    with outside_untouched(folder):
        try:
            colour = opened_as(folder, tokenizer, "link/../cat.png").getpixel((0, 0))
        except ValueError as error:
            assert "leaves the folder" in str(error)
        else:
            assert colour == COLOURS["red"]


def test_links_in_a_circle_are_no_file(folder, tokenizer):
    link(folder / "a.png", folder / "b.png")
    link(folder / "b.png", folder / "a.png")
    assert fault(folder, tokenizer, entry(), entry("a.png")).startswith('no file "a.png"')
