"""The row that GPT-2 reads: what stands in it, its patches as words, and which position is scored against which label.

Pictures are of the test part of data/captions.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import ipywidgets
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from helpers import reading
from helpers.captioner import IGNORED, VLMWithSoftPrompt
from helpers.captioner_training import batch_captions
from helpers.files import DATA
from helpers.language import say
from helpers.language_model import read_token_table
from helpers.notebook import Table
from lessons.kit.explorer import Explorer, format_count, format_percent, make_dropdown, style_control
from lessons.kit.picture import Picture
from lessons.kit.tokens import name_end, name_token
from lessons.lesson_03_soft_prompt.figures import input_row as figures
from pocket.datasets import read_scene
from pocket.language import write_full_caption
from pocket.words import translate
from pocket.world import SHOWS_COLOUR, Scene, draw

SCENES = DATA / "captions" / "scenes.json"
SHOWN = ("test-0060", "test-0082", "test-0012", "test-0026", "test-0015", "test-0020")  # of one thing, in its colour
MOST_VECTORS = 20
BATCH = ("a red cat.", "a photo of a red cat.", "a photo of a small dog at night.")
MINUS_100 = str(IGNORED).replace("-", "−")


# --- what GPT-2 reads -----------------------------------------------------------------------------------------------------------


def explore_input_row(model: VLMWithSoftPrompt) -> Explorer:
    """Choose a picture, how it is told to GPT-2, how long prompt and text are, and see the sequence and the next token."""
    seen, table = load_test_pictures(model), read_token_table(model.language_model)  # (V, D)
    texts = [
        model.tokenizer(write_full_caption(picture.scene), add_special_tokens=False)["input_ids"] for picture in seen
    ]
    own = model.soft_prompt.prompt_embeddings.detach()  # (M, D)
    most, spread = max(MOST_VECTORS, len(own)), table.std().item()
    untaught = torch.randn(most, table.shape[1], generator=torch.Generator().manual_seed(0)).to(own) * spread
    features = {kind: encode_test_pictures(model, seen, kind) for kind in ("patches", "pooled")}  # (N, P, Dv)
    limit = 3 * table[torch.cat([torch.tensor(text) for text in texts])].abs().median().item()
    P = features["patches"].shape[1]
    kinds = {
        say(en=f"{P} patches", zh=f"{P} 个图块"): "patches",
        say(en="pooled: 1 vector", zh="池化成 1 个向量"): "pooled",
    }
    kinds = dict(sorted(kinds.items(), key=lambda kind: kind[1] != model.vision_features))  # the model's own first
    controls = {
        "picture": make_picture_list([name_test_scene(picture.scene) for picture in seen]),
        "features": make_dropdown(say(en="features", zh="图片特征"), kinds, model.vision_features, 23.2),
        "vectors": ipywidgets.IntSlider(
            len(own), min=1, max=most, description=say(en="vectors", zh="向量个数"), **style_control(30)
        ),
        "tokens": ipywidgets.IntSlider(
            min(5, len(texts[0])),
            min=0,
            max=len(texts[0]),
            description=say(en="tokens", zh="词元个数"),
            **style_control(30),
        ),
    }

    def fit_text(change: dict[str, Any]) -> None:
        controls["tokens"].max = len(texts[change["new"]])

    controls["picture"].observe(fit_text, names="value")  # before the explorer's own: then there is never too much text

    def draw_now(now: SimpleNamespace) -> Picture:
        text = texts[now.picture][: now.tokens]
        prompt = torch.cat([own, untaught[len(own) :]])[: now.vectors]  # (m, D)
        with torch.no_grad():
            patches = model.vision_projection(features[now.features][now.picture])  # (P, D)
            words = table[torch.tensor(text, dtype=torch.long, device=table.device)]  # (T, D)
            vectors = torch.cat([prompt, patches.to(prompt), words.to(prompt)])  # (m + P + T, D)
            logits = model.language_model(inputs_embeds=vectors[None].to(table.dtype)).logits[0, -1]
        shares, best = logits.float().softmax(-1).topk(2)
        following, numbers = name_token(model.tokenizer, best[0]), vectors.float().cpu().numpy()
        m, P, T = len(prompt), len(patches), len(text)
        labels = [name_token(model.tokenizer, id) for id in text]
        given, width = model.vision_projection.in_features, model.vision_projection.out_features
        facts = SimpleNamespace(
            m=m, own=len(own), P=P, T=T, text=model.tokenizer.decode(text).strip(), following=following, shares=shares.tolist(), kind=now.features,
            truth=[*(name_token(model.tokenizer, id) for id in texts[now.picture]), name_end()][T], trained=model.vision_features,
        )  # fmt: skip
        return figures.draw_input_row(
            [figures.LabelledVector(str(i + 1), numbers[i], learned=i < len(own)) for i in range(m)],
            seen[now.picture].large,
            numbers[m : m + P],
            [figures.LabelledVector(label, vector) for label, vector in zip(labels, numbers[m + P :])],
            (following, shares[0].item()),
            limit,
            projection=say(
                en=f"{'each ' * (P > 1)}projected, {given} → {width} numbers",
                zh=f"{'各自' * (P > 1)}投影，{given} → {width} 个数",
            ),
            title=say(
                en=f"GPT-2 reads M + P + T = {m} + {P} + {T} = {m + P + T} vectors of {width} numbers, and predicts the next token",
                zh=f"GPT-2 读到 M + P + T = {m} + {P} + {T} = {m + P + T} 个向量，宽度 {width}，由此预测下一个词元",
            ),
            alt=_describe_input_row(seen[now.picture].scene, facts),
            caption=_explain_input_row(facts),
        )

    return Explorer(controls, draw_now)


def _describe_input_row(scene: Scene, facts: SimpleNamespace) -> str:
    sure = facts.shares[0] - facts.shares[1] > 0.05  # on every machine
    m, P, T, text = facts.m, facts.P, facts.T, facts.text
    untaught = max(0, m - facts.own)
    return say(
        en=f"A sequence in two lines. First the soft prompt: {format_count(m, 'narrow striped strip')}, numbered, in "
        + ("solid frames" if not untaught else f"solid frames, but for the last {untaught}, in dotted ones")
        + f". Beside it the picture ({name_test_scene(scene)}), "
        + (
            f"cut into {P} pieces, row by row as they lie in it, with a strip under each"
            if P > 1
            else "whole, with one strip under it"
        )
        + ". Below, "
        + (f"the text “{text}” as {format_count(T, 'wider strip')}. " if T else "no text yet. ")
        + "An arrow leads from the last position to a dashed box: the next token"
        + (f", “{facts.following}”." if sure else "; two are about equally likely."),
        zh=f"一个序列，画成两行。第一行先是软提示词：{m} 条编了号的窄条纹，"
        + ("都是实线框" if not untaught else f"最后 {untaught} 条是点线框，其余是实线框")
        + f"；旁边是图片（{name_test_scene(scene)}），"
        + (f"切成 {P} 块，各在原来的位置，每块下面有一条条纹。" if P > 1 else "没有切开，下面只有一条条纹。")
        + (f"第二行是文字“{text}”，{T} 条较宽的条纹。" if T else "第二行还没有文字。")
        + "箭头从最后一个位置指向虚线框，框里是下一个词元"
        + (f"“{facts.following}”。" if sure else "，有两个的可能性差不多大。"),
    )


def _explain_input_row(facts: SimpleNamespace) -> str:
    m, own, share = facts.m, facts.own, format_percent(facts.shares[0], 0)
    caption = say(
        en="One sequence, read line by line, the picture row by row. To GPT-2 all of it is vectors (purple below zero, orange above), to which it adds the positions "
        f"itself. What it finds most likely to come next is “{facts.following}” ({share}); the picture's caption goes on with “{facts.truth}”.",
        zh="这是一个序列，逐行往下读，图片也是一行一行地读。在 GPT-2 眼里全是向量（紫色小于零，橙色大于零），位置嵌入由它自己加上。它认为接下来最可能是"
        f"“{facts.following}”（{share}）；这张图的说明文字里，接下来是“{facts.truth}”。",
    )
    if m < own:
        caption += say(
            en=f" Of the model's {own} vectors only the first{f' {m}' * (m > 1)} stand{'s' * (m == 1)} here. They learned together: a prompt "
            f"of {format_count(m, 'vector')} that learned alone would be another.",
            zh=f"模型有 {own} 个向量，这里只放了前 {m} 个。它们是一起学出来的；单独学一个只有 {m} 个向量的软提示词，结果会不一样。",
        )
    if m > own:
        caption += say(
            en=f" The model has {own} vectors; those in dotted frames are random numbers, as before training, and can only disturb.",
            zh=f"模型只有 {own} 个向量；点线框里的是随机数，和训练之前一样，只会添乱。",
        )
    if facts.kind != facts.trained:
        caption += say(
            en=f" The projection was made for {_name_features(facts.trained)} and never learned the other kind: look at the length of the "
            "sequence here, and do not believe the prediction.",
            zh=f"这个投影是给{_name_features(facts.trained)}准备的，没学过另一种特征：这里只看序列有多长，预测不能当真。",
        )
    return caption


def _name_features(kind: str) -> str:
    return say(en="patches", zh="图块的特征") if kind == "patches" else say(en="the pooled vector", zh="池化的特征")


# --- patches as words -----------------------------------------------------------------------------------------------------------


def explore_patch_words(model: VLMWithSoftPrompt, begun: tuple[Tensor, Tensor]) -> Explorer:
    """Choose a picture, and see on each patch the word of GPT-2's table that is nearest to what the projection makes of it.

    begun: weight (D, Dv) and bias (D,) of the projection as they were before training.
    """
    seen = load_test_pictures(model)
    nearest, among = find_nearest_words(model, seen, begun)
    controls = {
        "picture": make_picture_list([name_test_scene(picture.scene) for picture in seen]),
        "projection": make_dropdown(
            say(en="projection", zh="投影"), {_name_stage(name): name for name in ("learned", "begun")}, "learned", 20
        ),
        "rank": make_dropdown(
            say(en="word", zh="词"),
            {say(en="nearest", zh="最近的"): 0, say(en="second", zh="第二近的"): 1, say(en="third", zh="第三近的"): 2},
            0,
            18,
        ),
    }

    def draw_now(now: SimpleNamespace) -> Picture:
        named = [top[now.rank] for top in nearest[now.projection][now.picture]]
        hits = [[name in list_true_words(picture.scene) for name in named] for picture in seen]  # (N, P)
        true = hits[now.picture]
        by_chance = [sum(row) for number, row in enumerate(hits) if number != now.picture]
        null = sum(by_chance) / len(by_chance)
        rank, when = _name_nearness(now.rank), _name_stage(now.projection)
        return figures.draw_patch_words(
            seen[now.picture].large,
            named,
            true,
            title=say(
                en=f"The {rank} word to each projected patch, {when}: true of the picture on {sum(true)} of {len(true)}",
                zh=f"离每个图块的投影{rank}的词（{when}）：{len(true)} 个图块里有 {sum(true)} 个符合图片",
            ),
            alt=_describe_patch_words(seen[now.picture].scene, now, named, true),
            caption=_explain_patch_words(now, true, null, len(by_chance), among),
        )

    return Explorer(controls, draw_now)


def _name_nearness(number: int) -> str:
    return say(en=("nearest", "second nearest", "third nearest")[number], zh=("最近", "第二近", "第三近")[number])


def _name_stage(projection: str) -> str:
    begun = say(en="before learning", zh="学习之前")
    return begun if projection == "begun" else say(en="after learning", zh="学完以后")


def tabulate_patch_words(model: VLMWithSoftPrompt, begun: tuple[Tensor, Tensor]) -> Table:
    """Of each picture of `explore_patch_words` the words that are nearest to its patches, and on how many patches they stand."""
    seen = load_test_pictures(model)
    nearest, _ = find_nearest_words(model, seen, begun)

    def list_most_frequent(patches: list[list[str]]) -> str:
        return ", ".join(f"{often} × {word}" for word, often in Counter(top[0] for top in patches).most_common())

    rows = [
        (name_test_scene(picture.scene), *(list_most_frequent(nearest[when][number]) for when in ("begun", "learned")))
        for number, picture in enumerate(seen)
    ]
    return Table(rows, (say(en="picture", zh="图片"), _name_stage("begun"), _name_stage("learned")))


def find_nearest_words(
    model: VLMWithSoftPrompt, seen: Sequence[Seen], begun: tuple[Tensor, Tensor]
) -> tuple[dict[str, list[list[list[str]]]], int]:
    """Of each projection the words (N, P, 3) that are nearest to the projected patches, nearest first; among how many."""
    features = encode_test_pictures(model, seen, model.vision_features)  # (N, P, Dv)
    words = reading.read_vocabulary(model.language_model, model.tokenizer)
    learned = model.vision_projection.weight.detach().clone(), model.vision_projection.bias.detach().clone()
    nearest = {}
    for name, projection in (("learned", learned), ("begun", [part.detach().to(learned[0]) for part in begun])):
        projected = F.linear(features, *projection)  # (N, P, D)
        best = reading.find_nearest_tokens(projected, words.table, 3, rows=words.words).ids
        nearest[name] = [
            [[name_token(model.tokenizer, id) for id in top] for top in patches] for patches in best.tolist()
        ]
    return nearest, len(words.words)


def list_true_words(scene: Scene) -> set[str]:
    """The words of `write_full_caption` that say something of the picture: object, size, background, style, and a colour that shows."""
    words = {scene.background, *scene.style.split()}
    for thing in scene.things:
        words |= {thing.object, thing.size} | ({thing.colour} if scene.style in SHOWS_COLOUR else set())
    return words


def _describe_patch_words(scene: Scene, now: SimpleNamespace, words: Sequence[str], true: Sequence[bool]) -> str:
    (first, often), *_ = Counter(words).most_common()
    good, other = (
        [name for name, _ in Counter(w for w, hit in zip(words, true) if hit is wanted).most_common(5)]
        for wanted in (True, False)
    )
    rank, when = _name_nearness(now.rank), _name_stage(now.projection)
    none = say(en="none", zh="没有")
    listed = [say(en=", ", zh="、").join(names) or none for names in (good, other)]
    return say(
        en=f"A pale picture ({name_test_scene(scene)}) with a word on each of its {len(words)} patches: the {rank} to what the projection, {when}, makes "
        f"of it. {sum(true)} are true of the picture and stand in boxes with a tick: {listed[0]}. Others, in grey: {listed[1]}. The most "
        f"frequent is “{first}”, on {often}.",
        zh=f"一张淡化的图（{name_test_scene(scene)}），{len(words)} 个图块上各写着一个词：投影（{when}）把图块变成向量，离它{rank}的就是这个词。"
        f"{sum(true)} 个词符合图片，加框打勾：{listed[0]}。其余是灰色：{listed[1]}。出现最多的是“{first}”，共 {often} 个。",
    )


def _explain_patch_words(now: SimpleNamespace, true: Sequence[bool], null: float, others: int, words: int) -> str:
    caption = say(
        en=f"On {sum(true)} of {len(true)} patches the word is true of the picture (boxed, ✓): its object, colour, size, background or style. "
        f"The null: the same words, judged against the {others} other pictures of the list, would be true on {null:.1f} on average. "
        f"Nearest by cosine, among the {words:,} whole words that GPT-2's table was trained on.",
        zh=f"{len(true)} 个图块里，有 {sum(true)} 个图块上的词符合这张图（加框打勾），说的是它的物体、颜色、大小、背景或风格。偶然对照：同样这些词，"
        f"换成列表里另外 {others} 张图来判断，平均有 {null:.1f} 个符合。远近按余弦算，候选是 GPT-2 嵌入表里训练过的 {words:,} 个完整的词。",
    )
    if now.projection == "learned":
        caption += say(
            en=" Only captions were scored in training; where a word should be said, nobody told.",
            zh="训练时计入损失的只有说明文字，没有谁说过哪个图块该是哪个词。",
        )
    return caption


# --- what is scored against what ------------------------------------------------------------------------------------------------


def explore_scored_labels(model: VLMWithSoftPrompt) -> Explorer:
    """Choose a row of a batch and a position in it, and see which label its prediction is scored against; shift and padding can go wrong."""
    ids, labels = batch_captions(model.tokenizer, BATCH)  # (B, T)
    config, M = model.vision_model.config, len(model.soft_prompt.prompt_embeddings)
    P = (config.image_size // config.patch_size) ** 2 if model.vision_features == "patches" else 1
    prefix = _make_prefix(M, P)
    names = [[name_token(model.tokenizer, id) for id in row] for row in ids]
    kinds = [
        ["padding" if label == IGNORED else "end" if name == name_end() else "text" for name, label in zip(row, mine)]
        for row, mine in zip(names, labels.tolist())
    ]
    pad = say(en="pad", zh="填充")
    for row, mine in zip(names, kinds):
        row[:] = [pad if kind == "padding" else name for name, kind in zip(row, mine)]
    positions = [column.position for column in prefix] + [str(M + P + i) for i in range(ids.shape[1])]
    tick = {"indent": False, "layout": {"width": "auto", "margin": "2px 1em 2px 0"}}
    controls = {
        "caption": make_dropdown(
            say(en="caption", zh="说明文字"), {text: row for row, text in enumerate(BATCH)}, 0, 26
        ),
        "position": ipywidgets.SelectionSlider(
            options=[(name, column) for column, name in enumerate(positions)],
            value=len(prefix),
            description=say(en="position", zh="位置"),
            **style_control(30),
        ),
        "shifted": ipywidgets.Checkbox(True, description=say(en="shifted by one", zh="错开一位"), **tick),
        "padding": ipywidgets.Checkbox(False, description=say(en="padding scored", zh="填充计入损失"), **tick),
    }

    def draw_now(now: SimpleNamespace) -> Picture:
        tokens = names[now.caption]
        text = [
            figures.Column(position, token, kind, token if kind != "padding" or now.padding else "", kind != "padding")
            for position, token, kind in zip(positions[len(prefix) :], tokens, kinds[now.caption])
        ]
        columns = [*prefix, *text]
        wanted = [column for column, place in enumerate(columns) if place.label]
        arrows = [(column - now.shifted, column) for column in wanted]
        sentence = _describe_position(columns, now.position, dict(arrows), now.shifted)
        return figures.draw_scored_labels(
            columns,
            names,
            now.caption,
            arrows,
            now.position,
            ignored=MINUS_100,
            title=sentence,
            alt=_describe_labels(columns, arrows, now),
            caption=sentence + say(en=". ", zh="。") + _explain_labels(len(arrows), now),
        )

    return Explorer(controls, draw_now)


def _make_prefix(M: int, P: int) -> list[figures.Column]:
    """What stands before the text, in three boxes: the last place has its own, since it predicts the first word."""
    prompt = say(en="soft\nprompt", zh="软提示词")
    columns = [figures.Column(_format_span(0, M), f"{prompt}\n×{M}", "prompt")]
    if P > 1:
        columns.append(figures.Column(_format_span(M, P - 1), f"{say(en='patches', zh='图块')}\n×{P - 1}", "picture"))
    last = say(en="last\npatch", zh="最后一个\n图块") if P > 1 else say(en="picture", zh="图片")
    return [*columns, figures.Column(str(M + P - 1), last, "picture")]


def _format_span(first: int, number: int) -> str:
    return str(first) if number == 1 else f"{first}–{first + number - 1}"


def _name_column(column: figures.Column) -> str:
    """What stands there, within a sentence."""
    if column.kind in ("prompt", "picture"):
        first, *more = column.token.split("\n×")[0].split("\n")
        return say(en=" ".join(("the", first, *more)), zh="".join((first, *more)))
    return f"“{column.token}”"


def _describe_position(columns: Sequence[figures.Column], chosen: int, arrows: Mapping[int, int], shifted: bool) -> str:
    """What happens at the chosen column."""
    here = columns[chosen]
    if chosen in arrows:
        target = columns[arrows[chosen]]
        if not shifted:
            told = say(
                en=f"it is scored against “{target.label}”, which it can see: it need only copy",
                zh=f"对照的标签就是“{target.label}”，而它看得见这个词元：照抄就行",
            )
        elif target.kind == "padding":
            told = say(
                en="it learns to say padding, which nobody wants to read", zh="模型会学着输出填充，可没有人要读它"
            )
        elif here.kind == "text":
            told = say(
                en=f"the model must say “{target.label}”: it sees everything up to here",
                zh=f"模型要说出“{target.label}”：到这里为止的内容它都看得见",
            )
        else:
            told = say(
                en=f"the model must say “{target.label}”: it sees the prompt and the picture, and no word yet",
                zh=f"模型要说出“{target.label}”：它看得见软提示词和图片，文字还一个都没有",
            )
    else:
        if here.kind == "end":
            why = say(en="the caption is over", zh="说明文字到此为止")
        elif here.kind == "padding" and chosen == len(columns) - 1 and here.label:
            why = say(en="the row is over", zh="这一行到此为止")
        elif here.kind == "padding":
            why = say(en="padding only fills up the row", zh="填充只是把这一行凑到一样长")
        elif shifted:
            why = say(en="no word of the caption comes next", zh="下一个位置上还不是说明文字")
        else:
            why = say(en="no word of the caption stands here", zh="这里还不是说明文字")
        told = say(en=f"nothing is scored: {why}", zh=f"不计入损失：{why}")
    return say(en=f"At {_name_column(here)} {told}", zh=f"在{_name_column(here)}处，{told}")


def _explain_labels(scored: int, now: SimpleNamespace) -> str:
    caption = say(
        en=f"Arrows: {scored} predictions of this row are scored, each against the label that it points to; {MINUS_100}: not scored.",
        zh=f"箭头：这一行有 {scored} 个预测计入损失，各自对照箭头所指的标签；{MINUS_100} 表示不计入损失。",
    )
    caption += (
        say(
            en=" A position sees itself and what stands before it, so it is asked for the token after it.",
            zh="每个位置看得见自己和前面的内容，所以要问的是它后面那个词元。",
        )
        if now.shifted
        else say(
            en=" Without the shift it is asked for what it already sees, and never for what comes next: to write, it would have to know that.",
            zh="不错开，问的就是它已经看见的词元，从来不问接下来是什么；而要写出文字，靠的正是后者。",
        )
    )
    if now.padding:
        caption += say(
            en=" With padding scored, the shorter a caption, the more of its loss is about padding.",
            zh="填充也计入损失的话，说明文字越短，填充在损失里占的比例就越大。",
        )
    return caption + say(
        en=" The mask hides padding; where it stands on the right, nobody could see it anyway.",
        zh="掩码把填充遮住；填充排在右边时，本来也没有哪个文字词元看得见它。",
    )


def _describe_labels(columns: Sequence[figures.Column], arrows: Sequence[tuple[int, int]], now: SimpleNamespace) -> str:
    names = [_name_column(column) for column in columns]
    pairs_en = ", ".join(f"{names[a]} to “{columns[b].label}”" for a, b in arrows)
    pairs_zh = "，".join(f"{names[a]}→“{columns[b].label}”" for a, b in arrows)
    position = columns[now.position].position
    return say(
        en=f"A batch of {len(BATCH)} captions; below, row {now.caption + 1} position by position: {', '.join(names)}. The attention mask "
        f"is 1, and 0 on padding. Arrows lead from positions to the labels that they are scored against: {pairs_en}. All other labels "
        f"are {MINUS_100}. A frame stands around position {position}, {names[now.position]}.",
        zh=f"一批 {len(BATCH)} 句说明文字，下面逐个位置画出第 {now.caption + 1} 句：{'、'.join(names)}。注意力掩码是 1，填充处是 0。"
        f"箭头从位置指向它对照的标签：{pairs_zh}。其余标签都是 {MINUS_100}。框住的是位置 {position}：{names[now.position]}。",
    )


# --- what these explorers share -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """One of the test pictures that explorers show: its scene, a drawing for eyes, and the one that the model gets."""

    scene: Scene
    large: Image.Image
    small: Image.Image


def load_test_pictures(model: VLMWithSoftPrompt) -> list[Seen]:
    """The test pictures of data/captions that explorers show."""
    scenes, side = json.loads(SCENES.read_text(encoding="utf-8")), model.vision_model.config.image_size
    records = [scenes[f"images/{name}.png"] for name in SHOWN]
    return [
        Seen(scene, draw(scene, record["seed"]), draw(scene, record["seed"], side))
        for scene, record in zip(map(read_scene, records), records)
    ]


def encode_test_pictures(model: VLMWithSoftPrompt, seen: Sequence[Seen], kind: str) -> Tensor:
    """The vision features (N, P, Dv) of either kind."""
    asked = copy(model)  # shallow: the same weights
    asked.vision_features = kind
    return asked.encode([picture.small for picture in seen])


def name_test_scene(scene: Scene) -> str:
    """Such as "red cat, meadow, photo", or in Chinese "红色猫，草地，仿照片"."""
    thing = scene.things[0]
    return say(en=" ", zh="").join(map(translate, (thing.colour, thing.object))) + "".join(
        say(en=", ", zh="，") + translate(part) for part in (scene.background, scene.style)
    )


def make_picture_list(names: Sequence[str], first: int = 0) -> ipywidgets.Dropdown:
    """A list of pictures to choose one from, by its number; first: the one that is chosen at first."""
    return make_dropdown(say(en="picture", zh="图片"), {name: number for number, name in enumerate(names)}, first, 30)
