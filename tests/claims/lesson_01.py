"""What lesson 01 says of stored numbers: of what the pocket CLIP computes, from its weights by the lesson's own cells."""

import json
from collections.abc import Iterator
from functools import cache

import numpy as np
from chinese import ROOT

from claims import Claim
from tools.source import read_lessons

CITED = {
    "3.5": "Radford et al. 2021, section 3.1.4: the mean of 80 templates against one, on ImageNet",
    "0.1": "what the reader puts on the diagonal",
}
RUN = (
    "imports-code",
    "the-game-code",
    "the-matrix-code",
    "attention-explorer-code",
    "zero-shot-code",
    "templates-code",
)


def claims() -> Iterator[Claim]:
    """Each phrase about a number that is stored, and not printed by a compared cell of the lesson."""
    for part in (_of_the_matrix, _of_attention, _of_templates):
        yield from part(run_lesson())


@cache
def run_lesson() -> dict:
    """What the cells of the lesson that the phrases speak of define."""
    cells = {cell.metadata.id: cell.source for cell in read_lessons(ROOT)[1].cells}
    lesson: dict = {}
    for id in RUN:
        exec(cells[id], lesson)
    return lesson


def _of_the_matrix(lesson: dict) -> Iterator[Claim]:
    encode_images, encode_texts, clip = lesson["encode_images"], lesson["encode_texts"], lesson["clip"]
    texts = encode_texts(clip, lesson["processor"], ["a red cat", "a cat in the snow", "a dog"])
    scores = clip.logit_scale.exp() * encode_images(clip, lesson["processor"], lesson["look_alikes"]) @ texts.T
    rows, columns = scores.softmax(1), scores.softmax(0)
    assert rows.diagonal().min() > 0.9 and columns.diagonal()[[0, 2]].min() > 0.9 and columns[1, 1] < columns[0, 1]
    yield Claim(
        "the-loss",
        "it is the second column that gives trouble: CLIP finds the red cat likelier",
        "上面难住 CLIP 的是第二列，它觉得红猫更可能",
    )


def _of_attention(lesson: dict) -> Iterator[Claim]:
    clip, processor = lesson["clip"], lesson["processor"]
    pixels = processor.image_processor([lesson["pictures"][3]], return_tensors="pt")["pixel_values"]
    layers = lesson["attention"].compute_attention(clip, pixels).numpy()  # (L, H, 1 + P, 1 + P)
    corners, grid = layers[2, 3], 8
    left, right = grid * (grid - 1) + 1, grid * grid
    assert np.mean(corners[:, right] > 5 / len(corners)) > 0.9 and corners[right, [left, right]].min() > 0.1
    yield Claim(
        "attention-explorer",
        f"patch {right}, the bottom right corner, in layer 3, head 4: nearly everybody looks at this corner",
        f"第 3 层第 4 个头里的图块 {right}，也就是右下角：几乎谁都在看这个角",
    )
    yield Claim("attention-explorer", "the patch itself looks at both bottom corners", "它自己看的是底部的两个角")
    heads = layers[3, 2:4, 0, 1:].argmax(-1) % grid  # which column the class token looks at most, in heads 3 and 4
    assert (heads < grid / 2).all()  # the star at the left
    near = layers[1, 0, 1:, 1:] / layers[1, 0, 1:, 1:].sum(1, keepdims=True)
    places = np.stack(np.divmod(np.arange(grid * grid), grid), 1)
    distances = np.linalg.norm(places[:, None] - places, axis=-1)  # (P, P)
    away, evenly = (near * distances).sum(1).mean(), distances.mean()
    assert 0.7 < away / evenly < 0.9
    yield Claim("attention-explorer", "leans to the neighbourhood, but only a little", "偏向附近的图块，但只偏一点点")
    yield Claim(
        "attention-explorer",
        f"a patch looks {away:.1f} patches away; if it looked at all patches alike, it would be {evenly:.1f}",
        f"一个图块看的地方离自己 {away:.1f} 块远；要是对所有图块一视同仁，就是 {evenly:.1f} 块",
    )


def _of_templates(lesson: dict) -> Iterator[Claim]:
    rows = json.loads((ROOT / "data/evaluation.json").read_text("utf-8"))["rows"]
    assert {row["what"]: row["value"] for row in rows}["zero-shot, one object of 24: photo"] > 97
    yield Claim("zero-shot", "on sharp ones this CLIP is nearly always right", "清楚的图，这个 CLIP 几乎全认得对")
    yield Claim("zero-shot", f"on {len(lesson['labels'])} blurred pictures", f"{len(lesson['labels'])} 张模糊的图")

    right = [
        100 * float(((lesson["images"] @ texts.T).argmax(-1) == lesson["labels"]).float().mean())
        for texts in lesson["vectors"].values()
    ]
    bare, small, mean, alike = right[0], right[4], right[5], right[1:4]
    assert bare + 2 < min(right[1:5]) and max(alike) - min(alike) < 1 and small + 2 < min(alike)
    yield Claim("zero-shot-seen", "a bare name does worse than a sentence", "只写名称不如写一句话")
    yield Claim(
        "zero-shot-seen", "untrue of most pictures seems to cost a little", "对多数图不成立的形容词，准确率似乎低一点"
    )
    yield Claim("zero-shot-seen", "the other sentences are all alike", "其余几句都差不多")
    assert mean < min(alike)
    yield Claim("zero-shot-seen", "We expected the average to win, and it does not", "我们原以为平均会赢，结果没有")
