"""Explorer of lesson 04: the paths of learned vectors through the three directions in which words vary most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from types import SimpleNamespace

import ipywidgets
import numpy as np
import torch
from torch import Tensor
from transformers import CLIPModel, CLIPProcessor

from helpers.language import say
from lessons.kit.explorer import Explorer, format_count, format_percent, make_dropdown, style_control
from lessons.kit.picture import Picture
from lessons.lesson_04_reading import instruments, nulls
from lessons.lesson_04_reading.explorers import shared
from lessons.lesson_04_reading.figures import paths as figures
from pocket.studies import reading_study
from pocket.studies.reading_study import RIGHT

COMPONENTS, SHUFFLES = 10, 5


def explore_paths(clip: CLIPModel, processor: CLIPProcessor) -> Explorer:
    """Turn the space of the three directions in which the words vary most, and follow the vectors of all seeds through it."""
    words = shared.read_words(clip)
    table = words.table[words.words]  # (W, D)
    rows = {words.names[row]: place for place, row in enumerate(words.words.tolist())}
    steps = shared.list_steps()
    explained = instruments.project(table, table, COMPONENTS).explained.numpy()
    generator = torch.Generator().manual_seed(0)
    tables = [nulls.shuffle_columns(table, generator) for _ in range(SHUFFLES)]
    shuffled = np.mean([instruments.project(other, other, COMPONENTS).explained.numpy() for other in tables], axis=0)
    controls = {
        **{name: control for name, control in shared.make_run_controls().items() if name != "seed"},
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
    def measure_space(task: str, init: str) -> SimpleNamespace:
        """All that does not depend on where one looks from."""
        learned = reading_study.load_study().contexts(task, init, field="path")  # (S, L, M, D)
        null = shared.stack_contexts(task=task, init=init, permuted=True)  # (S, M, D)
        drawn = shared.sample_null(learned[0, -1], shared.DRAWS)  # (DRAWS, M, D)
        parts = {"learned": learned, "null": null, "chance": drawn, "words": table}
        each = {name: vectors.flatten(0, -2) for name, vectors in parts.items()}
        together = instruments.project(torch.cat(list(each.values())), table, 3)
        sizes = [len(vectors) for vectors in each.values()]
        return SimpleNamespace(
            vectors=parts,
            places={name: points.view(*parts[name].shape[:-1], 3) for name, points in zip(each, together.vectors.split(sizes))},
            outside={name: shares.view(parts[name].shape[:-1]) for name, shares in zip(each, together.outside.split(sizes))},
        )  # fmt: skip

    def draw(now: SimpleNamespace) -> Picture:
        space, right, number = measure_space(now.task, now.init), RIGHT[now.task], steps.index(now.step)
        ends = space.vectors["null"] if now.show == "null" else space.vectors["learned"][:, number]  # (S, M, D)
        often = [name for name, _ in Counter(shared.name_nearest(words, ends.flatten(0, 1))).most_common()]
        named = list(dict.fromkeys([*right, *often[: shared.NAMED]]))
        outside = space.outside | {"learned": space.outside["learned"][:, number]}
        hidden = {name: outside[name].mean().item() for name in ("learned", "null", "words", "chance")}
        which = {"real": ("learned",), "null": ("null",), "both": ("learned", "null")}[now.show]
        # from the lowest to the highest in each direction, whatever the step, so that nothing jumps while a path grows
        every = torch.cat([space.places[name].flatten(0, -2) for name in (*which, "words")])
        centre = (every.amin(0) + every.amax(0)) / 2
        paths = space.places["learned"][:, : number + 1].transpose(1, 2).flatten(0, 1)  # (S M, L, 3)
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
        return figures.draw_paths(
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
            alt=_describe_paths(now, ends, named, hidden[meant], explained),
            caption=_explain_paths(now, hidden, explained, shuffled),
        )

    return Explorer(controls, draw)


def _describe_paths(
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
        f"{seeds * vectors} vectors of {format_count(seeds, 'seed')}: {shared.describe_task(now.task)}, begun as {shared.name_init(now.init)}, step {now.step}. Named: "
        f"{', '.join(named)}. About {10 * hidden:.0f} tenths of a vector are not to be seen. Beside it bars: the first three directions "
        f"carry {100 * explained[:3].sum():.0f} % of the words' variance.",
        zh=f"一团灰点是各个词在三个方向上的位置，转动 {now.turn}°，俯仰 {now.tilt}°。里面画着{shown}，共 {seeds} 个种子、{seeds * vectors} 个向量："
        f"{shared.describe_task(now.task)}，初始化为{shared.name_init(now.init)}，第 {now.step} 步。标出的词：{'、'.join(named)}。每个向量大约"
        f"{'零一二三四五六七八九十'[round(10 * hidden)]}成看不见。旁边的条形图：前三个方向占全部词的方差的 {100 * explained[:3].sum():.0f}%。",
    )


def _explain_paths(
    now: SimpleNamespace, hidden: Mapping[str, float], explained: np.ndarray, shuffled: np.ndarray
) -> str:
    seen, by_chance, right = explained[:3].sum(), shuffled[:3].sum(), shared.join_quoted(RIGHT[now.task])
    learned, permuted, of_words, random = (format_percent(share, 0) for share in hidden.values())
    text = say(
        en=f"The three directions are those in which the words vary most: they carry {format_percent(seen, 0)} of the words' variance, where the same "
        f"numbers in disorder would carry {format_percent(by_chance, 0)}. Of the squared distance from the centre, this picture does not show {learned} for "
        f"learned vectors, {permuted} for those from permuted labels, {of_words} for words, and {random} for random vectors. So points that look close "
        "here need not be close: the named words are nearest to the ends in all directions, not in these three. ",
        zh=f"这三个方向是词变化最大的方向，占全部词的方差的 {format_percent(seen, 0)}；同样这些数打乱以后，只占 {format_percent(by_chance, 0)}。按到中心距离的平方算，"
        f"图上看不见的部分，学出来的向量有 {learned}，用打乱的标签学出来的有 {permuted}，词有 {of_words}，随机向量有 {random}。所以图上靠得近，不等于真的近："
        "标出的词是在所有方向上离终点最近的，不是在这三个方向上。",
    )
    return text + say(en=f"✓: {right}, the right word here. ", zh=f"✓ 是这里正确的词：{right}。") * bool(right)
