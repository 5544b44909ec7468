"""Pooling and heads."""

import torch
from torch import nn

from asegen.crystals.crystals import Crystals
from asegen.nn.element_features import ElementFeatures
from asegen.nn.readouts import Heads, crystal_mean, without_mean


def test_mean_over_atoms() -> None:
    crystals = Crystals(torch.eye(3).repeat(2, 1, 1), torch.zeros(5, 3), torch.ones(5).long(), torch.tensor([2, 3]))
    values = torch.arange(10.0).view(5, 2)
    means = torch.stack([values[:2].mean(0), values[2:].mean(0)])
    torch.testing.assert_close(crystal_mean(values, crystals), means)
    torch.testing.assert_close(crystal_mean(values[:, 1], crystals), means[:, 1])
    torch.testing.assert_close(
        without_mean(values, crystals), torch.cat([values[:2] - means[0], values[2:] - means[1]])
    )


def test_heads_are_perceptrons_side_by_side() -> None:
    torch.manual_seed(0)
    heads = Heads([4, 5, 3], 2, 6, nn.ReLU())
    x = torch.randn(7, 4)
    for k in range(6):
        h = torch.relu(x @ heads.weights[0][k] + heads.biases[0][k])
        h = torch.relu(h @ heads.weights[1][k] + heads.biases[1][k])
        torch.testing.assert_close(heads(x)[:, k], h @ heads.weights[2][k] + heads.biases[2][k])
    assert heads(x).shape == (7, 6, 2)


def test_hubbard_bit_is_set_for_oxides_and_fluorides_of_some_metals() -> None:
    features = ElementFeatures("hubbard")
    compositions = [[26, 8], [26, 26], [30, 8], [27, 9], [26, 16]]  # FeO, Fe, ZnO, CoF, FeS
    numbers = torch.tensor(compositions).flatten()
    bits = features(numbers, torch.arange(5).repeat_interleave(2), 5)[:, -1].view(5, 2)
    assert bits.tolist() == [[1, 1], [0, 0], [0, 0], [1, 1], [0, 0]]
    assert features.size == 104 and ElementFeatures("period").size == 39
