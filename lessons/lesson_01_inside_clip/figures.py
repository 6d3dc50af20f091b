"""The figures of lesson 01: tokens and their vectors, attention, the matrix that CLIP learns from, temperature, patches, the mask."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from matplotlib.patheffects import withStroke
from PIL import Image

from helpers.language import say
from lessons.kit.explorer import format_percent
from lessons.kit.picture import (
    BLUE,
    EDGE,
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


def tokens_as_vectors(
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
                _bracket(page, ends[0][0] - ends[0][1] / 2 + 0.13, ends[-1][0] + ends[-1][1] / 2 - 0.13, 3.79, word)
        _sum_in_numbers(page, positions[chosen], chosen, left)
        return finish(figure, alt, caption)


def attention_of_a_place(
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
    maps = (
        (None, who[0].upper() + who[1:].rstrip(), ""),
        (looks, say(en=f"Where {who} looks", zh=f"{who}往哪里看"), say(en="{} of its attention", zh="它的注意力的 {}")),
        (
            seen,
            say(en=f"Who looks at {who}", zh=f"谁在看{who}".rstrip()),
            say(en="{} of their attention", zh="各自注意力的 {}"),
        ),
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
                shown = _heated(grey, heat[1:].reshape(grid, grid)[where][:, where, None])
                for place in np.argsort(-shares[1:], kind="stable")[:3]:
                    y, x = divmod(place, grid)
                    style = {"ha": "center", "va": "center", "weight": "bold", "path_effects": make_halo()}
                    at = left + (x + 0.5) * cell, top - (y + 0.5) * cell
                    if shares[1 + place] >= 0.005:
                        page.text(*at, f"{100 * shares[1 + place]:.0f}", fontsize=8, color=INK, **style)
                words, fill = f"{words} {format_percent(shares[0])}", tuple(_heated(np.ones(3), heat[0]))
                _heat_bar(page, left, low - 0.2, most, note)
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


def contrastive_matrices(
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
    labels = [_wrapped(text, round(cell / (0.0086 * small)), 4) for text in captions]
    over = top + 0.12 + 0.115 * max(label.count("\n") + 1 for label in labels)
    logits = scale * np.asarray(cosines, dtype=float)
    rows, columns = _softmax(logits, 1), _softmax(logits, 0)
    panels = (
        (cosines, say(en="Cosines", zh="余弦"), say(en="of every picture and caption", zh="每张图和每句说明文字")),
        (
            rows,
            say(en="Each picture chooses:", zh="图片选说明文字："),
            say(en="a row makes 100 %", zh="概率，一行之和 100%"),
        ),
        (
            columns,
            say(en="Each caption chooses:", zh="说明文字选图片："),
            say(en="a column makes 100 %", zh="概率，一列之和 100%"),
        ),
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
            _cells(page, np.asarray(values), left, top, cell, shares=values is not cosines)
        style = {"fontsize": 8.5, "color": INK, "va": "center", "ha": "center"}
        note, of_framed = {"fontsize": 7, "color": SLATE}, say(en="−ln of the\nframed", zh="框中概率\n的 −ln")
        page.text(lefts[1] + panel + 0.28, top + 0.05, of_framed, ha="center", va="bottom", **note)
        page.text(
            lefts[2] - 0.06, low - 0.13, of_framed.replace("\n", say(en=" ", zh="")), ha="right", va="center", **note
        )
        for i in range(n):
            page.text(lefts[1] + panel + 0.28, top - (i + 0.5) * cell, _minus_log(rows[i, i]), **style)
            page.text(lefts[2] + (i + 0.5) * cell, low - 0.13, _minus_log(columns[i, i]), **style)
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


def shares_by_scale(
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
    now, then = (_softmax(s * values, 0)[order] for s in (scale, learned))
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
        across = np.geomspace(*scales, 120)
        shares = np.stack([_softmax(s * values, 0)[order] for s in across])  # (scales, C)
        for row in range(len(order))[::-1]:
            curves.plot(across, shares[:, row], color=SLATE if row else BLUE, linewidth=1.1 if row else 2.4)
        curves.axvline(scale, color=INK, linewidth=1.4)
        curves.plot(scale, now[0], "o", color=BLUE, markersize=6, clip_on=False, zorder=5)
        curves.axvline(learned, color=VERMILION, linewidth=1.6, linestyle=(0, (1, 1.6)))
        curves.set(xscale="log", xlim=scales, ylim=(0, 1.03), yticks=[0, 0.5, 1], yticklabels=["0", "50", "100"])
        curves.set_xticks([tick for tick in (1, 2, 5, 10, 20, 50, 100, 200) if scales[0] <= tick <= scales[1]])
        curves.xaxis.set_major_formatter(lambda tick, position: f"{tick:g}")
        curves.minorticks_off()
        curves.tick_params(labelsize=8, colors=INK)
        curves.set_xlabel(
            say(en="logit scale (1 / temperature)", zh="缩放系数（1 / 温度）"), fontsize=8, color=INK, labelpad=2
        )
        curves.set_ylabel(say(en="probability (%)", zh="概率（%）"), fontsize=8, color=INK, labelpad=3)
        curves.spines[["top", "right"]].set_visible(False)
        names = [
            (scale, say(en="now", zh="现在") + f" {scale:.3g}", INK),
            (learned, say(en="learned", zh="学到的") + f" {learned:.3g}", VERMILION),
        ]
        if abs(np.log(scale / learned)) < 0.005:
            names = [(learned, say(en="now, and learned: ", zh="现在的，也是学到的：") + f"{learned:.3g}", INK)]
        for x, name, colour in sorted(names):
            side = (
                "right" if x == min(names)[0] or x > 0.75 * scales[1] else "left"
            )  # away from the other, and on the page
            style = {"ha": side, "va": "bottom", "fontsize": 8.5, "color": colour, "textcoords": "offset points"}
            curves.annotate(name, (x, 1.03), (-3 if side == "right" else 3, 1), **style)
        best, style = shorten(texts[order[0]], 40), {"fontsize": 8, "parse_math": False}
        curves.text(0.015, 0.93, f"“{best}”", color=BLUE, weight="bold", transform=curves.transAxes, va="top", **style)
        curves.text(
            0.015,
            0.76,
            say(en="the other texts", zh="其他文字"),
            color=SLATE,
            transform=curves.transAxes,
            va="top",
            **style,
        )
        return finish(figure, alt, caption)


def picture_in_patches(
    image: Image.Image, patch: int, side: int, *, title: str, alt: str, caption: str = ""
) -> Picture:
    """A picture as the model sees it, side × side pixels, and the same cut into patches, numbered row by row from 1.

    Beside them stands the class token, number 0, which belongs to no place in the picture.
    """
    n, low, large, height = side // patch, 0.34, 2.95, 3.67
    whole = crop_square(image, side)
    pixels, step, left = np.asarray(whole), large / n, WIDTH - 0.12 - large
    cell = 0.8 * step
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        axes = add_axes(figure, 0.12, low, large, large)
        axes.imshow(pixels, interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color(GREY)
        for line in range(1, n):
            look = {"color": "white", "linewidth": 0.7}
            axes.axhline(line * patch - 0.5, **look)
            axes.axvline(line * patch - 0.5, **look)
        for place in range(n * n):
            row, column = divmod(place, n)
            x, y = left + column * step, low + large - row * step  # of the upper left corner
            part = pixels[row * patch : (row + 1) * patch, column * patch : (column + 1) * patch]
            page.imshow(part, extent=(x, x + cell, y - cell, y), aspect="auto", interpolation="nearest")
            if row in (0, n - 1) or column == 0:
                style = {"fontsize": 6.5 if n < 10 else 5, "color": INK, "path_effects": make_halo()}
                page.text(x + cell / 2, y - cell / 2, str(place + 1), ha="center", va="center", **style)
        box = (left - 0.6, left - 0.6 + cell, low + large - cell, low + large)
        page.add_patch(make_rectangle(*box, edgecolor=BLUE, linewidth=1.8, hatch="//////"))
        style = {"ha": "center", "va": "center", "color": INK}
        middle = (box[0] + box[1]) / 2
        page.text(middle, low + large - cell / 2, "0", fontsize=8, weight="bold", path_effects=make_halo(), **style)
        page.text(
            middle,
            box[2] - 0.2,
            say(en="class token,\nlearned", zh="类别词元，\n学出来的"),
            fontsize=8,
            linespacing=1.1,
            **style,
        )
        page.text((0.12 + large + left) / 2, low + large / 2, "→", fontsize=22, **style)
        page.text((0.12 + large + left) / 2, low + large / 2 - 0.26, say(en="cut", zh="切开"), fontsize=8.5, **style)
        style["va"] = "top"
        text = say(en=f"{side} × {side} pixels", zh=f"{side} × {side} 像素")
        page.text(0.12 + large / 2, low - 0.07, text, fontsize=8.5, **style)
        text = say(
            en=f"{n} × {n} = {n * n} patches of {patch} × {patch} pixels",
            zh=f"{n} × {n} = {n * n} 个图块，每块 {patch} × {patch} 像素",
        )
        page.text(left + large / 2 - step / 10, low - 0.07, text, fontsize=8.5, **style)
        return finish(figure, alt, caption)


def similarity_heatmap(
    images: Sequence[Image.Image],
    captions: Sequence[str],
    cosines: np.ndarray,
    *,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """Cosines of pictures and captions as a heat map: a row for each picture, a column for each caption, the diagonal framed.

    cosines: (N, N). The highest of each row is bold. The captions stand whole over their columns.
    """
    n, values, small = len(images), np.asarray(cosines, dtype=float), 8.5
    cell = min(0.66, 4.4 / n)
    low, left = 0.12, 0.24 + cell
    wide, top = min(1.6, (WIDTH - left - EDGE) / n), low + n * cell
    labels = [_wrapped(text, round(wide / (0.0086 * small)), 12) for text in captions]
    with LOCK:
        figure = make_blank(top + 0.45 + 0.14 * max(label.count("\n") + 1 for label in labels))
        page = add_page(figure, title)
        for row, image in enumerate(images):
            box = left - 0.97 * cell - 0.06, left - 0.03 * cell - 0.06
            box += top - (row + 0.97) * cell, top - (row + 0.03) * cell
            page.imshow(np.asarray(crop_square(image, 128)), extent=box, aspect="auto", interpolation="antialiased")
        limit = float(np.abs(values).max()) or 1.0
        _cells(page, values, left, top, cell, wide=wide, limit=limit, bold_best=True)
        for column, label in enumerate(labels):
            style = {"ha": "center", "va": "bottom", "color": INK, "linespacing": 1.05, "parse_math": False}
            page.text(left + (column + 0.5) * wide, top + 0.06, label, fontsize=small, **style)
        return finish(figure, alt, caption)


def causal_mask(labels: Sequence[str], *, title: str, alt: str, caption: str = "") -> Picture:
    """The mask of a text tower: a row is the position that looks, and sees the columns with a dot; the others are hatched."""
    n = len(labels)
    names = [shorten(label, 14) for label in labels]
    longest = 0.075 * max(map(measure_letters, names))
    left, low = 0.65 + longest, 0.14
    cell = min(0.36, (WIDTH - left - 2.75) / n)
    top, right, upright = low + n * cell, left + n * cell, longest > cell
    height = top + 0.72 + (longest if upright else 0.12)
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        for row, name in enumerate(names):
            y = top - (row + 0.5) * cell
            style = {"fontsize": 8.5, "color": INK, "parse_math": False}
            page.text(left - 0.08, y, name, ha="right", va="center", **style)
            style |= {"rotation": 90} if upright else {}
            page.text(left + (row + 0.5) * cell, top + 0.06, name, ha="center", va="bottom", **style)
            for column in range(n):
                box = left + column * cell, left + (column + 1) * cell, y - cell / 2, y + cell / 2
                if column > row:
                    page.add_patch(
                        make_rectangle(*box, facecolor="white", edgecolor=GREY, hatch="/////", linewidth=0.8)
                    )
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
        page.add_patch(
            make_rectangle(
                x, x + 0.3, y - 0.6, y - 0.3, facecolor="white", edgecolor=GREY, hatch="/////", linewidth=0.8
            )
        )
        style, may_not = (
            {"fontsize": 8.5, "color": INK, "va": "center"},
            "may not: −∞ is added before the\nsoftmax, so its weight is 0",
        )
        page.text(x + 0.4, y, say(en="may see: itself\nand what is before it", zh="看得见：自己\n和前面的"), **style)
        page.text(x + 0.4, y - 0.45, say(en=may_not, zh="看不见：softmax 之前加上 −∞，\n注意力权重就是 0"), **style)
        return finish(figure, alt, caption)


def _bracket(page: Axes, left: float, right: float, low: float, word: str) -> None:
    """A word over the pieces that it is cut into."""
    page.plot([left, left, right, right], [low, low + 0.05, low + 0.05, low], color=INK, linewidth=1)
    style = {"ha": "center", "va": "bottom", "fontsize": 8, "color": INK, "parse_math": False}
    page.text((left + right) / 2, low + 0.06, shorten(word, max(4, round((right - left) / 0.065))), **style)


def _sum_in_numbers(page: Axes, position: Position, place: int, left: float, numbers: int = 8) -> None:
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


def _cells(
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

    cell: how high one is, and how wide unless `wide` says so. Shares of one go from white to blue; other numbers from purple over white to orange, from -limit to limit.
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


def _heated(grey: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A grey picture (…, 1) under a red that grows with the heat (…, 1), from 0 to 1: (…, 3)."""
    return grey * (1 - 0.9 * heat) + 0.9 * heat * np.array(to_rgb("#D55E00"))


def _heat_bar(page: Axes, left: float, y: float, most: float, note: str) -> None:
    """What the darkest red of a map stands for; note: a sentence with a place for it."""
    page.imshow(
        _heated(np.ones((1, 100, 1)), np.linspace(0, 1, 100)[None, :, None]),
        extent=(left + 0.14, left + 0.64, y - 0.06, y + 0.06),
        aspect="auto",
    )
    page.text(left, y, "0", fontsize=8, va="center", color=INK)
    page.text(left + 0.7, y, note.format(format_percent(most)), fontsize=8, va="center", color=INK)


def _softmax(values: np.ndarray, axis: int) -> np.ndarray:
    powers = np.exp(values - values.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def _minus_log(share: float) -> str:
    return f"{abs(np.log(share)):.2f}"


def _wrapped(text: str, width: int, lines: int) -> str:
    return "\n".join(textwrap.wrap(text, width, max_lines=lines, placeholder="…", break_on_hyphens=False))
