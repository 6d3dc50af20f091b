"""Explorer of lesson 04: what the vectors are worth, left out, in other orders, longer or shorter."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import permutations
from types import SimpleNamespace

import ipywidgets
import torch
from torch import Tensor
from transformers import CLIPModel, CLIPProcessor

from helpers import by_hand
from helpers.context import PromptedCLIP
from helpers.data import cache_features
from helpers.language import say
from helpers.notebook import Table
from lessons.kit.explorer import Explorer, format_percent, make_dropdown, style_control
from lessons.kit.picture import Picture
from lessons.lesson_04_reading import instruments, nulls
from lessons.lesson_04_reading.explorers import shared
from lessons.lesson_04_reading.figures import influence as figures
from pocket.datasets import draw_few_shot
from pocket.studies import reading_study
from pocket.studies.reading_study import LearnedContext

ORDERS, RANDOM_CONTEXTS = 5, 20  # that the learned order and the learned vectors are compared with


def explore_influence(clip: CLIPModel, processor: CLIPProcessor) -> Explorer:
    """Blend from the beginning to what was learned, make the vectors longer, leave one out or change their order, and see what they are
    worth on test pictures, how alike they are, and how much the end of the text attends to each."""
    worth, runs = make_scorer(clip, processor), shared.find_followed()
    M = reading_study.LENGTH
    whole = {say(en="all, in order", zh="全部，原顺序"): "all", say(en="in reverse order", zh="倒过来"): "reversed"}
    without = {say(en=f"without vector {i + 1}", zh=f"去掉向量 {i + 1}"): i for i in range(M)}
    controls = {
        **shared.make_run_controls(),
        "what": make_dropdown(say(en="vectors", zh="向量"), whole | without, "all", 23.2),
        "blend": ipywidgets.FloatSlider(1, min=0, max=1.5, step=0.1, description=say(en="blend", zh="混合比例"), **style_control(30)),
        "norm": ipywidgets.FloatSlider(1, min=0, max=2, step=0.1, description=say(en="norm ×", zh="模长 ×"), **style_control(30)),
    }  # fmt: skip

    def draw(now: SimpleNamespace) -> Picture:
        run = runs[now.task, now.init, now.seed]
        known = worth.fixed(now.task, now.init, now.seed)
        (vectors,) = now.norm * instruments.interpolate(run.begun, run.context, [now.blend])  # (M, D)
        there = [i for i in range(M) if i != now.what]
        if now.what == "reversed":
            there.reverse()
        vectors = vectors[there]
        changed = worth.prompted(now.task).with_context(vectors)
        share = changed.accuracy(*worth.pictures(now.task))
        attention, even = measure_attention(changed)
        what = {
            "all": say(en="all vectors in order", zh="全部向量，原顺序"),
            "reversed": say(en="the vectors in reverse order", zh="向量倒过来排"),
            **{number: name for name, number in without.items()},
        }[now.what]
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
        score, learned = format_percent(share), format_percent(known.learned)
        return figures.draw_influence(
            rows,
            known.hand,
            instruments.compute_cosines(vectors).numpy(),
            attention.numpy(),
            even,
            [f"v{i + 1}" for i in there],
            title=say(
                en=f"Blend {now.blend:.1f}, norm × {now.norm:.1f}, {what}: accuracy {score}, as learned {learned}",
                zh=f"混合比例 {now.blend:.1f}，模长 × {now.norm:.1f}，{what}：准确率 {score}，原样 {learned}",
            ),
            alt=_describe_influence(now, run, what),
            caption=_explain_influence(known),
        )

    return Explorer(controls, draw)


def tabulate_influence(clip: CLIPModel, processor: CLIPProcessor) -> Table:
    """Of each context that was learned on blurred photos the test accuracy in per cent: as learned, without each vector, in other orders."""
    worth, rows = make_scorer(clip, processor), []
    for seed in reading_study.load_study().seeds:
        known = worth.fixed("blurred", "random", seed)
        orders = f"{100 * min(known.orders):.1f}–{100 * max(known.orders):.1f}"
        rows.append((str(seed), *(f"{100 * share:.1f}" for share in (known.learned, *known.without)), orders))
    by_hand_alone = f"{100 * reading_study.load_study().helpful_words('blurred').hand:.1f}"
    header = (
        say(en="seed", zh="种子"),
        say(en=f"as learned (hand prompt {by_hand_alone})", zh=f"原样（手工提示词 {by_hand_alone}）"),
        *(say(en=f"without vector {i + 1}", zh=f"去掉向量 {i + 1}") for i in range(reading_study.LENGTH)),
        say(en=f"{ORDERS} other orders", zh=f"另外 {ORDERS} 种顺序"),
    )
    return Table(rows, header, align="right")


def make_scorer(clip: CLIPModel, processor: CLIPProcessor) -> SimpleNamespace:
    """How one scores the followed tasks on the study's test pictures, which are the same for all seeds; `fixed`: all accuracies of a learned
    context that no slider changes."""
    shared.read_words(clip)
    runs = shared.find_followed()

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
        drawn = nulls.draw_random_like(vectors, RANDOM_CONTEXTS, generator)
        by_hand_alone = prompted(task).context.detach()  # it begins as “a photo of a”, and nobody has changed it
        return SimpleNamespace(
            hand=prompted(task).accuracy(*pictures(task)),
            learned=score(task, vectors),
            without=[score(task, rest) for rest in instruments.leave_one_out(vectors)],
            orders=[score(task, order) for order in instruments.permute_vectors(vectors, ORDERS, generator)],
            reordered=[score(task, by_hand_alone[order]) for order in reorder_words(reading_study.INITS[1].split())],
            random=[score(task, context) for context in drawn],
        )

    return SimpleNamespace(pictures=pictures, prompted=prompted, fixed=fixed)


def reorder_words(words: Sequence[str]) -> list[list[int]]:
    """ORDERS other orders of these words, of which no two read the same, as “a photo of a” does when its two a change places."""
    reads = {tuple(words[place] for place in order): list(order) for order in permutations(range(len(words)))}
    others = [order for text, order in reads.items() if text != tuple(words)]
    chosen = torch.randperm(len(others), generator=torch.Generator().manual_seed(0))[:ORDERS]
    return [others[i] for i in chosen.tolist()]


@torch.no_grad()
def measure_attention(prompted: PromptedCLIP) -> tuple[Tensor, float]:
    """How much of its attention the end of a text pays to each slot in each layer (L, M), and what it would be in even shares."""
    length = int(prompted.end.max()) + 1
    ids = prompted.ids[:, :length]  # (C, T)
    x, mask, shares = prompted.embeddings(input_ids=ids), by_hand.make_causal_mask(length).to(prompted.clip.device), []
    for layer in prompted.clip.text_model.encoder.layers:
        shares.append(by_hand.attend(layer, layer.layer_norm1(x), mask)[1])  # (C, H, T, T)
        x = by_hand.run_layer(layer, x, mask)
    slots = ids == prompted.embeddings.placeholder
    even = (1 / (prompted.end + 1)).mean().item()
    return instruments.measure_attention_to_slots(shares, slots, prompted.end), even


def _describe_influence(now: SimpleNamespace, run: LearnedContext, what: str) -> str:
    """What is drawn, and only those accuracies that are stored: what is computed here may differ by a picture elsewhere."""
    by_hand_alone = reading_study.load_study().helpful_words(run.task)
    stored = [format_percent(share, 0) for share in (run.accuracy, by_hand_alone.hand)]
    return say(
        en=f"Bars of accuracy on test pictures; the task: {shared.describe_task(run.task)}, begun as {shared.name_init(run.init)}, seed {run.seed}. The first bar: "
        f"{what}, blend {now.blend:.1f}, norm × {now.norm:.1f}; then as learned, about {stored[0]}, each vector left out, dots for other orders, "
        f"dots for the words of the hand prompt in other orders, and dots for random vectors. A dotted line marks the hand prompt, about {stored[1]}. Beside them two tables in colours: the cosines among "
        "the vectors, and how much the end of the text attends to each in each layer.",
        zh=f"测试集准确率的条形图；任务：{shared.describe_task(run.task)}，初始化为{shared.name_init(run.init)}，种子 {run.seed}。第一条是：{what}，混合比例 "
        f"{now.blend:.1f}，模长 × {now.norm:.1f}；下面依次是原样（约 {stored[0]}）、逐个去掉一个向量、换顺序（点）、手工提示词的词换顺序（点）、随机向量（点）。点线是手工提示词，约 "
        f"{stored[1]}。旁边两张色块表：向量之间的余弦，以及文本结束符在每一层给每个向量的注意力。",
    )


def _explain_influence(known: SimpleNamespace) -> str:
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
        f"vectors of the same norms, the null, {_format_bounds(known.random)}. {missed}; other orders get {_format_bounds(known.orders)}. But the very words "
        f"“a photo of a”, in {ORDERS} other orders, get {_format_bounds(known.reordered)}: this CLIP hardly asks for order at all. "
        "Blend 0 is where the vectors began, 1 what was learned. How much attention a slot gets need not say what it is worth.",
        zh=f"学出来的向量得 {format_percent(known.learned, 1)}，“a photo of a”得 {format_percent(known.hand, 1)}；偶然对照是 {RANDOM_CONTEXTS} 组模长相同的随机向量，得 "
        f"{_format_bounds(known.random)}。{missed}；换成别的顺序，得 {_format_bounds(known.orders)}。不过，“a photo of a”自己的几个词换成别的 {ORDERS} 种顺序，也得 "
        f"{_format_bounds(known.reordered)}：这个 CLIP 本来就几乎不管顺序。混合比例 0 是起点，1 是学完以后。注意力多，不等于作用大。",
    )


def _format_bounds(shares: Sequence[float]) -> str:
    least, most = format_percent(min(shares), 1), format_percent(max(shares), 1)
    return least if least == most else say(en=f"{least} to {most}", zh=f"{least} 到 {most}")
