"""Lesson 05: code behind glass, what a loss scores, words by another table, luck of many looks, and which experiment rings for what.

On top of `Explorer`, `figures`, `lessons.lesson_05_bug_museum.museum` and `lessons.lesson_05_bug_museum.experiments`.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import ipywidgets
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPModel, CLIPProcessor

from helpers.captioner import VLMWithSoftPrompt
from helpers.language import say
from helpers.notebook import Table
from lessons.kit.explorer import Explorer, make_dropdown, style_control
from lessons.kit.picture import BLUE, INK, SLATE, VERMILION, Picture
from lessons.kit.tokens import read_letters
from lessons.lesson_05_bug_museum import experiments, figures, museum
from lessons.lesson_05_bug_museum.experiments import Captions, Result
from lessons.lesson_05_bug_museum.museum import EXHIBITS
from pocket.studies.captioner_study import load_study

CODES = {  # what a code is called, in English and in Chinese
    "right": ("repaired", "修好的"),
    "shift": ("labels not shifted", "标签没有错开"),
    "padding": ("padding scored", "填充计入损失"),
    "end": ("the end is no target", "结束符不是目标"),
    "dropout": ("dropout left on", "没有关掉 dropout"),
    "paper": ("frozen on paper only", "只在纸面上冻结"),
    "twice": ("positions added twice", "位置嵌入加了两次"),
    "inserted": ("context inserted", "插入而没有覆盖"),
    "start": ("read off at the start", "在开头取结果"),
    "mask": ("no causal mask", "没有因果掩码"),
    "words": ("counted in words", "个数按单词来数"),
}
EXPERIMENTS = {  # what an experiment is called, in English and in Chinese; lines as they stand in a figure
    "own words": ("the words’\nown vectors", "词语自己的向量"),
    "split": ("… of words\nthat split", "换成会拆开的词"),
    "name": ("another\nname", "换一个类别名"),
    "learns": ("every vector\nlearns", "每个向量都在学"),
    "company": ("alone and in\ncompany", "单独与同批"),
    "library": ("the library’s\nloss", "和库的损失相比"),
    "again": ("twice\nthe same", "同一批算两次"),
    "more": ("more\npadding", "多填充几个位置"),
    "next": ("the next token\nis the target", "目标是\n下一个词元"),
    "stop": ("the end is\na target", "结束符在目标里"),
    "only": ("only the\nprompt learns", "只有提示词在学"),
}
TURNS = tuple(range(0, 91, 5))  # degrees
TEST_SETS = (50, 200, 1000, 5000)  # pictures
MOST_LOOKS = 100


# --- behind glass ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Glass:
    """Code to be read and not to be run: on the page, and as plain text. Lines are marked "-" and "+" where twins differ."""

    lines: Sequence[tuple[str, str]]
    heading: str

    def html(self) -> str:
        ink = f"; color: {INK}"  # on these grounds, in JupyterLab's dark theme too
        fills = {"-": f"#F6E3D7{ink}", "+": f"#E4ECF3{ink}"}
        marked = any(mark.strip() for mark, _ in self.lines)
        rows = "".join(
            f'<div style="background: {fills.get(mark, "transparent")}">{html.escape(f"{mark} " if marked else "")}{html.escape(text) or " "}</div>'
            for mark, text in self.lines
        )
        look = "border: 1px solid #B4BCC6; border-radius: 4px; padding: 0.6em 1em; margin: 2px 0; line-height: 1.45; overflow-x: auto"
        return f'<p style="margin: 0.3em 0">{html.escape(self.heading)}</p><pre style="{look}">{rows}</pre>'

    def bundle(self) -> dict[str, str]:
        marked = any(mark.strip() for mark, _ in self.lines)
        lines = [f"{mark} {text}".rstrip() if marked else text for mark, text in self.lines]
        return {"text/html": self.html(), "text/plain": "\n".join([self.heading, *lines])}

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return self.bundle()


def behind_glass(number: int) -> Glass:
    """The broken code of an exhibit, and where such code was seen."""
    code = EXHIBITS[number]
    heading = say(en=f"Told anew. Seen in: {code.seen_in}", zh=f"按原意重写。见于：{_seen_in_chinese(code.seen_in)}")
    return Glass([(" ", line) for line in code.source().split("\n")], heading)


def repaired(number: int) -> Glass:
    """What the repair of an exhibit changes: lines that go (-), and lines that come (+); and where the broken code was seen."""
    code = EXHIBITS[number]
    heading = say(
        en=f"The repair: − goes, + comes. Seen in: {code.seen_in}",
        zh=f"修法：− 的行删去，+ 的行换上。见于：{_seen_in_chinese(code.seen_in)}",
    )
    return Glass(code.changes(), heading)


def _seen_in_chinese(seen_in: str) -> str:
    for english, chinese in (
        (museum.THE_SEED, "这门课最初的那份软提示词 VLM 脚本"),
        ("several home-made CLIPTextEmbeddings", "多处自己动手写的 CLIPTextEmbeddings"),
        (museum.SEVERAL, "好几个给 CLIP 加提示词的仓库"),
        (", pull request ", "，拉取请求 "),
        (" and issue ", " 和 issue "),
        (", issue ", "，issue "),
        ("; ", "；"),
        (", ", "，"),
    ):
        seen_in = seen_in.replace(english, chinese)
    return seen_in


# --- what a loss scores ------------------------------------------------------------------------------------------------------------


def healthy_loss(with_truth: bool = False) -> Picture:
    """A stored training with labels that were not shifted: its own loss, and on demand the loss of the next token beside it."""
    run = next(run for run in load_study().shift if not run.shifted)
    own, true, last = run.history.column("validation_loss"), run.next_token_loss, run.history.steps
    steps = run.history.column("step")
    name = say(en=f"its own loss: {own[-1]:.2f}", zh=f"它自己的损失：{own[-1]:.2f}")
    lines = [figures.Line(name, steps, own)]
    if with_truth:
        name = say(en=f"next-token loss: {true[-1]:.1f}", zh=f"下一个词元的损失：{true[-1]:.1f}")
        lines.append(figures.Line(name, steps, true, VERMILION))
    return figures.curves(
        lines,
        say(en="training step", zh="训练步数"),
        say(en="loss on validation captions", zh="验证集上的损失"),
        title=say(
            en=f"The loss that it was trained with falls to {own[-1]:.2f}"
            + (f", the loss of the next token rises to {true[-1]:.1f}" if with_truth else ""),
            zh=f"训练时用的损失降到了 {own[-1]:.2f}"
            + (f"，下一个词元的损失却升到了 {true[-1]:.1f}" if with_truth else ""),
        ),
        alt=say(
            en=f"A curve over {last} training steps: the loss falls from {own[0]:.1f} to {own[-1]:.2f}, steeply at first."
            + (f" A second, dashed one rises: the loss of the next token, from {true[0]:.1f} to {true[-1]:.1f}." if with_truth else ""),
            zh=f"横轴是 {last} 步训练。一条曲线：损失从 {own[0]:.1f} 降到 {own[-1]:.2f}，开头降得很快。"
            + (f"另一条虚线在上升：下一个词元的损失从 {true[0]:.1f} 涨到 {true[-1]:.1f}。" if with_truth else ""),
        ),
        caption=say(
            en="The same training, judged twice. It learned what it was asked for, and unlearned what we wanted."
            if with_truth
            else "A stored run. Smooth, steep, and close to zero at the end.",
            zh="同一次训练，两种评判。要求它学的，它学会了；我们真正想要的，它反而忘了。"
            if with_truth
            else "这是存好的一次训练。曲线又顺又陡，最后几乎降到零。",
        ),
    )  # fmt: skip


def x_ray(code: str | Callable[..., Tensor], model: VLMWithSoftPrompt, captions: Captions, row: int = 0) -> Picture:
    """What a loss, an exhibit's by its name or any other, scores against what in one caption."""
    loss = loss_of(code) if isinstance(code, str) else code
    seen = experiments.x_ray(loss, museum.with_dropout(model), captions)
    length, ids = int(seen.lengths[row]), seen.ids[row]
    found = seen.targets[row]
    names = [_token(model, id) for id in ids]
    patch = say(en="last patch", zh="图块")
    places = [figures.Place(patch, *_target(model, seen, row, -1))]
    for place, name in enumerate(names):
        pad = place >= length
        places.append(figures.Place(_pad() if pad else name, *_target(model, seen, row, place), padding=pad))
    wrong = sum(bool(place.target) and place.kind != "next" for place in places)
    end = seen.scores_end
    title = {
        "itself": say(en="Every token is scored against itself", zh="每个词元对照的都是它自己"),
        "padding": say(
            en=f"{wrong} of {len(found)} targets here are padding",
            zh=f"这里的 {len(found)} 个目标，有 {wrong} 个是填充",
        ),
        "no end": say(en="The end of the text is never a target", zh="文本结束符从来不是目标"),
        "right": say(
            en="Each position is scored against the next token, the end included",
            zh="每个位置对照的都是下一个词元，结束符也在内",
        ),
    }.get(seen.verdict, say(en="Some positions are scored against something else", zh="有些位置对照的是别的东西"))
    pairs = say(en=", ", zh="，").join(f"{place.token} → {place.target}" for place in places if place.target)
    return figures.scored(
        places,
        len(model.prefix(captions[0][:1])[0]) - 1,
        title=title,
        alt=say(
            en=f"A caption, position by position, with an arrow from each that is scored down to its target: {pairs}. "
            f"{wrong} targets are marked as wrong. The end of the text is {'a' if end else 'no'} target.",
            zh=f"一句说明文字，逐个位置画出；计入损失的位置都有箭头指向它的目标：{pairs}。标为错误的目标有 {wrong} 个。"
            f"文本结束符{'在' if end else '不在'}目标里。",
        ),
        caption=say(
            en="Read from the gradient alone: each position that is scored pulls one logit up, that of its target. “–”: not scored. “last "
            "patch”: the last position before the text.",
            zh="这些全是从梯度里读出来的：每个计入损失的位置，都把它目标的 logit 往上拉。“–”表示不计入损失；“图块”是图片的最后一块，文字前面的那个位置。",
        ),
    )  # fmt: skip


def x_ray_explorer(model: VLMWithSoftPrompt, captions: Captions) -> Explorer:
    """Choose a loss and a caption, and see what is scored against what: first padding, behind a caption that is not the longest."""
    texts = [model.tokenizer.decode(ids[: int(length) - 1]).strip() for ids, length in zip(captions[1], captions[2])]
    codes = ("shift", "padding", "end", "right")
    controls = {
        "code": make_dropdown(say(en="code", zh="代码"), {called(code): code for code in codes}, "padding", 26),
        "caption": make_dropdown(
            say(en="caption", zh="说明文字"), {text: row for row, text in enumerate(texts)}, 1, 32
        ),
    }
    return Explorer(controls, lambda now: x_ray(now.code, model, captions, now.caption))


def loss_of(code: str) -> Callable[..., Tensor]:
    """A loss by the name of its exhibit."""
    return museum.loss_right if code in ("right", "paper") else museum.exhibit(code).broken


def _target(model: VLMWithSoftPrompt, seen: experiments.XRay, row: int, place: int) -> tuple[str, str]:
    """What a position is scored against, "" for nothing, and what kind of target that is."""
    if place not in seen.targets[row]:
        return "", "next"
    target = seen.targets[row][place]
    if seen.shift == 0:
        kind = "itself"
    elif seen.shift != 1:
        kind = "other"
    else:
        kind = "padding" if place + 1 >= int(seen.lengths[row]) else "next"
    return _pad() if kind == "padding" else _token(model, target), kind


def _pad() -> str:
    return say(en="pad", zh="填充")


def _token(model: VLMWithSoftPrompt, id: int | Tensor) -> str:
    if int(id) == model.tokenizer.eos_token_id:
        return say(en="end", zh="结束符")
    text = model.tokenizer.decode([int(id)])
    return text.strip() or repr(text)[1:-1]


# --- words by another table --------------------------------------------------------------------------------------------------------


def table_explorer(
    clip: CLIPModel, processor: CLIPProcessor, context: Tensor, known: str = "photo of a cat"
) -> Explorer:
    """Turn the table in which words are looked up, and see which known rows, and which learned vectors, still read the same."""
    table = clip.text_model.embeddings.token_embedding.weight.detach()
    ids = processor.tokenizer(known, add_special_tokens=False)["input_ids"]
    pieces = [read_letters(piece) for piece in processor.tokenizer.convert_ids_to_tokens(ids)]
    names = [say(en=f"row of “{piece}”", zh=f"“{piece}”的行") for piece in pieces]
    names += [say(en=f"learned v{number + 1}", zh=f"学出来的 v{number + 1}") for number in range(len(context))]
    vectors = torch.cat([table[ids], context.detach()])
    found: dict[str, dict[int, tuple[float, list[str]]]] = {}

    def looked_up(by: str) -> dict[int, tuple[float, list[str]]]:
        if by not in found:
            found[by] = {}
            for degrees in TURNS:
                turned = museum.turned(table, degrees)
                share = float((_nearest(table, turned, by) == torch.arange(len(table))).float().mean())
                pieces = processor.tokenizer.convert_ids_to_tokens(_nearest(vectors, turned, by).tolist())
                found[by][degrees] = share, [read_letters(piece) for piece in pieces]
        return found[by]

    controls = {
        "degrees": ipywidgets.SelectionSlider(
            options=[(f"{degrees}°", degrees) for degrees in TURNS],
            value=45,
            description=say(en="turned by", zh="转动"),
            continuous_update=False,
            **style_control(30),
        ),
        "by": make_dropdown(
            say(en="nearest by", zh="按什么找"),
            {say(en="distance", zh="距离"): "distance", say(en="cosine", zh="余弦"): "cosine"},
            "distance",
            20,
        ),
    }

    def draw(now: SimpleNamespace) -> Picture:
        by = looked_up(now.by)
        share, words = by[now.degrees]
        own = by[0][1]
        kept = sum(one == other for one, other in zip(words[: len(ids)], own))
        moved = sum(one != other for one, other in zip(words[len(ids) :], own[len(ids) :]))
        return figures.words_by_table(
            TURNS,
            [by[degrees][0] for degrees in TURNS],
            now.degrees,
            list(zip(names, own, words)),
            title=say(
                en=f"Turned by {now.degrees}°: {kept} of {len(ids)} known rows read back; {moved} of {len(context)} learned vectors changed their words",
                zh=f"转 {now.degrees}°：已知的 {len(ids)} 行，{kept} 行读对；学出来的 {len(context)} 个向量，{moved} 个改了口",
            ),
            alt=say(
                en=f"Left, a curve: of all rows of the table, the share that read back as themselves in a table turned by 0 to 90 degrees; it "
                f"stays high at first and then falls to nothing. Marked: {now.degrees} degrees, by {now.by}. Right, a list: {kept} of the "
                f"{len(ids)} known rows (“{known}”) read as they should; beneath, the learned vectors by both tables: "
                f"{moved} of {len(context)} have changed their words.",
                zh=f"左边是一条曲线：表转动 0 到 90 度时，有多大比例的行读回来还是自己；开头一直很高，后来降到零。标出的是 {now.degrees} 度，"
                f"按{'距离' if now.by == 'distance' else '余弦'}找。右边是一张清单：{len(ids)} 个已知的行（“{known}”）里，有 {kept} 个读得对；下面是学出来的 {len(context)} 个向量在两张表里的读法，有 {moved} 个不同。",
            ),
            caption=say(
                en="Every reading is a real token. Nothing about a word shows from which table it comes; only rows whose words are known can tell.",
                zh="读出来的个个都是真有的词元。单看一个词，看不出它出自哪张表；只有词义已知的行才能验证。",
            ),
        )  # fmt: skip

    return Explorer(controls, draw)


def _nearest(vectors: Tensor, table: Tensor, by: str) -> Tensor:
    """The nearest row of each vector: (M,)."""
    if by == "cosine":
        return (F.normalize(vectors, dim=-1) @ F.normalize(table, dim=-1).T).argmax(-1)
    return torch.cdist(vectors, table).argmin(-1)


# --- the luck of many looks --------------------------------------------------------------------------------------------------------


def luck_explorer() -> Explorer:
    """Choose how often one looks at how large a test set, and see how far the best look lies above the truth by luck alone."""
    controls = {
        "looks": ipywidgets.IntSlider(
            30, min=1, max=MOST_LOOKS, description=say(en="evaluations", zh="看几次"), **style_control(30)
        ),
        "pictures": make_dropdown(
            say(en="test set", zh="测试集"),
            {say(en=f"{number:,} pictures", zh=f"{number:,} 张图片"): number for number in TEST_SETS},
            200,
            22,
        ),
        "accuracy": make_dropdown(say(en="truth", zh="真实水平"), {"4.2 %": 1 / 24, "50 %": 0.5, "80 %": 0.8}, 0.5, 18),
    }
    steps = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100)

    def draw(now: SimpleNamespace) -> Picture:
        across = sorted({*steps, now.looks})
        lines, told = [], {}
        for number in TEST_SETS:
            above = [100 * (experiments.expected_best(looks, number, now.accuracy) - now.accuracy) for looks in across]
            mine = number == now.pictures
            colour = BLUE if mine else SLATE
            told[number] = f"{above[across.index(now.looks)]:.1f}"
            name = say(
                en=f"{number:,} pictures: +{told[number]} at {now.looks}",
                zh=f"{number:,} 张：看 {now.looks} 次，高 {told[number]}",
            )
            lines.append(figures.Line(name, across, above, colour, thin=not mine, at=now.looks))
        gain = told[now.pictures]
        listed = say(en=", ", zh="，").join(
            say(en=f"{points} with {number:,}", zh=f"{number:,} 张是 {points}") for number, points in told.items()
        )
        return figures.curves(
            lines,
            say(en="evaluations on the test set, of which the best is reported", zh="看测试集的次数（只报告最好的一次）"),
            say(en="above the truth, on average\n(points)", zh="平均比真实水平高出\n（百分点）"),
            title=say(
                en=f"The best of {now.looks} evaluations on {now.pictures:,} pictures lies {gain} points above the truth",
                zh=f"测试集 {now.pictures:,} 张，看 {now.looks} 次取最好的：虚高 {gain} 个百分点",
            ),
            alt=say(
                en=f"Curves over 1 to {MOST_LOOKS} evaluations, one for each size of the test set: how many points the best lies above the truth. "
                f"All rise, steeply at first, and the smaller the test set the higher. At {now.looks} evaluations: {listed} pictures. "
                f"The thick one is that of {now.pictures:,}.",
                zh=f"横轴是看测试集的次数，从 1 到 {MOST_LOOKS}；每种测试集大小一条曲线：最好的那次比真实水平高出多少个百分点。曲线都上升，开头最陡；"
                f"测试集越小，升得越高。看 {now.looks} 次时：{listed}。粗的那条是 {now.pictures:,} 张。",
            ),
            caption=say(
                en=f"True accuracy {100 * now.accuracy:.1f} %, computed exactly for evaluations that are independent of each other. Neighbouring epochs of one "
                "training are alike, so their luck is smaller. Beside each size: the points at the chosen number of evaluations.",
                zh=f"真实准确率 {100 * now.accuracy:.1f}%；假定每次看都互相独立，这是精确算出来的。同一次训练里相邻的轮彼此相像，运气的成分要小一些。"
                "每个大小后面的数，是所选次数下高出的百分点。",
            ),
            limits=(0, 1.08 * max(max(line.y) for line in lines)),
            ticks=(1, 2, 5, 10, 20, 50, 100),
        )  # fmt: skip

    return Explorer(controls, draw)


# --- which experiment rings for what -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Alarms:
    """What each experiment found in each code, by their names."""

    heading: str
    results: Mapping[str, Mapping[str, Result]]

    @property
    def experiments(self) -> list[str]:
        return list(next(iter(self.results.values())))

    def ringing(self, code: str) -> list[str]:
        """The experiments that ring for a code."""
        return [name for name, result in self.results[code].items() if not result.passed]

    def grid(self) -> figures.Grid:
        return figures.Grid(
            self.heading,
            [called(code) for code in self.results],
            [say(en=EXPERIMENTS[name][0], zh=EXPERIMENTS[name][1]) for name in self.experiments],
            [[result.passed for result in found.values()] for found in self.results.values()],
        )


def text_alarms(clip: CLIPModel, processor: CLIPProcessor) -> Alarms:
    """Every experiment for texts on every text encoder of the museum."""
    right, by_words = museum.encode_right, museum.begin_by_words
    codes = {
        code: (museum.exhibit(code).broken, museum.begin_by_tokens) for code in ("twice", "inserted", "start", "mask")
    }
    found = {}
    for code, (encode, begin) in {
        "right": (right, museum.begin_by_tokens),
        **codes,
        "words": (right, by_words),
    }.items():
        found[code] = {
            "own words": experiments.words_own_vectors(encode, clip, processor, begin=begin),
            "split": experiments.words_own_vectors(encode, clip, processor, "a close-up photo of a", begin),
            "name": experiments.another_name(encode, clip, processor),
            "learns": experiments.every_vector_learns(encode, clip, processor),
            "company": experiments.alone_and_in_company(encode, clip, processor),
        }
    return Alarms(say(en="text encoders", zh="文本编码"), found)


def caption_alarms(model: VLMWithSoftPrompt, captions: Captions) -> Alarms:
    """Every experiment for captions on every loss of the museum, with a language model that has dropout, as GPT-2 is published."""
    frozen = museum.with_dropout(model)
    thawed = deepcopy(frozen)
    thawed.language_model.requires_grad_(True)
    found = {}
    for code in ("right", "shift", "padding", "end", "dropout", "paper"):
        loss, judged = loss_of(code), thawed if code == "paper" else frozen
        learners = ("soft_prompt", "vision_projection")
        found[code] = {
            "library": experiments.library_loss(loss, judged, captions),
            "again": experiments.twice_the_same(loss, judged, captions),
            "more": experiments.more_padding(loss, judged, captions),
            "next": experiments.next_is_target(loss, judged, captions),
            "stop": experiments.end_is_target(loss, judged, captions),
            "only": experiments.only_it_learns(judged, partial(loss, judged, *captions), learners),
        }
    return Alarms(say(en="caption losses", zh="说明文字的损失"), found)


def alarm_explorer(alarms: Alarms, code: str, experiment: str) -> Explorer:
    """Choose a code and an experiment, and see what was measured, and where else it rings. code, experiment: to begin with."""
    controls = {
        "code": make_dropdown(say(en="code", zh="代码"), {called(name): name for name in alarms.results}, code, 28),
        "experiment": make_dropdown(
            say(en="experiment", zh="实验"), {asked(name): name for name in alarms.experiments}, experiment, 30
        ),
    }

    def draw(now: SimpleNamespace) -> Picture:
        result, rings = alarms.results[now.code][now.experiment], alarms.ringing(now.code)
        place = list(alarms.results).index(now.code), alarms.experiments.index(now.experiment)
        listed = [
            f"{called(name)}{say(en=': ', zh='：')}{say(en=', ', zh='、').join(map(asked, alarms.ringing(name)))}"
            for name in alarms.results
            if alarms.ringing(name)
        ]
        return figures.alarms(
            [alarms.grid()],
            (0, *place),
            title=say(
                en=f"“{called(now.code)}”: {len(rings)} of {len(alarms.experiments)} experiments ring",
                zh=f"“{called(now.code)}”：{len(alarms.experiments)} 个实验里有 {len(rings)} 个报警",
            ),
            alt=say(
                en=f"A table of {len(alarms.results)} codes by {len(alarms.experiments)} experiments. These ring, of each code: {'; '.join(listed)}. "
                f"For “{called('right')}” none. Framed: {called(now.code)}, {asked(now.experiment)}.",
                zh=f"一张表，{len(alarms.results)} 种代码，{len(alarms.experiments)} 个实验。各种代码上报警的实验：{'；'.join(listed)}。"
                f"“{called('right')}”没有一个报警。加框的是：{called(now.code)}，{asked(now.experiment)}。",
            ),
            caption=say(en="Measured in the framed cell: ", zh="加框的那一格量出的结果：")
            + result.sentence
            + say(
                en=". “✗ rings”: the experiment has found something.",
                zh="。“✗ 报警”表示这个实验发现了问题。",
            ),
        )

    return Explorer(controls, draw)


def called(code: str) -> str:
    """What a code is called, in the learner's language."""
    return say(en=CODES[code][0], zh=CODES[code][1])


def asked(experiment: str) -> str:
    """What an experiment is called, in the learner's language, on one line."""
    english, chinese = EXPERIMENTS[experiment]
    return say(en=english.replace("\n", " "), zh=chinese.replace("\n", ""))


# --- the list ----------------------------------------------------------------------------------------------------------------------


def checklist() -> Table:
    """The experiments of the museum: what to do, what must come out, and what it exposes."""
    rows = [
        (
            say(en="Context = the vectors of words that split into several tokens", zh="用会拆成几个词元的词，拿它们的向量当上下文"),
            say(en="the library's own features of those words", zh="和库算出的这些词的特征一样"),
            say(en="position embeddings twice or not at all; inserted; read off elsewhere; no mask; wrong number of vectors",
                zh="位置嵌入加了两次或没加、插入、取错地方、没有掩码、个数不对"),
        ),
        (
            say(en="Another class name", zh="换一个类别名"),
            say(en="other features", zh="特征跟着变"),
            say(en="read off before the name", zh="在类别名之前就取了结果"),
        ),
        (
            say(en="One backward pass: who holds a gradient?", zh="反向传播一次：梯度到了谁那里？"),
            say(en="every vector of the prompt, not zero, and nothing else", zh="提示词的每个向量都有，不为零；别处都没有"),
            say(en="frozen on paper; a prompt that nobody reads; a cut-off graph", zh="只在纸面上冻结、提示词没人读、计算图断开"),
        ),
        (
            say(en="Alone, and beside a longer one", zh="单独一个，再和更长的放一批"),
            say(en="the same features, the same loss", zh="特征、损失都不变"),
            say(en="no causal mask; padding scored", zh="没有因果掩码、填充计入损失"),
        ),
        (
            say(en="The library's loss, given labels", zh="把标签交给库，让库算损失"),
            say(en="the same number", zh="同一个数"),
            say(en="every mistake in what is scored; dropout", zh="计入损失的一切错误、dropout"),
        ),
        (
            say(en="X-ray: the gradient of the logits", zh="X 光：logits 的梯度"),
            say(en="each place against the next token; the end a target; padding none", zh="每个位置对照下一个词元；结束符是目标，填充不是"),
            say(en="which of them it is", zh="究竟是哪一种错"),
        ),
        (
            say(en="The same batch twice", zh="同一批算两次"),
            say(en="the same loss", zh="损失相同"),
            say(en="dropout left on", zh="没有关掉 dropout"),
        ),
        (
            say(en="Read rows whose words are known", zh="去读词义已知的行"),
            say(en="themselves", zh="读出来就是自己"),
            say(en="another model's table", zh="查了别的模型的表"),
        ),
        (
            say(en="Permuted labels, reported by the whole script", zh="打乱标签，把整个脚本跑一遍"),
            say(en="chance (where class names bring nothing)", zh="瞎猜的水平（类别名帮不上忙时）"),
            say(en="choosing on the test set; test labels that got in (not test pictures among the training pictures: compare those themselves)",
                zh="在测试集上挑选、测试标签混了进来（训练图片里混进了测试图片，它查不出：要直接比图片）"),
        ),
        (
            say(en="Every option at two extremes, several seeds", zh="每个选项取两个极端，多换几个种子"),
            say(en="other results", zh="结果跟着变"),
            say(en="options that do nothing", zh="不起作用的选项"),
        ),
    ]  # fmt: skip
    header = (
        say(en="do this", zh="做什么"),
        say(en="this must come out", zh="应该得到"),
        say(en="it exposes", zh="能揭穿"),
    )
    return Table(rows, header)


def gradient_count(models: Mapping[str, torch.nn.Module], loss: Callable[[Any], Tensor]) -> Table:
    """After one backward pass of each: what `parameters()` tells, and who really holds a gradient."""
    rows = []
    for name, model in models.items():
        with experiments.as_it_was(model):
            loss(model).backward()
            held = {key: p for key, p in model.named_parameters() if p.grad is not None}
        told = [p for p in model.parameters() if p.requires_grad]
        rows.append(
            (name, f"{sum(p.numel() for p in told):,}", f"{len(held)}", f"{sum(p.numel() for p in held.values()):,}")
        )
    header = (
        say(en="model", zh="模型"),
        say(en="numbers that parameters() says learn", zh="parameters() 说在学的数"),
        say(en="tensors that hold a gradient", zh="收到梯度的张量"),
        say(en="numbers in these", zh="其中的数"),
    )
    return Table(rows, header, align="right")
