"""`Catalogue`: known crystals by their Wyckoff assignments, on disk and in memory, and which of them are alike.

A known crystal is like a composition if it has the same numbers of atoms, of other elements. It votes with a weight
that falls with the chemical distance of the exchange, and lends its positions and the shape of its cell.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from functools import cache, cached_property
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from asegen.crystals.symmetric_batch import SymmetricBatch
from asegen.diffusion.symmetric_flow import bravais_statistics
from asegen.errors import CheckpointError
from asegen.models.checkpoint import read_tensors, write_tensors
from asegen.prototypes.examples import Example, StoredExamples, quantised, sizes, stored
from asegen.prototypes.exchanges import exchanged, signature, weighted_exchanges
from asegen.prototypes.formula_units import reduced_counts, summed
from asegen.symmetry.assignments import Occupation, canonical
from asegen.symmetry.batches import occupations_of
from asegen.trained.weights import shipped_catalogue

FILE = "known.wyckoff.safetensors"
"""The catalogue's name in the folder of a split."""
_MOST_PRECEDENTS = 8


class Precedent(NamedTuple):
    """A known crystal that others may be like.

    Attributes:
        weight: its vote, 1 for the same elements.
        group: number of the space group.
        example: the crystal.
        exchange: what takes the place of each of its elements, by atomic numbers.
    """

    weight: float
    group: int
    example: Example
    exchange: dict[int, int]

    @property
    def counts(self) -> dict[int, int]:
        """The known crystal's atoms of each element in the primitive cell, by atomic number."""
        sites = zip(self.example.letters, self.example.numbers, strict=True)
        return Occupation(self.group, tuple(sites)).counts


class Catalogue:
    """Known crystals by canonical occupation, with the shapes of their lattices.

    Args:
        known: the crystals of each occupation.
        bravais_mean: (14, 6), see `diffusion.symmetric_flow.SymmetricFlow`.
        bravais_std: (14, 6).

    Attributes:
        known: occupations with their numbers of crystals.
        examples: the crystals of each occupation.
    """

    def __init__(
        self,
        known: Mapping[Occupation, Sequence[Example]],
        bravais_mean: Sequence[Sequence[float]],
        bravais_std: Sequence[Sequence[float]],
    ) -> None:
        self.examples = known
        self.known = sizes(known)
        self.bravais_mean, self.bravais_std = bravais_mean, bravais_std

    @staticmethod
    def of(
        crystals: SymmetricBatch, above_hull: Sequence[float] | None = None, predicted: Sequence[bool] | None = None
    ) -> Catalogue:
        """The catalogue of known crystals; see `asegen.prototypes.sensible` for which of a split belong there.

        Args:
            crystals: exactly symmetric.
            above_hull: of each, eV/atom, NaN where it isn't known.
            predicted: whether that is a prediction; none is without it.
        """
        above = [math.nan] * len(crystals.orbits.group) if above_hull is None else above_hull
        guesses = [False] * len(above) if predicted is None else predicted
        orbits, (u, lattice) = crystals
        known: dict[Occupation, list[Example]] = defaultdict(list)
        sites = zip(map(chr, orbits.letter.tolist()), orbits.numbers.tolist(), quantised(orbits, u), strict=True)
        for k, occupation in enumerate(occupations_of(orbits)):
            own = list(islice(sites, len(occupation.sites)))
            places = np.array([place for _, _, place in own])
            letters, numbers = "".join(letter for letter, _, _ in own), tuple(z for _, z, _ in own)
            known[canonical(occupation)].append(
                Example(letters, numbers, places, lattice[k].double().numpy(), above[k], guesses[k])
            )
        return Catalogue(known, *bravais_statistics(orbits, lattice))

    def without(self, elements: Set[int]) -> Catalogue:
        """The catalogue without the crystals of one chemical system, to see what is found when they aren't known.

        Args:
            elements: atomic numbers.
        """
        kept = {known: own for known, own in self.examples.items() if known.counts.keys() != elements}
        return Catalogue(kept, self.bravais_mean, self.bravais_std)

    def write(self, path: Path, header: Mapping[str, Any]) -> None:
        """Writes a safetensors file.

        Args:
            path: the file.
            header: what the crystals were.
        """
        bravais = {"bravais_mean": torch.tensor(self.bravais_mean), "bravais_std": torch.tensor(self.bravais_std)}
        write_tensors(path, stored(self.examples) | bravais, dict(header))

    @staticmethod
    def read(path: Path) -> Catalogue:
        """Reads what `write` wrote.

        Raises:
            CheckpointError: it isn't such a file.
        """
        _, tensors = read_tensors(path)
        try:
            examples = StoredExamples(tensors)
            return Catalogue(examples, tensors["bravais_mean"].tolist(), tensors["bravais_std"].tolist())
        except (KeyError, ValueError) as error:
            raise CheckpointError(f"{path} holds no catalogue of known crystals ({error!r})") from None

    @staticmethod
    @cache
    def shipped() -> Catalogue:
        """The known crystals inside the package, those of mp/train; read once, since that takes a second."""
        return Catalogue.read(shipped_catalogue())

    def like(self, counts: Mapping[int, int], group: int | None = None) -> list[tuple[Occupation, int]]:
        """Known assignments of other compositions with the same numbers of atoms, and how many crystals have each.

        Args:
            counts: atoms of each element in the primitive cell, by atomic number.
            group: number of the space group; any without it.
        """
        return [entry for entry in self._by_counts.get(signature(counts), ()) if group in (None, entry[0].group)]

    def precedents(self, counts: Mapping[int, int], group: int | None = None) -> list[Precedent]:
        """Known crystals that a composition may be like: of each Wyckoff assignment the nearest, then the next ones.

        Args:
            counts: atoms of each element in the primitive cell, by atomic number.
            group: number of the space group; any without it.

        Returns:
            Assignments in the order of their votes; at most `_MOST_PRECEDENTS` of each.
        """
        by_assignment: dict[Occupation, list[Precedent]] = defaultdict(list)
        for known, _ in self.like(counts, group):
            for exchange, weight in weighted_exchanges(known.counts, counts):
                by_assignment[exchanged(known, exchange)] += [
                    Precedent(weight, known.group, e, exchange) for e in self.examples[known]
                ]
        by_votes = sorted(by_assignment.values(), key=lambda own: -sum(precedent.weight for precedent in own))
        ranked = [sorted(own, key=lambda precedent: -precedent.weight)[:_MOST_PRECEDENTS] for own in by_votes]
        return [precedent for rank in zip_longest(*ranked) for precedent in rank if precedent is not None]

    def unit_votes(self, counts: Mapping[int, int], group: int | None = None) -> dict[int, float]:
        """Votes for numbers of formula units in the primitive cell; without known crystals alike, by frequency.

        Args:
            counts: atoms of each element in a formula unit, by atomic number.
            group: number of the space group; any without it.

        Returns:
            Number of formula units -> votes, without zeros; those of a group that has no crystals alike are empty.
        """
        votes = [
            (units, crystals * max(vote for _, vote in weighted_exchanges(known.counts, _times(counts, units))))
            for units, known, crystals in self._by_unit.get(signature(counts), ())
            if group in (None, known.group)
        ]
        found = summed(votes)
        if not found and group is None:
            return {units: float(own) for units, own in self._units_by_elements[len(counts)].items()}
        return found

    @cached_property
    def _by_counts(self) -> dict[tuple[int, ...], list[tuple[Occupation, int]]]:
        found: dict[tuple[int, ...], list[tuple[Occupation, int]]] = defaultdict(list)
        for occupation, crystals in self.known.items():
            found[signature(occupation.counts)].append((occupation, crystals))
        return dict(found)

    @cached_property
    def _by_unit(self) -> dict[tuple[int, ...], list[tuple[int, Occupation, int]]]:
        """Formula units, occupation and number of crystals, by the signature of a formula unit."""
        found: dict[tuple[int, ...], list[tuple[int, Occupation, int]]] = defaultdict(list)
        for occupation, crystals in self.known.items():
            units, unit = reduced_counts(occupation.counts)
            found[signature(unit)].append((units, occupation, crystals))
        return dict(found)

    @cached_property
    def _units_by_elements(self) -> dict[int, Counter[int]]:
        """How many crystals of so many elements have so many formula units."""
        found: dict[int, Counter[int]] = defaultdict(Counter)
        for own, entries in self._by_unit.items():
            for units, _, crystals in entries:
                found[len(own)][units] += crystals
        return found


def _times(counts: Mapping[int, int], units: int) -> dict[int, int]:
    return {z: units * n for z, n in counts.items()}
