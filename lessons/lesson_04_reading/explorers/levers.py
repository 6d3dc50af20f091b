"""Explorers of lesson 04: what words do in the place of vectors, to the accuracy and to the loss."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from statistics import mean
from types import SimpleNamespace

import torch
from torch import Tensor

from helpers import reading
from helpers.language import say
from helpers.notebook import Table
from lessons.kit.explorer import Explorer, counted, dropdown
from lessons.kit.picture import Picture
from lessons.lesson_04_reading.explorers.shared import NAMED, RIGHT, _contexts, _pocket, _task_name, _tasks, _title_of
from lessons.lesson_04_reading.figures import levers as figures
from pocket.studies import reading_study

# --- what is left on words -------------------------------------------------------------------------------------------------------


def snap_table() -> Table:
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
    rows = []
    for task in (task for task in RIGHT if task in wanted and task in _tasks()):
        runs, by_hand = (
            _contexts(task=task, init="random", permuted=False),
            reading_study.load_study().helpful_words(task),
        )
        searched = [run.accuracy for run in reading_study.load_study().on_words if run.task == task]
        rows.append(
            (
                _task_name(task),
                f"{100 * by_hand.hand:.1f}",
                _range([run.accuracy for run in runs]),
                _range([run.snapped for run in runs]),
                _range(searched),
                _range(by_hand.random_words),
            )
        )
    return Table(rows, header, align="right")


def _range(shares: Sequence[float]) -> str:
    """The mean in per cent, and between which numbers the single ones lie."""
    return f"{100 * mean(shares):.1f} ({100 * min(shares):.1f}–{100 * max(shares):.1f})"


# --- words as levers -------------------------------------------------------------------------------------------------------------


def levers_explorer() -> Explorer:
    """Choose a task, and see of every word how near it is to what was learned, and what it does to the loss when it is written down."""
    tasks, words = _tasks(), _pocket()[1]
    names = [words.names[row] for row in words.words.tolist()]
    table = words.table[words.words]
    first = "blurred" if "blurred" in tasks else tasks[0]
    controls = {"task": dropdown(say(en="task", zh="任务"), {_task_name(task): task for task in tasks}, first, 36)}

    @cache
    def closest(task: str, permuted: bool) -> Tensor:
        """How far each word is from the closest vector of any seed's context: (W,)."""
        runs = _contexts(task=task, init="random", permuted=permuted)
        return reading.measure_distances(torch.cat([run.context for run in runs]), table).amin(0)

    def draw(now: SimpleNamespace) -> Picture:
        record, right = reading_study.load_study().helpful_words(now.task), RIGHT[now.task]
        losses = torch.tensor([record.losses[name] for name in names], dtype=torch.float64)
        apart = {permuted: closest(now.task, permuted) for permuted in (False, True)}
        nearest = [names[i] for i in apart[False].argsort(stable=True)[:NAMED].tolist()]
        helpful = [names[i] for i in losses.argsort(stable=True)[:NAMED].tolist()]
        panels, both = [], {}
        headings = say(en="learned", zh="学出来的"), say(en="permuted labels", zh="打乱的标签")
        for permuted, heading in enumerate(headings):
            near = [names[i] for i in apart[permuted].argsort(stable=True)[:NAMED].tolist()]
            both[permuted] = sum(name in helpful for name in near)
            told = [(names.index(name), name, name in right) for name in dict.fromkeys([*right, *near, *helpful])]
            count = say(en=f": {both[permuted]} of {NAMED}", zh=f"：{NAMED} 个里有 {both[permuted]} 个")
            panels.append(figures.Levers(heading + count, apart[permuted].numpy(), told))
        rank = {name: 1 + int((losses < losses[names.index(name)]).sum()) for name in (*right, nearest[0])}
        facts = SimpleNamespace(
            nearest=nearest, helpful=helpful, without=record.without, best=losses.min().item(),
            both=both, rank=rank, right=right,
            better=int((losses < record.without).sum()), of=len(names),
        )  # fmt: skip
        return figures.levers(
            panels,
            losses.numpy(),
            record.without,
            title=say(
                en=f"{_title_of(now.task).capitalize()}: {both[False]} of the {NAMED} nearest words among the {NAMED} most helpful (permuted labels: {both[True]})",
                zh=f"{_title_of(now.task)}：最近的 {NAMED} 个词里，有 {both[False]} 个也在最有用的 {NAMED} 个里；打乱标签时 {both[True]} 个",
            ),
            alt=_levers_in_words(now.task, facts),
            caption=_about_levers(facts),
        )

    return Explorer(controls, draw)


def _levers_in_words(task: str, facts: SimpleNamespace) -> str:
    return say(
        en=f"Two scatter plots with a dot for each of {facts.of} words; the task: {_task_name(task)}. Across: how near the word is to a learned "
        f"vector, left for real and right for permuted labels; upwards: the loss of a prompt with that word. Nearest: {', '.join(facts.nearest)}. "
        f"Most helpful: {', '.join(facts.helpful)}. A dotted line marks the loss without any word. In both lists: "
        f"{counted(facts.both[False], 'word')}; with permuted labels {facts.both[True]}.",
        zh=f"两张散点图，{facts.of} 个词每个一点；任务：{_task_name(task)}。横轴是这个词离学出来的向量有多近（左图真标签，右图打乱的标签），纵轴是写上这个词以后的"
        f"损失。最近的：{'、'.join(facts.nearest)}。最有用的：{'、'.join(facts.helpful)}。点线是什么词也不加时的损失。既最近又最有用的词有 {facts.both[False]} 个，标签打乱时有 {facts.both[True]} 个。",
    )


def _about_levers(facts: SimpleNamespace) -> str:
    def told(names: Sequence[str]) -> str:
        return say(en=", ", zh="、").join(f"“{name}”" for name in names)

    first, place = facts.nearest[0], facts.rank[facts.nearest[0]]
    text = say(
        en=f"Written into “a photo of a … cat.”, {counted(facts.better, 'word')} of {facts.of} lower the loss on the training pictures; without any it "
        f"is {_loss(facts.without)}, with “{facts.helpful[0]}” {_loss(facts.best)}. Nearest to the learned vectors are {told(facts.nearest[:3])}; "
        f"“{first}” is number {place} of the helpful words. ",
        zh=f"把词写进“a photo of a … cat.”，{facts.of} 个词里有 {facts.better} 个让训练图片上的损失变小；不加词是 {_loss(facts.without)}，加上"
        f"“{facts.helpful[0]}”是 {_loss(facts.best)}。离学出来的向量最近的是{told(facts.nearest[:3])}；按用处排，“{first}”是第 {place} 名。",
    )
    for name in facts.right:
        if name != first:
            rank = facts.rank[name]
            text += say(
                en=f"“{name}” (✓), which is right, is number {rank}. ", zh=f"正确的词“{name}”（✓）是第 {rank} 名。"
            )
    return text + say(
        en=f"Of the {NAMED} nearest words {facts.both[False]} {'is' if facts.both[False] == 1 else 'are'} among the {NAMED} most helpful; in the null, learned from permuted labels, "
        f"{facts.both[True]}; of words drawn blindly it would be {NAMED**2 / facts.of:.1f}.",
        zh=f"最近的 {NAMED} 个词里，有 {facts.both[False]} 个也在最有用的 {NAMED} 个里；偶然对照（用打乱的标签学出来的）是 {facts.both[True]} 个；随便抽 {NAMED} 个词，"
        f"平均是 {NAMED**2 / facts.of:.1f} 个。",
    )


def levers_table() -> Table:
    """Of each secret, the sketches and the blurred photos: the words nearest to what was learned, the loss of a prompt without any, with the
    most helpful ones, with the right one, and with left and right."""
    words, rows = _pocket()[1], []
    names, table = [words.names[row] for row in words.words.tolist()], words.table[words.words]
    for task in (*_tasks("secret"), *reading_study.FOLLOWED[1:]):
        contexts = [run.context for run in _contexts(task=task, init="random", permuted=False)]
        nearest = reading.measure_distances(torch.cat(contexts), table).amin(0).argsort(stable=True)
        losses, without = (
            reading_study.load_study().helpful_words(task).losses,
            reading_study.load_study().helpful_words(task).without,
        )
        rows.append(
            (
                _task_name(task),
                ", ".join(names[i] for i in nearest[:3].tolist()),
                _loss(without),
                *(
                    ", ".join(f"{word} {_loss(losses[word])}" for word in some)
                    for some in (list(losses)[:3], RIGHT[task], ("left", "right"))
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


def _loss(loss: float) -> str:
    return f"{loss:.2f}" if loss > 0.1 else f"{loss:.4f}"
