"""How a captioner learns, and what its parts are worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from helpers import training
from helpers.captioner import IGNORED, VLMWithSoftPrompt, to_fp32
from helpers.data import get_end_of_text, tokenize_captions
from helpers.language_model import read_token_table
from helpers.training import Evaluation, ProcessGroup, TrainConfig

# spread of the projected patches, relative to that of the token table: a blend of words is
# shorter than a word
WORD_SIZE = 0.6
# share of the mean variance that is added to that of every direction before whitening
RIDGE = 0.2
EVAL_BATCH_SIZE = 64

# texts, or their ids, as `tokenize_captions` gives them
Captions = Sequence[str] | Sequence[Tensor]


# --- captions as batches -------------------------------------------------------------------------


def pad_captions(tokenizer: Any, rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Pad captions' ids on the right to the longest: ids and labels (B, T).

    Padding is not scored. No mask is needed: in a causal model no position sees what stands behind
    it.
    """
    ids = pad_sequence(rows, batch_first=True, padding_value=get_end_of_text(tokenizer))
    return ids, pad_sequence(rows, batch_first=True, padding_value=IGNORED)


def batch_captions(tokenizer: Any, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Turn captions, each with an end of text to learn, into ids and labels (B, T)."""
    return pad_captions(tokenizer, tokenize_captions(tokenizer, captions))


# --- training and evaluation ---------------------------------------------------------------------


def train_captioner(
    model: VLMWithSoftPrompt,
    train_data: tuple[Tensor, Captions],
    validation_data: tuple[Tensor, Captions],
    config: TrainConfig,
    checkpoint: Path | None = None,
    *,
    micro_batch_size: int | None = None,
    stop: Callable[[int, float], bool] = lambda step, loss: False,
    group: ProcessGroup | None = None,
    data: str = "",
) -> Iterator[Evaluation]:
    """Learn from captioned pictures, and yield each evaluation as it is made.

    Its score is the share of right next tokens. In the end `model` holds what had the lowest
    validation loss. Where `vision_projection` is frozen, the soft prompt alone learns.
    Taken apart in lesson 03, section 7.

    Args:
        model: whose soft prompt and projection learn.
        train_data: vision features (N, P, Dv), and N captions.
        validation_data: the same of other pictures.
        config: how to train.
        checkpoint: a file from which an interrupted training resumes.
        micro_batch_size: captions that go through the model at a time, as for `training.train`.
        stop: called with every step and its loss; where it returns True, the training ends.
        group: the processes that train together.
        data: a fingerprint of the examples, for the checkpoint.

    Raises:
        LossNotFinite: the loss is infinite or no number.
        ValueError: the checkpoint belongs to another training.
    """
    (features, captions), (check_features, check_captions) = train_data, validation_data
    device = model.vision_projection.weight.device
    rows, check_rows = (
        texts if isinstance(texts[0], Tensor) else tokenize_captions(model.tokenizer, texts)
        for texts in (captions, check_captions)
    )
    with whiten(model, features) as whitening:
        white, check_white = whitening(features), whitening(check_features)

        def loss(numbers: Tensor) -> Tensor:
            batch = [rows[number] for number in numbers.tolist()]
            ids, labels = pad_captions(model.tokenizer, batch)  # (B, T)
            return model(white[numbers], ids.to(device), labels=labels.to(device))

        def count_tokens(numbers: Tensor) -> int:
            return sum(len(rows[number]) for number in numbers.tolist())

        def validate() -> tuple[float, float]:
            return evaluate_captioner(model, check_white, check_rows, group)

        evaluations = training.train(
            model, len(rows), loss, validate, config, checkpoint,
            micro_batch_size=micro_batch_size, weight=count_tokens,
            stop=stop, group=group, data=data,
        )  # fmt: skip
        with closing(evaluations):
            for evaluation in evaluations:
                # whoever looks at the evaluation may let the model describe pictures
                with whitening.suspend():
                    yield evaluation


def evaluate_captioner(
    model: VLMWithSoftPrompt,
    features: Tensor,
    rows: Sequence[Tensor],
    group: ProcessGroup | None = None,
) -> tuple[float, float]:
    """Measure the mean loss of captions' tokens, and the share of them that are the likeliest.

    Args:
        model: as it is.
        features: vision features (N, P, Dv), whitened where the projection takes such.
        rows: the captions' ids, as `tokenize_captions` gives them.
        group: the processes, of which each takes a part.
    """
    group, sums = group or ProcessGroup(), features.new_zeros(3)
    for start in range(EVAL_BATCH_SIZE * group.rank, len(rows), EVAL_BATCH_SIZE * group.size):
        batch = rows[start : start + EVAL_BATCH_SIZE]
        ids, labels = pad_captions(model.tokenizer, batch)  # (B, T)
        seen = features[start : start + EVAL_BATCH_SIZE]
        loss, right = model.score(seen, ids.to(features.device), labels.to(features.device))
        sums += sum(map(len, batch)) * sums.new_tensor([loss, right, 1.0])
    loss, right, tokens = group.sum(sums).tolist()
    return loss / tokens, right / tokens


def ablate(
    model: VLMWithSoftPrompt, features: Tensor, words: Tensor
) -> Iterator[tuple[str, Tensor]]:
    """Yield names, and vision features to use, while the model lacks a part or has another.

    The first is as it was trained.
    words: (T, D), rows of words; the first M of them stand in the place of the prompt. Pictures are
    shuffled so that as few as possible keep their own features, and not at all where there is one
    picture only. Lesson 03, section 9.
    """
    own = model.soft_prompt.prompt_embeddings
    shift, unmoved = 0, len(features)
    for candidate in range(1, min(len(features), 20)):
        # pictures that would have the features of their own picture again
        count = int((features == features.roll(candidate, 0)).flatten(1).all(1).sum())
        if count < unmoved:
            shift, unmoved = candidate, count
        if not unmoved:
            break
    for name, prompt, seen in (
        ("as trained", own, features),
        ("soft prompt removed", own[:0], features),
        ("zeros instead", torch.zeros_like(own), features),
        ("words instead", words[: len(own)], features),
        ("no picture", own, features[:, :0]),
        *([("shuffled pictures", own, features.roll(shift, 0))] if shift else []),
    ):
        with model.swap_prompt(prompt):
            yield name, seen


# --- where learning begins, and in which coordinates ---------------------------------------------


@torch.no_grad()
def initialise_projection(
    model: VLMWithSoftPrompt, features: Tensor, captions: Sequence[str]
) -> None:
    """Begin the projection as the best linear guess, from one patch, of the caption's words.

    features: (N, P, Dv). The guess is of the mean embedding of the caption's tokens, by least
    squares with a small ridge, scaled to the size of a blend of words. So learning starts from a
    translation into words, however poor, and not from noise. Where there is nothing to guess
    from (one picture, or captions that all say the same) the projection stays as it is.
    Lesson 03, section 4.
    """
    weight, bias = model.vision_projection.weight, model.vision_projection.bias
    table = read_token_table(model.language_model).to(weight)  # (V, D)
    rows = [model.tokenizer(text, add_special_tokens=False)["input_ids"] for text in captions]
    words = torch.stack([table[ids].mean(0) for ids in rows])  # (N, D)
    features = to_fp32(features)
    flat = features.flatten(0, 1)  # (N P, Dv)
    centre, middle = flat.mean(0), words.mean(0)  # (Dv,), (D,)
    spread = _compute_covariance(flat)  # (Dv, Dv)
    if not spread.trace() > 0:
        return
    deviation = features.sum(1) - features.shape[1] * centre  # (N, Dv)
    together = deviation.T @ (words - middle) / len(flat)  # (Dv, D)
    ridge = 0.01 * spread.trace() / len(spread) * torch.eye(len(spread)).to(spread)
    guess = torch.linalg.solve(spread + ridge, together)  # (Dv, D)
    size = ((flat - centre) @ guess).std()
    if size < 1e-5 * table.std():  # rounding, and no words
        return
    guess *= WORD_SIZE * table.std() / size
    weight.copy_(guess.T)
    bias.copy_(middle - centre @ guess)


def _compute_covariance(flat: Tensor) -> Tensor:
    """Of the columns of (N, Dv): (Dv, Dv); zeros for a single row."""
    return torch.cov(flat.T) if len(flat) > 1 else flat.new_zeros(flat.shape[1], flat.shape[1])


class Whitening:
    """Coordinates for vision features in which all directions vary more alike.

    Called, it takes features (N, P, Dv) to them.

    The projection is the same affine map in both coordinates, so nothing new can be expressed; but
    a rare direction (which object) is learned nearly as fast as a common one (which background).
    """

    def __init__(self, projection: nn.Linear, features: Tensor) -> None:
        flat = to_fp32(features).flatten(0, 1)  # (N P, Dv)
        self.projection, self.centre = projection, flat.mean(0)
        variance, directions = torch.linalg.eigh(_compute_covariance(flat))
        scale = (variance.clamp(min=0) + RIDGE * variance.mean()).sqrt()  # (Dv,)
        scale = torch.where(scale > 0, scale, 1)  # where nothing varies, nothing is scaled
        # (Dv, Dv), inverse to each other
        self.there, self.back = (directions * power @ directions.T for power in (1 / scale, scale))

    def __call__(self, plain: Tensor) -> Tensor:
        return (to_fp32(plain) - self.centre) @ self.there

    @torch.no_grad()
    def enter(self) -> None:
        """From here on the projection takes whitened features."""
        self.projection.bias += self.projection.weight @ self.centre
        self.projection.weight.copy_(self.projection.weight @ self.back)

    @torch.no_grad()
    def leave(self) -> None:
        """From here on the projection takes plain features again."""
        self.projection.weight.copy_(self.projection.weight @ self.there)
        self.projection.bias -= self.projection.weight @ self.centre

    @contextmanager
    def suspend(self) -> Iterator[None]:
        """Within, the projection takes plain features; afterwards it is, to the bit, as before."""
        parameters = dict(self.projection.named_parameters())
        before = training.copy_parameters(parameters)
        self.leave()
        try:
            yield
        finally:
            training.restore_parameters(parameters, before)


@contextmanager
def whiten(model: VLMWithSoftPrompt, features: Tensor) -> Iterator[Whitening]:
    """Within, the model's projection takes whitened features; afterwards plain ones again."""
    parameters = dict(model.vision_projection.named_parameters())
    whitening = Whitening(model.vision_projection, features)
    before = training.copy_parameters(parameters)
    whitening.enter()
    try:
        yield whitening
    finally:
        if any(parameter.requires_grad for parameter in parameters.values()):
            whitening.leave()
        else:
            # to the bit: prompts that learned beside it know it by its fingerprint
            training.restore_parameters(parameters, before)
