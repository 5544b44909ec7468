"""How new a crystal is: known, a known structure type with other elements, or of a type that no known crystal has.

Most generated crystals that look new are known ones with other elements; this tells which. Known crystals of the same
numbers of atoms are compared with the crystal, elements exchanged and volumes scaled, by pymatgen's StructureMatcher;
those first whose atoms have neighbours at the most similar distances (mean distances to the nearest neighbours, in the
manner of Widdowson et al., MATCH 87, 529 (2022), for each element by itself).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.elements import LAST
from asegen.errors import InputError
from asegen.geometry.neighbors import nearest_neighbors
from asegen.hull.table import HullTable, shipped_hull
from asegen.prototypes.library import Counts, Kind, TemplateLibrary, arranged
from asegen.prototypes.votes import distances
from asegen.structures.atoms import crystals_from_atoms
from asegen.structures.given import Structure as Given
from asegen.structures.given import as_atoms
from asegen.structures.validity import check_atoms

KNOWN, SUBSTITUTION, NEW_TYPE = "known structure", "substitution", "new type"
"""How new a crystal is, as `Novelty.kind`."""
_NEIGHBORS = 12
_FAR = 0.3
"""Mean difference of distances to neighbours, in units of (V/n)^(1/3), beyond which nothing is compared."""
_MOST_COMPARED = 24
"""Pairs that the matcher sees before a type counts as new."""
_NEAREST = 8
"""Crystals of a type, chemically nearest first, that are tried as the one to be named."""
_DIGITS = 4
_OF_PROTOTYPES = ("prototype", "prototype_distance", "prototype_rms")

Array = NDArray[np.float64]


class Novelty(NamedTuple):
    """How new a crystal is.

    Attributes:
        kind: `KNOWN`, `SUBSTITUTION` or `NEW_TYPE`.
        known_composition: whether a compound of this composition is known.
        structures_at_hand: whether known crystals of this composition could be compared, if it is known. A known
            composition whose crystals aren't at hand may be a known structure all the same.
        prototype: identifier of the known crystal of the same structure (type) that is chemically nearest; empty
            without one.
        distance: sum of the chemical distances of the elements exchanged; NaN without a prototype.
        rms: root mean square distance of the atoms from the prototype's, in units of (V/n)^(1/3); NaN without one.
    """

    kind: str
    known_composition: bool
    structures_at_hand: bool
    prototype: str = ""
    distance: float = float("nan")
    rms: float = float("nan")

    def write_into(self, info: dict[str, Any]) -> None:
        """Puts it into `Atoms.info` in place of an earlier judgement, such as one before relaxation."""
        for name in _OF_PROTOTYPES:
            info.pop(name, None)
        info |= self.as_info()

    def as_info(self) -> dict[str, object]:
        """What stands in `Atoms.info`."""
        found: dict[str, object] = {"novelty": self.kind, "known_composition": self.known_composition}
        if self.prototype:
            found |= {"prototype": self.prototype}
            found |= {"prototype_distance": round(self.distance, _DIGITS), "prototype_rms": round(self.rms, _DIGITS)}
        return found


class KnownCrystals:
    """Known crystals and compositions, to be asked how new others are.

    Args:
        library: known crystals.
        compositions: known compositions; the Materials Project's hull without it.
        ltol: of pymatgen's StructureMatcher, a share of lengths, for known structures and for types alike.
        stol: a share of (V/n)^(1/3).
        angle_tol: degrees.
    """

    def __init__(
        self,
        library: TemplateLibrary,
        compositions: HullTable | None = None,
        ltol: float = 0.2,
        stol: float = 0.3,
        angle_tol: float = 5.0,
    ) -> None:
        self._library, self._compositions = library, compositions or shipped_hull()
        self._matcher = StructureMatcher(ltol, stol, angle_tol, primitive_cell=False, scale=True)
        self._environments: dict[Counts, Array] = {}

    @property
    def identity(self) -> str:
        """What decides the answers: the crystals and the tolerances."""
        matcher = self._matcher
        return f"{self._library.checksum} {matcher.ltol} {matcher.stol} {matcher.angle_tol}"

    def knows_composition(self, counts: Mapping[int, int]) -> bool:
        """Whether a compound of this composition is known, of the hull's table or among the crystals.

        Args:
            counts: atoms of each element, by atomic number.
        """
        return self._compositions.knows(counts) or self._library.has_composition(counts)

    def judge(self, atoms: Given) -> Novelty:
        """How new a crystal is.

        Args:
            atoms: Atoms, or a Structure of pymatgen.

        Raises:
            InputError: it is no structure, fails the validity gate, or holds an element after lawrencium, of which no
                crystal is known.
        """
        atoms = as_atoms(atoms)
        if (reason := check_atoms(atoms)) is not None:
            raise InputError(str(reason))
        if (last := int(atoms.numbers.max())) > LAST:
            raise InputError(f"unknown element: no crystals of {chemical_symbols[last]} are known")
        query = _Query(atoms)
        counts = Counter(query.numbers.tolist())
        about = self.knows_composition(counts), self._library.has_composition(counts)
        kind = self._library.kind(query.counts)
        if kind is None:
            return Novelty(NEW_TYPE, *about)
        for row, order in self._same_elements(kind, query):
            if (rms := self._rms(kind, row, order, query)) is not None:
                return Novelty(KNOWN, *about, self._library.ids[kind.index[row]], 0.0, rms)
        found = self._type(kind, query)
        if found is None:
            return Novelty(NEW_TYPE, *about)
        prototype, distance, rms = found
        return Novelty(SUBSTITUTION, *about, prototype, distance, rms)

    def _same_elements(self, kind: Kind, query: _Query) -> Iterator[tuple[int, int]]:
        """Places of crystals that consist of the same elements in the same roles, and the order of the roles."""
        roles = np.array(query.elements)[kind.orders]
        yield from zip(*(part.tolist() for part in np.nonzero((kind.elements[:, None] == roles).all(-1))), strict=True)

    def _type(self, kind: Kind, query: _Query) -> tuple[str, float, float] | None:
        """Identifier, chemical distance and rms of the prototype of a crystal; None where no known one is alike."""
        apart = self._apart(kind, query)
        pairs = np.argsort(apart, axis=None, kind="stable")[:_MOST_COMPARED]
        away = distances()[kind.elements[:, None], np.array(query.elements)[kind.orders][None]].sum(-1)
        for row, order in zip(*np.unravel_index(pairs, apart.shape), strict=True):
            if apart[row, order] > _FAR:
                return None
            if (rms := self._rms(kind, row, order, query)) is not None:
                return self._nearest(kind, query, away, (int(row), int(order)), rms)
        return None

    def _nearest(
        self, kind: Kind, query: _Query, away: Array, found: tuple[int, int], rms: float
    ) -> tuple[str, float, float]:
        """The chemically nearest crystal of a type, one of which has been found to be alike."""
        of_type = np.argwhere(kind.types == kind.types[found])
        order = np.argsort(away[of_type[:, 0], of_type[:, 1]], kind="stable")
        for row, permutation in of_type[order[:_NEAREST]].tolist():
            if away[row, permutation] >= away[found]:
                break
            if (nearer := self._rms(kind, row, permutation, query)) is not None:
                return self._library.ids[kind.index[row]], float(away[row, permutation]), nearer
        return self._library.ids[kind.index[found[0]]], float(away[found]), rms

    def _apart(self, kind: Kind, query: _Query) -> Array:
        """(n_crystals, n_orders): how different the distances to neighbours are, in units of (V/n)^(1/3)."""
        if query.counts not in self._environments:
            self._environments[query.counts] = environments(kind.structures)
        known, own = self._environments[query.counts], environments([query.atoms])[0]
        weights = np.array(query.counts) / sum(query.counts)
        difference = np.abs(known[:, None] - own[kind.orders][None]).mean(-1)
        return np.asarray((difference * weights).sum(-1))

    def _rms(self, kind: Kind, row: int, order: int, query: _Query) -> float | None:
        """The distance of a known crystal from the query when its elements are exchanged; None where they're unlike."""
        becomes = dict(zip(kind.elements[row].tolist(), np.array(query.elements)[kind.orders[order]], strict=True))
        known = kind.structures[row].copy()
        known.numbers = [becomes[z] for z in known.numbers.tolist()]
        found = self._matcher.get_rms_dist(_structure(known), query.structure)
        return None if found is None else float(found[0])


class _Query:
    """A crystal as it is compared: its primitive cell, and its elements by ascending counts."""

    def __init__(self, atoms: Atoms) -> None:
        self.structure = _structure(atoms).get_primitive_structure()
        self.atoms = AseAtomsAdaptor.get_atoms(self.structure)
        self.numbers: NDArray[np.int64] = np.asarray(self.atoms.numbers)
        self.counts, self.elements = arranged(self.numbers)


def environments(structures: Sequence[Atoms]) -> Array:
    """Mean distances of the atoms of each element to their nearest neighbours, whatever elements these are.

    Args:
        structures: crystals with the same numbers of atoms of their elements, at least one.

    Returns:
        (n_crystals, n_elements, 12), elements as `arranged` has them, in units of (V/n)^(1/3).
    """
    crystals = crystals_from_atoms(structures)
    near = nearest_neighbors(crystals.cell, crystals.scaled_positions, crystals.n_atoms, _NEIGHBORS)
    of_atoms = near.distance.double().reshape(-1, _NEIGHBORS)
    length = (crystals.volume / crystals.n_atoms) ** (1 / 3)
    scaled = of_atoms / length[crystals.batch, None]
    rows = []
    for atoms, own in zip(structures, scaled.split(crystals.n_atoms.tolist()), strict=True):
        numbers = torch.from_numpy(np.asarray(atoms.numbers))
        rows.append([own[numbers == z].mean(0).numpy() for z in arranged(atoms.numbers)[1]])
    return np.array(rows)


def _structure(atoms: Atoms) -> Structure:
    return AseAtomsAdaptor.get_structure(Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True))
