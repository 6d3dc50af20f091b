"""Losses and captions side by side: before, after, and with a part taken away or exchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from helpers.captioner import VLMWithSoftPrompt
from helpers.captioner_training import Features, ablate, evaluate_captioner, share
from helpers.training import Evaluation, ProcessGroup

SHOWN = 3  # pictures whose captions are shown
# loss and share of right tokens, and captions of the first pictures
Result = tuple[tuple[float, float], list[str]]


def measure_and_describe(
    model: VLMWithSoftPrompt,
    features: Features,
    rows: Sequence[Tensor],
    group: ProcessGroup | None = None,
) -> Result:
    """Measure loss and share of right tokens, and write captions of the first pictures.

    Args:
        model: the captioner.
        features: vision features of the pictures, (N, P, Dv) or shared.
        rows: the ids of their captions, (T,) each.
        group: the processes that share the measuring; None: this one alone.
    """
    first = share(features).once[:SHOWN]
    return evaluate_captioner(model, features, rows, group), write_captions(model, first)


def write_captions(
    model: VLMWithSoftPrompt, features: Tensor, max_new_tokens: int = 40
) -> list[str]:
    """Write a greedy caption for each picture, as long as the language model has places for it.

    Raises ValueError if it has none.
    """
    places = count_places(model, features.shape[1]) if features.shape[1] else max_new_tokens
    if places < 1:
        raise ValueError(
            f"{len(model.soft_prompt.prompt_embeddings)} vectors of the soft prompt leave no room "
            "for text in the language model"
        )
    return model.generate(features, max_new_tokens=max(1, min(max_new_tokens, places)))


def count_places(model: VLMWithSoftPrompt, patches: int) -> int:
    """Count tokens of text that find a place behind the soft prompt and a picture's vectors."""
    places = getattr(model.language_model.config, "max_position_embeddings", None) or 10**9
    return places - len(model.soft_prompt.prompt_embeddings) - patches


def measure_ablations(
    model: VLMWithSoftPrompt, features: Features, rows: Sequence[Tensor], words: Tensor
) -> dict[str, Result]:
    """What the model is worth as it was trained, and what with each of the `ablate`.

    Args:
        model: the captioner.
        features: vision features of the pictures, (N, P, Dv) or shared.
        rows: the ids of their captions, (T,) each.
        words: rows of words that stand in the place of the prompt in one of them, (T, D).
    """
    shared = share(features)
    return {
        how: measure_and_describe(model, replace(shared, once=seen), rows)
        for how, seen in ablate(model, shared.once, words)
        # something must stand before the first token
        if len(model.soft_prompt.prompt_embeddings) + seen.shape[1] > 0
    }


def show_results(results: dict[str, Result], files: Sequence[Path], texts: Sequence[str]) -> None:
    """Print a table of losses, and of the first pictures their first caption over those written."""
    width = max(map(len, results))
    print(f"\nOn {len(texts)} validation captions:\n{'':{width}}   loss   tokens right")
    for how, ((loss, right), _) in results.items():
        print(f"{how:{width}}  {loss:5.2f}   {right:11.0%}")
    first: dict[Path, str] = {}
    for file, text in zip(files, texts):
        first.setdefault(file, text)
    for number, (file, text) in enumerate(list(first.items())[:SHOWN]):
        print(f"\n{file}\n{'the caption':{width}}  {text}")
        for how, (_, written) in results.items():
            print(f"{how:{width}}  {written[number]}")


def describe_best(best: Evaluation) -> str:
    """Which step's state was kept, and what it means where that is the very first."""
    if best.step:
        return f"Kept: step {best.step} of {best.steps}, where the validation loss was lowest."
    return (
        "Kept: the beginning. On the validation captions no step was better, so nothing was "
        "learned that helps there. That is likely where they are few: take more pictures, or name "
        "a file by --validation; or change --learning_rate and --num_epochs."
    )
