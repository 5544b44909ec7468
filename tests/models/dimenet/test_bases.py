"""DimeNet's bases: scipy's functions, torch_geometric's symbolic ones, smooth ends."""

import math

import numpy as np
import pytest
import torch
from scipy.special import spherical_jn

from asegen.models.dimenet.bases import Envelope, RadialBessel, SphericalBessel, bessel_zeros, spherical_bessel


@pytest.mark.parametrize("degree", range(8))
def test_spherical_bessel_functions_are_scipys_and_smooth(degree: int) -> None:
    x = torch.linspace(1e-6, 40, 4001, dtype=torch.float64, requires_grad=True)
    value = spherical_bessel(x, degree)
    np.testing.assert_allclose(value.detach(), spherical_jn(degree, x.detach().numpy()), atol=1e-12)
    (slope,) = torch.autograd.grad(value.sum(), x)
    np.testing.assert_allclose(slope, spherical_jn(degree, x.detach().numpy(), derivative=True), atol=1e-10)
    single = spherical_bessel(x.detach().float(), degree)
    np.testing.assert_allclose(single, spherical_jn(degree, x.detach().numpy()), atol=2e-5)


def test_zeros() -> None:
    zeros = np.array(bessel_zeros(7, 10))
    assert zeros.shape == (7, 10) and (np.diff(zeros) > 0).all()
    for degree in range(7):
        np.testing.assert_allclose(spherical_jn(degree, zeros[degree]), 0, atol=1e-13)
    np.testing.assert_allclose(zeros[0], math.pi * np.arange(1, 11))


@pytest.mark.slow  # torch_geometric derives them by computer algebra
def test_bases_are_those_of_torch_geometric() -> None:
    pytest.importorskip("sympy")
    from torch_geometric.nn.models.dimenet import BesselBasisLayer, SphericalBasisLayer

    distance = torch.linspace(0.8, 5.9, 50)
    angle, edge = torch.linspace(0, math.pi, 80), torch.arange(80) % 50
    # Its p is one less: it takes `exponent + 1`.
    torch.testing.assert_close(
        RadialBessel(6, 6.0)(distance), BesselBasisLayer(6, 6.0, 5)(distance), rtol=1e-3, atol=1e-4
    )
    theirs = SphericalBasisLayer(4, 5, 6.0, 5).double()
    ours = SphericalBessel(4, 5, 6.0)(distance.double(), angle.double(), edge)
    torch.testing.assert_close(ours, theirs(distance.double(), angle.double(), edge), rtol=1e-4, atol=1e-5)


def test_everything_ends_smoothly_at_the_cutoff() -> None:
    x = torch.tensor([0.3, 0.999999, 1.0, 1.5], dtype=torch.float64, requires_grad=True)
    value = Envelope()(x)
    (slope,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), x)
    assert value[0] > 1 and value[2:].tolist() == [0, 0]
    for part in (value, slope, curvature):
        assert float(part[1:].abs().max()) < 1e-3
