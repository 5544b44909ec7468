"""Several ECNs that were trained apart, as one network."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from asegen.models.ecn.network import ECN
from asegen.models.ensemble import Ensemble


class ECNEnsemble(Ensemble):
    """See `Ensemble`; members are `ECN`."""

    member: ClassVar[type[nn.Module]] = ECN
    needs_primitive = ECN.needs_primitive
