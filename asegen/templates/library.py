"""A set of known crystals, arranged by what can be made of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element

from asegen.data.shards import CrystalDataset
from asegen.elements import LAST
from asegen.errors import InputError
from asegen.templates.volumes import VolumeRule

Integers = NDArray[np.int64]

MENDELEEV = np.array([0.0] + [float(Element.from_Z(z).mendeleev_no) for z in range(1, LAST + 1)])
"""(LAST + 1,): the elements' places in Pettifor's string (J. Phys. C 19, 285 (1986)): neighbours are alike."""


@dataclass(frozen=True, eq=False)
class Kind:
    """Crystals with the same numbers of atoms of their elements, whichever these are.

    Attributes:
        counts: atoms of each element, ascending.
        elements: (n_crystals, n_elements), atomic numbers in the order of `counts`, within equal ones by Mendeleev
            number.
        index: (n_crystals,), places in the library.
    """

    counts: tuple[int, ...]
    elements: Integers
    index: Integers


class TemplateLibrary:
    """Known crystals, to be asked for those from which a composition may borrow its structure.

    Args:
        dataset: the crystals, float64; those with elements beyond lawrencium are left out.

    Attributes:
        kinds: counts -> the crystals that have them.
        volumes: fitted to all of them.

    Raises:
        InputError: there is no crystal.
    """

    def __init__(self, dataset: CrystalDataset) -> None:
        if not len(dataset):
            raise InputError("there is no template: the set of crystals is empty")
        self.crystals, self.ids = dataset.crystals, dataset.ids
        self.volumes = VolumeRule(self.crystals)
        ends = np.cumsum(self.crystals.n_atoms.numpy())
        found: defaultdict[tuple[int, ...], list[tuple[int, list[int]]]] = defaultdict(list)
        for k, numbers in enumerate(np.split(self.crystals.numbers.numpy(), ends)[:-1]):
            counts, elements = arranged(numbers)
            found[counts].append((k, elements))
        self.kinds = {
            counts: Kind(counts, np.array([e for _, e in members]), np.array([k for k, _ in members]))
            for counts, members in found.items()
        }

    def __len__(self) -> int:
        """Number of crystals."""
        return len(self.ids)


def arranged(numbers: Integers) -> tuple[tuple[int, ...], list[int]]:
    """Counts and elements of a composition, in the order of `Kind`.

    Args:
        numbers: (n_atoms,), atomic numbers.
    """
    pairs = sorted((count, MENDELEEV[z], int(z)) for z, count in Counter(numbers.tolist()).items())
    return tuple(count for count, _, _ in pairs), [z for _, _, z in pairs]
