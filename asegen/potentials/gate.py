"""What is let into a screening: crystals whose numbers no later stage can choke on.

Stricter than `asegen.structures.validity.check_atoms`, which it asks first: gases are no candidates, and memory of what
counts neighbours grows with their number.
"""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from scipy.spatial import cKDTree

from asegen.errors import Reason
from asegen.structures.validity import check_atoms

UNSUPPORTED_KINDS = frozenset({"isolated atom"})
"""Kinds of reasons that blame the potentials: all others blame the structure."""
CUTOFF = 6.0
"""Å, of the graphs of common machine-learned potentials; an atom without a neighbour within it is isolated."""
MAX_NEIGHBORS = 1000
"""Mean number of neighbours of an atom within `CUTOFF`; hydrogen at megabars has 450."""
MIN_FILLING = 0.01
"""Volume of the atoms' covalent spheres over that of the cell. Molecular crystals go down to 0.04 (methane)."""


def gate(atoms: Atoms) -> Reason | None:
    """Why a structure may not come in, or None.

    Args:
        atoms: any Atoms object.

    Returns:
        The reason; kinds beside those of `check_atoms`: `exploded cell`, `too dense`, `isolated atom`.
    """
    if (reason := check_atoms(atoms)) is not None:
        return reason
    filling = float((4 / 3 * np.pi * covalent_radii[atoms.numbers] ** 3).sum() / atoms.get_volume())
    if filling < MIN_FILLING and len(atoms) > 1:
        return Reason("exploded cell", f"the atoms fill {100 * filling:.2g} % of it, less than {100 * MIN_FILLING:g} %")
    expected = 4 / 3 * np.pi * CUTOFF**3 * len(atoms) / atoms.get_volume()
    if expected > MAX_NEIGHBORS:
        return Reason("too dense", f"{expected:.0f} neighbours within {CUTOFF:g} Å, more than {MAX_NEIGHBORS}")
    alone = _isolated(atoms)
    if alone is not None:
        return Reason("isolated atom", f"{atoms.symbols[alone]}{alone} has no neighbour within {CUTOFF:g} Å")
    return None


def _isolated(atoms: Atoms) -> int | None:
    """An atom without any other, its own images included, within the cut-off."""
    cell = atoms.cell.array
    heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    reach = np.ceil(CUTOFF / heights).astype(int) + 1
    scaled = np.linalg.solve(cell.T, atoms.positions.T).T
    scaled -= np.floor(scaled)
    shifts = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in reach], indexing="ij"), -1).reshape(-1, 3)
    images = (scaled[None] + shifts[:, None]).reshape(-1, 3)
    near = (images > -(reach - 1)).all(1) & (images < reach).all(1)
    tree = cKDTree(images[near] @ cell)
    distance, _ = tree.query(scaled @ cell, k=2)  # the first is the atom itself
    lonely = np.flatnonzero(distance[:, 1] > CUTOFF)
    return int(lonely[0]) if len(lonely) else None
