"""What a learned context does to classes it never saw: the stored study, pocket/studies/context_study.py, and published numbers.

Numbers of others: Zhou et al. 2022, arXiv 2203.05557.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import harmonic_mean, mean
from types import SimpleNamespace

from helpers.language import say
from helpers.notebook import Table
from lessons.kit.context_training import HAND
from lessons.kit.explorer import Explorer, format_percent
from lessons.kit.picture import BLUE, INK, VERMILION, Picture
from lessons.lesson_02_learnable_context import figures
from lessons.lesson_02_learnable_context.explorers import shared
from pocket.studies.context_study import FILE, NewClassesRun, load_study

PUBLISHED = {  # base, new, harmonic mean: ViT-B/16, 16 shots, the mean of 11 data sets (Zhou et al. 2022, arXiv 2203.05557, table 1)
    "CLIP": (0.6934, 0.7422, 0.7170),
    "CoOp": (0.8269, 0.6322, 0.7166),
    "CoCoOp": (0.8047, 0.7169, 0.7583),
}


def explore_base_to_new(file: Path = FILE) -> Explorer:
    """Choose how strongly a context is held to the hand prompt, and see what it wins and loses on classes it never saw."""
    study = load_study(file)
    by_task = {entry.task: entry for entry in study.base_to_new}
    weights = sorted({run.regularisation for entry in by_task.values() for run in entry.runs})
    controls = {
        "task": shared.make_task_dropdown(list(by_task)),
        "weight": shared.make_options_slider(weights, weights[0], say(en="weight", zh="正则化强度"), 26),
    }
    published = figures.Panel(
        say(en="Published: 11 sets of photos", zh="论文：11 个照片数据集"),
        [
            figures.Method(name, [[share] for share in PUBLISHED[name]], colour, marker)
            for name, colour, marker in (("CLIP", INK, "D"), ("CoOp", BLUE, "o"), ("CoCoOp", VERMILION, "s"))
        ],
    )

    def draw(now: SimpleNamespace) -> Picture:
        entry, task = by_task[now.task], shared.find_study_task(now.task)
        hand = entry.hand_base, entry.hand_new
        columns = {
            weight: _list_columns([run for run in entry.runs if run.regularisation == weight]) for weight in weights
        }
        ours = figures.Panel(
            say(en="The pocket model", zh="口袋模型"),
            [
                *(figures.Method("", columns[weight], faint=True) for weight in weights if weight != now.weight),
                figures.Method(
                    say(en="hand prompt", zh="手工提示词"),
                    [[share] for share in (*hand, harmonic_mean(hand))],
                    INK,
                    "D",
                ),
                figures.Method(say(en="context", zh="上下文向量"), columns[now.weight], BLUE),
            ],
        )
        gains = [_format_gain(runs, prompt) for runs, prompt in zip(columns[now.weight], hand)]
        everything = [share for runs in (*columns.values(), PUBLISHED.values()) for column in runs for share in column]
        return figures.draw_base_and_new(
            [ours, published],
            shared.find_limits([*everything, *hand]),
            title=say(
                en=f"{task.title}, regularisation {now.weight:g}: {gains[0]} points on base classes, {gains[1]} on new ones",
                zh=f"{task.title}，正则化强度 {now.weight:g}：基类 {gains[0]} 个百分点，新类 {gains[1]} 个百分点",
            ),
            alt=_describe_base_to_new(task.description, now.weight, columns[now.weight], hand),
            caption=_explain_base_to_new(now.weight, columns[now.weight], hand, len(weights) - 1)
            + shared.describe_study(study),
        )

    return Explorer(controls, draw)


def tabulate_base_to_new(file: Path = FILE) -> Table:
    """Of each task and weight of the regularisation the mean test accuracies in per cent, under those of the hand prompt."""
    header = (
        say(en="task and prompt", zh="任务和提示词"),
        say(en="base classes", zh="基类"),
        say(en="new classes", zh="新类"),
        say(en="harmonic mean", zh="调和平均"),
    )
    rows = []
    for entry in load_study(file).base_to_new:
        base, new, task = entry.hand_base, entry.hand_new, shared.find_study_task(entry.task).description
        rows.append((f"{task}{say(en=': ', zh='：')}{HAND}", base, new, harmonic_mean((base, new))))
        for weight in sorted({run.regularisation for run in entry.runs}):
            columns = _list_columns([run for run in entry.runs if run.regularisation == weight])
            name = say(en=f"context, regularisation {weight:g}", zh=f"上下文向量，正则化强度 {weight:g}")
            rows.append((name, *map(mean, columns)))
    return Table([(name, *(f"{100 * share:.1f}" for share in shares)) for name, *shares in rows], header, align="right")


def _list_columns(runs: Sequence[NewClassesRun]) -> list[list[float]]:
    """Run by run the accuracy on base and on new classes, and their harmonic mean: near the smaller of the two, so high needs both."""
    return [[run.base for run in runs], [run.new for run in runs], [harmonic_mean((run.base, run.new)) for run in runs]]


def _describe_base_to_new(
    task: str, weight: float, columns: Sequence[Sequence[float]], hand: tuple[float, float]
) -> str:
    base, new, both = (format_percent(mean(column)) for column in columns)
    by_hand = [format_percent(share) for share in (*hand, harmonic_mean(hand))]
    others_en = "; ".join(f"{name} {', '.join(map(format_percent, shares))}" for name, shares in PUBLISHED.items())
    others_zh = "；".join(f"{name} 是 {'、'.join(map(format_percent, shares))}" for name, shares in PUBLISHED.items())
    return say(
        en=f"Two diagrams with three columns each: base classes, new classes, harmonic mean. Left, the pocket model; the task: "
        f"{task}. With the regularisation {weight:g} the context has {base}, {new} and {both}, the hand prompt "
        f"{by_hand[0]}, {by_hand[1]} and {by_hand[2]}. Hollow dots are other weights. Right, published numbers: {others_en}.",
        zh=f"两张图，各有三栏：基类、新类、调和平均。左图是口袋模型，任务：{task}。正则化强度为 {weight:g} 时，上下文向量的准确率是 "
        f"{base}、{new}、{both}，手工提示词是 {'、'.join(by_hand)}。空心点是别的强度。右图是论文公布的数：{others_zh}。",
    )


def _explain_base_to_new(
    weight: float, columns: Sequence[Sequence[float]], hand: tuple[float, float], others: int
) -> str:
    base, new, both = (mean(column) for column in columns)
    clip, coop, runs = PUBLISHED["CLIP"], PUBLISHED["CoOp"], len(columns[0])
    strength = (
        say(en="Without regularisation the context", zh="不加正则化时，上下文向量")
        if not weight
        else say(en=f"With the regularisation {weight:g} the context", zh=f"正则化强度为 {weight:g} 时，上下文向量")
    )
    return say(
        en=f"{strength} gets {format_percent(base)} on the classes it learned from, {shared.compare_with_hand(base, hand[0])} the hand prompt, and {format_percent(new)} on new "
        f"ones, {shared.compare_with_hand(new, hand[1])} it; in the harmonic mean {format_percent(both)}, {shared.compare_with_hand(both, harmonic_mean(hand))} it (means of {runs} "
        f"runs). Hollow dots: the other {others} weights. CoOp, on 11 sets of photos with ViT-B/16 and 16 shots, has {shared.compare_with_hand(coop[0], clip[0])} CLIP on "
        f"base classes, {shared.compare_with_hand(coop[1], clip[1])} it on new ones (Zhou et al. 2022, arXiv 2203.05557). ",
        zh=f"{strength}在学过的基类上是 {format_percent(base)}，{shared.compare_with_hand(base, hand[0])}；在没学过的新类上是 {format_percent(new)}，"
        f"{shared.compare_with_hand(new, hand[1])}；调和平均 {format_percent(both)}，{shared.compare_with_hand(both, harmonic_mean(hand))}（{runs} 次训练的平均）。空心点是另外 {others} 种强度。"
        f"右图：ViT-B/16，每类 16 张图片，11 个照片数据集的平均，CoOp 在基类上比 CLIP {shared.compare_accuracies(coop[0], clip[0])}，新类上"
        f"{shared.compare_accuracies(coop[1], clip[1])}（Zhou 等，2022，arXiv 2203.05557）。",
    )


def _format_gain(runs: Sequence[float], hand: float) -> str:
    """How many points the mean of runs is above the hand prompt, with its sign."""
    return f"{shared.count_points(mean(runs), hand):+.1f}".replace("-", "−")
