"""Few examples of each class, features that are computed once, and the letters that tell models apart."""

import copy
import errno
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from helpers import data
from helpers.data import FewShot, cache_features, describe_preparation, encode_split
from helpers.pretrained import POCKET_CLIP, encode_images, fingerprint, load_clip

POCKET_FINGERPRINT = "96c3ebf5c8fa2a0b"  # of the weights in data/pocket-clip, whatever the version of transformers


@pytest.fixture(scope="module")
def pocket():
    torch.set_num_threads(1)
    return load_clip("pocket")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def pictures(count, seed=0, size=64):
    pixels = np.random.default_rng(seed).integers(0, 255, (count, size, size, 3), dtype=np.uint8)
    return [Image.fromarray(each) for each in pixels]


computed: list[int] = []  # how many pictures each time


def counted(clip, processor, images):
    computed.append(len(images))
    return encode_images(clip, processor, images)


def brightness(clip, processor, images):
    """Something else than features, of another shape."""
    computed.append(len(images))
    return torch.tensor([[[np.asarray(image).mean() / 255]] for image in images])


@pytest.fixture(autouse=True)
def forget():
    computed.clear()


# --- few examples of each class ---------------------------------------------------------------------------------------------------------


def test_shuffled_labels_leave_the_test_alone_and_keep_how_many_there_are_of_each():
    def some(count):
        return torch.randn(count, 4), torch.arange(count) % 3

    right = FewShot(some(30), some(12), some(9))
    wrong = right.permute_labels(0)
    assert wrong.test is right.test
    for one, other in ((right.train, wrong.train), (right.validation, wrong.validation)):
        assert torch.equal(one[0], other[0]) and not torch.equal(one[1], other[1])
        assert torch.equal(one[1].bincount(), other[1].bincount())
    assert torch.equal(wrong.train[1], right.permute_labels(0).train[1])
    assert not torch.equal(wrong.train[1], right.permute_labels(1).train[1])
    assert torch.equal(right.train[1], torch.arange(30) % 3)


# --- features that are computed once --------------------------------------------------------------------------------------------


def test_cached_features_are_those_of_the_library(pocket):
    images = pictures(5)
    expected = encode_images(*pocket, images)
    assert torch.equal(cache_features(*pocket, images), expected)
    assert torch.equal(cache_features(*pocket, images), expected)


def test_the_second_time_nothing_is_computed(pocket, cache):
    first = cache_features(*pocket, pictures(5), counted)
    again = cache_features(*pocket, pictures(5), counted)
    reloaded = cache_features(*load_clip("pocket"), pictures(5), counted)
    assert computed == [5] and torch.equal(first, again) and torch.equal(first, reloaded)
    (file,) = (cache / "features").iterdir()
    assert file.stat().st_size < 5 * 128 * 4 + 500


def altered(clip):
    other = copy.deepcopy(clip)
    with torch.no_grad():
        other.vision_model.encoder.layers[0].mlp.fc1.bias.add_(0.01)
    return other


def unlike(processor):
    other = copy.deepcopy(processor)
    other.image_processor.image_mean = [0.5, 0.5, 0.4]
    return other


def test_another_model_preparation_picture_or_computation_is_computed_again(pocket):
    clip, processor = pocket
    images = pictures(3)
    cache_features(clip, processor, images, counted)
    one_pixel = [image.copy() for image in images]
    one_pixel[2].putpixel((63, 63), (1, 2, 3))
    others = [
        (altered(clip), processor, images, counted),
        (clip, unlike(processor), images, counted),
        (clip, processor, one_pixel, counted),
        (clip, processor, images[:2], counted),
        (clip, processor, images[::-1], counted),
        (clip, processor, [image.resize((32, 128)) for image in images], counted),
        (clip, processor, images, brightness),
    ]
    for number, other in enumerate(others):
        features = cache_features(*other)
        assert len(computed) == number + 2
        compute = brightness if other[-1] is brightness else encode_images
        assert torch.equal(features, compute(*other[:-1]))
        computed[:] = computed[: number + 2]
    before = len(computed)
    for other in others:
        cache_features(*other)
    assert len(computed) == before


def test_pictures_that_differ_only_in_their_palette_are_two(pocket):
    one = Image.fromarray(np.random.default_rng(0).integers(0, 4, (64, 64), dtype=np.uint8)).convert("P")
    other = one.copy()
    one.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0])
    other.putpalette([0, 0, 0, 255, 255, 255, 90, 90, 90, 200, 0, 200])
    assert one.tobytes() == other.tobytes()
    features = [cache_features(*pocket, [image]) for image in (one, other)]
    assert torch.equal(features[1], encode_images(*pocket, [other])) and not torch.equal(*features)


def test_a_model_in_half_the_bits_and_the_same_in_all_have_features_of_their_own(pocket):
    half = copy.deepcopy(pocket[0]).bfloat16()
    whole = copy.deepcopy(half).float()
    for clip in (half, whole, half, whole):
        features = cache_features(clip, pocket[1], pictures(2), counted)
        assert features.dtype == clip.dtype
    assert computed == [2, 2]


def test_many_pictures_are_kept_in_several_files_and_new_ones_at_the_end_cost_only_themselves(
    pocket, cache, monkeypatch
):
    monkeypatch.setattr(data, "BATCH_SIZE", 4)
    images = pictures(11)
    features = cache_features(*pocket, images[:8], counted)
    more = cache_features(*pocket, images, counted)
    assert computed == [4, 4, 3] and len(list((cache / "features").iterdir())) == 3
    assert torch.equal(more[:8], features)
    assert (more - encode_images(*pocket, images)).abs().max() < 1e-5


@pytest.mark.parametrize("broken", ["cut off", "empty", "text", "too few", "of another name"])
def test_a_broken_file_is_replaced(pocket, cache, broken):
    images = pictures(3)
    expected = cache_features(*pocket, images, counted)
    (file,) = (cache / "features").iterdir()
    whole = file.read_bytes()
    if broken in ("too few", "of another name"):
        name = "features" if broken == "too few" else "other"
        data.write_tensors(file, {name: expected[:2]}, {})
    else:
        file.write_bytes({"cut off": whole[:-40], "empty": b"", "text": b"no features"}[broken])
    assert torch.equal(cache_features(*pocket, images, counted), expected)
    assert computed == [3, 3] and file.read_bytes() == whole
    cache_features(*pocket, images, counted)
    assert computed == [3, 3]


def test_where_nothing_can_be_kept_features_are_computed_all_the_same(pocket, tmp_path, monkeypatch):
    (tmp_path / "a file").write_text("where a folder should be")
    for folder in (tmp_path / "a file", tmp_path / "a file" / "below"):
        monkeypatch.setenv("COURSE_CACHE", str(folder))
        assert cache_features(*pocket, pictures(2), counted).shape == (2, 128)
    assert computed == [2, 2] and (tmp_path / "a file").is_file()


def test_a_full_disk_is_no_error(pocket, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    assert cache_features(*pocket, pictures(2)).shape == (2, 128)


def test_no_pictures_are_told_and_not_left_to_torch(pocket):
    with pytest.raises(ValueError, match="no pictures to encode"):
        cache_features(*pocket, [])


@dataclass(frozen=True)
class Part:
    images: list[Image.Image]
    labels: Tensor


@dataclass(frozen=True)
class Whole:
    train: Part
    validation: Part
    test: Part


def test_a_split_is_encoded_part_by_part_with_its_labels(pocket):
    split = Whole(*(Part(pictures(count, seed=count), torch.arange(count)) for count in (4, 2, 3)))
    encoded = encode_split(*pocket, split)
    for name in ("train", "validation", "test"):
        features, labels = getattr(encoded, name)
        part = getattr(split, name)
        assert torch.equal(labels, part.labels) and torch.equal(features, encode_images(*pocket, part.images))
        assert (features.norm(dim=-1) - 1).abs().max() < 1e-5 and not features.requires_grad


def test_the_preparation_is_the_same_for_a_processor_loaded_again_and_says_what_differs(pocket):
    line = describe_preparation(pocket[1])
    assert (
        line == describe_preparation(load_clip("pocket")[1]) and " at 0x" not in line
    )  # no address, which no other run has
    assert "0.4" in describe_preparation(unlike(pocket[1])) and describe_preparation(unlike(pocket[1])) != line


# --- which model -----------------------------------------------------------------------------------------------------------------


def test_the_pocket_clip_has_this_fingerprint_in_every_version_of_transformers(pocket):
    assert fingerprint(pocket[0]) == fingerprint(load_clip(POCKET_CLIP)[0]) == POCKET_FINGERPRINT


def test_every_tensor_counts_in_the_fingerprint(pocket):
    clip = copy.deepcopy(pocket[0])
    seen = {fingerprint(clip)}
    names = [name for name, tensor in clip.state_dict().items() if tensor.abs().max() > 0]
    for name in names:
        tensor = clip.state_dict()[name]
        kept = tensor.clone()
        tensor.mul_(1.001)
        seen.add(fingerprint(clip))
        tensor.copy_(kept)
    assert len(seen) == 1 + len(names) > 100
    assert fingerprint(clip) == POCKET_FINGERPRINT


def test_a_model_saved_and_loaded_keeps_its_fingerprint(pocket, tmp_path):
    pocket[0].save_pretrained(tmp_path)
    assert fingerprint(type(pocket[0]).from_pretrained(tmp_path)) == POCKET_FINGERPRINT
