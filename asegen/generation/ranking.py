"""`Ranking`: by what candidates are ordered, and how many there are."""

from __future__ import annotations

import math
from dataclasses import dataclass

from asegen.arguments import real_number, text, whole_number
from asegen.errors import InputError
from asegen.potentials.registry import check_name

NONE, ALIGNN, CHGNET = "none", "alignn", "chgnet"
WITHOUT_FORCES = (NONE, ALIGNN)
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


def check_ranking(by: str, relax_steps: int) -> None:
    """Refuses a ranking that there isn't; imports no potential.

    Args:
        by: as in `Ranking`.
        relax_steps: as there.

    Raises:
        InputError: no such name, or steps that can't be made.
    """
    if relax_steps < 0:
        raise InputError(f"relax_steps = {relax_steps}: at least 0 is needed", "relax_steps")
    if by in WITHOUT_FORCES:
        if relax_steps:
            raise InputError(f"relax_steps needs forces: rank by {CHGNET} or a calculator, not {by}", "relax_steps")
        return
    try:
        check_name(by)
    except InputError as error:
        raise no_ranking(error) from None


def no_ranking(error: InputError) -> InputError:
    """The error of a potential's name, where other rankings are possible, too."""
    return InputError(f"rank: {error}; or {ALIGNN}, or {NONE}", "rank")


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
        InputError: no such name or order, no candidates, steps that can't be made, or a pressure that isn't one or
            that needs another ranking.
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
        text("by", self.by, CHGNET)
        for name in ("candidates", "relax_steps"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name)))
        object.__setattr__(self, "pressure", real_number("pressure", self.pressure))
        if self.candidates < 1:
            wrong = f"candidates = {self.candidates}: at least 1 candidate of each formula is needed"
            raise InputError(wrong, "candidates")
        if not 0 <= self.pressure < math.inf:
            wrong = f"pressure = {self.pressure:g}: a number of GPa that isn't negative is needed"
            raise InputError(wrong, "pressure")
        if self.pressure and self.by in WITHOUT_FORCES:
            raise InputError(f"pressure needs forces: rank by {CHGNET} or a calculator, not {self.by}", "pressure")
        check_ranking(self.by, self.relax_steps)


Ranking.__init__.__doc__ = "How candidates are ordered; arguments as above."
