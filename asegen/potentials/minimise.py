"""Cell and positions to a minimum of a calculator's energy, with every way to fail told apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE
from ase.spacegroup.symmetrize import refine_symmetry


@dataclass(frozen=True)
class Minimum:
    """Where a minimisation ended.

    Attributes:
        atoms: the last state whose energy, forces and stress are finite; without calculator and constraints.
        energy: eV per atom of that state.
        fmax: eV/Å, the largest force left, those on the cell included (see ASE's FrechetCellFilter).
        steps: taken.
        converged: whether `fmax` is within what was asked for.
        reason: one line `kind: detail` if not.
    """

    atoms: Atoms
    energy: float
    fmax: float
    steps: int
    converged: bool
    reason: str


def minimise(
    atoms: Atoms,
    calculator: Calculator,
    fmax: float = 0.03,
    steps: int = 500,
    keep_symmetry: bool = False,
    symprec: float = 0.01,
) -> Minimum:
    """Relaxes cell and positions with FIRE and a FrechetCellFilter.

    Args:
        atoms: a crystal; left as it is.
        calculator: gives energy, forces and stress.
        fmax: eV/Å, for atoms and cell.
        steps: at most so many.
        keep_symmetry: the crystal is made to have its space group exactly, and keeps it (FixSymmetry).
        symprec: Å, tolerance of the space group.

    Raises:
        ValueError: already the start has no finite energy, forces and stress.
    """
    atoms = atoms.copy()
    atoms.set_constraint()
    if keep_symmetry:
        refine_symmetry(atoms, symprec=symprec)
        atoms.set_constraint(FixSymmetry(atoms, symprec=symprec))
    atoms.calc = calculator
    filtered = FrechetCellFilter(atoms)
    last: tuple[Atoms, float, float] | None = None
    converged = False
    with FIRE(filtered, logfile=None) as optimizer:
        # FIRE itself would go on to its last step on NaN: nothing is smaller than that, nothing larger.
        for arrived in optimizer.irun(fmax, steps):
            converged = bool(arrived)
            forces, energy = filtered.get_forces(), atoms.get_potential_energy()
            if not (np.isfinite(forces).all() and np.isfinite(energy)):
                if last is None:
                    raise ValueError("non-finite: the calculator gives no finite energy, forces and stress")
                return Minimum(*last, optimizer.nsteps, False, "non-finite: the calculator's numbers became NaN")
            plain = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
            last = plain, float(energy) / len(atoms), float(np.linalg.norm(forces, axis=1).max())
    assert last is not None  # irun yields the first state
    reason = "" if converged else f"unconverged: {last[2]:.3g} eV/Å left after {steps} steps"
    return Minimum(*last, optimizer.nsteps, converged, reason)
