"""How wide a crystal is empty: layers, wires and molecules in a periodic cell."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from asegen.structures.validity import niggli_reduce

MOST_IN_CRYSTALS = 7.0
"""Å. Of 4,000 known crystals 12 have a wider gap: single layers and wires with a vacuum around them."""


def widest_gap(atoms: Atoms) -> float:
    """The widest distance between neighbouring planes of atoms, Å, along the three axes of the reduced cell.

    Args:
        atoms: a crystal that passes the validity gate.
    """
    cell, positions = niggli_reduce(atoms.cell.array, atoms.get_scaled_positions())
    heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)  # (3,), of the cell over each of its faces
    ordered = np.sort(positions % 1.0, axis=0)
    gaps = np.diff(ordered, axis=0, append=ordered[:1] + 1.0)  # (n_atoms, 3)
    return float((gaps.max(axis=0) * heights).max())


def vacuum(atoms: Atoms) -> float | None:
    """`widest_gap` of a layer, a wire or a molecule in a periodic cell; None of a crystal.

    Args:
        atoms: a crystal that passes the validity gate.
    """
    gap = widest_gap(atoms)
    return gap if gap > MOST_IN_CRYSTALS else None
