"""Which Wyckoff assignments of a composition are likely: by analogy to known crystals, and by frequencies of sites.

An assignment (an `Occupation`) is likely if a known crystal of the same group and the same numbers of atoms has it with
similar elements: every known crystal votes for the assignments that exchanging its elements gives, with a weight that
falls with the chemical distance of the exchange. Assignments without a precedent share a small part by a product over
their sites of smoothed frequencies of (group, position, element). The known crystals that vote for an assignment are
its precedents: they lend their positions and the shape of their cells too.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import cached_property
from itertools import islice, product, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from asegen.crystals.wyckoff import SymmetricBatch
from asegen.diffusion.symmetric_flow import bravais_statistics
from asegen.errors import CheckpointError, InputError
from asegen.models.checkpoint import read_tensors, write_tensors
from asegen.prototypes.examples import Example, StoredExamples, quantised, sizes, stored
from asegen.prototypes.exchanges import exchanged, signature, weighted_exchanges
from asegen.prototypes.formula_units import reduced_counts, summed
from asegen.symmetry.assignments import Occupation, best_occupations, canonical, fits, impossible
from asegen.symmetry.batches import occupations_of
from asegen.symmetry.groups import space_group

FILE = "known.wyckoff.safetensors"
"""The catalogue's name in the folder of a split."""
_NEW = 0.05
"""Votes of the assignments without precedent, against the known crystals' (an exchange of nothing votes with 1)."""
_SMOOTHING = 4.0
"""Sites of an element in a group that count as much as the group's sites of all elements."""
_SEARCHED = 256
_MOST_PRECEDENTS = 8


class Proposals(NamedTuple):
    """Wyckoff assignments of a composition.

    Attributes:
        occupations: canonical, likeliest first.
        probabilities: (n,), sum 1.
    """

    occupations: list[Occupation]
    probabilities: NDArray[np.float64]


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
        self._n_sites_of: dict[int, Counter[tuple[str, int]]] = {}

    @staticmethod
    def of(crystals: SymmetricBatch, above_hull: Sequence[float] | None = None) -> Catalogue:
        """The catalogue of known crystals; see `asegen.prototypes.sensible` for which of a split belong there.

        Args:
            crystals: exactly symmetric.
            above_hull: of each, eV/atom, NaN where it isn't known.
        """
        above = [math.nan] * len(crystals.orbits.group) if above_hull is None else above_hull
        orbits, (u, lattice) = crystals
        known: dict[Occupation, list[Example]] = defaultdict(list)
        sites = zip(map(chr, orbits.letter.tolist()), orbits.numbers.tolist(), quantised(orbits, u), strict=True)
        for k, occupation in enumerate(occupations_of(orbits)):
            own = list(islice(sites, len(occupation.sites)))
            places = np.array([place for _, _, place in own])
            letters, numbers = "".join(letter for letter, _, _ in own), tuple(z for _, z, _ in own)
            known[canonical(occupation)].append(
                Example(letters, numbers, places, lattice[k].double().numpy(), above[k])
            )
        return Catalogue(known, *bravais_statistics(orbits, lattice))

    def without(self, elements: Set[int]) -> Catalogue:
        """The catalogue without the crystals of one chemical system, to see what is found when they aren't known.

        Args:
            elements: atomic numbers.
        """
        kept = {known: own for known, own in self.examples.items() if known.counts.keys() != elements}
        return Catalogue(kept, self.bravais_mean, self.bravais_std)

    # -- files -----------------------------------------------------------------------------------------------------

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

    # -- what is alike ---------------------------------------------------------------------------------------------

    def precedents(self, counts: Mapping[int, int], group: int | None = None) -> list[Precedent]:
        """Known crystals that a composition may be like: of each Wyckoff assignment the nearest, then the next ones.

        Args:
            counts: atoms of each element in the primitive cell, by atomic number.
            group: number of the space group; any without it.

        Returns:
            Assignments in the order of their votes; at most `_MOST_PRECEDENTS` of each.
        """
        alike = self._by_counts.get(signature(counts), ()) if group is None else self._like(group, counts)
        by_assignment: dict[Occupation, list[Precedent]] = defaultdict(list)
        for known, _ in alike:
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

    # -- what is likely --------------------------------------------------------------------------------------------

    def propose(self, counts: Mapping[int, int], group: int, limit: int = 64) -> Proposals:
        """The likeliest assignments of a composition in a group.

        Args:
            counts: atoms of each element in the primitive cell, by atomic number.
            group: number of the space group.
            limit: most assignments.

        Raises:
            InputError: there is none; the nearest compositions that have one are named.
        """
        votes = self._votes(counts, self._like(group, counts))
        table = space_group(group)
        found = best_occupations(table, counts, lambda at, z: self.log_frequency(group, at.letter, z), _SEARCHED)
        if not found:
            raise impossible(table, counts)
        weights = {new: math.exp(sum(self.log_frequency(group, *site) for site in new.sites)) for new in found}
        return _ranked(_with_new(votes, weights), limit)

    def propose_any(self, counts: Mapping[int, int], limit: int = 64) -> Proposals:
        """The likeliest assignments of a composition, whatever the group.

        Args:
            counts: as in `propose`.
            limit: most assignments.

        A composition without precedent is put into the groups that crystals of as many elements have most often.
        """
        votes = self._votes(counts, self._by_counts.get(signature(counts), ()))
        if votes:
            return _ranked(votes, limit)
        for group, weight in self._groups_by_elements[len(counts)].most_common():
            if len(votes) >= limit:
                break
            if fits(space_group(group), counts):
                for occupation, share in zip(*self.propose(counts, group, 4), strict=True):
                    votes[occupation] = weight * float(share)
        if not votes:
            return self.propose(counts, 1, limit)
        return _ranked(votes, limit)

    def propose_sites(self, n_sites: Mapping[int, int], group: int, limit: int = 64) -> Proposals:
        """The likeliest assignments of given numbers of sites of each element in a group, whatever the composition.

        Args:
            n_sites: number of sites of each element, by atomic number.
            group: number of the space group.
            limit: most assignments.

        Raises:
            InputError: there is none: too few positions are free to take more than one site.
        """
        weights = self._assignments_of_sites(n_sites, group)
        if not weights:
            raise InputError(f"{space_group(group).symbol} ({group}) has no room for {sum(n_sites.values())} sites")
        precedents = [entry for entry in self._by_sites.get(signature(n_sites), ()) if entry[0].group == group]
        return _ranked(_with_new(self._votes(n_sites, precedents, numbers_of_sites), weights), limit)

    def _assignments_of_sites(self, n_sites: Mapping[int, int], group: int) -> dict[Occupation, float]:
        """Assignments of sites by their frequencies alone, with weights; a beam search, site by site."""
        best: list[tuple[float, tuple[tuple[str, int], ...]]] = [(0.0, ())]
        for z in (z for z, n in n_sites.items() for _ in range(n)):
            grown = {}
            for weight, sites in best:
                taken = {letter for letter, _ in sites}
                for position in space_group(group).positions:
                    if not (position.is_fixed and position.letter in taken):
                        longer = tuple(sorted([*sites, (position.letter, z)]))
                        grown[longer] = weight + self.log_frequency(group, position.letter, z)
            best = sorted(((weight, sites) for sites, weight in grown.items()), reverse=True)[:_SEARCHED]
        return {Occupation(group, sites): math.exp(weight - best[0][0]) for weight, sites in best}

    def log_frequency(self, group: int, letter: str, number: int) -> float:
        """Logarithm of the smoothed share of an element's sites in a group that are on a position.

        Args:
            group: number of the group.
            letter: of the position.
            number: atomic number.
        """
        n = self._n_sites(group)
        positions = len(space_group(group).positions)
        share = (n[letter, 0] + 0.5) / (n["", 0] + 0.5 * positions)
        return math.log((n[letter, number] + _SMOOTHING * share) / (n["", number] + _SMOOTHING))

    def _votes(
        self,
        wanted: Mapping[int, int],
        precedents: Iterable[tuple[Occupation, int]],
        measure: Callable[[Occupation], Mapping[int, int]] = lambda occupation: occupation.counts,
    ) -> dict[Occupation, float]:
        """What known crystals say; `measure` gives of them what `wanted` is of each element: atoms, or sites."""
        votes: dict[Occupation, float] = defaultdict(float)
        for known, crystals in precedents:
            for exchange, weight in weighted_exchanges(measure(known), wanted):
                votes[exchanged(known, exchange)] += crystals * weight
        return dict(votes)

    def _like(self, group: int, counts: Mapping[int, int]) -> list[tuple[Occupation, int]]:
        return [entry for entry in self._by_counts.get(signature(counts), ()) if entry[0].group == group]

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

    @cached_property
    def _by_sites(self) -> dict[tuple[int, ...], list[tuple[Occupation, int]]]:
        found: dict[tuple[int, ...], list[tuple[Occupation, int]]] = defaultdict(list)
        for occupation, crystals in self.known.items():
            found[signature(numbers_of_sites(occupation))].append((occupation, crystals))
        return dict(found)

    @cached_property
    def _groups_by_elements(self) -> dict[int, Counter[int]]:
        found: dict[int, Counter[int]] = defaultdict(Counter)
        for occupation, crystals in self.known.items():
            found[len(occupation.counts)][occupation.group] += crystals
        return found

    def _n_sites(self, group: int) -> Counter[tuple[str, int]]:
        """Sites of a group by letter ("" for all) and element (0 for all)."""
        if group not in self._n_sites_of:
            found: Counter[tuple[str, int]] = Counter()
            for occupation, crystals in self.known.items():
                for letter, z in occupation.sites if occupation.group == group else ():
                    for key in product((letter, ""), (z, 0)):
                        found[key] += crystals
            self._n_sites_of[group] = found
        return self._n_sites_of[group]


def _times(counts: Mapping[int, int], units: int) -> dict[int, int]:
    return {z: units * n for z, n in counts.items()}


def numbers_of_sites(occupation: Occupation) -> dict[int, int]:
    """Sites of each element, by atomic number."""
    return dict(Counter(z for _, z in occupation.sites))


def _with_new(votes: Mapping[Occupation, float], weights: Mapping[Occupation, float]) -> dict[Occupation, float]:
    """Votes, and a small part for assignments without precedent by their weights."""
    # Assignments that another origin makes equal differ in weight only by chance: each is known by its best.
    best: dict[Occupation, float] = {}
    for occupation, weight in weights.items():
        best[canonical(occupation)] = max(weight, best.get(canonical(occupation), 0.0))
    share = _NEW / sum(best.values())
    return {found: votes.get(found, 0.0) + share * best.get(found, 0.0) for found in [*votes, *best]}


def _ranked(votes: Mapping[Occupation, float], limit: int) -> Proposals:
    best = sorted(votes.items(), key=lambda entry: (-entry[1], entry[0]))[:limit]
    weights = np.array([weight for _, weight in best])
    return Proposals([occupation for occupation, _ in best], weights / weights.sum())
