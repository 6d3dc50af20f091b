"""What CLIP learns from: cosines of pictures and captions, two softmaxes and a loss, and what the logit scale does to them."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import ipywidgets
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import CLIPModel, CLIPProcessor

from helpers.language import say
from helpers.pretrained import encode_images, encode_texts
from lessons.kit.explorer import Explorer, format_percent, make_row, read_values, style_control
from lessons.kit.picture import (
    EDGE,
    INK,
    LOCK,
    WIDTH,
    Picture,
    add_page,
    crop_square,
    encode_base64,
    finish,
    make_blank,
)
from lessons.lesson_01_inside_clip import figures

STEP = 0.01  # between two cosines of a slider


def draw_similarities(
    pictures: Sequence[Image.Image], captions: Sequence[str], cosines: Tensor | np.ndarray
) -> Picture:
    """Cosines of N pictures and N captions, (N, N), as a heat map with thumbnails; what belongs together is framed."""
    values = torch.as_tensor(cosines).detach().cpu().double().numpy()
    n = len(pictures)
    if not n == len(captions) == len(values) or values.shape != (n, n):
        raise ValueError(f"{n} pictures and {len(captions)} captions need cosines of ({n}, {n}), not {values.shape}")
    right = int((values.argmax(1) == np.arange(n)).sum())
    title = say(
        en=f"Cosines: in {right} of {n} rows the framed caption is the highest",
        zh=f"余弦：{n} 行里有 {right} 行，最高的正好在框里",
    )
    alt = say(
        en=f"A matrix of {n} pictures, down the side, and {n} captions, along the top, with the cosine of each pair. The diagonal, where "
        f"picture and caption belong together, is framed. It is the highest of its row in {right} of {n} rows.",
        zh=f"一个矩阵，左边是 {n} 张图，上面是 {n} 句说明文字，格子里是每一对的余弦。对角线上图和文字本来就是一对，加了框；{n} 行里有 "
        f"{right} 行，最高的正好在框里。",
    )
    caption = say(
        en="A row is a picture, a column a caption. Framed: the pairs that belong together. Bold: the highest of its row.",
        zh="一行是一张图，一列是一句说明文字。加框的本来就是一对，加粗的是这一行里最高的。",
    )
    small, cell = 8.5, min(0.66, 4.4 / n)
    low, left = 0.12, 0.24 + cell
    wide, top = min(1.6, (WIDTH - left - EDGE) / n), low + n * cell
    labels = [figures.wrap_label(text, round(wide / (0.0086 * small)), 12) for text in captions]
    with LOCK:
        figure = make_blank(top + 0.45 + 0.14 * max(label.count("\n") + 1 for label in labels))
        page = add_page(figure, title)
        for row, image in enumerate(pictures):
            box = left - 0.97 * cell - 0.06, left - 0.03 * cell - 0.06
            box += top - (row + 0.97) * cell, top - (row + 0.03) * cell
            page.imshow(np.asarray(crop_square(image, 128)), extent=box, aspect="auto", interpolation="antialiased")
        limit = float(np.abs(values).max()) or 1.0
        figures.draw_cells(page, values, left, top, cell, wide=wide, limit=limit, bold_best=True)
        for column, label in enumerate(labels):
            style = {"ha": "center", "va": "bottom", "color": INK, "linespacing": 1.05, "parse_math": False}
            page.text(left + (column + 0.5) * wide, top + 0.06, label, fontsize=small, **style)
        return finish(figure, alt, caption)


def compute_clip_losses(cosines: Tensor, scale: float | Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """CLIP's loss, the mean of two cross-entropies, and the two: of the pictures that choose captions, and of the captions.

    cosines: (N, N), a row for each picture, a column for each caption; what belongs together lies on the diagonal.
    """
    if cosines.ndim != 2 or cosines.shape[0] != cosines.shape[1]:
        shape = tuple(cosines.shape)
        raise ValueError(f"each picture needs one caption: the cosines must be square, and these are {shape}")
    logits, own = scale * cosines, torch.arange(len(cosines), device=cosines.device)
    image_loss, text_loss = cross_entropy(logits, own), cross_entropy(logits.T, own)
    return (image_loss + text_loss) / 2, image_loss, text_loss


def explore_matrix(
    clip: CLIPModel, processor: CLIPProcessor, images: Sequence[Image.Image], captions: Sequence[str]
) -> Explorer:
    """Fill a small matrix of cosines, and see both softmaxes and the loss. It begins with what CLIP says; a button brings that back.

    images, captions: two to four, each caption at the place of its picture.
    """
    n, learned = len(images), clip.logit_scale.exp().item()
    if not 2 <= n == len(captions) <= 4:
        raise ValueError(f"{n} pictures and {len(captions)} captions: there must be as many of each, two to four")
    own = (encode_images(clip, processor, images) @ encode_texts(clip, processor, captions).T).double()  # (N, N)
    own = STEP * ((own + 1) / STEP).round() - 1
    places = [(row, column) for row in range(1, n + 1) for column in range(1, n + 1)]
    cells = {
        f"cosine_{row}_{column}": _make_cell(row, column, own[row - 1, column - 1].item()) for row, column in places
    }
    first, scale = read_values(cells), _make_scale_slider(learned, max(100, learned))

    def draw(now: SimpleNamespace) -> Picture:
        cosines = torch.tensor([getattr(now, name) for name in cells], dtype=torch.float64).reshape(n, n)
        losses = tuple(loss.item() for loss in compute_clip_losses(cosines, now.scale))
        return figures.draw_contrastive_matrices(
            images,
            captions,
            cosines.numpy(),
            now.scale,
            losses,
            title=say(
                en=f"The loss is {losses[0]:.2f}; guessing among {n} gives ln {n} = {math.log(n):.2f}",
                zh=f"损失是 {losses[0]:.2f}；在 {n} 个里瞎猜，损失是 ln {n} = {math.log(n):.2f}",
            ),
            alt=_describe_matrix(cosines, now.scale, losses[0]),
            caption=say(
                en="Framed: the pairs that belong together. Raise them, lower the others, and watch the loss; then move the scale. "
                f"“What CLIP says” brings back this CLIP's cosines, to two decimals, and its scale, {learned:.3g}.",
                zh="加框的是本来就配对的图和文字。把它们的余弦调高，把别的调低，看看损失怎么变；再拉动缩放系数。"
                f"按“CLIP 怎么说”，就会恢复这个 CLIP 算出的余弦（两位小数）和它的缩放系数 {learned:.3g}。",
            ),
        )

    explorer = Explorer({**cells, "scale": scale}, draw)
    restore = ipywidgets.Button(description=say(en="What CLIP says", zh="CLIP 怎么说"), button_style="primary")
    clear = ipywidgets.Button(description=say(en="All cosines 0", zh="余弦全部归零"))
    restore.on_click(lambda _: _set_together(explorer, {**vars(first), "scale": learned}))
    clear.on_click(lambda _: _set_together(explorer, dict.fromkeys(cells, 0.0)))
    rows = [ipywidgets.HTML(), *map(_make_heading, captions)]
    for row, (image, caption) in enumerate(zip(images, captions)):
        rows += [_make_thumbnail(image, row + 1, caption), *list(cells.values())[row * n : row * n + n]]
    layout = {"grid_template_columns": f"3.4em repeat({n}, 1fr)", "align_items": "center", "max_width": "740px"}
    grid = ipywidgets.GridBox(rows, layout=layout)
    explorer.widget.children = [grid, make_row(scale, clear, restore, align_items="center"), explorer.view]
    return explorer


def _set_together(explorer: Explorer, values: Mapping[str, float]) -> None:
    """Set several controls and draw once."""
    controls = [explorer.controls[name] for name in values]
    for control in controls:
        control.unobserve(explorer.update, names="value")
    for control, value in zip(controls, values.values()):
        control.value = value
    for control in controls:
        control.observe(explorer.update, names="value")
    explorer.update()


def _make_cell(row: int, column: int, value: float) -> ipywidgets.FloatSlider:
    """The slider of one cosine of the matrix."""
    tip = say(en=f"cosine of picture {row} and text {column}", zh=f"第 {row} 张图和第 {column} 句文字的余弦")
    # ipywidgets 8, or 7
    name = "tooltip" if ipywidgets.FloatSlider.class_traits().get("tooltip") else "description_tooltip"
    return ipywidgets.FloatSlider(
        value,
        min=-1,
        max=1,
        step=STEP,
        description=f"{row} · {column}",
        style={"description_width": "2.4em"},
        layout={"width": "auto", "margin": "0"},
        **{name: tip},
    )


def _make_scale_slider(learned: float, most: float) -> ipywidgets.FloatLogSlider:
    """From 1 to the most, in equal steps of the exponent; it begins at the learned scale, which is one of them.

    A view moves a value that lies between two steps, so no such value is ever set.
    """
    step = math.log10(learned) / max(1, round(math.log10(learned) / 0.005))
    return ipywidgets.FloatLogSlider(
        learned,
        base=10,
        min=0,
        max=math.log10(most),
        step=step,
        readout_format=".1f",
        description=say(en="logit scale", zh="缩放系数"),
        **style_control(30),
    )


def _make_heading(caption: str) -> ipywidgets.HTML:
    return ipywidgets.HTML(f'<div style="text-align: center; line-height: 1.2">{html.escape(caption)}</div>')


def _make_thumbnail(image: Image.Image, number: int, caption: str) -> ipywidgets.HTML:
    data = encode_base64(crop_square(image, 80), format="png")
    alt = say(en=f"Picture {number}, to which “{caption}” belongs", zh=f"第 {number} 张图，和它配对的文字是“{caption}”")
    return ipywidgets.HTML(f'<img alt="{html.escape(alt)}" width="40" height="40" src="data:image/png;base64,{data}">')


def _describe_matrix(cosines: Tensor, scale: float, loss: float) -> str:
    """Who chooses what belongs to it by a clear margin, and the loss."""
    n, logits = len(cosines), scale * cosines
    pictures, captions = (
        [i + 1 for i in range(n) if shares[i, i] - shares[i, torch.arange(n) != i].max() > 0.01]
        for shares in (logits.softmax(1), logits.T.softmax(1))
    )

    def list_right(numbers: Sequence[int], en: str, zh: str) -> str:
        listed = say(en=", ", zh="、").join(map(str, numbers))
        if not numbers:
            return say(en=f"no {en} is clearly right", zh="没有一个明确选对")
        return say(en=f"clearly right: {en}{'s' * (len(numbers) > 1)} {listed}", zh=f"明确选对的是第 {listed} {zh}")

    return say(
        en=f"Three matrices of {n} pictures and {n} captions, the diagonal framed. First the cosines. Then the probabilities by which each "
        f"picture chooses a caption; {list_right(pictures, 'picture', '')}. Then those by which each caption chooses a picture; "
        f"{list_right(captions, 'caption', '')}. At the logit scale {scale:.3g} the loss is {loss:.2f}.",
        zh=f"{n} 张图和 {n} 句说明文字排成三个矩阵，对角线加了框。第一个是余弦。第二个是每张图选各句说明文字的概率，"
        f"{list_right(pictures, '', '张图')}。第三个是每句说明文字选各张图的概率，{list_right(captions, '', '句')}。"
        f"缩放系数是 {scale:.3g} 时，损失是 {loss:.2f}。",
    )


def explore_temperature(
    clip: CLIPModel, processor: CLIPProcessor, image: Image.Image, texts: Sequence[str]
) -> Explorer:
    """Move the logit scale, and see what probability the same cosines give each text."""
    cosines = (encode_images(clip, processor, [image]) @ encode_texts(clip, processor, texts).T)[0]  # (C,)
    learned, seen, least, most = clip.logit_scale.exp().item(), crop_square(image, 512), 1.0, 200.0
    best = texts[int(cosines.argmax())]

    def draw(now: SimpleNamespace) -> Picture:
        highest = float((now.scale * cosines).softmax(0).max())
        en, zh = ("less than a half", "不到一半")
        if highest > 0.5:
            en, zh = ("more than 90 %", "超过 90%") if highest > 0.9 else ("more than a half", "超过一半")
        return figures.draw_shares_by_scale(
            seen,
            texts,
            cosines.tolist(),
            now.scale,
            learned,
            (least, most),
            title=say(
                en=f"At logit scale {now.scale:.3g} the best text has a probability of {format_percent(highest)}",
                zh=f"缩放系数为 {now.scale:.3g} 时，余弦最高的那句话概率是 {format_percent(highest)}",
            ),
            alt=say(
                en=f"A picture and {len(texts)} texts. At the logit scale {now.scale:.3g} the one with the highest cosine, “{best}”, "
                f"has a probability of {en}. Below, a curve for each text from scale {least:g} to {most:g}: they begin close together and "
                f"part, and the best one rises. A dotted line marks the learned scale, {learned:.3g}.",
                zh=f"一张图和 {len(texts)} 句话。缩放系数为 {now.scale:.3g} 时，余弦最高的“{best}”概率{zh}。下面每句话有一条曲线，缩放系数从 "
                f"{least:g} 到 {most:g}：起先挤在一起，后来分开，余弦最高的一路升高。点线标出学到的缩放系数 {learned:.3g}。",
            ),
            caption=say(
                en="The cosines never change; the scale only decides how much a small lead counts. The orange stroke on each bar "
                "marks the probability at the scale that CLIP learned. The temperature is one divided by the scale.",
                zh="余弦始终不变；缩放系数只决定一点点领先能换来多大的概率。条形图上的橙色短线标出按 CLIP 学到的缩放系数算出的概率。温度就是缩放系数的倒数。",
            ),
        )

    return Explorer({"scale": _make_scale_slider(learned, most)}, draw)
