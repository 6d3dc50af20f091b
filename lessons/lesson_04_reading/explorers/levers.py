"""Explorers of lesson 04: what words do in the place of vectors, to the accuracy and to the loss."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean
from types import SimpleNamespace

import numpy as np
from torch import Tensor

from helpers import reading
from helpers.language import say
from helpers.notebook import Table
from lessons.kit.explorer import Explorer, format_count, make_dropdown
from lessons.kit.picture import Picture
from lessons.lesson_04_reading.explorers import shared
from lessons.lesson_04_reading.explorers.shared import NAMED
from lessons.lesson_04_reading.figures import levers as figures
from pocket.studies import reading_study
from pocket.studies.reading_study import RIGHT, HelpfulWords

# --- what is left on words -------------------------------------------------------------------------------------------------------


def tabulate_snapping() -> Table:
    """Of some tasks the test accuracies in per cent: a hand-written prompt, what was learned, the same snapped to words, words found by a
    search that never leaves them, and words drawn at random; means, and in brackets the least and the most."""
    wanted = list(reading_study.FOLLOWED)
    wanted += [reading_study.make_secret_task(name).name for name in ("blue", "large", "left")]
    wanted += [reading_study.make_style_task("mosaic").name, reading_study.ON_ITS_SIDE.name]
    header = (
        say(en="task", zh="任务"),
        "“a photo of a {}”",
        say(en="learned", zh="学出来的向量"),
        say(en="snapped to words", zh="换成最近的词"),
        say(en="search on words", zh="只在词上搜索"),
        say(en="random words", zh="随机的词"),
    )
    study, rows = reading_study.load_study(), []
    for task in (task for task in shared.find_tasks() if task in wanted):
        runs, by_hand = shared.find_contexts(task=task, init="random", permuted=False), study.helpful_words(task)
        searched = [run.accuracy for run in study.on_words if run.task == task]
        rows.append(
            (
                shared.describe_task(task),
                f"{100 * by_hand.hand:.1f}",
                _format_range([run.accuracy for run in runs]),
                _format_range([run.snapped for run in runs]),
                _format_range(searched),
                _format_range(by_hand.random_words),
            )
        )
    return Table(rows, header, align="right")


def _format_range(shares: Sequence[float]) -> str:
    """The mean in per cent, and between which numbers the single ones lie."""
    return f"{100 * mean(shares):.1f} ({100 * min(shares):.1f}–{100 * max(shares):.1f})"


# --- words as levers -------------------------------------------------------------------------------------------------------------


def explore_levers() -> Explorer:
    """Choose a task, and see of every word how near it is to what was learned, and what it does to the loss when it is written down."""
    tasks, words = shared.find_tasks(), shared.read_words()
    names = [words.names[row] for row in words.words.tolist()]
    first = "blurred" if "blurred" in tasks else tasks[0]
    options = {shared.describe_task(task): task for task in tasks}
    controls = {"task": make_dropdown(say(en="task", zh="任务"), options, first, 36)}

    def draw(now: SimpleNamespace) -> Picture:
        record, right = reading_study.load_study().helpful_words(now.task), RIGHT[now.task]
        nearest, helpful = [], sorted(names, key=record.losses.get)[:NAMED]
        panels, both = [], []
        for permuted, heading in (
            (False, say(en="learned", zh="学出来的")),
            (True, say(en="permuted labels", zh="打乱的标签")),
        ):
            apart = _measure_closest(now.task, permuted)
            nearest.append([names[i] for i in apart.argsort(stable=True)[:NAMED].tolist()])
            both.append(sum(name in helpful for name in nearest[-1]))
            marked = [
                (names.index(name), name, name in right) for name in dict.fromkeys([*right, *nearest[-1], *helpful])
            ]
            count = say(en=f": {both[-1]} of {NAMED}", zh=f"：{NAMED} 个里有 {both[-1]} 个")
            panels.append(figures.Levers(heading + count, apart.numpy(), marked))
        task = shared.shorten_task(now.task)
        return figures.draw_levers(
            panels,
            np.array([record.losses[name] for name in names]),
            record.without,
            title=say(
                en=f"{task.capitalize()}: {both[0]} of the {NAMED} nearest words among the {NAMED} most helpful (permuted labels: {both[1]})",
                zh=f"{task}：最近的 {NAMED} 个词里，有 {both[0]} 个也在最有用的 {NAMED} 个里；打乱标签时 {both[1]} 个",
            ),
            alt=_describe_levers(record, nearest[0], helpful, both),
            caption=_explain_levers(record, nearest[0], both),
        )

    return Explorer(controls, draw)


def _measure_closest(task: str, permuted: bool = False) -> Tensor:
    """How far each word is from the closest vector of any seed's context that began at random: (W,)."""
    words, contexts = shared.read_words(), shared.stack_contexts(task=task, init="random", permuted=permuted)
    return reading.measure_distances(contexts.flatten(0, 1), words.table[words.words]).amin(0)


def _describe_levers(record: HelpfulWords, nearest: Sequence[str], helpful: Sequence[str], both: Sequence[int]) -> str:
    of, task = len(record.losses), shared.describe_task(record.task)
    return say(
        en=f"Two scatter plots with a dot for each of {of} words; the task: {task}. Across: how near the word is to a learned "
        f"vector, left for real and right for permuted labels; upwards: the loss of a prompt with that word. Nearest: {', '.join(nearest)}. "
        f"Most helpful: {', '.join(helpful)}. A dotted line marks the loss without any word. In both lists: "
        f"{format_count(both[0], 'word')}; with permuted labels {both[1]}.",
        zh=f"两张散点图，{of} 个词每个一点；任务：{task}。横轴是这个词离学出来的向量有多近（左图真标签，右图打乱的标签），纵轴是写上这个词以后的"
        f"损失。最近的：{'、'.join(nearest)}。最有用的：{'、'.join(helpful)}。点线是什么词也不加时的损失。既最近又最有用的词有 {both[0]} 个，标签打乱时有 {both[1]} 个。",
    )


def _explain_levers(record: HelpfulWords, nearest: Sequence[str], both: Sequence[int]) -> str:
    losses, of, first = list(record.losses.values()), len(record.losses), nearest[0]
    places = {word: 1 + sum(other < loss for other in losses) for word, loss in record.losses.items()}
    better, best = sum(loss < record.without for loss in losses), next(iter(record.losses))
    three = shared.join_quoted(nearest[:3], en=", ", zh="、")
    text = say(
        en=f"Written into “a photo of a … cat.”, {format_count(better, 'word')} of {of} lower the loss on the training pictures; without any it "
        f"is {_format_loss(record.without)}, with “{best}” {_format_loss(losses[0])}. Nearest to the learned vectors are {three}; "
        f"“{first}” is number {places[first]} of the helpful words. ",
        zh=f"把词写进“a photo of a … cat.”，{of} 个词里有 {better} 个让训练图片上的损失变小；不加词是 {_format_loss(record.without)}，加上"
        f"“{best}”是 {_format_loss(losses[0])}。离学出来的向量最近的是{three}；按用处排，“{first}”是第 {places[first]} 名。",
    )
    for word in RIGHT[record.task]:
        if word != first:
            text += say(
                en=f"“{word}” (✓), which is right, is number {places[word]}. ",
                zh=f"正确的词“{word}”（✓）是第 {places[word]} 名。",
            )
    return text + say(
        en=f"Of the {NAMED} nearest words {both[0]} {'is' if both[0] == 1 else 'are'} among the {NAMED} most helpful; in the null, learned from permuted labels, "
        f"{both[1]}; of words drawn blindly it would be {NAMED**2 / of:.1f}.",
        zh=f"最近的 {NAMED} 个词里，有 {both[0]} 个也在最有用的 {NAMED} 个里；偶然对照（用打乱的标签学出来的）是 {both[1]} 个；随便抽 {NAMED} 个词，"
        f"平均是 {NAMED**2 / of:.1f} 个。",
    )


def tabulate_levers() -> Table:
    """Of each secret, the sketches and the blurred photos: the words nearest to what was learned, the loss of a prompt without any, with the
    most helpful ones, with the right one, and with left and right."""
    words, rows = shared.read_words(), []
    for task in (*shared.find_tasks("secret"), *reading_study.FOLLOWED[1:]):
        record, nearest = reading_study.load_study().helpful_words(task), _measure_closest(task).argsort(stable=True)
        rows.append(
            (
                shared.describe_task(task),
                ", ".join(words.names[row] for row in words.words[nearest[:3]].tolist()),
                _format_loss(record.without),
                *(
                    ", ".join(f"{word} {_format_loss(record.losses[word])}" for word in some)
                    for some in (list(record.losses)[:3], RIGHT[task], ("left", "right"))
                ),
            )
        )
    header = (
        say(en="task", zh="任务"),
        say(en="nearest words", zh="最近的词"),
        say(en="loss without any word", zh="不加词的损失"),
        say(en="with the most helpful", zh="加上最有用的词"),
        say(en="with the right word", zh="加上正确的词"),
        say(en="with left or right", zh="加上 left 或 right"),
    )
    return Table(rows, header, align="right")


def _format_loss(loss: float) -> str:
    return f"{loss:.2f}" if loss > 0.1 else f"{loss:.4f}"
