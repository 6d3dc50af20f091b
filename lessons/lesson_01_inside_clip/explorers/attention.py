"""Attention: who looks at whom in the vision tower, by hand from the model's own layers, and the causal mask of the text tower."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import ipywidgets
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import CLIPModel, CLIPProcessor

from helpers import by_hand
from helpers.language import say
from lessons.kit.explorer import Explorer, format_percent, make_row, style_control
from lessons.kit.picture import (
    BLUE,
    GREY,
    INK,
    LOCK,
    SLATE,
    WIDTH,
    Picture,
    add_page,
    choose_letter_colour,
    crop_square,
    finish,
    make_blank,
    make_rectangle,
    measure_letters,
    shorten,
)
from lessons.lesson_01_inside_clip import figures


def compute_attention(clip: CLIPModel, pixel_values: Tensor) -> Tensor:
    """How the positions of a picture share their attention, by hand, from the model's own layers: (L, H, 1 + P, 1 + P).

    pixel_values: (1, 3, H, W). In each layer and head a row is the position that looks, a column what it looks at; rows sum to one.
    Position 0 is the class token.
    """
    tower, maps = clip.vision_model, []
    with torch.no_grad():
        x = tower.pre_layrnorm(by_hand.embed_patches(clip, pixel_values))  # (1, 1 + P, D)
        for layer in tower.encoder.layers:
            _, shares = by_hand.attend(layer, layer.layer_norm1(x))  # (1, H, 1 + P, 1 + P)
            maps.append(shares[0])
            x = by_hand.run_layer(layer, x)
    return torch.stack(maps)


def explore_attention(
    clip: CLIPModel,
    processor: CLIPProcessor,
    image: Image.Image,
    patch: int | None = None,
    layer: int | None = None,
    head: int = 0,
) -> Explorer:
    """Choose a patch, a layer and a head, and see where that patch looks, and who looks at it.

    The patch is chosen by its button or by the slider; 0 is the class token.

    patch, layer, head: those to begin with, counted from 1; by default the patch in the middle, the last layer, and the mean of its heads.
    """
    pixels = processor.image_processor([image.convert("RGB")], return_tensors="pt")["pixel_values"]
    # (L, H, 1 + P, 1 + P)
    attention = compute_attention(clip, pixels.to(clip.device, clip.dtype)).float().cpu().numpy()
    layers, heads, positions, _ = attention.shape
    grid = math.isqrt(positions - 1)
    seen = crop_square(image, 512)
    mean = [(say(en="mean of heads", zh="各头取平均"), 0)]
    controls = {
        "place": ipywidgets.IntSlider(
            grid // 2 * (grid + 1) + 1 if patch is None else patch,
            min=0,
            max=positions - 1,
            description=say(en="who looks", zh="谁在看"),
            **style_control(30),
        ),
        "layer": ipywidgets.IntSlider(
            layer or layers, min=1, max=layers, description=say(en="layer", zh="层"), **style_control(30)
        ),
        "head": ipywidgets.SelectionSlider(
            options=mean + [(say(en=f"head {head}", zh=f"第 {head} 个头"), head) for head in range(1, heads + 1)],
            value=head,
            description=say(en="head", zh="头"),
            **style_control(30),
        ),
    }

    def draw(now: SimpleNamespace) -> Picture:
        by_head = attention[now.layer - 1]
        shares = by_head[now.head - 1] if now.head else by_head.mean(0)  # (1 + P, 1 + P)
        looks, looked_at = shares[now.place], shares[:, now.place]
        who = say(en=f"patch {now.place}", zh=f"图块 {now.place} ") if now.place else _name_patch(0, grid)
        which = say(en=f"head {now.head}", zh=f"第 {now.head} 个头") if now.head else mean[0][0]
        gets, evenly = format_percent(looked_at.mean()), format_percent(1 / positions)
        return figures.draw_attention_maps(
            seen,
            now.place,
            looks,
            looked_at,
            title=say(
                en=f"Layer {now.layer}, {which}: {who} gets {gets} of all attention (an even share: {evenly})",
                zh=f"第 {now.layer} 层，{which}：{who}得到全部注意力的 {gets}（平均分的话是 {evenly}）",
            ),
            alt=_describe_attention(now, looks, looked_at, grid, (layers, heads)),
            caption=say(
                en=f"The darker, the more attention; each map has its own scale. The numbers are the three highest, in per cent; shared out "
                f"evenly, each of the {positions} positions would get {evenly}. In the middle all weights make 100 %. On the right each "
                "comes out of another position's 100 %.",
                zh=f"颜色越深，注意力越多；两张图的刻度各不相同。数字是最高的三个注意力权重，单位是 %；要是平均分，{positions} 个位置各得 "
                f"{evenly}。中间那张图的权重加起来是 100%；右边那张图，每个权重都出自另一个位置的 100%。",
            ),
        )

    explorer = Explorer(controls, draw)
    buttons = _make_patch_buttons(controls["place"], seen, grid)
    sliders = ipywidgets.VBox(list(controls.values()))
    explorer.widget.children = [make_row(buttons, sliders, align_items="center"), explorer.view]
    return explorer


def _describe_attention(
    now: SimpleNamespace, looks: np.ndarray, seen: np.ndarray, grid: int, of: tuple[int, int]
) -> str:
    """Where the two maps are darkest, as far as it is clear on every machine."""
    who, most, from_ = _name_patch(now.place, grid), _describe_darkest(looks, grid), _describe_darkest(seen, grid)
    if np.quantile(seen, 0.1) > 3 / len(seen):
        from_ = say(
            en="and nearly all positions do, by much more than an even share", zh="几乎每个位置都在看，权重远高于平均"
        )
    layers, heads = of
    en = f"head {now.head} of {heads}" if now.head else f"mean of {heads} heads"
    zh = f"第 {now.head} 个头（共 {heads} 个）的注意力" if now.head else f"注意力，{heads} 个头取平均"
    return say(
        en=f"Attention in layer {now.layer} of {layers}, {en}. Left, the picture with {who} framed. In the middle, a map of where it "
        f"looks, {most}. On the right, a map of who looks at it, {from_}.",
        zh=f"第 {now.layer} 层（共 {layers} 层）{zh}。左边是原图，框出了{who}；中间画的是它往哪里看，{most}；右边画的是谁在看它，{from_}。",
    )


def _name_patch(place: int, grid: int) -> str:
    if not place:
        return say(en="the class token", zh="类别词元")
    row, column = divmod(place - 1, grid)
    return say(
        en=f"patch {place} (row {row + 1}, column {column + 1})",
        zh=f"图块 {place}（第 {row + 1} 行第 {column + 1} 列）",
    )


def _describe_darkest(shares: np.ndarray, grid: int) -> str:
    first, second = np.argsort(-shares, kind="stable")[:2]
    if shares[first] - shares[second] < 0.005:
        return say(en="with no place clearly the darkest", zh="没有哪一处明显最深")
    return say(en=f"darkest at {_name_patch(first, grid)}", zh=f"颜色最深的是{_name_patch(first, grid)}")


def _make_patch_buttons(place: ipywidgets.IntSlider, image: Image.Image, grid: int) -> ipywidgets.VBox:
    """A button for the class token and one for each patch, in the mean colour of that patch; the chosen one has a thick border."""
    side = 28 if grid <= 8 else 22
    size = {"width": f"{side}px", "height": f"{side}px", "padding": "0", "margin": "0"}
    layouts = [ipywidgets.Layout(border=border, **size) for border in ("1px solid #B4BCC6", "2px solid #222222")]
    colours = np.asarray(image.resize((grid, grid), Image.Resampling.BOX)).reshape(-1, 3)
    buttons = [ipywidgets.Button(description="0", layout=layouts[0], tooltip=say(en="class token", zh="类别词元"))]
    for number, colour in enumerate(colours, start=1):
        row, column = divmod(number - 1, grid)
        tip = say(
            en=f"patch {number}: row {row + 1}, column {column + 1}",
            zh=f"第 {number} 个图块：第 {row + 1} 行第 {column + 1} 列",
        )
        button = ipywidgets.Button(description=str(number), layout=layouts[0], tooltip=tip)
        # ipywidgets 8; where letters cannot be made to stand out, buttons stay plain
        if "text_color" in button.style.keys:
            button.style.button_color = "#{:02x}{:02x}{:02x}".format(*colour)
            button.style.text_color = choose_letter_colour(colour / 255)
        buttons.append(button)
    for number, button in enumerate(buttons):
        button.on_click(lambda _, number=number: setattr(place, "value", number))

    def mark(change: Mapping[str, Any]) -> None:
        buttons[change["old"]].layout, buttons[change["new"]].layout = layouts

    place.observe(mark, names="value")
    buttons[place.value].layout = layouts[1]
    columns = {"grid_template_columns": f"repeat({grid}, {side}px)", "grid_gap": "2px"}
    token = ipywidgets.HBox([buttons[0], ipywidgets.Label(say(en="class token", zh="类别词元"))])
    return ipywidgets.VBox([token, ipywidgets.GridBox(buttons[1:], layout=columns)])


def draw_causal_mask(T: int, labels: Sequence[str] | None = None) -> Picture:
    """The causal mask of T positions: who may see whom. labels: what stands at the positions; by default their numbers."""
    names = list(map(str, range(T))) if labels is None else list(labels)
    if len(names) != T:
        raise ValueError(f"{T} positions need {T} labels, and there are {len(names)}")
    title = say(
        en="Causal mask: no position sees what comes after it, and only the last sees everything",
        zh="因果掩码：谁也看不见自己后面的词元，只有最后一个位置看得见全文",
    )
    alt = say(
        en=f"A grid of {T} rows and {T} columns, labelled {', '.join(names)}. In each row the cells up to the diagonal are filled and have "
        "a dot: these it may see. Those to the right of it are hatched. The first row sees one position, itself; the last sees "
        f"all {T}.",
        zh=f"{T} 行 {T} 列的格子，标着 {'、'.join(names)}。每一行从左边到对角线为止的格子涂满、带圆点，表示看得见；右边的画着斜线，表示看不见。"
        f"第一行只看得见自己，最后一行 {T} 个全看得见。",
    )
    caption = say(
        en="A row is the position that looks. It may see the filled cells: itself and what stands before it.",
        zh="每一行是一个位置，涂满的格子是它看得见的：它自己，和排在它前面的。",
    )
    shown = [shorten(name, 14) for name in names]
    longest = 0.075 * max(map(measure_letters, shown))
    left, low = 0.65 + longest, 0.14
    cell = min(0.36, (WIDTH - left - 2.75) / T)
    top, right, upright = low + T * cell, left + T * cell, longest > cell
    height = top + 0.72 + (longest if upright else 0.12)
    hidden = {"facecolor": "white", "edgecolor": GREY, "hatch": "/////", "linewidth": 0.8}
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        for row, name in enumerate(shown):
            y = top - (row + 0.5) * cell
            style = {"fontsize": 8.5, "color": INK, "parse_math": False}
            page.text(left - 0.08, y, name, ha="right", va="center", **style)
            style |= {"rotation": 90} if upright else {}
            page.text(left + (row + 0.5) * cell, top + 0.06, name, ha="center", va="bottom", **style)
            for column in range(T):
                box = left + column * cell, left + (column + 1) * cell, y - cell / 2, y + cell / 2
                if column > row:
                    page.add_patch(make_rectangle(*box, **hidden))
                    continue
                page.add_patch(make_rectangle(*box, facecolor=BLUE, edgecolor="white", linewidth=0.8))
                page.plot(left + (column + 0.5) * cell, y, "o", color="white", markersize=3.5)
            sees = say(en=f"sees {row + 1}", zh=f"看得见 {row + 1} 个")
            page.text(right + 0.1, y, sees, fontsize=8, color=SLATE, va="center")
        style = {"fontsize": 9, "weight": "bold", "color": INK}
        page.text(left, height - 0.46, say(en="what it may see", zh="看得见哪些"), va="center", **style)
        page.text(0.2, top, say(en="the position that looks", zh="哪个位置在看"), va="top", rotation=90, **style)
        x, y = right + 0.85, top - 0.28
        page.add_patch(make_rectangle(x, x + 0.3, y - 0.15, y + 0.15, facecolor=BLUE))
        page.plot(x + 0.15, y, "o", color="white", markersize=3.5)
        page.add_patch(make_rectangle(x, x + 0.3, y - 0.6, y - 0.3, **hidden))
        style = {"fontsize": 8.5, "color": INK, "va": "center"}
        may_not = "may not: −∞ is added before the\nsoftmax, so its weight is 0"
        page.text(x + 0.4, y, say(en="may see: itself\nand what is before it", zh="看得见：自己\n和前面的"), **style)
        page.text(x + 0.4, y - 0.45, say(en=may_not, zh="看不见：softmax 之前加上 −∞，\n注意力权重就是 0"), **style)
        return finish(figure, alt, caption)
