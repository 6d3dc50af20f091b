"""Explorer of lesson 02b: what a pass through the text tower costs, counted.

On top of `Explorer`, `figures_b` and the counts of `lessons.kit.flops`. Sizes: Radford et al. 2021, arXiv 2103.00020.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import ipywidgets
from transformers import CLIPConfig

from helpers.language import get_language, say
from helpers.pretrained import POCKET_CLIP
from lessons.kit.explorer import Explorer, make_dropdown, style_control
from lessons.kit.flops import count_text_tower
from lessons.kit.picture import Picture
from lessons.lesson_02_learnable_context import figures_b as figures
from lessons.lesson_02_learnable_context.explorers.shared import make_options_slider

NEEDED = 3  # positions of a text beside its context and its class name: SOS, the full stop, EOT
CLASSES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
LENGTHS = (1, 2, 4, 8, 16, 32, 64)
MOST_TOKENS = 6  # in a class name


def _list_sizes() -> dict[str, CLIPConfig]:
    """The pocket CLIP's configuration; the library's default one, which is ViT-B/32's; and ViT-L/14's (the paper's table 20)."""
    text = {"hidden_size": 768, "intermediate_size": 4 * 768, "num_hidden_layers": 12, "num_attention_heads": 12}
    return {
        say(en="pocket CLIP", zh="口袋 CLIP"): CLIPConfig.from_pretrained(POCKET_CLIP),
        "ViT-B/32": CLIPConfig(),
        "ViT-L/14": CLIPConfig(text_config=text, projection_dim=768),
    }


def explore_cost() -> Explorer:
    """Choose how many classes, how long context and class names are, and which CLIP; see what a forward pass costs by four ways.

    Nothing is measured: the multiply-adds are counted from the sizes of the model.
    """
    sizes = _list_sizes()
    controls = {
        "classes": make_options_slider(CLASSES, 100, say(en="classes", zh="类别数"), 30),
        "length": make_options_slider(LENGTHS, 16, say(en="vectors", zh="向量个数"), 30),
        "tokens": ipywidgets.IntSlider(
            1, min=1, max=MOST_TOKENS, description=say(en="name tokens", zh="类别名词元"), **style_control(30)
        ),
        "model": make_dropdown(say(en="text tower", zh="文本塔"), sizes, sizes["ViT-B/32"], 22),
    }

    def draw(now: SimpleNamespace) -> Picture:
        room, shared = now.model.text_config.max_position_embeddings, 1 + now.length
        length = now.length + now.tokens + NEEDED
        costs = [
            count_text_tower(now.model, now.classes, *way).forward
            for way in ((room,), (length,), (length, shared), (length, shared, True))
        ]
        names = (
            say(en=f"all {room} positions", zh=f"全部 {room} 个位置"),
            say(en="trimmed to the end", zh="截到结尾"),
            say(en="+ shared part once", zh="＋ 共有的只算一次"),
            say(en="+ last layer: ends only", zh="＋ 最后一层只算结尾"),
        )
        less = [_format_ratio(costs[0] / cost) for cost in costs]
        told = ["", *(say(en=f" · {times}× less", zh=f" · 原来的 1/{times}") for times in less[1:])]
        return figures.draw_cost_of_ways(
            [(name, cost, format_large(cost) + words) for name, cost, words in zip(names, costs, told)],
            {"shared": shared, "own": length - shared, "cut": room - length},
            now.classes,
            title=say(
                en=f"A forward pass of the text tower, counted: {less[-1]} times fewer multiply-adds",
                zh=f"文本塔前向计算一次：乘加次数减少到原来的 1/{less[-1]}",
            ),
            alt=_describe_cost(now, costs, (shared, length, room)),
            caption=_explain_cost(now, costs),
        )

    return Explorer(controls, draw)


def format_large(number: float) -> str:
    """A large number for people, to three digits: "27.5 million", or in Chinese "2,750 万"."""
    units = {
        "en": ((1e12, " trillion"), (1e9, " billion"), (1e6, " million")),
        "zh": ((1e12, " 万亿"), (1e8, " 亿"), (1e4, " 万")),
    }
    unit, word = next((pair for pair in units[get_language()] if number >= pair[0]), (1.0, ""))
    return f"{float(f'{number / unit:.3g}'):,g}{word}"


def _format_ratio(ratio: float) -> str:
    """A ratio in three digits at the most."""
    return f"{ratio:.{2 if ratio < 2 else 1 if ratio < 99.5 else 0}f}"


def _describe_cost(now: SimpleNamespace, costs: Sequence[int], where: tuple[int, int, int]) -> str:
    (shared, length, room), first = where, costs[0]
    less = [_format_ratio(first / cost) for cost in costs[1:]]
    return say(
        en=f"A strip of {room} positions, as each text has them, of which there are {now.classes:,}: {shared} are the same in all texts, {length - shared} each "
        f"text's own, {room - length} cut off. Under it four bars of multiply-adds in a forward pass. All {room} positions: "
        f"{format_large(first)}. Trimmed to the end: {less[0]} times less. With the shared part computed once: {less[1]} times less. With the "
        f"last layer at the end alone: {less[2]} times less, {format_large(costs[-1])}.",
        zh=f"文字共 {now.classes:,} 段，上面一条是每一段的 {room} 个位置：{shared} 个所有文字都相同，{length - shared} 个归各段文字自己，"
        f"{room - length} 个截掉。下面四条横条是一次前向计算的乘加次数。算全部 {room} 个位置：{format_large(first)}次。截掉结尾之后的位置：是原来的 1/{less[0]}。"
        f"相同的部分只算一次：是原来的 1/{less[1]}。最后一层只算结尾：是原来的 1/{less[2]}，即 {format_large(costs[-1])}次。",
    )


def _explain_cost(now: SimpleNamespace, costs: Sequence[int]) -> str:
    """What the three steps save, one after the other, and where the sizes come from."""
    cut, share, last = (_format_ratio(before / after) for before, after in zip(costs, costs[1:]))
    together = _format_ratio(costs[0] / costs[-1])
    caption = say(
        en=f"Trimming divides the count by {cut}, sharing by another {share}, the last layer by another {last}: by "
        f"{together} together. ",
        zh=f"截短之后，次数除以 {cut}；相同的部分共用，再除以 {share}；最后一层，再除以 {last}；合起来除以 {together}。",
    )
    if now.classes == 1:
        caption += say(en="A single text has nobody to share with. ", zh="只有一段文字，没有谁可以共用。")
    return caption + say(
        en="Counted, not measured: the time also holds what is no multiplication. The class name stands at the end, and all names are "
        "equally long. The sizes of ViT-B/32 are the library's defaults; those of ViT-L/14 stand in table 20 of Radford et al. 2021.",
        zh="这是数出来的，不是测出来的：真实用时还包括乘法以外的事。这里类别名都在末尾，长度都一样。ViT-B/32 的大小是库里的默认值，"
        "ViT-L/14 的出自 Radford 等（2021）的表 20。",
    )
