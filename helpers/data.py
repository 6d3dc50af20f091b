"""What models learn from: few examples of each class, as features that are computed once and kept on disk; and pictures with captions.

A frozen tower gives the same features for the same picture every time, so nothing is lost by keeping them (unless pictures are
altered at random at every step, which this course does not do).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from transformers import CLIPModel, CLIPProcessor

from helpers.files import cache_folder, read_tensors, write_tensors
from helpers.pictures import FILE_BATCH_SIZE, Classes, PictureFiles, read_pairs
from helpers.pretrained import encode_images, fingerprint

BATCH_SIZE = 256  # pictures in one batch, and in one file of the cache

# --- few examples of each class ------------------------------------------------------------------------------------------------------


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

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]

    def permute_labels(self, seed: int) -> FewShot:
        """The same with shuffled labels for training and validation: what is learned from those is chance, and nothing else."""
        generator = torch.Generator().manual_seed(seed)

        def shuffled(pictures: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            features, labels = pictures
            return features, labels[
                torch.randperm(len(labels), generator=generator).to(labels.device)
            ]

        return FewShot(shuffled(self.train), shuffled(self.validation), self.test)


def split_few_shot(labels: Tensor, shots: int, checks: int, seed: int) -> tuple[Tensor, Tensor]:
    """Numbers of the examples to learn from, `shots` of each class, and of those to validate on, `checks` of each.

    labels: (N,), the classes 0, 1, 2 …; the same seed with fewer shots chooses among the same examples. Raises ValueError when a
    class has too few.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen: list[Tensor] = []
    for label in range(int(labels.max()) + 1):
        numbers = (labels == label).nonzero().flatten()
        if len(numbers) < shots + checks:
            raise ValueError(
                f"class {label} has {len(numbers)} examples; {shots} shots and {checks} checks need {shots + checks}"
            )
        chosen.append(numbers[torch.randperm(len(numbers), generator=generator)])
    validation = torch.cat([numbers[:checks] for numbers in chosen])
    return torch.cat([numbers[checks : checks + shots] for numbers in chosen]), validation


def split_own_pictures(labels: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers of the examples to learn from, half of each class, and to validate and to test on, a quarter each and at least one.

    labels: (N,), the classes 0, 1, 2 …, each with three examples or more.
    """
    generator = torch.Generator().manual_seed(seed)
    parts: tuple[list[Tensor], ...] = [], [], []
    for label in range(int(labels.max()) + 1):
        numbers = (labels == label).nonzero().flatten()
        if len(numbers) < 3:
            raise ValueError(
                f"class {label} has {len(numbers)} examples; three parts need at least 3"
            )
        shuffled, quarter = (
            numbers[torch.randperm(len(numbers), generator=generator)],
            max(1, len(numbers) // 4),
        )
        for part, mine in zip(
            parts, shuffled.split([len(numbers) - 2 * quarter, quarter, quarter])
        ):
            part.append(mine)
    return tuple(map(torch.cat, parts))


@dataclass(frozen=True)
class OwnPart:
    """Picture files of one part, opened when they are asked for, and their classes (N,)."""

    images: PictureFiles
    labels: Tensor


@dataclass(frozen=True)
class OwnPictures:
    """Somebody's own pictures in three parts."""

    train: OwnPart
    validation: OwnPart
    test: OwnPart


def read_own_pictures(classes: Classes, seed: int = 0) -> OwnPictures:
    """Pictures by class, as `read_folder` found them, in three parts; another seed makes other parts."""
    labels = torch.tensor(classes.labels)

    def part(numbers: Tensor) -> OwnPart:
        return OwnPart(
            PictureFiles([classes.files[number] for number in numbers.tolist()]), labels[numbers]
        )

    return OwnPictures(*map(part, split_own_pictures(labels, seed)))


def encode_split(clip: CLIPModel, processor: CLIPProcessor, split: Split) -> FewShot:
    """The pictures of a split as features; what was encoded before is read from the cache."""
    parts = (split.train, split.validation, split.test)
    return FewShot(
        *(
            (cache_features(clip, processor, part.images), part.labels.to(clip.device))
            for part in parts
        )
    )


def cache_features(
    clip: CLIPModel,
    processor: CLIPProcessor,
    images: Sequence[Image.Image],
    compute: Callable[[CLIPModel, CLIPProcessor, Sequence[Image.Image]], Tensor] = encode_images,
) -> Tensor:
    """What `compute` makes of the pictures, (N, …): by default their unit image features (N, D).

    Kept on disk under the model, the way pictures are prepared, what is computed, and the pictures themselves; any of them
    changed, it is computed again. A file that cannot be read counts as none; where nothing can be written, nothing is kept.
    """
    if not images:
        raise ValueError("there are no pictures to encode: each part of a split needs at least one")
    made_by = f"{fingerprint(clip)} {clip.dtype} {describe_preparation(processor)} {compute.__module__}.{compute.__qualname__}"
    batches, at_once = [], FILE_BATCH_SIZE if isinstance(images, PictureFiles) else BATCH_SIZE
    for start in range(0, len(images), at_once):
        batch = images[start : start + at_once]
        digest = hashlib.sha256(made_by.encode())
        for image in batch:
            digest.update(
                f"{image.mode} {image.size} {image.getpalette()}".encode() + image.tobytes()
            )
        file = cache_folder() / "features" / f"{digest.hexdigest()[:32]}.safetensors"
        features = _kept(file, len(batch))
        if features is None:
            features = compute(clip, processor, batch).cpu()
            _keep(file, features)
        batches.append(features.to(clip.device))
    return torch.cat(batches)


def describe_preparation(processor: CLIPProcessor) -> str:
    """How pictures are prepared, in one line: two processors of the same line make the same numbers of a picture."""
    settings: dict[str, Any] = processor.image_processor.to_dict()
    return repr(sorted((name, repr(value)) for name, value in settings.items()))


def _kept(file: Path, count: int) -> Tensor | None:
    try:
        features = read_tensors(file)[0]["features"]
    except (OSError, ValueError, KeyError):  # absent, cut off, or not ours
        return None
    return features if len(features) == count else None


def _keep(file: Path, features: Tensor) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(file, {"features": features}, {})
    except OSError:  # a cache that cannot be written to is no cache, and no error
        pass


# --- pictures with captions --------------------------------------------------------------------------------------------------------


class VLMDataset(Dataset):
    """Pictures with captions, from a JSON list of {"image_path": …, "text": …}; paths are relative to the JSON file.

    The file and every picture are checked at once; pictures are opened again when they are asked for. Item i is a picture, RGB, and the
    ids (T,) of its caption with an end-of-text, or of its first max_length tokens.
    """

    def __init__(
        self,
        data_path: str | Path,
        tokenizer: Any,
        max_length: int = 128,
        *,
        allow_outside: bool = False,
    ) -> None:
        """allow_outside: whether pictures may lie elsewhere than in the JSON file's folder. Raises ValueError with a list of all faults."""
        pairs = read_pairs(Path(data_path), allow_outside)
        self.pictures, self.texts = (
            PictureFiles([file for file, _ in pairs]),
            [text for _, text in pairs],
        )
        self.max_length = max_length
        self._whole = tokenize_captions(tokenizer, self.texts)

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, number: int) -> tuple[Image.Image, Tensor]:
        return self.pictures[number], self._whole[number][: self.max_length]

    @property
    def rows(self) -> list[Tensor]:
        """The ids (T,) of every caption, T at most max_length; one that was cut has no end-of-text."""
        return [row[: self.max_length] for row in self._whole]

    @property
    def cut(self) -> int:
        """How many captions were longer than max_length."""
        return sum(len(row) > self.max_length for row in self._whole)


def tokenize_captions(tokenizer: Any, captions: Sequence[str]) -> list[Tensor]:
    """The ids (T,) of each caption, with an end-of-text to learn. Raises ValueError if the tokenizer knows no end."""
    end = tokenizer.eos_token_id
    if end is None:
        raise ValueError(
            "this tokenizer has no end-of-text token, so a caption could never end: use another language model"
        )
    return [
        torch.tensor([*tokenizer(caption, add_special_tokens=False)["input_ids"], end])
        for caption in captions
    ]
