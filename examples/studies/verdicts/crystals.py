"""Crystals of a table, as they are or disturbed, and what differences of energies count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase import Atoms

from asegen.structures.atoms import read_structures

NEAR = 0.03
"""eV/atom above the hull that still count as stable."""
HIGHER = 0.005
"""eV/atom, more than what a converged relaxation leaves undecided."""


def drawn(path: Path, n: int | None, sizes: tuple[int, int], seed: int) -> list[Atoms]:
    """Crystals of a table, chosen at random; `info` has the columns beside them.

    Args:
        path: any file of structures.
        n: at most so many; all without it.
        sizes: fewest and most atoms.
        seed: of the choice.
    """
    found = []
    for row in read_structures(path):
        if isinstance(row.atoms, Atoms) and sizes[0] <= len(row.atoms) <= sizes[1]:
            row.atoms.info = {"material_id": row.id, **row.values}
            found.append(row.atoms)
    chosen = np.random.default_rng(seed).permutation(len(found))[:n]
    return [found[k] for k in sorted(chosen)]


def disturbed(atoms: Atoms, seed: int, strain: float = 0.04, noise: float = 0.1) -> Atoms:
    """A crystal under a random symmetric strain, its atoms moved by `noise` Å in each direction."""
    rng = np.random.default_rng(seed)
    epsilon = rng.normal(scale=strain, size=(3, 3))
    changed = atoms.copy()
    changed.set_cell(atoms.cell.array @ (np.eye(3) + (epsilon + epsilon.T) / 2), scale_atoms=True)
    changed.rattle(noise, rng=rng)
    return changed
