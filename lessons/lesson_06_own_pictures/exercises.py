"""Lesson 06: how different two pictures are, a split of a small folder, captions for a folder, and what a million pictures weigh."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lessons.kit.exercise import Mistake, Questions, expect_answer, expect_number
from pocket.folders import Classes

questions = Questions(__file__)


def _name_mistake(answer: float, mistakes: Sequence[tuple[float, str, str]], tolerance: float) -> None:
    """Raises the Mistake whose number the answer is, to such a share of it; each number with what to say of it, in both languages."""
    for number, en, zh in mistakes:
        if np.isclose(answer, number, rtol=tolerance):
            raise Mistake(en=en, zh=zh)


# --- how different two pictures are ----------------------------------------------------------------------------------


@questions.exercise
def difference(answer: Callable[[np.ndarray, np.ndarray], float]) -> None:
    one = np.array([[10, 200], [30, 40]], dtype=np.uint8)
    other = np.array([[13, 196], [30, 41]], dtype=np.uint8)
    ours = answer(one, other)
    expect_answer(ours)
    if isinstance(ours, (bool, np.bool_)):
        raise Mistake(
            en="A number is wanted: a picture that was saved again differs a little nearly everywhere, so “equal or not” finds no copy.",
            zh="要的是一个数：重新保存过的图几乎处处都有一点点不同，只问“相等不相等”，一张重复图片也找不到。",
        )
    if np.asarray(ours).size != 1:
        raise Mistake(
            en="One number for the two pictures is wanted, and these are several, such as one for each pixel.",
            zh="两张图之间只要一个数，你给的却有好几个，比如每个像素一个。",
        )
    value = float(ours)
    wrapped = float((one - other).mean()), float(np.abs(one - other).mean())
    if any(np.isclose(value, number) for number in (*wrapped, float((one - other).sum()))):
        raise Mistake(
            en="10 − 13 became 253 here. These are uint8, numbers from 0 to 255 without a sign, which start again from the other end: "
            "make them signed or float before you subtract.",
            zh="10 − 13 在这里成了 253。这些数是 uint8，只有 0 到 255，没有负数，不够减就从另一头绕回来：先转成有符号数或浮点数，再相减。",
        )
    mistakes = (
        (
            0.0,
            "Brighter here and darker there cancel out, in the mean of the differences or in the difference of the means: take each without its sign first.",
            "有的地方更亮，有的地方更暗，先平均就互相抵消了：每个差先取绝对值，再平均。",
        ),
        (
            8.0,
            "That is the sum: a larger thumbnail would make every pair more different. Take the mean.",
            "这是总和：缩略图大一些，每一对都会变得更不同。要取平均。",
        ),
        (
            4.0,
            "Is that the largest difference? A single pixel decides it, and JPEG changes single pixels much. Take the mean over all four.",
            "这是最大的差吗？那就由一个像素说了算，而 JPEG 恰恰会让个别像素变化很大。要对四个像素取平均。",
        ),
        (
            6.5,
            "These are squares: the threshold of two grey levels would mean something else then. Take absolute differences.",
            "这是平方：那样“两个灰度级”的阈值就变了意思。要取绝对值。",
        ),
        (
            2 / 255,
            "In shares of 255: right in itself, but our threshold is told in grey levels. Leave out the division.",
            "这是占 255 的比例：本身没错，但我们的阈值是按灰度级说的。不要除以 255。",
        ),
    )
    _name_mistake(value, mistakes, 1e-5)
    if not np.isclose(value, 2.0):
        raise Mistake(
            en="Not this number. Subtract, drop the signs, take the mean over all pixels.",
            zh="不是这个数。先相减，去掉符号，再对所有像素取平均。",
        )
    one, other = np.array([[0, 60], [30, 41]], dtype=np.uint8), np.array([[250, 63], [30, 40]], dtype=np.uint8)
    if not np.isclose(value := float(answer(one, other)), 63.5):
        raise Mistake(
            en=f"Right for two pictures that are nearly the same. For two that differ much this gives {value:g} instead of 63.5: take the mean, "
            "not the median, of numbers that can go down to −250 (int8 cannot).",
            zh=f"两张图几乎一样时，对了；差得多时，应该是 63.5，你得到的是 {value:g}：取的是平均，不是中位数吗？−250 这样的数，存得下吗？",
        )


# --- a split ---------------------------------------------------------------------------------------------------------


@questions.exercise
def split(answer: Callable[[Tensor, torch.Generator], Any]) -> None:
    labels = torch.tensor([0, 1, 0, 2, 1, 0, 0, 2, 1, 0, 2, 0, 1, 0, 2, 1, 0])  # 8, 5 and 4
    sizes = [int((labels == label).sum()) for label in range(3)]

    def parts(seed: int) -> list[Tensor]:
        found = answer(labels.clone(), torch.Generator().manual_seed(seed))
        expect_answer(found)
        if not isinstance(found, (tuple, list)) or len(found) != 3:
            raise Mistake(
                en="Three things are wanted: the numbers to learn from, to validate on and to test on.",
                zh="要返回三样：训练的编号、验证的编号、测试的编号。",
            )
        if any(isinstance(part, (tuple, list)) and any(map(np.ndim, part)) for part in found):
            raise Mistake(
                en="Each part is a list of tensors, one for each class: join them by torch.cat.",
                zh="每个部分里还是一个类别一段：用 torch.cat 把几段接成一串编号。",
            )
        if any(np.ndim(part) > 1 for part in found):
            raise Mistake(
                en="Each part should be one row of numbers, of shape (N,). Is .flatten() missing after .nonzero()?",
                zh="每个部分应该是一串编号，形状是 (N,)。是不是 .nonzero() 后面少了 .flatten()？",
            )
        tensors = [torch.as_tensor(part) for part in found]
        if any(part.dtype == torch.bool for part in tensors):
            raise Mistake(
                en="Numbers of pictures are wanted, and these are marks. .nonzero().flatten() makes numbers of them.",
                zh="要的是图片的编号，而这是一串真假标记。用 .nonzero().flatten() 可以变成编号。",
            )
        return tensors

    train, validation, test = now = parts(0)
    whole = torch.cat(now)
    if len(whole) == len(labels) and torch.equal(whole.sort().values, labels.sort().values):
        raise Mistake(
            en="These are the labels of the pictures. Wanted are their numbers, with which one can fetch pictures and labels.",
            zh="这是图片的标签。要的是编号，有了编号，图片和标签都取得到。",
        )
    if set(test.tolist()) & {*train.tolist(), *validation.tolist()} or set(train.tolist()) & set(validation.tolist()):
        raise Mistake(
            en="Some pictures stand in two parts: what was learned from is tested on.",
            zh="有的图片同时在两个部分里：拿学过的图去测试了。",
        )
    if len(whole) < len(labels):
        raise Mistake(
            en=f"{len(labels) - len(whole)} pictures are in no part. In a small folder none can be spared: what is left over goes to training.",
            zh=f"有 {len(labels) - len(whole)} 张图哪个部分都没进。文件夹小，一张也浪费不起：多出来的归训练集。",
        )
    if sorted(whole.tolist()) != list(range(len(labels))):
        raise Mistake(
            en="These are not the numbers 0 to N − 1, each once. Do you number within a class? (labels == label).nonzero() gives "
            "the places in the whole.",
            zh="编号应该是 0 到 N − 1，每个恰好一次。是不是在每个类别里从头编了号？(labels == label).nonzero() 给出的是在全体里的位置。",
        )
    counts = [[int((labels[part] == label).sum()) for label in range(3)] for part in now]
    if 0 in counts[1] or 0 in counts[2]:
        raise Mistake(
            en="A class is missing in the validation or the test pictures. Split class by class, and give each part at least one.",
            zh="验证集或测试集里缺了某个类别。要一个类别一个类别地分，每个部分至少一张。",
        )
    wanted = [max(1, size // 4) for size in sizes]
    if counts[1] != wanted or counts[2] != wanted:
        raise Mistake(
            en=f"Classes of 8, 5 and 4 should give {wanted} to test on and as many to validate on; yours give {counts[2]} and {counts[1]}.",
            zh=f"三个类别各有 8、5、4 张，测试和验证都应该各分到 {wanted}；你分到的是 {counts[2]} 和 {counts[1]}。",
        )
    if any(one.tolist() != other.tolist() for one, other in zip(now, parts(0))):
        raise Mistake(
            en="The same seed gives another split each time: draw with the generator that is passed in, or nobody can repeat your result.",
            zh="同一个种子，每次分得都不一样：要用传进来的 generator 抽，不然谁也重现不出你的结果。",
        )
    others = [parts(seed) for seed in range(1, 5)]
    if any(all(sorted(now[part].tolist()) == sorted(other[part].tolist()) for other in others) for part in (1, 2)):
        raise Mistake(
            en="Always the same pictures are tested on, or validated on, as in the order of their names. Names follow the date, so these would "
            "be another day's pictures. Shuffle within each class, by the generator that is passed in.",
            zh="换了种子，测试的还是那几张。要用传进来的 generator，在每个类别里打乱；不打乱，就是按文件名取一头，而文件名常常跟着日期走，等于拿另一天拍的来测试。",
        )
    few = torch.tensor([0, 1, 0, 0, 1, 0, 0, 1, 0, 0])  # 7 and 3
    found = [torch.as_tensor(part).long() for part in answer(few.clone(), torch.Generator().manual_seed(0))]
    given = [[int((few[part] == label).sum()) for label in range(2)] for part in found[1:]]
    if given != [[1, 1], [1, 1]]:
        raise Mistake(
            en=f"Right for classes of 8, 5 and 4. Classes of 7 and 3 should give [1, 1] to test on and as many to validate on; yours give {given[1]} and {given[0]}.",
            zh=f"各有 8、5、4 张时，对了。各有 7、3 张时，测试和验证都应该各分到 [1, 1]；你分到的是 {given[1]} 和 {given[0]}。",
        )


# --- captions for a folder -------------------------------------------------------------------------------------------


@questions.exercise
def entries(answer: Callable[[Classes, Path], list[dict[str, str]]]) -> None:
    folder = Path("/photos")
    classes = Classes(
        [folder / "red_cup/1.jpg", folder / "red_cup/2.jpg", folder / "key/1.jpg"], [0, 0, 1], ["red cup", "key"]
    )
    ours = answer(classes, folder)
    expect_answer(ours)
    if isinstance(ours, dict):
        raise Mistake(
            en="A list is wanted, one entry after the other. As keys of a dict a path could have one caption only.",
            zh="要的是列表，一项接一项。拿路径当字典的键，一张图就只能有一句说明文字了。",
        )
    if not isinstance(ours, list) or not all(isinstance(entry, dict) for entry in ours):
        raise Mistake(en="A list of dicts is wanted.", zh="要的是由字典组成的列表。")
    if len(ours) != 3:
        raise Mistake(
            en=f"There are three pictures, and {len(ours)} entries: one for each picture, not for each class.",
            zh=f"图片有三张，你给了 {len(ours)} 项：每张图一项，不是每个类别一项。",
        )
    if any(set(entry) != {"image_path", "text"} for entry in ours):
        raise Mistake(
            en=f"The keys are “image_path” and “text”; yours are {', '.join(map(str, ours[0]))}.",
            zh=f"键要叫“image_path”和“text”，你的是 {'、'.join(map(str, ours[0]))}。",
        )
    paths, texts = [entry["image_path"] for entry in ours], [entry["text"] for entry in ours]
    if any(isinstance(path, Path) for path in paths):
        raise Mistake(
            en="A Path cannot be written into JSON: make it text, by .as_posix(), which has / on Windows too.",
            zh="Path 写不进 JSON：用 .as_posix() 变成文字，在 Windows 上也是 /。",
        )
    if any(str(path).startswith("/") for path in paths):
        raise Mistake(
            en="Whole paths hold on your machine only: moved or sent, the file finds no picture. Make them relative to the folder.",
            zh="完整路径只在你这台机器上有用：文件夹一挪、一发给别人，就找不到图片了。要写相对于这个文件夹的路径。",
        )
    if paths == ["1.jpg", "2.jpg", "1.jpg"]:
        raise Mistake(
            en="The sub-folder got lost, and two pictures have the same path now.",
            zh="子文件夹丢了，现在有两张图的路径一样。",
        )
    if paths != ["red_cup/1.jpg", "red_cup/2.jpg", "key/1.jpg"]:
        raise Mistake(
            en=f"The first path should be red_cup/1.jpg, and it is {paths[0]}.",
            zh=f"第一个路径应该是 red_cup/1.jpg，现在是 {paths[0]}。",
        )
    if any(str(number) in str(text) for text in texts for number in (0, 1)):
        raise Mistake(
            en="The caption says the number of the class. What the class is called stands in class_names.",
            zh="说明文字里写的是类别的编号。类别叫什么，在 class_names 里。",
        )
    if any("_" in str(text) for text in texts):
        raise Mistake(
            en="“red_cup” is the name of a folder. The class is called “red cup”: take it from class_names.",
            zh="“red_cup”是文件夹的名字，类别叫“red cup”：要从 class_names 里取。",
        )
    if texts == ["red cup", "red cup", "key"]:
        raise Mistake(
            en="A name is no sentence yet. Captions are to read “a key.”, with the full stop that ends them.",
            zh="光有名称还不是一句话。说明文字要写成“a key.”，句号也要。",
        )
    wanted = ["a red cup.", "a red cup.", "a key."]
    wrong = [(path, text) for path, text, right in zip(paths, texts, wanted) if text != right]
    if wrong:
        path, text = wrong[0]
        raise Mistake(
            en=f"The captions should be “a red cup.” and “a key.”; that of {path} is “{text}”.",
            zh=f"说明文字应该是“a red cup.”和“a key.”，{path} 的却是“{text}”。",
        )
    json.dumps(ours)


# --- a million pictures ----------------------------------------------------------------------------------------------

WEIGHT = 1_000_000 * 49 * 768 * 4 / 1e9  # gigabytes


@questions.exercise
def gigabytes(answer: float) -> None:
    expect_number(answer)
    mistakes = (
        (
            WEIGHT / 4,
            "So many numbers, in thousands of millions. Each of them takes four bytes.",
            "这是数的个数，以十亿计。每个数占四个字节。",
        ),
        (
            WEIGHT * 8,
            "Those are bits. A number has 32 of them, and four bytes.",
            "这是比特。一个数有 32 比特，也就是四个字节。",
        ),
        (
            WEIGHT / 49,
            "That is one vector a picture, the pooled one. Here it is all 49.",
            "这是每张图一个池化向量。这里要存全部 49 个。",
        ),
        (
            WEIGHT * 50 / 49,
            "Fifty positions have the class token with them, and that is no patch: it is not kept.",
            "五十个位置里有一个是类别词元，它不是图块，不存。",
        ),
        (WEIGHT * 1e9 / 2**30, "Those are GiB, of 1024³ bytes. Take 10⁹.", "这是 GiB，1024³ 字节。请按 10⁹ 算。"),
        (WEIGHT * 1000, "Those are megabytes.", "这是 MB。"),
        (WEIGHT * 1e9, "Those are bytes.", "这是字节。"),
        (
            WEIGHT * 3,
            "That is right for the training, which makes two copies more. Here they are kept once.",
            "训练时要再复制两份，那样算才对。这里只存一份。",
        ),
    )
    _name_mistake(answer, mistakes, 0.004)
    if not np.isclose(answer, WEIGHT, rtol=0.01):
        raise Mistake(
            en="Not this number. Pictures × patches × width × bytes, divided by 10⁹.",
            zh="不是这个数。图片数 × 图块数 × 宽度 × 字节数，再除以 10⁹。",
        )


# --- questions -------------------------------------------------------------------------------------------------------

names = questions.quiz("names")


@questions.prediction
def sepia(accuracies: tuple[float, float]) -> int:
    hand, learned = accuracies
    return 0 if learned - hand < 0.08 else 2 if learned >= 0.9 else 1


@questions.prediction
def photograph(found: tuple[float, str]) -> int:
    share, name = found
    if share < 1 / 3:
        return 0
    return 1 if share < 2 / 3 else 2 if name == "house" else 3


@questions.prediction
def pieces(share: float) -> int:
    return 0 if share < 0.65 else 1 if share < 0.9 else 2


shown = questions.quiz("shown")

memory = questions.quiz("memory")
