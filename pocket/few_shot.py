"""Which examples of each class are learned from, validated on and tested on, by a seed."""

from __future__ import annotations

import torch
from torch import Tensor

from helpers.language import LearnerError, say


def split_few_shot(labels: Tensor, shots: int, checks: int, seed: int) -> tuple[Tensor, Tensor]:
    """Choose examples to learn from and to validate on.

    The same seed with fewer shots chooses among the same examples.

    Args:
        labels: (N,), the classes 0, 1, 2 ….
        shots: how many examples of each class to learn from.
        checks: how many of each to validate on.
        seed: of the choice.

    Returns:
        The numbers of the examples, (C · shots,) and (C · checks,).

    Raises:
        ValueError: a class has too few.
    """
    need = say(
        en=f"{shots} shots and {checks} checks need {shots + checks}",
        zh=f"{shots} 个训练、{checks} 个验证，一共要 {shots + checks} 个",
    )
    chosen = _shuffle_classes(labels, shots + checks, need, seed)
    validation = torch.cat([numbers[:checks] for numbers in chosen])
    return torch.cat([numbers[checks : checks + shots] for numbers in chosen]), validation


def split_own_pictures(labels: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Choose half of each class to learn from, and a quarter each to validate and to test on.

    At least one in each part.
    labels: (N,), the classes 0, 1, 2 …. Gives the numbers of the examples; raises ValueError where
    a class has fewer than three.
    """
    parts = []
    need = say(en="three parts need at least 3", zh="分成三份至少要 3 个")
    for numbers in _shuffle_classes(labels, 3, need, seed):
        quarter = max(1, len(numbers) // 4)
        parts.append(numbers.split([len(numbers) - 2 * quarter, quarter, quarter]))
    return tuple(map(torch.cat, zip(*parts)))


def _shuffle_classes(labels: Tensor, fewest: int, need: str, seed: int) -> list[Tensor]:
    """Shuffle the numbers of each class's examples.

    Args:
        labels: (N,), the classes 0, 1, 2 ….
        fewest: examples that each class must have.
        need: what asks for so many, for the error.
        seed: of the shuffle.

    Raises:
        ValueError: a class has too few.
    """
    generator, shuffled = torch.Generator().manual_seed(seed), []
    for label in range(int(labels.max()) + 1):
        numbers = (labels == label).nonzero().flatten()
        if len(numbers) < fewest:
            raise LearnerError(
                en=f"class {label} has {len(numbers)} examples; {need}",
                zh=f"第 {label} 类有 {len(numbers)} 个样本；{need}",
            )
        shuffled.append(numbers[torch.randperm(len(numbers), generator=generator)])
    return shuffled
