"""The Bravais lattices, and which strains keep a cell of each."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

BRAVAIS = ("aP", "mP", "mC", "oP", "oC", "oI", "oF", "tP", "tI", "hR", "hP", "cP", "cI", "cF")
"""The Bravais lattices; the base-centred orthorhombic ones, on C and on A, are both oC."""

# Coordinates of `symmetric_basis` (12, 13, 23, 11 - 22, 11 + 22 - 2·33, volume) that each family of crystals may have;
# monoclinic: unique axis b.
_ALLOWED = {
    "a": (True, True, True, True, True, True),
    "m": (False, True, False, True, True, True),
    "o": (False, False, False, True, True, True),
    "t": (False, False, False, False, True, True),
    "h": (False, False, False, False, True, True),
    "c": (False, False, False, False, False, True),
}


def allowed_coordinates(bravais: Tensor) -> Tensor:
    """Which of the six lattice coordinates are free.

    Args:
        bravais: (n,), int64, indices into `BRAVAIS`.

    Returns:
        (n, 6), bool.
    """
    return _allowed_table(bravais.device)[bravais]


@cache
def _allowed_table(device: torch.device) -> Tensor:
    return torch.tensor([_ALLOWED[name[0]] for name in BRAVAIS], device=device)
