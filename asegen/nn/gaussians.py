"""Gaussians on a regular grid: a number as a smooth one-hot vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn


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
        return torch.exp((x[..., None] - self.centres).square() * -self.scale)
