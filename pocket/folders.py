"""Folders of anybody's pictures, a sub-folder for each class: what can be used, and what not.

Rests on helpers/pictures.py. Used by lesson 06 and its study.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from helpers.language import LearnerError, say
from helpers.pictures import BadPicture, PictureFiles, open_picture, raise_faults, tell_unopened
from helpers.pretrained import read_class_names
from pocket.few_shot import split_own_pictures

# of a class: two to learn from, one to validate on, one to test on
MIN_PICTURES = 4
# pixels a side, in grey: so small, a picture is compared with others
THUMBNAIL_SIZE = 16
# mean difference of two thumbnails, in grey levels of 255, below which they show the same picture
COPY_THRESHOLD = 2.0
# what other data sets call their parts
PARTS = {"train", "training", "val", "valid", "validation", "test"}

FaultKind = Literal["unreadable", "copy", "two classes", "empty", "alone", "few"]


@dataclass(frozen=True)
class Fault:
    """What is wrong with a picture, or with the folder of a class.

    of: the picture that it is the same as, where it is a copy or lies in two classes; advice: what
    is wrong and what to do, in words that go on after the path.
    """

    kind: FaultKind
    path: Path
    advice: str
    of: Path | None = None

    def __str__(self) -> str:
        """What is wrong, in the learner's language; the path of `of`, if any, goes on after it."""
        return {
            "unreadable": say(en="cannot be read", zh="读不出来"),
            "copy": say(en="is a copy of", zh="是重复图片，原图是"),
            "two classes": say(en="lies in another class too, as", zh="也放进了另一个类别，文件是"),
            "empty": say(en="a class without a picture", zh="这个类别里没有图片"),
            "alone": say(en="a class of one picture", zh="这个类别只有一张图片"),
            "few": say(en="a class of too few pictures", zh="这个类别的图片太少"),
        }[self.kind]


@dataclass(frozen=True)
class Classes:
    """Picture files with the number of the class of each, and what the classes are called."""

    files: list[Path]
    labels: list[int]
    class_names: list[str]


def read_folder(folder: Path, fewest: int = MIN_PICTURES, leave_out: bool = False) -> Classes:
    """Read the pictures of a folder with a sub-folder for each class, called as the class is.

    Raises LearnerError with a list of all faults that `check_folder` finds; with leave_out they are
    left out instead. OSError where there is no such folder.
    """
    classes, faults = check_folder(folder, fewest)
    if not leave_out:
        raise_faults([f"{fault.path} {fault.advice}" for fault in faults])
    if len(classes.class_names) < 2:
        raise LearnerError(
            en=f"{folder} has fewer than two classes with at least {fewest} pictures: "
            "there must be two, to tell them apart",
            zh=f"{folder} 里，至少有 {fewest} 张图片的类别不到两个：要有两个，才有东西可区分",
        )
    return classes


def check_folder(folder: Path, fewest: int = MIN_PICTURES) -> tuple[Classes, list[Fault]]:
    """Find the pictures by class that can be used, and all that is wrong with the others.

    Left out: what cannot be read; of copies all but the first; a picture that lies in two classes;
    and then classes with fewer than `fewest` pictures. Raises LearnerError where no sub-folder is a
    class, or two are called alike, and OSError where there is no such folder.
    """
    folders = _find_class_folders(folder)
    places = dict(zip(read_class_names([place.name for place in folders]), folders))
    found, thumbnails, faults, told = [], [], [], set()
    for name in places:
        for file in _list_files(places[name]):
            try:
                thumbnails.append(make_thumbnail(open_picture(file, told)))
                found.append((file, name))
            except BadPicture as error:
                faults.append(Fault("unreadable", file, str(error)))
            except OSError as error:
                faults.append(Fault("unreadable", file, tell_unopened(error)))
    faults += _find_copies(found, thumbnails)
    out = {fault.path for fault in faults}
    good: dict[str, list[Path]] = {name: [] for name in places}
    for file, name in found:
        if file not in out:
            good[name].append(file)
    for name, files in list(good.items()):
        if len(files) < fewest:
            faults.append(_make_fault_of_few(places[name], len(files), fewest))
            del good[name]
    labels = [label for label, files in enumerate(good.values()) for _ in files]
    return Classes([file for files in good.values() for file in files], labels, list(good)), faults


def make_caption_entries(classes: Classes, folder: Path) -> list[dict[str, str]]:
    """Make a caption for every picture, "a cat.", as `read_pairs` reads it in this folder."""
    texts = [f"a {classes.class_names[label]}." for label in classes.labels]
    return [
        {"image_path": file.relative_to(folder).as_posix(), "text": text}
        for file, text in zip(classes.files, texts)
    ]


def make_thumbnail(image: Image.Image) -> np.ndarray:
    """Make a picture so small that only rough light and dark is left: (256,), from 0 to 255."""
    grey = image.convert("L").resize((THUMBNAIL_SIZE, THUMBNAIL_SIZE), Image.Resampling.BOX)
    return np.asarray(grey, dtype=np.float32).ravel()


def _find_class_folders(folder: Path) -> list[Path]:
    places = sorted(place for place in folder.iterdir() if place.is_dir() and not _is_hidden(place))
    if not places:
        raise LearnerError(
            en=f"{folder} has no sub-folders: make one for each class, call it what is to be seen, "
            "and put its pictures in",
            zh=f"{folder} 里没有按类别分的子文件夹：每个类别建一个子文件夹，名字就写图里是什么，"
            "再把图片放进去",
        )
    if {place.name.lower() for place in places} <= PARTS:
        parts = ", ".join(place.name for place in places)
        raise LearnerError(
            en=f"{folder} holds the parts of a data set, {parts}, and no classes: "
            f"name one of them, such as {places[0]}",
            zh=f"{folder} 里分的是数据集的几部分（{parts}），不是类别："
            f"请选其中一个，例如 {places[0]}",
        )
    return places


def _list_files(place: Path) -> list[Path]:
    """All files, in order of their names: "cat.png" before its copy "cat (1).png"."""
    files = (path for path in place.rglob("*") if path.is_file() and not _is_hidden(path))
    return sorted(files, key=lambda file: (file.parent, file.stem, file.suffix))


def _is_hidden(path: Path) -> bool:
    """Whether a system put it there, and nobody else."""
    name = path.name.lower()
    return name.startswith(".") or name in ("thumbs.db", "desktop.ini", "__macosx")


def _find_copies(
    found: Sequence[tuple[Path, str]], thumbnails: Sequence[np.ndarray]
) -> Iterable[Fault]:
    """Find copies in a picture's own class and pictures that lie in two, under the files' order."""
    faults: dict[Path, Fault] = {}
    small = np.array(thumbnails)
    for number, (file, name) in enumerate(found):
        apart = np.abs(small[:number] - small[number]).mean(-1)
        twins = [found[twin] for twin in np.flatnonzero(apart < COPY_THRESHOLD)]
        elsewhere = [twin for twin, other in twins if other != name]
        for one, other in [(file, elsewhere[0]), (elsewhere[0], file)] if elsewhere else []:
            advice = say(
                en=f"is the same picture as {other} of another class: "
                "decide what it shows, and delete one of them",
                zh=f"和另一个类别里的 {other} 是同一张图：请想好图里是什么，删掉其中一张",
            )
            faults[one] = Fault("two classes", one, advice, other)
        if twins and not elsewhere:
            first = twins[0][0]
            advice = say(
                en=f"is the same picture as {first}: "
                "delete one of them, or both parts of a split may get it",
                zh=f"和 {first} 是同一张图：请删掉其中一张，不然划分以后两边可能都有它",
            )
            faults[file] = Fault("copy", file, advice, first)
    return faults.values()


def _make_fault_of_few(place: Path, number: int, fewest: int) -> Fault:
    wanted = say(
        en=f"at least {fewest} are needed, to learn from, to validate on and to test on",
        zh=f"至少要 {fewest} 张，训练、验证和测试都要用",
    )
    kind = {0: "empty", 1: "alone"}.get(number, "few")
    advice = {
        "empty": say(
            en=f"has no picture that can be used: {wanted}; or delete it",
            zh=f"里没有能用的图片：{wanted}；用不着就删掉",
        ),
        "alone": say(en=f"has one picture only: {wanted}", zh=f"只有一张图片：{wanted}"),
        "few": say(en=f"has {number} pictures: {wanted}", zh=f"只有 {number} 张图片：{wanted}"),
    }
    return Fault(kind, place, advice[kind])


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
    """Split pictures by class, as `read_folder` found them, in three parts by a seed."""
    labels = torch.tensor(classes.labels)

    def take_part(numbers: Tensor) -> OwnPart:
        return OwnPart(PictureFiles([classes.files[number] for number in numbers]), labels[numbers])

    return OwnPictures(*map(take_part, split_own_pictures(labels, seed)))
