"""Energies above the Materials Project's hull by CHGNet, of crystals as they are."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ase import Atoms

from asegen.generation.above_hull import ABOVE_HULL, AboveHull
from asegen.generation.rankers import find_ranker
from asegen.generation.ranking import CHGNET

AT_ONCE = 400
"""Crystals whose graphs are in the memory together."""


def heights(crystals: Sequence[Atoms]) -> list[float]:
    """Energies above the hull, eV/atom; NaN where there is none.

    Those of one composition are measured against one another, so that they must come together.
    """
    ranker = find_ranker(CHGNET, "cpu")
    assert ranker is not None
    plain = [Atoms(one.numbers, one.positions, cell=one.cell, pbc=True) for one in crystals]
    for start in range(0, len(plain), AT_ONCE):
        part = plain[start : start + AT_ONCE]
        for atoms, judged in zip(part, ranker.judge(part), strict=True):
            if not math.isnan(judged.energy):
                atoms.info["energy_per_atom"] = judged.energy
        print(f"{start + len(part)} of {len(plain)} energies", flush=True)
    AboveHull(ranker).place(plain)
    return [atoms.info.get(ABOVE_HULL, math.nan) for atoms in plain]
