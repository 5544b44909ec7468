"""Several ALIGNNs that were trained apart, as one network."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from asegen.models.alignn.network import ALIGNN
from asegen.models.ensemble import Ensemble


class ALIGNNEnsemble(Ensemble):
    """See `Ensemble`; members are `ALIGNN`."""

    member: ClassVar[type[nn.Module]] = ALIGNN
