"""From atoms to crystals, and from crystals to numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from asegen.crystals.crystals import Crystals


def crystal_mean(values: Tensor, crystals: Crystals) -> Tensor:
    """The mean of each crystal's atoms.

    Args:
        values: (n_atoms_total, …).
        crystals: the atoms' crystals.

    Returns:
        (n_crystals, …).
    """
    total = values.new_zeros(len(crystals), *values.shape[1:]).index_add(0, crystals.batch, values)
    return total / crystals.n_atoms.to(values.dtype).view(-1, *[1] * (values.dim() - 1))


def without_mean(values: Tensor, crystals: Crystals) -> Tensor:
    """(n_atoms_total, …): what atoms have beyond the mean of their crystal, such as motions but for a translation.

    Args:
        values: (n_atoms_total, …).
        crystals: the atoms' crystals.
    """
    return values - crystal_mean(values, crystals)[crystals.batch]


def group_mean(values: Tensor, group: Tensor, n_groups: int) -> Tensor:
    """The mean of each group's rows; 0 for a group without any.

    Args:
        values: (n, …).
        group: (n,), int64, of each row.
        n_groups: how many there are.

    Returns:
        (n_groups, …).
    """
    count = torch.bincount(group, minlength=n_groups).clamp_min(1).to(values.dtype)
    total = values.new_zeros(n_groups, *values.shape[1:]).index_add(0, group, values)
    return total / count.view(-1, *[1] * (values.dim() - 1))


class Heads(nn.Module):
    """Several small perceptrons side by side on one vector: what they disagree about measures uncertainty.

    Args:
        widths: sizes of the input and of the hidden layers; the input alone makes linear heads.
        outputs: numbers that each head gives.
        heads: how many; each starts from its own random weights.
        activation: between layers.
    """

    def __init__(self, widths: Sequence[int], outputs: int, heads: int, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation
        sizes = list(pairwise([*widths, outputs]))
        bounds = [1 / math.sqrt(n_in) for n_in, _ in sizes]
        self.weights = nn.ParameterList(
            [nn.Parameter(torch.empty(heads, a, b).uniform_(-r, r)) for (a, b), r in zip(sizes, bounds, strict=True)]
        )
        self.biases = nn.ParameterList(
            [nn.Parameter(torch.empty(heads, 1, b).uniform_(-r, r)) for (_, b), r in zip(sizes, bounds, strict=True)]
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, width) to (n, heads, outputs)."""
        h = x.expand(self.weights[0].shape[0], *x.shape)
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.baddbmm(bias, self.activation(h) if k else h, weight)
        return h.transpose(0, 1)
