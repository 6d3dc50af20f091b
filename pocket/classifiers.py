"""What few pictures of each class are worth to a learned context, and to hand-written prompts.

Pictures are unit features (N, D) with labels (N,). Accuracies are shares of the test pictures, by
which nothing is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F
from transformers import CLIPModel, CLIPProcessor

from helpers.context import PromptedCLIP, repeat_words, train_context
from helpers.data import FewShot, LabelledFeatures, measure_accuracy
from helpers.pretrained import encode_texts, read_class_names
from helpers.training import TrainConfig

HAND = "a photo of a {}."


def measure_templates(
    clip: CLIPModel,
    processor: CLIPProcessor,
    names: Sequence[str],
    pictures: LabelledFeatures,
    templates: Sequence[str] = (HAND,),
) -> float:
    """Accuracy of hand-written prompts.

    Args:
        clip: the model.
        processor: what prepares its input.
        names: of the C classes.
        pictures: on which it is measured.
        templates: with a place for the name; of several, each class takes the mean of its text
            features.
    """
    names = read_class_names(names, processor.tokenizer)
    texts = [[template.format(name) for name in names] for template in templates]
    features = torch.stack([encode_texts(clip, processor, each) for each in texts])  # (K, C, D)
    return measure_accuracy(pictures, F.normalize(features.mean(0), dim=-1))


def train_new_context(
    clip: CLIPModel, processor: CLIPProcessor, names: Sequence[str], data: FewShot,
    config: TrainConfig, *, length: int, seed: int, init: str = "random",
    regularisation: float = 0.0, **shape: Any,
) -> PromptedCLIP:  # fmt: skip
    """CLIP with a context learned from few examples.

    Args:
        clip: the model.
        processor: what prepares its input.
        names: of the C classes.
        data: to learn from and to validate on.
        config: how to train.
        length: M, of the context.
        seed: of a random beginning.
        init: "random", or words as often as they are needed for M vectors.
        regularisation: how strongly the class features are pulled back to those of the hand prompt.
        shape: `position` and `class_specific`, as of `PromptedCLIP`.
    """
    generator = torch.Generator().manual_seed(seed)
    begin = init if init == "random" else repeat_words(init, length)
    prompted = PromptedCLIP(clip, processor, names, length, begin, generator=generator, **shape)
    for _ in train_context(prompted, data, config, regularisation=regularisation):
        pass
    return prompted
