"""`Ranking`: by what candidates are ordered, and how many there are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral

from asegen.errors import InputError

WITHOUT_FORCES = ("none", "alignn")
"""Rankings that relax nothing."""
ENERGY, LIKELIHOOD = "energy", "likelihood"
ORDERS = (ENERGY, LIKELIHOOD)
"""In which order structures come."""


def check_order(order_by: str | None) -> None:
    """Refuses an order that there isn't.

    Args:
        order_by: one of `ORDERS`, or None.

    Raises:
        InputError: no such order.
    """
    if order_by is not None and order_by not in ORDERS:
        raise InputError(f"order_by = {order_by!r} is not one of {', '.join(ORDERS)}", "order_by")


@dataclass(frozen=True)
class Ranking:
    """How candidates are ordered.

    Attributes:
        by: "none", "alignn", "chgnet", or a calculator's name, see `asegen.generation.rankers.find_ranker`.
        candidates: of each formula, at least 1; a `Generator` gives the best `n` of them.
        relax_steps: of the calculator, before its energy counts.
        device: where networks compute.
        pressure: GPa; candidates are relaxed at it by the calculator, and enthalpies are their energies.
        order_by: "energy"; or "likelihood": by what is likely in advance and the energy together, see `Ranked`.

    Raises:
        InputError: no candidates, no such order, or a pressure that isn't one or that needs another ranking.
    """

    by: str = "alignn"
    candidates: int = 40
    relax_steps: int = 0
    device: str = "auto"
    order_by: str = ENERGY
    pressure: float = 0.0

    def __post_init__(self) -> None:
        """Refuses a ranking of nothing."""
        check_order(self.order_by)
        if self.candidates < 1:
            wrong = f"candidates = {self.candidates}: at least 1 candidate of each formula is needed"
            raise InputError(wrong, "candidates")
        if not 0 <= self.pressure < math.inf:
            wrong = f"pressure = {self.pressure:g}: a number of GPa that isn't negative is needed"
            raise InputError(wrong, "pressure")
        if self.pressure and self.by in WITHOUT_FORCES:
            raise InputError(f"pressure needs forces: rank by chgnet or a calculator, not {self.by}", "pressure")
        for name in ("candidates", "relax_steps"):
            if isinstance(number := getattr(self, name), Integral):  # NumPy's whole numbers are none of JSON's
                object.__setattr__(self, name, int(number))


Ranking.__init__.__doc__ = "How candidates are ordered; arguments as above."
