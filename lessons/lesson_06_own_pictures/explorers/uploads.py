"""A folder of pictures named by its path, or pictures that are uploaded and saved."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any

import ipywidgets

from helpers.files import DATA, find_cache_folder
from helpers.language import LearnerError, say
from lessons.kit.explorer import Explorer, read_uploads, style_control
from lessons.kit.picture import Picture
from lessons.lesson_06_own_pictures.explorers.sheets import draw_sheet


class FolderTool(Explorer):
    """Name a folder by its path, or choose picture files for a class; what is in the folder, and what is wrong with it, stands below.

    folder: what is shown now, and what later cells of the lesson take.
    """

    def __init__(self, example: Path) -> None:
        self.folder, self._example = example, example
        self._saved: Any = None  # the files that were saved last,
        self._where, self._told = "", ""  # into which folder, and that in words
        self._asked: Any = None  # those for which the name of a class was asked
        controls = {
            "path": ipywidgets.Text(
                "",
                placeholder=say(en="path of a folder; empty: the example", zh="文件夹的路径；空着就用示例"),
                description=say(en="folder", zh="文件夹"),
                continuous_update=False,
                **style_control(40),
            ),
            "label": ipywidgets.Text(
                "", description=say(en="class", zh="类别名"), continuous_update=False, **style_control(20)
            ),
            "files": ipywidgets.FileUpload(
                accept="image/*",
                multiple=True,
                description=say(en="Add pictures to this class", zh="把图片加进这个类别"),
                layout=style_control(20)["layout"],
            ),
        }
        super().__init__(controls, self._look)

    def _look(self, now: SimpleNamespace) -> Picture:
        new = now.files and now.files is not self._saved
        if new and (now.label.strip() or now.files is not self._asked):  # asked once, one may go on without
            self._asked = now.files
            folder, self._told = save_pictures(list_uploads(now.files), now.label)
            self._saved, self._where = now.files, str(folder)
            now.path = self.controls["path"].value = self._where
        path = now.path.strip().strip("\"'")  # as Windows copies a path
        self.folder = Path(path).expanduser() if path else self._example
        return draw_sheet(self.folder, self.folder == self._example, self._told if now.path == self._where else "")


def explore_folder(example: Path) -> FolderTool:
    """A path, or an upload, and what is in the folder; until something is chosen, the example."""
    return FolderTool(example)


def list_uploads(value: Any) -> list[tuple[str, bytes]]:
    """Names and bytes of all files of a FileUpload, of ipywidgets 7 and 8."""
    parts = [{name: file} for name, file in value.items()] if isinstance(value, dict) else [(file,) for file in value]
    return [file for part in parts if (file := read_uploads(part))]


def save_pictures(files: Sequence[tuple[str, bytes]], class_name: str) -> tuple[Path, str]:
    """Put files into the folder of a class, in the learner's folder of pictures; gives that folder, and what was done, in words."""
    name = class_name.strip().replace(" ", "_")
    if not name or name.startswith(".") or any(letter in name for letter in '/\\:*?"<>|\0'):
        raise LearnerError(
            en="Write first what the class is called, in the field “class”, such as: cat. Then the files go there.",
            zh="请先在“类别名”里写上这一类叫什么，例如 cat；文件随后就会放进去。",
        )
    folder, temporary = find_place_for_pictures()
    (folder / name).mkdir(parents=True, exist_ok=True)
    for file, content in files:
        (folder / name / Path(file.replace("\\", "/")).name).write_bytes(content)
    told = say(
        en=f"Saved: {len(files)} in {folder / name}. ",
        zh=f"已保存 {len(files)} 个文件，在 {folder / name}。",
    )
    if temporary:
        told += say(
            en="(The course's folder cannot be written to, so this is a temporary folder: copy what you want to keep.) ",
            zh="（课程文件夹不能写入，这是个临时文件夹：想保留的请另外复制。）",
        )
    return folder, told


@cache
def find_place_for_pictures() -> tuple[Path, bool]:
    """A folder that can be written to: work/pictures of the course, else one in the cache, else a temporary one; and whether it is that."""
    for folder in (DATA.parent / "work" / "pictures", find_cache_folder() / "pictures"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder, False
    return Path(mkdtemp()) / "pictures", True
