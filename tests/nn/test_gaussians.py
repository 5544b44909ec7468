"""Gaussians against their formula; float32 has no denormal number among them."""

import numpy as np
import torch

from asegen.models.empnn.layers import TrainableGaussians
from asegen.models.empnn.moments import LogGaussians
from asegen.nn.bases import GaussianBasis
from asegen.nn.gaussians import Gaussians, gaussian


def test_they_are_the_exponential_as_far_as_numbers_tell() -> None:
    x = torch.linspace(0, 120, 1201, dtype=torch.float64)
    np.testing.assert_allclose(gaussian(x).numpy(), np.exp(-x.numpy()), rtol=1e-12, atol=2e-22)


def test_their_gradient_is_the_exponential_s() -> None:
    x = torch.linspace(0, 120, 25, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(gaussian(x).sum(), x)
    np.testing.assert_allclose(gradient.numpy(), -np.exp(-x.detach().numpy()), rtol=1e-12, atol=2e-22)


def test_what_is_no_number_stays_none() -> None:
    assert gaussian(torch.tensor([float("nan")])).isnan().all()
    assert gaussian(torch.tensor([float("inf")])) == 0


def test_no_basis_holds_denormal_numbers() -> None:
    distance = torch.linspace(0.2, 8.0, 2000)
    tiny = torch.finfo(torch.float32).tiny
    for basis in (Gaussians(0, 8, 80), Gaussians(0, 8, 80, width=0.1), TrainableGaussians(), LogGaussians(48)):
        values = basis(distance)
        assert ((values == 0) | (values >= tiny)).all()
    values = GaussianBasis(size=128, cutoff=6.0)(distance[distance < 5.9])
    assert ((values == 0) | (values.abs() >= tiny)).all()
