"""How a captioner learns, and what its parts are worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class SharedFeatures:
    """Vision features of pictures, each kept once, that are read as those of N captions.

    Args:
        once: of each picture, (pictures, P, Dv).
        pictures: for each caption the number of its picture, (N,).
    """

    once: Tensor
    pictures: Tensor

    def __getitem__(self, captions: Tensor | slice) -> Tensor:
        return self.once[self.pictures[captions]]


Features = Tensor | SharedFeatures  # (N, P, Dv) for N captions


def share(features: Features) -> SharedFeatures:
    """As shared ones: in a tensor every caption has a picture of its own."""
    known = isinstance(features, SharedFeatures)
    return features if known else SharedFeatures(features, torch.arange(len(features)))


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
    train_data: tuple[Features, Captions],
    validation_data: tuple[Features, Captions],
    config: TrainConfig,
    checkpoint: Path | None = None,
    *,
    micro_batch_size: int | None = None,
    stop: Callable[[int, float], bool] = lambda step, loss: False,
    group: ProcessGroup | None = None,
    data: str = "",
    notes: Mapping[str, str] = {},
) -> Iterator[Evaluation]:
    """Learn from captioned pictures, and yield each evaluation as it is made.

    Its score is the share of right next tokens. In the end `model` holds what had the lowest
    validation loss. Where `vision_projection` is frozen, the soft prompt alone learns.
    Taken apart in lesson 03, section 7.

    Args:
        model: whose soft prompt and projection learn.
        train_data: vision features (N, P, Dv), and N captions; `SharedFeatures` where pictures
            have several.
        validation_data: the same of other pictures.
        config: how to train.
        checkpoint: a file from which an interrupted training resumes.
        micro_batch_size: captions that go through the model at a time, as for `training.train`.
        stop: called with every step and its loss; where it returns True, the training ends.
        group: the processes that train together.
        data: a fingerprint of the examples, for the checkpoint.
        notes: texts for the checkpoint, as for `training.train`.

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
        white = replace(share(features), once=whitening(share(features).once))
        check_white = replace(share(check_features), once=whitening(share(check_features).once))

        def loss(numbers: Tensor) -> Tensor:
            batch = [rows[number] for number in numbers.tolist()]
            ids, labels = pad_captions(model.tokenizer, batch)  # (B, T)
            return model(white[numbers], ids.to(device), labels=labels.to(device))

        evaluations = training.train(
            model, len(rows), loss,
            lambda: evaluate_captioner(model, check_white, check_rows, group), config, checkpoint,
            micro_batch_size=micro_batch_size, stop=stop, group=group, data=data, notes=notes,
            weight=lambda numbers: sum(len(rows[number]) for number in numbers.tolist()),
        )  # fmt: skip
        with closing(evaluations):
            for evaluation in evaluations:
                # whoever looks at the evaluation may let the model describe pictures
                with whitening.suspend():
                    yield evaluation


def evaluate_captioner(
    model: VLMWithSoftPrompt,
    features: Features,
    rows: Sequence[Tensor],
    group: ProcessGroup | None = None,
) -> tuple[float, float]:
    """Measure the mean loss of captions' tokens, and the share of them that are the likeliest.

    Args:
        model: as it is.
        features: vision features, (N, P, Dv) or shared, whitened where the projection takes such.
        rows: the captions' ids, as `tokenize_captions` gives them.
        group: the processes, of which each takes a part.
    """
    group, sums = group or ProcessGroup(), model.vision_projection.weight.new_zeros(3)
    for start in range(EVAL_BATCH_SIZE * group.rank, len(rows), EVAL_BATCH_SIZE * group.size):
        batch = rows[start : start + EVAL_BATCH_SIZE]
        ids, labels = pad_captions(model.tokenizer, batch)  # (B, T)
        seen = features[start : start + EVAL_BATCH_SIZE]
        loss, right = model.score(seen, ids.to(seen.device), labels.to(seen.device))
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

    def count_unmoved(shift: int) -> int:
        """Pictures that would have the features of their own picture again."""
        return int((features == features.roll(shift, 0)).flatten(1).all(1).sum())

    shift = min(range(min(len(features), 20)), key=count_unmoved)
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
    model: VLMWithSoftPrompt, features: Features, captions: Sequence[str]
) -> None:
    """Begin the projection as the best linear guess, from one patch, of the caption's words.

    features: of N captions. The guess is of the mean embedding of the caption's tokens, by least
    squares with a small ridge, scaled to the size of a blend of words. So learning starts from a
    translation into words, however poor, and not from noise. Where there is nothing to guess
    from (one picture, or captions that all say the same) the projection stays as it is.
    Lesson 03, section 4.
    """
    weight, bias = model.vision_projection.weight, model.vision_projection.bias
    table = read_token_table(model.language_model).to(weight)  # (V, D)
    rows = [model.tokenizer(text, add_special_tokens=False)["input_ids"] for text in captions]
    words = torch.stack([table[ids].mean(0) for ids in rows])  # (N, D)
    (centre, spread), middle = _measure_spread(features), words.mean(0)  # (Dv,), (Dv, Dv), (D,)
    once, pictures = to_fp32(share(features).once), share(features).pictures
    patches = len(words) * once.shape[1]
    if not spread.trace() > 0:
        return
    deviation = (once.sum(1) - once.shape[1] * centre)[pictures]  # (N, Dv)
    together = deviation.T @ (words - middle) / patches  # (Dv, D)
    ridge = 0.01 * spread.trace() / len(spread) * torch.eye(len(spread)).to(spread)
    guess = torch.linalg.solve(spread + ridge, together)  # (Dv, D)
    if isinstance(features, Tensor):
        size = ((once.flatten(0, 1) - centre) @ guess).std()
    else:  # the same, without a row for every caption
        square = (patches - 1) * (guess * (spread @ guess)).sum()
        size = (square / (patches * guess.shape[1] - 1)).sqrt()
    if size < 1e-5 * table.std():  # rounding, and no words
        return
    guess *= WORD_SIZE * table.std() / size
    weight.copy_(guess.T)
    bias.copy_(middle - centre @ guess)


def _measure_spread(features: Features) -> tuple[Tensor, Tensor]:
    """Mean (Dv,) and covariance (Dv, Dv) of the patches; zeros for a single one.

    A picture counts as often as it has captions.
    """
    flat = to_fp32(share(features).once).flatten(0, 1)  # (pictures P, Dv)
    centre, times = flat.mean(0), None
    if isinstance(features, SharedFeatures):
        captions = torch.bincount(features.pictures, minlength=len(features.once))
        times = captions.repeat_interleave(features.once.shape[1]).to(flat.device)
        centre = times.to(flat) @ flat / times.sum()
    return centre, torch.cov(flat.T, fweights=times) if len(flat) > 1 else 0 * centre.diag()


class Whitening:
    """Coordinates for vision features in which all directions vary more alike.

    Called, it takes features (…, Dv) to them.

    The projection is the same affine map in both coordinates, so nothing new can be expressed; but
    a rare direction (which object) is learned nearly as fast as a common one (which background).
    """

    def __init__(self, projection: nn.Linear, features: Features) -> None:
        self.projection, (self.centre, covariance) = projection, _measure_spread(features)
        variance, directions = torch.linalg.eigh(covariance)
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
def whiten(model: VLMWithSoftPrompt, features: Features) -> Iterator[Whitening]:
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
