"""Picture files, and JSON files of them with captions, from anybody.

Rests on Pillow. Nothing is trusted: a picture of absurd size is not unpacked, a path that leaves
the folder is not followed, and all that is wrong is told at once.
"""

from __future__ import annotations

import codecs
import difflib
import errno
import hashlib
import json
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import PIL.features
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers.language import LearnerError, is_blank, say, tell, warn

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

# how a text may have been written, and read
MISREADINGS = (
    *((wrote, "UTF-8") for wrote in ("GB2312", "Big5", "EUC-KR")),
    *(("UTF-8", "GB18030"), ("UTF-8", "cp1252"), ("GB2312", "cp1252")),
)
# letters of one script stand together: Latin, Greek, Cyrillic, Armenian, Hebrew, Arabic,
# East Asian; and, twice, what hardly anybody writes
SCRIPTS = ("À-ÖØ-öø-ſƠơƯưȘ-țḀ-ỿ", "Ͱ-Ͽ", "Ѐ-ԯ", "\u0530-\u058f", "\u0590-\u05ff", "\u0600-\u07ff")
SCRIPTS += ("\u3005-\ud7a3", *2 * ("\x80-\x9fƀ-ƟƢ-ƮƱ-ȗȜ-˿\ue000-\uf8ff",))
# two letters of Chinese, Japanese or Korean that are not the same
EAST_ASIAN = re.compile("([\u3040-\u9fff\uac00-\ud7a3])(?!\\1)[\u3040-\u9fff\uac00-\ud7a3]")
# what reads Western text keeps a byte that is no letter
codecs.register_error("keep byte", lambda e: (e.object[e.start : e.end].encode("latin-1"), e.end))
# of a TIFF: whether numbers have a sign, and whether 0 is black
SAMPLE_FORMAT, PHOTOMETRIC = 339, 262

# --- pictures -------------------------------------------------------------------------------------


class BadPicture(LearnerError):
    """What is wrong with a picture file, in the learner's words that go on after its name.

    kind: "too large", "a strip", "no picture" or "broken".
    """

    def __init__(self, kind: Literal["too large", "a strip", "no picture", "broken"]) -> None:
        facts = {"megapixels": MAX_MEGAPIXELS, "ratio": MAX_ASPECT_RATIO}
        formats = ", ".join(FORMATS)
        super().__init__(
            kind=kind, key=f"picture_{kind.replace(' ', '_')}", formats=formats, **facts
        )


def open_picture(source: Path | BinaryIO, told: set[str] | None = None) -> Image.Image:
    """Open a picture file as RGB, turned as the camera was held.

    What is transparent is made white; of several frames the first is taken, and numbers that would
    come out black or clipped are stretched, both with a warning.
    told: what was warned of before, and is not again; more is added.

    Raises BadPicture for what is no picture, a broken one, and one of absurd size, which is not
    unpacked; and OSError where there is nothing to open.
    """
    notes: set[str] = set()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd but harmless details
            with Image.open(source, formats=FORMATS) as image:
                if image.width * image.height > MAX_MEGAPIXELS * 1e6:
                    raise BadPicture("too large")
                if max(image.size) > MAX_ASPECT_RATIO * min(image.size):
                    raise BadPicture("a strip")
                picture = _to_rgb(_to_8_bits(image, notes))
                # a telephone keeps how bright and how far away things were as further frames
                with suppress(Exception):
                    image.seek(1)
                    if image.format != "MPO":
                        notes.add("frames")
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
    told = set() if told is None else told
    file = source if isinstance(source, Path) else say(en="the picture", zh="这张图片")
    for kind in notes - told:
        warn(tell(f"picture_{kind}", file=file))
    told.update(notes)
    return picture


def tell_unopened(error: OSError) -> str:
    """Say that a file cannot be opened and why, in words that go on after its name."""
    return say(en=f"cannot be opened: {error.strerror}", zh=f"打不开：{error.strerror}")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB")


def _to_8_bits(image: Image.Image, notes: set[str]) -> Image.Image:
    """Turn a picture as the camera was held, and make 8 bits a number of more.

    Whole numbers up to 65,535 fill the range of the fewest bits that hold them, since cameras write
    12 bits into 16; others, and fractions that end neither at 1 nor at 255, are stretched from the
    least to the greatest. Pillow itself clips grey, and keeps the upper 8 bits of a colour.
    image: as it was opened; notes: where it is noted if numbers were stretched.
    """
    deep, tags = ";16" in str(image.tile), getattr(image, "tag_v2", {})
    image = ImageOps.exif_transpose(image)
    # transparency has a range of its own
    bands = {"RGB": 3, "RGBA": 3, "LA": 1}.get(image.mode, 0) * deep
    if not bands and image.mode[0] not in "IF":
        return image
    numbers = np.asarray(image)
    # numbers without a sign, which Pillow reads as if they had one
    if image.mode == "I" and tags.get(SAMPLE_FORMAT, (1,))[0] == 1:
        numbers = numbers.view(np.uint32)
    colours = numbers[..., :bands] if bands else numbers
    finite = colours[np.isfinite(colours)]
    low, high = (finite.min().item(), finite.max().item()) if finite.size else (0, 0)
    # all that is left of 16 bits is 0
    if bands and not high:
        raise BadPicture("no picture")
    if image.mode == "F":
        span = whole = next((top for top in (1, 255) if low >= 0 and top / 2 <= high <= top), 0)
    else:
        whole = 256 if bands else 65536
        span = 2 ** high.bit_length() if low >= 0 and high < whole else 0
    if (low or high) and not 0 < whole <= span:
        notes.add("range")
    start, span = (0, span) if span else (low, high - low or 1)
    scaled = np.nan_to_num((colours - float(start)) * (256 / span), posinf=255)
    scaled = scaled.clip(0, 255).astype(np.uint8)
    # TIFF's 0 may mean white, of which Pillow knows in 8 bits only
    scaled = 255 - scaled if tags.get(PHOTOMETRIC) == 0 else scaled
    return Image.fromarray(np.dstack([scaled, numbers[..., bands:]]) if bands else scaled)


class PictureFiles(Sequence):
    """Picture files as a sequence of RGB pictures, each opened when it is asked for."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files, self._told = files, set()

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int | slice) -> Any:
        if isinstance(number, slice):
            return [self[place] for place in range(*number.indices(len(self)))]
        try:
            return open_picture(self.files[number], self._told)
        except BadPicture as error:
            raise LearnerError(f"{self.files[number]} {error}") from error


def group_copies(files: Sequence[Path]) -> dict[Path, Path]:
    """Map each file to the first of these that has the same bytes, whatever its name.

    Links lead to what they point to. Only files of equal size are read; one that cannot be read is
    like no other.
    """
    sizes = {file: file.stat().st_size if os.access(file, os.R_OK) else file for file in files}
    shared, firsts = Counter(sizes.values()), {}
    for file, size in sizes.items():
        content = hashlib.sha256(file.read_bytes()).digest() if shared[size] > 1 else file
        sizes[file] = firsts.setdefault(content, file)
    return sizes


# --- a JSON file of pictures with captions --------------------------------------------------------


def read_pairs(
    data_path: Path, allow_outside: bool = False, decode: bool = True
) -> list[tuple[Path, str]]:
    """Read picture file and text of every entry of a JSON file.

    decode: whether every picture is opened, too; False for somebody who opens them anyway, and asks
    again where one is broken.
    Raises OSError, or LearnerError with a list of all faults, entries from 1.
    """
    entries = _read_entries(data_path)
    if not isinstance(entries, list) or not entries:
        kind = say(en="an empty list", zh="空列表") if entries == [] else _name_kind(entries)
        wanted = '[{"image_path": "cat.jpg", "text": "a cat."}, …]'
        raise LearnerError(key="json_no_list", data_path=data_path, kind=kind, wanted=wanted)
    # many captions may share a picture, which is looked at once
    folder, known, told = data_path.parent, {}, set() if decode else None
    place = say(en=", entry {}: ", zh="，第 {} 项：")
    faults = [
        f"{data_path}{place.format(number)}{fault}"
        for number, entry in enumerate(entries, start=1)
        for fault in _find_faults(entry, folder, allow_outside, told, known)
    ]
    raise_faults(faults)
    texts = [entry["text"].strip() for entry in entries]
    if found := next(filter(None, map(find_misreading, texts)), None):
        wrote, read, meant = found
        warn(tell("misread_caption", data_path=data_path, wrote=wrote, read=read, meant=meant))
    files = {path: Path(_find_file(path, folder, allow_outside)) for path in known}
    return [(files[entry["image_path"]], text) for entry, text in zip(entries, texts)]


def raise_faults(faults: Sequence[str]) -> None:
    """Raise LearnerError with a line for each fault, if there are any, at most `MAX_FAULTS`."""
    lines = list(faults[:MAX_FAULTS])
    if (more := len(faults) - MAX_FAULTS) > 0:
        lines.append(say(en=f"… and {more} more", zh=f"……还有 {more} 处"))
    if lines:
        raise LearnerError("\n".join(lines))


def _read_entries(data_path: Path) -> Any:
    try:
        text = data_path.read_bytes().decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=_keep_repeated)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise LearnerError(
            key="json_not_utf8", data_path=data_path, line=line, byte=error.start + 1
        ) from None
    except json.JSONDecodeError as error:
        line = [*error.doc.splitlines(), ""][error.lineno - 1].strip()[:80]
        raise LearnerError(key="no_json", data_path=data_path, error=error, line=line) from None
    # a number of thousands of digits; lists within lists without end
    except (ValueError, RecursionError):
        raise LearnerError(key="absurd_json", data_path=data_path) from None


class _Repeated(list):
    """What stands under the same key of an object; JSON's reader would keep the last alone."""


def _keep_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = {}
    for key, value in pairs:
        values.setdefault(key, _Repeated()).append(value)
    return {key: each if len(each) > 1 else each[0] for key, each in values.items()}


def find_misreading(text: str) -> tuple[str, str, str] | None:
    """Find whether a text was written in one encoding and read in another: both, and what it was.

    Only where it makes sense as it was written and, if it was taken for UTF-8, none as it was read.
    """
    if "\ufffd" in text:
        other = say(en="another encoding", zh="别的编码")
        return other, "UTF-8", text.replace("\ufffd", "?")
    for wrote, read in MISREADINGS if not text.isascii() else ():
        with suppress(UnicodeError):
            meant = text.encode(read, "keep byte").decode(wrote)
            # one letter alone may be chance
            sure = EAST_ASIAN.search(meant) or (wrote, read) == ("UTF-8", "cp1252")
            if sure and _makes_sense(meant) and not (read == "UTF-8" and _makes_sense(text)):
                return wrote, read, meant
    return None


def _makes_sense(text: str) -> bool:
    """Whether no letters stand together that nobody writes together."""
    runs = re.findall(r"[^\x00-\x7f]+", text)
    return all(sum(bool(re.search(f"[{each}]", run)) for each in SCRIPTS) < 2 for run in runs)


def _find_faults(
    entry: Any, folder: Path, allow_outside: bool, told: set[str] | None, known: dict[str, str]
) -> Iterator[str]:
    """Find what is wrong with an entry of the JSON file.

    Args:
        entry: whatever stands there.
        folder: of the JSON file.
        allow_outside: whether pictures may lie outside it.
        told: what was warned of, as in `open_picture`; None: pictures are not opened.
        known: what was found of pictures before, by their paths; more is added.
    """
    if not isinstance(entry, dict):
        yield say(en="is {}, and should be {}", zh="这里是{}，应该是 {}").format(
            _name_kind(entry), '{"image_path": …, "text": …}'
        )
        return
    for key in ("image_path", "text"):
        value = entry.get(key)
        if key not in entry:
            others = ", ".join(json.dumps(str(other), ensure_ascii=False)[:40] for other in entry)
            told = say(en=f" (it has {others})", zh=f"（只有 {others}）") if others else ""
            yield say(en=f'has no "{key}"', zh=f'没有 "{key}"') + told
        elif isinstance(value, _Repeated):
            yield tell("repeated_key", count=len(value), key=key)
        elif not isinstance(value, str):
            kind = _name_kind(value)
            yield tell("value_no_text", key=key, kind=kind)
        elif is_blank(value):
            yield say(en=f'"{key}" is empty', zh=f'"{key}" 是空的')
        elif any("\ud800" <= letter <= "\udfff" for letter in value):
            yield tell("half_a_character", key=key)
        elif key == "image_path":
            if value not in known:
                known[value] = _find_picture_fault(value, folder, allow_outside, told)
            if known[value]:
                yield known[value]


def _is_inside(file: str, folder: Path) -> bool:
    """Whether a file lies in a folder: first by its letters, then with all links followed."""
    return all(
        Path(whole(file)).is_relative_to(whole(folder))
        for whole in (os.path.abspath, os.path.realpath)
    )


def _find_file(path: str, folder: Path, allow_outside: bool) -> str:
    """Find where a path leads: from the folder of the JSON file, or else from where one stands.

    The latter, as the seed's script reads it, only where there is a file that may be read.
    """

    def leads(file: str) -> bool:
        return (allow_outside or _is_inside(file, folder)) and os.path.isfile(file)

    file, there = os.path.abspath(folder / path), os.path.abspath(path)
    return there if not leads(file) and leads(there) else file


def _find_picture_fault(path: str, folder: Path, allow_outside: bool, told: set[str] | None) -> str:
    """Say what is wrong with a picture's path or file; "" where nothing is.

    Args:
        path: as it stands in the JSON file.
        folder: to which it is relative.
        allow_outside: whether it may lead out of there; else what lies outside is not touched.
        told: what was warned of, as in `open_picture`; None: the picture is not opened.
    """
    shown = json.dumps(path, ensure_ascii=False)
    if "\0" in path:
        return say(en=f"the path {shown} holds a zero byte", zh=f"路径 {shown} 里有零字节")
    file = _find_file(path, folder, allow_outside)
    if not allow_outside and not _is_inside(file, folder):
        return tell("picture_outside", shown=shown)
    if os.path.isdir(file):
        return tell("picture_is_folder", shown=shown)
    if not os.path.isfile(file):
        looked, instead = os.path.dirname(file), _suggest_instead(path, file)
        return tell("no_picture_file", shown=shown, looked=looked, instead=instead)
    try:
        if told is not None:
            open_picture(Path(file), told)
    except BadPicture as error:
        return f"{shown} {error}"
    except OSError as error:
        return f"{shown} {tell_unopened(error)}"
    return ""


def _suggest_instead(path: str, file: str) -> str:
    """What may have been meant by a path that leads to no file."""
    if "\\" in path:
        return say(en=": write / and no \\", zh="：请写 /，不要写 \\")
    try:
        here = os.listdir(os.path.dirname(file))
    except OSError:
        return ""
    names = {name.lower(): name for name in here}
    close = difflib.get_close_matches(os.path.basename(file).lower(), names, 1, 0.8)
    meant = names[close[0]] if close else ""
    return meant and say(en=f": did you mean {meant}?", zh=f"：是不是 {meant}？")


def _name_kind(value: Any) -> str:
    kinds = {
        dict: say(en="an object", zh="对象"),
        list: say(en="a list", zh="列表"),
        str: say(en="text", zh="文字"),
        bool: say(en="true or false", zh=" true 或 false"),
        type(None): say(en="null", zh=" null"),
    }
    return kinds.get(type(value), say(en="a number", zh="数"))
