"""Where a relaxation with a calculator begins: at a pre-relaxed crystal, unless it was better before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from asegen.parallel.files import is_of_the_disk


class Start(NamedTuple):
    """Where a relaxation begins.

    Attributes:
        atoms: the crystal.
        enthalpy: eV/atom, `E + pV`.
        compared: whether it was compared with the crystal before pre-relaxing.
        note: one line where that one is the better.
    """

    atoms: Atoms
    enthalpy: float
    compared: bool
    note: str = ""


def better_start(atoms: Atoms, before: Atoms, calculator: Calculator, pressure: float = 0.0) -> Start:
    """A pre-relaxed crystal, or the one before where that is lower in energy.

    Args:
        atoms: pre-relaxed.
        before: as it was; the same where it wasn't pre-relaxed.
        calculator: gives energies.
        pressure: eV/Å³, at which enthalpies are compared.
    """
    compared = before != atoms
    without = _enthalpy_if_any(before, calculator, pressure) if compared else np.inf
    # last, and with the forces, so that the relaxation need not compute it again
    first = enthalpy(atoms, calculator, pressure, with_forces=True)
    if compared and np.isfinite(without) and not first <= without:  # so that NaN is dropped, too
        note = f"not pre-relaxed: {first:.3f} eV/atom then, {without:.3f} as it was"
        return Start(before, without, compared, note)
    return Start(atoms, first, compared)


def enthalpy(atoms: Atoms, calculator: Calculator, pressure: float = 0.0, with_forces: bool = False) -> float:
    """`E + pV` in eV per atom; `pressure` in eV/Å³. The calculator has forces and stress afterwards, if wanted."""
    atoms = atoms.copy()
    atoms.calc = calculator
    if with_forces:
        atoms.get_forces(apply_constraint=False)
    return float(atoms.get_potential_energy() + pressure * atoms.get_volume()) / len(atoms)


def _enthalpy_if_any(atoms: Atoms, calculator: Calculator, pressure: float) -> float:
    """Infinite where the calculator fails, which it may do for a crystal that pre-relaxing has mended."""
    try:
        found = enthalpy(atoms, calculator, pressure)
    except MemoryError:
        raise
    except Exception as error:  # every calculator fails in its own way
        if is_of_the_disk(error):
            raise
        return np.inf
    return found if np.isfinite(found) else np.inf
