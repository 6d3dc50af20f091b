"""What the stored study says of learned contexts by the number of shots. The study is pocket/studies/context_study.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from types import SimpleNamespace

import ipywidgets

from helpers.language import say
from helpers.notebook import Table
from lessons.kit.context_training import HAND
from lessons.kit.explorer import Explorer, format_count, format_percent, make_row
from lessons.kit.picture import BLUE, SLATE, VERMILION, Picture
from lessons.lesson_02_learnable_context import figures
from lessons.lesson_02_learnable_context.explorers import shared
from pocket.studies.context_study import FILE, load_study

COLOURS = {"context": BLUE, "probe": VERMILION, "class_mean": SLATE}
MARKERS = {"context": "o", "probe": "s", "class_mean": "^"}


def explore_shots(file: Path = FILE) -> Explorer:
    """Choose a task and what to compare, and see the test accuracy over the number of shots, run by run, beside hand-written prompts."""
    study = load_study(file)
    by_task = {entry.task: entry for entry in study.shots}
    names = {
        "context": say(en="learned context", zh="学到的上下文向量"),
        "probe": say(en="linear probe", zh="线性探针"),
        "class_mean": say(en="nearest class mean", zh="最近类均值"),
    }
    controls: dict[str, ipywidgets.Widget] = {
        "task": shared.make_task_dropdown(list(by_task)),
        **{method: _make_checkbox(name) for method, name in names.items()},
        "prompts": _make_checkbox(say(en="hand-written prompts", zh="手工提示词")),
    }

    def draw(now: SimpleNamespace) -> Picture:
        entry, task = by_task[now.task], shared.find_study_task(now.task)
        shots = sorted({run.shots for run in entry.runs})
        shown = [method for method in names if getattr(now, method)]
        columns = {
            method: [[getattr(run, method) for run in entry.runs if run.shots == number] for number in shots]
            for method in names
        }  # of each method, accuracies by shots and seed
        own, averaged = f"“{entry.own_template.removesuffix('.')}”", len(entry.ensemble_templates)
        prompts = [
            (HAND, entry.hand),
            (say(en=f"{averaged} templates averaged", zh=f"{averaged} 个模板取平均"), entry.ensemble),
            (own, entry.own),
        ]
        everything = [share for method in columns.values() for runs in method for share in runs]
        limits = shared.find_limits(everything + [share for _, share in prompts])
        methods = [figures.Method(names[method], columns[method], COLOURS[method], MARKERS[method]) for method in shown]
        prompts = prompts if now.prompts else []
        most = format_percent(mean(columns["context"][-1]))
        return figures.draw_accuracy_by_shots(
            shots,
            figures.Panel(
                say(en="A dot: one run; a line: their mean", zh="点：一次训练；线：它们的平均"), methods, prompts
            ),
            limits,
            title=say(
                en=f"{task.title}: with {shots[-1]} shots the context gets {most}, {HAND} {format_percent(entry.hand)}",
                zh=f"{task.title}：每类 {shots[-1]} 张图时，上下文向量的准确率是 {most}，{HAND}是 {format_percent(entry.hand)}",
            ),
            alt=_describe_shots(task.description, shots, {names[method]: columns[method] for method in shown}, prompts),
            caption=_explain_shots(shots, columns["context"], entry.hand) + shared.describe_study(study),
        )

    explorer = Explorer(controls, draw)
    task, *ticks = explorer.controls.values()
    explorer.widget.children = [make_row(task), make_row(*ticks), explorer.view]
    return explorer


def _describe_shots(
    task: str,
    shots: Sequence[int],
    methods: Mapping[str, Sequence[Sequence[float]]],
    lines: Sequence[tuple[str, float]],
) -> str:
    first, last = shots[0], shots[-1]
    en = [
        f"{name} from {format_percent(mean(runs[0]))} to {format_percent(mean(runs[-1]))}"
        for name, runs in methods.items()
    ]
    zh = [
        f"{name}从 {format_percent(mean(runs[0]))} 到 {format_percent(mean(runs[-1]))}"
        for name, runs in methods.items()
    ]
    flat = [f"{name} {format_percent(share)}" for name, share in lines]
    return say(
        en=f"Accuracy on test pictures over {', '.join(map(str, shots))} shots; the task: {task}. "
        + (
            f"Means from {format_count(first, 'shot')} to {last}: {'; '.join(en)}. "
            if en
            else "No method that learns is shown. "
        )
        + (f"Horizontal lines for prompts: {'; '.join(flat)}." if flat else "No lines for prompts."),
        zh=f"测试集上的准确率，横轴是每类 {'、'.join(map(str, shots))} 张训练图片；任务：{task}。"
        + (f"从每类 {first} 张到 {last} 张的平均值：{'；'.join(zh)}。" if zh else "没有画要学习的方法。")
        + (f"水平线是提示词：{'；'.join(flat)}。" if flat else "没有画提示词的水平线。"),
    )


def _explain_shots(shots: Sequence[int], context: Sequence[Sequence[float]], hand: float) -> str:
    """How the context does against the hand prompt with the fewest and with the most shots."""
    (first, few), (last, many) = (shots[0], context[0]), (shots[-1], context[-1])
    return say(
        en=f"With {format_count(first, 'shot')} a class the learned context gets {_summarise_runs(few, hand)}. With {last} shots it gets {_summarise_runs(many, hand)}. "
        f"The hand prompt {HAND} gets {format_percent(hand)} and needs no pictures. ",
        zh=f"每类只有 {first} 张图片时，学到的上下文向量的准确率{_summarise_runs(few, hand)}；每类 {last} 张时{_summarise_runs(many, hand)}。"
        f"手工提示词{HAND}是 {format_percent(hand)}，一张图片也不用。",
    )


def _summarise_runs(runs: Sequence[float], hand: float) -> str:
    """The mean and the range of runs, and how far they are from the hand prompt."""
    better, count = sum(run > hand for run in runs), len(runs)
    often = (
        say(en=f"all {count} runs beat it", zh=f"{count} 次都超过了它")
        if better == count
        else say(en=f"{better} of {count} runs beat{'s' * (better < 2)} it", zh=f"{count} 次里有 {better} 次超过它")
        if better
        else say(en=f"none of {count} runs beats it", zh=f"{count} 次都没有超过它")
    )
    return say(
        en=f"{format_percent(mean(runs))} on average ({format_percent(min(runs))} to {format_percent(max(runs))}), {shared.compare_with_hand(mean(runs), hand)} the hand prompt; "
        f"{often}",
        zh=f"平均 {format_percent(mean(runs))}（{format_percent(min(runs))} 到 {format_percent(max(runs))}），{shared.compare_with_hand(mean(runs), hand)}，{often}",
    )


def tabulate_shots(file: Path = FILE) -> Table:
    """Of each task the test accuracies in per cent: hand-written prompts, and the means of what was learned, by the number of shots.

    The last column says how many runs with the fewest shots stayed below the hand prompt.
    """
    entries = load_study(file).shots
    shots = sorted({run.shots for run in entries[0].runs})
    names = {"context": say(en="context", zh="上下文向量"), "probe": say(en="linear probe", zh="线性探针")}
    few = say(en=format_count(shots[0], "shot"), zh=f"每类 {shots[0]} 张")
    header = (
        say(en="task: what learned", zh="任务：学习的方法"),
        HAND,
        say(en="the secret told", zh="说出秘密"),
        few,
        *map(str, shots[1:]),
        say(en=f"{few}: below {HAND}", zh=f"{few}时低于{HAND}"),
    )
    rows = []
    for entry in entries:
        for method, name in names.items():
            runs = [[getattr(run, method) for run in entry.runs if run.shots == number] for number in shots]
            below, tries = sum(share < entry.hand for share in runs[0]), len(runs[0])
            rows.append(
                (
                    f"{shared.find_study_task(entry.task).title}{say(en=': ', zh='：')}{name}",
                    *(f"{100 * share:.1f}" for share in (entry.hand, entry.own, *map(mean, runs))),
                    say(en=f"{below} of {tries} tries", zh=f"{tries} 次里 {below} 次"),
                )
            )
    return Table(rows, header, align="right")


def _make_checkbox(label: str) -> ipywidgets.Checkbox:
    return ipywidgets.Checkbox(
        True, description=label, indent=False, layout={"width": "auto", "margin": "2px 1.2em 2px 0"}
    )
