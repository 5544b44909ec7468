"""Displaced supercells of modest size, for phonons by the user's own DFT.

A learned potential affords supercells of 12 Å and hundreds of atoms, DFT doesn't: here the supercell is the one with
the most distant faces, up to a distance, that has no more atoms than a limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from ase import Atoms

from asegen.screening.stages.band_structure import band_path
from asegen.screening.stages.supercells import Interface, displaced_supercells, multiples, primitive

SHORT = 8.0
"""Å, between opposite faces. In shorter supercells frequencies between wave vectors are read from few forces."""


@dataclass(frozen=True)
class CellSettings:
    """How displaced cells are made.

    Attributes:
        height: Å, distance between opposite faces that a supercell should have.
        most_atoms: of a supercell, unless the primitive cell has more; the supercell is made shorter for that.
        displacement: Å.
        symprec: Å, of the space group that the crystal is made to have.
    """

    height: float = 9.0
    most_atoms: int = 120
    displacement: float = 0.01
    symprec: float = 0.02


@dataclass(frozen=True)
class DisplacedCells:
    """The displaced supercells of a crystal.

    Attributes:
        phonon: a `phonopy.Phonopy` with its displacements made, in the units of its interface.
        primitive: the primitive cell, its elements in blocks.
        supercell: the supercell without displacement, Å.
        cells: the displaced ones, Å, atoms in the same order.
        repeats: multiples of the three vectors of the primitive cell.
    """

    phonon: Any
    primitive: Atoms
    supercell: Atoms
    cells: tuple[Atoms, ...]
    repeats: tuple[int, ...]

    def __str__(self) -> str:
        """Their number and size."""
        number = len(self.cells)
        return f"{number} cell{'s' if number > 1 else ''} of {len(self.supercell)} atoms"

    @property
    def height(self) -> float:
        """Å, the least distance between opposite faces of the supercell."""
        return float(1 / np.linalg.norm(np.linalg.inv(self.supercell.cell.array), axis=0).max())


def displaced_cells(atoms: Atoms, settings: CellSettings, interface: Interface = "vasp") -> DisplacedCells:
    """Makes the displaced supercells of a crystal.

    Args:
        atoms: a crystal; left as it is.
        settings: of the supercell and the displacements.
        interface: of phonopy, to the program that will compute the forces.
    """
    crystal = primitive(atoms, settings.symprec)
    crystal = crystal[np.argsort(crystal.numbers, kind="stable")]  # one block of each element, as in a POTCAR
    repeats = repeats_of(crystal, settings.height, settings.most_atoms)
    phonon = displaced_supercells(crystal, repeats, settings.displacement, interface)
    supercell = crystal.cell.array * np.array(repeats)[:, None]
    cells = [phonon.supercell, *phonon.supercells_with_displacements]
    found = [Atoms(c.symbols, cell=supercell, scaled_positions=c.scaled_positions, pbc=True) for c in cells]
    return DisplacedCells(phonon, crystal, found[0], tuple(found[1:]), repeats)


def repeats_of(atoms: Atoms, height: float, most_atoms: int) -> tuple[int, ...]:
    """Multiples of the vectors of a cell: the fewest that bring opposite faces `height` apart, or as far as they can.

    Args:
        atoms: a cell.
        height: Å.
        most_atoms: of the supercell; a cell that has more stays as it is.
    """
    heights = 1 / np.linalg.norm(np.linalg.inv(atoms.cell.array), axis=0)
    steps = {n * h for h in heights for n in range(1, int(height / h) + 1)}  # where one multiple or another grows
    for wanted in sorted({height, *steps}, reverse=True):
        repeats = multiples(atoms, wanted)
        if prod(repeats) * len(atoms) <= most_atoms:
            return repeats
    return (1, 1, 1)


def band_arguments(atoms: Atoms) -> str:
    """The band path of a primitive cell as arguments of phonopy's commands, without a package that finds paths.

    Args:
        atoms: a primitive cell; the path is ASE's.
    """
    ends, points, labels = band_path(atoms.cell.array)
    pieces = [[ends[0][0]]]
    for before, (start, end) in zip([(-1, ends[0][0]), *ends], ends, strict=False):
        if start != before[1]:
            pieces.append([start])
        pieces[-1].append(end)
    path = ", ".join(" ".join(_point(points[k]) for k in piece) for piece in pieces)
    names = " ".join(labels[k] for piece in pieces for k in piece)
    return f'--band "{path}" --band-labels "{names}"'


def _point(coordinates: Any) -> str:
    return " ".join(f"{x:.6g}" for x in coordinates)
