"""Explorers of lesson 04: the words nearest to learned vectors, and how near is near."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from types import SimpleNamespace
from typing import Any

import ipywidgets
import numpy as np
import torch
from torch import Tensor
from transformers import CLIPModel, CLIPProcessor

from helpers import reading
from helpers.language import say
from helpers.notebook import Table
from helpers.reading import Metric
from lessons.kit.explorer import Explorer, format_count, style_control
from lessons.kit.picture import Picture
from lessons.lesson_04_reading import nulls
from lessons.lesson_04_reading.explorers import shared
from lessons.lesson_04_reading.figures import neighbours as figures
from lessons.lesson_04_reading.figures.shared import TICK
from pocket.studies import reading_study
from pocket.studies.reading_study import RIGHT, LearnedContext, find_best_rank

MOST_WORDS = 8  # of a vector that can be shown


# --- nearest words ---------------------------------------------------------------------------------------------------------------


def explore_nearest(clip: CLIPModel, processor: CLIPProcessor) -> Explorer:
    """Choose a task, a beginning, a seed and a step, and see each vector's nearest words beside those of random vectors."""
    words = shared.read_words(clip)
    runs, steps = shared.find_followed(), shared.list_steps()
    controls: dict[str, ipywidgets.Widget] = {
        **shared.make_run_controls(),
        "step": ipywidgets.SelectionSlider(options=steps, value=steps[1], description=say(en="step", zh="步"), **style_control(30)),
        "k": ipywidgets.IntSlider(3, min=1, max=MOST_WORDS, description=say(en="words", zh="词数"), **style_control(23.2)),
        "metric": shared.make_metric_control(),
    }  # fmt: skip

    def return_to_start(change: object) -> None:  # of another task, so that one can say first what one expects
        controls["step"].value = 0

    controls["task"].observe(return_to_start, names="value")

    @cache
    def find_end(task: str, init: str, seed: int, metric: Metric) -> float:
        """The end of an axis on which all evaluations of a run have room."""
        near = reading.find_nearest_tokens(runs[task, init, seed].path, words.table, MOST_WORDS, metric, words.words)
        return 1.16 * near.distances.max().item()

    @cache
    def measure_own(metric: Metric) -> float:
        return nulls.measure_distances_within(words.table, words.words, metric).median().item()

    def draw(now: SimpleNamespace) -> Picture:
        run, right, own = runs[now.task, now.init, now.seed], RIGHT[now.task], measure_own(now.metric)
        vectors = run.path[steps.index(now.step)]  # (M, D)
        near = reading.find_nearest_tokens(vectors, words.table, now.k, now.metric, words.words)
        null, bands = shared.measure_null(vectors, words.table[words.words], shared.DRAWS, now.metric)  # (DRAWS, M)
        names = [[words.names[id] for id in ids] for ids in near.ids.tolist()]
        began = shared.name_nearest(words, run.begun) if run.init != "random" else [""] * len(names)
        still = say(en="nearest to the word it was initialised as", zh="最近的还是初始化时的词")
        facts = [
            figures.Nearby(
                say(en=f"vector {number + 1}", zh=f"向量 {number + 1}"),
                nearest,
                near.distances[number].tolist(),
                bands[number],
                [TICK * (name in right) for name in nearest],
                still if began[number] == nearest[0] else "",
            )
            for number, nearest in enumerate(names)
        ]
        shares = [nulls.measure_share_as_near(one[0], chance).item() for one, chance in zip(near.distances, null.T)]
        least = near.distances[:, 0].min()
        together = nulls.measure_share_as_near(least, null.min(1).values).item()
        firsts = [f"v{number} “{f.words[0]}”{f.marked[0]}" for number, f in enumerate(facts, start=1)]
        moments = ((say(en=" (initialisation)", zh="（起点）"), 0), (say(en=" (kept)", zh="（留下的一步）"), run.step))
        moment = "".join(name for name, step in moments if step == now.step)
        metric, task = shared.name_metric(now.metric), shared.shorten_task(now.task)
        return figures.draw_nearest_words(
            facts,
            own,
            max(find_end(now.task, now.init, now.seed, now.metric), 1.05 * null.max().item()),
            unit=say(en=f"{metric} distance to the word", zh=f"到这个词的{metric}距离"),
            title=say(
                en=f"{task}, step {now.step}{moment}: {', '.join(firsts)}",
                zh=f"{task}，第 {now.step} 步{moment}：{'，'.join(firsts)}",
            ),
            alt=_describe_nearest(now, run, facts, right, own),
            caption=_explain_nearest(now, run, facts, shares, together),
        )

    @lru_cache(maxsize=1)  # another task moves the step as well, and one picture is asked for twice
    def draw_once(**now: Any) -> Picture:
        return draw(SimpleNamespace(**now))

    return Explorer(controls, lambda now: draw_once(**vars(now)))


def _describe_nearest(
    now: SimpleNamespace, run: LearnedContext, facts: Sequence[figures.Nearby], right: Sequence[str], own: float
) -> str:
    """The nearest word of each vector with its distance, and which are marked."""
    listed = [f"“{f.words[0]}” {f.distances[0]:.2f}" for f in facts]
    marked = sorted({name for f in facts for name in f.words if name in right})
    en = f"Marked as right: {', '.join(marked)}." if marked else "None is marked as right."
    zh = f"标为正确的词：{'、'.join(marked)}。" if marked else "没有标为正确的词。"
    metric, task, init = shared.name_metric(now.metric), shared.describe_task(run.task), shared.name_init(run.init)
    return say(
        en=f"{len(facts)} small bar charts, one for each vector, of the {metric} distance to its {format_count(now.k, 'nearest word')}. The task: "
        f"{task}, begun as {init}, seed {run.seed}, step {now.step}. The nearest: {', '.join(listed)}. {en} A grey "
        f"band shows where the nearest word of a random vector lies, a dotted line at {own:.2f} how far a word is from its nearest other word.",
        zh=f"{len(facts)} 张小条形图，每个向量一张，画的是它到最近的 {now.k} 个词的{metric}距离。任务：{task}，初始化为"
        f"{init}，种子 {run.seed}，第 {now.step} 步。最近的词：{'，'.join(listed)}。{zh}灰色带是随机向量到它最近的词的距离范围，"
        f"点线在 {own:.2f} 处，是一个词到离它最近的另一个词的距离。",
    )


def _explain_nearest(
    now: SimpleNamespace, run: LearnedContext, facts: Sequence[figures.Nearby], shares: Sequence[float], together: float
) -> str:
    """shares, together: of random vectors, and of contexts of them, that are as near to a word as each vector, and as the nearest."""
    parts = [
        say(
            en=f"{f.name}: “{f.words[0]}” at {f.distances[0]:.2f} ({shared.format_draws(share)} of random vectors come as near)",
            zh=f"{f.name} 是“{f.words[0]}”，距离 {f.distances[0]:.2f}（随机向量里{shared.format_draws(share)} 离词这么近）",
        )
        for f, share in zip(facts, shares)
    ]
    listed = say(en="; ", zh="；").join(parts)
    text = say(
        en=f"The nearest words. {listed[0].upper()}{listed[1:]}. Of {shared.DRAWS} contexts of {len(facts)} random vectors, {shared.format_draws(together)} hold one that is "
        "as near to a word as the nearest one here. ",
        zh=f"离每个向量最近的词：{listed}。偶然对照：{shared.DRAWS} 组随机向量，每组 {len(facts)} 个，其中有向量离词像这里最近的那个一样近的，"
        f"{shared.format_draws(together, zh='占')}。",
    )
    if still := [str(number) for number, f in enumerate(facts, start=1) if f.note]:
        some = say(en="Vector " if len(still) == 1 else "Vectors ", zh="向量 ") + say(en=", ", zh="、").join(still)
        text += say(
            en=f"{some} still read{'s' * (len(still) == 1)} like the word of the beginning: that word was put there, nobody found it. ",
            zh=f"{some}读出来仍是初始化时的那个词：那是放进去的，不是学出来的。",
        )
    if now.step == 0:
        text += say(en="At step 0 nothing has been learned yet. ", zh="第 0 步还什么都没有学。")
    if now.step != run.step:
        text += say(en=f"Kept was step {run.step}. ", zh=f"最后留下来的是第 {run.step} 步。")
    if not RIGHT[run.task]:
        return text + say(en="For this task no word would be right.", zh="这个任务没有哪个词算正确。")
    either = shared.join_quoted(RIGHT[run.task])
    return text + say(en=f"Right would be {either} (✓).", zh=f"正确的词是{either}（标 ✓）。")


def tabulate_steps() -> Table:
    """How the nearest words change while the first context of the riddle and of the sketches is learned, and the place of the right one."""
    words, steps, rows = shared.read_words(), shared.list_steps(), []
    for task in reading_study.TESTED:
        run = shared.find_contexts(task=task, init="random", permuted=False)[0]
        for step in sorted({0, steps[1], run.step, steps[-1]}):
            vectors = run.path[steps.index(step)]  # (M, D)
            place = find_best_rank(vectors, RIGHT[task], words).item()
            kept = say(en=" (kept)", zh="（留下的）") if step == run.step else ""
            nearest = shared.name_nearest(words, vectors)
            rows.append((shared.describe_task(task), f"{step}{kept}", *nearest, f"{'/'.join(RIGHT[task])}: {place}"))
    header = (
        say(en="task", zh="任务"),
        say(en="step", zh="步"),
        *(say(en=f"vector {i + 1}", zh=f"向量 {i + 1}") for i in range(reading_study.LENGTH)),
        say(en="place of the right word", zh="正确的词排第几"),
    )
    return Table(rows, header)


# --- distances -------------------------------------------------------------------------------------------------------------------


def draw_distances(clip: CLIPModel, processor: CLIPProcessor) -> Picture:
    """How far from the nearest word: words themselves, learned vectors by how they began, those from permuted labels, and random ones."""
    words = shared.read_words(clip)
    table = words.table[words.words]

    def find_nearest(vectors: Tensor) -> np.ndarray:
        return reading.measure_distances(vectors, table).amin(-1).flatten().numpy()

    learned = {
        (init, permuted): shared.stack_contexts(init=init, permuted=permuted)  # (S, M, D)
        for init in reading_study.INITS
        for permuted in (False, True)
    }
    at_random, as_words = reading_study.INITS
    like = learned[at_random, False].flatten(0, 1)  # (S M, D)
    comma = say(en=", ", zh="，")
    rows = [
        figures.Strip(
            say(en="a word to its nearest other word", zh="词到最近的另一个词"),
            nulls.measure_distances_within(words.table, words.words).numpy(),
        ),
        *(
            figures.Strip(f"{labels}{comma}{begun}", find_nearest(learned[init, permuted]), bold=not permuted)
            for permuted, labels in (
                (False, say(en="learned", zh="学出来的")),
                (True, say(en="permuted labels", zh="打乱的标签")),
            )
            for init, begun in (
                (at_random, say(en="initialised at random", zh="随机初始化")),
                (as_words, say(en="initialised as words", zh="用词语初始化")),
            )
        ),
        figures.Strip(
            say(en="random vectors of the same norms", zh="模长相同的随机向量"),
            find_nearest(shared.sample_null(like, 1)),
        ),
    ]
    own, real, warm, null, warm_null, chance = (float(np.median(row.distances)) for row in rows)
    within = nulls.measure_share_as_near(torch.tensor([real]), torch.from_numpy(rows[-1].distances)).item()
    kept = {init: [run.step for run in shared.find_contexts(init=init, permuted=False)] for init in reading_study.INITS}
    never, never_warm = (kept[init].count(0) for init in (at_random, as_words))
    return figures.draw_distance_rows(
        rows,
        (-0.02, 1.04 * max(float(row.distances.max()) for row in rows)),
        title=say(
            en=f"Median distances (initialised at random): learned {real:.2f}, permuted {null:.2f}; random {chance:.2f}, words {own:.2f}",
            zh=f"到最近的词有多远（随机初始化，中位数）：学出来的 {real:.2f}，打乱标签的 {null:.2f}；随机向量 {chance:.2f}，词和词之间 {own:.2f}",
        ),
        alt=say(
            en=f"Six rows of dots on one axis, the cosine distance to the nearest word, with their medians: words to other words {own:.2f}; learned, "
            f"begun at random {real:.2f}; learned, begun as words {warm:.2f}; from permuted labels, begun at random {null:.2f}, begun as words "
            f"{warm_null:.2f}; random vectors {chance:.2f}.",
            zh=f"六排点，横轴是到最近的词的余弦距离，各自的中位数：词到别的词 {own:.2f}；学出来的向量，随机初始化 {real:.2f}，用词语初始化 {warm:.2f}；"
            f"用打乱的标签学出来的，随机初始化 {null:.2f}，用词语初始化 {warm_null:.2f}；随机向量 {chance:.2f}。",
        ),
        caption=say(
            en=f"A dot for each vector of all stored contexts ({len(like)} that began at random), and a mark at the median. Learned vectors are nearer to "
            f"words than random ones ({shared.format_draws(within)} of those are as near as the median of the learned), and farther than most words are from each "
            "other. Vectors from permuted labels come near to words as well: being near says that something was learned, not what. Those that "
            f"began as words have a head start: dots at exactly 0 are contexts kept at step 0 ({never_warm} of {len(kept[as_words])}), which are still "
            f"those words. Of those that began at random {never} of {len(kept[at_random])} were kept at step 0, too: hence the columns of equal dots, "
            "for a seed begins alike in all tasks. None of these ever left its beginning.",
            zh=f"每个点是存好的一个向量（随机初始化的有 {len(like)} 个），竖线是中位数。学出来的向量比随机的更靠近词（随机向量里{shared.format_draws(within)} 有它们的"
            "中位数那么近），但远不如词和词之间那么近。用打乱的标签学出来的向量，离词也不远：靠近，只说明学到了些什么，不说明学到的是什么。"
            f"用词语初始化的，本来就占了便宜：正好落在 0 处的点，来自留下第 0 步的上下文向量（{len(kept[as_words])} 组里有 {never_warm} 组），还是原来的词。"
            f"随机初始化的，{len(kept[at_random])} 组里也有 {never} 组留下的是第 0 步：同一个种子在各个任务里起点相同，所以有几列位置一样的点。"
            "这些向量从没离开过起点。",
        ),
    )
