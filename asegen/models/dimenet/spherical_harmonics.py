"""Real spherical harmonics, scaled so that their products give DimeNet's functions of angles.

By the addition theorem `Σ_m S_lm(a) S_lm(b) = Y_l0(∠(a, b))` for unit vectors a and b, so a sum over pairs of edges
whose terms are linear in Y_l0 of their angle is a contraction of sums over edges, and no pair is ever formed.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def spherical_harmonics(direction: Tensor, degrees: int) -> Tensor:
    """`S_lm = (4π/(2l + 1))^{1/4} Y_lm`, l = 0 … degrees − 1, m = −l … l.

    Polynomials in x, y, z from the recurrences of associated Legendre functions; nothing is singular at the poles.

    Args:
        direction: (n, 3), unit vectors.
        degrees: how many l.

    Returns:
        (n, degrees²), those of one l side by side.
    """
    x, y, z = direction.unbind(-1)
    real, imaginary = [torch.ones_like(x)], [torch.zeros_like(x)]  # of (x + iy)^m
    for _ in range(1, degrees):
        real.append(x * real[-1] - y * imaginary[-1])
        imaginary.append(x * imaginary[-1] + y * real[-2])
    columns: dict[tuple[int, int], Tensor] = {}
    for m in range(degrees):
        before, here = torch.zeros_like(z), torch.full_like(z, float(math.prod(range(1, 2 * m, 2))))
        for degree in range(m, degrees):
            scale = _scale(degree, m)
            columns[degree, m] = scale * here * real[m]
            if m:
                columns[degree, -m] = scale * here * imaginary[m]
            after = ((2 * degree + 1) * z * here - (degree + m) * before) / (degree - m + 1)
            before, here = here, after
    return torch.stack([columns[degree, m] for degree in range(degrees) for m in range(-degree, degree + 1)], -1)


def _scale(degree: int, order: int) -> float:
    squared = (2 * degree + 1) / (4 * math.pi) * math.factorial(degree - order) / math.factorial(degree + order)
    return math.sqrt(squared * (2 if order else 1)) * (4 * math.pi / (2 * degree + 1)) ** 0.25
