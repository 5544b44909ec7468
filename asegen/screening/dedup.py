"""Which of several crystals are the same one, by pymatgen's StructureMatcher without scaling.

With its default scaling the matcher merges cells of 2.2 times each other's volume; energies then say otherwise. Most
pairs of a formula are told apart before the matcher is asked, see `asegen.screening.alike`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ase import Atoms
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.screening.alike import Shape, Shapes
from asegen.workers import OutOfTime, time_limit

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


def same_as(structures: Sequence[Atoms], kept: Sequence[Atoms], tolerances: Tolerances) -> list[Same]:
    """For each crystal, the first one before it that is the same: of `kept`, then of the ones among itself.

    Being alike within tolerances is not transitive: a crystal is compared with those that are themselves no copy.

    Args:
        structures: of one reduced formula, the ones to keep first.
        kept: of the same formula.
        tolerances: how different the same may be.

    Returns:
        For each of `structures` an index into `[*kept, *structures]`, or None where it is new.
    """
    matcher = StructureMatcher(
        ltol=tolerances.ltol, stol=tolerances.stol, angle_tol=tolerances.angle, primitive_cell=True, scale=False
    )
    reduced = [_reduced(atoms) for atoms in (*kept, *structures)]
    shapes = Shapes(tolerances.stol, tolerances.ltol, tolerances.angle)
    for k in range(len(kept)):
        shapes.add(k, Shape(reduced[k]))
    found = []
    for k in range(len(kept), len(reduced)):
        shape, index, timed_out = Shape(reduced[k]), None, 0
        for j in shapes.perhaps(shape):
            same = _same(matcher, reduced[j], reduced[k])
            timed_out += same is None
            if same:
                index = j
                break
        if index is None:
            shapes.add(k, shape)
        found.append(Same(index, timed_out))
    return found


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
