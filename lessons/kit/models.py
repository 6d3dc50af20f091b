"""Which model a lesson runs on, whether what the text says about accuracies is about it, and what it says of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image
from transformers import CLIPModel

from helpers.language import say
from helpers.pretrained import POCKET_CLIP, identify_model
from lessons.kit.explorer import format_percent
from lessons.kit.picture import Picture, crop_square, draw_picture_with_scores


def tell_whose_numbers(clip: CLIPModel) -> None:
    """Print on which model the lesson runs; on another one than the pocket CLIP, that the accuracies in the text are not its own."""
    name = identify_model(clip)["model"]
    if Path(clip.name_or_path) == POCKET_CLIP:
        print(
            say(
                en=f"This lesson runs on {name}: accuracies are those of a pocket model.",
                zh=f"这一课用的是 {name}：准确率都是口袋模型的。",
            )
        )
        return
    print(
        say(
            en=f"This lesson runs on {name}. What the text says about accuracies, and every stored run, was measured on the pocket "
            "CLIP and need not hold for this model. What is shown to be equal must be equal here as well.",
            zh=f"这一课用的是 {name}。课文里关于准确率的说法，还有事先存好的训练结果，都是在口袋 CLIP 上测的，对这个模型不一定成立；"
            "而那些证明“相等”的地方，在这里也必须相等。",
        )
    )


def show_prediction(image: Image.Image, answer: Mapping[str, float], top: int = 6) -> Picture:
    """A picture beside what `PromptedCLIP.predict` says of it: the likeliest classes with their probabilities."""
    names, shares = list(answer), list(answer.values())
    told = [f"{name} {format_percent(share, 0)}" for name, share in list(answer.items())[:3]]
    return draw_picture_with_scores(
        crop_square(image, 256),
        names,
        shares,
        title=say(en="The learned prompt says: {}", zh="用学到的提示词，认出的是：{}").format(names[0]),
        alt=say(
            en=f"A picture, and beside it a bar for each of the likeliest classes: {', '.join(told)}.",
            zh=f"一张图，旁边是最可能的几个类别，每个一条：{'、'.join(told)}。",
        ),
        caption=say(
            en="The probabilities of all classes add up to 100 %. CLIP sees the middle square of the picture.",
            zh="所有类别的概率加起来是 100%。CLIP 看到的是图片正中的方块。",
        ),
        top=top,
    )
