"""Two photographs before a CLIP that has seen drawings only, and pieces of them."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from transformers import CLIPModel, CLIPProcessor

from helpers.language import say
from helpers.notebook import Table
from helpers.pretrained import classify_zero_shot
from lessons.kit.explorer import Explorer, make_dropdown
from lessons.kit.picture import Picture, crop_square, draw_picture_with_scores

PHOTOGRAPHS = ("china.jpg", "flower.jpg")  # scikit-learn's
TEMPLATES = ("a photo of a {}.", "a picture of a {}.", "{}")


def load_photographs() -> list[Image.Image]:
    """Two photographs that scikit-learn carries: a Chinese palace and a dahlia."""
    return [Image.fromarray(load_sample_image(name)) for name in PHOTOGRAPHS]


def explore_photographs(clip: CLIPModel, processor: CLIPProcessor, names: Sequence[str]) -> Explorer:
    """Choose a photograph and a prompt, and see which of the names this CLIP gives it, and how sure it is."""
    controls = {
        "photograph": make_dropdown(
            say(en="picture", zh="照片"), {name: n for n, name in enumerate(PHOTOGRAPHS)}, 0, 18
        ),
        "template": make_dropdown(say(en="prompt", zh="提示词"), {one: one for one in TEMPLATES}, TEMPLATES[0], 22),
    }
    images = load_photographs()

    def draw(now: SimpleNamespace) -> Picture:
        image = images[now.photograph]
        scores = classify_zero_shot(clip, processor, image, [now.template.format(name) for name in names]).tolist()
        best = names[int(np.argmax(scores))]
        what = say(
            en=("a palace tower beside a lake", "an orange dahlia")[now.photograph],
            zh=("湖边的宫殿楼阁", "一朵橙色大丽花")[now.photograph],
        )
        return draw_picture_with_scores(
            crop_square(image, 512),
            names,
            scores,
            title=say(en=f"“{now.template}”: this CLIP says {best}", zh=f"“{now.template}”：这个 CLIP 认为是 {best}"),
            alt=say(
                en=f"A photograph of {what}, and beside it bars for eight names; the longest is that of “{best}”.",
                zh=f"一张照片，{what}；旁边是八个名称的条形图，最长的是“{best}”。",
            ),
            caption=say(
                en="The eight highest probabilities; those of all names add up to 100 %. The photographs come with scikit-learn.",
                zh="图里是概率最高的八个名称；所有名称的概率加起来是 100%。照片是 scikit-learn 自带的。",
            ),
        )

    return Explorer(controls, draw)


def tabulate_photographs(clip: CLIPModel, processor: CLIPProcessor, names: Sequence[str]) -> Table:
    """What this CLIP says of each photograph with each prompt."""
    rows = []
    for template in TEMPLATES:
        texts = [template.format(name) for name in names]
        shares = [classify_zero_shot(clip, processor, image, texts) for image in load_photographs()]
        rows.append((template, *(names[int(share.argmax())] for share in shares)))
    return Table(rows, (say(en="prompt", zh="提示词"), *PHOTOGRAPHS))


def cut_pieces(seed: int = 0, each: int = 16) -> tuple[list[Image.Image], torch.Tensor]:
    """So many square pieces, cut at random places, of each of the two photographs, and which of the two (N,)."""
    rng, images = np.random.default_rng(seed), []
    for photograph in load_photographs():
        for side in rng.integers(160, 300, size=each).tolist():
            left, top = (int(rng.integers(0, room - side)) for room in photograph.size)
            images.append(photograph.crop((left, top, left + side, top + side)))
    return images, torch.arange(len(PHOTOGRAPHS)).repeat_interleave(each)
