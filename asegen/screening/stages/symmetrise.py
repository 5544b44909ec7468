"""Crystals that nearly have a space group are given it exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from typing_extensions import override

from asegen.errors import Reason
from asegen.screening.columns import Column
from asegen.screening.options import Options
from asegen.screening.records import Candidate, Outcome
from asegen.screening.stage import Stage
from asegen.screening.stages.shared import N_ATOMS, SPACE_GROUP, chunks
from asegen.structures.space_groups import refined, space_group

_AT_ONCE = 16


@dataclass(frozen=True)
class Symmetrise(Stage):
    """Makes crystals that nearly have a space group have it exactly, in their standardised primitive cells.

    Attributes:
        symprec: Å, how far an atom may be from where symmetry wants it.
    """

    name: ClassVar[str] = "symmetrise"
    columns: ClassVar[tuple[Column, ...]] = (N_ATOMS, SPACE_GROUP)
    alone: ClassVar[bool] = True
    symprec: float = 0.1

    @override
    @classmethod
    def of(cls, options: Options) -> Self:
        return cls(options.symprec)

    @override
    def groups(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        return chunks([candidate.key for candidate in candidates], _AT_ONCE)

    @override
    def work(self, candidates: Sequence[Candidate], supplied: None) -> list[Outcome]:
        return [self._one(candidate) for candidate in candidates]

    @override
    def gave_up(self, candidate: Candidate, status: str, reason: Reason) -> Outcome:
        return Outcome(notes=(f"not symmetrised: {reason}",))

    def _one(self, candidate: Candidate) -> Outcome:
        crystal = refined(candidate.crystal, self.symprec)
        if crystal is None:
            return Outcome(notes=("not symmetrised: spglib finds no cell that keeps the composition",))
        found = {SPACE_GROUP.name: space_group(crystal, self.symprec), N_ATOMS.name: len(crystal)}
        return Outcome(found=found, atoms=crystal)
