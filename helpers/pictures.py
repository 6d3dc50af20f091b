"""Picture files, and JSON files of them with captions, from anybody.

Rests on Pillow. Nothing is trusted: a picture of absurd size is not unpacked, a path that leaves the folder is not followed, and
all that is wrong is told at once.
"""

from __future__ import annotations

import difflib
import errno
import json
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import PIL.features
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers.language import LearnerError, say

# of a picture; a larger one is refused before it is unpacked
MAX_MEGAPIXELS = 50
# the short side is what is made as long as the model needs, so a strip would grow without bounds
MAX_ASPECT_RATIO = 100
# not all that Pillow knows: for some it starts other programs
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
FORMATS += ("AVIF",) if PIL.features.check("avif") else ()
# that are listed one by one
MAX_FAULTS = 100
# pictures that are open at the same time: a photograph takes a hundred megabytes
FILE_BATCH_SIZE = 8

# --- pictures --------------------------------------------------------------------------------------------------------------------


class BadPicture(LearnerError):
    """What is wrong with a picture file, in words of the learner's language that go on after its name.

    kind: "too large", "a strip", "no picture" or "broken".
    """

    def __init__(self, kind: Literal["too large", "a strip", "no picture", "broken"]) -> None:
        super().__init__(kind)
        self.kind = kind

    def __str__(self) -> str:
        return {
            "too large": say(
                en=f"is larger than {MAX_MEGAPIXELS} megapixels: save a smaller copy of it",
                zh=f"超过了 {MAX_MEGAPIXELS} 百万像素：请另存一张小一些的",
            ),
            "a strip": say(
                en=f"is more than {MAX_ASPECT_RATIO} times as long as wide: cut a part out of it",
                zh="太细长了：请裁出其中一块",
            ),
            "no picture": say(
                en="is no picture that can be read here: save it as PNG or JPEG, a HEIC of an iPhone "
                f"too (what is read: {', '.join(FORMATS)})",
                zh="不是这里能读的图片：请另存为 PNG 或 JPEG",
            ),
            "broken": say(
                en="begins like a picture and is broken or cut off: fetch or save it again",
                zh="开头像图片，但文件已损坏或不完整：请重新保存一次，或换一张",
            ),
        }[self.kind]


def open_picture(source: Path | BinaryIO) -> Image.Image:
    """Open a picture file as RGB: turned as the camera was held, what is transparent made white, of several frames the first.

    Raises BadPicture for what is no picture, a broken one, and one of absurd size, which is not unpacked; and OSError where there is
    nothing to open.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd but harmless details
            with Image.open(source, formats=FORMATS) as image:
                if image.width * image.height > MAX_MEGAPIXELS * 1e6:
                    raise BadPicture("too large")
                if max(image.size) > MAX_ASPECT_RATIO * min(image.size):
                    raise BadPicture("a strip")
                return _rgb(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError:
        raise BadPicture("too large") from None
    except UnidentifiedImageError:
        raise BadPicture("no picture") from None
    except BadPicture:
        raise
    # on broken files Pillow raises nearly anything
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise BadPicture("broken") from error


def _rgb(image: Image.Image) -> Image.Image:
    # 16 bits a pixel, which Pillow would not shrink but clip
    if image.mode.startswith("I"):
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


@dataclass(frozen=True)
class Classes:
    """Picture files with the number of the class of each, and what the classes are called."""

    files: list[Path]
    labels: list[int]
    class_names: list[str]


# --- a JSON file of pictures with captions ---------------------------------------------------------------------------------------------


def read_pairs(
    data_path: Path, allow_outside: bool = False, decode: bool = True
) -> list[tuple[Path, str]]:
    """Read picture file and text of every entry of a JSON file.

    decode: whether every picture is opened, too; False for somebody who opens them anyway, and asks again where one is broken.
    Raises OSError, or ValueError with a list of all faults, entries from 1.
    """
    entries = _entries(data_path)
    if not isinstance(entries, list) or not entries:
        what = "an empty list" if entries == [] else f"{_kind(entries)}, no list"
        raise ValueError(
            f"{data_path} holds {what}: "
            'it should be [{"image_path": "cat.jpg", "text": "a cat."}, …]'
        )
    # many captions may share a picture, which is looked at once
    folder, known = data_path.parent, {}
    raise_faults(
        [
            f"{data_path}, entry {number}: {fault}"
            for number, entry in enumerate(entries, start=1)
            for fault in _faults(entry, folder, allow_outside, decode, known)
        ]
    )
    return [
        (Path(os.path.abspath(folder / entry["image_path"])), entry["text"].strip())
        for entry in entries
    ]


def raise_faults(faults: Sequence[str]) -> None:
    """Raise ValueError with a line for each fault, if there are any; only the first are listed."""
    more = len(faults) - MAX_FAULTS
    lines = [*faults[:MAX_FAULTS], *([f"… and {more} more"] if more > 0 else [])]
    if lines:
        raise ValueError("\n".join(lines))


def _entries(data_path: Path) -> Any:
    try:
        return json.loads(data_path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{data_path} is not UTF-8 (line {line}, byte {error.start + 1} of the file): save it as UTF-8"
        ) from None
    except json.JSONDecodeError as error:
        line = [*error.doc.splitlines(), ""][error.lineno - 1].strip()[:80]
        raise ValueError(
            f"{data_path} is no JSON: {error.msg} in line {error.lineno}, column {error.colno}: {line}"
        ) from None
    # a number of thousands of digits; lists within lists without end
    except (ValueError, RecursionError):
        raise ValueError(
            f"{data_path} is no JSON that can be read here: "
            "it holds an absurd number, or is nested too deep"
        ) from None


def _faults(
    entry: Any, folder: Path, allow_outside: bool, decode: bool, known: dict[str, str]
) -> Iterator[str]:
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
                known[value] = _picture_fault(value, folder, allow_outside, decode)
            if known[value]:
                yield known[value]


def _picture_fault(path: str, folder: Path, allow_outside: bool, decode: bool) -> str:
    """What is wrong with a picture's path or file; "" where nothing is. What lies outside is not touched, unless that is allowed."""
    shown = json.dumps(path, ensure_ascii=False)
    if "\0" in path:
        return f"the path {shown} holds a zero byte"
    file = os.path.abspath(folder / path)
    # first by its letters, then with all links followed
    inside = all(
        Path(whole(file)).is_relative_to(whole(folder))
        for whole in (os.path.abspath, os.path.realpath)
    )
    if not inside and not allow_outside:
        return f"{shown} leaves the folder of the JSON file: copy the picture into it, or allow it by --allow-outside"
    if os.path.isdir(file):
        return f"{shown} is a folder, and should be a picture"
    if not os.path.isfile(file):
        return f"no file {shown} (looked in {os.path.dirname(file)}){_instead(path, file)}. Paths are relative to the JSON file"
    try:
        if decode:
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
    names = {name.lower(): name for name in here}
    close = difflib.get_close_matches(os.path.basename(file).lower(), names, 1, 0.8)
    return f": did you mean {names[close[0]]}?" if close else ""


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return "null" if value is None else kinds.get(type(value), "a number")
