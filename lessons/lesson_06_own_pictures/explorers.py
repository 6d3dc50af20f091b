"""Explorers and tables of lesson 06: bring pictures, look through them, and what real models and many machines cost.

On top of `Explorer`, `figures`, `pocket.folders`, which finds what is wrong, and the counts of `helpers.flops`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from pathlib import Path
from statistics import mean
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any

import ipywidgets
import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from transformers import CLIPConfig, CLIPModel, CLIPProcessor, GPT2Config, GPT2LMHeadModel, PreTrainedModel

from helpers import pictures
from helpers.data import encode_split
from helpers.files import DATA, find_cache_folder
from helpers.flops import FLOAT, count_captioner_training, count_context_training, estimate_least_seconds
from helpers.language import LearnerError, say
from helpers.notebook import Table
from helpers.pictures import BadPicture
from helpers.pretrained import classify_zero_shot
from lessons.kit.benchmarks import ON_CPU, ON_GPU, read_benchmarks
from lessons.kit.explorer import Explorer, format_count, make_dropdown, read_uploads, style_control
from lessons.kit.picture import Picture, crop_square, draw_picture_with_scores
from lessons.lesson_06_own_pictures import figures
from pocket import folders
from pocket.folders import COPY_THRESHOLD, Classes, Fault, read_own_pictures
from pocket.studies import own_pictures_study

SMALL = 112  # pixels a side of a picture on the sheet
MOST_SHOWN = 400  # pictures that a sheet opens
MOST_TOLD = 12  # faults in an alt text
PHOTOGRAPHS = ("china.jpg", "flower.jpg")  # scikit-learn's
TEMPLATES = ("a photo of a {}.", "a picture of a {}.", "{}")
GB = 1e9
ROOM = 16  # GB of memory, in many laptops
COUNTS = {  # what moves in `scale_explorer`
    "classes": (10, 100, 1000),
    "each": (4, 16, 64, 256, 1000),
    "captions": (1_000, 10_000, 100_000, 1_000_000),
    "batch": (2, 16, 64),  # those that `benchmarks.gpu` timed
    "devices": (1, 2, 4, 8, 16, 64),
}


# --- where pictures come from ----------------------------------------------------------------------------------------


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
            folder, self._told = save_pictures(all_uploaded(now.files), now.label)
            self._saved, self._where = now.files, str(folder)
            now.path = self.controls["path"].value = self._where
        path = now.path.strip().strip("\"'")  # as Windows copies a path
        self.folder = Path(path).expanduser() if path else self._example
        return sheet(self.folder, self.folder == self._example, self._told if now.path == self._where else "")


def folder_tool(example: Path) -> FolderTool:
    """A path, or an upload, and what is in the folder; until something is chosen, the example."""
    return FolderTool(example)


def all_uploaded(value: Any) -> list[tuple[str, bytes]]:
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
    folder, temporary = place_for_pictures()
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
def place_for_pictures() -> tuple[Path, bool]:
    """A folder that can be written to: work/pictures of the course, else one in the cache, else a temporary one; and whether it is that."""
    for folder in (DATA.parent / "work" / "pictures", find_cache_folder() / "pictures"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder, False
    return Path(mkdtemp()) / "pictures", True


def folder_tree(folder: Path) -> None:
    """Print the sub-folders, how many files each has, and the first of them."""
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted(file.name for file in place.iterdir())
        first = ", ".join(files[:2]) + (" …" if len(files) > 2 else "")
        print(f"{folder.name}/{place.name + '/':12} {len(files):3}  {first}")


# --- looking through them --------------------------------------------------------------------------------------------


def contact_sheet(folder: Path) -> Explorer:
    """Choose a class, and whether everything is shown or only what is wrong, and see the pictures with their faults marked."""
    with _plainly():
        rows = _rows(folder, *folders.check_folder(folder))
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

    def draw(now: SimpleNamespace) -> Picture:
        return _sheet_picture(folder, rows, now.name, now.wrong)

    return Explorer(controls, draw)


def sheet(folder: Path, only_wrong: bool = False, told: str = "") -> Picture:
    """The contact sheet of a folder; told: what stands first in its caption. Raises `LearnerError` where there is nothing to show."""
    with _plainly():
        classes, faults = folders.check_folder(folder)
        rows = _rows(folder, classes, faults)
    if len(classes.class_names) < 2:
        told += say(
            en="There are not yet two classes that can be used, and one alone cannot be told from anything. ",
            zh="能用的类别还不到两个；只有一个类别，就没有什么可区分的。",
        )
    return _sheet_picture(folder, rows, "", only_wrong, told)


@contextmanager
def _plainly() -> Iterator[None]:
    """Within, errors of a folder are told in the learner's language."""
    try:
        yield
    except OSError as error:
        raise LearnerError(
            en=f"There is no folder {error.filename} that can be read. Check the path, or give the whole of it.",
            zh=f"读不到文件夹 {error.filename}。请检查路径，或写出完整路径。",
        ) from error
    except LearnerError as error:
        raise LearnerError(f"{error}{say(en='.', zh='。')}") from error


FAULTS = {  # a sign for a picture, and a word for the figure in English and in Chinese
    "unreadable": ("?", "unreadable", "读不出来"), "copy": ("=", "copy", "重复图片"),
    "two classes": ("2", "two classes", "两类都有"), "empty": ("", "empty", "没有图片"),
    "alone": ("", "one picture", "只有一张"), "few": ("", "too few", "太少"),
}  # fmt: skip


def _word(kind: str) -> str:
    _, en, zh = FAULTS[kind]
    return say(en=en, zh=zh)


def _rows(folder: Path, classes: Classes, faults: Sequence[Fault]) -> list[figures.SheetRow]:
    """All pictures under their sub-folders, in order of their names."""
    wrong = {fault.path: fault for fault in faults}
    by_place: dict[str, list[Path]] = {fault.path.name: [] for fault in faults if fault.path.is_dir()}
    files = [*classes.files, *(path for path in wrong if not path.is_dir())]
    for place in (path for path in wrong if path.is_dir()):  # of a class that was left out whole
        files += [file for file in sorted(place.rglob("*")) if file.is_file() and _opens(file)]
    for file in dict.fromkeys(files):
        by_place.setdefault(file.relative_to(folder).parts[0], []).append(file)
    rows, opened = [], 0
    for place, inside in sorted(by_place.items()):
        fault, tiles = wrong.get(folder / place), []
        for file in sorted(inside, key=lambda file: (file.stem, file.suffix)):
            mark = wrong.get(file)
            image = None if mark and mark.kind == "unreadable" or opened >= MOST_SHOWN else _small(file)
            opened += 1
            tiles.append(figures.Tile(file.name, image, *((FAULTS[mark.kind][0], _word(mark.kind)) if mark else ())))
        told = _word(fault.kind) if fault else _files(len(tiles))
        rows.append(figures.SheetRow(place.replace("_", " "), told, fault is not None, tiles))
    return rows


def _small(file: Path) -> Image.Image:
    return crop_square(pictures.open_picture(file), SMALL)


def _opens(file: Path) -> bool:
    try:
        pictures.open_picture(file)
    except (BadPicture, OSError):
        return False
    return True


def _sheet_picture(
    folder: Path, rows: Sequence[figures.SheetRow], name: str, only_wrong: bool, told: str = ""
) -> Picture:
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
        "alt": _sheet_in_words(folder, chosen, wrong, number, only_wrong),
    }
    if only_wrong:
        tiles = [tile for row in chosen for tile in _wrong_tiles(row)]
        return figures.sheet_with_names(tiles, title=f"{name or folder.name}{_colon()}{_found(len(tiles))}", **words)
    if name:
        tiles = chosen[0].tiles if chosen else []
        found = _found(sum(len(_wrong_tiles(row)) for row in chosen))
        title = f"{name}{_colon()}" + say(en=f"{_files(len(tiles))}, {found}", zh=f"{_files(len(tiles))}，{found}")
        return figures.sheet_with_names(tiles, title=title, **words)
    title = f"{folder.name}{_colon()}" + say(
        en=f"{format_count(number, 'picture file')} in {format_count(len(rows), 'sub-folder')}, {_found(wrong)}",
        zh=f"{len(rows)} 个子文件夹，{number} 个图片文件，{_found(wrong)}",
    )
    return figures.contact_sheet(rows, title=title, **words)


def _colon() -> str:
    return say(en=": ", zh="：")


def _files(number: int) -> str:
    return say(en=format_count(number, "file"), zh=f"{number} 个文件")


def _found(wrong: int) -> str:
    if wrong == 0:
        return say(en="nothing is wrong", zh="没有发现问题")
    return say(en="1 thing is wrong" if wrong == 1 else f"{wrong} things are wrong", zh=f"{wrong} 处有问题")


def _marked(row: figures.SheetRow) -> list[figures.Tile]:
    return [tile for tile in row.tiles if tile.sign]


def _wrong_tiles(row: figures.SheetRow) -> list[figures.Tile]:
    """What is wrong in a class, each under the names of folder and file; the class itself as its first picture, or as an empty one."""
    marked = [replace(tile, name=f"{row.name}/\n{tile.name}") for tile in _marked(row)]
    if not row.wrong:
        return marked
    image = row.tiles[0].image if row.tiles else Image.new("RGB", (SMALL, SMALL), "white")
    return [figures.Tile(f"{row.name}/", image, "✗", row.told), *marked]


def _sheet_in_words(folder: Path, rows: Sequence[figures.SheetRow], wrong: int, number: int, only_wrong: bool) -> str:
    marked = [
        *(row.name + say(en=" ({})", zh="（{}）").format(row.told) for row in rows if row.wrong),
        *(
            f"{row.name}/{tile.name}" + say(en=" ({})", zh="（{}）").format(tile.word)
            for row in rows
            for tile in _marked(row)
        ),
    ]
    comma, more = say(en=", ", zh="、"), " …" if len(marked) > MOST_TOLD else ""
    listed = comma.join(marked[:MOST_TOLD]) + more
    names = comma.join(row.name for row in rows) or say(en="none", zh="无")
    here = (
        say(en=f", here: {listed}.", zh=f"，这里有：{listed}。")
        if marked
        else say(en=", none of them here.", zh="，都不在这里。")
    )
    shown = (
        say(
            en=f"What is wrong in the folder {folder.name}, a picture for each. ",
            zh=f"文件夹 {folder.name} 里有问题的，每处一格。",
        )
        if only_wrong
        else say(
            en=f"A contact sheet of the folder {folder.name}, a row for each class. Shown: {names}. ",
            zh=f"文件夹 {folder.name} 的缩略图一览，每个类别一行。这里显示的是：{names}。",
        )
    )
    held = say(en=f"The folder holds {number} picture files, and ", zh=f"共 {number} 个图片文件，")
    return (
        shown
        + held
        + (
            say(en=f"{wrong} things are wrong", zh=f"标出的问题有 {wrong} 处") + here
            if wrong
            else say(en="nothing is wrong.", zh="没有标出问题。")
        )
    )


def fault_table(folder: Path, faults: Sequence[Fault]) -> Table:
    """What is wrong, file by file, in the learner's language."""
    header = say(en="file or class", zh="文件或类别"), say(en="what is wrong", zh="问题")
    rows = []
    for fault in faults:
        of = f" {fault.of.relative_to(folder).as_posix()}" if fault.of else ""
        rows.append((fault.path.relative_to(folder).as_posix(), f"{fault}{of}"))
    return Table(rows, header)


def copies_explorer(folder: Path) -> Explorer:
    """Choose how different two pictures may be and still count as the same one, and see which pairs that makes the same."""
    with _plainly():
        classes, faults = folders.check_folder(folder)
    files = sorted({*classes.files, *(fault.path for fault in faults if fault.path.is_file() and _opens(fault.path))})
    if len(files) < 2:
        raise LearnerError(en="There are no two pictures to compare.", zh="没有两张图片可以比较。")
    small = np.array([folders.make_thumbnail(pictures.open_picture(file)) for file in files])
    pairs = sorted(
        (float(np.abs(small[one] - small[other]).mean()), one, other)
        for one, other in combinations(range(len(files)), 2)
    )
    show = cache(_small)
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
        return figures.pairs_alike(
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


# --- learning from them ----------------------------------------------------------------------------------------------


WAYS = {  # what is compared: in a figure, in English, in Chinese
    "hand": ("“a photo of a {}.”", "“a photo of a {}.”", "“a photo of a {}.”"),
    "shuffled": ("vectors, shuffled labels", "four vectors from shuffled labels", "四个向量，标签打乱"),
    "context": ("four learned vectors", "four learned vectors", "学到的四个向量"),
    "numbered": ("vectors, classes 1, 2 …", "four vectors, classes named 1, 2 …", "四个向量，类别叫 1、2……"),
    "probe": ("linear probe", "linear probe", "线性探针"),
}


def splits_picture(file: Path = own_pictures_study.FILE) -> Picture:
    """The stored study: accuracies on twenty splits of the example folder, by words, learned vectors and a linear probe."""
    study = own_pictures_study.load_study(file)
    runs, tests, classes = study.runs, study.tests, len(study.classes)
    shares = {way: [getattr(run, way) for run in runs] for way in WAYS}
    told = {
        way: f"{_percent(mean(some))} ({_percent(min(some))}–{_percent(max(some))})" for way, some in shares.items()
    }
    above = sum(run.context > run.hand for run in runs)
    ahead = sum(run.context > run.probe for run in runs)
    en = ", ".join(f"{WAYS[way][1]} {one}" for way, one in told.items())
    zh = "；".join(f"{WAYS[way][2]} {one}" for way, one in told.items())
    return figures.accuracies_of_splits(
        [(say(en=WAYS[way][0], zh=WAYS[way][2]), some) for way, some in shares.items()],
        1 / classes,
        title=say(
            en=f"{len(runs)} splits of one folder: learned vectors beat the words in {above} of them, the probe in {ahead}",
            zh=f"同一个文件夹划分 {len(runs)} 次：学到的向量有 {above} 次胜过词语，{ahead} 次胜过线性探针",
        ),
        alt=say(
            en=f"Five rows of dots, one for each of {len(runs)} splits: per cent of the {tests} test pictures that are right, mean (least–most): {en}.",
            zh=f"五排点，每排 {len(runs)} 个，一次划分一个点：{tests} 张测试图片里答对的百分比，平均（最低到最高）：{zh}。",
        ),
        caption=say(
            en=f"Eight classes, {study.pictures} pictures, {tests} of them to test on. Stored runs on the pocket model, made by “{study.command}”.",
            zh=f"八个类别，{study.pictures} 张图片，其中 {tests} 张用来测试。都是口袋模型上的结果，事先由 {study.command} 算好。",
        ),
    )


def splits_table(clip: CLIPModel, processor: CLIPProcessor, classes: Classes, seeds: Sequence[int] = range(3)) -> Table:
    """Test accuracy in per cent on other splits of the same pictures, by the same ways, measured now."""
    header = (
        say(en="split", zh="划分"),
        say(en="test pictures", zh="测试图片"),
        *(say(en=en, zh=zh) for _, en, zh in WAYS.values()),
    )
    rows, found = [], []
    for seed in seeds:
        features = encode_split(clip, processor, read_own_pictures(classes, seed))
        found.append(own_pictures_study.measure_split(clip, processor, classes.class_names, features, seed))
        rows.append((str(seed), str(len(features.test[1])), *(_percent(getattr(found[-1], way)) for way in WAYS)))
    rows.append((say(en="mean", zh="平均"), "", *(_percent(mean(getattr(one, way) for one in found)) for way in WAYS)))
    return Table(rows, header, align="right")


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


def photographs() -> list[Image.Image]:
    """Two photographs that scikit-learn carries: a Chinese palace and a dahlia."""
    return [Image.fromarray(load_sample_image(name)) for name in PHOTOGRAPHS]


def photograph_explorer(clip: CLIPModel, processor: CLIPProcessor, names: Sequence[str]) -> Explorer:
    """Choose a photograph and a prompt, and see which of the names this CLIP gives it, and how sure it is."""
    controls = {
        "photograph": make_dropdown(
            say(en="picture", zh="照片"), {name: n for n, name in enumerate(PHOTOGRAPHS)}, 0, 18
        ),
        "template": make_dropdown(say(en="prompt", zh="提示词"), {one: one for one in TEMPLATES}, TEMPLATES[0], 22),
    }
    images = photographs()

    def draw(now: SimpleNamespace) -> Picture:
        image = images[now.photograph]
        scores = classify_zero_shot(clip, processor, image, [now.template.format(name) for name in names]).tolist()
        best = names[int(np.argmax(scores))]
        what = say(
            en=("a palace tower beside a lake", "an orange dahlia")[now.photograph],
            zh=("湖边的宫殿楼阁", "一朵橙色大丽花")[now.photograph],
        )
        return draw_picture_with_scores(
            crop_square(image, 512),
            names,
            scores,
            title=say(en=f"“{now.template}”: this CLIP says {best}", zh=f"“{now.template}”：这个 CLIP 认为是 {best}"),
            alt=say(
                en=f"A photograph of {what}, and beside it bars for eight names; the longest is that of “{best}”.",
                zh=f"一张照片，{what}；旁边是八个名称的条形图，最长的是“{best}”。",
            ),
            caption=say(
                en="The eight highest probabilities; those of all names add up to 100 %. The photographs come with scikit-learn.",
                zh="图里是概率最高的八个名称；所有名称的概率加起来是 100%。照片是 scikit-learn 自带的。",
            ),
        )

    return Explorer(controls, draw)


def photograph_table(clip: CLIPModel, processor: CLIPProcessor, names: Sequence[str]) -> Table:
    """What this CLIP says of each photograph with each prompt."""
    rows = []
    for template in TEMPLATES:
        texts = [template.format(name) for name in names]
        shares = [classify_zero_shot(clip, processor, image, texts) for image in photographs()]
        rows.append((template, *(names[int(share.argmax())] for share in shares)))
    return Table(rows, (say(en="prompt", zh="提示词"), *PHOTOGRAPHS))


def photograph_pieces(seed: int = 0, each: int = 16) -> tuple[list[Image.Image], torch.Tensor]:
    """So many square pieces, cut at random places, of each of the two photographs, and which of the two (N,)."""
    rng, images = np.random.default_rng(seed), []
    for photograph in photographs():
        for side in rng.integers(160, 300, size=each).tolist():
            left, top = (int(rng.integers(0, room - side)) for room in photograph.size)
            images.append(photograph.crop((left, top, left + side, top + side)))
    return images, torch.arange(len(PHOTOGRAPHS)).repeat_interleave(each)


# --- the real models -------------------------------------------------------------------------------------------------


def without_weights() -> tuple[CLIPModel, GPT2LMHeadModel]:
    """CLIP ViT-B/32 and GPT-2 in their sizes, without a single number: these configurations are the library's defaults."""
    with torch.device("meta"):
        return CLIPModel(CLIPConfig()).eval(), GPT2LMHeadModel(GPT2Config()).eval()


def what_changes(clip: CLIPModel, language_model: PreTrainedModel) -> Table:
    """The numbers of these models beside those of ViT-B/32 and GPT-2 small."""
    ours, theirs = (_numbers_of(*models) for models in ((clip, language_model), without_weights()))
    header = say(en="what", zh="项目"), say(en="here", zh="这里"), say(en="ViT-B/32, GPT-2", zh="ViT-B/32、GPT-2")
    return Table([(name, ours[name], theirs[name]) for name in ours], header, align="right")


def _numbers_of(clip: CLIPModel, language_model: PreTrainedModel) -> dict[str, str]:
    vision, text, language = clip.config.vision_config, clip.config.text_config, language_model.config
    side = vision.image_size // vision.patch_size
    learned_scale = clip.logit_scale.exp().item() if clip.logit_scale.device.type != "meta" else 100.0
    sizes = [_count(clip), _count(language_model)]
    numbers = {
        say(en="picture, pixels a side", zh="图片边长（像素）"): vision.image_size,
        say(en="patch, pixels a side", zh="图块边长（像素）"): vision.patch_size,
        say(en="patches", zh="图块数"): side**2,
        say(en="width of the vision tower", zh="视觉塔宽度"): vision.hidden_size,
        say(en="width of the text tower, of a context vector", zh="文本塔宽度，也是上下文向量的宽度"): text.hidden_size,
        say(en="positions of a text", zh="一段文字的位置数"): text.max_position_embeddings,
        say(en="logit scale", zh="缩放系数"): round(learned_scale),
        say(en="numbers in ten context vectors", zh="十个上下文向量里的数"): 10 * text.hidden_size,
        say(en="width of GPT-2", zh="GPT-2 的宽度"): language.hidden_size,
        say(en="positions of GPT-2", zh="GPT-2 的位置数"): language.max_position_embeddings,
        say(en="numbers in the projection", zh="投影里的数"): (vision.hidden_size + 1) * language.hidden_size,
        say(en="parameters of CLIP", zh="CLIP 的参数"): sizes[0],
        say(en="parameters of GPT-2", zh="GPT-2 的参数"): sizes[1],
    }
    told = {name: f"{number:,}" for name, number in numbers.items()}
    return told | {
        say(en="both in memory, calculated", zh="两个模型占的内存（计算）"): f"{FLOAT * sum(sizes) / 1e6:,.0f} MB"
    }


def _count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


# --- many pictures, many machines ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pace:
    """TFLOP/s of a device at each kind of work: seeing pictures, a step of a context, a step of the captioner by its batch."""

    seeing: float
    context: float
    captioner: Mapping[int, float]


def measured_sizes() -> Table:
    """What was measured with random weights in the sizes of the real models, beside what is calculated."""
    cpu, gpu = map(read_benchmarks, (ON_CPU, ON_GPU))
    step, context, steps = cpu["context_text_step"], gpu["learning_a_context"], gpu["learning_to_describe"]
    least, most, pictures = steps[0], steps[-1], gpu["seeing"]["pictures"]
    classes, many, name = step["sizes"]["classes"], context["classes"], _gpu_name(gpu)

    def time(en: str, zh: str, work: Mapping[str, Any]) -> tuple[str, str, str]:
        limit = work["seconds"] * work["tflops"] / gpu["large_product"]["tflops"]
        return say(en=f"{name}: {en}", zh=f"{name}：{zh}"), f"{1e3 * limit:.0f} ms", f"{1e3 * work['seconds']:.0f} ms"

    def memory(en: str, zh: str, work: Mapping[str, Any]) -> tuple[str, str, str]:
        gigabytes = f"{work['calculated_gigabytes']:.2f} GB", f"{work['gigabytes']:.2f} GB"
        return say(en=f"{name}: memory of {en}", zh=f"{name}：{zh}要的内存"), *gigabytes

    return Table(
        [
            (
                say(en=f"2 CPU cores: a step for {classes} classes", zh=f"2 个 CPU 核：{classes} 个类别走一步"),
                f"{1e3 * step['limit_seconds']:.0f} ms",
                f"{1e3 * step['seconds']['fast']['median']:.0f} ms",
            ),
            time(f"to see {pictures} pictures", f"看 {pictures} 张图片", gpu["seeing"]),
            *(
                time(f"a step with {one['batch']} captions", f"{one['batch']} 句说明文字走一步", one)
                for one in (most, least)
            ),
            time(f"a step for {many} classes", f"{many} 个类别走一步", context),
            memory(f"a step for {many} classes", f"{many} 个类别走一步", context),
            memory(f"a step with {most['batch']} captions", f"{most['batch']} 句说明文字走一步", most),
        ],
        (say(en="what", zh="项目"), say(en="calculated", zh="计算"), say(en="measured", zh="实测")),
        align="right",
    )


def read_paces() -> dict[str, Pace]:
    """What two CPU cores and a large GPU reached in the stored benchmarks, and between them a GPU that is assumed; by what they are called."""
    own, gpu = _own_pace(), read_benchmarks(ON_GPU)
    by_batch = {one["batch"]: one["tflops"] for one in gpu["learning_to_describe"]}
    even = {name: Pace(pace, pace, dict.fromkeys(by_batch, pace)) for name, pace in {
        say(en=f"2 CPU cores ({own:.2f} TFLOP/s, measured)", zh=f"2 个 CPU 核（{own:.2f} TFLOP/s，实测）"): own,
        say(en="a small GPU (3 TFLOP/s, assumed)", zh="小 GPU（3 TFLOP/s，假设）"): 3.0,
    }.items()}  # fmt: skip
    measured = Pace(gpu["seeing"]["tflops"], gpu["learning_a_context"]["tflops"], by_batch)
    low, high = min(measured.context, *by_batch.values()), max(measured.seeing, *by_batch.values())
    name = _gpu_name(gpu)
    told = say(en=f"{name} ({low:.0f} to {high:.0f}, measured)", zh=f"{name}（{low:.0f} 到 {high:.0f}，实测）")
    return {**even, told: measured}


def _gpu_name(record: Mapping[str, Any]) -> str:
    return record["machine"]["gpu"].removeprefix("NVIDIA ")


PAID_FOR = {  # what time and memory go into
    "see class pictures": "看各类图片",
    "learn the context": "学上下文向量",
    "see caption pictures": "看配了文字的图片",
    "learn the captioner": "学软提示词和投影",
    "both models": "两个模型",
    "class features": "各类图片的特征",
    "caption features": "配文字图片的特征",
    "one step": "走一步",
}


def estimate_costs(
    pace: Pace, classes: int, each: int, captions: int, batch: int = 2, patches: bool = True, devices: int = 1
) -> tuple[dict[str, float], dict[str, float]]:
    """How long the real models take to learn from classes and from captions, and what memory each process needs.

    Args:
        pace: of a device.
        classes, each: how many, and how many pictures of each.
        captions: how many, each of another picture.
        batch: captions in a step.
        patches: whether GPT-2 sees all patches of a picture, or one vector.
        devices: how many share the captions.

    Returns:
        seconds and gigabytes, by names of `PAID_FOR`.
    """
    clip, language = CLIPConfig(), GPT2Config()
    context = count_context_training(clip, classes, each)
    captioner = count_captioner_training(clip, language, captions, patches, batch=batch)
    seconds = {
        "see class pictures": _seconds(context.encoding, pace.seeing),
        "learn the context": _seconds(context.training, pace.context),
        "see caption pictures": _seconds(captioner.encoding, pace.seeing) / devices,
        "learn the captioner": _seconds(captioner.training, pace.captioner[batch]) / devices,
    }
    memory = {
        "both models": FLOAT * sum(map(_count, without_weights())),
        "class features": context.features,
        "caption features": captioner.features,
        "one step": max(context.backward, captioner.backward),
    }
    return seconds, {name: amount / GB for name, amount in memory.items()}


def scale_explorer() -> Explorer:
    """Choose how many classes, pictures, captions and devices, and see how long it takes the real models and what memory they need.

    Everything is calculated, from multiplications and a pace; the pace alone is measured, where its name says so.
    """
    paces = read_paces()
    features = {
        say(en="all 49 patches", zh="全部 49 个图块"): True,
        say(en="one vector a picture", zh="每张图一个向量"): False,
    }
    controls = {
        "classes": _of("classes", 1000, say(en="classes", zh="类别数")),
        "each": _of("each", 16, say(en="pics a class", zh="每类图片")),
        "captions": _of("captions", 1_000_000, say(en="captions", zh="说明文字")),
        "batch": _of("batch", 2, say(en="in a step", zh="每步几句")),
        "patches": make_dropdown(say(en="GPT-2 sees", zh="GPT-2 看"), features, True, 22),
        "devices": _of("devices", 1, say(en="devices", zh="设备数")),
        "pace": make_dropdown(say(en="each is", zh="每个设备"), {name: name for name in paces}, next(iter(paces)), 32),
    }

    def draw(now: SimpleNamespace) -> Picture:
        how = {name: value for name, value in vars(now).items() if name != "pace"}
        seconds, gigabytes = estimate_costs(paces[now.pace], **how)
        total, fits = sum(gigabytes.values()), sum(gigabytes.values()) <= ROOM
        time = _duration(sum(seconds.values()))
        return figures.time_and_memory(
            [figures.Cost(_paid_for(name), amount, _duration(amount)) for name, amount in seconds.items()],
            [figures.Cost(_paid_for(name), amount, _size(amount)) for name, amount in gigabytes.items()],
            ROOM,
            title=say(
                en=f"All together {time}; {_size(total)} of memory {'fit' if fits else 'do not fit'} into {ROOM} GB",
                zh=f"总共 {time}；要 {_size(total)} 内存，{ROOM} GB {'装得下' if fits else '装不下'}",
            ),
            alt=_scale_in_words(seconds, gigabytes, total),
            caption=_about_scale(now, gigabytes, fits),
        )

    return Explorer(controls, draw)


def scale_table(classes: int = 1000, each: int = 16, captions: int = 1_000_000) -> Table:
    """What the explorer says of so much work on two CPU cores, on the large GPU, on eight of them, and with a larger batch; calculated."""
    cpu, _, gpu = read_paces().values()
    few, *_, many = COUNTS["batch"]
    cores, name = say(en="2 CPU cores", zh="2 个 CPU 核"), _gpu_name(read_benchmarks(ON_GPU))
    rows = []
    for pace, device, devices, batch in (
        (cpu, cores, 1, few),
        (gpu, name, 1, few),
        (gpu, name, 8, few),
        (gpu, name, 1, many),
    ):
        seconds, gigabytes = estimate_costs(pace, classes, each, captions, batch, devices=devices)
        *context, see, learn = seconds.values()
        told = _duration(sum(context)), _duration(see + learn), _size(sum(gigabytes.values()))
        rows.append((device if devices == 1 else f"{devices} × {device}", str(batch), *told))
    header = (
        say(en="device", zh="设备"),
        say(en="captions a step", zh="每步几句"),
        say(en=f"{classes:,} classes", zh=f"{classes:,} 个类别"),
        say(en=f"{captions:,} captions", zh=f"{captions:,} 句说明文字"),
        say(en="memory of each process", zh="每个进程占的内存"),
    )
    return Table(rows, header, align="right")


def _paid_for(name: str) -> str:
    return say(en=name, zh=PAID_FOR[name])


def _of(name: str, value: int, label: str) -> ipywidgets.SelectionSlider:
    options = [(f"{number:,}", number) for number in COUNTS[name]]
    return ipywidgets.SelectionSlider(options=options, value=value, description=label, **style_control(30))


def _own_pace() -> float:
    """TFLOP/s that the text tower reached on the course's own machine, from the stored benchmark."""
    step = read_benchmarks()["context_text_step"]
    return step["matmul_gflops"]["before"] / step["fast_beside_limit"] / 1e3


def _seconds(products: float, tflops: float) -> float:
    return estimate_least_seconds(products, 1e3 * tflops)


def _duration(seconds: float) -> str:
    units = (
        (365 * 86400, say(en="years", zh="年")),
        (86400, say(en="days", zh="天")),
        (3600, say(en="h", zh="小时")),
        (60, say(en="min", zh="分钟")),
        (0, say(en="s", zh="秒")),
    )
    size, name = next(unit for unit in units if seconds >= 2 * unit[0])
    number = seconds / (size or 1)
    return f"{number:.{1 if number < 10 else 0}f} {name}"


def _size(gigabytes: float) -> str:
    if gigabytes >= 1000:
        return f"{gigabytes / 1000:.1f} TB"
    return f"{gigabytes:.{0 if gigabytes >= 10 else 1}f} GB" if gigabytes >= 1 else f"{1000 * gigabytes:.0f} MB"


def _scale_in_words(seconds: dict[str, float], gigabytes: dict[str, float], total: float) -> str:
    told = [
        *(f"{_paid_for(name)} {_duration(amount)}" for name, amount in seconds.items()),
        *(f"{_paid_for(name)} {_size(amount)}" for name, amount in gigabytes.items()),
    ]
    listed = say(en="; ", zh="；").join(told)
    return say(
        en=f"Two charts, calculated: time of four pieces of work, and memory of each process. {listed}; together {_size(total)}.",
        zh=f"左右两张图，都是计算出来的：四件事各要多少时间，每个进程要多少内存。{listed}；内存合计 {_size(total)}。",
    )


def _about_scale(now: SimpleNamespace, gigabytes: dict[str, float], fits: bool) -> str:
    text = say(
        en="Calculated for ViT-B/32 and GPT-2 small: multiplications at this pace; 160 steps for a context of 16 vectors, 3 epochs for the "
        "captioner, with three copies of the caption features. Reading and shrinking picture files comes on top. Devices share the captions; "
        "a context is learned on one. ",
        zh="按 ViT-B/32 和小号 GPT-2 计算：乘法次数除以这个速度；16 个上下文向量学 160 步，软提示词和投影学 3 轮；配文字图片的特征按三份算，因为训练时要复制。读文件、缩小图片的时间另算。"
        "设备之间分摊的是说明文字；上下文向量只在一个设备上学。",
    )
    if not fits and gigabytes["caption features"] > ROOM / 2 and now.patches:
        text += say(
            en="More devices do not help the memory, since every process holds all features.",
            zh="增加设备帮不了内存，因为每个进程都存着全部特征。",
        )
    return text
