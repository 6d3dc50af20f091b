"""What can be learned from a folder, on many splits of it: the stored study, and the learner's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from transformers import CLIPModel, CLIPProcessor

from helpers.data import encode_split
from helpers.language import say
from helpers.notebook import Table
from lessons.kit.picture import Picture
from lessons.lesson_06_own_pictures import figures
from pocket.folders import Classes, read_own_pictures
from pocket.studies import own_pictures_study

WAYS = {  # what is compared: in a figure, in English, in Chinese
    "hand": ("“a photo of a {}.”", "“a photo of a {}.”", "“a photo of a {}.”"),
    "shuffled": ("vectors, shuffled labels", "four vectors from shuffled labels", "四个向量，标签打乱"),
    "context": ("four learned vectors", "four learned vectors", "学到的四个向量"),
    "numbered": ("vectors, classes 1, 2 …", "four vectors, classes named 1, 2 …", "四个向量，类别叫 1、2……"),
    "probe": ("linear probe", "linear probe", "线性探针"),
}


def draw_splits(file: Path = own_pictures_study.FILE) -> Picture:
    """The stored study: accuracies on twenty splits of the example folder, by words, learned vectors and a linear probe."""
    study = own_pictures_study.load_study(file)
    runs, tests, classes = study.runs, study.tests, len(study.classes)
    shares = {way: [getattr(run, way) for run in runs] for way in WAYS}
    told = {
        way: f"{_format_share(mean(some))} ({_format_share(min(some))}–{_format_share(max(some))})"
        for way, some in shares.items()
    }
    above = sum(run.context > run.hand for run in runs)
    ahead = sum(run.context > run.probe for run in runs)
    en = ", ".join(f"{WAYS[way][1]} {one}" for way, one in told.items())
    zh = "；".join(f"{WAYS[way][2]} {one}" for way, one in told.items())
    return figures.draw_accuracies_of_splits(
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


def tabulate_splits(
    clip: CLIPModel, processor: CLIPProcessor, classes: Classes, seeds: Sequence[int] = range(3)
) -> Table:
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
        rows.append((str(seed), str(len(features.test[1])), *(_format_share(getattr(found[-1], way)) for way in WAYS)))
    rows.append(
        (say(en="mean", zh="平均"), "", *(_format_share(mean(getattr(one, way) for one in found)) for way in WAYS))
    )
    return Table(rows, header, align="right")


def _format_share(share: float) -> str:
    return f"{100 * share:.0f}"
