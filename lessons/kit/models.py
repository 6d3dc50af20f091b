"""Which model a lesson runs on, and whether what the text says about accuracies is about it."""

from __future__ import annotations

from pathlib import Path

from transformers import CLIPModel

from helpers.language import say
from helpers.pretrained import POCKET_CLIP, identify_model


def whose_numbers(clip: CLIPModel) -> None:
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
