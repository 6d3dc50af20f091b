"""What the captioner says of pictures, and which of its words are true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from helpers.captioner import VLMWithSoftPrompt
from helpers.language import say
from lessons.kit.picture import Picture
from lessons.lesson_03_soft_prompt.explorers.shared import describe_scene, encode_scenes, generate_captions
from lessons.lesson_03_soft_prompt.figures import captions as figures
from pocket.language import read_caption
from pocket.scoring import list_expected_claims
from pocket.world import Scene, draw


def draw_descriptions(model: VLMWithSoftPrompt, scenes: Sequence[tuple[Scene, int]]) -> Picture:
    """Three drawn scenes, each with its seed, over what the model says of them; what is true is marked."""
    said = generate_captions(model, encode_scenes(model, scenes))
    told = [judge_caption(text, scene) for text, (scene, _) in zip(said, scenes, strict=True)]
    right, of = sum(number for _, number in told), sum(len(list_facts(scene)) for scene, _ in scenes)
    en = " ".join(f"{describe_scene(scene)} Under it: “{text}”" for text, (scene, _) in zip(said, scenes))
    zh = "".join(f"{describe_scene(scene)}下面写着“{text}”。" for text, (scene, _) in zip(said, scenes))
    return figures.draw_pictures_with_captions(
        [(draw(scene, seed), pieces) for (scene, seed), (pieces, _) in zip(scenes, told)],
        title=say(
            en=f"What the frozen GPT-2 writes about pictures: {right} of {of} facts are right",
            zh=f"冻结的 GPT-2 给图片写的说明文字：{of} 个事实说对了 {right} 个",
        ),
        alt=say(en=f"Three pictures with captions. {en}", zh=f"三张带说明文字的图片。{zh}"),
        caption=explain_ticks()
        + say(en=" Everything is written by GPT-2, word by word.", zh="每一句都是 GPT-2 一个词一个词写出来的。"),
    )


def explain_ticks() -> str:
    """What a tick in a caption means."""
    return say(
        en="In bold blue with a ✓: what is true of the picture; a size or a colour counts only with the right object.",
        zh="蓝色带 ✓ 的词符合图片；物体说对了，大小和颜色才算。",
    )


def judge_caption(caption: str, scene: Scene) -> tuple[list[figures.Phrase], int]:
    """A caption in pieces, those marked that say something true of the scene, and how many of its facts it says.

    A word belongs to a fact if the fact is not said without it. Each fact counts where it is said first.
    """
    words, facts, said = caption.split(), list_facts(scene), frozenset()
    says: list[Any] = [None] * len(words)  # the fact that each word belongs to
    for end in range(1, len(words) + 1):
        new = (read_caption(" ".join(words[:end])) & facts) - said
        for fact in sorted(
            new, key=lambda fact: fact[0] != "object"
        ):  # without its object a size or colour is not said either
            for place in range(end):
                without = [*words[:place], "x", *words[place + 1 : end]]
                if fact not in read_caption(" ".join(without)):
                    says[place] = says[place] or fact
        said |= new
    pieces: list[tuple[str, Any]] = []
    for text, fact in zip(words, says):
        bare = text.rstrip(".,!?:;")
        for part, whose in ((bare, fact), (text[len(bare) :], None)):
            if part and pieces and pieces[-1][1] == whose and part[0].isalnum():
                pieces[-1] = (f"{pieces[-1][0]} {part}", whose)
            elif part:
                pieces.append((part, whose))
    return [figures.Phrase(part, fact is not None) for part, fact in pieces], len(said)


def list_facts(scene: Scene) -> frozenset:
    """What is true of a scene and can be said in words; the number of its things nobody says."""
    return frozenset(fact for fact in list_expected_claims(scene) if fact[0] != "count")
