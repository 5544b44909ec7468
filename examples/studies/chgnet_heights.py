"""CHGNet's energies of crystals as they are, and their heights above the Materials Project's hull."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ase import Atoms

from asegen.generation.above_hull import ABOVE_HULL, AboveHull
from asegen.generation.rankers import Ranker, find_ranker
from asegen.generation.ranking import CHGNET

AT_ONCE = 400
"""Crystals whose graphs are in the memory together."""


def energies(crystals: Sequence[Atoms]) -> list[float]:
    """Energies, eV/atom; NaN where there is none."""
    return _energies(crystals, _chgnet())


def heights(crystals: Sequence[Atoms]) -> list[float]:
    """Energies above the hull, eV/atom; NaN where there is none.

    Those of one composition are measured against one another, so that they must come together.
    """
    ranker = _chgnet()
    plain = [Atoms(one.numbers, one.positions, cell=one.cell, pbc=True) for one in crystals]
    for atoms, energy in zip(plain, _energies(plain, ranker), strict=True):
        if not math.isnan(energy):
            atoms.info["energy_per_atom"] = energy
    AboveHull(ranker).place(plain)
    return [atoms.info.get(ABOVE_HULL, math.nan) for atoms in plain]


def _chgnet() -> Ranker:
    ranker = find_ranker(CHGNET, "cpu")
    assert ranker is not None
    return ranker


def _energies(crystals: Sequence[Atoms], ranker: Ranker) -> list[float]:
    found: list[float] = []
    for start in range(0, len(crystals), AT_ONCE):
        found += [judged.energy for judged in ranker.judge(crystals[start : start + AT_ONCE])]
        print(f"{len(found)} of {len(crystals)} energies", flush=True)
    return found
