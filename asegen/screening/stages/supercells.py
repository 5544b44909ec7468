"""Supercells with displaced atoms, by phonopy."""

from __future__ import annotations

from math import ceil
from typing import Any, Literal

import numpy as np
from ase import Atoms
from ase.units import Bohr

from asegen.structures.validity import standardised

Interface = Literal["vasp", "qe"]
"""Of phonopy: VASP, Quantum ESPRESSO."""

_SYMPREC = 1e-4  # Å; the crystals here have their space group exactly


def primitive(atoms: Atoms, symprec: float) -> Atoms:
    """The standardised primitive cell with its space group made exact; the crystal as it is where spglib finds none."""
    found = standardised(atoms, symprec, idealise=True)
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True) if found is None else found


def multiples(atoms: Atoms, height: float) -> tuple[int, ...]:
    """How often to repeat a cell along each vector, so that opposite faces are at least `height` (Å) apart."""
    heights = 1 / np.linalg.norm(np.linalg.inv(atoms.cell.array), axis=0)
    return tuple(max(1, ceil(height / h - 1e-6)) for h in heights)


def displaced_supercells(atoms: Atoms, repeats: tuple[int, ...], distance: float, interface: Interface = "vasp") -> Any:
    """A `phonopy.Phonopy` with displacements made, in the units of phonopy's interface to a program.

    Args:
        atoms: a primitive cell that has its space group exactly.
        repeats: multiples of its three vectors.
        distance: of a displacement, Å.
        interface: the program; lengths are Å for "vasp", Bohr radii for "qe".
    """
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms

    length = 1.0 if interface == "vasp" else 1 / Bohr
    cell = PhonopyAtoms(
        numbers=atoms.numbers,
        cell=length * atoms.cell.array,
        scaled_positions=atoms.get_scaled_positions(),
        masses=atoms.get_masses(),  # phonopy knows none of Po, Pu and a dozen others
    )
    phonon = Phonopy(
        cell,
        supercell_matrix=np.diag(repeats),
        primitive_matrix=np.eye(3),
        symprec=length * _SYMPREC,
        calculator=interface,
    )
    phonon.generate_displacements(distance=length * distance)
    return phonon
