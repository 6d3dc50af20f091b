"""What towers and a language model cost, in multiply-adds: a number of the model's sizes.

A multiply-add (MAC) is a multiplication and an addition to a sum: two operations (FLOPs).
Lesson 02b, section 1; lesson 06, section 7.
"""

from __future__ import annotations

from dataclasses import dataclass

from transformers import CLIPConfig, GPT2Config

from helpers.fast_text import KEPT_FOR_BACKWARD, count_kept

FLOAT = 4  # bytes of a number
FLOP = 2  # operations of a multiply-add


@dataclass(frozen=True)
class MACs:
    """Multiply-adds of a tower: vectors with weights, and vectors with one another in attention."""

    weights: int
    attention: int

    @property
    def forward(self) -> int:
        return self.weights + self.attention

    @property
    def forward_and_backward(self) -> int:
        """To the end, and with the gradient back to the vectors that came in.

        Back through frozen weights takes as many again, through attention twice as many, since both
        of its sides have a gradient.
        """
        return 2 * self.weights + 3 * self.attention


def count_text_tower(config: CLIPConfig, texts: int, length: int, shared: int = 0, only_end: bool = False) -> MACs:
    """Count what the features of some texts cost.

    Without `shared` and `only_end` this is the plain path, with both that of helpers/fast_text.py.

    Args:
        config: of the CLIP.
        texts: how many.
        length: positions of each.
        shared: how many positions are the same in all texts, and go through the tower once.
        only_end: whether the last layer is finished at the end of each text alone.
    """
    sizes = config.text_config
    width, inner, layers = sizes.hidden_size, sizes.intermediate_size, sizes.num_hidden_layers
    own = length - shared

    def count_layer(rows: int, positions: int, seen: int, finished: int) -> tuple[int, int]:
        """Count weights and attention of a layer.

        Args:
            rows: texts.
            positions: of each.
            seen: how many each of them attends to.
            finished: how many of them go through the rest of the layer.
        """
        queries_keys_values = positions * 3 * width**2
        output_and_mlp = finished * (width**2 + 2 * width * inner)
        return rows * (queries_keys_values + output_and_mlp), rows * positions * seen * 2 * width

    parts = [
        *[count_layer(1, shared, shared, shared)] * (layers - 1),
        *[count_layer(texts, own, length, own)] * (layers - 1),
        count_layer(1, shared, shared, 0 if only_end else shared),
        count_layer(texts, own, length, 1 if only_end else own),
        (texts * width * config.projection_dim, 0),
    ]
    return MACs(*(sum(part) for part in zip(*parts)))


def count_vision_tower(config: CLIPConfig, pictures: int) -> MACs:
    """The features of some pictures: their patches, and every layer at every position."""
    sizes = config.vision_config
    width, inner, layers = sizes.hidden_size, sizes.intermediate_size, sizes.num_hidden_layers
    patches = (sizes.image_size // sizes.patch_size) ** 2
    positions = patches + 1  # and the class token
    embedding = patches * sizes.num_channels * sizes.patch_size**2 * width
    weights = embedding + layers * positions * (4 * width**2 + 2 * width * inner)
    return MACs(pictures * weights, pictures * layers * 2 * positions**2 * width)


def count_language_model(config: GPT2Config, texts: int, positions: int, scored: int) -> MACs:
    """Count what some texts through a GPT-2 cost, with logits at `scored` positions of each.

    Args:
        config: of the language model.
        texts: how many.
        positions: of each.
        scored: positions of each where logits are computed.
    """
    width, layers = config.n_embd, config.n_layer
    inner = config.n_inner or 4 * width
    body = layers * positions * (4 * width**2 + 2 * width * inner)
    head = scored * width * config.vocab_size
    return MACs(texts * (body + head), texts * layers * 2 * positions**2 * width)


@dataclass(frozen=True)
class TrainingCost:
    """What a whole training costs, calculated.

    Args:
        encoding: multiply-adds to encode the pictures, once.
        training: multiply-adds of all steps.
        features: bytes of the pictures' features.
        backward: bytes that a step keeps for its backward pass.
    """

    encoding: int
    training: int
    features: int
    backward: int


def count_context_training(
    config: CLIPConfig, classes: int, each: int, length: int = 16, name: int = 2, steps: int = 160
) -> TrainingCost:
    """A context learned by the path of helpers/fast_text.py, with all pictures in every step.

    Args:
        config: of the CLIP.
        classes: how many.
        each: pictures of each class.
        length: vectors of the context.
        name: tokens of a class name.
        steps: of the training.
    """
    sizes, pictures = config.text_config, classes * each
    # the start of text and the context; the name, the full stop and the end
    shared, own = 1 + length, name + 2
    step = count_text_tower(config, classes, shared + own, shared, only_end=True)
    kept = classes * FLOAT * count_kept(sizes.hidden_size, sizes.num_hidden_layers, own, shared)
    # texts that do not fit together are computed a second time in the backward pass
    again = step.forward if kept > KEPT_FOR_BACKWARD else 0
    scores = 3 * pictures * classes * config.projection_dim
    return TrainingCost(
        encoding=count_vision_tower(config, pictures).forward,
        training=steps * (step.forward_and_backward + again + scores),
        features=FLOAT * pictures * config.projection_dim,
        backward=min(kept, KEPT_FOR_BACKWARD),
    )


def count_captioner_training(
    config: CLIPConfig, language: GPT2Config, captions: int, patches: bool = True, length: int = 10,
    tokens: int = 13, epochs: int = 3, batch: int = 2, copies: int = 3,
) -> TrainingCost:  # fmt: skip
    """A soft prompt and its projection learned by `soft_prompt_finetune.py`.

    Args:
        config: of the CLIP.
        language: of the language model.
        captions: how many, each of another picture.
        patches: whether the language model is shown all patches of a picture, or one vector.
        length: vectors of the soft prompt.
        tokens: of a caption.
        epochs: how often each caption is learned from.
        batch: captions that go through the model at a time.
        copies: of the features, as many as `finetuning.run` wants room for.
    """
    sizes = config.vision_config
    seen = (sizes.image_size // sizes.patch_size) ** 2 if patches else 1
    positions = length + seen + tokens
    step = count_language_model(language, 1, positions, tokens).forward_and_backward
    projection = 3 * seen * sizes.hidden_size * language.n_embd
    kept = FLOAT * count_kept(language.n_embd, language.n_layer, positions)
    logits = 3 * FLOAT * tokens * language.vocab_size
    return TrainingCost(
        encoding=count_vision_tower(config, captions).forward,
        training=epochs * captions * (step + projection),
        features=copies * FLOAT * captions * seen * sizes.hidden_size,
        backward=batch * (kept + logits),
    )


def estimate_least_seconds(macs: int, gflops: float) -> float:
    """Estimate how long a machine takes at the pace of its own matrix product, in seconds."""
    return macs * FLOP / (gflops * 1e9)
