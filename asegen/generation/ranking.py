"""`Ranking`: by what candidates are ordered, and how many there are."""

from __future__ import annotations

from dataclasses import dataclass

from asegen.errors import InputError


@dataclass(frozen=True)
class Ranking:
    """How candidates are ordered.

    Attributes:
        by: "none", "alignn", "chgnet", or a calculator's name, see `asegen.generation.rankers.find_ranker`.
        candidates: of each formula, at least 1; a `Generator` gives the best `n` of them.
        relax_steps: of the calculator, before its energy counts.
        device: where networks compute.

    Raises:
        InputError: no candidates.
    """

    by: str = "alignn"
    candidates: int = 40
    relax_steps: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuses a ranking of nothing."""
        if self.candidates < 1:
            wrong = f"candidates = {self.candidates}: at least 1 candidate of each formula is needed"
            raise InputError(wrong, "candidates")


Ranking.__init__.__doc__ = "How candidates are ordered; arguments as above."
