"""Picture files, and JSON files of pictures with captions, from anybody: whatever is wrong with them is told in a sentence.

Rests on Pillow. Nothing is trusted: a picture of absurd size is not unpacked, and a path that leaves the folder is not followed.
"""

from __future__ import annotations

import difflib
import errno
import json
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL.features
from PIL import Image, ImageOps, UnidentifiedImageError

MOST_MEGAPIXELS = 50  # of a picture; a larger one is refused before it is unpacked
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", *(["AVIF"] if PIL.features.check("avif") else []))
# not all that Pillow knows: for some it starts other programs
MOST_STRETCHED = 100  # times as long as wide; the short side is what is made as long as the model needs
MOST_FAULTS = 100  # that are listed one by one

# --- pictures --------------------------------------------------------------------------------------------------------------------


class BadPicture(ValueError):
    """What is wrong with a picture file, in words that go on after its name; kind: "too large", "a strip", "no picture" or "broken"."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(
            {
                "too large": f"is larger than {MOST_MEGAPIXELS} megapixels: save a smaller copy of it",
                "a strip": f"is more than {MOST_STRETCHED} times as long as wide: cut a part out of it",
                "no picture": f"is no picture that can be read here: save it as PNG or JPEG, a HEIC of an iPhone too (what is read: {', '.join(FORMATS)})",
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
                if max(image.size) > MOST_STRETCHED * min(image.size):
                    raise BadPicture("a strip")
                return _rgb(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError:
        raise BadPicture("too large") from None
    except UnidentifiedImageError:
        raise BadPicture("no picture") from None
    except Exception as error:  # on broken files Pillow raises nearly anything
        if isinstance(error, BadPicture) or isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise BadPicture("broken") from error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow would not shrink but clip
        image = Image.fromarray((np.asarray(image) / 256).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB")


def open_pictures(files: Sequence[Path]) -> list[Image.Image]:
    """Picture files as RGB. Raises ValueError with a line for each that cannot be opened."""
    pictures, faults = [], []
    for file in files:
        try:
            pictures.append(open_picture(file))
        except OSError as error:
            faults.append(f"{file}: {error.strerror}")
        except BadPicture as error:
            faults.append(f"{file} {error}")
    if faults:
        raise ValueError("\n".join(faults))
    return pictures


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


# --- a JSON file of pictures with captions ---------------------------------------------------------------------------------------------


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
    return [(Path(os.path.abspath(folder / entry["image_path"])), entry["text"].strip()) for entry in entries]


def _entries(data_path: Path) -> Any:
    try:
        return json.loads(data_path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{data_path} is not UTF-8 (line {line}, byte {error.start + 1} of the file): save it as UTF-8"
        ) from None
    except json.JSONDecodeError as error:
        where, line = (
            f"line {error.lineno}, column {error.colno}",
            (error.doc.splitlines() or [""])[error.lineno - 1 :][:1],
        )
        raise ValueError(f"{data_path} is no JSON: {error.msg} in {where}: {''.join(line).strip()[:80]}") from None
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
            others = ", ".join(json.dumps(str(other), ensure_ascii=False)[:40] for other in entry)
            yield f'has no "{key}"' + (f" (it has {others})" if others else "")
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
    if os.path.isdir(file):
        return f"{shown} is a folder, and should be a picture"
    if not os.path.isfile(file):
        return f"no file {shown} (looked in {os.path.dirname(file)}){_instead(path, file)}. Paths are relative to the JSON file"
    try:
        open_picture(Path(file))
    except BadPicture as error:
        return f"{shown} {error}"
    except OSError as error:
        return f"{shown} cannot be opened: {error.strerror}"
    return ""


def _instead(path: str, file: str) -> str:
    """What may have been meant by a path that leads to no file."""
    if "\\" in path:
        return ": write / and no \\"
    try:
        here = os.listdir(os.path.dirname(file))
    except OSError:
        return ""
    close = difflib.get_close_matches(os.path.basename(file).lower(), {name.lower(): name for name in here}, 1, 0.8)
    return f": did you mean {next(name for name in here if name.lower() == close[0])}?" if close else ""


def _within(file: str, folder: str) -> bool:
    return Path(file).is_relative_to(folder)


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
