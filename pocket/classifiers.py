"""What few pictures of each class are worth: to a learned context, a linear probe, class means.

And what hand-written prompts are worth, without any. Pictures are unit features (N, D) with labels
(N,). Accuracies are shares of the test pictures, by which nothing is chosen.
"""

from __future__ import annotations

import warnings
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
# a linear probe's C: the smaller, the more it is held back
STRENGTHS = (1.0, 10.0, 100.0, 1000.0)


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


def measure_class_mean(data: FewShot) -> float:
    """Measure accuracy on the test pictures when each takes the class of the nearest mean."""
    features, labels = data.train
    means = torch.stack([features[labels == label].mean(0) for label in labels.unique()])  # (C, D)
    return measure_accuracy(data.test, F.normalize(means, dim=-1))


def measure_probe(data: FewShot) -> float:
    """Measure accuracy on the test pictures of a linear probe.

    It is held back as much as is best for the validation pictures.
    Of strengths that are equally good there, the smallest.
    """
    # takes a second to import, and whoever only reads a study's numbers needs no probe
    from sklearn.linear_model import LogisticRegression

    train, validation, test = (
        (features.cpu().numpy(), labels.cpu().numpy())
        for features, labels in (data.train, data.validation, data.test)
    )
    with warnings.catch_warnings():
        # about as many classes as pictures, which with one shot is meant so
        warnings.filterwarnings("ignore", "The number of unique classes")
        probes = [LogisticRegression(C=c, max_iter=1000).fit(*train) for c in STRENGTHS]
    return float(max(probes, key=lambda probe: probe.score(*validation)).score(*test))
