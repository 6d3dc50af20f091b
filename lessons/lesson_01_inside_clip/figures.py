"""The figures that explorers of lesson 01 draw anew at every change: tokens and their vectors, attention, the matrix, temperature."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from matplotlib.patheffects import withStroke
from PIL import Image

from helpers.language import say
from lessons.kit.explorer import format_percent
from lessons.kit.picture import (
    BLUE,
    GREY,
    INK,
    LOCK,
    SHARPNESS,
    SLATE,
    TINT,
    VERMILION,
    WIDTH,
    Picture,
    add_axes,
    add_page,
    choose_letter_colour,
    crop_square,
    finish,
    make_blank,
    make_halo,
    make_rectangle,
    measure_letters,
    shorten,
    show_image,
)
from lessons.kit.strips import GAP, draw_strips, fit_columns


@dataclass(frozen=True)
class Position:
    """One position of a text: its token, the token's id, and the two vectors (D,) that are added there."""

    token: str
    id: int
    row: np.ndarray  # of the embedding table
    place: np.ndarray  # of the table of position embeddings
    padding: bool = False


def draw_tokens_as_vectors(
    positions: Sequence[Position],
    words: Sequence[tuple[int, int, str]],
    *,
    chosen: int,
    pooled: int,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """A text from tokens to vectors, a column a position: token, id, row of the table, plus the position's row, is what enters.

    words: the first and the last position of each word that is cut into pieces, and the word, which stands over a bracket. The
    chosen position has a triangle and its first numbers below; the pooled one has a frame and says so. As many positions are drawn
    as there is room for, and an ellipsis for the others. All strips share one colour scale.
    """
    left, strip, height, tops = 1.14, 0.62, 4.3, (3.3, 2.42, 1.7)
    names, used = [shorten(position.token, 10) for position in positions], sum(not p.padding for p in positions)
    widths = [max(0.42, 0.075 * measure_letters(name) + 0.1) for name in names]
    columns = fit_columns(widths, {0, chosen, pooled, pooled + 1}, used + 2, left, WIDTH - 0.24)
    limit = 3 * np.median(np.abs([position.row for position in positions[: pooled + 1]]))
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        for y, label in (
            (3.64, say(en="token", zh="词元")),
            (3.42, say(en="its id", zh="编号")),
            (tops[0] - strip / 2, say(en="row of the\nembedding table", zh="嵌入表中的\n一行")),
            (tops[1] + 0.12, say(en="position", zh="位置")),
            (tops[1] - strip / 2, say(en="+ row of the\nposition table", zh="+ 位置嵌入表\n中的一行")),
            (tops[2] - strip / 2, say(en="= what enters\nthe text tower", zh="= 进入文本塔\n的向量")),
        ):
            page.text(left - 0.08, y, label, ha="right", va="center", fontsize=8, color=SLATE)
        low, high = tops[2] - strip - 0.07, 3.77
        for index, (middle, width) in columns.items():
            position, half, wide = positions[index], min(width, 0.6) / 2, min(width, 0.6) / 2 - 0.05
            style = {"ha": "center", "va": "center", "color": INK, "parse_math": False}
            if index == chosen:
                page.add_patch(make_rectangle(middle - half, middle + half, low, high, facecolor=TINT, zorder=-1))
                page.text(middle, low - 0.1, "▲", fontsize=8, **style)
            weight = "bold" if index in (chosen, pooled) else "normal"
            style["color"] = SLATE if position.padding else INK
            page.text(middle, 3.64, names[index], fontsize=8.5, weight=weight, **style)
            page.text(middle, 3.42, str(position.id), fontsize=7.5, **style)
            page.text(middle, tops[1] + 0.12, str(index), fontsize=7.5, **style)
            for top in tops:
                page.add_patch(
                    make_rectangle(middle - wide, middle + wide, top - strip, top, edgecolor=GREY, linewidth=0.8)
                )
            if index == pooled:
                page.add_patch(make_rectangle(middle - half, middle + half, low, high, edgecolor=BLUE, linewidth=2.2))
                style = {"color": BLUE, "weight": "bold", "fontsize": 8.5}
                here = say(en="pooled here", zh="在这里池化")
                page.text(middle, high + 0.05, here, ha="center", va="bottom", **style)
        shown = sorted(columns)
        rows, places = np.stack([positions[i].row for i in shown]), np.stack([positions[i].place for i in shown])
        for top, vectors in zip(tops, (rows, places, rows + places)):
            strips = [(columns[i][0], min(columns[i][1], 0.6) - 0.1, vector) for i, vector in zip(shown, vectors)]
            draw_strips(page, strips, limit, top - strip, top)
        for index, following in zip(shown, [*shown[1:], len(positions)]):
            if following != index + 1:
                middle, width = columns[index]
                page.text(middle + width / 2 + GAP / 2, 3.62, "…", ha="center", va="center", fontsize=10, color=INK)
        for first, last, word in words:
            ends = [columns[index] for index in range(first, last + 1) if index in columns]
            if len(ends) > 1:
                _draw_bracket(
                    page, ends[0][0] - ends[0][1] / 2 + 0.13, ends[-1][0] + ends[-1][1] / 2 - 0.13, 3.79, word
                )
        _write_sum(page, positions[chosen], chosen, left)
        return finish(figure, alt, caption)


def draw_attention_maps(
    image: Image.Image, chosen: int, looks: np.ndarray, seen: np.ndarray, *, title: str, alt: str, caption: str = ""
) -> Picture:
    """A picture with one patch framed, how much that patch looks at each of the others, and how much each looks at it.

    chosen: 0 for the class token, else the number of the patch, row by row from 1. looks, seen: (1 + P,) shares of one, of the
    class token and of all patches. Each map has its own scale; the box over it is the class token; the three highest shares
    stand in their patches, in per cent.
    """
    side, low, height = 2.2, 0.42, 3.52
    grid = round((len(looks) - 1) ** 0.5)
    whole, top, cell = crop_square(image, round(side * 100 * SHARPNESS)), low + side, side / grid
    grey = 0.6 + 0.4 * np.asarray(whole.convert("L"), dtype=float)[..., None] / 255
    where = np.arange(whole.width) * grid // whole.width  # which row, and which column of patches each pixel belongs to
    who = say(en=f"patch {chosen}", zh=f"图块 {chosen} ") if chosen else say(en="the class token", zh="类别词元")
    looked_at = say(en=f"Who looks at {who}", zh=f"谁在看{who}".rstrip())
    maps = (
        (None, who[0].upper() + who[1:].rstrip(), ""),
        (looks, say(en=f"Where {who} looks", zh=f"{who}往哪里看"), say(en="{} of its attention", zh="它的注意力的 {}")),
        (seen, looked_at, say(en="{} of their attention", zh="各自注意力的 {}")),
    )
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        for left, (shares, heading, note) in zip((0.1, 2.6, 5.1), maps):
            token, shown = (left, left + 0.275, top + 0.05, top + 0.27), np.asarray(whole)
            words, fill = say(en="class token", zh="类别词元"), "white"
            if shares is not None:
                most = max(float(shares.max()), 4 / len(shares))  # where attention is spread evenly, the map is pale
                heat = shares / most
                shown = _mix_heat(grey, heat[1:].reshape(grid, grid)[where][:, where, None])
                for place in np.argsort(-shares[1:], kind="stable")[:3]:
                    y, x = divmod(place, grid)
                    style = {"ha": "center", "va": "center", "weight": "bold", "path_effects": make_halo()}
                    at = left + (x + 0.5) * cell, top - (y + 0.5) * cell
                    if shares[1 + place] >= 0.005:
                        page.text(*at, f"{100 * shares[1 + place]:.0f}", fontsize=8, color=INK, **style)
                words, fill = f"{words} {format_percent(shares[0])}", tuple(_mix_heat(np.ones(3), heat[0]))
                _draw_heat_bar(page, left, low - 0.2, most, note)
            page.imshow(shown, extent=(left, left + side, low, top), aspect="auto", interpolation="nearest")
            page.add_patch(make_rectangle(left, left + side, low, top, edgecolor=GREY, linewidth=0.8))
            page.text(left, top + 0.36, heading, fontsize=9, color=INK, weight="bold", va="bottom")
            page.text(token[1] + 0.07, top + 0.16, words, fontsize=8, color=INK, va="center")
            page.add_patch(make_rectangle(*token, facecolor=fill, edgecolor=GREY, linewidth=0.8))
            if chosen:
                y, x = divmod(chosen - 1, grid)
                token = left + x * cell, left + (x + 1) * cell, top - (y + 1) * cell, top - y * cell
            wide = [withStroke(linewidth=4.2, foreground="white")]
            page.add_patch(make_rectangle(*token, edgecolor=INK, linewidth=2, path_effects=wide))
        return finish(figure, alt, caption)


def draw_contrastive_matrices(
    images: Sequence[Image.Image],
    captions: Sequence[str],
    cosines: np.ndarray,
    scale: float,
    losses: tuple[float, float, float],
    *,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """Cosines of N pictures and N captions, and what two softmaxes make of them: along each row, and down each column.

    cosines: (N, N), a row for each picture; losses: all in all, of the pictures, of the captions. The pairs that belong together
    lie on the diagonal and are framed. Beside each row and under each column stands its cross-entropy, minus the logarithm of the
    framed share.
    """
    n, panel, low = len(images), 1.68, 0.92
    cell, top, lefts = panel / n, low + panel, (0.78, 2.86, 5.64)
    small = 7 if n < 4 else 6
    labels = [wrap_label(text, round(cell / (0.0086 * small)), 4) for text in captions]
    over = top + 0.12 + 0.115 * max(label.count("\n") + 1 for label in labels)
    logits = scale * torch.as_tensor(cosines, dtype=torch.float64)
    rows, columns = logits.softmax(1).numpy(), logits.softmax(0).numpy()
    picture_chooses = say(en="Each picture chooses:", zh="图片选说明文字：")
    caption_chooses = say(en="Each caption chooses:", zh="说明文字选图片：")
    panels = (
        (cosines, say(en="Cosines", zh="余弦"), say(en="of every picture and caption", zh="每张图和每句说明文字")),
        (rows, picture_chooses, say(en="a row makes 100 %", zh="概率，一行之和 100%")),
        (columns, caption_chooses, say(en="a column makes 100 %", zh="概率，一列之和 100%")),
    )
    with LOCK:
        figure = make_blank(over + 0.72)
        page = add_page(figure, title)
        for row, image in enumerate(images):
            box = 0.7 - 0.94 * cell, 0.7, top - (row + 0.97) * cell, top - (row + 0.03) * cell
            page.imshow(np.asarray(crop_square(image, 128)), extent=box, aspect="auto", interpolation="antialiased")
        for left, (values, first, second) in zip(lefts, panels):
            page.text(left, over + 0.16, first, fontsize=9, weight="bold", color=INK, va="bottom")
            page.text(left, over, second, fontsize=8, color=INK, va="bottom")
            for column, label in enumerate(labels):
                style = {"ha": "center", "va": "bottom", "color": INK, "parse_math": False}
                page.text(left + (column + 0.5) * cell, top + 0.05, label, fontsize=small, linespacing=0.95, **style)
            draw_cells(page, np.asarray(values), left, top, cell, shares=values is not cosines)
        style = {"fontsize": 8.5, "color": INK, "va": "center", "ha": "center"}
        note, of_framed = {"fontsize": 7, "color": SLATE}, say(en="−ln of the\nframed", zh="框中概率\n的 −ln")
        page.text(lefts[1] + panel + 0.28, top + 0.05, of_framed, ha="center", va="bottom", **note)
        in_a_line = of_framed.replace("\n", say(en=" ", zh=""))
        page.text(lefts[2] - 0.06, low - 0.13, in_a_line, ha="right", va="center", **note)
        for i in range(n):
            page.text(lefts[1] + panel + 0.28, top - (i + 0.5) * cell, f"{abs(np.log(rows[i, i])):.2f}", **style)
            page.text(lefts[2] + (i + 0.5) * cell, low - 0.13, f"{abs(np.log(columns[i, i])):.2f}", **style)
        style = {"fontsize": 9, "color": INK, "va": "center"}
        over_pictures = say(en="mean over pictures: ", zh="对图片取平均：") + f"{losses[1]:.2f}"
        over_captions = say(en="mean over captions: ", zh="对说明文字取平均：") + f"{losses[2]:.2f}"
        page.text(lefts[1], low - 0.42, over_pictures, **style)
        page.text(lefts[2] + panel, low - 0.42, over_captions, ha="right", **style)
        both = say(en="loss", zh="损失") + f" = ({losses[1]:.2f} + {losses[2]:.2f}) / 2 = {losses[0]:.2f}"
        style = {"fontsize": 11, "weight": "bold", "color": BLUE, "ha": "center", "va": "center"}
        page.text((lefts[1] + lefts[2] + panel) / 2, low - 0.72, both, **style)
        then = say(
            en=f"times the logit scale, {scale:.3g},\nthen two softmaxes →",
            zh=f"乘以缩放系数 {scale:.3g}，\n再做两次 softmax →",
        )
        page.text(0.08, low - 0.2, then, fontsize=8, color=SLATE, va="top")
        return finish(figure, alt, caption)


def draw_shares_by_scale(
    image: Image.Image,
    texts: Sequence[str],
    cosines: Sequence[float],
    scale: float,
    learned: float,
    scales: tuple[float, float],
    *,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """What probability a softmax gives each text at one logit scale, and over all scales from the least to the greatest.

    cosines: (C,) of the picture and each text; the highest stands first. learned: the model's own scale, a dotted line below and a
    short stroke at each bar.
    """
    values = np.asarray(cosines, dtype=float)
    order = np.argsort(-values, kind="stable")
    across = np.geomspace(*scales, 120)
    now, then, *shares = torch.from_numpy(np.outer([scale, learned, *across], values[order])).softmax(1).numpy()
    height, left = 4.5, 5.05
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        show_image(add_axes(figure, 0.1, 2.05, 1.86, 1.86), image)
        bars = add_axes(figure, left, 2.05, 1.7, 1.86)
        bars.barh(range(len(order)), now, color=[BLUE] + [GREY] * (len(order) - 1), height=0.68)
        for row, index in enumerate(order):
            y = 2.05 + 1.86 * (1 - (row + 0.5) / len(order))
            style = {"fontsize": 8, "color": INK, "va": "center", "weight": "normal" if row else "bold"}
            name = shorten(texts[index], 40)
            page.text(left - 0.55, y, name, ha="right", parse_math=False, **style)
            page.text(left - 0.08, y, f"{values[index]:.2f}".replace("-", "−"), ha="right", **style)
            bars.text(max(now[row], then[row]) + 0.03, row, format_percent(now[row]), path_effects=make_halo(), **style)
            stroke = {"color": VERMILION, "linewidth": 1.6, "path_effects": make_halo()}  # it may lie on its bar
            bars.plot([then[row]] * 2, [row - 0.42, row + 0.42], **stroke)
        bars.set(xlim=(0, 1), ylim=(len(order) - 0.5, -0.5), yticks=[], xticks=[])
        bars.spines[["top", "right", "bottom"]].set_visible(False)
        style = {"fontsize": 8, "color": SLATE, "va": "bottom"}
        at_scale = say(en=f"probability at scale {scale:.3g}", zh=f"缩放系数为 {scale:.3g} 时的概率")
        page.text(left - 0.08, 3.97, say(en="cosine", zh="余弦"), ha="right", **style)
        page.text(left, 3.97, at_scale, **style)
        curves = add_axes(figure, 0.62, 0.46, WIDTH - 0.84, 1.2)
        for row in range(len(order))[::-1]:
            curves.plot(across, np.stack(shares)[:, row], color=SLATE if row else BLUE, linewidth=1.1 if row else 2.4)
        curves.axvline(scale, color=INK, linewidth=1.4)
        curves.plot(scale, now[0], "o", color=BLUE, markersize=6, clip_on=False, zorder=5)
        curves.axvline(learned, color=VERMILION, linewidth=1.6, linestyle=(0, (1, 1.6)))
        curves.set(xscale="log", xlim=scales, ylim=(0, 1.03), yticks=[0, 0.5, 1], yticklabels=["0", "50", "100"])
        curves.set_xticks([tick for tick in (1, 2, 5, 10, 20, 50, 100, 200) if scales[0] <= tick <= scales[1]])
        curves.xaxis.set_major_formatter(lambda tick, position: f"{tick:g}")
        curves.minorticks_off()
        curves.tick_params(labelsize=8, colors=INK)
        temperature = say(en="logit scale (1 / temperature)", zh="缩放系数（1 / 温度）")
        curves.set_xlabel(temperature, fontsize=8, color=INK, labelpad=2)
        curves.set_ylabel(say(en="probability (%)", zh="概率（%）"), fontsize=8, color=INK, labelpad=3)
        curves.spines[["top", "right"]].set_visible(False)
        names = [
            (scale, say(en="now", zh="现在") + f" {scale:.3g}", INK),
            (learned, say(en="learned", zh="学到的") + f" {learned:.3g}", VERMILION),
        ]
        if abs(np.log(scale / learned)) < 0.005:
            names = [(learned, say(en="now, and learned: ", zh="现在的，也是学到的：") + f"{learned:.3g}", INK)]
        for x, name, colour in sorted(names):
            # away from the other, and on the page
            side = "right" if x == min(names)[0] or x > 0.75 * scales[1] else "left"
            style = {"ha": side, "va": "bottom", "fontsize": 8.5, "color": colour, "textcoords": "offset points"}
            curves.annotate(name, (x, 1.03), (-3 if side == "right" else 3, 1), **style)
        style = {"fontsize": 8, "parse_math": False, "transform": curves.transAxes, "va": "top"}
        curves.text(0.015, 0.93, f"“{shorten(texts[order[0]], 40)}”", color=BLUE, weight="bold", **style)
        curves.text(0.015, 0.76, say(en="the other texts", zh="其他文字"), color=SLATE, **style)
        return finish(figure, alt, caption)


def _draw_bracket(page: Axes, left: float, right: float, low: float, word: str) -> None:
    """A word over the pieces that it is cut into."""
    page.plot([left, left, right, right], [low, low + 0.05, low + 0.05, low], color=INK, linewidth=1)
    style = {"ha": "center", "va": "bottom", "fontsize": 8, "color": INK, "parse_math": False}
    page.text((left + right) / 2, low + 0.06, shorten(word, max(4, round((right - left) / 0.065))), **style)


def _write_sum(page: Axes, position: Position, place: int, left: float, numbers: int = 8) -> None:
    """The first numbers of the two vectors of a position and of their sum, one below the other."""
    style = {"ha": "right", "va": "center", "fontsize": 8, "color": INK}
    page.text(left - 0.08, 0.62, say(en=f"▲ position {place}", zh=f"▲ 位置 {place}"), weight="bold", **style)
    both = position.row + position.place
    for y, sign, vector, name in (
        (0.62, "", position.row, say(en=f"row {position.id} of the embedding table", zh=f"嵌入表第 {position.id} 行")),
        (0.44, "+", position.place, say(en=f"row {place} of the position table", zh=f"位置嵌入表第 {place} 行")),
        (0.2, "=", both, say(en="what enters there", zh="从这里进入文本塔")),
    ):
        page.text(left + 0.02, y, sign, **style)
        for column, number in enumerate(vector[:numbers]):
            page.text(left + 0.48 + 0.5 * column, y, f"{round(float(number), 3) + 0:.3f}".replace("-", "−"), **style)
        page.text(left + 0.56 + 0.5 * (numbers - 1), y, "…", va="center", fontsize=8, color=INK)
        page.text(left + 0.8 + 0.5 * (numbers - 1), y, name, va="center", fontsize=8, color=SLATE)
    page.plot([left, left + 0.48 + 0.5 * (numbers - 1)], [0.32, 0.32], color=INK, linewidth=0.8)


def draw_cells(
    page: Axes,
    values: np.ndarray,
    left: float,
    top: float,
    cell: float,
    *,
    wide: float | None = None,
    limit: float = 1.0,
    shares: bool = False,
    bold_best: bool = False,
) -> None:
    """A square matrix with a number in each cell and a frame around each cell of the diagonal.

    cell: how high one is, and how wide unless `wide` says so. Shares of one go from white to blue; other numbers from purple over
    white to orange, from -limit to limit.
    """
    n, wide = len(values), wide or cell
    colours = ScalarMappable(Normalize(0 if shares else -limit, limit), "Blues" if shares else "PuOr_r").to_rgba(values)
    page.imshow(colours, extent=(left, left + n * wide, top - n * cell, top), aspect="auto", interpolation="nearest")
    for row, column in np.ndindex(n, n):
        x, y, value = left + (column + 0.5) * wide, top - (row + 0.5) * cell, values[row, column]
        weight = "bold" if bold_best and value == values[row].max() else "normal"
        text = format_percent(value, 0) if shares else f"{value:.2f}".replace("-", "−")
        style = {"ha": "center", "va": "center", "color": choose_letter_colour(colours[row, column]), "weight": weight}
        page.text(x, y, text, fontsize=9 if cell > 0.5 else 7.5 if cell > 0.36 else 6, **style)
    for i in range(n):
        box = left + i * wide, left + (i + 1) * wide, top - (i + 1) * cell, top - i * cell
        page.add_patch(make_rectangle(*box, edgecolor=INK, linewidth=2))


def _mix_heat(grey: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A grey picture (…, 1) under a red that grows with the heat (…, 1), from 0 to 1: (…, 3)."""
    return grey * (1 - 0.9 * heat) + 0.9 * heat * np.array(to_rgb("#D55E00"))


def _draw_heat_bar(page: Axes, left: float, y: float, most: float, note: str) -> None:
    """What the darkest red of a map stands for; note: a sentence with a place for it."""
    reds = _mix_heat(np.ones((1, 100, 1)), np.linspace(0, 1, 100)[None, :, None])
    page.imshow(reds, extent=(left + 0.14, left + 0.64, y - 0.06, y + 0.06), aspect="auto")
    page.text(left, y, "0", fontsize=8, va="center", color=INK)
    page.text(left + 0.7, y, note.format(format_percent(most)), fontsize=8, va="center", color=INK)


def wrap_label(text: str, width: int, lines: int) -> str:
    """The text in at most so many lines of so many letters."""
    return "\n".join(textwrap.wrap(text, width, max_lines=lines, placeholder="…", break_on_hyphens=False))
