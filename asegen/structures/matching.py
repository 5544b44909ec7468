"""Which of several crystals are the same one, by pymatgen's StructureMatcher without scaling.

With its default scaling the matcher merges cells of 2.2 times each other's volume; energies then say otherwise. Most
pairs of a formula are told apart before the matcher is asked, see `asegen.structures.prefilter`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ase import Atoms
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.parallel.limits import OutOfTime, time_limit
from asegen.structures.prefilter import Shape, Shapes

ENERGIES = 0.005
"""eV/atom. What two relaxations of one crystal leave is less; crystals that differ by more are different ones, however
alike they are: ordered alloys of the kinds L1_0 and B2 lie within the matcher's own tolerances."""
SECONDS = 20.0
"""Of processor time for one pair; a pair that takes longer counts as two crystals."""


@dataclass(frozen=True)
class Tolerances:
    """Of StructureMatcher.

    Attributes:
        stol: share of (V/n)^(1/3), root mean square distance of matched sites.
        ltol: of lengths, a share.
        angle: degrees.
    """

    stol: float
    ltol: float
    angle: float


STRICT = Tolerances(0.1, 0.1, 3.0)
"""For crystals as they came, which relaxing may still tell apart: only what is plainly the same."""
USUAL = Tolerances(0.3, 0.2, 5.0)
"""pymatgen's own, for relaxed crystals."""


class Same(NamedTuple):
    """The earlier crystal that one is the same as.

    Attributes:
        earlier: its index; None where there is none.
        timed_out: comparisons that took too long.
    """

    earlier: int | None
    timed_out: int


class Distinct:
    """Crystals of one reduced formula that are taken in one after the other, and which earlier one each is the same as.

    Being alike within tolerances is not transitive: a crystal is compared with those that are themselves no copy.

    Args:
        tolerances: how different the same may be.
    """

    def __init__(self, tolerances: Tolerances) -> None:
        self._matcher = StructureMatcher(
            ltol=tolerances.ltol, stol=tolerances.stol, angle_tol=tolerances.angle, primitive_cell=True, scale=False
        )
        self._shapes = Shapes(tolerances.stol, tolerances.ltol, tolerances.angle)
        self._is_narrow = tolerances.stol <= STRICT.stol  # beyond, atoms have several partners: the matcher has to look
        self._different: dict[int, Structure] = {}
        self._seen: dict[int, Shape] = {}
        self._energies: dict[int, float | None] = {}
        self._count = 0

    def add(self, atoms: Atoms, compare: bool = True, energy: float | None = None) -> Same:
        """Takes a crystal in.

        Args:
            atoms: a crystal.
            compare: or take it for new without looking.
            energy: eV/atom, relaxed, by one potential; what differs by more than `ENERGIES` isn't the same.
        """
        index, timed_out = None, 0
        try:
            crystal = _reduced(atoms)
        except ValueError:  # pymatgen finds no Niggli cell of a few crystals: they stay, uncompared
            self._count += 1
            return Same(None, 0)
        shape = Shape(crystal)
        for j in self._shapes.perhaps(shape) if compare else ():
            if _differ(energy, self._energies[j]):
                continue
            same = self._shapes.verdict(self._seen[j], shape) if self._is_narrow else None
            if same is None:
                same = _same(self._matcher, self._different[j], crystal)
            timed_out += same is None
            if same:
                index = j
                break
        if index is None:
            self._shapes.add(self._count, shape)
            self._seen[self._count] = shape
            self._different[self._count], self._energies[self._count] = crystal, energy
        self._count += 1
        return Same(index, timed_out)


def same_as(
    structures: Sequence[Atoms],
    kept: Sequence[Atoms],
    tolerances: Tolerances,
    energies: Sequence[float | None] | None = None,
) -> list[Same]:
    """For each crystal, the first one before it that is the same: of `kept`, then of the ones among itself.

    Args:
        structures: of one reduced formula, the ones to keep first.
        kept: of the same formula.
        tolerances: how different the same may be.
        energies: of `structures`, see `Distinct.add`; None for one that isn't known.

    Returns:
        For each of `structures` an index into `[*kept, *structures]`, or None where it is new.
    """
    seen = Distinct(tolerances)
    for atoms in kept:
        seen.add(atoms, compare=False)
    known = [None] * len(structures) if energies is None else energies
    return [seen.add(atoms, energy=energy) for atoms, energy in zip(structures, known, strict=True)]


def _differ(energy: float | None, other: float | None) -> bool:
    return energy is not None and other is not None and abs(energy - other) > ENERGIES


def _reduced(atoms: Atoms) -> Structure:
    """As the matcher itself would reduce it, once rather than for each pair."""
    plain = AseAtomsAdaptor.get_structure(Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True))
    return plain.get_reduced_structure(reduction_algo="niggli").get_primitive_structure()


def _same(matcher: StructureMatcher, a: Structure, b: Structure) -> bool | None:
    """None where it takes too long."""
    try:
        with time_limit(SECONDS, processor=True):
            return bool(matcher.fit(a, b, skip_structure_reduction=True))
    except OutOfTime:
        return None
