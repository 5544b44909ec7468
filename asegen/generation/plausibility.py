"""What no known crystal is like: densities, distances and bonds that chemistry doesn't allow.

The validity gate asks whether a structure can be computed with; this one asks whether it makes sense. It has a limit
for every pair of elements and for every composition, and few known crystals are beyond one of them.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from ase.formula import Formula
from ase.neighborlist import neighbor_list

from asegen.elements import COVALENT_RADIUS, ELECTRONEGATIVITY, LAST, TYPICAL_VOLUME
from asegen.prototypes.sensible import LEAST_VOLUME, SHORTEST
from asegen.structures.oxidation import may_be_neutral

MOST_VOLUME = 1.6
"""Share of the sum of `TYPICAL_VOLUME`; `LEAST_VOLUME` is the least: diamond has 0.42, 0.39 as EMPNN relaxes it and
0.35 at 120 GPa, MgO 0.60; of 17,026 known crystals 0.5 % are larger."""
SHORTEST_IONIC = 0.66
"""Share of the sum of covalent radii, of ionic pairs; `SHORTEST` is that of others. The shortest among pairs of 1,200
known crystals are 0.69 and 0.77."""
_IONIC = 1.5
"""Difference of electronegativities."""
ANIONS = {7: -3, 8: -2, 9: -1, 17: -1}
"""Atomic number -> charge of those that bond to themselves only where they have less of it, as in peroxides."""
_BOND = 1.2
"""Share of the sum of covalent radii: 1.58 Å of two oxygen atoms."""
_HYDROGEN = 1.4
"""Share of the sum of covalent radii within which hydrogen has a neighbour: 1.43 Å of nitrogen, 3.3 Å of lanthanum. Of
1,655 known crystals with hydrogen one, far above the hull, has an atom of it farther from all others; hydrogen midway
between two fluorines (CsHF2, 1.31) or in the hole of a nitride (Ca2HN, 1.28) is within."""
IMPLAUSIBLE = "implausible"
"""In `info`: one line that says why a structure makes no sense; nothing otherwise."""

_RADII, _NEGATIVITY = np.array(COVALENT_RADIUS), np.array(ELECTRONEGATIVITY)
_VOLUMES = np.array(TYPICAL_VOLUME)


def implausible(atoms: Atoms) -> str | None:
    """Why a structure makes no sense, or None; a known crystal of its own composition makes sense.

    Molecular crystals, such as solid nitrogen and dry ice, take far more volume than their atoms do in others.

    Args:
        atoms: passes the validity gate; `info` of the sources tells what is known.
    """
    return None if _is_known_crystal(atoms) else _wrong_volume(atoms) or _wrong_distance(atoms) or _lone_hydrogen(atoms)


def _is_known_crystal(atoms: Atoms) -> bool:
    info = atoms.info
    if info.get("source") == "precedent" and info.get("precedent"):
        return bool(Formula(str(info["precedent"])).reduce()[0] == atoms.symbols.formula.reduce()[0])
    return bool(info.get("source") == "template" and info.get("template_distance") == 0)


def _known(atoms: Atoms) -> np.ndarray[tuple[int], np.dtype[np.integer]]:
    return np.minimum(atoms.numbers, LAST)


def _wrong_volume(atoms: Atoms) -> str | None:
    typical = float(_VOLUMES[_known(atoms)].sum())
    share = atoms.get_volume() / typical
    if LEAST_VOLUME <= share <= MOST_VOLUME:
        return None
    size = len(atoms)
    return f"volume: {atoms.get_volume() / size:.1f} Å³/atom where {typical / size:.1f} is typical"


def _wrong_distance(atoms: Atoms) -> str | None:
    numbers = _known(atoms)
    i, j, distance = neighbor_list("ijd", atoms, _BOND * _RADII[numbers])
    share = distance / (_RADII[numbers[i]] + _RADII[numbers[j]])
    is_ionic = np.abs(_NEGATIVITY[numbers[i]] - _NEGATIVITY[numbers[j]]) > _IONIC
    wrong = share < np.where(is_ionic, SHORTEST_IONIC, SHORTEST)
    wrong |= (numbers[i] == numbers[j]) & np.isin(numbers[i], _unbound(tuple(sorted(atoms.numbers.tolist()))))
    if not wrong.any():
        return None
    k = int(np.argmin(np.where(wrong, share, np.inf)))
    pair = "–".join(sorted(chemical_symbols[atoms.numbers[a]] for a in (i[k], j[k])))
    return f"bond: {pair} of {distance[k]:.2f} Å"


def _lone_hydrogen(atoms: Atoms) -> str | None:
    """Hydrogen is bonded in molecules, and has metals around it in hydrides; ammonia without N–H bonds is neither."""
    numbers = _known(atoms)
    hydrogen = np.flatnonzero(numbers == 1)
    if not len(hydrogen):
        return None
    bonded = neighbor_list("i", atoms, _HYDROGEN * _RADII[numbers])
    return None if np.isin(hydrogen, bonded).all() else "bond: H bonded to nothing"


@lru_cache(maxsize=1000)
def _unbound(numbers: tuple[int, ...]) -> list[int]:
    """Anions that can have their usual charge in a composition, so that no two of them are bonded."""
    counts = Counter(numbers)
    if len(counts) == 1:
        return []
    return [z for z in ANIONS if z in counts and may_be_neutral(counts, {z: ANIONS[z]})]
