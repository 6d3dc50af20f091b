"""What the stored study says: the shift, three faults, what each part contributes, prompts, and settings.

The study is pocket/studies/captioner_study.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from types import SimpleNamespace
from typing import Any

from helpers.language import say
from helpers.notebook import Table
from lessons.kit.explorer import Explorer, format_percent, make_dropdown
from lessons.kit.picture import Picture
from lessons.lesson_03_soft_prompt.exercises import CURVES
from lessons.lesson_03_soft_prompt.figures import measurements as figures
from pocket.scoring import CaptionScores
from pocket.studies.captioner_study import FILE, Answers, CaptionerStudy, TipRun, load_study
from pocket.words import translate

EXAMPLES = 2  # captions under two losses
KINDS = {"object": "物体", "colour": "颜色", "size": "大小", "background": "背景", "style": "风格"}

WAYS = {
    "as trained": "和训练时一样",
    "soft prompt removed": "去掉软提示词",
    "zeros instead": "换成零向量",
    "words instead": "换成词语",
    "no picture": "不给图片",
    "shuffled pictures": "打乱图片",
    "without soft prompt": "没有软提示词",
    "pooled feature": "只用一个池化特征",
}
TIPS = {
    "rate": ("learning rate", "学习率"),
    "length": ("prompt length", "提示词向量个数"),
    "pictures": ("training pictures", "训练图片数"),
    "begin": ("initialisation", "初始化"),
    "steps": ("steps", "步数"),
    "batch": ("batch size", "批大小"),
    "features": ("vision features", "图片特征"),
}
CHINESE_VALUES = {
    "random": "随机数",
    "words": "词语",
    "vocabulary": "随机抽出的词",
    "all at random": "都用随机数",
    "projection as words": "投影从词语开始",
    "prompt as words": "提示词从词语开始",
    "both as words": "两者都从词语开始",
    "patches": "图块（倒数第二层）",
    "last layer": "图块（最后一层）",
    "pooled": "池化特征",
}


def draw_two_losses(file: Path = FILE) -> Picture:
    """The right loss beside the classic mistake, a loss without the shift: both losses over the steps, and what each learns to say."""
    study = load_study(file)
    runs = sorted(study.shift, key=lambda run: not run.shifted)  # the right one first
    own, true = [run.history for run in runs], [run.next_token_loss for run in runs]
    said = [(truth, [run.captions[i][1] for run in runs]) for i, (truth, _) in enumerate(runs[0].captions[:EXAMPLES])]
    ends = [(f"{one.evaluations[-1].validation_loss:.2g}", f"{other[-1]:.2g}") for one, other in zip(own, true)]
    objects = [run.object for run in runs]
    told_en = "; ".join(f"the truth “{truth}”, shifted “{one}”, not shifted “{other}”" for truth, (one, other) in said)
    told_zh = "；".join(f"真实的是“{truth}”，错开的说“{one}”，没有错开的说“{other}”" for truth, (one, other) in said)
    return figures.draw_loss_pairs(
        own,
        true,
        said,
        names=(say(en="shifted", zh="错开一位"), say(en="not shifted", zh="没有错开")),
        title=say(
            en=f"Not shifted, the loss falls to {ends[1][0]}, but that of the next token ends at {ends[1][1]}",
            zh=f"没有错开，损失降到 {ends[1][0]}，可是预测下一个词元的损失最后是 {ends[1][1]}",
        ),
        alt=say(
            en=f"Two diagrams over {own[0].steps} steps. Left, the loss that each was trained with: at the end {ends[0][0]} with shifted labels, "
            f"{ends[1][0]} without the shift. Right, the loss of the next token: {ends[0][1]} and {ends[1][1]}. Beneath, captions: {told_en}.",
            zh=f"两张图，横轴是 {own[0].steps} 步训练。左图是各自训练用的损失：最后，错开的是 {ends[0][0]}，没有错开的是 {ends[1][0]}。右图是下一个词元的"
            f"损失：{ends[0][1]} 和 {ends[1][1]}。下面是说明文字：{told_zh}。",
        ),
        caption=say(
            en="Not shifted: what is predicted at a token is compared with that token itself, which stands in the input. Its own loss says that all "
            f"is well; yet after {own[1].steps:,} steps {format_percent(objects[1])} of the objects are named right, and {format_percent(objects[0])} with the shift. ",
            zh=f"没有错开：每个词元处的预测，拿来比的是这个词元自己，而它就写在输入里。光看自己的损失，一切都好；可是 {own[1].steps:,} 步之后，物体只说对了 "
            f"{format_percent(objects[1])}，错开的说对了 {format_percent(objects[0])}。",
        )
        + name_source(study),
    )


def draw_three_curves(file: Path = FILE) -> Picture:
    """Three learning curves, A, B and C, with a fault each, for the learner to tell which: it is named nowhere here."""
    study = load_study(file)
    of = {run.fault: run.history for run in study.faults}
    panels = {letter: of[what] for letter, what in CURVES.items()}
    en, zh = [], []
    for letter, run in panels.items():
        loss, check = (
            (f"{losses[0]:.2f}", f"{losses[-1]:.2f}") for losses in map(run.column, ("loss", "validation_loss"))
        )
        low, at = f"{run.best.validation_loss:.2f}", run.best.step
        en.append(
            f"{letter}, {run.steps} steps: training loss from {loss[0]} to {loss[1]}, validation loss from {check[0]} to {check[1]}, lowest at "
            f"step {at} with {low}"
        )
        zh.append(
            f"{letter} 图，{run.steps} 步：训练集损失从 {loss[0]} 到 {loss[1]}，验证集损失从 {check[0]} 到 {check[1]}，最低是第 {at} 步的 {low}"
        )
    return figures.draw_loss_panels(
        panels,
        title=say(en="Three trainings: A, B and C", zh="三次训练：A、B、C"),
        alt=say(en=f"Three learning curves. {'. '.join(en)}.", zh=f"三条学习曲线。{'。'.join(zh)}。"),
        caption=say(
            en="Solid: the loss of the training pictures of each step; dashed: of validation pictures. The scale of the loss is logarithmic and "
            "the same in all three; the numbers of steps are not. ",
            zh="实线是每一步那批训练图片的损失，虚线是验证图片的。三张图的损失轴是同一个对数刻度，步数不全相同。",
        )
        + name_source(study),
    )


def draw_parts(file: Path = FILE) -> Picture:
    """What each part of the captioner contributes: shares of facts right, as it was trained, with parts exchanged, and trained anew."""
    study = load_study(file)
    ways = _group_by_way(study)
    groups: dict[bool, list[figures.DotRow]] = {False: [], True: []}
    headings = say(en="once trained", zh="同一批模型"), say(en="trained anew", zh="重新训练")
    for (anew, way), runs in ways.items():
        columns = [[getattr(run, kind) for run in runs] for kind in KINDS]
        groups[anew].append(figures.DotRow(_name_way(way), columns, bold=way == "as trained"))
    chance, steps = study.chance, f"{study.config.steps:,}"
    right, background = (
        {way: format_percent(_average(runs, kind)) for (_, way), runs in ways.items()}
        for kind in ("object", "background")
    )
    objects, backgrounds = ([f"{_name_way(way)} {share}" for way, share in of.items()] for of in (right, background))
    seeds = max(len(runs) for runs in ways.values())
    return figures.draw_dots_in_rows(
        {headings[anew]: rows for anew, rows in groups.items() if rows},
        [
            figures.Measure(
                _name_fact_kind(kind), line=(chance, say(en="chance", zh="瞎猜")) if kind == "object" else None
            )
            for kind in KINDS
        ],
        title=say(
            en=f"Objects right after {steps} steps: {right['as trained']} as trained, {right['no picture']} without the picture",
            zh=f"{steps} 步之后说对的物体：和训练时一样问，{right['as trained']}；不给图片，{right['no picture']}",
        ),
        alt=say(
            en=f"Five diagrams side by side, for object, colour, size, background and style, with a row for each way to ask. Objects right on "
            f"average: {'; '.join(objects)}. A dotted line marks chance, {format_percent(chance)}. Backgrounds right: {'; '.join(backgrounds)}.",
            zh=f"并排五张图，分别是物体、颜色、大小、背景和风格，每种做法一行。物体说对的平均比例：{'；'.join(objects)}。点线标出瞎猜的 "
            f"{format_percent(chance)}。背景说对的：{'；'.join(backgrounds)}。",
        ),
        caption=say(
            en=f"Shares of what is true of the test pictures that the captions say. A dot: one of {seeds} trainings of {steps} steps; a tick: their mean. A colour or "
            "a size counts only with the right object. Above, the same captioners, with a part taken away or exchanged only when they are asked; below, "
            "others that learned without that part. ",
            zh=f"测试图片里的事实，说明文字说对了多少。一个点是一次训练（共 {seeds} 次，每次 {steps} 步），竖线是平均。颜色和大小要连物体一起说对才算。"
            "上面几行是同一批模型，只在提问时去掉或换掉一部分；下面几行是从训练起就没有那一部分的。",
        )
        + name_source(study),
    )


def tabulate_parts(file: Path = FILE) -> Table:
    """Of each way to ask or to train the mean shares of facts right, in per cent."""
    study = load_study(file)
    steps = f"{study.config.steps:,}"
    header = (say(en=f"after {steps} steps", zh=f"{steps} 步之后"), *(_name_fact_kind(kind) for kind in KINDS))
    anew = say(en="trained anew: ", zh="重新训练：")
    rows = [
        (f"{anew if trained else ''}{_name_way(way)}", *(f"{100 * _average(runs, kind):.1f}" for kind in KINDS))
        for (trained, way), runs in _group_by_way(study).items()
    ]
    return Table(rows, header, align="right")


def tabulate_prompts(file: Path = FILE) -> Table:
    """Of each prompt, learned and in words, how many answers have which form and how many are right in what was asked for, in per cent.

    Beside it what the best single answer to all pictures would get.
    """
    prompts = load_study(file).prompts
    forms = list(prompts[0].learned.form)
    header = (
        say(en="prompt", zh="提示词"),
        *(say(en=f"form: {name}", zh=f"形式：{translate(name)}") for name in forms),
        say(en="content right", zh="内容正确"),
        say(en="one answer to all", zh="一律同一个答案"),
    )

    def format_row(name: str, answers: Answers, null: str) -> tuple[str, ...]:
        return name, *(f"{100 * answers.form[of]:.1f}" for of in forms), f"{100 * answers.content:.1f}", null

    rows = []
    for entry in prompts:
        name = translate(entry.prompt)
        rows.append(format_row(name, entry.learned, f"{100 * entry.one_answer_to_all:.1f}"))
        rows.append(format_row(say(en=f"{name}, in words", zh=f"{name}（用词语）"), entry.by_hand, ""))
    return Table(rows, header, align="right")


def explore_tips(file: Path = FILE) -> Explorer:
    """Choose a setting of the training, and see how the captioner does at each of its values."""
    study = load_study(file)
    tips, steps = _group_by_tip(study), study.short_config.steps
    controls = {
        "tip": make_dropdown(say(en="setting", zh="设置"), {_name_tip(name): name for name in tips}, next(iter(tips)), 24)
    }  # fmt: skip

    def draw_now(now: SimpleNamespace) -> Picture:
        values = tips[now.tip]
        losses = {value: _average(runs, "validation_loss") for value, runs in values.items()}
        best = min(losses, key=losses.__getitem__)
        right = {value: _average(runs, "object") for value, runs in values.items()}
        measures = ("object", "exact", "validation_loss")
        rows = [
            figures.DotRow(
                _name_value(value), [[getattr(run, name) for run in runs] for name in measures], bold=value == best
            )
            for value, runs in values.items()
        ]
        told = say(en="; ", zh="；").join(
            f"{_name_value(value)}{say(en=': ', zh='：')}{format_percent(right[value])}" for value in values
        )
        return figures.draw_dots_in_rows(
            {"": rows},
            [
                figures.Measure(_name_fact_kind("object")),
                figures.Measure(say(en="everything in a caption", zh="整句全对")),
                figures.Measure(say(en="validation loss", zh="验证集损失"), share=False),
            ],
            title=say(
                en=f"{_name_tip(now.tip).capitalize()}: lowest validation loss at “{_format_value(best)}”; objects right after {steps} steps: {format_percent(right[best])}",
                zh=f"{_name_tip(now.tip)}：验证集损失最低的是“{_name_value(best)}”，{steps} 步之后物体说对 {format_percent(right[best])}",
            ),
            alt=say(
                en=f"Three diagrams side by side, with a row for each value of the setting “{_name_tip(now.tip)}”. Objects right: {told}. The "
                f"validation loss is lowest at {_name_value(best)}, with {losses[best]:.2f}.",
                zh=f"并排三张图，“{_name_tip(now.tip)}”的每个取值一行。物体说对的比例：{told}。验证集损失最低的取值是“{_name_value(best)}”，为 "
                f"{losses[best]:.2f}。",
            ),
            caption=say(
                en=f"A dot is one training of {steps} steps. Left, objects named right on test pictures; in the middle, captions in which "
                "nothing is missing or wrong; right, on a logarithmic scale, the validation loss, which is what one may choose by: ▶ marks the "
                "lowest. ",
                zh=f"一个点是一次 {steps} 步的训练。左图是测试图片上物体说对的比例，中间是一句话里什么都不缺、什么都不错的比例，右图是验证集损失，"
                "用对数刻度：挑选设置只能看它，▶ 标出最低的一行。",
            )
            + name_source(study),
        )

    return Explorer(controls, draw_now)


def tabulate_tips(file: Path = FILE) -> Table:
    """Of each setting and value the means: objects right and captions right in per cent, and the validation loss."""
    study = load_study(file)
    steps = study.short_config.steps
    header = (
        say(en=f"setting, after {steps} steps", zh=f"设置和取值，{steps} 步之后"),
        say(en="object", zh="物体"),
        say(en="everything", zh="整句全对"),
        say(en="validation loss", zh="验证集损失"),
    )
    rows = [
        (
            f"{_name_tip(tip)}{say(en=': ', zh='：')}{_name_value(value)}",
            *(f"{100 * _average(runs, name):.1f}" for name in ("object", "exact")),
            f"{_average(runs, 'validation_loss'):.3f}",
        )
        for tip, values in _group_by_tip(study).items()
        for value, runs in values.items()
    ]
    return Table(rows, header, align="right")


def _average(runs: Sequence[CaptionScores | TipRun], number: str) -> float:
    return mean(getattr(run, number) for run in runs)


def _group_by_way(study: CaptionerStudy) -> dict[tuple[bool, str], list[CaptionScores]]:
    """What the runs of each way got: whether it was trained anew, and its name. What was trained whole is what the others are asked of."""
    grouped: dict[tuple[bool, str], list[CaptionScores]] = {}
    for run in study.asked:
        grouped.setdefault((False, run.how), []).append(run.scores)
    for run in study.trained:
        if run.trained != "whole":
            grouped.setdefault((True, run.trained), []).append(run.scores)
    return grouped


def _group_by_tip(study: CaptionerStudy) -> dict[str, dict[Any, list[TipRun]]]:
    """The runs of each setting at each of its values."""
    grouped: dict[str, dict[Any, list[TipRun]]] = {}
    for run in study.tips:
        grouped.setdefault(run.tip, {}).setdefault(run.value, []).append(run)
    return grouped


def _name_way(name: str) -> str:
    return say(en=name, zh=WAYS.get(name, name))


def _name_fact_kind(kind: str) -> str:
    return say(en=kind, zh=KINDS[kind])


def _name_tip(name: str) -> str:
    en, zh = TIPS.get(name, (name, name))
    return say(en=en, zh=zh)


def _format_value(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:,g}" if value < 1 else f"{value:,}"


def _name_value(value: Any) -> str:
    return say(en=_format_value(value), zh=CHINESE_VALUES.get(value, _format_value(value)))


def name_source(study: CaptionerStudy) -> str:
    return say(
        en=f"Stored runs on the pocket models, made by “{study.command}”.",
        zh=f"口袋模型上事先存好的训练，由 {study.command} 得到。",
    )
