"""Which crystals of a split others may be like: not those that the data themselves call absurd."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from asegen.data.shards import CrystalDataset
from asegen.elements import COVALENT_RADIUS, TYPICAL_VOLUME

COLUMN = "energy_above_hull"
PREDICTED = "energy_above_hull_predicted"
"""Column of a catalogue's crystals: 1 where the energy above the hull is a prediction."""
"""Of a split's targets, eV/atom; the Materials Project's name."""
MAX_ABOVE_HULL = 0.3
"""eV/atom. Beyond it are elements as chains and sheets, compounds in types that others have, and the like. Of 250
crystals of mp/val templates find as many (70.4 % first, 80.4 % among 5, 84.8 % among 20) as with all of mp/train, of
which 3.4 % lie higher; at 0.2 one is lost among 5 and among 20."""

LEAST_VOLUME, SHORTEST = 0.3, 0.75
"""Shares of the sum of `TYPICAL_VOLUME`, and of the sum of covalent radii, see `asegen.generation.plausibility`."""


def sensible(dataset: CrystalDataset) -> CrystalDataset:
    """The crystals of a split that lie at most `MAX_ABOVE_HULL` above the hull, or of which that isn't known.

    Args:
        dataset: a split, with or without the column.
    """
    above = dataset.targets.get(COLUMN)
    return dataset if above is None else dataset[~(above > MAX_ABOVE_HULL)]


def is_crushed(atoms: Atoms) -> bool:
    """Whether a crystal is too dense and its bonds are too short, as with a wrong lattice constant.

    H3S at 200 GPa has little volume too, but the bonds of hydrogen sulfide.
    """
    numbers = atoms.numbers
    if atoms.get_volume() >= LEAST_VOLUME * np.array(TYPICAL_VOLUME)[numbers].sum():
        return False
    return len(neighbor_list("i", atoms, SHORTEST * np.array(COVALENT_RADIUS)[numbers])) > 0
