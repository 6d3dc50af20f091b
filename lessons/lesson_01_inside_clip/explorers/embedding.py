"""A text and a picture become vectors: the explorer of tokens and their rows, and the patches."""

from __future__ import annotations

from types import SimpleNamespace

import ipywidgets
import numpy as np
import torch
from PIL import Image
from transformers import CLIPModel, CLIPProcessor

from helpers import by_hand
from helpers.language import say
from helpers.pretrained import find_trained_rows
from lessons.kit.explorer import Explorer, style_control
from lessons.kit.picture import (
    BLUE,
    GREY,
    INK,
    LOCK,
    WIDTH,
    Picture,
    add_axes,
    add_page,
    crop_square,
    finish,
    make_blank,
    make_halo,
    make_rectangle,
)
from lessons.kit.tokens import WORD_END, read_letters
from lessons.lesson_01_inside_clip import figures

MOST_NAMED = 14  # tokens in an alt text


def explore_tokens(clip: CLIPModel, processor: CLIPProcessor, text: str = "a photo of a red cat.") -> Explorer:
    """Type a text, and see its tokens, their ids, the rows of both tables that are added, and where the text is pooled."""
    table, places = _read_tables(clip)
    line = ipywidgets.Text(text, description=say(en="text", zh="文字"), continuous_update=False, **style_control(40))
    first = max(_read_text(clip, processor, text).pooled - 2, 0)  # the word before the full stop
    position = ipywidgets.IntSlider(
        first, min=0, max=len(places) - 1, description=say(en="position", zh="位置"), **style_control(40)
    )

    def draw(now: SimpleNamespace) -> Picture:
        read, chosen = _read_text(clip, processor, now.text), now.position
        columns = [
            figures.Position(token, id, table[id], places[place], padding=place >= read.used)
            for place, (token, id) in enumerate(zip(read.tokens, read.ids))
        ]
        token, row = read.tokens[chosen], read.ids[chosen]
        return figures.draw_tokens_as_vectors(
            columns,
            read.words,
            chosen=chosen,
            pooled=read.pooled,
            title=say(
                en=f"“{token}” at position {chosen}: row {row} of {len(table):,}, plus row {chosen} of {len(places)}, is what enters",
                zh=f"位置 {chosen} 的“{token}”：嵌入表第 {row} 行（共 {len(table):,} 行）加上位置嵌入表第 {chosen} 行（共 {len(places)} 行）",
            ),
            alt=_describe_columns(read, chosen),
            caption=_caption_columns(read, len(places)),
        )

    return Explorer({"text": line, "position": position}, draw)


def _read_tables(clip: CLIPModel) -> tuple[np.ndarray, np.ndarray]:
    """The two tables of the text tower: of tokens (V, D) and of positions (T, D)."""
    embeddings = clip.text_model.embeddings
    tables = embeddings.token_embedding, embeddings.position_embedding
    return tuple(table.weight.detach().float().cpu().numpy() for table in tables)


def _read_text(clip: CLIPModel, processor: CLIPProcessor, text: str) -> SimpleNamespace:
    """A text as the tower reads it, on all its positions.

    ids, tokens (names for people); words: (first, last, word) of each that is cut into pieces; pooled: the position of EOT;
    used: how many positions come before the padding; count: how many tokens the whole text has, without SOS and EOT; strange:
    whether there is a token whose row was never trained; same: whether the padding has EOT's id.
    """
    tokenizer, length = processor.tokenizer, clip.config.text_config.max_position_embeddings
    read = tokenizer(text, padding="max_length", truncation=True, max_length=length)
    ids, used, trained = read["input_ids"], sum(read["attention_mask"]), find_trained_rows(clip)
    pieces, names = tokenizer.convert_ids_to_tokens(ids), {tokenizer.bos_token_id: "SOS", tokenizer.eos_token_id: "EOT"}
    tokens, words, begun = [], [], 0
    for place, (id, piece) in enumerate(zip(ids[:used], pieces)):
        tokens.append(names.get(id) or read_letters(piece) + ("" if trained[id] else "*"))
        if id not in names and piece.endswith(WORD_END) and place > begun:
            words.append((begun, place, read_letters("".join(pieces[begun : place + 1]))))
        if id in names or piece.endswith(WORD_END):
            begun = place + 1
    return SimpleNamespace(
        ids=ids,
        tokens=tokens + ["pad"] * (length - used),
        words=words,
        pooled=int(by_hand.find_end_of_text(clip, torch.tensor([ids]))),
        used=used,
        count=len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]),
        strange=not trained[ids[:used]].all(),
        same=tokenizer.pad_token_id == tokenizer.eos_token_id,
    )


def _describe_columns(read: SimpleNamespace, chosen: int) -> str:
    pooled, used = read.pooled, read.used
    listed, ids = (
        ", ".join(map(str, row[: min(used, MOST_NAMED)])) + (", …" if used > MOST_NAMED else "")
        for row in (read.tokens, read.ids)
    )
    return say(
        en=f"A text from tokens to vectors, a column a position. Tokens at positions 0 to {used - 1}: {listed}. Their ids: {ids}. Under "
        "each, three striped strips: a row of the embedding table, a row of the position table, and their sum. A frame around "
        f"position {pooled}, EOT, says “pooled here”. A triangle marks position {chosen}, {read.tokens[chosen]}, whose first numbers "
        "are added up below.",
        zh=f"一段文字从词元变成向量，一列是一个位置。位置 0 到 {used - 1} 上的词元：{listed}。编号：{ids}。每个词元下面有三条带条纹的竖条，"
        f"依次是嵌入表的一行、位置嵌入表的一行、两行之和。位置 {pooled}（EOT）加了框，标着“在这里池化”。"
        f"三角指着位置 {chosen}（{read.tokens[chosen]}），图的下方列出了它开头的几个数。",
    )


def _caption_columns(read: SimpleNamespace, length: int) -> str:
    caption = say(
        en="SOS is the start of the text and EOT its end; the tower's answer is read off at EOT (framed). Stripes: purple below zero, "
        "orange above.",
        zh="SOS 是文本起始符，EOT 是文本结束符；整段文字的特征就取自 EOT 那一列（带框）。条纹里紫色小于零，橙色大于零。",
    )
    rest = read.used
    if rest < length:
        caption += say(
            en=f" From position {rest} to {length - 1} there is only padding",
            zh=f"位置 {rest} 到 {length - 1} 全是填充（pad）",
        ) + (say(en=": EOT's id again.", zh="，编号和 EOT 一样。") if read.same else say(en=".", zh="。"))
    if read.count > length - 2:
        caption += say(
            en=f" The text has {read.count} tokens; between SOS and EOT there is room for {length - 2}: the others were cut off.",
            zh=f"这段文字有 {read.count} 个词元，SOS 和 EOT 之间只放得下 {length - 2} 个，后面的都截掉了。",
        )
    if read.words:
        caption += say(en=" A bracket joins the pieces of one word.", zh="括线下的几段原本是一个词。")
    if read.strange:
        caption += say(
            en=" * CLIP never met this token in training: nobody taught its row, which holds random numbers.",
            zh="带 * 的词元在训练里从没出现过，它那一行谁也没教过，只是随机数。",
        )
    return caption


def draw_patches(image: Image.Image, patch: int = 8, side: int = 64) -> Picture:
    """A picture as the model sees it, side × side pixels, cut into its patches, with the numbers of their positions."""
    n = side // patch
    title = say(
        en=f"What the vision tower reads: position 0 is the class token, 1 to {n * n} are patches",
        zh=f"视觉塔读到的：位置 0 是类别词元，1 到 {n * n} 是图块",
    )
    alt = say(
        en=f"Left, a picture of {side} by {side} pixels under a grid. Right, the same cut into {n} rows of {n} patches, numbered row by "
        f"row from 1 to {n * n}. Between them a hatched square, number 0: the class token.",
        zh=f"左边是一张 {side} × {side} 像素的图，画着网格；右边把它切成 {n} 行 {n} 列图块，从 1 到 {n * n} 逐行编号。中间画斜线的方块是 0 号：类别词元。",
    )
    caption = say(
        en=f"The pixels are drawn large: this is all that the model sees. Each patch becomes one vector. {n * n} patches and the class "
        f"token make {n * n + 1} positions.",
        zh=f"像素是放大画的，模型看到的就这么多。每个图块变成一个向量，{n * n} 个图块加上类别词元，一共 {n * n + 1} 个位置。",
    )
    low, large, height = 0.34, 2.95, 3.67
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
            style = {"color": "white", "linewidth": 0.7}
            axes.axhline(line * patch - 0.5, **style)
            axes.axvline(line * patch - 0.5, **style)
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
        learned = say(en="class token,\nlearned", zh="类别词元，\n学出来的")
        page.text(middle, box[2] - 0.2, learned, fontsize=8, linespacing=1.1, **style)
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
