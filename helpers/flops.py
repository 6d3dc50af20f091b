"""What towers and a language model cost, counted in multiplications: so many there are, however fast the machine.

Rests on the sizes alone that the configurations give. Each multiplication comes with an addition: two operations (FLOP).
"""

from __future__ import annotations

from dataclasses import dataclass

from transformers import CLIPConfig, GPT2Config

from helpers.fast_text import KEPT_FOR_BACKWARD

FLOAT = 4  # bytes of a number
FLOP = 2  # operations in a product: a multiplication, and an addition to the sum


@dataclass(frozen=True)
class MACs:
    """Multiplications on the way through a tower: of vectors with weights, and of vectors with one another in attention."""

    weights: int
    attention: int

    @property
    def forward(self) -> int:
        return self.weights + self.attention

    @property
    def forward_and_backward(self) -> int:
        """To the end, and with the gradient back to the vectors that came in.

        Back through frozen weights takes as many again, through attention twice as many, since both of its sides have a gradient.
        """
        return 2 * self.weights + 3 * self.attention


def text_tower_macs(
    config: CLIPConfig, texts: int, length: int, shared: int = 0, only_end: bool = False
) -> MACs:
    """What the features of so many texts cost, each `length` positions long.

    shared: so many positions are the same in all texts, and go through the tower once. only_end: the last layer is finished at the
    end of each text and nowhere else. Without the two it is the plain path, with both it is the fast one of `helpers.context`.
    """
    sizes = config.text_config
    width, wide, layers = sizes.hidden_size, sizes.intermediate_size, sizes.num_hidden_layers
    own = length - shared

    def layer(rows: int, positions: int, seen: int, finished: int) -> tuple[int, int]:
        """Rows of positions, of which each looks at as many as are seen; some of them go through the rest of the layer, too."""
        queries_keys_values = positions * 3 * width**2
        output_and_mlp = finished * (
            width**2 + 2 * width * wide
        )  # for all positions the two make 12 D²
        return rows * (queries_keys_values + output_and_mlp), rows * positions * seen * 2 * width

    parts = [
        *[layer(1, shared, shared, shared)] * (layers - 1),
        *[layer(texts, own, length, own)] * (layers - 1),
        layer(1, shared, shared, 0 if only_end else shared),
        layer(texts, own, length, 1 if only_end else own),
        (texts * width * config.projection_dim, 0),
    ]
    return MACs(*(sum(part) for part in zip(*parts)))


def vision_tower_macs(config: CLIPConfig, pictures: int) -> MACs:
    """What it costs to see so many pictures: patches, and every layer at every position."""
    sizes = config.vision_config
    width, wide, layers = sizes.hidden_size, sizes.intermediate_size, sizes.num_hidden_layers
    patches = (sizes.image_size // sizes.patch_size) ** 2
    positions = patches + 1  # and the class token
    look = patches * sizes.num_channels * sizes.patch_size**2 * width
    weights = look + layers * positions * (4 * width**2 + 2 * width * wide)
    return MACs(pictures * weights, pictures * layers * 2 * positions**2 * width)


def language_model_macs(config: GPT2Config, texts: int, positions: int, scored: int) -> MACs:
    """What it costs to read so many texts of so many positions each; the next token is asked for at `scored` of them."""
    width, layers = config.n_embd, config.n_layer
    wide = config.n_inner or 4 * width
    weights = (
        layers * positions * (4 * width**2 + 2 * width * wide) + scored * width * config.vocab_size
    )
    return MACs(texts * weights, texts * layers * 2 * positions**2 * width)


@dataclass(frozen=True)
class TrainingCost:
    """What a whole training costs: products to see the pictures once and to learn, and bytes of memory, all of them calculated."""

    seeing: int
    learning: int
    features: int  # bytes of what is kept of the pictures
    backward: int  # bytes that a step keeps for its backward pass


def count_context_training(
    config: CLIPConfig, classes: int, each: int, length: int = 16, name: int = 2, steps: int = 160
) -> TrainingCost:
    """A context of so many vectors for so many classes, from `each` pictures of a class, by the fast path of `helpers.context`.

    name: tokens of a class name. Texts that do not fit into `KEPT_FOR_BACKWARD` together are computed a second time in the backward pass.
    """
    sizes, pictures = config.text_config, classes * each
    shared, own = (
        1 + length,
        name + 2,
    )  # the start of text and the context; the name, the full stop and the end
    step = text_tower_macs(config, classes, shared + own, shared, only_end=True)
    kept = classes * _kept_of_a_text(sizes.hidden_size, sizes.num_hidden_layers, own, shared)
    again = step.forward if kept > KEPT_FOR_BACKWARD else 0
    scores = 3 * pictures * classes * config.projection_dim
    return TrainingCost(
        vision_tower_macs(config, pictures).forward,
        steps * (step.forward_and_backward + again + scores),
        FLOAT * pictures * config.projection_dim,
        min(kept, KEPT_FOR_BACKWARD),
    )


def count_captioner_training(
    config: CLIPConfig, language: GPT2Config, captions: int, patches: bool = True, length: int = 10, tokens: int = 13,
    epochs: int = 3, batch: int = 2, copies: int = 3,
) -> TrainingCost:  # fmt: skip
    """A soft prompt and its projection from so many captions, each of another picture, by `soft_prompt_finetune.py`.

    patches: whether all patches are shown to the language model, or one vector a picture; length: vectors of the prompt; tokens: of a caption;
    batch: captions that go through the model at a time; copies: of the features, as many as `finetuning.run` wants room for.
    """
    sizes = config.vision_config
    seen = (sizes.image_size // sizes.patch_size) ** 2 if patches else 1
    positions = length + seen + tokens
    step = language_model_macs(language, 1, positions, tokens).forward_and_backward
    projection = 3 * seen * sizes.hidden_size * language.n_embd
    kept = (
        _kept_of_a_text(language.n_embd, language.n_layer, positions, 0)
        + 3 * FLOAT * tokens * language.vocab_size
    )
    return TrainingCost(
        vision_tower_macs(config, captions).forward,
        epochs * captions * (step + projection),
        copies * FLOAT * captions * seen * sizes.hidden_size,
        batch * kept,
    )


def _kept_of_a_text(width: int, layers: int, own: int, shared: int) -> int:
    """Bytes, by the rule of `helpers.context`: 20 D numbers of each position and layer, and keys and values of what is looked back at."""
    return FLOAT * layers * width * (20 * own + 2 * shared)


def least_seconds(products: int, gflops: float) -> float:
    """How long so many products take a machine that does nothing else, at the rate of its own matrix product."""
    return products * FLOP / (gflops * 1e9)
