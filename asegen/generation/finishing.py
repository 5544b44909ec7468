"""Crystals that were made in a space group, as Atoms that have it exactly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from ase import Atoms

from asegen.errors import InputError
from asegen.structures.space_groups import symmetry_dataset
from asegen.structures.validity import check_atoms, niggli_reduce
from asegen.symmetry.analysis import Structure, SymmetricCrystal, found_group, structure_of
from asegen.symmetry.assignments import Occupation
from asegen.symmetry.groups import Floats, space_group

CELLS = ("primitive", "conventional")
SYMPREC = 1e-3
"""Å, of the space group in `info`. Within it spglib has to find the group that was asked for, or a supergroup."""


def check_cell(cell: str) -> str:
    """One of `CELLS`, as it is.

    Raises:
        InputError: it isn't.
    """
    if cell not in CELLS:
        raise InputError(f"cell = {cell!r} is not one of {', '.join(CELLS)}", "cell")
    return cell


def finished(crystals: Iterable[SymmetricCrystal], cell: str) -> Iterator[Atoms]:
    """Atoms of each crystal, exact in float64, with what spglib finds in `info`.

    `info` names spacegroup_requested (the group that it was made in), spacegroup and spacegroup_symbol (what spglib
    finds within `SYMPREC`: the same, or a supergroup), and wyckoff (what is where, such as "Na:a Cl:b").

    Args:
        crystals: finite.
        cell: one of `CELLS`; "primitive" is Niggli-reduced.
    """
    for crystal in crystals:
        group = space_group(crystal.group)
        structure = structure_of(crystal, conventional=cell == "conventional")
        basis = np.eye(3) if cell == "conventional" else group.primitive
        if cell == "primitive":
            reduced, positions = niggli_reduce(structure[0], structure[1])
            basis = np.rint(reduced @ np.linalg.inv(structure[0])) @ basis
            structure = reduced, positions, structure[2]
        found = _find(structure, group.operations(basis))
        atoms = Atoms(cell=structure[0], scaled_positions=structure[1], numbers=structure[2], pbc=True)
        wyckoff = str(Occupation(group.number, tuple((site.letter, site.number) for site in crystal.sites)))
        atoms.info = {"spacegroup_requested": group.number, "wyckoff": wyckoff, **found}
        yield atoms


def note_group(atoms: Atoms) -> None:
    """Adds spacegroup and spacegroup_symbol to `info`: what spglib finds within `SYMPREC`, which is P1 of rough ones.

    Those that a crystal had before it was moved are replaced.

    Args:
        atoms: with the verdict of the validity gate in `info`; what fails it has no group.
    """
    for name in ("spacegroup", "spacegroup_symbol"):
        atoms.info.pop(name, None)
    group = symmetry_dataset(atoms, SYMPREC) if atoms.info["valid"] else None  # spglib must never see what isn't finite
    if group is not None:
        atoms.info |= {"spacegroup": int(group.number), "spacegroup_symbol": group.international}


def _find(structure: Structure, operations: tuple[Floats, Floats]) -> dict[str, object]:
    cell, positions, numbers = structure
    if check_atoms(Atoms(cell=cell, scaled_positions=positions, numbers=numbers, pbc=True)) is not None:
        return {}  # spglib must never see what isn't finite, and the gate's verdict is given elsewhere
    found = found_group(structure, *operations, SYMPREC)
    if found is None or not found.holds:
        return {"reason": f"space group: spglib does not find it within {SYMPREC:g} Å"}
    return {"spacegroup": found.number, "spacegroup_symbol": found.symbol}
