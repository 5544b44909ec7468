"""A set of known crystals, arranged by what can be made of them."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise, permutations, product

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from asegen.crystals.crystals import Crystals
from asegen.data.shards import CrystalDataset
from asegen.elements import LAST, MENDELEEV
from asegen.errors import InputError
from asegen.hull.table import ReducedFormula, reduced
from asegen.prototypes.formula_units import summed
from asegen.prototypes.sensible import COLUMN, PREDICTED
from asegen.prototypes.types import occupation_of, type_numbers
from asegen.prototypes.volumes import VolumeRule
from asegen.prototypes.votes import SOFTNESS, distances, stability_weights
from asegen.structures.atoms import atoms_from_crystals
from asegen.structures.validity import primitive
from asegen.symmetry.assignments import Occupation
from asegen.symmetry.batches import occupations_of

Integers = NDArray[np.int64]
Counts = tuple[int, ...]

_CENTRINGS = (2, 3, 4)
"""How many primitive cells a conventional one holds."""
_MOST_ORDERS = 24
"""Most ways to assign elements that are tried; where there are more, only the nearest one is."""


@dataclass(frozen=True, eq=False)
class Kind:
    """Crystals with the same numbers of atoms of their elements, whichever these are.

    Attributes:
        elements: (n_crystals, n_elements), atomic numbers by ascending count, within equal ones by Mendeleev number.
        index: places in the library.
        structures: the crystals.
        orders: (n_orders, n_elements), the permutations of places with equal counts: which place of a composition's
            elements, arranged alike, each of a crystal's takes. The first leaves all where they are.
        types: (n_crystals, n_orders), equal numbers for what becomes the same structure type.
        weights: (n_crystals,), of their votes: 1 on the convex hull, less above it.
    """

    elements: Integers
    index: list[int]
    structures: list[Atoms]
    orders: Integers
    types: Integers
    weights: NDArray[np.float64]


class TemplateLibrary:
    """Known crystals, to be asked for those from which a composition may borrow its structure.

    Args:
        dataset: the crystals, float64.
        rejected: kinds of reasons why other structures of the source are no templates, and how many there are of each.

    Attributes:
        ids: of the crystals.
        rejected: as given.
        checksum: of all that decides what is made of them, 8 hexadecimal digits.
        max_atoms: of the largest cell.

    Raises:
        InputError: there is no crystal, or one with an element beyond lawrencium.
    """

    def __init__(self, dataset: CrystalDataset, rejected: Mapping[str, int] | None = None) -> None:
        if not len(dataset):
            raise InputError("there is no template: the set of crystals is empty")
        if dataset.crystals.numbers.max() > LAST:
            raise InputError(f"templates with elements beyond {chemical_symbols[LAST]} aren't possible")
        self.ids = dataset.ids
        self.rejected = dict(rejected or {})
        self.checksum = _checksum(dataset)
        self.max_atoms = int(dataset.crystals.n_atoms.max())
        self._crystals, self._symmetry = dataset.crystals, dataset.symmetry
        unknown = torch.full((len(dataset),), math.nan, dtype=torch.float64)
        self._above_hull = dataset.targets.get(COLUMN, unknown).numpy()
        predicted = dataset.targets.get(PREDICTED, torch.zeros(len(dataset))).numpy() > 0
        self._known_above_hull = np.where(predicted, math.nan, self._above_hull)
        self._counts = _sorted_counts(dataset.crystals)
        self._kinds: dict[Counts, Kind | None] = {}

    def __repr__(self) -> str:
        """How many crystals there are."""
        return f"<TemplateLibrary: {len(self)} crystals, {self.checksum}>"

    def __len__(self) -> int:
        """Number of crystals."""
        return len(self.ids)

    @cached_property
    def volumes(self) -> VolumeRule:
        """Volumes of elements, fitted to all crystals."""
        return VolumeRule(self._crystals)

    def atoms(self, index: Sequence[int]) -> list[Atoms]:
        """Crystals by their places in the library."""
        return atoms_from_crystals(self._crystals[torch.tensor(index, dtype=torch.int64)])

    def has_composition(self, counts: Mapping[int, int]) -> bool:
        """Whether there is a crystal of this composition, whatever its cell.

        Args:
            counts: atoms of each element, by atomic number.
        """
        return reduced(counts) in self._compositions

    def of_composition(self, counts: Mapping[int, int], max_atoms: int) -> list[tuple[str, Atoms, float]]:
        """The crystals of a composition, whatever their cells, those of lowest known or predicted energy first.

        Args:
            counts: atoms of each element, by atomic number.
            max_atoms: of the cell.

        Returns:
            Identifier, crystal, and its energy above the hull, eV/atom; NaN where none is known, or a predicted one.
        """
        places = self._compositions.get(reduced(counts), [])
        own = [k for k in places if self._crystals.n_atoms[k] <= max_atoms]
        ordered = sorted(own, key=lambda k: (math.isnan(self._above_hull[k]), self._above_hull[k], k))
        found = zip(ordered, self.atoms(ordered), strict=True) if ordered else ()
        return [(self.ids[k], atoms, float(self._known_above_hull[k])) for k, atoms in found]

    @cached_property
    def _compositions(self) -> dict[ReducedFormula, list[int]]:
        """Reduced composition -> places of its crystals."""
        owners, z = np.repeat(np.arange(len(self)), self._crystals.n_atoms.numpy()), len(chemical_symbols)
        elements, counts = np.unique(owners * z + self._crystals.numbers.numpy(), return_counts=True)
        first = np.flatnonzero(np.diff(elements // z, prepend=-1))
        counts //= np.repeat(np.gcd.reduceat(counts, first), np.diff(first, append=len(counts)))
        pairs = list(zip((elements % z).tolist(), counts.tolist(), strict=True))
        found: dict[ReducedFormula, list[int]] = defaultdict(list)
        for place, (start, stop) in enumerate(pairwise([*first.tolist(), len(pairs)])):
            found[tuple(pairs[start:stop])].append(place)
        return dict(found)

    def kind(self, counts: Counts) -> Kind | None:
        """The crystals with these counts in the cell as it is or, where it isn't primitive, in the primitive one.

        Args:
            counts: as in `Kind`.
        """
        if counts not in self._kinds:
            self._kinds[counts] = self._gather(counts)
        return self._kinds[counts]

    def unit_votes(self, numbers: Sequence[int]) -> dict[int, float]:
        """Votes for numbers of formula units in the cell; without known crystals alike, by frequency.

        Args:
            numbers: (n_atoms,), atomic numbers of a formula unit.

        Returns:
            Number of formula units -> votes.
        """
        counts, elements = arranged(np.array(numbers))
        votes: list[tuple[int, float]] = []
        for units in self._units_of(counts):
            kind = self.kind(tuple(units * n for n in counts))
            if kind is not None:
                away = distances()[kind.elements[:, None], np.array(elements)[kind.orders][None]].sum(-1).min(1)
                votes += [(units, vote) for vote in (kind.weights * np.exp(-away / SOFTNESS)).tolist()]
        if found := summed(votes):
            return found
        alike = (self._counts > 0).sum(1) == len(counts)
        units_of = Counter(np.gcd.reduce(self._counts, axis=1)[alike].tolist())
        return {units: float(crystals) for units, crystals in units_of.items()}

    def _units_of(self, counts: Counts) -> list[int]:
        """Formula units of the cells, and of their primitive ones, of crystals of one anonymous formula."""
        width = self._counts.shape[1]
        if len(counts) > width:
            return []
        units = np.gcd.reduce(self._counts, axis=1)
        wanted = np.array([0] * (width - len(counts)) + list(counts))
        own = {int(n) for n in units[(self._counts == units[:, None] * wanted).all(1)]}
        if self._symmetry is None:
            own |= {n // centring for n in own for centring in _CENTRINGS if n % centring == 0}
        return sorted(own)

    def _gather(self, counts: Counts) -> Kind | None:
        own = self._members(counts)
        found = list(zip(own, self.atoms(own), strict=True)) + self._primitive(counts)
        if not found:
            return None
        index, structures = [k for k, _ in found], [atoms for _, atoms in found]
        elements = [arranged(atoms.numbers)[1] for atoms in structures]
        orders = list(_orders(counts))
        roles = [[dict(zip(own, order, strict=True)) for order in orders] for own in elements]
        types = type_numbers(self._occupations(index, structures), roles)
        weights = stability_weights(self._above_hull[index])
        return Kind(np.array(elements), index, structures, np.array(orders), np.array(types), weights)

    def _members(self, counts: Counts) -> list[int]:
        """Places of the crystals whose cells have these counts."""
        width = self._counts.shape[1]
        if len(counts) > width:
            return []
        wanted = np.array([0] * (width - len(counts)) + list(counts))
        return np.flatnonzero((self._counts == wanted).all(1)).tolist()

    def _primitive(self, counts: Counts) -> list[tuple[int, Atoms]]:
        """Places and primitive cells of the crystals that have these counts in the primitive cell alone."""
        if self._symmetry is not None:  # cells of exactly symmetric crystals are primitive
            return []
        found: list[tuple[int, Atoms]] = []
        for multiple in _CENTRINGS:
            own = self._members(tuple(multiple * n for n in counts))
            found += [(k, primitive(atoms)) for k, atoms in zip(own, self.atoms(own), strict=True)]
        return [(k, atoms) for k, atoms in found if arranged(atoms.numbers)[0] == counts]

    def _occupations(self, index: Sequence[int], structures: Sequence[Atoms]) -> Sequence[Occupation | None]:
        if self._symmetry is None:
            return [occupation_of(atoms) for atoms in structures]
        return occupations_of(self._symmetry.select(torch.tensor(index)).orbits)


def _sorted_counts(crystals: Crystals) -> Integers:
    """(n_crystals, n_most_elements): how many atoms of each element there are, ascending, zeros first."""
    place = crystals.batch.numpy() * (LAST + 1) + crystals.numbers.numpy()
    counts = np.bincount(place, minlength=len(crystals) * (LAST + 1)).reshape(len(crystals), LAST + 1)
    most = int((counts > 0).sum(1).max())
    return np.sort(counts, 1)[:, -most:]


def _orders(counts: Counts) -> Iterator[tuple[int, ...]]:
    """Permutations of places with equal counts; the first, by Mendeleev number, is the nearest there is."""
    groups = [[place for place, _ in group] for _, group in groupby(enumerate(counts), key=lambda pair: pair[1])]
    ways = math.prod(math.factorial(len(group)) for group in groups)
    if ways > _MOST_ORDERS:
        yield tuple(range(len(counts)))
        return
    for parts in product(*(permutations(group) for group in groups)):
        yield tuple(place for part in parts for place in part)


def _checksum(dataset: CrystalDataset) -> str:
    crystals = dataset.crystals
    content = hashlib.sha256(json.dumps(dataset.ids).encode())
    for array in (crystals.cell, crystals.scaled_positions, crystals.numbers, crystals.n_atoms):
        content.update(array.numpy().tobytes())
    return content.hexdigest()[:8]


def arranged(numbers: Integers) -> tuple[Counts, list[int]]:
    """Counts of a composition's elements, ascending, and the elements, in the order of `Kind`.

    Args:
        numbers: (n_atoms,), atomic numbers.
    """
    pairs = sorted((count, MENDELEEV[z], int(z)) for z, count in Counter(numbers.tolist()).items())
    return tuple(count for count, _, _ in pairs), [z for _, _, z in pairs]
