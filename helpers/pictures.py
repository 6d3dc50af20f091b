"""Picture files, folders of them by class, and JSON files of them with captions, from anybody: what is wrong is told in a sentence.

Rests on Pillow. Nothing is trusted: a picture of absurd size is not unpacked, and a path that leaves the folder is not followed.
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

MAX_MEGAPIXELS = 50  # of a picture; a larger one is refused before it is unpacked
FORMATS = (
    "JPEG",
    "PNG",
    "WEBP",
    "GIF",
    "BMP",
    "TIFF",
    *(["AVIF"] if PIL.features.check("avif") else []),
)
# not all that Pillow knows: for some it starts other programs
MAX_ASPECT_RATIO = (
    100  # times as long as wide; the short side is what is made as long as the model needs
)
MAX_FAULTS = 100  # that are listed one by one
FILE_BATCH_SIZE = 8  # pictures; a photograph takes a hundred megabytes
MIN_PICTURES = 4  # pictures of a class: two to learn from, one to validate on, one to test on
THUMBNAIL_SIZE = 16  # pixels a side, in grey: so small, a picture is compared with others
COPY_THRESHOLD = 2.0  # mean difference of two thumbnails, in grey levels of 255, below which they show the same picture
PARTS = {
    "train",
    "training",
    "val",
    "valid",
    "validation",
    "test",
}  # what other data sets call their parts

# --- pictures --------------------------------------------------------------------------------------------------------------------


class BadPicture(ValueError):
    """What is wrong with a picture file, in words that go on after its name; kind: "too large", "a strip", "no picture" or "broken"."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(
            {
                "too large": f"is larger than {MAX_MEGAPIXELS} megapixels: save a smaller copy of it",
                "a strip": f"is more than {MAX_ASPECT_RATIO} times as long as wide: cut a part out of it",
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
                if image.width * image.height > MAX_MEGAPIXELS * 1e6:
                    raise BadPicture("too large")
                if max(image.size) > MAX_ASPECT_RATIO * min(image.size):
                    raise BadPicture("a strip")
                return _rgb(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError:
        raise BadPicture("too large") from None
    except UnidentifiedImageError:
        raise BadPicture("no picture") from None
    except Exception as error:  # on broken files Pillow raises nearly anything
        if (
            isinstance(error, BadPicture)
            or isinstance(error, OSError)
            and error.errno not in (None, errno.EINVAL)
        ):
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


# --- a folder of pictures, one sub-folder for each class --------------------------------------------------------------------------------

FaultKind = Literal["unreadable", "copy", "two classes", "empty", "alone", "few"]


@dataclass(frozen=True)
class Fault:
    """What is wrong with a picture, or with the folder of a class, in words that go on after its path.

    of: the picture that it is the same as, where it is a copy or lies in two classes.
    """

    kind: FaultKind
    path: Path
    told: str
    of: Path | None = None


@dataclass(frozen=True)
class Classes:
    """Picture files with the number of the class of each, and what the classes are called."""

    files: list[Path]
    labels: list[int]
    class_names: list[str]


def read_folder(folder: Path, fewest: int = MIN_PICTURES, leave_out: bool = False) -> Classes:
    """The pictures of a folder that has a sub-folder for each class; what the sub-folder is called is the class's name.

    Raises ValueError with a list of all faults that `check_folder` finds; with leave_out they are left out instead. OSError where there
    is no such folder.
    """
    classes, faults = check_folder(folder, fewest)
    if faults and not leave_out:
        lines = [f"{fault.path} {fault.told}" for fault in faults[:MAX_FAULTS]]
        raise ValueError(
            "\n".join(
                [*lines, *([f"… and {more} more"] if (more := len(faults) - len(lines)) else [])]
            )
        )
    if len(classes.class_names) < 2:
        raise ValueError(
            f"{folder} has fewer than two classes with at least {fewest} pictures: there must be two, to tell them apart"
        )
    return classes


def check_folder(folder: Path, fewest: int = MIN_PICTURES) -> tuple[Classes, list[Fault]]:
    """The pictures by class that can be used, and all that is wrong with the others.

    Left out: what cannot be read; of copies all but the first; a picture that lies in two classes; and then classes with fewer than
    `fewest` pictures. Raises ValueError where no sub-folder is a class, and OSError where there is no such folder.
    """
    names: dict[str, list[Path]] = {}
    for place in _class_folders(folder):
        names.setdefault(place.name.replace("_", " ").strip(), []).append(place)
    found, thumbnails, faults = [], [], []
    for name, places in names.items():
        for file in _files_in(places):
            try:
                thumbnails.append(make_thumbnail(open_picture(file)))
                found.append((file, name))
            except BadPicture as error:
                faults.append(Fault("unreadable", file, str(error)))
            except OSError as error:
                faults.append(Fault("unreadable", file, f"cannot be opened: {error.strerror}"))
    faults += _the_same(found, thumbnails)
    out = {fault.path for fault in faults}
    good = [(file, name) for file, name in found if file not in out]
    for name, places in names.items():
        number = sum(name == other for _, other in good)
        if number < fewest:
            faults.append(_too_few(places[0], number, fewest))
            good = [(file, other) for file, other in good if other != name]
    kept = list(dict.fromkeys(name for _, name in good))
    return Classes([file for file, _ in good], [kept.index(name) for _, name in good], kept), faults


def make_caption_entries(classes: Classes, folder: Path) -> list[dict[str, str]]:
    """A caption for every picture, "a cat.", as the JSON file in this folder should hold them, which `read_pairs` reads."""
    return [
        {
            "image_path": file.relative_to(folder).as_posix(),
            "text": f"a {classes.class_names[label]}.",
        }
        for file, label in zip(classes.files, classes.labels)
    ]


def make_thumbnail(image: Image.Image) -> np.ndarray:
    """A picture made so small that only its rough light and dark is left: (256,) grey levels from 0 to 255."""
    grey = image.convert("L").resize((THUMBNAIL_SIZE, THUMBNAIL_SIZE), Image.Resampling.BOX)
    return np.asarray(grey, dtype=np.float32).ravel()


def _class_folders(folder: Path) -> list[Path]:
    places = sorted(place for place in folder.iterdir() if place.is_dir() and not _hidden(place))
    if not places:
        raise ValueError(
            f"{folder} has no sub-folders: make one for each class, call it what is to be seen, and put its pictures in"
        )
    if {place.name.lower() for place in places} <= PARTS:
        raise ValueError(
            f"{folder} holds the parts of a data set, {', '.join(place.name for place in places)}, and no classes: name one of "
            f"them, such as {places[0]}"
        )
    return places


def _files_in(places: Sequence[Path]) -> list[Path]:
    """All files, in order of their names: "cat.png" before its copy "cat (1).png"."""
    files = (
        file
        for place in places
        for file in place.rglob("*")
        if file.is_file() and not _hidden(file)
    )
    return sorted(files, key=lambda file: (file.parent, file.stem, file.suffix))


def _hidden(path: Path) -> bool:
    """Whether a system put it there, and nobody else."""
    return path.name.startswith(".") or path.name.lower() in (
        "thumbs.db",
        "desktop.ini",
        "__macosx",
    )


def _the_same(found: Sequence[tuple[Path, str]], thumbnails: Sequence[np.ndarray]) -> list[Fault]:
    """Copies of a picture in its own class, and pictures that lie in two classes, under the files' order."""
    faults: dict[Path, Fault] = {}
    small = np.array(thumbnails)
    for number, (file, name) in enumerate(found):
        twins = (
            np.flatnonzero(np.abs(small[:number] - small[number]).mean(-1) < COPY_THRESHOLD)
            if number
            else []
        )
        elsewhere = [found[twin][0] for twin in twins if found[twin][1] != name]
        for one, other in [(file, elsewhere[0]), (elsewhere[0], file)] if elsewhere else []:
            told = f"is the same picture as {other} of another class: decide what it shows, and delete one of them"
            faults[one] = Fault("two classes", one, told, other)
        if len(twins) and not elsewhere:
            first = found[twins[0]][0]
            told = f"is the same picture as {first}: delete one of them, or both parts of a split may get it"
            faults[file] = Fault("copy", file, told, first)
    return list(faults.values())


def _too_few(place: Path, number: int, fewest: int) -> Fault:
    wanted = f"at least {fewest} are needed, to learn from, to validate on and to test on"
    if number == 0:
        return Fault("empty", place, f"has no picture that can be used: {wanted}; or delete it")
    if number == 1:
        return Fault("alone", place, f"has one picture only: {wanted}")
    return Fault("few", place, f"has {number} pictures: {wanted}")


# --- a JSON file of pictures with captions ---------------------------------------------------------------------------------------------


def read_pairs(data_path: Path, allow_outside: bool = False) -> list[tuple[Path, str]]:
    """Picture file and text of every entry of a JSON file. Raises OSError, or ValueError with a list of all faults, entries from 1."""
    entries = _entries(data_path)
    if not isinstance(entries, list) or not entries:
        what = "an empty list" if entries == [] else f"{_kind(entries)}, no list"
        raise ValueError(
            f'{data_path} holds {what}: it should be [{{"image_path": "cat.jpg", "text": "a cat."}}, …]'
        )
    folder, known = data_path.parent, {}  # many captions may share a picture
    faults, number_of_faults = [], 0
    for number, entry in enumerate(entries, start=1):
        for fault in _faults(entry, folder, allow_outside, known):
            number_of_faults += 1
            if number_of_faults <= MAX_FAULTS:
                faults.append(f"{data_path}, entry {number}: {fault}")
    if faults:
        if more := number_of_faults - len(faults):
            faults.append(f"… and {more} more")
        raise ValueError("\n".join(faults))
    return [
        (Path(os.path.abspath(folder / entry["image_path"])), entry["text"].strip())
        for entry in entries
    ]


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
        raise ValueError(
            f"{data_path} is no JSON: {error.msg} in {where}: {''.join(line).strip()[:80]}"
        ) from None
    except (
        ValueError,
        RecursionError,
    ):  # a number of thousands of digits; lists within lists without end
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
    close = difflib.get_close_matches(
        os.path.basename(file).lower(), {name.lower(): name for name in here}, 1, 0.8
    )
    return (
        f": did you mean {next(name for name in here if name.lower() == close[0])}?"
        if close
        else ""
    )


def _within(file: str, folder: str) -> bool:
    return Path(file).is_relative_to(folder)


def _kind(value: Any) -> str:
    kinds = {
        dict: "an object",
        list: "a list",
        str: "text",
        bool: "true or false",
        type(None): "null",
    }
    return kinds.get(type(value), "a number")
