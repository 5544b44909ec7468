"""Which crystals each head of an ensemble learns from."""

from __future__ import annotations

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals

# Of the linear congruential generator MMIX (Knuth), and of splitmix's finaliser; products wrap around in int64.
_MULTIPLIER, _INCREMENT, _MIX = 6364136223846793005, 1442695040888963407, -4658895280553007687


def bag_weights(crystals: Crystals, heads: int) -> Tensor:
    """Weights 0 or 2: every head learns from its own random half of the crystals, the same half in every epoch.

    The halves follow from the bits of the cells, so that nothing has to be kept beside the data.

    Args:
        crystals: a batch.
        heads: how many heads there are; a single one learns from everything.

    Returns:
        (n_crystals, heads), dtype of the cells.
    """
    if heads == 1:
        return torch.ones(len(crystals), 1, dtype=crystals.dtype, device=crystals.device)
    bits = crystals.cell.detach().float().contiguous().view(torch.int32).flatten(1).to(torch.int64)
    state = torch.arange(1, heads + 1, device=bits.device).expand(len(crystals), heads)
    for column in bits.T:
        state = (state ^ column[:, None]) * _MULTIPLIER + _INCREMENT
    state = (state ^ (state >> 31)) * _MIX
    return 2 * ((state >> 40) & 1).to(crystals.dtype)
