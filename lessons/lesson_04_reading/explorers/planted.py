"""Explorers of lesson 04: how often the planted words are read, and what chance would read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from statistics import mean, median
from types import SimpleNamespace

import ipywidgets
import torch
from torch import Tensor

from helpers import reading
from helpers.language import say
from helpers.notebook import Table
from helpers.reading import Metric
from lessons.kit.explorer import Explorer, make_dropdown, style_control
from lessons.kit.picture import Picture
from lessons.lesson_04_reading import nulls
from lessons.lesson_04_reading.explorers import shared
from lessons.lesson_04_reading.figures import planted as figures
from lessons.lesson_04_reading.figures.shared import abbreviate_draws
from pocket.studies import reading_study
from pocket.studies.reading_study import RIGHT, find_best_rank, find_best_rank_by_distance

WITHIN = 5  # the lesson calls a secret named when its word is among so many nearest
MOST_RANKS = 20
MEDIANS = 1999  # each of as many contexts as there are seeds: the null of such a median


@cache
def find_best_ranks(task: str, init: str, permuted: bool, metric: Metric, moment: str = "context") -> tuple[int, ...]:
    """Of each seed's context of a task: the best rank that one of the task's words has among all words, seen from any vector.

    moment: "context", as they were kept, or "last".
    """
    contexts = reading_study.load_study().contexts(task, init, permuted, moment)  # (S, M, D)
    return tuple(find_best_rank(contexts, RIGHT[task], shared.read_words(), metric).tolist())


@cache
def measure_luck(task: str, init: str, within: int, metric: Metric = "cosine") -> float:
    """Among contexts of random vectors, as long as the learned ones, the share that would name one of the task's words."""
    drawn = shared.sample_null(reading_study.load_study().contexts(task, init)[0], shared.CHANCE)  # (CHANCE, M, D)
    return (find_best_rank(drawn, RIGHT[task], shared.read_words(), metric) <= within).double().mean().item()


def explore_planted() -> Explorer:
    """Choose what was planted and how far down the list one looks, and see where the planted word was found: learned, and by chance."""
    kinds = {
        say(en="secrets: which of two", zh="秘密：两样里的哪一个"): "secret",
        say(en="styles", zh="风格"): "style",
        say(en="two styles at once", zh="两种风格混合"): "mixture",
    }
    controls = {
        "kind": make_dropdown(say(en="planted", zh="埋下的"), kinds, "secret", 26),
        "init": shared.make_init_control(),
        "k": ipywidgets.IntSlider(
            WITHIN, min=1, max=MOST_RANKS, description=say(en="up to rank", zh="到第几名"), **style_control(30)
        ),
        "moment": make_dropdown(
            say(en="vectors", zh="向量"),
            {say(en="as kept", zh="留下的"): "context", say(en="after the last step", zh="最后一步之后"): "last"},
            "context",
            26,
        ),
        "metric": shared.make_metric_control(),
    }

    def draw(now: SimpleNamespace) -> Picture:
        tasks = shared.find_tasks(now.kind)
        ranks = {
            permuted: [find_best_ranks(task, now.init, permuted, now.metric, now.moment) for task in tasks]
            for permuted in (False, True)
        }
        rows = [
            figures.Planted(shared.shorten_task(task), real, null, measure_luck(task, now.init, now.k, now.metric))
            for task, real, null in zip(tasks, ranks[False], ranks[True])
        ]
        named, by_null = (sum(rank <= now.k for run in ranks[permuted] for rank in run) for permuted in (False, True))
        of, chance = sum(len(run) for run in ranks[False]), mean(row.chance for row in rows)
        return figures.draw_ranks(
            rows,
            now.k,
            sorted(reading_study.load_study().seeds),
            title=say(
                en=f"Named (rank ≤ {now.k}) in {named} of {of} contexts, with permuted labels in {by_null} of {of}, by random vectors in {abbreviate_draws(chance)}",
                zh=f"正确的词进了前 {now.k} 名：{of} 组里 {named} 组；打乱标签，{of} 组里 {by_null} 组；随机向量，{abbreviate_draws(chance)}",
            ),
            alt=_describe_planted(now, [RIGHT[task] for task in tasks], rows, named, by_null, of),
            caption=_explain_planted(now, named, by_null, of, chance),
        )

    return Explorer(controls, draw)


def _describe_planted(
    now: SimpleNamespace,
    words: Sequence[Sequence[str]],
    rows: Sequence[figures.Planted],
    named: int,
    by_null: int,
    of: int,
) -> str:
    colon, init, metric = say(en=": ", zh="："), shared.name_init(now.init), shared.name_metric(now.metric)
    luck = shared.format_draws(mean(row.chance for row in rows))
    medians = [
        f"{shared.join_quoted(right)}{colon}{median(row.ranks):g} / {median(row.permuted):g}"
        for right, row in zip(words, rows)
    ]
    return say(
        en=f"A grid with a row for each task and a column for each seed, twice: learned, and from permuted labels; a cell shows the rank of the "
        f"right word and is filled within {now.k}, by {metric} distance, begun as {init}. Filled are {named} of "
        f"{of}, and {by_null} of {of}. Median ranks, learned / permuted: {'; '.join(medians)}. Bars: random vectors name it in "
        f"{luck} on average.",
        zh=f"一张格子图画了两遍，一行一个任务，一列一个种子：左边是学出来的，右边是用打乱的标签学出来的。格子里是正确的词的名次（{metric}"
        f"距离，初始化为{init}），{now.k} 名以内的涂色：左边 {of} 格里有 {named} 格，右边有 {by_null} 格。名次的中位数（学出来的 / 打乱的）："
        f"{'；'.join(medians)}。条形：随机向量平均{luck} 读出它。",
    )


def _explain_planted(now: SimpleNamespace, named: int, by_null: int, of: int, chance: float) -> str:
    count = len(shared.read_words().words)
    text = say(
        en=f"The rank of the right word among {count} words, for whichever of the vectors is nearest to it; where several words would be right, "
        f"the best counts. Within rank {now.k} it is read from {named} of {of} contexts; where the labels were permuted, from {by_null} of {of}; and "
        f"of {shared.CHANCE} contexts of random vectors, {shared.format_draws(chance)} would name it. "
        + ("These are the vectors after the last step, and not the kept ones. " if now.moment == "last" else ""),
        zh=f"格子里是正确的词在 {count} 个词里排第几名，取离它最近的那个向量；正确的词不止一个时，取最好的。只看前 {now.k} 名，{of} 组上下文向量里有 "
        f"{named} 组读得出它；标签打乱以后有 {by_null} 组；{shared.CHANCE} 组随机向量里{shared.format_draws(chance)}。"
        + ("这里看的是最后一步之后的向量，不是留下的那一步。" if now.moment == "last" else ""),
    )
    if any(set(RIGHT[task]) & set(now.init.split()) for task in shared.find_tasks(now.kind)):
        text += say(
            en="Mind “photo”: contexts that began as “a photo of a” had that word from the start. ",
            zh="注意“photo”这一行：用“a photo of a”初始化的，一开始就有这个词。",
        )
    return text


def tabulate_named() -> Table:
    """In how many contexts of each kind the planted word is among the five nearest: as kept, after the last step, from permuted labels, and
    what random vectors would do."""
    kinds = {
        "secret": say(en="secrets", zh="秘密"),
        "style": say(en="styles", zh="风格"),
        "mixture": say(en="two styles at once", zh="两种风格混合"),
    }
    rows = []
    for kind, init in ((kind, init) for kind in kinds for init in reading_study.INITS):
        tasks = shared.find_tasks(kind)

        def count_hits(permuted: bool = False, moment: str = "context") -> dict[str, int]:
            ranks = {task: find_best_ranks(task, init, permuted, "cosine", moment) for task in tasks}
            return {"/".join(RIGHT[task]): sum(rank <= WITHIN for rank in ranks[task]) for task in tasks}

        kept, last, null = count_hits(), count_hits(moment="last"), count_hits(permuted=True)
        by_null = ", ".join(f"{word} {times}" for word, times in null.items() if times)
        luck = mean(measure_luck(task, init, WITHIN) for task in tasks)
        runs = [run for task in tasks for run in shared.find_contexts(task=task, init=init, permuted=False)]
        rows.append(
            (
                kinds[kind],
                shared.name_init(init),
                str(len(runs)),
                str(sum(run.step == 0 for run in runs)),
                *(str(sum(found.values())) for found in (kept, last)),
                str(sum(null.values())) + (f" ({by_null})" if by_null else ""),
                f"{luck * len(runs):.1f}",
            )
        )
    header = (
        say(en="planted", zh="埋下的"),
        say(en="initialised as", zh="初始化"),
        say(en="contexts", zh="组数"),
        say(en="kept at step 0", zh="留下第 0 步的"),
        say(en="name it", zh="说出正确的词"),
        say(en="after the last step", zh="最后一步之后"),
        say(en="with permuted labels", zh="标签打乱以后"),
        say(en="by luck", zh="光凭运气"),
    )
    return Table(rows, header, align="right")


def tabulate_p_values() -> Table:
    """Of each style and secret the right word, its places in the contexts of all seeds that began at random, the same with permuted
    labels, and three p-values of the median place, since there are several kinds of nothing.

    Like is compared with like: a median of five with medians of five. The p-values are `nulls.compute_p_value` of the median of the real
    places, in nulls of MEDIANS medians of the same word's places, each in as many contexts, drawn at random:

    - permuted: from all contexts that were learned from permuted labels and began at random, of whichever task. They know nothing of the
      word. But they all end near the same few words, and many others then have bad places: this null alone is too easily beaten.
    - random: contexts of random vectors. They learned nothing. (By cosine their lengths do not count, and one draw serves all words.)
    - other tasks: from the contexts of the other tasks of the same kind (true labels, begun at random). They learned something, but
      another thing: what beats them was read from this task, and not from any.

    (Contexts of one task are more alike than those of several, which the first and the last null mix: their medians vary a little less
    than they should.)
    """
    study, words, rows = reading_study.load_study(), shared.read_words(), []
    seeds, permuted = len(study.seeds), shared.stack_contexts(init="random", permuted=True)  # (S, M, D)
    drawn = shared.sample_null(permuted[0], MEDIANS * seeds)
    apart = reading.measure_distances(drawn, words.table[words.words])
    apart = apart.unflatten(0, (MEDIANS, seeds))  # (MEDIANS, seeds, M, W)
    alike = {task: shared.find_tasks(kind) for kind in ("style", "secret") for task in shared.find_tasks(kind)}
    for task, tasks in alike.items():
        real, null = (find_best_ranks(task, "random", which, "cosine") for which in (False, True))
        others = torch.cat([study.contexts(other) for other in tasks if other != task])  # (S, M, D)
        medians_by_null = (
            sample_medians(find_best_rank(permuted, RIGHT[task], words), seeds),
            find_best_rank_by_distance(apart, RIGHT[task], words).double().quantile(0.5, dim=-1),
            sample_medians(find_best_rank(others, RIGHT[task], words), seeds),
        )
        listed = (", ".join(map(str, places)) for places in (real, null))
        ps = (format_p(nulls.compute_p_value(median(real), medians)) for medians in medians_by_null)
        rows.append((shared.describe_task(task), ", ".join(RIGHT[task]), *listed, *ps))
    header = (
        say(en="task", zh="任务"),
        say(en="right word", zh="正确的词"),
        say(en="places", zh="名次"),
        say(en="places with permuted labels", zh="标签打乱后的名次"),
        say(en="p permuted", zh="p：打乱的标签"),
        say(en="p random", zh="p：随机向量"),
        say(en="p other tasks", zh="p：别的任务"),
    )
    return Table(rows, header, align="right")


def sample_medians(places: Tensor, of: int) -> Tensor:
    """MEDIANS medians, each of so many of these places (N,) drawn at random, none of them twice."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.rand(MEDIANS, len(places), generator=generator).argsort(-1)[:, :of]  # (MEDIANS, of)
    return places[drawn].double().quantile(0.5, dim=-1)


def format_p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "≤ 0.001"
