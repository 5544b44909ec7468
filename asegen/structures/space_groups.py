"""Space groups of candidates, and cells that have them exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import spglib
from ase import Atoms
from ase.spacegroup.symmetrize import refine_symmetry
from scipy.linalg import polar

from asegen.elements import ATOMIC_NUMBERS
from asegen.structures.validity import check_atoms, found_by_spglib, standardised

EXACT = 1e-7
"""Å, a tolerance that lets through rounding in double precision alone; VASP asks for 1e-5."""
NONE_FOUND = (AttributeError, TypeError, ValueError, spglib.SpglibError)
"""What ASE raises where spglib finds no space group: ASE passes on the None that spglib gives, where it gives one."""


def space_group(atoms: Atoms, symprec: float) -> str:
    """International symbol and number, such as "Fm-3m (225)"; empty where spglib finds none.

    Args:
        atoms: passes the validity gate: spglib ends the process on NaN.
        symprec: Å, tolerance of the space group.
    """
    found = found_by_spglib(spglib.get_spacegroup, _cell(atoms), symprec=symprec)
    return "" if found is None else found


def symmetry_dataset(atoms: Atoms, symprec: float) -> spglib.SpglibDataset | None:
    """What spglib finds of the symmetry; None where it finds none.

    Args:
        atoms: passes the validity gate.
        symprec: Å, tolerance of the space group.
    """
    return found_by_spglib(spglib.get_symmetry_dataset, _cell(atoms), symprec=symprec)


def space_group_number(atoms: Atoms, symprec: float) -> int | None:
    """The number of the space group; None where spglib finds none.

    Args:
        atoms: passes the validity gate.
        symprec: Å, tolerance of the space group.
    """
    found = symmetry_dataset(atoms, symprec)
    return None if found is None else int(found.number)


def refined(atoms: Atoms, symprec: float) -> Atoms | None:
    """The standardised primitive cell, its lattice and positions made to have the space group exactly.

    Args:
        atoms: passes the validity gate.
        symprec: Å, how far an atom may be from where symmetry wants it.

    Returns:
        None where spglib finds no such cell, or one of another composition or that the gate refuses.
    """
    crystal = standardised(atoms, symprec, idealise=True)
    if crystal is None or check_atoms(crystal) is not None or not _same_composition(atoms, crystal):
        return None
    return crystal


def refined_in_place(atoms: Atoms, symprec: float) -> Atoms | None:
    """A copy whose lattice and positions ASE has refined, in the cell and the order of atoms that it has.

    Args:
        atoms: passes the validity gate; constraints hold nothing back, and the copy has them.
        symprec: Å, how far an atom may be from where symmetry wants it.

    Returns:
        None where spglib finds no group.
    """
    crystal = atoms.copy()
    crystal.set_constraint()
    try:
        refine_symmetry(crystal, symprec)
    except NONE_FOUND:
        return None
    crystal.set_constraint(atoms.copy().constraints)
    return crystal


def made_exact(atoms: Atoms, symprec: float) -> Atoms | None:
    """The crystal with its space group made exact in the cell, the orientation and the order of atoms that it has.

    Args:
        atoms: passes the validity gate.
        symprec: Å, how far an atom may be from where symmetry wants it.

    Returns:
        None where spglib finds no group, or where the result has another one: a crystal whose deviations are near to
        the tolerance can be on either side of it once its cell is corrected.
    """
    crystal = refined_in_place(atoms, symprec)
    if crystal is None:
        return None
    _put_back(crystal, atoms)
    group = space_group(atoms, symprec)
    return crystal if check_atoms(crystal) is None and space_group(crystal, EXACT) == group else None


def _put_back(crystal: Atoms, atoms: Atoms) -> None:
    """Takes from a crystal what rotates and shifts it as a whole with respect to one that it is nearly the same as.

    Noise of the cell and of one atom would do both, and turn a cell that lies along the axes out of them: Quantum
    ESPRESSO looks for symmetry in fixed directions, to 1e-6.
    """
    rotation, _ = polar(np.linalg.solve(atoms.cell.array, crystal.cell.array), side="left")
    crystal.set_cell(crystal.cell.array @ rotation.T, scale_atoms=True, apply_constraint=False)
    crystal.positions -= (crystal.positions - atoms.cell.scaled_positions(atoms.positions) @ crystal.cell.array).mean(0)


def _cell(atoms: Atoms) -> Any:
    return atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers


def _same_composition(a: Atoms, b: Atoms) -> bool:
    counts = [np.bincount(atoms.numbers, minlength=ATOMIC_NUMBERS) for atoms in (a, b)]
    return bool((counts[0] * len(b) == counts[1] * len(a)).all())
