"""Gaussians on a regular grid: a number as a smooth one-hot vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_FARTHEST = 50.0


def gaussian(exponent: Tensor) -> Tensor:
    """`exp(−x)`, and exactly zero beyond x = 50, where it is under 2e-22.

    Further out float32 holds denormal numbers (x > 87), which many processors multiply a hundred times slower: most
    entries of a basis on a fine grid would be such.

    Args:
        exponent: x, any shape.
    """
    return torch.where(exponent > _FARTHEST, 0.0, torch.exp(-exponent))


class Gaussians(nn.Module):
    """`exp(−(x − c)²/w²)` with centres c on a regular grid.

    Args:
        start: first centre.
        stop: last centre.
        size: number of centres.
        width: w, in the unit of x; the square root of the spacing without it (ALIGNN's choice).
    """

    centres: Tensor

    def __init__(self, start: float, stop: float, size: int, width: float | None = None) -> None:
        super().__init__()
        self.size = size
        self.scale = (size - 1) / (stop - start) if width is None else width**-2
        self.register_buffer("centres", torch.linspace(start, stop, size), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(...) to (..., size)."""
        return gaussian((x[..., None] - self.centres).square() * self.scale)
