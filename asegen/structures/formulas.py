"""Reduced formulas, the key under which candidates, references and energies meet."""

from __future__ import annotations

from ase import Atoms
from pymatgen.core import Composition


def reduced_formula(atoms: Atoms) -> str:
    """Such as NaCl, elements in pymatgen's order; of elements that form molecules as O2.

    Args:
        atoms: with at least one atom.
    """
    return str(Composition(atoms.get_chemical_formula("hill")).reduced_formula)
