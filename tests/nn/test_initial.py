"""Weights that networks start from."""

import pytest
import torch
from torch import nn

from asegen.nn.initial import widen


@pytest.mark.parametrize("variance", [1.0, 2.0])
def test_matrices_get_the_variance_and_biases_stay(variance: float) -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(400, 300), nn.Sequential(nn.Linear(300, 50)))
    bias = layers[0].bias.detach().clone()
    widen(variance, layers)
    assert 400 * float(layers[0].weight.detach().var()) == pytest.approx(variance, rel=0.03)
    assert 300 * float(layers[1][0].weight.detach().var()) == pytest.approx(variance, rel=0.05)
    assert torch.equal(layers[0].bias, bias)


def test_two_keep_sizes_through_relu() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(*[nn.Sequential(nn.Linear(500, 500, bias=False), nn.ReLU()) for _ in range(6)])
    x = torch.randn(200, 500)
    before = float(network(x).detach().square().mean())
    widen(2.0, network)
    after = float(network(x).detach().square().mean())
    assert after == pytest.approx(1, rel=0.3) and before == pytest.approx(6**-6, rel=0.3)
