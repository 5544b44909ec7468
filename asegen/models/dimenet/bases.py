"""DimeNet's bases in closed form: Bessel functions of distances, times zonal harmonics of angles.

Gasteiger, Groß and Günnemann (ICLR 2020), with an envelope that is zero beyond the cutoff together with its first two
derivatives. Spherical Bessel functions come from their recurrence and their power series near the origin, instead of
symbolic expressions that are compiled at start.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import spherical_jn
from torch import Tensor, nn

from asegen.nn.bases import zonal_harmonics

_EXPONENT = 6
_SERIES_TERMS = 12
_SERIES_BELOW = 1.0  # above the degree's own size recurrence loses no digits; below, the series converges at once


class Envelope(nn.Module):
    """`1/x + a x^(p−1) + b x^p + c x^(p+1)` for x < 1, 0 beyond: ends smoothly at the cutoff, see DimeNet, equation 8.

    Args:
        exponent: p.
    """

    def __init__(self, exponent: int = _EXPONENT) -> None:
        super().__init__()
        self.p = exponent

    def forward(self, x: Tensor) -> Tensor:
        """The envelope.

        Args:
            x: any shape, distance over cutoff, positive.
        """
        p = self.p
        inner = x.clamp(max=1.0)
        a, b, c = -(p + 1) * (p + 2) / 2, p * (p + 2), -p * (p + 1) / 2
        return torch.where(x < 1, 1 / inner + inner ** (p - 1) * (a + inner * (b + inner * c)), torch.zeros_like(x))


class RadialBessel(nn.Module):
    """`envelope(x) sin(f_n x)`, x = d/cutoff, with learnable frequencies f_n that start at n π.

    Args:
        size: number of functions.
        cutoff: Å.
    """

    def __init__(self, size: int, cutoff: float) -> None:
        super().__init__()
        self.cutoff, self.envelope = cutoff, Envelope()
        self.frequency = nn.Parameter(math.pi * torch.arange(1, size + 1.0))

    def forward(self, distance: Tensor) -> Tensor:
        """The basis.

        Args:
            distance: (n,), Å, positive.

        Returns:
            (n, size).
        """
        x = distance[:, None] / self.cutoff
        return self.envelope(x) * torch.sin(self.frequency * x)


class SphericalBessel(nn.Module):
    """`envelope(x) √(2/j_{l+1}(z_ln)²) j_l(z_ln x)`, z_ln the n-th zero of j_l; and Y_l0 of angles.

    Args:
        degrees: l = 0 … degrees − 1.
        size: n = 1 … size.
        cutoff: Å.
    """

    zeros: Tensor
    norms: Tensor

    def __init__(self, degrees: int, size: int, cutoff: float) -> None:
        super().__init__()
        self.degrees, self.size, self.cutoff, self.envelope = degrees, size, cutoff, Envelope()
        zeros = torch.tensor(bessel_zeros(degrees, size))
        beyond = np.stack([spherical_jn(degree + 1, zeros[degree].numpy()) for degree in range(degrees)])
        self.register_buffer("zeros", zeros.float(), persistent=False)
        self.register_buffer("norms", (2 / torch.from_numpy(beyond) ** 2).sqrt().float(), persistent=False)

    def radial(self, distance: Tensor) -> Tensor:
        """(n, degrees, size) from distances (n,), Å, positive."""
        x = distance[:, None, None] / self.cutoff
        values = [
            spherical_bessel(x[:, 0] * self.zeros[degree].to(x), degree) * self.norms[degree].to(x)
            for degree in range(self.degrees)
        ]
        return self.envelope(x) * torch.stack(values, 1)

    def forward(self, distance: Tensor, angle: Tensor, edge: Tensor) -> Tensor:
        """Radial functions of an edge times harmonics of its angle.

        Args:
            distance: (n_edges,), Å.
            angle: (n_triplets,), radians.
            edge: (n_triplets,), int64, the edge of each angle.

        Returns:
            (n_triplets, degrees · size).
        """
        harmonics = torch.stack(zonal_harmonics(torch.cos(angle), self.degrees), -1)
        return (self.radial(distance)[edge] * harmonics[:, :, None]).flatten(1)


def spherical_bessel(x: Tensor, degree: int) -> Tensor:
    """j_l(x): upward recurrence where it is stable, the power series near the origin.

    Args:
        x: any shape, not negative.
        degree: l.
    """
    border = _SERIES_BELOW + degree
    near, far = x.clamp(max=border), x.clamp(min=border)
    term = torch.ones_like(near)
    for k in range(1, degree + 1):
        term = term * near / (2 * k + 1)
    series = term
    for k in range(1, _SERIES_TERMS + 2 * degree):
        term = term * (-0.5 * near**2) / (k * (2 * degree + 2 * k + 1))
        series = series + term
    before, here = torch.cos(far) / far, torch.sin(far) / far
    for k in range(degree):
        before, here = here, (2 * k + 1) / far * here - before
    return torch.where(x < border, series, here)


@cache
def bessel_zeros(degrees: int, size: int) -> tuple[tuple[float, ...], ...]:
    """The first zeros of j_0 … j_{degrees − 1}: those of j_l lie between those of j_{l−1}."""
    zeros = [math.pi * n for n in range(1, size + degrees + 1)]
    found = [tuple(zeros[:size])]
    for degree in range(1, degrees):
        zeros = [
            brentq(lambda x, degree=degree: spherical_jn(degree, x), low, high, xtol=1e-14)
            for low, high in pairwise(zeros)
        ]
        found.append(tuple(zeros[:size]))
    return tuple(found)
