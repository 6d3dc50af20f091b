"""Looking through a folder: what is in it, what is wrong with it, and which pictures count as the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import ipywidgets
import numpy as np
from PIL import Image

from helpers import pictures
from helpers.language import LearnerError, say
from helpers.notebook import Table
from helpers.pictures import BadPicture
from lessons.kit.explorer import Explorer, format_count, make_dropdown, style_control
from lessons.kit.picture import Picture, crop_square
from lessons.lesson_06_own_pictures import figures
from pocket import folders
from pocket.folders import COPY_THRESHOLD, Classes, Fault

SMALL = 112  # pixels a side of a picture on the sheet
MOST_SHOWN = 400  # pictures that a sheet opens
MOST_TOLD = 12  # faults in an alt text
FAULTS = {  # a sign for a picture, and a word for the figure in English and in Chinese
    "unreadable": ("?", "unreadable", "读不出来"), "copy": ("=", "copy", "重复图片"),
    "two classes": ("2", "two classes", "两类都有"), "empty": ("", "empty", "没有图片"),
    "alone": ("", "one picture", "只有一张"), "few": ("", "too few", "太少"),
}  # fmt: skip


def show_folder_tree(folder: Path) -> None:
    """Print the sub-folders, how many files each has, and the first of them."""
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted(file.name for file in place.iterdir())
        first = ", ".join(files[:2]) + (" …" if len(files) > 2 else "")
        print(f"{folder.name}/{place.name + '/':12} {len(files):3}  {first}")


def explore_sheet(folder: Path) -> Explorer:
    """Choose a class, and whether everything is shown or only what is wrong, and see the pictures with their faults marked."""
    with _raise_in_words():
        rows = _list_rows(folder, *folders.check_folder(folder))
    everything = say(en="all classes", zh="所有类别")
    names = {everything: "", **{row.name: row.name for row in rows}}
    controls = {
        "name": make_dropdown(say(en="class", zh="类别"), names, "", 22),
        "wrong": ipywidgets.Checkbox(
            False,
            description=say(en="only what is wrong", zh="只看有问题的"),
            indent=False,
            layout={"width": "auto", "margin": "2px 1.2em 2px 0"},
        ),
    }
    return Explorer(controls, lambda now: _draw_rows(folder, rows, now.name, now.wrong))


def draw_sheet(folder: Path, only_wrong: bool = False, told: str = "") -> Picture:
    """The contact sheet of a folder; told: what stands first in its caption. Raises `LearnerError` where there is nothing to show."""
    with _raise_in_words():
        classes, faults = folders.check_folder(folder)
        rows = _list_rows(folder, classes, faults)
    if len(classes.class_names) < 2:
        told += say(
            en="There are not yet two classes that can be used, and one alone cannot be told from anything. ",
            zh="能用的类别还不到两个；只有一个类别，就没有什么可区分的。",
        )
    return _draw_rows(folder, rows, "", only_wrong, told)


@contextmanager
def _raise_in_words() -> Iterator[None]:
    """Within, errors of a folder are told in the learner's language."""
    try:
        yield
    except OSError as error:
        raise LearnerError(
            en=f"There is no folder {error.filename} that can be read. Check the path, or give the whole of it.",
            zh=f"读不到文件夹 {error.filename}。请检查路径，或写出完整路径。",
        ) from error
    except LearnerError as error:
        raise LearnerError(en=f"{error}.", zh=f"{error}。") from error


def _name_fault(kind: str) -> str:
    _, en, zh = FAULTS[kind]
    return say(en=en, zh=zh)


def _list_rows(folder: Path, classes: Classes, faults: Sequence[Fault]) -> list[figures.SheetRow]:
    """All pictures under their sub-folders, in order of their names."""
    wrong = {fault.path: fault for fault in faults}
    by_place: dict[str, list[Path]] = {fault.path.name: [] for fault in faults if fault.path.is_dir()}
    files = [*classes.files, *(path for path in wrong if not path.is_dir())]
    for place in (path for path in wrong if path.is_dir()):  # of a class that was left out whole
        files += [file for file in sorted(place.rglob("*")) if file.is_file() and _is_readable(file)]
    for file in dict.fromkeys(files):
        by_place.setdefault(file.relative_to(folder).parts[0], []).append(file)
    rows, opened = [], 0
    for place, inside in sorted(by_place.items()):
        fault, tiles = wrong.get(folder / place), []
        for file in sorted(inside, key=lambda file: (file.stem, file.suffix)):
            mark = wrong.get(file)
            image = None if mark and mark.kind == "unreadable" or opened >= MOST_SHOWN else _open_small(file)
            opened += 1
            tiles.append(
                figures.Tile(file.name, image, *((FAULTS[mark.kind][0], _name_fault(mark.kind)) if mark else ()))
            )
        told = _name_fault(fault.kind) if fault else _format_files(len(tiles))
        rows.append(figures.SheetRow(place.replace("_", " "), told, fault is not None, tiles))
    return rows


def _open_small(file: Path) -> Image.Image:
    return crop_square(pictures.open_picture(file), SMALL)


def _is_readable(file: Path) -> bool:
    try:
        pictures.open_picture(file)
    except (BadPicture, OSError):
        return False
    return True


def _draw_rows(folder: Path, rows: Sequence[figures.SheetRow], name: str, only_wrong: bool, told: str = "") -> Picture:
    wrong = sum(bool(tile.sign) for row in rows for tile in row.tiles) + sum(row.wrong for row in rows)
    number = sum(len(row.tiles) for row in rows)
    chosen = [row for row in rows if row.name == name] if name else rows
    words = {
        "caption": told
        + say(
            en="In a frame, with a sign and a word: what cannot be used as it is. Whether a picture shows what its folder says, only "
            "you can see.",
            zh="加了框、带符号和文字的，是不能直接用的。至于图里画的是不是文件夹名说的那样，只有你能看出来。",
        ),
        "alt": _describe_sheet(folder, chosen, wrong, number, only_wrong),
    }
    if only_wrong:
        tiles = [tile for row in chosen for tile in _list_wrong_tiles(row)]
        title = _format_title(name or folder.name, _format_faults(len(tiles)))
        return figures.draw_pictures_with_names(tiles, title=title, **words)
    if name:
        tiles = chosen[0].tiles if chosen else []
        comma, found = say(en=", ", zh="，"), _format_faults(sum(len(_list_wrong_tiles(row)) for row in chosen))
        title = _format_title(name, _format_files(len(tiles)) + comma + found)
        return figures.draw_pictures_with_names(tiles, title=title, **words)
    found = say(
        en=f"{format_count(number, 'picture file')} in {format_count(len(rows), 'sub-folder')}, {_format_faults(wrong)}",
        zh=f"{len(rows)} 个子文件夹，{number} 个图片文件，{_format_faults(wrong)}",
    )
    return figures.draw_rows_of_pictures(rows, title=_format_title(folder.name, found), **words)


def _format_title(name: str, found: str) -> str:
    return say(en=f"{name}: {found}", zh=f"{name}：{found}")


def _format_files(number: int) -> str:
    return say(en=format_count(number, "file"), zh=f"{number} 个文件")


def _format_faults(wrong: int) -> str:
    if wrong == 0:
        return say(en="nothing is wrong", zh="没有发现问题")
    return say(en="1 thing is wrong" if wrong == 1 else f"{wrong} things are wrong", zh=f"{wrong} 处有问题")


def _list_wrong_tiles(row: figures.SheetRow) -> list[figures.Tile]:
    """What is wrong in a class, each under the names of folder and file; the class itself as its first picture, or as an empty one."""
    marked = [replace(tile, name=f"{row.name}/\n{tile.name}") for tile in row.tiles if tile.sign]
    if not row.wrong:
        return marked
    image = row.tiles[0].image if row.tiles else Image.new("RGB", (SMALL, SMALL), "white")
    return [figures.Tile(f"{row.name}/", image, "✗", row.told), *marked]


def _describe_sheet(folder: Path, rows: Sequence[figures.SheetRow], wrong: int, number: int, only_wrong: bool) -> str:
    whole = [(row.name, row.told) for row in rows if row.wrong]
    single = [(f"{row.name}/{tile.name}", tile.word) for row in rows for tile in row.tiles if tile.sign]
    marked = [say(en=f"{name} ({word})", zh=f"{name}（{word}）") for name, word in (*whole, *single)]
    comma, more = say(en=", ", zh="、"), " …" if len(marked) > MOST_TOLD else ""
    listed = comma.join(marked[:MOST_TOLD]) + more
    names = comma.join(row.name for row in rows) or say(en="none", zh="无")
    shown = say(
        en=f"A contact sheet of the folder {folder.name}, a row for each class. Shown: {names}. ",
        zh=f"文件夹 {folder.name} 的缩略图一览，每个类别一行。这里显示的是：{names}。",
    )
    if only_wrong:
        shown = say(
            en=f"What is wrong in the folder {folder.name}, a picture for each. ",
            zh=f"文件夹 {folder.name} 里有问题的，每处一格。",
        )
    held = say(en=f"The folder holds {number} picture files, and ", zh=f"共 {number} 个图片文件，")
    if not wrong:
        return shown + held + say(en="nothing is wrong.", zh="没有标出问题。")
    here = (
        say(en=f"here: {listed}.", zh=f"这里有：{listed}。")
        if marked
        else say(en="none of them here.", zh="都不在这里。")
    )
    return shown + held + say(en=f"{wrong} things are wrong, {here}", zh=f"标出的问题有 {wrong} 处，{here}")


def tabulate_faults(folder: Path, faults: Sequence[Fault]) -> Table:
    """What is wrong, file by file, in the learner's language."""
    header = say(en="file or class", zh="文件或类别"), say(en="what is wrong", zh="问题")
    rows = []
    for fault in faults:
        of = f" {fault.of.relative_to(folder).as_posix()}" if fault.of else ""
        rows.append((fault.path.relative_to(folder).as_posix(), f"{fault}{of}"))
    return Table(rows, header)


def explore_copies(folder: Path) -> Explorer:
    """Choose how different two pictures may be and still count as the same one, and see which pairs that makes the same."""
    with _raise_in_words():
        classes, faults = folders.check_folder(folder)
    files = sorted(
        {*classes.files, *(fault.path for fault in faults if fault.path.is_file() and _is_readable(fault.path))}
    )
    if len(files) < 2:
        raise LearnerError(en="There are no two pictures to compare.", zh="没有两张图片可以比较。")
    small = np.array([folders.make_thumbnail(pictures.open_picture(file)) for file in files])
    pairs = sorted(
        (float(np.abs(small[one] - small[other]).mean()), one, other)
        for one, other in combinations(range(len(files)), 2)
    )
    show = cache(_open_small)
    controls = {
        "limit": ipywidgets.FloatSlider(
            COPY_THRESHOLD,
            min=0.5,
            max=12,
            step=0.5,
            description=say(en="threshold", zh="阈值"),
            readout_format=".1f",
            **style_control(30),
        )
    }

    def draw(now: SimpleNamespace) -> Picture:
        below = sum(difference < now.limit for difference, _, _ in pairs)
        start = min(max(0, below - 6), max(0, len(pairs) - figures.PAIRS))
        shown = [
            figures.Pair(show(files[one]), show(files[other]), difference, difference < now.limit)
            for difference, one, other in pairs[start : start + figures.PAIRS]
        ]
        names = [f"{files[one].name} / {files[other].name}" for _, one, other in pairs[start : start + 3]]
        return figures.draw_pairs(
            shown,
            title=say(
                en=f"Threshold {now.limit:.1f}: the same picture in {below} of {len(pairs):,} pairs",
                zh=f"阈值 {now.limit:.1f}：{len(pairs):,} 对图片里，有 {below} 对算作同一张",
            ),
            alt=say(
                en=f"{len(shown)} pairs of pictures, the most alike first, among them {names[0]}. With the threshold {now.limit:.1f} the number of "
                f"pairs that count as the same picture is {below}.",
                zh=f"{len(shown)} 对图片，从最像的排起，其中有 {names[0]}。阈值为 {now.limit:.1f} 时，算作同一张图的有 {below} 对。",
            ),
            caption=say(
                en=f"Under each pair the mean difference of the two {folders.THUMBNAIL_SIZE} × {folders.THUMBNAIL_SIZE} thumbnails in grey levels, of "
                f"255. Shown are the pairs around the threshold (more alike, and not shown: {start}). The course takes {COPY_THRESHOLD:g}.",
                zh=f"每对图片下面，是两张 {folders.THUMBNAIL_SIZE} × {folders.THUMBNAIL_SIZE} 缩略图的平均差别，单位是灰度级（共 255 级）。"
                f"显示的是阈值附近的几对{f'，更像的还有 {start} 对没有画出' if start else ''}。课程用的阈值是 {COPY_THRESHOLD:g}。",
            ),
        )

    return Explorer(controls, draw)
