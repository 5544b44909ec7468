"""Rows of several owners in one tensor, one owner after the other: atoms of crystals, images of sites, edges of atoms.

Owner k has `counts[k]` rows. All are int64, on the device of what they are given.
"""

from __future__ import annotations

import torch
from torch import Tensor


def first_rows(counts: Tensor) -> Tensor:
    """(n_owners,): index of each owner's first row.

    Args:
        counts: (n_owners,), int64.
    """
    return torch.cumsum(counts, 0) - counts


def owners(counts: Tensor, n_rows: int | None = None) -> Tensor:
    """(n_rows,): the owner of each row.

    Args:
        counts: (n_owners,), int64.
        n_rows: their sum where it is known: asking a GPU for it waits.
    """
    return torch.repeat_interleave(counts, output_size=n_rows)


def ranges(starts: Tensor, lengths: Tensor) -> Tensor:
    """(lengths.sum(),): whole numbers from each start on, as many as its length, one range after the other.

    Args:
        starts: (n,), int64.
        lengths: (n,), int64.
    """
    total = int(lengths.sum())
    offset = torch.repeat_interleave(starts - first_rows(lengths), lengths, output_size=total)
    return torch.arange(total, device=lengths.device) + offset


def rows_of(counts: Tensor, chosen: Tensor) -> Tensor:
    """The rows of chosen owners, owner by owner.

    Args:
        counts: (n_owners,), int64.
        chosen: int64, owners in any order, with repeats.
    """
    return ranges(first_rows(counts)[chosen], counts[chosen])
