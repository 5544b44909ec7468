"""Scaled spherical harmonics against scipy's, and the addition theorem."""

import math

import numpy as np
import torch
from scipy.special import sph_harm_y

from asegen.models.dimenet.spherical_harmonics import spherical_harmonics
from asegen.nn.bases import zonal_harmonics


def directions(n: int, seed: int) -> torch.Tensor:
    vector = torch.randn(n, 3, generator=torch.Generator().manual_seed(seed)).double()
    vector[:3] = torch.eye(3)
    return torch.nn.functional.normalize(vector, dim=-1)


def test_they_are_scipys() -> None:
    direction = directions(30, 0)
    polar, azimuth = np.arccos(direction[:, 2].numpy()), np.arctan2(direction[:, 1].numpy(), direction[:, 0].numpy())
    found = spherical_harmonics(direction, 7).numpy()
    for degree in range(7):
        scale = (4 * math.pi / (2 * degree + 1)) ** 0.25
        for m in range(degree + 1):
            value = scale * (-1) ** m * sph_harm_y(degree, m, polar, azimuth) * (math.sqrt(2) if m else 1)
            np.testing.assert_allclose(found[:, degree**2 + degree + m], value.real, atol=1e-12)
            if m:
                np.testing.assert_allclose(found[:, degree**2 + degree - m], value.imag, atol=1e-12)


def test_their_products_are_harmonics_of_the_angle() -> None:
    a, b = directions(40, 1), directions(40, 2)
    expected = zonal_harmonics((a * b).sum(-1), 7)
    products = spherical_harmonics(a, 7) * spherical_harmonics(b, 7)
    for degree, value in enumerate(expected):
        torch.testing.assert_close(products[:, degree**2 : (degree + 1) ** 2].sum(-1), value)
