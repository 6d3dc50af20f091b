"""A search that never leaves the words of a vocabulary: what learns lies beneath.

PEZ: Wen et al. 2023, arXiv 2302.03668. Used by reading_study.py, for lesson 04, section 6.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from helpers.reading import snap


@contextmanager
def snap_parameter(module: nn.Module, name: str, table: Tensor, rows: Tensor) -> Iterator[None]:
    """Within, have a parameter read as the nearest allowed rows; afterwards it is those rows.

    What lies beneath learns freely.

    Args:
        module: that has the parameter.
        name: of the parameter, (…, D).
        table: token embeddings, (V, D).
        rows: the numbers of those allowed, (W,).
    """
    parametrize.register_parametrization(module, name, _Snapped(table, rows))
    try:
        yield
    finally:
        parametrize.remove_parametrizations(module, name)


class _Snapped(nn.Module):
    """The nearest rows in the forward pass; in the backward pass as if nothing had been done.

    Straight-through: Bengio et al. 2013, arXiv 1308.3432.
    """

    def __init__(self, table: Tensor, rows: Tensor) -> None:
        super().__init__()
        self.table, self.rows = table, rows

    def forward(self, vectors: Tensor) -> Tensor:
        snapped = snap(vectors, self.table, self.rows).to(vectors.dtype)
        return _StraightThrough.apply(vectors, snapped)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor, snapped: Tensor) -> Tensor:
        return snapped

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None
