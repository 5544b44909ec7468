"""Radial and angular bases against scipy and the envelope's conditions."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import eval_legendre

from asegen.nn.bases import GaussianBasis, zonal_harmonics


@given(st.floats(-1, 1))
def test_zonal_harmonics_are_normalised_legendre_polynomials(cosine: float) -> None:
    found = torch.stack(zonal_harmonics(torch.tensor(cosine, dtype=torch.float64), 7)).numpy()
    degree = np.arange(7)
    np.testing.assert_allclose(
        found, np.sqrt((2 * degree + 1) / (4 * np.pi)) * eval_legendre(degree, cosine), atol=1e-12
    )


def test_zonal_harmonics_are_orthonormal_on_the_sphere() -> None:
    nodes, weights = np.polynomial.legendre.leggauss(16)
    y = torch.stack(zonal_harmonics(torch.tensor(nodes), 7)).numpy()
    np.testing.assert_allclose(2 * np.pi * (y * weights) @ y.T, np.eye(7), atol=1e-12)


def test_gaussians_sit_on_a_grid_and_end_smoothly() -> None:
    basis = GaussianBasis(size=9, cutoff=6.0).double()
    x = torch.tensor([0.0, 1.5, 3.0, 5.99, 6.0, 40.0], dtype=torch.float64)
    centres = np.linspace(0, 6, 9)
    u = x.numpy()[:, None] / 6
    envelope = np.where(u < 1, 1 - 21 * u**5 + 35 * u**6 - 15 * u**7, 0)
    expected = envelope * np.exp(-((x.numpy()[:, None] - centres) ** 2) / (2 * (6 / 8) ** 2))
    np.testing.assert_allclose(basis(x).numpy(), expected, atol=1e-12)


def test_value_and_two_derivatives_vanish_at_the_cutoff() -> None:
    basis = GaussianBasis(size=5, cutoff=2.0).double()
    d = torch.tensor(2.0 - 1e-5, dtype=torch.float64, requires_grad=True)
    value = basis(d).sum()
    (first,) = torch.autograd.grad(value, d, create_graph=True)
    (second,) = torch.autograd.grad(first, d)
    assert value.abs().item() < 1e-9 and first.abs().item() < 1e-7 and second.abs().item() < 1e-2
