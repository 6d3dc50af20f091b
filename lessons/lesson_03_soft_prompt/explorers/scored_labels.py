"""Which position of a row is scored against which label, and what goes wrong without the shift or with padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import ipywidgets

from helpers.captioner import IGNORED, VLMWithSoftPrompt
from helpers.captioner_training import batch_captions
from helpers.language import say
from lessons.kit.explorer import Explorer, make_dropdown, style_control
from lessons.kit.picture import Picture
from lessons.lesson_03_soft_prompt.explorers.shared import name_end, name_token
from lessons.lesson_03_soft_prompt.figures import input_row as figures

BATCH = ("a red cat.", "a photo of a red cat.", "a photo of a small dog at night.")
MINUS_100 = str(IGNORED).replace("-", "−")


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
