"""Structures refined to the space group that they have within a tolerance."""

from __future__ import annotations

from typing import NamedTuple

from ase import Atoms

from asegen.errors import InputError
from asegen.structures.given import Structure, as_atoms
from asegen.structures.space_groups import refined_in_place
from asegen.structures.tolerance import check_symprec
from asegen.structures.validity import check_atoms
from asegen.symmetry.analysis import SYMPREC, find_symmetry, structure_of
from asegen.symmetry.assignments import Occupation
from asegen.symmetry.groups import space_group

CELLS = ("primitive", "conventional", "as-is")


class Refined(NamedTuple):
    """A structure made exactly symmetric.

    Attributes:
        atoms: cell, positions and elements, with the original's `info`; with "as-is" all else too.
        group: number of the space group.
        symbol: its short symbol.
        wyckoff: what is where in the standard setting, such as "Na:a Cl:b".
    """

    atoms: Atoms
    group: int
    symbol: str
    wyckoff: str


def refine(atoms: Structure, symprec: float = SYMPREC, cell: str = "primitive") -> Refined:
    """Refines a structure to its space group.

    Args:
        atoms: a crystal, Atoms or pymatgen's Structure; not changed.
        symprec: Å, tolerance of the space group.
        cell: "primitive" or "conventional", in the standard setting of the International Tables; or "as-is": the cell,
            the orientation and the order of the atoms that it has.

    Raises:
        InputError: no structure, one that fails the validity gate, or no group is found.
    """
    if cell not in CELLS:
        raise InputError(f"cell {cell!r} is not one of {', '.join(CELLS)}")
    check_symprec(symprec)
    atoms = as_atoms(atoms)
    if (reason := check_atoms(atoms)) is not None:  # spglib must never see what isn't finite
        raise InputError(str(reason))
    crystal = find_symmetry(atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers, symprec)
    if cell == "as-is":
        in_place = refined_in_place(atoms, symprec)
        if in_place is None:
            raise InputError(f"spglib finds no space group at {symprec:g} Å")
        refined = in_place
    else:
        lattice, positions, numbers = structure_of(crystal, cell == "conventional")
        refined = Atoms(cell=lattice, scaled_positions=positions, numbers=numbers, pbc=True, info=dict(atoms.info))
    sites = tuple(sorted((site.letter, site.number) for site in crystal.sites))
    wyckoff = str(Occupation(crystal.group, sites))
    return Refined(refined, crystal.group, space_group(crystal.group).symbol, wyckoff)
