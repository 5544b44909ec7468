"""The unit torus of fractional coordinates: wrapping and shortest displacements."""

from __future__ import annotations

import torch
from torch import Tensor


def wrap(scaled_positions: Tensor) -> Tensor:
    """Brings fractional coordinates into [0, 1).

    Args:
        scaled_positions: any shape, fractional coordinates (dimensionless).

    Returns:
        The same shape, each value in [0, 1). A tiny negative number, which floating point would send to exactly 1,
        gives 0.
    """
    wrapped = scaled_positions - torch.floor(scaled_positions)
    return torch.where(wrapped >= 1.0, torch.zeros_like(wrapped), wrapped)


def shortest(displacement: Tensor) -> Tensor:
    """The shortest representative of fractional displacements on the torus, coordinate by coordinate.

    This is the geodesic of the flat unit torus (`x0 - xt - k*` in GemsDiff, Klipfel et al. 2024), not of a crystal's
    Cartesian metric.

    Args:
        displacement: any shape, fractional (dimensionless).

    Returns:
        The same shape, in [-0.5, 0.5].
    """
    return displacement - torch.round(displacement)
