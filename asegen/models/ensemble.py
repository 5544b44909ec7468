"""Several networks that were trained apart, as one."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from asegen.crystals.crystals import Crystals


class Ensemble(nn.Module):
    """Networks of one class side by side, whose heads are one set of heads.

    Predictions are means over heads, and standard deviations their scatter, so that members agree or disagree as heads
    of one network do.

    Args:
        members: how many networks.
        **options: of each, the arguments of `member`.

    Attributes:
        member: the class of the networks.
    """

    member: ClassVar[type[nn.Module]]

    def __init__(self, members: int = 2, **options: Any) -> None:
        super().__init__()
        self.networks = nn.ModuleList(self.member(**options) for _ in range(members))

    def embed(self, crystals: Crystals) -> Tensor:
        """(n_crystals, members * width): what the heads of all members read."""
        return torch.cat([network.embed(crystals) for network in self._networks()], 1)

    def forward(self, crystals: Crystals) -> Tensor:
        """(n_crystals, members * heads, outputs); of numbers of atoms (n_atoms_total, members * heads, outputs)."""
        return torch.cat([network(crystals) for network in self._networks()], 1)

    def _networks(self) -> list[Any]:
        return list(self.networks)
