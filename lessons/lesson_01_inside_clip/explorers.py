"""Explorers of lesson 01: tokens and their vectors, attention, the matrix that CLIP learns from, temperature; and its figures.

On top of `Explorer` and `figures`. Mechanism by hand, each proved equal to the library's in tests/test_lesson_01.py: attention, which
the library's fast kernels do not give, and the loss. CLIP: Radford et al. 2021, arXiv 2103.00020.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

import ipywidgets
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import CLIPConfig, CLIPModel, CLIPProcessor

from helpers import by_hand
from helpers.language import say
from helpers.notebook import Table
from helpers.pretrained import encode_images, encode_texts, find_trained_rows
from lessons.kit.explorer import Explorer, format_percent, make_row, read_values, style_control
from lessons.kit.picture import Picture, choose_letter_colour, crop_square, encode_webp
from lessons.kit.tokens import WORD_END, read_letters
from lessons.lesson_01_inside_clip import figures

MOST_NAMED = 14  # tokens in an alt text
STEP = 0.01  # between two cosines of a slider


# --- a text becomes vectors --------------------------------------------------------------------------------------


def token_explorer(clip: CLIPModel, processor: CLIPProcessor, text: str = "a photo of a red cat.") -> Explorer:
    """Type a text, and see its tokens, their ids, the rows of both tables that are added, and where the text is pooled."""
    table, places = _tables(clip)
    line = ipywidgets.Text(text, description=say(en="text", zh="文字"), continuous_update=False, **style_control(40))
    first = max(_read(clip, processor, text).pooled - 2, 0)  # the word before the full stop
    position = ipywidgets.IntSlider(
        first, min=0, max=len(places) - 1, description=say(en="position", zh="位置"), **style_control(40)
    )

    def draw(now: SimpleNamespace) -> Picture:
        read, chosen = _read(clip, processor, now.text), now.position
        columns = [
            figures.Position(token, id, table[id], places[place], padding=place >= read.used)
            for place, (token, id) in enumerate(zip(read.tokens, read.ids))
        ]
        token, row = read.tokens[chosen], read.ids[chosen]
        return figures.tokens_as_vectors(
            columns,
            read.words,
            chosen=chosen,
            pooled=read.pooled,
            title=say(
                en=f"“{token}” at position {chosen}: row {row} of {len(table):,}, plus row {chosen} of {len(places)}, is what enters",
                zh=f"位置 {chosen} 的“{token}”：嵌入表第 {row} 行（共 {len(table):,} 行）加上位置嵌入表第 {chosen} 行（共 {len(places)} 行）",
            ),
            alt=_tokens_in_words(read, chosen),
            caption=_about_tokens(read, len(places)),
        )

    return Explorer({"text": line, "position": position}, draw)


def _tables(clip: CLIPModel) -> tuple[np.ndarray, np.ndarray]:
    """The two tables of the text tower: of tokens (V, D) and of positions (T, D)."""
    embeddings = clip.text_model.embeddings
    tables = embeddings.token_embedding, embeddings.position_embedding
    return tuple(table.weight.detach().float().cpu().numpy() for table in tables)


def _read(clip: CLIPModel, processor: CLIPProcessor, text: str) -> SimpleNamespace:
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


def _tokens_in_words(read: SimpleNamespace, chosen: int) -> str:
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


def _about_tokens(read: SimpleNamespace, length: int) -> str:
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


# --- attention ---------------------------------------------------------------------------------------------------


def vision_attention(clip: CLIPModel, pixel_values: Tensor) -> Tensor:
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


def attention_explorer(
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
    attention = vision_attention(clip, pixels.to(clip.device, clip.dtype)).float().cpu().numpy()  # (L, H, 1 + P, 1 + P)
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
        who = say(en=f"patch {now.place}", zh=f"图块 {now.place} ") if now.place else _place(0, grid)
        which = say(en=f"head {now.head}", zh=f"第 {now.head} 个头") if now.head else mean[0][0]
        gets, evenly = format_percent(looked_at.mean()), format_percent(1 / positions)
        return figures.attention_of_a_place(
            seen,
            now.place,
            looks,
            looked_at,
            title=say(
                en=f"Layer {now.layer}, {which}: {who} gets {gets} of all attention (an even share: {evenly})",
                zh=f"第 {now.layer} 层，{which}：{who}得到全部注意力的 {gets}（平均分的话是 {evenly}）",
            ),
            alt=_attention_in_words(now, looks, looked_at, grid, (layers, heads)),
            caption=say(
                en=f"The darker, the more attention; each map has its own scale. The numbers are the three highest, in per cent; shared out "
                f"evenly, each of the {positions} positions would get {evenly}. In the middle all weights make 100 %. On the right each "
                "comes out of another position's 100 %.",
                zh=f"颜色越深，注意力越多；两张图的刻度各不相同。数字是最高的三个注意力权重，单位是 %；要是平均分，{positions} 个位置各得 "
                f"{evenly}。中间那张图的权重加起来是 100%；右边那张图，每个权重都出自另一个位置的 100%。",
            ),
        )

    explorer = Explorer(controls, draw)
    buttons = _patch_buttons(controls["place"], seen, grid)
    explorer.widget.children = [
        make_row(buttons, ipywidgets.VBox(list(controls.values())), align_items="center"),
        explorer.view,
    ]
    return explorer


def _attention_in_words(
    now: SimpleNamespace, looks: np.ndarray, seen: np.ndarray, grid: int, of: tuple[int, int]
) -> str:
    """Where the two maps are darkest, as far as it is clear on every machine."""
    who, most, from_ = _place(now.place, grid), _darkest(looks, grid), _darkest(seen, grid)
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


def _place(place: int, grid: int) -> str:
    if not place:
        return say(en="the class token", zh="类别词元")
    row, column = divmod(place - 1, grid)
    return say(
        en=f"patch {place} (row {row + 1}, column {column + 1})",
        zh=f"图块 {place}（第 {row + 1} 行第 {column + 1} 列）",
    )


def _darkest(shares: np.ndarray, grid: int) -> str:
    first, second = np.argsort(-shares, kind="stable")[:2]
    if shares[first] - shares[second] < 0.005:
        return say(en="with no place clearly the darkest", zh="没有哪一处明显最深")
    return say(en=f"darkest at {_place(first, grid)}", zh=f"颜色最深的是{_place(first, grid)}")


def _patch_buttons(place: ipywidgets.IntSlider, image: Image.Image, grid: int) -> ipywidgets.VBox:
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
        if (
            "text_color" in button.style.keys
        ):  # ipywidgets 8; where letters cannot be made to stand out, buttons stay plain
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


# --- what CLIP learns from ---------------------------------------------------------------------------------------


def contrastive_loss(cosines: Tensor, scale: float | Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """CLIP's loss, the mean of two cross-entropies, and the two: of the pictures that choose captions, and of the captions.

    cosines: (N, N), a row for each picture, a column for each caption; what belongs together lies on the diagonal.
    """
    if cosines.ndim != 2 or cosines.shape[0] != cosines.shape[1]:
        raise ValueError(
            f"each picture needs one caption: the cosines must be square, and these are {tuple(cosines.shape)}"
        )
    logits, own = scale * cosines, torch.arange(len(cosines), device=cosines.device)
    image_loss, text_loss = cross_entropy(logits, own), cross_entropy(logits.T, own)
    return (image_loss + text_loss) / 2, image_loss, text_loss


def matrix_explorer(
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
    tip = (
        "tooltip" if ipywidgets.FloatSlider.class_traits().get("tooltip") else "description_tooltip"
    )  # ipywidgets 8, or 7
    cells = {
        f"cosine_{row}_{column}": ipywidgets.FloatSlider(
            own[row - 1, column - 1].item(),
            min=-1,
            max=1,
            step=STEP,
            description=f"{row} · {column}",
            style={"description_width": "2.4em"},
            layout={"width": "auto", "margin": "0"},
            **{
                tip: say(en=f"cosine of picture {row} and text {column}", zh=f"第 {row} 张图和第 {column} 句文字的余弦")
            },
        )
        for row in range(1, n + 1)
        for column in range(1, n + 1)
    }
    first, scale = read_values(cells), _scale_slider(learned, max(100, learned), learned)

    def draw(now: SimpleNamespace) -> Picture:
        cosines = torch.tensor([getattr(now, name) for name in cells], dtype=torch.float64).reshape(n, n)
        losses = tuple(loss.item() for loss in contrastive_loss(cosines, now.scale))
        chance = math.log(n)
        return figures.contrastive_matrices(
            images,
            captions,
            cosines.numpy(),
            now.scale,
            losses,
            title=say(
                en=f"The loss is {losses[0]:.2f}; guessing among {n} gives ln {n} = {chance:.2f}",
                zh=f"损失是 {losses[0]:.2f}；在 {n} 个里瞎猜，损失是 ln {n} = {chance:.2f}",
            ),
            alt=_matrix_in_words(cosines, now.scale, losses[0]),
            caption=say(
                en="Framed: the pairs that belong together. Raise them, lower the others, and watch the loss; then move the scale. "
                f"“What CLIP says” brings back this CLIP's cosines, to two decimals, and its scale, {learned:.3g}.",
                zh="加框的是本来就配对的图和文字。把它们的余弦调高，把别的调低，看看损失怎么变；再拉动缩放系数。"
                f"按“CLIP 怎么说”，就会恢复这个 CLIP 算出的余弦（两位小数）和它的缩放系数 {learned:.3g}。",
            ),
        )

    explorer = Explorer({**cells, "scale": scale}, draw)
    fill = ipywidgets.Button(description=say(en="What CLIP says", zh="CLIP 怎么说"), button_style="primary")
    clear = ipywidgets.Button(description=say(en="All cosines 0", zh="余弦全部归零"))
    fill.on_click(lambda _: _set(explorer, {**vars(first), "scale": learned}))
    clear.on_click(lambda _: _set(explorer, dict.fromkeys(cells, 0.0)))
    grid = ipywidgets.GridBox(
        [ipywidgets.HTML(), *map(_heading, captions)]
        + [
            widget
            for row in range(n)
            for widget in (
                _thumbnail(images[row], row + 1, captions[row]),
                *list(cells.values())[row * n : row * n + n],
            )
        ],
        layout={"grid_template_columns": f"3.4em repeat({n}, 1fr)", "align_items": "center", "max_width": "740px"},
    )
    explorer.widget.children = [grid, make_row(scale, clear, fill, align_items="center"), explorer.view]
    return explorer


def _set(explorer: Explorer, values: Mapping[str, float]) -> None:
    """Set several controls and draw once."""
    controls = [explorer.controls[name] for name in values]
    for control in controls:
        control.unobserve(explorer.update, names="value")
    for control, value in zip(controls, values.values()):
        control.value = value
    for control in controls:
        control.observe(explorer.update, names="value")
    explorer.update()


def _scale_slider(value: float, most: float, learned: float) -> ipywidgets.FloatLogSlider:
    """From 1 to the most, in equal steps of the exponent; the learned scale is one of them.

    A view moves a value that lies between two steps, so no such value is ever set.
    """
    step = math.log10(learned) / max(1, round(math.log10(learned) / 0.005))
    return ipywidgets.FloatLogSlider(
        10 ** (step * round(math.log10(value) / step)),
        base=10,
        min=0,
        max=math.log10(most),
        step=step,
        readout_format=".1f",
        description=say(en="logit scale", zh="缩放系数"),
        **style_control(30),
    )


def _heading(caption: str) -> ipywidgets.HTML:
    return ipywidgets.HTML(f'<div style="text-align: center; line-height: 1.2">{html.escape(caption)}</div>')


def _thumbnail(image: Image.Image, number: int, caption: str) -> ipywidgets.HTML:
    data = encode_webp(crop_square(image, 80), format="png")
    alt = say(en=f"Picture {number}, to which “{caption}” belongs", zh=f"第 {number} 张图，和它配对的文字是“{caption}”")
    return ipywidgets.HTML(f'<img alt="{html.escape(alt)}" width="40" height="40" src="data:image/png;base64,{data}">')


def _matrix_in_words(cosines: Tensor, scale: float, loss: float) -> str:
    """Who chooses what belongs to it by a clear margin, and the loss."""
    n, logits = len(cosines), scale * cosines
    pictures, captions = (
        [i + 1 for i in range(n) if shares[i, i] - shares[i, torch.arange(n) != i].max() > 0.01]
        for shares in (logits.softmax(1), logits.T.softmax(1))
    )

    def clearly(numbers: Sequence[int], en: str, zh: str) -> str:
        listed = say(en=", ", zh="、").join(map(str, numbers))
        if not numbers:
            return say(en=f"no {en} is clearly right", zh="没有一个明确选对")
        return say(en=f"clearly right: {en}{'s' * (len(numbers) > 1)} {listed}", zh=f"明确选对的是第 {listed} {zh}")

    return say(
        en=f"Three matrices of {n} pictures and {n} captions, the diagonal framed. First the cosines. Then the probabilities by which each "
        f"picture chooses a caption; {clearly(pictures, 'picture', '')}. Then those by which each caption chooses a picture; "
        f"{clearly(captions, 'caption', '')}. At the logit scale {scale:.3g} the loss is {loss:.2f}.",
        zh=f"{n} 张图和 {n} 句说明文字排成三个矩阵，对角线加了框。第一个是余弦。第二个是每张图选各句说明文字的概率，"
        f"{clearly(pictures, '', '张图')}。第三个是每句说明文字选各张图的概率，{clearly(captions, '', '句')}。"
        f"缩放系数是 {scale:.3g} 时，损失是 {loss:.2f}。",
    )


# --- temperature -------------------------------------------------------------------------------------------------


def temperature_explorer(
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
        return figures.shares_by_scale(
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
                en=f"A picture and {len(texts)} texts. At the logit scale {now.scale:.3g} the one with the highest cosine, “{best}”, has a probability of {en}. Below, a "
                f"curve for each text from scale {least:g} to {most:g}: they begin close together and part, and the best one rises. A "
                f"dotted line marks the learned scale, {learned:.3g}.",
                zh=f"一张图和 {len(texts)} 句话。缩放系数为 {now.scale:.3g} 时，余弦最高的“{best}”概率{zh}。下面每句话有一条曲线，缩放系数从 "
                f"{least:g} 到 {most:g}：起先挤在一起，后来分开，余弦最高的一路升高。点线标出学到的缩放系数 {learned:.3g}。",
            ),
            caption=say(
                en="The cosines never change; the scale only decides how much a small lead counts. The orange stroke on each bar marks the probability at the scale that "
                "CLIP learned. The temperature is one divided by the scale.",
                zh="余弦始终不变；缩放系数只决定一点点领先能换来多大的概率。条形图上的橙色短线标出按 CLIP 学到的缩放系数算出的概率。温度就是缩放系数的倒数。",
            ),
        )

    return Explorer({"scale": _scale_slider(learned, most, learned)}, draw)


# --- figures that stand still ------------------------------------------------------------------------------------


def patches_of(image: Image.Image, patch: int = 8, side: int = 64) -> Picture:
    """A picture as the model sees it, side × side pixels, cut into its patches, with the numbers of their positions."""
    n = side // patch
    return figures.picture_in_patches(
        image,
        patch,
        side,
        title=say(
            en=f"What the vision tower reads: position 0 is the class token, 1 to {n * n} are patches",
            zh=f"视觉塔读到的：位置 0 是类别词元，1 到 {n * n} 是图块",
        ),
        alt=say(
            en=f"Left, a picture of {side} by {side} pixels under a grid. Right, the same cut into {n} rows of {n} patches, numbered row by "
            f"row from 1 to {n * n}. Between them a hatched square, number 0: the class token.",
            zh=f"左边是一张 {side} × {side} 像素的图，画着网格；右边把它切成 {n} 行 {n} 列图块，从 1 到 {n * n} 逐行编号。中间画斜线的方块是 0 号：类别词元。",
        ),
        caption=say(
            en=f"The pixels are drawn large: this is all that the model sees. Each patch becomes one vector. {n * n} patches and the class "
            f"token make {n * n + 1} positions.",
            zh=f"像素是放大画的，模型看到的就这么多。每个图块变成一个向量，{n * n} 个图块加上类别词元，一共 {n * n + 1} 个位置。",
        ),
    )


def similarity_matrix(
    pictures: Sequence[Image.Image], captions: Sequence[str], cosines: Tensor | np.ndarray
) -> Picture:
    """Cosines of N pictures and N captions, (N, N), as a heat map with thumbnails; what belongs together is framed."""
    values = torch.as_tensor(cosines).detach().cpu().double().numpy()
    n = len(pictures)
    if not n == len(captions) == len(values) or values.shape != (n, n):
        raise ValueError(f"{n} pictures and {len(captions)} captions need cosines of ({n}, {n}), not {values.shape}")
    right = int((values.argmax(1) == np.arange(n)).sum())
    return figures.similarity_heatmap(
        pictures,
        captions,
        values,
        title=say(
            en=f"Cosines: in {right} of {n} rows the framed caption is the highest",
            zh=f"余弦：{n} 行里有 {right} 行，最高的正好在框里",
        ),
        alt=say(
            en=f"A matrix of {n} pictures, down the side, and {n} captions, along the top, with the cosine of each pair. The diagonal, where "
            f"picture and caption belong together, is framed. It is the highest of its row in {right} of {n} rows.",
            zh=f"一个矩阵，左边是 {n} 张图，上面是 {n} 句说明文字，格子里是每一对的余弦。对角线上图和文字本来就是一对，加了框；{n} 行里有 "
            f"{right} 行，最高的正好在框里。",
        ),
        caption=say(
            en="A row is a picture, a column a caption. Framed: the pairs that belong together. Bold: the highest of its row.",
            zh="一行是一张图，一列是一句说明文字。加框的本来就是一对，加粗的是这一行里最高的。",
        ),
    )


def mask_picture(T: int, labels: Sequence[str] | None = None) -> Picture:
    """The causal mask of T positions: who may see whom. labels: what stands at the positions; by default their numbers."""
    names = list(map(str, range(T))) if labels is None else list(labels)
    if len(names) != T:
        raise ValueError(f"{T} positions need {T} labels, and there are {len(names)}")
    return figures.causal_mask(
        names,
        title=say(
            en="Causal mask: no position sees what comes after it, and only the last sees everything",
            zh="因果掩码：谁也看不见自己后面的词元，只有最后一个位置看得见全文",
        ),
        alt=say(
            en=f"A grid of {T} rows and {T} columns, labelled {', '.join(names)}. In each row the cells up to the diagonal are filled and have "
            "a dot: these it may see. Those to the right of it are hatched. The first row sees one position, itself; the last sees "
            f"all {T}.",
            zh=f"{T} 行 {T} 列的格子，标着 {'、'.join(names)}。每一行从左边到对角线为止的格子涂满、带圆点，表示看得见；右边的画着斜线，表示看不见。"
            f"第一行只看得见自己，最后一行 {T} 个全看得见。",
        ),
        caption=say(
            en="A row is the position that looks. It may see the filled cells: itself and what stands before it.",
            zh="每一行是一个位置，涂满的格子是它看得见的：它自己，和排在它前面的。",
        ),
    )


# --- tables ------------------------------------------------------------------------------------------------------

OLDER_NAMES = (  # what older texts say, and where it is
    ("CLIPTextTransformer", "text_model"),
    ("token_embeddings", "text_model.embeddings.token_embedding"),
    ("position_embeddings", "text_model.embeddings.position_embedding"),
    ("encoder: CLIPTextTransformer", "text_model.encoder"),
    ("CLIPVisionTransformer", "vision_model"),
    ("class_embedding", "vision_model.embeddings.class_embedding"),
    ("patch_embeddings", "vision_model.embeddings.patch_embedding"),
    ("position_embeddings", "vision_model.embeddings.position_embedding"),
    ("pre_layernorm", "vision_model.pre_layrnorm"),  # sic
    ("encoder: CLIPVisionTransformer", "vision_model.encoder"),
    ("post_layernorm", "vision_model.post_layernorm"),
    ("vision_projection", "visual_projection"),
    ("text_projection", "text_projection"),
    ("temperature", "logit_scale"),
)


def class_map(clip: CLIPModel) -> Table:
    """The names that older texts use, the attributes that one can type today, and the classes that they have here."""

    def here(path: str) -> str:
        part = attrgetter(path)(clip)
        weight = part if isinstance(part, Tensor) else getattr(part, "weight", None)
        shape = "" if weight is None else f" {tuple(weight.shape)}"
        return f"{type(part).__name__}{shape}"

    header = (
        say(en="the name you may read", zh="你可能读到的名称"),
        say(en="the attribute you can type", zh="代码里能用的属性"),
        say(en="its class here", zh="在这里的类"),
    )
    return Table([(name, f"clip.{path}", here(path)) for name, path in OLDER_NAMES], header)


def configurations(clip: CLIPModel) -> Table:
    """This model beside the two usual sizes of the original, which are built without weights: sizes, and parameters by part."""
    with torch.device("meta"):
        models = [clip, *(CLIPModel(CLIPConfig(vision_config={"patch_size": patch})) for patch in (32, 16))]

    def sizes(model: CLIPModel) -> list[int]:
        vision, text = model.config.vision_config, model.config.text_config
        patches = (vision.image_size // vision.patch_size) ** 2
        table, projections = (
            _count(model.text_model.embeddings.token_embedding),
            _count(model.visual_projection, model.text_projection),
        )
        return [
            *(vision.image_size, vision.patch_size, patches, patches + 1),
            *(vision.hidden_size, vision.num_hidden_layers, vision.num_attention_heads),
            *(text.vocab_size, text.max_position_embeddings),
            *(text.hidden_size, text.num_hidden_layers, text.num_attention_heads),
            model.config.projection_dim,
            _count(model.vision_model),
            _count(model.text_model) - table,
            table,
            projections,
            model.logit_scale.numel(),
            _count(model),
        ]

    names = (
        say(en="vision tower: picture, pixels a side", zh="视觉塔：图片边长（像素）"),
        say(en="vision tower: patch, pixels a side", zh="视觉塔：图块边长（像素）"),
        say(en="vision tower: patches", zh="视觉塔：图块数"),
        say(en="vision tower: positions", zh="视觉塔：位置数"),
        say(en="vision tower: width", zh="视觉塔：宽度"),
        say(en="vision tower: layers", zh="视觉塔：层数"),
        say(en="vision tower: heads", zh="视觉塔：头数"),
        say(en="text tower: vocabulary", zh="文本塔：词表大小"),
        say(en="text tower: positions", zh="文本塔：位置数"),
        say(en="text tower: width", zh="文本塔：宽度"),
        say(en="text tower: layers", zh="文本塔：层数"),
        say(en="text tower: heads", zh="文本塔：头数"),
        say(en="both: width after the projection", zh="两塔共用：投影后的宽度"),
        say(en="parameters: vision tower", zh="参数：视觉塔"),
        say(en="parameters: text tower without its token table", zh="参数：文本塔（不含词元嵌入表）"),
        say(en="parameters: token table", zh="参数：词元嵌入表"),
        say(en="parameters: both projections", zh="参数：两个投影"),
        say(en="parameters: logit scale", zh="参数：缩放系数"),
        say(en="parameters: all", zh="参数：合计"),
    )
    columns = [[f"{size:,}" for size in sizes(model)] for model in models]
    header = ("", say(en="pocket CLIP", zh="口袋 CLIP"), "ViT-B/32", "ViT-B/16")
    return Table(zip(names, *columns, strict=True), header, align="right")


def _count(*modules: torch.nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())
