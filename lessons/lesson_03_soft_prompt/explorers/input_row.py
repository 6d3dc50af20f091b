"""What GPT-2 reads before and while it writes a caption, and the token that it predicts next."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import ipywidgets
import torch

from helpers.captioner import VLMWithSoftPrompt
from helpers.language import say
from lessons.kit.explorer import Explorer, format_count, format_percent, make_dropdown, style_control
from lessons.kit.picture import Picture
from lessons.lesson_03_soft_prompt.explorers.shared import (
    encode_test_pictures,
    load_test_pictures,
    make_picture_list,
    name_end,
    name_test_scene,
    name_token,
)
from lessons.lesson_03_soft_prompt.figures import input_row as figures
from pocket.language import write_full_caption
from pocket.world import Scene

MOST_VECTORS = 20


def explore_input_row(model: VLMWithSoftPrompt) -> Explorer:
    """Choose a picture, how it is told to GPT-2, how long prompt and text are, and see the sequence and the next token."""
    seen, table = load_test_pictures(model), model.language_model.get_input_embeddings().weight  # (V, D)
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
