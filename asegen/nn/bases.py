"""Bases in which distances and angles enter a network: Gaussians with a smooth end, Legendre polynomials."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from asegen.nn.gaussians import gaussian


class GaussianBasis(nn.Module):
    """Gaussians of d/cutoff on a regular grid of [0, 1], times an envelope that ends smoothly at the cutoff.

    The envelope is GemNet's (Gasteiger et al., NeurIPS 2021) with p = 5: `1 − 21 x⁵ + 35 x⁶ − 15 x⁷`, x = d/cutoff; its
    value and its first two derivatives vanish at x = 1. The Gaussians' standard deviation is their spacing.

    Args:
        size: number of Gaussians.
        cutoff: where the basis ends, Å.
    """

    centres: Tensor

    def __init__(self, size: int = 128, cutoff: float = 6.0) -> None:
        super().__init__()
        self.cutoff, self.size = cutoff, size
        self.register_buffer("centres", torch.linspace(0, 1, size), persistent=False)

    def forward(self, distance: Tensor) -> Tensor:
        """The basis at some distances.

        Args:
            distance: any shape, Å.

        Returns:
            (..., size), zero beyond the cutoff.
        """
        x = (distance / self.cutoff).clamp(max=1.0)[..., None]
        envelope = 1 - x**5 * (21 - 35 * x + 15 * x**2)
        return envelope * gaussian(0.5 * ((x - self.centres) * (self.size - 1)) ** 2)


def zonal_harmonics(cosine: Tensor, size: int = 7) -> list[Tensor]:
    """Spherical harmonics of order zero, `Y_l0 = √((2l + 1)/4π) P_l(cos φ)`, l = 0 … size − 1.

    Args:
        cosine: any shape, cosines of the angles.
        size: how many.

    Returns:
        `size` tensors of the same shape.
    """
    legendre = [torch.ones_like(cosine), cosine]
    for degree in range(2, size):
        previous, before = legendre[-1], legendre[-2]
        legendre.append(((2 * degree - 1) * cosine * previous - (degree - 1) * before) / degree)
    return [math.sqrt((2 * degree + 1) / (4 * math.pi)) * p for degree, p in enumerate(legendre[:size])]
