"""What a CIF says of its elements, its mass and its crystal system, compared with what was read from it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import numpy as np
from ase.data import atomic_masses, chemical_symbols
from numpy.typing import NDArray

from asegen.structures.cif_tags import Tags, column, said, said_number
from asegen.structures.fields import HEAVY_HYDROGEN

_TYPES, _IN_CELL = "_atom_type_symbol", "_atom_type_number_in_cell"
_WEIGHT, _UNITS, _DENSITY = "_chemical_formula_weight", "_cell_formula_units_z", "_exptl_crystal_density_diffrn"
_SYSTEM = ("_space_group_crystal_system", "_symmetry_cell_setting")
_SYMBOL = re.compile(r"[A-Z][a-z]?")
_MASS_TOLERANCE = 0.2
"""Relative: isotopes leave that much, deuterium in an oxide most of all."""
_DALTON = 1.66053907  # g/cm³ of one dalton in one Å³
_HEXAGONAL = {"trigonal", "hexagonal", "rhombohedral"}  # named in either way
_SYSTEMS = (
    (range(1, 3), {"triclinic"}), (range(3, 16), {"monoclinic"}), (range(16, 75), {"orthorhombic"}),
    (range(75, 143), {"tetragonal"}), (range(143, 195), _HEXAGONAL), (range(195, 231), {"cubic"}),
)  # fmt: skip


def of_elements(tags: Tags, numbers: NDArray[np.int64]) -> str | None:
    """What contradicts in the list of elements, and in their numbers of atoms in the cell; None where nothing does.

    Args:
        tags: of the CIF's block.
        numbers: (n_atoms,), atomic numbers of the whole cell.
    """
    kinds = [_element(str(kind)) for kind in column(tags, _TYPES) or ()]
    counts = Counter(chemical_symbols[z] for z in numbers)
    missing = [symbol for symbol in counts if symbol not in kinds]
    if kinds and None not in kinds and missing:
        return f"{missing[0]} is not among the elements that are named, {', '.join(map(str, kinds))[:60]}"
    told: defaultdict[str, float] = defaultdict(float)
    for kind, number in zip(kinds, column(tags, _IN_CELL) or (), strict=False):
        if kind is not None and isinstance(number, int | float):
            told[kind] += number  # several ions of one element
    wrong = next((kind for kind in told if told[kind] != counts[kind]), None)
    if wrong is None:
        return None
    return f"the cell is said to hold {told[wrong]:g} atoms of {wrong}, and has {counts[wrong]}"


def of_mass(tags: Tags, numbers: NDArray[np.int64], volume: float) -> str | None:
    """What contradicts in the weight of a formula unit and in the density; None where nothing does.

    Args:
        tags: of the CIF's block.
        numbers: (n_atoms,), atomic numbers of the whole cell.
        volume: of the cell, Å³.
    """
    mass = float(atomic_masses[numbers].sum())
    density, told = mass / volume * _DALTON, said_number(tags, _DENSITY)
    if told is not None and abs(told - density) > _MASS_TOLERANCE * density:
        return f"the density is said to be {told:g} g/cm³, and is {density:.3g}"
    weight, units = said_number(tags, _WEIGHT), said_number(tags, _UNITS)
    if (
        weight is None
        or units is None
        or any(abs(w - mass) <= _MASS_TOLERANCE * mass for w in (weight * units, weight))
    ):
        return None
    return f"{units:g} formulas are said to weigh {weight:g} each, and the cell weighs {mass:.4g}"


def of_system(tags: Tags, groups: set[int]) -> str | None:
    """What contradicts in the crystal system; None where nothing does, or the word is unknown.

    Args:
        tags: of the CIF's block.
        groups: numbers of the space groups that the crystal may be said to have.
    """
    told = (said(tags, _SYSTEM) or "").lower()
    known = any(told in names for _, names in _SYSTEMS)
    fits = any(told in names for numbers, names in _SYSTEMS for group in groups if group in numbers)
    return (
        f"the crystal is said to be {told}, and its group is {min(groups)}" if known and groups and not fits else None
    )


def _element(kind: str) -> str | None:
    """The element of a type such as "Fe3+"; None where the name is something else."""
    found = _SYMBOL.match(kind)
    if found is None or found[0] not in {*chemical_symbols[1:], *HEAVY_HYDROGEN}:
        return None
    return "H" if found[0] in HEAVY_HYDROGEN else found[0]
