"""The words of GPT-2's table that are nearest to what the projection makes of patches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace

from torch import Tensor
from torch.nn import functional as F

from helpers import reading
from helpers.captioner import VLMWithSoftPrompt
from helpers.language import say
from helpers.notebook import Table
from lessons.kit.explorer import Explorer, make_dropdown
from lessons.kit.picture import Picture
from lessons.lesson_03_soft_prompt.explorers.shared import (
    Seen,
    encode_test_pictures,
    load_test_pictures,
    make_picture_list,
    name_test_scene,
    name_token,
)
from lessons.lesson_03_soft_prompt.figures import input_row as figures
from pocket.world import SHOWS_COLOUR, Scene


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
        best = reading.nearest_tokens(projected, words.table, 3, rows=words.words).ids
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
