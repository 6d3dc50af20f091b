"""Explorers of lesson 04: what learned vectors read like, and what chance alone would show.

On top of `Explorer`, `figures` and `helpers.reading`. The study is pocket/studies/reading_study.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from itertools import permutations
from statistics import mean, median
from types import SimpleNamespace
from typing import Any

import ipywidgets
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPModel, CLIPProcessor, PreTrainedModel

from helpers import by_hand, reading
from helpers.captioner import DESCRIBE, SoftPrompt
from helpers.context import PromptedCLIP
from helpers.data import cache_features
from helpers.language import LearnerError, say
from helpers.notebook import Table
from helpers.pretrained import fingerprint, load_clip
from helpers.reading import Metric, Vocabulary
from lessons.kit.explorer import Explorer, format_count, format_percent, make_dropdown, style_control
from lessons.kit.picture import Picture
from lessons.lesson_04_reading import figures
from pocket.captioning import PROMPTS
from pocket.corpus import INSTRUCTIONS
from pocket.datasets import draw_few_shot
from pocket.studies import captioner_study, reading_study
from pocket.studies.reading_study import LearnedContext, find_best_rank, find_best_rank_by_distance, load_study
from pocket.words import translate

DRAWS = 500  # of random vectors that a reading is compared with
MEDIANS = 1999  # each of as many contexts as there are seeds: the null of such a median
CHANCE = 200  # contexts of random vectors that may name a planted word
MOST_WORDS, MOST_RANKS = 8, 20
WITHIN = 5  # the lesson calls a secret named when its word is among so many nearest
COMPONENTS, SHUFFLES = 10, 5
ORDERS, RANDOM_CONTEXTS = 5, 20
NAMED = 6  # words in a diagram
RIGHT = reading_study.RIGHT


# --- the stored study ------------------------------------------------------------------------------------------------------------


def _contexts(**settings: Any) -> list[LearnedContext]:
    """The learned contexts that have these settings, such as task="blurred"."""
    return [run for run in load_study().learned if settings.items() <= vars(run).items()]


def _tasks(*kinds: str) -> list[str]:
    """The tasks of these kinds, or all, in the order in which the study lists them."""
    there = {run.task for run in load_study().learned}
    return [task for task in RIGHT if task in there and (not kinds or reading_study.KIND[task] in kinds)]


@cache
def _pocket() -> tuple[str, Vocabulary]:
    """The model on which the study was made: its fingerprint and its vocabulary."""
    clip, processor = load_clip("pocket")
    return fingerprint(clip), reading.read_vocabulary(clip, processor.tokenizer)


def _vocabulary(clip: CLIPModel, processor: CLIPProcessor) -> Vocabulary:
    """The vocabulary of the study's model. Raises `LearnerError` for another: its words say nothing about these vectors."""
    if fingerprint(clip) != _pocket()[0]:
        raise LearnerError(
            say(
                en="The stored contexts were learned on the pocket CLIP, and this is another model: its words say nothing about them. "
                "Load the pocket model: load_clip('pocket').",
                zh="存好的上下文向量是在口袋 CLIP 上学的，而这里是另一个模型：用它的词来读这些向量没有意义。请改用口袋模型：load_clip('pocket')。",
            )
        )
    return _pocket()[1]


def _steps(path: Tensor) -> list[int]:
    """At which steps the looks (L, M, D) were taken."""
    config = load_study().config
    return [min(number * config.eval_every, config.steps) for number in range(len(path))]


# --- nearest words ---------------------------------------------------------------------------------------------------------------


def nearest_explorer(clip: CLIPModel, processor: CLIPProcessor) -> Explorer:
    """Choose a task, a beginning, a seed and a step, and see each vector's nearest words beside those of random vectors."""
    words = _vocabulary(clip, processor)
    runs = {(run.task, run.init, run.seed): run for run in _contexts() if run.path is not None}
    first = runs[min(runs, key=_in_order)]
    steps = _steps(first.path)
    controls: dict[str, ipywidgets.Widget] = {
        **_which(runs),
        "step": ipywidgets.SelectionSlider(options=steps, value=steps[1], description=say(en="step", zh="步"), **style_control(30)),
        "k": ipywidgets.IntSlider(3, min=1, max=MOST_WORDS, description=say(en="words", zh="词数"), **style_control(23.2)),
        "metric": make_dropdown(say(en="distance", zh="距离"), _metrics(), "cosine", 18),
    }  # fmt: skip

    def to_the_beginning(change: object) -> None:  # of another task, so that one can say first what one expects
        controls["step"].value = 0

    controls["task"].observe(to_the_beginning, names="value")

    @cache
    def farthest(task: str, init: str, seed: int, metric: Metric) -> float:
        """The end of an axis on which all looks of a run have room."""
        near = reading.find_nearest_tokens(runs[task, init, seed].path, words.table, MOST_WORDS, metric, words.words)
        return 1.16 * near.distances.max().item()

    @cache
    def own(metric: Metric) -> float:
        return reading.measure_distances_within(words.table, words.words, metric).median().item()

    def draw(now: SimpleNamespace) -> Picture:
        run, right = runs[now.task, now.init, now.seed], RIGHT[now.task]
        vectors = run.path[steps.index(now.step)]  # (M, D)
        near = reading.find_nearest_tokens(vectors, words.table, now.k, now.metric, words.words)
        null = _null(words, vectors, DRAWS, now.metric)  # (DRAWS, M)
        names = [[words.names[id] for id in ids] for ids in near.ids.tolist()]
        began = _nearest(words, run.begun) if run.init != "random" else [""] * len(names)
        facts = [
            SimpleNamespace(
                number=number + 1,
                words=names[number],
                apart=near.distances[number].tolist(),
                share=reading.measure_share_as_near(near.distances[number, 0], null[:, number]).item(),
                still=began[number] == names[number][0],
            )
            for number in range(len(vectors))
        ]
        least = near.distances[:, 0].min()
        together = reading.measure_share_as_near(least, null.min(1).values).item()
        told = [f"v{f.number} “{f.words[0]}”{figures.TICK * (f.words[0] in right)}" for f in facts]
        moments = ((say(en=" (initialisation)", zh="（起点）"), 0), (say(en=" (kept)", zh="（留下的一步）"), run.step))
        said = "".join(name for name, step in moments if step == now.step)
        return figures.nearest_words(
            [
                figures.Nearby(
                    say(en=f"vector {f.number}", zh=f"向量 {f.number}"),
                    f.words,
                    f.apart,
                    tuple(null[:, f.number - 1].quantile(torch.tensor([0.05, 0.95], dtype=null.dtype)).tolist()),
                    [figures.TICK * (name in right) for name in f.words],
                    say(en="nearest to the word it was initialised as", zh="最近的还是初始化时的词") if f.still else "",
                )
                for f in facts
            ],
            own(now.metric),
            max(farthest(now.task, now.init, now.seed, now.metric), 1.05 * null.max().item()),
            unit=say(
                en=f"{_metric_name(now.metric)} distance to the word", zh=f"到这个词的{_metric_name(now.metric)}距离"
            ),
            title=say(
                en=f"{_title_of(now.task)}, step {now.step}{said}: {', '.join(told)}",
                zh=f"{_title_of(now.task)}，第 {now.step} 步{said}：{'，'.join(told)}",
            ),
            alt=_nearest_in_words(now, run, facts, right, own(now.metric)),
            caption=_about_nearest(now, run, facts, right, together),
        )

    @lru_cache(maxsize=1)  # another task moves the step as well, and one picture is asked for twice
    def drawn_once(**now: Any) -> Picture:
        return draw(SimpleNamespace(**now))

    return Explorer(controls, lambda now: drawn_once(**vars(now)))


def _null(words: Vocabulary, vectors: Tensor, draws: int, metric: Metric) -> Tensor:
    """How far random vectors, each as long as one of (M, D), are from their nearest word: (draws, M)."""
    drawn = reading.draw_random_like(vectors, draws, torch.Generator().manual_seed(0))
    return reading.measure_distances(drawn, words.table[words.words], metric).amin(-1)


def _nearest(words: Vocabulary, vectors: Tensor, metric: Metric = "cosine") -> list[str]:
    """The nearest word of each vector (M, D)."""
    ids = reading.find_nearest_tokens(vectors, words.table, 1, metric, words.words).ids[:, 0]
    return [words.names[id] for id in ids.tolist()]


def _nearest_in_words(
    now: SimpleNamespace, run: LearnedContext, facts: Sequence[SimpleNamespace], right: Sequence[str], own: float
) -> str:
    """The nearest word of each vector with its distance, and which are marked."""
    listed = [f"“{f.words[0]}” {f.apart[0]:.2f}" for f in facts]
    marked = sorted({name for f in facts for name in f.words if name in right})
    en = f"Marked as right: {', '.join(marked)}." if marked else "None is marked as right."
    zh = f"标为正确的词：{'、'.join(marked)}。" if marked else "没有标为正确的词。"
    metric = _metric_name(now.metric)
    return say(
        en=f"{len(facts)} small bar charts, one for each vector, of the {metric} distance to its {format_count(now.k, 'nearest word')}. The task: "
        f"{_task_name(run.task)}, begun as {_init_name(run.init)}, seed {run.seed}, step {now.step}. The nearest: {', '.join(listed)}. {en} A grey "
        f"band shows where the nearest word of a random vector lies, a dotted line at {own:.2f} how far a word is from its nearest other word.",
        zh=f"{len(facts)} 张小条形图，每个向量一张，画的是它到最近的 {now.k} 个词的{metric}距离。任务：{_task_name(run.task)}，初始化为"
        f"{_init_name(run.init)}，种子 {run.seed}，第 {now.step} 步。最近的词：{'，'.join(listed)}。{zh}灰色带是随机向量到它最近的词的距离范围，"
        f"点线在 {own:.2f} 处，是一个词到离它最近的另一个词的距离。",
    )


def _about_nearest(
    now: SimpleNamespace, run: LearnedContext, facts: Sequence[SimpleNamespace], right: Sequence[str], together: float
) -> str:
    en = "; ".join(
        f"vector {f.number}: “{f.words[0]}” at {f.apart[0]:.2f} ({_drawn(f.share)} of random vectors come as near)"
        for f in facts
    )
    zh = "；".join(
        f"向量 {f.number} 是“{f.words[0]}”，距离 {f.apart[0]:.2f}（随机向量里{_drawn(f.share)} 离词这么近）"
        for f in facts
    )
    text = say(
        en=f"The nearest words. {en[0].upper()}{en[1:]}. Of {DRAWS} contexts of {len(facts)} random vectors, {_drawn(together)} hold one that is "
        "as near to a word as the nearest one here. ",
        zh=f"离每个向量最近的词：{zh}。偶然对照：{DRAWS} 组随机向量，每组 {len(facts)} 个，其中有向量离词像这里最近的那个一样近的，"
        f"{_drawn(together, zh='占')}。",
    )
    if run.init != "random" and any(f.still for f in facts):
        still = [str(f.number) for f in facts if f.still]
        some = say(en="Vector " if len(still) == 1 else "Vectors ", zh="向量 ") + say(en=", ", zh="、").join(still)
        text += say(
            en=f"{some} still read{'s' * (len(still) == 1)} like the word of the beginning: that word was put there, nobody found it. ",
            zh=f"{some}读出来仍是初始化时的那个词：那是放进去的，不是学出来的。",
        )
    if now.step == 0:
        text += say(en="At step 0 nothing has been learned yet. ", zh="第 0 步还什么都没有学。")
    if now.step != run.step:
        text += say(en=f"Kept was step {run.step}. ", zh=f"最后留下来的是第 {run.step} 步。")
    if not right:
        return text + say(en="For this task no word would be right.", zh="这个任务没有哪个词算正确。")
    return text + say(en=f"Right would be {_or(right)} (✓).", zh=f"正确的词是{_or(right)}（标 ✓）。")


def steps_table() -> Table:
    """How the nearest words change while the first context of the riddle and of the sketches is learned, and the place of the right one."""
    words, rows = _pocket()[1], []
    for task in reading_study.TESTED:
        run = _contexts(task=task, init="random", permuted=False)[0]
        steps = _steps(run.path)
        for step in sorted({0, steps[1], run.step, steps[-1]}):
            vectors = run.path[steps.index(step)]  # (M, D)
            place = find_best_rank(vectors, RIGHT[task], words).item()
            kept = say(en=" (kept)", zh="（留下的）") if step == run.step else ""
            rows.append(
                (_task_name(task), f"{step}{kept}", *_nearest(words, vectors), f"{'/'.join(RIGHT[task])}: {place}")
            )
    header = (
        say(en="task", zh="任务"),
        say(en="step", zh="步"),
        *(say(en=f"vector {i + 1}", zh=f"向量 {i + 1}") for i in range(reading_study.LENGTH)),
        say(en="place of the right word", zh="正确的词排第几"),
    )
    return Table(rows, header)


# --- distances -------------------------------------------------------------------------------------------------------------------


def distances_picture(clip: CLIPModel, processor: CLIPProcessor) -> Picture:
    """How far from the nearest word: words themselves, learned vectors by how they began, those from permuted labels, and random ones."""
    words = _vocabulary(clip, processor)
    table = words.table[words.words]

    def nearest(vectors: Tensor) -> np.ndarray:
        return reading.measure_distances(vectors, table).amin(-1).flatten().numpy()

    learned = {
        (init, permuted): torch.stack([run.context for run in _contexts(init=init, permuted=permuted)])  # (S, M, D)
        for init in reading_study.INITS
        for permuted in (False, True)
    }
    at_random, as_words = reading_study.INITS
    like = learned[at_random, False].flatten(0, 1)  # (S M, D)
    random = reading.draw_random_like(like, 1, torch.Generator().manual_seed(0))[0]
    colon = say(en=", ", zh="，")
    rows = [
        figures.Strip(
            say(en="a word to its nearest other word", zh="词到最近的另一个词"),
            reading.measure_distances_within(words.table, words.words).numpy(),
        ),
        *(
            figures.Strip(f"{labels}{colon}{begun}", nearest(learned[init, permuted]), bold=not permuted)
            for permuted, labels in (
                (False, say(en="learned", zh="学出来的")),
                (True, say(en="permuted labels", zh="打乱的标签")),
            )
            for init, begun in (
                (at_random, say(en="initialised at random", zh="随机初始化")),
                (as_words, say(en="initialised as words", zh="用词语初始化")),
            )
        ),
        figures.Strip(say(en="random vectors of the same norms", zh="模长相同的随机向量"), nearest(random)),
    ]
    own, real, warm, null, warm_null, chance = (float(np.median(row.distances)) for row in rows)
    within = reading.measure_share_as_near(torch.tensor([real]), torch.from_numpy(rows[-1].distances)).item()
    kept = {init: [run.step for run in _contexts(init=init, permuted=False)] for init in reading_study.INITS}
    never, never_warm = (kept[init].count(0) for init in (at_random, as_words))
    return figures.strips(
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
            f"words than random ones ({_drawn(within)} of those are as near as the median of the learned), and farther than most words are from each "
            "other. Vectors from permuted labels come near to words as well: being near says that something was learned, not what. Those that "
            f"began as words have a head start: dots at exactly 0 are contexts kept at step 0 ({never_warm} of {len(kept[as_words])}), which are still "
            f"those words. Of those that began at random {never} of {len(kept[at_random])} were kept at step 0, too: hence the columns of equal dots, "
            "for a seed begins alike in all tasks. None of these ever left its beginning.",
            zh=f"每个点是存好的一个向量（随机初始化的有 {len(like)} 个），竖线是中位数。学出来的向量比随机的更靠近词（随机向量里{_drawn(within)} 有它们的"
            "中位数那么近），但远不如词和词之间那么近。用打乱的标签学出来的向量，离词也不远：靠近，只说明学到了些什么，不说明学到的是什么。"
            f"用词语初始化的，本来就占了便宜：正好落在 0 处的点，来自留下第 0 步的上下文向量（{len(kept[as_words])} 组里有 {never_warm} 组），还是原来的词。"
            f"随机初始化的，{len(kept[at_random])} 组里也有 {never} 组留下的是第 0 步：同一个种子在各个任务里起点相同，所以有几列位置一样的点。"
            "这些向量从没离开过起点。",
        ),
    )


# --- principal components --------------------------------------------------------------------------------------------------------


def paths_explorer(clip: CLIPModel, processor: CLIPProcessor) -> Explorer:
    """Turn the space of the three directions in which the words vary most, and follow the vectors of all seeds through it."""
    words = _vocabulary(clip, processor)
    table = words.table[words.words]  # (W, D)
    runs: dict[tuple[str, str], list[LearnedContext]] = {}
    for run in _contexts():
        if run.path is not None:
            runs.setdefault((run.task, run.init), []).append(run)
    steps = _steps(next(iter(runs.values()))[0].path)
    explained = reading.project(table, table, COMPONENTS).explained.numpy()
    generator = torch.Generator().manual_seed(0)
    tables = [reading.shuffle_columns(table, generator) for _ in range(SHUFFLES)]
    shuffled = np.mean([reading.project(other, other, COMPONENTS).explained.numpy() for other in tables], axis=0)
    controls = {
        **{name: control for name, control in _which(runs).items() if name != "seed"},
        "show": make_dropdown(
            say(en="show", zh="显示"),
            {
                say(en="both", zh="两者"): "both",
                say(en="real labels", zh="真标签"): "real",
                say(en="permuted labels", zh="打乱的标签"): "null",
            },
            "both",
            20,
        ),
        "step": ipywidgets.SelectionSlider(options=steps, value=steps[-1], description=say(en="step", zh="步"), **style_control(30)),
        "turn": ipywidgets.IntSlider(25, min=-180, max=180, step=5, description=say(en="turn (°)", zh="转动（°）"), **style_control(30)),
        "tilt": ipywidgets.IntSlider(15, min=-90, max=90, step=5, description=say(en="tilt (°)", zh="俯仰（°）"), **style_control(30)),
    }  # fmt: skip

    @cache
    def shown(task: str, init: str) -> SimpleNamespace:
        """All that does not depend on where one looks from."""
        learned = torch.stack([run.path for run in runs[task, init]])  # (S, L, M, D)
        null = torch.stack([run.context for run in _contexts(task=task, init=init, permuted=True)])  # (S, M, D)
        drawn = reading.draw_random_like(learned[0, -1], DRAWS, torch.Generator().manual_seed(0))
        parts = {"learned": learned, "null": null, "chance": drawn, "words": table}
        each = {name: vectors.flatten(0, -2) for name, vectors in parts.items()}
        together = reading.project(torch.cat(list(each.values())), table, 3)
        sizes = [len(vectors) for vectors in each.values()]
        return SimpleNamespace(
            vectors=parts,
            places={name: points.view(*parts[name].shape[:-1], 3) for name, points in zip(each, together.vectors.split(sizes))},
            outside={name: shares.view(parts[name].shape[:-1]) for name, shares in zip(each, together.outside.split(sizes))},
        )  # fmt: skip

    def draw(now: SimpleNamespace) -> Picture:
        space, right, look_at = shown(now.task, now.init), RIGHT[now.task], steps.index(now.step)
        ends = space.vectors["null"] if now.show == "null" else space.vectors["learned"][:, look_at]  # (S, M, D)
        often = [name for name, _ in Counter(_nearest(words, ends.flatten(0, 1))).most_common()]
        named = list(dict.fromkeys([*right, *often[:NAMED]]))
        rows = {words.names[row]: place for place, row in enumerate(words.words.tolist())}
        hidden = {
            "learned": space.outside["learned"][:, look_at].mean().item(),
            "null": space.outside["null"].mean().item(),
            "words": space.outside["words"].mean().item(),
            "chance": space.outside["chance"].mean().item(),
        }
        which = {"real": ("learned",), "null": ("null",), "both": ("learned", "null")}[now.show]
        # from the lowest to the highest in each direction, whatever the step, so that nothing jumps while a path grows
        every = torch.cat([space.places[name].flatten(0, -2) for name in (*which, "words")])
        centre = (every.amin(0) + every.amax(0)) / 2
        paths = space.places["learned"][:, : look_at + 1].transpose(1, 2).flatten(0, 1)  # (S M, L, 3)
        meant = "null" if now.show == "null" else "learned"
        names_of = {
            "learned": say(en="learned", zh="学出来的"),
            "null": say(en="permuted", zh="打乱标签"),
            "words": say(en="words", zh="词"),
            "chance": say(en="random", zh="随机向量"),
        }
        of = {
            "learned": say(en="a learned vector's squared distance from the centre, on average", zh="学出来的向量"),
            "null": say(en="the squared distance from the centre, with permuted labels", zh="打乱标签学出来的向量"),
        }[meant]
        return figures.paths_in_space(
            figures.Space(
                space.places["words"].numpy(),
                [(rows[name], name, name in right) for name in named],
                paths.numpy() if "learned" in which else np.empty((0, 1, 3)),
                space.places["null"].flatten(0, 1).numpy() if "null" in which else np.empty((0, 3)),
                centre.numpy(),
                1.04 * (every - centre).norm(dim=-1).max().item(),
            ),
            now.turn,
            now.tilt,
            explained,
            shuffled,
            [(names_of[name], share, name == meant) for name, share in hidden.items()],
            title=say(
                en=f"Directions not shown hold {100 * hidden[meant]:.0f} % of {of}",
                zh=f"{of}，到中心距离的平方里，平均有 {100 * hidden[meant]:.0f}% 在图上看不见的方向上",
            ),
            alt=_paths_in_words(now, ends, named, hidden[meant], explained),
            caption=_about_paths(now, hidden, explained, shuffled),
        )

    return Explorer(controls, draw)


def _paths_in_words(
    now: SimpleNamespace, ends: Tensor, named: Sequence[str], hidden: float, explained: np.ndarray
) -> str:
    seeds, vectors, _ = ends.shape
    shown = {
        "real": say(en="paths from hollow to filled dots", zh="从空心点到实心点的路径"),
        "null": say(en="crosses, where contexts from permuted labels ended", zh="叉号，是用打乱的标签学出来的终点"),
        "both": say(
            en="paths from hollow to filled dots, and crosses where contexts from permuted labels ended",
            zh="从空心点到实心点的路径，还有叉号，是用打乱的标签学出来的终点",
        ),
    }[now.show]
    return say(
        en=f"A cloud of grey dots, the words, in three directions, turned by {now.turn}° and tilted by {now.tilt}°. In it {shown}, for "
        f"{seeds * vectors} vectors of {format_count(seeds, 'seed')}: {_task_name(now.task)}, begun as {_init_name(now.init)}, step {now.step}. Named: "
        f"{', '.join(named)}. About {10 * hidden:.0f} tenths of a vector are not to be seen. Beside it bars: the first three directions "
        f"carry {100 * explained[:3].sum():.0f} % of the words' variance.",
        zh=f"一团灰点是各个词在三个方向上的位置，转动 {now.turn}°，俯仰 {now.tilt}°。里面画着{shown}，共 {seeds} 个种子、{seeds * vectors} 个向量："
        f"{_task_name(now.task)}，初始化为{_init_name(now.init)}，第 {now.step} 步。标出的词：{'、'.join(named)}。每个向量大约"
        f"{'零一二三四五六七八九十'[round(10 * hidden)]}成看不见。旁边的条形图：前三个方向占全部词的方差的 {100 * explained[:3].sum():.0f}%。",
    )


def _about_paths(now: SimpleNamespace, hidden: Mapping[str, float], explained: np.ndarray, shuffled: np.ndarray) -> str:
    seen, by_chance = explained[:3].sum(), shuffled[:3].sum()
    learned, permuted, of_words, random = (format_percent(share, 0) for share in hidden.values())
    return say(
        en=f"The three directions are those in which the words vary most: they carry {format_percent(seen, 0)} of the words' variance, where the same "
        f"numbers in disorder would carry {format_percent(by_chance, 0)}. Of the squared distance from the centre, this picture does not show {learned} for "
        f"learned vectors, {permuted} for those from permuted labels, {of_words} for words, and {random} for random vectors. So points that look close "
        "here need not be close: the named words are nearest to the ends in all directions, not in these three. ",
        zh=f"这三个方向是词变化最大的方向，占全部词的方差的 {format_percent(seen, 0)}；同样这些数打乱以后，只占 {format_percent(by_chance, 0)}。按到中心距离的平方算，"
        f"图上看不见的部分，学出来的向量有 {learned}，用打乱的标签学出来的有 {permuted}，词有 {of_words}，随机向量有 {random}。所以图上靠得近，不等于真的近："
        "标出的词是在所有方向上离终点最近的，不是在这三个方向上。",
    ) + _right_words(RIGHT[now.task])


def _right_words(right: Sequence[str]) -> str:
    if not right:
        return ""
    return say(en=f"✓: {_or(right)}, the right word here. ", zh=f"✓ 是这里正确的词：{_or(right)}。")


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
        runs, by_hand = _contexts(task=task, init="random", permuted=False), load_study().helpful_words(task)
        searched = [run.accuracy for run in load_study().on_words if run.task == task]
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


# --- influence -------------------------------------------------------------------------------------------------------------------


def influence_explorer(clip: CLIPModel, processor: CLIPProcessor) -> Explorer:
    """Blend from the beginning to what was learned, make the vectors longer, leave one out or change their order, and see what they are
    worth on test pictures, how alike they are, and how much the end of the text attends to each."""
    worth, runs = _worth_of(clip, processor), _runs_followed()
    M = reading_study.LENGTH
    whole = {say(en="all, in order", zh="全部，原顺序"): "all", say(en="in reverse order", zh="倒过来"): "reversed"}
    without = {say(en=f"without vector {i + 1}", zh=f"去掉向量 {i + 1}"): i for i in range(M)}
    controls = {
        **_which(runs),
        "what": make_dropdown(say(en="vectors", zh="向量"), whole | without, "all", 23.2),
        "blend": ipywidgets.FloatSlider(1, min=0, max=1.5, step=0.1, description=say(en="blend", zh="混合比例"), **style_control(30)),
        "norm": ipywidgets.FloatSlider(1, min=0, max=2, step=0.1, description=say(en="norm ×", zh="模长 ×"), **style_control(30)),
    }  # fmt: skip

    def draw(now: SimpleNamespace) -> Picture:
        run = runs[now.task, now.init, now.seed]
        known = worth.fixed(now.task, now.init, now.seed)
        (vectors,) = now.norm * reading.interpolate(run.begun, run.context, [now.blend])  # (M, D)
        there = [i for i in range(M) if i != now.what]
        if now.what == "reversed":
            there.reverse()
        vectors = vectors[there]
        changed = worth.prompted(now.task).with_context(vectors)
        share = changed.accuracy(*worth.pictures(now.task))
        attention, even = _attention(changed)
        said = {
            "all": say(en="all vectors in order", zh="全部向量，原顺序"),
            "reversed": say(en="the vectors in reverse order", zh="向量倒过来排"),
        }
        what = said.get(now.what) or say(en=f"without vector {now.what + 1}", zh=f"去掉向量 {now.what + 1}")
        rows = [
            figures.Scored(say(en="now", zh="现在"), [share], bold=True),
            figures.Scored(say(en="as learned", zh="原样"), [known.learned]),
            *(
                figures.Scored(say(en=f"without v{i + 1}", zh=f"去掉 v{i + 1}"), [rest])
                for i, rest in enumerate(known.without)
            ),
            figures.Scored(say(en=f"{ORDERS} other orders", zh=f"另外 {ORDERS} 种顺序"), known.orders),
            figures.Scored(
                say(en=f"hand prompt, {ORDERS} orders", zh=f"手工提示词换 {ORDERS} 种顺序"), known.reordered
            ),
            figures.Scored(say(en=f"{RANDOM_CONTEXTS} random ones", zh=f"{RANDOM_CONTEXTS} 组随机向量"), known.random),
        ]
        return figures.influence(
            rows,
            known.hand,
            reading.compute_cosines(vectors).numpy(),
            attention.numpy(),
            even,
            [f"v{i + 1}" for i in there],
            title=say(
                en=f"Blend {now.blend:.1f}, norm × {now.norm:.1f}, {what}: accuracy {format_percent(share)}, as learned {format_percent(known.learned)}",
                zh=f"混合比例 {now.blend:.1f}，模长 × {now.norm:.1f}，{what}：准确率 {format_percent(share)}，原样 {format_percent(known.learned)}",
            ),
            alt=_influence_in_words(now, run, what),
            caption=_about_influence(known),
        )

    return Explorer(controls, draw)


def influence_table(clip: CLIPModel, processor: CLIPProcessor) -> Table:
    """Of each context that was learned on blurred photos the test accuracy in per cent: as learned, without each vector, in other orders."""
    worth, rows = _worth_of(clip, processor), []
    for seed in load_study().seeds:
        known = worth.fixed("blurred", "random", seed)
        orders = f"{100 * min(known.orders):.1f}–{100 * max(known.orders):.1f}"
        rows.append((str(seed), *(f"{100 * share:.1f}" for share in (known.learned, *known.without)), orders))
    by_hand_alone = f"{100 * load_study().helpful_words('blurred').hand:.1f}"
    header = (
        say(en="seed", zh="种子"),
        say(en=f"as learned (hand prompt {by_hand_alone})", zh=f"原样（手工提示词 {by_hand_alone}）"),
        *(say(en=f"without vector {i + 1}", zh=f"去掉向量 {i + 1}") for i in range(reading_study.LENGTH)),
        say(en=f"{ORDERS} other orders", zh=f"另外 {ORDERS} 种顺序"),
    )
    return Table(rows, header, align="right")


def _runs_followed() -> dict[tuple[str, str, int], LearnedContext]:
    runs = _contexts(permuted=False)
    return {(run.task, run.init, run.seed): run for run in runs if run.task in reading_study.FOLLOWED}


def _worth_of(clip: CLIPModel, processor: CLIPProcessor) -> SimpleNamespace:
    """How one scores the followed tasks on the study's test pictures, which are the same for all seeds; `fixed`: all accuracies of a learned
    context that no slider changes."""
    _vocabulary(clip, processor)
    runs = _runs_followed()

    @cache
    def pictures(task: str) -> tuple[Tensor, Tensor]:
        test = draw_few_shot(reading_study.TASKS[task], 1, 1, reading_study.TESTS).test
        return cache_features(clip, processor, test.images), test.labels.to(clip.device)

    @cache
    def prompted(task: str) -> PromptedCLIP:
        return PromptedCLIP(clip, processor, reading_study.TASKS[task].class_names, reading_study.LENGTH)

    def score(task: str, vectors: Tensor) -> float:
        return prompted(task).with_context(vectors).accuracy(*pictures(task))

    @cache
    def fixed(task: str, init: str, seed: int) -> SimpleNamespace:
        vectors, generator = runs[task, init, seed].context, torch.Generator().manual_seed(0)
        drawn = reading.draw_random_like(vectors, RANDOM_CONTEXTS, generator)
        by_hand_alone = prompted(task).context.detach()  # it begins as “a photo of a”, and nobody has changed it
        return SimpleNamespace(
            hand=prompted(task).accuracy(*pictures(task)),
            learned=score(task, vectors),
            without=[score(task, rest) for rest in reading.leave_one_out(vectors)],
            orders=[score(task, order) for order in reading.permute_vectors(vectors, ORDERS, generator)],
            reordered=[score(task, by_hand_alone[order]) for order in _reordered(reading_study.INITS[1].split())],
            random=[score(task, context) for context in drawn],
        )

    return SimpleNamespace(pictures=pictures, prompted=prompted, fixed=fixed)


def _reordered(words: Sequence[str]) -> list[list[int]]:
    """ORDERS other orders of these words, of which no two read the same, as “a photo of a” does when its two a change places."""
    reads = {tuple(words[place] for place in order): list(order) for order in permutations(range(len(words)))}
    others = [order for text, order in reads.items() if text != tuple(words)]
    return [
        others[i] for i in torch.randperm(len(others), generator=torch.Generator().manual_seed(0))[:ORDERS].tolist()
    ]


@torch.no_grad()
def _attention(prompted: PromptedCLIP) -> tuple[Tensor, float]:
    """How much of its attention the end of a text pays to each slot in each layer (L, M), and what it would be in even shares."""
    length = int(prompted.end.max()) + 1
    ids = prompted.ids[:, :length]  # (C, T)
    x, mask, shares = prompted.embeddings(input_ids=ids), by_hand.make_causal_mask(length).to(prompted.clip.device), []
    for layer in prompted.clip.text_model.encoder.layers:
        shares.append(by_hand.attend(layer, layer.layer_norm1(x), mask)[1])  # (C, H, T, T)
        x = by_hand.run_layer(layer, x, mask)
    slots = ids == prompted.embeddings.placeholder
    even = (1 / (prompted.end + 1)).mean().item()
    return reading.measure_attention_to_slots(shares, slots, prompted.end), even


def _influence_in_words(now: SimpleNamespace, run: LearnedContext, what: str) -> str:
    """What is drawn, and only those accuracies that are stored: what is computed here may differ by a picture elsewhere."""
    by_hand_alone = load_study().helpful_words(run.task)
    stored = [format_percent(share, 0) for share in (run.accuracy, by_hand_alone.hand)]
    return say(
        en=f"Bars of accuracy on test pictures; the task: {_task_name(run.task)}, begun as {_init_name(run.init)}, seed {run.seed}. The first bar: "
        f"{what}, blend {now.blend:.1f}, norm × {now.norm:.1f}; then as learned, about {stored[0]}, each vector left out, dots for other orders, "
        f"dots for the words of the hand prompt in other orders, and dots for random vectors. A dotted line marks the hand prompt, about {stored[1]}. Beside them two tables in colours: the cosines among "
        "the vectors, and how much the end of the text attends to each in each layer.",
        zh=f"测试集准确率的条形图；任务：{_task_name(run.task)}，初始化为{_init_name(run.init)}，种子 {run.seed}。第一条是：{what}，混合比例 "
        f"{now.blend:.1f}，模长 × {now.norm:.1f}；下面依次是原样（约 {stored[0]}）、逐个去掉一个向量、换顺序（点）、手工提示词的词换顺序（点）、随机向量（点）。点线是手工提示词，约 "
        f"{stored[1]}。旁边两张色块表：向量之间的余弦，以及文本结束符在每一层给每个向量的注意力。",
    )


def _about_influence(known: SimpleNamespace) -> str:
    lost = [known.learned - rest for rest in known.without]
    most, points = lost.index(max(lost)) + 1, f"{100 * max(0, *lost):.1f}"
    missed = (
        say(
            en=f"Vector {most} is missed most (−{points} points)",
            zh=f"最少不了的是向量 {most}（少了它降 {points} 个百分点）",
        )
        if max(lost) > 0.01
        else say(
            en=f"No single vector is missed (at most {points} points)",
            zh=f"少了哪一个都不要紧（最多降 {points} 个百分点）",
        )
    )
    return say(
        en=f"As learned the vectors get {format_percent(known.learned, 1)}, “a photo of a” {format_percent(known.hand, 1)}, and {RANDOM_CONTEXTS} contexts of random "
        f"vectors of the same norms, the null, {_between(known.random)}. {missed}; other orders get {_between(known.orders)}. But the very words "
        f"“a photo of a”, in {ORDERS} other orders, get {_between(known.reordered)}: this CLIP hardly asks for order at all. "
        "Blend 0 is where the vectors began, 1 what was learned. How much attention a slot gets need not say what it is worth.",
        zh=f"学出来的向量得 {format_percent(known.learned, 1)}，“a photo of a”得 {format_percent(known.hand, 1)}；偶然对照是 {RANDOM_CONTEXTS} 组模长相同的随机向量，得 "
        f"{_between(known.random)}。{missed}；换成别的顺序，得 {_between(known.orders)}。不过，“a photo of a”自己的几个词换成别的 {ORDERS} 种顺序，也得 "
        f"{_between(known.reordered)}：这个 CLIP 本来就几乎不管顺序。混合比例 0 是起点，1 是学完以后。注意力多，不等于作用大。",
    )


def _between(shares: Sequence[float]) -> str:
    least, most = format_percent(min(shares), 1), format_percent(max(shares), 1)
    return least if least == most else say(en=f"{least} to {most}", zh=f"{least} 到 {most}")


# --- planted words ---------------------------------------------------------------------------------------------------------------


@cache
def _best_ranks(task: str, init: str, permuted: bool, metric: Metric, moment: str = "context") -> tuple[int, ...]:
    """Of each seed's context of a task: the best rank that one of the task's words has among all words, seen from any vector.

    moment: "context", as they were kept, or "last".
    """
    runs = _contexts(task=task, init=init, permuted=permuted)
    contexts = torch.stack([getattr(run, moment) for run in runs])  # (S, M, D)
    return tuple(_ranks_of(RIGHT[task], contexts, metric).tolist())


def _ranks_of(right: Sequence[str], contexts: Tensor, metric: Metric) -> Tensor:
    """Of each context (S, M, D) the best rank of any of these words: (S,)."""
    return find_best_rank(contexts, right, _pocket()[1], metric)


@cache
def _ranks_by_chance(task: str, init: str, metric: Metric) -> Tensor:
    """The best ranks of the task's words in contexts of random vectors, as long as the learned ones: (CHANCE,)."""
    lengths = _contexts(task=task, init=init, permuted=False)[0].context
    drawn = reading.draw_random_like(lengths, CHANCE, torch.Generator().manual_seed(0))
    return _ranks_of(RIGHT[task], drawn, metric)


def planted_explorer() -> Explorer:
    """Choose what was planted and how far down the list one looks, and see where the planted word was found: learned, and by chance."""
    kinds = {
        say(en="secrets: which of two", zh="秘密：两样里的哪一个"): "secret",
        say(en="styles", zh="风格"): "style",
        say(en="two styles at once", zh="两种风格混合"): "mixture",
    }
    controls = {
        "kind": make_dropdown(say(en="planted", zh="埋下的"), kinds, "secret", 26),
        "init": make_dropdown(say(en="begins as", zh="初始化"), _inits(), reading_study.INITS[0], 23.2),
        "k": ipywidgets.IntSlider(
            WITHIN, min=1, max=MOST_RANKS, description=say(en="up to rank", zh="到第几名"), **style_control(30)
        ),
        "moment": make_dropdown(
            say(en="vectors", zh="向量"),
            {say(en="as kept", zh="留下的"): "context", say(en="after the last step", zh="最后一步之后"): "last"},
            "context",
            26,
        ),
        "metric": make_dropdown(say(en="distance", zh="距离"), _metrics(), "cosine", 18),
    }

    def draw(now: SimpleNamespace) -> Picture:
        tasks = _tasks(now.kind)
        ranks = {
            permuted: [_best_ranks(task, now.init, permuted, now.metric, now.moment) for task in tasks]
            for permuted in (False, True)
        }
        chances = [(_ranks_by_chance(task, now.init, now.metric) <= now.k).double().mean().item() for task in tasks]
        rows = [
            figures.Planted(_title_of(task), real, null, chance)
            for task, real, null, chance in zip(tasks, ranks[False], ranks[True], chances)
        ]
        named, by_null = (sum(rank <= now.k for run in ranks[permuted] for rank in run) for permuted in (False, True))
        of, chance = sum(len(run) for run in ranks[False]), mean(chances)
        seeds = sorted({run.seed for run in _contexts(task=tasks[0], init=now.init)})
        return figures.ranks_in_a_grid(
            rows,
            now.k,
            seeds,
            title=say(
                en=f"Named (rank ≤ {now.k}) in {named} of {of} contexts, with permuted labels in {by_null} of {of}, by random vectors in {figures.percent_of_draws(chance)}",
                zh=f"正确的词进了前 {now.k} 名：{of} 组里 {named} 组；打乱标签，{of} 组里 {by_null} 组；随机向量，{figures.percent_of_draws(chance)}",
            ),
            alt=_planted_in_words(now, tasks, ranks, named, by_null, of, chance),
            caption=_about_planted(now, named, by_null, of, chance),
        )

    return Explorer(controls, draw)


def _planted_in_words(
    now: SimpleNamespace,
    tasks: Sequence[str],
    ranks: Mapping[bool, Sequence[Sequence[int]]],
    named: int,
    by_null: int,
    of: int,
    chance: float,
) -> str:
    colon = say(en=": ", zh="：")
    in_the_middle = [
        f"{_or(RIGHT[task])}{colon}{median(real):g} / {median(null):g}"
        for task, real, null in zip(tasks, ranks[False], ranks[True])
    ]
    return say(
        en=f"A grid with a row for each task and a column for each seed, twice: learned, and from permuted labels; a cell shows the rank of the "
        f"right word and is filled within {now.k}, by {_metric_name(now.metric)} distance, begun as {_init_name(now.init)}. Filled are {named} of "
        f"{of}, and {by_null} of {of}. Median ranks, learned / permuted: {'; '.join(in_the_middle)}. Bars: random vectors name it in "
        f"{_drawn(chance)} on average.",
        zh=f"一张格子图画了两遍，一行一个任务，一列一个种子：左边是学出来的，右边是用打乱的标签学出来的。格子里是正确的词的名次（{_metric_name(now.metric)}"
        f"距离，初始化为{_init_name(now.init)}），{now.k} 名以内的涂色：左边 {of} 格里有 {named} 格，右边有 {by_null} 格。名次的中位数（学出来的 / 打乱的）："
        f"{'；'.join(in_the_middle)}。条形：随机向量平均{_drawn(chance)} 读出它。",
    )


def _about_planted(now: SimpleNamespace, named: int, by_null: int, of: int, chance: float) -> str:
    count = len(_pocket()[1].words)
    text = say(
        en=f"The rank of the right word among {count} words, for whichever of the vectors is nearest to it; where several words would be right, "
        f"the best counts. Within rank {now.k} it is read from {named} of {of} contexts; where the labels were permuted, from {by_null} of {of}; and "
        f"of {CHANCE} contexts of random vectors, {_drawn(chance)} would name it. "
        + ("These are the vectors after the last step, and not the kept ones. " if now.moment == "last" else ""),
        zh=f"格子里是正确的词在 {count} 个词里排第几名，取离它最近的那个向量；正确的词不止一个时，取最好的。只看前 {now.k} 名，{of} 组上下文向量里有 "
        f"{named} 组读得出它；标签打乱以后有 {by_null} 组；{CHANCE} 组随机向量里{_drawn(chance)}。"
        + ("这里看的是最后一步之后的向量，不是留下的那一步。" if now.moment == "last" else ""),
    )
    if now.init != "random" and any(set(RIGHT[task]) & set(now.init.split()) for task in _tasks(now.kind)):
        text += say(
            en="Mind “photo”: contexts that began as “a photo of a” had that word from the start. ",
            zh="注意“photo”这一行：用“a photo of a”初始化的，一开始就有这个词。",
        )
    return text


def named_table() -> Table:
    """In how many contexts of each kind the planted word is among the five nearest: as kept, after the last step, from permuted labels, and
    what random vectors would do."""
    kinds = {
        "secret": say(en="secrets", zh="秘密"),
        "style": say(en="styles", zh="风格"),
        "mixture": say(en="two styles at once", zh="两种风格混合"),
    }
    rows = []
    for kind, init in ((kind, init) for kind in kinds for init in reading_study.INITS):
        tasks = _tasks(kind)

        def counts(permuted: bool = False, moment: str = "context") -> dict[str, int]:
            ranks = {task: _best_ranks(task, init, permuted, "cosine", moment) for task in tasks}
            return {"/".join(RIGHT[task]): sum(rank <= WITHIN for rank in ranks[task]) for task in tasks}

        kept, last, null = (counts(), counts(moment="last"), counts(permuted=True))
        by_null = ", ".join(f"{word} {times}" for word, times in null.items() if times)
        chance = mean((_ranks_by_chance(task, init, "cosine") <= WITHIN).double().mean().item() for task in tasks)
        runs = [run for task in tasks for run in _contexts(task=task, init=init, permuted=False)]
        rows.append(
            (
                kinds[kind],
                _init_name(init),
                str(len(runs)),
                str(sum(run.step == 0 for run in runs)),
                *(str(sum(found.values())) for found in (kept, last)),
                str(sum(null.values())) + (f" ({by_null})" if by_null else ""),
                f"{chance * len(runs):.1f}",
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


def planted_table() -> Table:
    """Of each style and secret the right word, its places in the contexts of all seeds that began at random, the same with permuted
    labels, and three p-values of the median place, since there are several kinds of nothing.

    Like is compared with like: a median of five with medians of five. The p-values are `reading.compute_p_value` of the median of the real
    places, in nulls of MEDIANS medians of the same word's places, each in as many contexts, drawn at random:

    - permuted: from all contexts that were learned from permuted labels and began at random, of whichever task. They know nothing of the
      word. But they all end near the same few words, and many others then have bad places: this null alone is too easily beaten.
    - random: contexts of random vectors. They learned nothing. (By cosine their lengths do not count, and one draw serves all words.)
    - other tasks: from the contexts of the other tasks of the same kind (true labels, begun at random). They learned something, but
      another thing: what beats them was read from this task, and not from any.

    (Contexts of one task are more alike than those of several, which the first and the last null mix: their medians vary a little less
    than they should.)
    """
    permuted = torch.stack([run.context for run in _contexts(init="random", permuted=True)])  # (S, M, D)
    seeds, words = len(_contexts(task=_tasks("style")[0], init="random", permuted=False)), _pocket()[1]
    drawn = reading.draw_random_like(permuted[0], MEDIANS * seeds, torch.Generator().manual_seed(0))
    apart = reading.measure_distances(drawn, words.table[words.words]).unflatten(
        0, (MEDIANS, seeds)
    )  # (MEDIANS, seeds, M, W)
    rows = []
    for task, alike in ((task, tasks) for tasks in (_tasks("style"), _tasks("secret")) for task in tasks):
        real, null = (_best_ranks(task, "random", which, "cosine") for which in (False, True))
        runs = [run for other in alike if other != task for run in _contexts(task=other, init="random", permuted=False)]
        others = torch.stack([run.context for run in runs])  # (S, M, D)
        nulls = (
            _medians(_ranks_of(RIGHT[task], permuted, "cosine"), seeds),
            find_best_rank_by_distance(apart, RIGHT[task], words).double().quantile(0.5, dim=-1),
            _medians(_ranks_of(RIGHT[task], others, "cosine"), seeds),
        )
        listed = (", ".join(map(str, places)) for places in (real, null))
        ps = (_p(reading.compute_p_value(median(real), medians)) for medians in nulls)
        rows.append((_task_name(task), ", ".join(RIGHT[task]), *listed, *ps))
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


def _medians(places: Tensor, of: int) -> Tensor:
    """MEDIANS medians, each of so many of these places (N,) drawn at random, none of them twice."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.rand(MEDIANS, len(places), generator=generator).argsort(-1)[:, :of]  # (MEDIANS, of)
    return places[drawn].double().quantile(0.5, dim=-1)


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "≤ 0.001"


# --- words as levers -------------------------------------------------------------------------------------------------------------


def levers_explorer() -> Explorer:
    """Choose a task, and see of every word how near it is to what was learned, and what it does to the loss when it is written down."""
    tasks, words = _tasks(), _pocket()[1]
    names = [words.names[row] for row in words.words.tolist()]
    table = words.table[words.words]
    first = "blurred" if "blurred" in tasks else tasks[0]
    controls = {"task": make_dropdown(say(en="task", zh="任务"), {_task_name(task): task for task in tasks}, first, 36)}

    @cache
    def closest(task: str, permuted: bool) -> Tensor:
        """How far each word is from the closest vector of any seed's context: (W,)."""
        runs = _contexts(task=task, init="random", permuted=permuted)
        return reading.measure_distances(torch.cat([run.context for run in runs]), table).amin(0)

    def draw(now: SimpleNamespace) -> Picture:
        record, right = load_study().helpful_words(now.task), RIGHT[now.task]
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
        f"{format_count(facts.both[False], 'word')}; with permuted labels {facts.both[True]}.",
        zh=f"两张散点图，{facts.of} 个词每个一点；任务：{_task_name(task)}。横轴是这个词离学出来的向量有多近（左图真标签，右图打乱的标签），纵轴是写上这个词以后的"
        f"损失。最近的：{'、'.join(facts.nearest)}。最有用的：{'、'.join(facts.helpful)}。点线是什么词也不加时的损失。既最近又最有用的词有 {facts.both[False]} 个，标签打乱时有 {facts.both[True]} 个。",
    )


def _about_levers(facts: SimpleNamespace) -> str:
    def told(names: Sequence[str]) -> str:
        return say(en=", ", zh="、").join(f"“{name}”" for name in names)

    first, place = facts.nearest[0], facts.rank[facts.nearest[0]]
    text = say(
        en=f"Written into “a photo of a … cat.”, {format_count(facts.better, 'word')} of {facts.of} lower the loss on the training pictures; without any it "
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
        losses, without = load_study().helpful_words(task).losses, load_study().helpful_words(task).without
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


# --- GPT-2's prompts -------------------------------------------------------------------------------------------------------------


def prompts_read(gpt2: PreTrainedModel, tokenizer: Any) -> Explorer:
    """Choose one of GPT-2's stored prompts, and see beside the token that each vector began as the nearest ones now."""
    table = reading.read_vocabulary(gpt2, tokenizer)
    rows = table.trained.nonzero().flatten()  # of all tokens that were trained: prompts began as colons, too
    names = [name if name != tokenizer.eos_token else "EOT" for name in table.names]
    learned = {
        name: reading.load_learned_vectors(PROMPTS / f"{name}.safetensors", gpt2) for name in captioner_study.TASKS
    }
    begun = {name: _begun(table, tokenizer, name, len(vectors)) for name, vectors in learned.items()}
    controls = {
        "prompt": make_dropdown(say(en="prompt", zh="提示词"), {_prompt_name(name): name for name in learned}, "describe", 20),
        "k": ipywidgets.IntSlider(3, min=1, max=4, description=say(en="tokens", zh="词元数"), **style_control(23.2)),
        "metric": make_dropdown(say(en="distance", zh="距离"), _metrics(), "cosine", 18),
    }  # fmt: skip

    @cache
    def unmoved(name: str, metric: Metric) -> tuple[int, int]:
        """How many vectors of a prompt are nearest to the token that each began as, and of how many."""
        near = reading.find_nearest_tokens(learned[name], table.table, 1, metric, rows).ids[:, 0]
        return int((near == begun[name]).sum()), len(near)

    def draw(now: SimpleNamespace) -> Picture:
        vectors, ids = learned[now.prompt], begun[now.prompt]  # (M, D), (M,)
        near = reading.find_nearest_tokens(vectors, table.table, now.k, now.metric, rows)
        drawn = reading.draw_random_like(vectors, CHANCE, torch.Generator().manual_seed(0))
        null = reading.measure_distances(drawn, table.table[rows], now.metric).amin(-1)  # (CHANCE, M)
        bands = null.quantile(torch.tensor([0.05, 0.95], dtype=null.dtype), dim=0).T.tolist()
        cosines = F.cosine_similarity(vectors, table.table[ids], dim=-1).tolist()
        told = [
            figures.Begun(names[id], [names[i] for i in nearest], apart, cosine, tuple(band))
            for id, nearest, apart, cosine, band in zip(ids.tolist(), near.ids.tolist(), near.distances.tolist(), cosines, bands)
        ]  # fmt: skip
        same = sum(vector.same for vector in told)
        new = [vector for vector in told if not vector.same]
        shares = [
            reading.measure_share_as_near(apart[0], chance).item() for apart, chance in zip(near.distances, null.T)
        ]
        return figures.words_then_and_now(
            told,
            1.06 * max(null.max().item(), near.distances[:, 0].max().item()),
            unit=say(
                en=f"{_metric_name(now.metric)} distance to the nearest token",
                zh=f"到最近词元的{_metric_name(now.metric)}距离",
            ),
            title=say(
                en=f"The prompt “{now.prompt}”: {same} of {len(told)} vectors are nearest to the token they were initialised as",
                zh=f"提示词“{_prompt_name(now.prompt)}”：{len(told)} 个向量里，有 {same} 个离得最近的还是初始化时的词元",
            ),
            alt=_prompt_in_words(now, told),
            caption=_about_prompt(told, same, new, max(shares), [unmoved(name, now.metric) for name in learned]),
        )

    return Explorer(controls, draw)


def _begun(table: Vocabulary, tokenizer: Any, name: str, length: int) -> Tensor:
    """The tokens (M,) as which a stored prompt began: those of its words, again and again until there are enough."""
    words = DESCRIBE if name == "describe" else " ".join(INSTRUCTIONS[name])
    shape = {"hidden_size": table.table.shape[1], "vocab_size": len(table.table)}
    prompt = SoftPrompt(length, **shape, init=words, table=table.table, tokenizer=tokenizer)
    return reading.find_nearest_tokens(prompt.prompt_embeddings, table.table, 1).ids[:, 0]


def _prompt_in_words(now: SimpleNamespace, told: Sequence[figures.Begun]) -> str:
    pairs = [f"“{vector.word}” → “{vector.now[0]}”" for vector in told]
    return say(
        en=f"A list of the {len(told)} vectors of the prompt “{now.prompt}”: the token each began as, a dot at the {_metric_name(now.metric)} distance "
        f"to the nearest token now, and the {now.k} nearest; a grey band shows where random vectors lie. From the beginning to now: {', '.join(pairs)}.",
        zh=f"提示词“{_prompt_name(now.prompt)}”的 {len(told)} 个向量列成一张表：各自初始化时的词元、到现在最近词元的{_metric_name(now.metric)}距离（一个点）、最近的 "
        f"{now.k} 个词元；灰色带是随机向量所在的范围。从开始到现在：{'，'.join(pairs)}。",
    )


def _about_prompt(
    told: Sequence[figures.Begun],
    same: int,
    new: Sequence[figures.Begun],
    most: float,
    every: Sequence[tuple[int, int]],
) -> str:
    """most: the largest share of random vectors that are as near to a token as one of these; every: of each prompt how many, and of how many."""
    unmoved, of = map(sum, zip(*every))
    text = say(
        en=f"Of {len(told)} vectors {same} are nearest to the very token they began as: what reads like an instruction is what was put there, and no "
        "finding. The null is the beginning. ",
        zh=f"{len(told)} 个向量里，有 {same} 个离得最近的就是初始化时的那个词元：读出来像一句指令，是因为本来就放了这句指令，不算发现。这里的偶然对照就是起点。",
    )
    for vector in new:
        text += say(
            en=f"“{vector.word}” has become “{vector.now[0]}”. ", zh=f"“{vector.word}”变成了“{vector.now[0]}”。"
        )
    return text + say(
        en="But every one has moved (a cosine of 1.00 would mean: not at all). "
        + (f"At most {format_percent(most, 0)}" if most >= 0.01 else "Less than 1 %")
        + " of random vectors of the same norm are as near to a token as these. "
        + f"In all {len(every)} prompts together, {unmoved} of {of} vectors are nearest to the token they were initialised as.",
        zh="不过每个向量都移动了（余弦是 1.00 才表示没动）。模长相同的随机向量里，"
        + (f"最多有 {format_percent(most, 0)}" if most >= 0.01 else "只有不到 1%")
        + f" 离词元这么近。{len(every)} 个提示词合起来，{of} 个向量里有 {unmoved} 个离得最近的还是初始化时的词元。",
    )


def _prompt_name(name: str) -> str:
    return say(en=name, zh={"describe": "描述", "count": "数数", "colour": "颜色", "story": "故事"}[name])


# --- what the explorers share ----------------------------------------------------------------------------------------------------


def _which(runs: Mapping[tuple, Any]) -> dict[str, ipywidgets.Dropdown]:
    """Lists of the tasks, beginnings and seeds that the keys of these runs have."""
    tasks, inits, *seeds = (list(dict.fromkeys(part)) for part in zip(*sorted(runs, key=_in_order)))
    lists = {
        "task": make_dropdown(say(en="task", zh="任务"), {_task_name(task): task for task in tasks}, tasks[0], 29),
        "init": make_dropdown(say(en="begins as", zh="初始化"), {_init_name(i): i for i in inits}, inits[0], 23.2),
    }
    if seeds:
        numbers = {say(en=f"seed {seed}", zh=f"种子 {seed}"): seed for seed in seeds[0]}
        lists["seed"] = make_dropdown(say(en="seed", zh="种子"), numbers, seeds[0][0], 16)
    return lists


def _in_order(key: tuple) -> tuple:
    """The followed tasks in the order of the lesson, random beginnings first."""
    followed = list(reading_study.FOLLOWED)
    return followed.index(key[0]), reading_study.INITS.index(key[1]), *key[2:]


def _metrics() -> dict[str, Metric]:
    return {_metric_name(metric): metric for metric in ("cosine", "euclidean")}


def _metric_name(metric: Metric) -> str:
    return {"cosine": say(en="cosine", zh="余弦"), "euclidean": say(en="Euclidean", zh="欧氏")}[metric]


def _inits() -> dict[str, str]:
    return {_init_name(init): init for init in reading_study.INITS}


def _init_name(init: str) -> str:
    return say(en="random numbers", zh="随机数") if init == "random" else say(en=f"“{init}”", zh=f"词语“{init}”")


def _task_name(task: str) -> str:
    """A task in the learner's language."""
    if secret := _secret_of(task):
        return say(en=f"the {secret[0]} one of two things", zh=f"两样东西里{secret[1]}的那个")
    if styles := _styles_of(task):
        return say(en=f"each picture a {styles}", zh=f"每张图都是{styles}")
    return {
        "blurred": say(en="blurred photos", zh="模糊的照片"),
        "on its side": say(en="photos on their side", zh="侧放的照片"),
    }[task]


def _title_of(task: str) -> str:
    """The same in fewer words, for figures."""
    if secret := _secret_of(task):
        return say(en=f"the {secret[0]} one of two", zh=f"两样里{secret[1]}的")
    return _styles_of(task) or _task_name(task)


def _secret_of(task: str) -> tuple[str, str] | None:
    """Which of two things is meant, in English and in Chinese."""
    if not task.startswith("the "):
        return None
    secret = task.split()[1]
    return secret, {"left": "左边", "right": "右边", "large": "大", "small": "小"}.get(secret) or translate(secret)


def _styles_of(task: str) -> str:
    """The styles that all pictures of a task have, or nothing."""
    styles = task.removeprefix("objects, each a ").split(" or a ") if task.startswith("objects, each a ") else []
    return say(en=" or ".join(styles), zh="或".join(map(translate, styles)))


def _or(names: Sequence[str]) -> str:
    return say(en=" or ", zh="或").join(f"“{name}”" for name in names)


def _drawn(share: float, zh: str = "有") -> str:
    """A share of a finite number of draws, in Chinese after a verb: it never says that there is none, or nothing else."""
    if share < 0.01:
        return say(en="less than 1 %", zh=f"只{zh}不到 1%")
    if share > 0.99:
        return say(en="more than 99 %", zh=f"{zh}超过 99%")
    return say(en="", zh=f"{zh} ") + format_percent(share, 0)
