"""The unit torus of fractional coordinates: wrapping, shortest displacements, the wrapped normal distribution."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# With sigma <= 4 the terms beyond this many periods from the shortest displacement are below float64's resolution
# up to sigma = 0.6; above that the series in reciprocal space takes over.
_IMAGES = 5
_RECIPROCAL_SIGMA = 0.4
_RECIPROCAL_TERMS = 6


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


def wrapped_normal_log_prob(displacement: Tensor, sigma: Tensor | float) -> Tensor:
    """Logarithm of the density of a normal distribution wrapped on the unit circle, coordinate by coordinate.

    Args:
        displacement: any shape, distance from the mean, fractional.
        sigma: standard deviation before wrapping, broadcastable to `displacement`, fractional, positive.

    Returns:
        The same shape as the broadcast of both; log of a density per unit of the fractional coordinate.
    """
    d, s = torch.broadcast_tensors(shortest(displacement), torch.as_tensor(sigma, dtype=displacement.dtype))
    return torch.where(s < _RECIPROCAL_SIGMA, _log_prob_images(d, s), _log_prob_reciprocal(d, s))


def wrapped_normal_score(displacement: Tensor, sigma: Tensor | float) -> Tensor:
    """Derivative of `wrapped_normal_log_prob` with respect to the displacement.

    Args:
        displacement: any shape, distance from the mean, fractional.
        sigma: standard deviation before wrapping, broadcastable to `displacement`, fractional, positive.

    Returns:
        The score, one per coordinate, per unit of the fractional coordinate.
    """
    d, s = torch.broadcast_tensors(shortest(displacement), torch.as_tensor(sigma, dtype=displacement.dtype))
    images = d[..., None] + _image_range(d)
    weights = torch.softmax(-0.5 * (images / s[..., None]) ** 2, dim=-1)
    near = -(weights * images).sum(-1) / s**2
    k = 2 * math.pi * torch.arange(1, _RECIPROCAL_TERMS + 1, device=d.device, dtype=d.dtype)
    amplitude = 2 * torch.exp(-0.5 * (k * s[..., None]) ** 2)
    density = 1 + (amplitude * torch.cos(k * d[..., None])).sum(-1)
    far = -(amplitude * k * torch.sin(k * d[..., None])).sum(-1) / density.clamp_min(torch.finfo(d.dtype).tiny)
    return torch.where(s < _RECIPROCAL_SIGMA, near, far)


def _image_range(like: Tensor) -> Tensor:
    return torch.arange(-_IMAGES, _IMAGES + 1, device=like.device, dtype=like.dtype)


def _log_prob_images(d: Tensor, s: Tensor) -> Tensor:
    exponents = -0.5 * ((d[..., None] + _image_range(d)) / s[..., None]) ** 2
    return torch.logsumexp(exponents, dim=-1) - torch.log(s) - 0.5 * math.log(2 * math.pi)


def _log_prob_reciprocal(d: Tensor, s: Tensor) -> Tensor:
    k = 2 * math.pi * torch.arange(1, _RECIPROCAL_TERMS + 1, device=d.device, dtype=d.dtype)
    series = (2 * torch.exp(-0.5 * (k * s[..., None]) ** 2) * torch.cos(k * d[..., None])).sum(-1)
    return torch.log1p(series.clamp_min(-1 + torch.finfo(d.dtype).eps))
