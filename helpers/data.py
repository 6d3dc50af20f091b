"""What models learn from: few examples of each class, as features that are computed once and kept on disk; and pictures with captions.

A frozen tower gives the same features for the same picture every time, so nothing is lost by keeping them (unless pictures are
altered at random at every step, which this course does not do). Other people's files are not trusted: what is wrong is told first.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import PIL.features
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import Dataset
from transformers import CLIPModel, CLIPProcessor

from helpers.files import cache_folder, read_tensors, write_tensors
from helpers.pretrained import fingerprint, image_features

AT_ONCE = 256  # pictures in one batch, and in one file of the cache
MOST_MEGAPIXELS = 50  # of a picture; a larger one is refused before it is unpacked
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", *(["AVIF"] if PIL.features.check("avif") else []))
# not all that Pillow knows: for some it starts other programs
MOST_FAULTS = 100  # that are listed one by one

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

    def permuted(self, seed: int) -> FewShot:
        """The same with shuffled labels for training and validation: what is learned from those is chance, and nothing else."""
        generator = torch.Generator().manual_seed(seed)

        def shuffled(pictures: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            features, labels = pictures
            return features, labels[torch.randperm(len(labels), generator=generator).to(labels.device)]

        return FewShot(shuffled(self.train), shuffled(self.validation), self.test)


def few_shot_split(labels: Tensor, shots: int, checks: int, seed: int) -> tuple[Tensor, Tensor]:
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


def encode(clip: CLIPModel, processor: CLIPProcessor, split: Split) -> FewShot:
    """The pictures of a split as features; what was encoded before is read from the cache."""
    parts = (split.train, split.validation, split.test)
    return FewShot(*((cached_features(clip, processor, part.images), part.labels.to(clip.device)) for part in parts))


def cached_features(
    clip: CLIPModel,
    processor: CLIPProcessor,
    images: Sequence[Image.Image],
    compute: Callable[[CLIPModel, CLIPProcessor, Sequence[Image.Image]], Tensor] = image_features,
) -> Tensor:
    """What `compute` makes of the pictures, (N, …): by default their unit image features (N, D).

    Kept on disk under the model, the way pictures are prepared, what is computed, and the pictures themselves; any of them
    changed, it is computed again. A file that cannot be read counts as none; where nothing can be written, nothing is kept.
    """
    if not images:
        raise ValueError("there are no pictures to encode: each part of a split needs at least one")
    made_by = f"{fingerprint(clip)} {clip.dtype} {preparation(processor)} {compute.__module__}.{compute.__qualname__}"
    batches = []
    for start in range(0, len(images), AT_ONCE):
        batch = images[start : start + AT_ONCE]
        digest = hashlib.sha256(made_by.encode())
        for image in batch:
            digest.update(f"{image.mode} {image.size} {image.getpalette()}".encode() + image.tobytes())
        file = cache_folder() / "features" / f"{digest.hexdigest()[:32]}.safetensors"
        features = _kept(file, len(batch))
        if features is None:
            features = compute(clip, processor, batch).cpu()
            _keep(file, features)
        batches.append(features.to(clip.device))
    return torch.cat(batches)


def preparation(processor: CLIPProcessor) -> str:
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


# --- pictures --------------------------------------------------------------------------------------------------------------------


class BadPicture(ValueError):
    """What is wrong with a picture file, in words that go on after its name; kind: "too large", "no picture" or "broken"."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(
            {
                "too large": f"is larger than {MOST_MEGAPIXELS} megapixels: save a smaller copy of it",
                "no picture": f"is no picture that can be read here: save it as PNG or JPEG (what is read: {', '.join(FORMATS)})",
                "broken": "begins like a picture and is broken or cut off: fetch or save it again",
            }[kind]
        )


def open_picture(source: Path | BinaryIO) -> Image.Image:
    """A picture file as RGB: turned as the camera was held, what is transparent made white, of several frames the first.

    Raises BadPicture for what is no picture, a broken one, and one of absurd size, which is not unpacked; and OSError where there is
    nothing to open.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd but harmless details
            with Image.open(source, formats=FORMATS) as image:
                if image.width * image.height > MOST_MEGAPIXELS * 1e6:
                    raise BadPicture("too large")
                return _rgb(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError:
        raise BadPicture("too large") from None
    except UnidentifiedImageError:
        raise BadPicture("no picture") from None
    except Exception as error:  # on broken files Pillow raises nearly anything
        if isinstance(error, BadPicture) or isinstance(error, OSError) and error.errno:
            raise
        raise BadPicture("broken") from error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow would not shrink but clip
        image = Image.fromarray((np.asarray(image) / 256).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB")


class PictureFiles(Sequence):
    """Picture files as a sequence of RGB pictures, each opened when it is asked for."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int | slice) -> Any:
        if isinstance(number, slice):
            return [self[place] for place in range(*number.indices(len(self)))]
        try:
            return open_picture(self.files[number])
        except BadPicture as error:
            raise ValueError(f"{self.files[number]} {error}") from error


# --- pictures with captions --------------------------------------------------------------------------------------------------------


class VLMDataset(Dataset):
    """Pictures with captions, from a JSON list of {"image_path": …, "text": …}; paths are relative to the JSON file.

    The file and every picture are checked at once; pictures are opened again when they are asked for. Item i is a picture, RGB, and the
    ids (T,) of its caption with an end-of-text, or of its first max_length tokens.
    """

    def __init__(
        self, data_path: str | Path, tokenizer: Any, max_length: int = 128, *, allow_outside: bool = False
    ) -> None:
        """allow_outside: whether pictures may lie elsewhere than in the JSON file's folder. Raises ValueError with a list of all faults."""
        pairs = read_pairs(Path(data_path), allow_outside)
        self.pictures, self.texts = PictureFiles([file for file, _ in pairs]), [text for _, text in pairs]
        self.max_length = max_length
        self._whole = caption_rows(tokenizer, self.texts)

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, number: int) -> tuple[Image.Image, Tensor]:
        return self.pictures[number], self.rows[number]

    @property
    def rows(self) -> list[Tensor]:
        """The ids (T,) of every caption, T at most max_length; one that was cut has no end-of-text."""
        return [row[: self.max_length] for row in self._whole]

    @property
    def cut(self) -> int:
        """How many captions were longer than max_length."""
        return sum(len(row) > self.max_length for row in self._whole)


def caption_rows(tokenizer: Any, captions: Sequence[str]) -> list[Tensor]:
    """The ids (T,) of each caption, with an end-of-text to learn. Raises ValueError if the tokenizer knows no end."""
    end = tokenizer.eos_token_id
    if end is None:
        raise ValueError(
            "this tokenizer has no end-of-text token, so a caption could never end: use another language model"
        )
    return [torch.tensor([*tokenizer(caption, add_special_tokens=False)["input_ids"], end]) for caption in captions]


def read_pairs(data_path: Path, allow_outside: bool = False) -> list[tuple[Path, str]]:
    """Picture file and text of every entry of a JSON file. Raises OSError, or ValueError with a list of all faults, entries from 1."""
    entries = _entries(data_path)
    if not isinstance(entries, list) or not entries:
        what = "an empty list" if entries == [] else f"{_kind(entries)}, no list"
        raise ValueError(f'{data_path} holds {what}: it should be [{{"image_path": "cat.jpg", "text": "a cat."}}, …]')
    folder, known = data_path.parent, {}  # many captions may share a picture
    faults, number_of_faults = [], 0
    for number, entry in enumerate(entries, start=1):
        for fault in _faults(entry, folder, allow_outside, known):
            number_of_faults += 1
            if number_of_faults <= MOST_FAULTS:
                faults.append(f"{data_path}, entry {number}: {fault}")
    if faults:
        if more := number_of_faults - len(faults):
            faults.append(f"… and {more} more")
        raise ValueError("\n".join(faults))
    return [(folder / entry["image_path"], entry["text"].strip()) for entry in entries]


def _entries(data_path: Path) -> Any:
    try:
        return json.loads(data_path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{data_path} is not UTF-8 (byte {error.start + 1} of it): save it as UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"{data_path} is no JSON: {error.msg} in {where}") from None
    except (ValueError, RecursionError):  # a number of thousands of digits; lists within lists without end
        raise ValueError(
            f"{data_path} is no JSON that can be read here: it holds an absurd number, or is nested too deep"
        ) from None


def _faults(entry: Any, folder: Path, allow_outside: bool, known: dict[str, str]) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield f'is {_kind(entry)}, and should be {{"image_path": …, "text": …}}'
        return
    for key in ("image_path", "text"):
        value = entry.get(key)
        if key not in entry:
            yield f'has no "{key}"'
        elif not isinstance(value, str):
            yield f'"{key}" is {_kind(value)}, and should be text'
        elif not value.strip():
            yield f'"{key}" is empty'
        elif any("\ud800" <= letter <= "\udfff" for letter in value):
            yield f'"{key}" holds half a character (\\ud800 to \\udfff in the JSON): write it whole'
        elif key == "image_path":
            if value not in known:
                known[value] = _picture_fault(value, folder, allow_outside)
            if known[value]:
                yield known[value]


def _picture_fault(path: str, folder: Path, allow_outside: bool) -> str:
    """What is wrong with a picture's path or file; "" where nothing is. What lies outside is not touched, unless that is allowed."""
    shown = json.dumps(path, ensure_ascii=False)
    if "\0" in path:
        return f"the path {shown} holds a zero byte"
    file = os.path.abspath(folder / path)  # first by its letters, then with all links followed
    if not allow_outside and not (
        _within(file, os.path.abspath(folder)) and _within(*map(os.path.realpath, (file, folder)))
    ):
        return f"{shown} leaves the folder of the JSON file: copy the picture into it, or allow it by --allow-outside"
    if not os.path.isfile(file):
        return f"no file {shown} (looked in {os.path.dirname(file)}). Paths are relative to the JSON file"
    try:
        open_picture(Path(file))
    except BadPicture as error:
        return f"{shown} {error}"
    except OSError as error:
        return f"{shown} cannot be opened: {error.strerror}"
    return ""


def _within(file: str, folder: str) -> bool:
    return Path(file).is_relative_to(folder)


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
