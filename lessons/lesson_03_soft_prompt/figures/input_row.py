"""The figures of lesson 03: what a frozen GPT-2 reads, its patches as words, and which position is scored against which token."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from helpers.language import say
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
    add_page,
    add_text,
    crop_square,
    finish,
    make_blank,
    make_halo,
    make_rectangle,
    measure_letters,
    shorten,
)
from lessons.kit.strips import draw_strips

MOST_LISTED = 12  # words beside a picture, of those that are true and of the others
TALL, SMALL = 1.0, 0.7  # inches: the height of the soft prompt's strips, and of a word's
GRID = 2.7  # inches: the height of all patches


# --- the sequence ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LabelledVector:
    """One position of the sequence: what stands there, and its vector (D,) as GPT-2 gets it."""

    label: str
    vector: np.ndarray
    learned: bool = True  # of a soft prompt's vector: else it is a random number


def draw_input_row(
    prompt: Sequence[LabelledVector],
    image: Image.Image,
    patches: np.ndarray,
    words: Sequence[LabelledVector],
    following: tuple[str, float],
    limit: float,
    *,
    projection: str,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """What GPT-2 reads, in two lines: vectors of the soft prompt and of the picture, then those of the text so far.

    patches: (P, D), projected; each stands under its piece of the image, in the image's own rows, and under the whole of it where P is 1.
    following: the most likely next token and its share; limit: the number with the strongest colour; projection: what was done to a
    patch. Vectors of the prompt that nobody taught stand in dotted frames.
    """
    height, step = GRID + 3.1, 0.165  # inches; step: from one vector of the prompt to the next
    top = height - 1.02  # of the first line's strips
    low = top - TALL
    left = EDGE + max(1.5, step * len(prompt)) + 0.3  # of the patches
    second = top - GRID - 0.9  # top of the second line's strips
    begun, count = sum(not piece.learned for piece in prompt), len(prompt) + len(patches)
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        strips = [(EDGE + (i + 0.5) * step, step - 0.05, piece.vector) for i, piece in enumerate(prompt)]
        draw_strips(page, strips, limit, low, top)
        for (middle, width, _), piece in zip(strips, prompt):
            look = {"edgecolor": VERMILION, "linewidth": 1.6, "linestyle": "-" if piece.learned else (0, (1.2, 1))}
            page.add_patch(make_rectangle(middle - width / 2, middle + width / 2, low, top, **look))
            weight = "bold" if piece.learned else "normal"
            add_text(page, middle, top + 0.1, piece.label, 7.5, ha="center", weight=weight)
        right, where = EDGE + step * len(prompt), _format_positions(0, len(prompt))
        name = say(en=f"soft prompt, M = {len(prompt)}", zh=f"软提示词，M = {len(prompt)}")
        _mark_part(page, EDGE, right, top + 0.2, name, where, VERMILION)
        if begun:
            first = EDGE + step * (len(prompt) - begun) + 0.03
            words_for = say(en="random" if begun < 8 else "random numbers", zh="随机数")
            add_text(page, min(first, right - 0.5), low - 0.1, words_for, 8, color=SLATE)
        last, right = _draw_patches(
            page, image, patches, limit, left, top - (GRID if len(patches) > 1 else 1.8), top, len(prompt)
        )
        where = say(en="{}; {}", zh="{}；{}").format(_format_positions(len(prompt), len(patches)), projection)
        name = say(en=f"picture, P = {len(patches)}", zh=f"图片，P = {len(patches)}")
        _mark_part(page, left, right, top + 0.2, name, where, BLUE)
        columns = _place_words([*(word.label for word in words), following[0]])
        if words:
            strips = [(middle, width - 0.1, word.vector) for (middle, width), word in zip(columns, words)]
            draw_strips(page, strips, limit, second - SMALL, second)
            for (middle, width, _), word in zip(strips, words):
                box = middle - width / 2, middle + width / 2, second - SMALL, second
                page.add_patch(make_rectangle(*box, edgecolor=INK, linewidth=1))
                add_text(page, middle, second + 0.11, shorten(word.label, 12), 8.5, ha="center")
            middle, width, _ = strips[-1]
            where = _format_positions(count, len(words))
            name = say(en=f"text, T = {len(words)}", zh=f"文字，T = {len(words)}")
            _mark_part(page, EDGE, middle + width / 2 + 0.05, second + 0.22, name, where, INK)
            last = middle, second - SMALL
        _draw_next_token(page, columns[-1], *following, second, last, first=not words)
        return finish(figure, alt, caption)


def _draw_patches(
    page: Axes, image: Image.Image, patches: np.ndarray, limit: float, left: float, low: float, top: float, first: int
) -> tuple[tuple[float, float], float]:
    """Pieces of the picture in its own rows, each over the strip of its vector, and on the right the positions of each row.

    first: position of the first of them. Returns where the last one ends, and all of them on the right.
    """
    grid = math.isqrt(len(patches))
    pitch = (top - low) / grid
    step = min(0.72 * pitch, (WIDTH - EDGE - left - 1.2) / grid) if grid > 1 else 1.1
    side, gap = 0.88 * step, 0.03 if grid > 1 else 0.1
    strip = min(pitch - side - gap - (0.06 if grid > 1 else 0), side)
    dots = 100 * SHARPNESS
    sheet = Image.new("RGB", (round(grid * step * dots), round((top - low) * dots)), "white")
    whole = crop_square(image, grid * max(1, round(side * dots)))
    piece = whole.width // grid
    for number in range(len(patches)):
        row, column = divmod(number, grid)
        box = column * piece, row * piece, (column + 1) * piece, (row + 1) * piece
        sheet.paste(whole.crop(box), (round(column * step * dots), round(row * pitch * dots)))
    page.imshow(np.asarray(sheet), extent=(left, left + grid * step, low, top), aspect="auto", interpolation="none")
    for row in range(grid):
        vectors = patches[row * grid : (row + 1) * grid]
        high = top - row * pitch - side - gap
        strips = [(left + i * step + side / 2, side, vector) for i, vector in enumerate(vectors)]
        draw_strips(page, strips, limit, high - strip, high)
        for middle, width, _ in strips:
            box = middle - width / 2, middle + width / 2, high - strip, high
            page.add_patch(make_rectangle(*box, edgecolor=BLUE, linewidth=0.6 if grid > 1 else 1.6))
        if 1 < grid and pitch > 0.16:  # there is room for letters
            begin, height = first + row * grid, top - row * pitch - (side + gap + strip) / 2
            span = f"{begin}–{begin + grid - 1}"
            if not row:
                span = say(en=f"positions {span}", zh=f"位置 {span}")
            add_text(page, left + grid * step + 0.08, height, span, 8, color=SLATE)
    return (strips[-1][0], high - strip), left + (grid - 1) * step + side


def _draw_next_token(
    page: Axes,
    column: tuple[float, float],
    token: str,
    share: float,
    top: float,
    last: tuple[float, float],
    first: bool,
) -> None:
    """An arrow from the last position to the place that comes next, and the token that it predicts for it. first: of the text."""
    middle, width = column
    left, right, low = middle - width / 2 + 0.05, middle + width / 2 - 0.05, top - SMALL
    page.add_patch(
        make_rectangle(left, right, low, top, edgecolor=BLUE, linewidth=1.4, linestyle=(0, (3, 2)), facecolor=TINT)
    )
    add_text(page, middle, top - SMALL / 2, shorten(token, 12), 8.5, ha="center", weight="bold")
    if first:
        nothing = say(en="text, T = 0: no token yet", zh="文字，T = 0：还没有词元")
        add_text(page, right + 0.15, top - SMALL / 2, nothing, 9, weight="bold")
    x, y = last
    turn = y - (0.3 if first else 0.14)  # below what may stand under the prompt
    head = {"arrowstyle": "-|>", "color": BLUE, "linewidth": 1.4, "shrinkA": 0, "shrinkB": 0}
    page.plot([x, x, middle], [y, turn, turn], color=BLUE, linewidth=1.4)
    page.annotate("", (middle, top if first else low), (middle, turn), arrowprops=head)
    side = {"ha": "right"} if x > WIDTH - 1.7 else {}
    token, sure = shorten(token, 16), f"{100 * share:.0f}"
    told = say(en=f"predicts: {token}, {sure} %", zh=f"预测：{token}，{sure}%")
    add_text(page, x, turn - 0.13, told, 8.5, weight="bold", color=BLUE, **side)


def _place_words(labels: Sequence[str]) -> list[tuple[float, float]]:
    """The middle and the width of a column for each label: as wide as it needs, and narrower where all are too many."""
    widths = np.array([0.085 * min(measure_letters(label), 12) + 0.16 for label in labels])
    widths = np.maximum(widths, 0.34)
    widths *= min(1, (WIDTH - 2 * EDGE) / widths.sum())
    return list(zip((EDGE + np.cumsum(widths) - widths / 2).tolist(), widths.tolist()))


def _format_positions(first: int, number: int) -> str:
    last = first + number - 1
    if number == 1:
        return say(en=f"position {first}", zh=f"位置 {first}")
    return say(en=f"positions {first}–{last}", zh=f"位置 {first}–{last}")


def _mark_part(page: Axes, left: float, right: float, y: float, name: str, where: str, colour: str) -> None:
    """A bracket over a part of the sequence, what it is called, and where it stands."""
    page.plot([left, left, right, right], [y, y + 0.06, y + 0.06, y], color=colour, linewidth=1.4)
    add_text(page, left, y + 0.31, name, 9, weight="bold", color=colour)
    add_text(page, left, y + 0.14, where, 8, color=SLATE)


# --- patches as words ------------------------------------------------------------------------------------------------------------


def draw_patch_words(
    image: Image.Image, words: Sequence[str], true: Sequence[bool], *, title: str, alt: str, caption: str = ""
) -> Picture:
    """A pale picture with a word on each of its P patches, row by row; beside it, how often each word stands there.

    true: (P,) whether the word is true of the picture; those stand in boxes with a tick.
    """
    grid, side, low = math.isqrt(len(words)), 5.0, 0.12
    top, cell = low + side, side / grid
    counts = Counter(zip(true, words))
    order = sorted(counts, key=lambda key: (-counts[key], key[1]))
    size = 7.5 if grid <= 8 else 5.5
    letters = max(4, round(cell / (0.0093 * size)))
    with LOCK:
        figure = make_blank(top + 0.38)
        page = add_page(figure, title)
        pale = 0.62 + 0.38 * np.asarray(crop_square(image, 512), dtype=float) / 255
        page.imshow(pale, extent=(EDGE, EDGE + side, low, top), aspect="auto", interpolation="antialiased")
        for line in range(grid + 1):
            for along in ([[EDGE + line * cell] * 2, [low, top]], [[EDGE, EDGE + side], [low + line * cell] * 2]):
                page.plot(*along, color="white" if 0 < line < grid else GREY, linewidth=0.8)
        for number, (word, hit) in enumerate(zip(words, true)):
            row, column = divmod(number, grid)
            x, y = EDGE + (column + 0.5) * cell, top - (row + 0.5) * cell
            if hit:
                half, tall = cell / 2 - 0.025, 0.15 * 8 / max(grid, 8)
                look = {"edgecolor": BLUE, "facecolor": "white", "linewidth": 1.2}
                page.add_patch(make_rectangle(x - half, x + half, y - tall, y + tall, **look))
                add_text(page, x + half - 0.02, y + tall, "✓", size, ha="right", color=BLUE, path_effects=make_halo())
            look = {"weight": "bold", "color": BLUE} if hit else {"color": SLATE, "path_effects": make_halo()}
            add_text(page, x, y - (0.02 if hit else 0), shorten(word, letters), size, ha="center", **look)
        left, y = EDGE + side + 0.16, top - 0.1
        headings = say(en="✓ true of it", zh="✓ 符合图片"), say(en="not true of it", zh="不符合")
        for hit, heading in zip((True, False), headings):
            mine, look = [key for key in order if key[0] is hit], {"weight": "bold", "color": BLUE if hit else SLATE}
            add_text(page, left, y, f"{heading}{say(en=': ', zh='：')}{list(true).count(hit)}", 8.5, **look)
            for key in mine[:MOST_LISTED]:
                y -= 0.185
                add_text(page, left + 0.32, y, f"{counts[key]} ×", 8, ha="right", **look)
                add_text(page, left + 0.38, y, shorten(key[1], 14), 8, **look)
            y -= 0.36
            if len(mine) > MOST_LISTED:
                add_text(page, left + 0.38, y + 0.175, "…", 8, **look)
                y -= 0.185
        return finish(figure, alt, caption)


# --- what is scored against what -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Column:
    """One column of the strip: the positions it stands for, what is there, whether it may be seen, and its label ("" for none)."""

    position: str
    token: str
    kind: str  # "prompt", "picture", "text", "end" or "padding"
    label: str = ""
    seen: bool = True


def draw_scored_labels(
    columns: Sequence[Column],
    batch: Sequence[Sequence[str]],
    row: int,
    arrows: Sequence[tuple[int, int]],
    chosen: int,
    *,
    ignored: str,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """A row of a batch, position by position: what stands there, its mask, and arrows from what predicts to the label it is scored by.

    batch: the texts of all rows, token by token with padding; row: the one that is shown in full. arrows: pairs of columns. chosen: a
    column, which is framed. ignored: what stands for a label that is not scored.
    """
    left = 1.14
    height = 2.84 + 0.2 * len(batch)
    widths = np.array([0.068 * max(map(measure_letters, column.token.split("\n"))) + 0.16 for column in columns])
    widths = np.maximum(widths, 0.4)
    widths *= (WIDTH - EDGE - left) / widths.sum()
    middles = left + np.cumsum(widths) - widths / 2
    prefix = sum(column.kind in ("prompt", "picture") for column in columns)
    begins = middles[prefix] - widths[prefix] / 2  # the text
    fills = {"prompt": "#F6E3D7", "picture": TINT, "text": "white", "end": "white", "padding": "#E9EBEE"}
    with LOCK:
        figure = make_blank(height)
        page = add_page(figure, title)
        y = height - 0.48
        batch_name = say(en="the batch", zh="一批")
        add_text(page, left - 0.1, y - 0.1 * (len(batch) - 1), batch_name, 8, ha="right", color=SLATE)
        for number, tokens in enumerate(batch):
            look = {"weight": "bold", "color": INK} if number == row else {"color": SLATE}
            before = say(en=f"prompt, picture {number + 1}", zh=f"提示词，图片 {number + 1}")
            add_text(page, (left + begins) / 2, y, before, 7.5, ha="center", **look)
            if number == row:
                page.add_patch(make_rectangle(left, WIDTH - EDGE, y - 0.1, y + 0.1, facecolor=TINT, zorder=-1))
            for middle, token in zip(middles[prefix:], tokens):
                add_text(page, middle, y, token, 7.5, ha="center", **look)
            y -= 0.2
        rows = {"position": y - 0.22, "token": y - 0.58, "mask": y - 0.98, "label": y - 2.0}
        for y, words, colour in (
            (rows["position"], say(en="position", zh="位置"), SLATE),
            (rows["token"], say(en="what stands\nthere", zh="这里是什么"), SLATE),
            (rows["mask"], say(en="attention\nmask", zh="注意力掩码"), SLATE),
            (
                (rows["mask"] + rows["label"]) / 2,
                say(en="its prediction\nis scored\nagainst", zh="它的预测\n对照哪个标签"),
                BLUE,
            ),
            (rows["label"], say(en="label", zh="标签"), SLATE),
        ):
            add_text(page, left - 0.1, y, words, 8, ha="right", color=colour)
        scored = {to for _, to in arrows}
        for number, (column, middle, width) in enumerate(zip(columns, middles, widths)):
            box = middle - width / 2 + 0.03, middle + width / 2 - 0.03
            add_text(page, middle, rows["position"], column.position, 7.5, ha="center", color=SLATE)
            look = {"facecolor": fills[column.kind], "edgecolor": GREY, "linewidth": 1}
            if column.kind == "padding":
                look |= {"hatch": "////"}
            page.add_patch(make_rectangle(*box, rows["token"] - 0.22, rows["token"] + 0.22, **look))
            add_text(page, middle, rows["token"], column.token, 8, ha="center", path_effects=make_halo(), linespacing=1)
            mask, colour = ("1", INK) if column.seen else ("0", SLATE)
            add_text(page, middle, rows["mask"], mask, 8, ha="center", color=colour)
            look = {"edgecolor": BLUE, "linewidth": 1.8} if number in scored else {"edgecolor": GREY, "linewidth": 0.8}
            page.add_patch(make_rectangle(*box, rows["label"] - 0.14, rows["label"] + 0.14, **look))
            look = {"color": INK, "weight": "bold"} if number in scored else {"color": SLATE}
            add_text(page, middle, rows["label"], column.label or ignored, 8, ha="center", **look)
        for start, end in arrows:
            look = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "color": BLUE}
            look |= {"linewidth": 2.6, "mutation_scale": 15} if start == chosen else {"linewidth": 1.1, "alpha": 0.75}
            page.annotate(
                "", (middles[end], rows["label"] + 0.15), (middles[start], rows["mask"] - 0.14), arrowprops=look
            )
        middle, width = middles[chosen], widths[chosen]
        box = middle - width / 2, middle + width / 2, rows["mask"] - 0.13, rows["position"] + 0.1
        page.add_patch(make_rectangle(*box, edgecolor=INK, linewidth=2.2))
        add_text(page, middle, rows["position"] + 0.17, "▼", 8, ha="center")
        return finish(figure, alt, caption)
