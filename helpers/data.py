"""What models learn from: few examples of each class, as features, and pictures with captions.

Rests on helpers/pictures.py and pretrained.py. A frozen tower gives the same features for the same
picture every time, so nothing is lost by keeping them (unless pictures are altered at random at
every step, which this course does not do).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from transformers import CLIPModel, CLIPProcessor

from helpers.files import find_cache_folder, read_tensors, write_tensors
from helpers.language import LearnerError
from helpers.pictures import FILE_BATCH_SIZE, PictureFiles, group_copies, read_pairs
from helpers.pretrained import check_tokens, describe_config, encode_images, fingerprint

# pictures in one batch, and in one file of the cache
BATCH_SIZE = 256

# unit features (N, D) with labels (N,)
LabelledFeatures = tuple[Tensor, Tensor]

# --- few examples of each class -------------------------------------------------------------------


class Labelled(Protocol):
    """Pictures and their classes."""

    images: Sequence[Image.Image]
    labels: Tensor


class Split(Protocol):
    """Labelled pictures to learn from, to choose by and to report on."""

    train: Labelled
    validation: Labelled
    test: Labelled


@dataclass(frozen=True)
class FewShot:
    """Unit image features (N, D) with labels (N,), for training, validation and test."""

    train: LabelledFeatures
    validation: LabelledFeatures
    test: LabelledFeatures

    def permute_labels(self, seed: int) -> FewShot:
        """Shuffle the labels for training and validation: what is learned from them is chance."""
        generator = torch.Generator().manual_seed(seed)

        def shuffle(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
            order = torch.randperm(len(labels), generator=generator)
            return features, labels[order.to(labels.device)]

        return FewShot(shuffle(*self.train), shuffle(*self.validation), self.test)


def measure_accuracy(pictures: LabelledFeatures, classes: Tensor) -> float:
    """Measure the share of pictures whose class is the nearest of all class features (C, D)."""
    features, labels = pictures
    return (features @ classes.T).argmax(-1).eq(labels).float().mean().item()


def encode_split(clip: CLIPModel, processor: CLIPProcessor, split: Split) -> FewShot:
    """Turn the pictures of a split into features; what the cache has is read from there."""

    def encode(part: Labelled) -> tuple[Tensor, Tensor]:
        return cache_features(clip, processor, part.images), part.labels.to(clip.device)

    return FewShot(*map(encode, (split.train, split.validation, split.test)))


def cache_features(
    clip: CLIPModel,
    processor: CLIPProcessor,
    images: Sequence[Image.Image],
    compute: Callable[[CLIPModel, CLIPProcessor, Sequence[Image.Image]], Tensor] = encode_images,
) -> Tensor:
    """Compute features of pictures, or read them where the same was computed before.

    They are kept on disk under the model, the way pictures are prepared, what is computed, and the
    pictures themselves; any of them changed, they are computed again. A file that cannot be read
    counts as none; where nothing can be written, nothing is kept.

    Args:
        clip: the model.
        processor: what prepares the pictures for it.
        images: N pictures.
        compute: what is computed of them; by default their unit image features.

    Returns:
        What `compute` gives, (N, …), on the model's device.

    Taken apart in lesson 02b, section 4.
    """
    if not images:
        raise LearnerError(key="no_pictures")
    how = f"{describe_preparation(processor)} {compute.__module__}.{compute.__qualname__}"
    made_by = f"{fingerprint(clip)} {describe_config(clip.config.to_dict())} {clip.dtype} {how}"
    batches, size = [], FILE_BATCH_SIZE if isinstance(images, PictureFiles) else BATCH_SIZE
    for start in range(0, len(images), size):
        batch = images[start : start + size]
        digest = hashlib.sha256(made_by.encode())
        for image in batch:
            drawn = f"{image.mode} {image.size} {image.getpalette()}"
            digest.update(drawn.encode() + image.tobytes())
        file = find_cache_folder() / "features" / f"{digest.hexdigest()[:32]}.safetensors"
        features = _read_features(file, len(batch))
        if features is None:
            features = compute(clip, processor, batch).cpu()
            # a cache that cannot be written to is no cache, and no error
            with suppress(OSError):
                file.parent.mkdir(parents=True, exist_ok=True)
                write_tensors(file, {"features": features}, {})
        batches.append(features.to(clip.device))
    return torch.cat(batches)


def describe_preparation(processor: CLIPProcessor) -> str:
    """Say how pictures are prepared, in one line.

    Two processors of the same line make the same numbers of a picture.
    """
    settings: dict[str, Any] = processor.image_processor.to_dict()
    return repr(sorted((name, repr(value)) for name, value in settings.items()))


def _read_features(file: Path, count: int) -> Tensor | None:
    try:
        features = read_tensors(file)[0]["features"]
    # absent, cut off, or not ours
    except (OSError, ValueError, KeyError):
        return None
    return features if len(features) == count else None


# --- pictures with captions -----------------------------------------------------------------------


class VLMDataset(Dataset):
    """Pictures with captions, from a JSON list of {"image_path": …, "text": …}.

    Paths are relative to the JSON file.
    The file and every picture are checked at once; pictures are opened again when they are asked
    for. Item i is a picture, RGB, and the ids (T,) of its caption with an end-of-text, or of its
    first max_length tokens. `pictures` are the different ones alone, and `picture_of`, (N,), has
    the number of each caption's: with `model.encode(data.pictures[:])[data.picture_of]` each is
    encoded once. Copies of a file count as one picture; whoever splits captions, splits by these.
    """

    def __init__(
        self,
        data_path: str | Path,
        tokenizer: Any,
        max_length: int = 128,
        *,
        allow_outside: bool = False,
    ) -> None:
        """Check and tokenize.

        Args:
            data_path: the JSON file.
            tokenizer: the language model's.
            max_length: how many tokens of a caption are kept.
            allow_outside: whether pictures may lie elsewhere than in the JSON file's folder.

        Raises:
            ValueError: a list of all faults.
        """
        pairs = read_pairs(Path(data_path), allow_outside)
        firsts = group_copies([file for file, _ in pairs])
        files = list(dict.fromkeys(firsts.values()))
        places = {file: place for place, file in enumerate(files)}
        self.pictures = PictureFiles(files)
        self.picture_of = torch.tensor([places[firsts[file]] for file, _ in pairs])
        self.texts = [text for _, text in pairs]
        self.max_length = max_length
        self._whole = tokenize_captions(tokenizer, self.texts)

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, number: int) -> tuple[Image.Image, Tensor]:
        return self.pictures[int(self.picture_of[number])], self._whole[number][: self.max_length]

    @property
    def rows(self) -> list[Tensor]:
        """The ids (T,) of every caption, T at most max_length; if cut, without end-of-text."""
        return [row[: self.max_length] for row in self._whole]

    @property
    def cut(self) -> int:
        """How many captions were longer than max_length."""
        return sum(len(row) > self.max_length for row in self._whole)


def get_end_of_text(tokenizer: Any) -> int:
    """The id that ends a text: the same in training, in padding and in writing.

    It is the tokenizer's end of text, or its separator where it has none, as BERT's tokenizers
    under Chinese GPT-2s do. Raises ValueError where it has neither.
    """
    if tokenizer.eos_token_id is not None:
        return tokenizer.eos_token_id
    if tokenizer.sep_token_id is None:
        raise LearnerError(key="no_end_of_text")
    return tokenizer.sep_token_id


def tokenize_captions(tokenizer: Any, captions: Sequence[str]) -> list[Tensor]:
    """Turn each caption into ids (T,), with an end-of-text to learn.

    Raises ValueError if the tokenizer knows no end, or a caption holds one of its signs; warns if
    it makes bytes of letters.
    """
    end = get_end_of_text(tokenizer)
    ids = [tokenizer(caption, add_special_tokens=False)["input_ids"] for caption in captions]
    check_tokens(tokenizer, captions, ids)
    return [torch.tensor([*row, end]) for row in ids]
