"""How a captioner learns, and what its parts are worth: training, evaluation, ablations, and even features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from helpers import training
from helpers.captioner import IGNORED, VLMWithSoftPrompt, exact
from helpers.data import tokenize_captions

WORD_SIZE = 0.6  # spread of the projected patches, relative to that of the token table: a blend of words is shorter than a word
RIDGE = 0.2  # share of the mean variance that is added to that of every direction before they are made alike
AT_ONCE = 64  # captions in one batch where nothing is learned


def pad_captions(tokenizer: Any, rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """ids and labels (B, T) of captions' rows; padded on the right to the longest, padding not scored.

    No mask is needed: in a causal model nothing looks at what stands behind it.
    """
    ids = pad_sequence(rows, batch_first=True, padding_value=tokenizer.eos_token_id)
    return ids, pad_sequence(rows, batch_first=True, padding_value=IGNORED)


def batch_captions(tokenizer: Any, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
    """ids and labels (B, T) of captions, each with an end-of-text to learn, as `pad_captions` makes them."""
    return pad_captions(tokenizer, tokenize_captions(tokenizer, captions))


def train_captioner(
    model: VLMWithSoftPrompt,
    train: tuple[Tensor, Sequence[str] | Sequence[Tensor]],
    validation: tuple[Tensor, Sequence[str] | Sequence[Tensor]],
    config: training.TrainConfig,
    checkpoint: Path | None = None,
    **how: Any,
) -> Iterator[training.Evaluation]:
    """Learn from vision features (N, P, Dv) and their captions; in the end `model` holds what had the lowest validation loss.

    The score of a look is the share of right next tokens on validation captions. Where `vision_projection` is frozen, the soft prompt
    alone learns. captions: texts, or their ids, as `caption_rows` gives them. how: `micro_batch_size`, `stop`, `group` and `data`, as for
    `training.train`.
    """
    (features, captions), (checks, check_captions) = train, validation
    device = model.vision_projection.weight.device
    rows, check_rows = (
        texts if isinstance(texts[0], Tensor) else tokenize_captions(model.tokenizer, texts)
        for texts in (captions, check_captions)
    )

    with whitened(model, features) as even:
        seen, seen_checks = even(features), even(checks)

        def loss(numbers: Tensor) -> Tensor:
            ids, labels = pad_captions(
                model.tokenizer, [rows[number] for number in numbers.tolist()]
            )
            return model(seen[numbers], ids.to(device), labels=labels.to(device))

        def tokens(numbers: Tensor) -> int:
            return sum(len(rows[number]) for number in numbers.tolist())

        def validate() -> tuple[float, float]:
            return evaluate(model, seen_checks, check_rows, how.get("group"))

        looks = training.train(
            model, len(rows), loss, validate, config, checkpoint, weight=tokens, **how
        )
        with closing(looks):
            for look in looks:
                with even.plain():  # whoever looks on may let the model describe pictures
                    yield look


def evaluate(
    model: VLMWithSoftPrompt,
    features: Tensor,
    rows: Sequence[Tensor],
    group: training.ProcessGroup | None = None,
) -> tuple[float, float]:
    """The mean loss of all tokens of captions, as `caption_rows` gives them, and the share that is likeliest; each process takes a part."""
    group, sums = group or training.ProcessGroup(), features.new_zeros(3)
    for start in range(AT_ONCE * group.rank, len(rows), AT_ONCE * group.size):
        batch = rows[start : start + AT_ONCE]
        ids, labels = (part.to(features.device) for part in pad_captions(model.tokenizer, batch))
        loss, right = model.score(features[start : start + AT_ONCE], ids, labels)
        sums += sum(map(len, batch)) * sums.new_tensor([loss, right, 1.0])
    loss, right, tokens = group.sum(sums).tolist()
    return loss / tokens, right / tokens


def ablations(
    model: VLMWithSoftPrompt, features: Tensor, words: Tensor
) -> Iterator[tuple[str, Tensor]]:
    """Within each turn the model is as it was trained, or lacks a part, or has another in its place; gives a name, and vision features.

    words: (T, D), the rows of words that are to stand in the place of the prompt, whose first M do. Pictures are shuffled so that as few
    as possible keep their own, and not at all where there is one picture only.
    """
    own = model.soft_prompt.prompt_embeddings
    unmoved, best = len(features), 0
    for shift in range(1, min(len(features), 20)):
        unmoved, best = min((unmoved, best), (_unmoved(features, shift), shift))
        if unmoved == 0:
            break
    shuffled = (
        [("shuffled pictures", own, features.roll(best, 0))] if unmoved < len(features) else []
    )
    for how, prompt, seen in (
        ("as trained", own, features),
        ("soft prompt removed", own[:0], features),
        ("zeros instead", torch.zeros_like(own), features),
        ("words instead", words[: len(own)], features),
        ("no picture", own, features[:, :0]),
        *shuffled,
    ):
        with model.prompted(prompt):
            yield how, seen


def _unmoved(features: Tensor, shift: int) -> int:
    """How many pictures would have the features of their own picture again."""
    return int((features == features.roll(shift, 0)).flatten(1).all(1).sum())


@torch.no_grad()
def initialise_projection(
    model: VLMWithSoftPrompt, features: Tensor, captions: Sequence[str]
) -> None:
    """Begin the projection as the best linear guess, from one patch, of the words in its picture's caption.

    features (N, P, Dv); the guess is of the mean row of the caption's tokens, by least squares with a little ridge, and then made
    about as large as a blend of rows. Learning starts from a translation into words, however poor, and not from noise. Where there is
    nothing to guess from (one picture, or captions that all say the same) the projection is left as it is.
    """
    table, features = (
        model.language_model.get_input_embeddings().weight.to(model.vision_projection.weight),
        exact(features),
    )
    flat = features.flatten(0, 1)  # (N P, Dv)
    words = torch.stack(
        [
            table[model.tokenizer(text, add_special_tokens=False)["input_ids"]].mean(0)
            for text in captions
        ]
    )
    centre, middle = flat.mean(0), words.mean(0)
    spread = _covariance(flat)  # (Dv, Dv)
    if not spread.trace() > 0:
        return
    together = (
        (features.sum(1) - features.shape[1] * centre).T @ (words - middle) / len(flat)
    )  # (Dv, D)
    guess = torch.linalg.solve(
        spread + 0.01 * spread.trace() / len(spread) * torch.eye(len(spread)).to(spread), together
    )
    size = ((flat - centre) @ guess).std()
    if size < 1e-5 * table.std():  # rounding, and no words
        return
    guess *= WORD_SIZE * table.std() / size
    model.vision_projection.weight.copy_(guess.T)
    model.vision_projection.bias.copy_(middle - centre @ guess)


def _covariance(flat: Tensor) -> Tensor:
    """Of the columns of (N, Dv): (Dv, Dv); zeros for a single row."""
    return torch.cov(flat.T) if len(flat) > 1 else flat.new_zeros(flat.shape[1], flat.shape[1])


class Whitening:
    """Other coordinates for vision features, in which all directions vary more alike; called, it changes features (N, P, Dv) to them.

    The projection is the same affine map in both, so that nothing new can be expressed; but a rare direction (which object) is
    learned nearly as fast as a common one (which background).
    """

    def __init__(self, projection: nn.Linear, features: Tensor) -> None:
        flat = exact(features).flatten(0, 1)  # (N P, Dv)
        self.projection, self.centre = projection, flat.mean(0)
        spread, directions = torch.linalg.eigh(_covariance(flat))
        scale = (spread.clamp(min=0) + RIDGE * spread.mean()).sqrt()  # (Dv,)
        scale = torch.where(scale > 0, scale, 1)  # where nothing varies, nothing is to be evened
        # (Dv, Dv), inverse to each other
        self.there, self.back = (directions * power @ directions.T for power in (1 / scale, scale))

    def __call__(self, plain: Tensor) -> Tensor:
        return (exact(plain) - self.centre) @ self.there

    @torch.no_grad()
    def take(self) -> None:
        """From here on the projection takes even features."""
        self.projection.bias += self.projection.weight @ self.centre
        self.projection.weight.copy_(self.projection.weight @ self.back)

    @torch.no_grad()
    def leave(self) -> None:
        """From here on the projection takes plain features again."""
        self.projection.weight.copy_(self.projection.weight @ self.there)
        self.projection.bias -= self.projection.weight @ self.centre

    @contextmanager
    def plain(self) -> Iterator[None]:
        """Within, the projection takes plain features; afterwards it is to the bit what it was before."""
        kept = training.copy_parameters(dict(self.projection.named_parameters()))
        self.leave()
        try:
            yield
        finally:
            training.restore_parameters(dict(self.projection.named_parameters()), kept)


@contextmanager
def whitened(model: VLMWithSoftPrompt, features: Tensor) -> Iterator[Whitening]:
    """Within, the model's projection takes features in even coordinates; afterwards plain ones again."""
    even, parameters = (
        Whitening(model.vision_projection, features),
        dict(model.vision_projection.named_parameters()),
    )
    kept = training.copy_parameters(parameters)
    even.take()
    try:
        yield even
    finally:
        if any(parameter.requires_grad for parameter in parameters.values()):
            even.leave()
        else:
            training.restore_parameters(
                parameters, kept
            )  # to the bit: prompts that learned beside it know it by its fingerprint
