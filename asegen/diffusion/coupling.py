"""Pairs noise with data so that the displacement between them is short, without changing either distribution.

Uniform noise on the torus is invariant under a common translation and under exchanging atoms of one element, and so
is a network of `Crystals`; choosing the translation and the exchange that shorten the displacement therefore leaves the
sampled distribution as it is and makes the flow straighter (equivariant optimal transport: Klein, Krämer and Noé,
NeurIPS 2023; Song et al., NeurIPS 2023).
"""

from __future__ import annotations

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.geometry.torus import shortest

_FORBIDDEN = 1e6  # cost of giving an atom another element's noise; above any sum of squared torus distances


def aligned_displacement(crystals: Crystals, noise: Tensor, rounds: int = 2, swaps: int = 12) -> Tensor:
    """Displacements from noise to the crystals' positions after aligning the noise.

    In turn, the common translation is removed and the best exchange of two atoms of one element per crystal is made
    (a 2-opt descent of the assignment, on the device for the whole batch).

    Args:
        crystals: the data.
        noise: (n_atoms_total, 3), fractional, in [0, 1).
        rounds: how often the translation is fitted.
        swaps: exchanges after each fit.

    Returns:
        (n_atoms_total, 3), fractional, the displacement `x_data − x_noise` of the aligned pair, shortest on the torus
        before a mean of zero over each crystal is restored.
    """
    batch, n_max = crystals.batch, crystals.largest
    slot = batch * n_max + torch.arange(len(batch), device=batch.device) - crystals.first_atom[batch]
    start = _dense(noise, slot, len(crystals), n_max)
    goal = _dense(crystals.scaled_positions, slot, len(crystals), n_max)
    kind = _dense(crystals.numbers, slot, len(crystals), n_max)
    weight = (kind > 0).to(start.dtype)[..., None]
    forbidden = (kind[:, :, None] != kind[:, None, :]).to(start.dtype) * _FORBIDDEN
    for _ in range(rounds):
        displacement = shortest(goal - start)
        start = start + (displacement * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True)
        start = _exchange(start, goal, forbidden, swaps)
    displacement = shortest(goal - start) * weight
    displacement = displacement - (displacement.sum(1, keepdim=True) / weight.sum(1, keepdim=True)) * weight
    return displacement.flatten(0, 1)[slot]


def _dense(values: Tensor, slot: Tensor, n_crystals: int, n_max: int) -> Tensor:
    padded = values.new_zeros((n_crystals * n_max, *values.shape[1:]))
    padded[slot] = values
    return padded.view(n_crystals, n_max, *values.shape[1:])


def _exchange(start: Tensor, goal: Tensor, forbidden: Tensor, swaps: int) -> Tensor:
    """Per crystal, `swaps` times, exchanges the two noise atoms whose exchange shortens the displacement most."""
    cost = shortest(goal[:, :, None, :] - start[:, None, :, :]).square().sum(-1) + forbidden  # (B, goal, noise)
    n_crystals, n_max = cost.shape[:2]
    crystal = torch.arange(n_crystals, device=cost.device)
    order = torch.arange(n_max, device=cost.device).repeat(n_crystals, 1)
    for _ in range(swaps):
        own = cost.diagonal(dim1=1, dim2=2)
        gain = own[:, :, None] + own[:, None, :] - cost - cost.mT
        best, pair = gain.flatten(1).max(dim=1)
        a, b = pair // n_max, pair % n_max
        a, b = torch.where(best > 0, a, 0), torch.where(best > 0, b, 0)
        swapped = torch.arange(n_max, device=cost.device).repeat(n_crystals, 1)
        swapped[crystal, a], swapped[crystal, b] = b, a
        order = order.gather(1, swapped)
        cost = cost.gather(2, swapped[:, None, :].expand(-1, n_max, -1))
    return start.gather(1, order[..., None].expand(-1, -1, 3))
