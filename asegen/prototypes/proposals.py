"""Which Wyckoff assignments of a composition are likely: by analogy to known crystals, and by frequencies of sites.

An assignment (an `Occupation`) is likely if a known crystal of the same group and the same numbers of atoms has it with
similar elements: every known crystal votes for the assignments that exchanging its elements gives, with a weight that
falls with the chemical distance of the exchange. Assignments without a precedent share a small part by a product over
their sites of smoothed frequencies of (group, position, element).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asegen.errors import InputError
from asegen.prototypes.catalogue import Catalogue
from asegen.prototypes.exchanges import exchanged, signature, weighted_exchanges
from asegen.prototypes.site_frequencies import SiteFrequencies
from asegen.symmetry.assignments import Occupation, best_occupations, canonical, fits, impossible
from asegen.symmetry.groups import space_group

_NEW = 0.05
"""Votes of the assignments without precedent, against the known crystals' (an exchange of nothing votes with 1)."""
_SEARCHED = 256


class Proposals(NamedTuple):
    """Wyckoff assignments of a composition.

    Attributes:
        occupations: canonical, likeliest first.
        probabilities: (n,), sum 1.
    """

    occupations: list[Occupation]
    probabilities: NDArray[np.float64]

    def select(self, chosen: Sequence[int]) -> Proposals:
        """Some of them, their probabilities scaled to the sum 1.

        Args:
            chosen: at least one index, ascending.
        """
        probabilities = self.probabilities[list(chosen)]
        return Proposals([self.occupations[k] for k in chosen], probabilities / probabilities.sum())


class OccupationProposer:
    """Proposes Wyckoff assignments as known crystals have them.

    Args:
        catalogue: the known crystals.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._frequencies = SiteFrequencies(catalogue.known)

    def propose(self, counts: Mapping[int, int], group: int, limit: int = 64) -> Proposals:
        """The likeliest assignments of a composition in a group.

        Args:
            counts: atoms of each element in the primitive cell, by atomic number.
            group: number of the space group.
            limit: most assignments.

        Raises:
            InputError: there is none; the nearest compositions that have one are named.
        """
        votes = _votes(counts, self._catalogue.like(counts, group))
        table = space_group(group)
        frequency = self._frequencies.logarithm
        found = best_occupations(table, counts, lambda at, z: frequency(group, at.letter, z), _SEARCHED)
        if not found:
            raise impossible(table, counts)
        weights = {new: math.exp(self._frequencies.log_weight(new)) for new in found}
        return _ranked(_with_new(votes, weights), limit)

    def propose_any(self, counts: Mapping[int, int], limit: int = 64) -> Proposals:
        """The likeliest assignments of a composition, whatever the group.

        A composition without precedent is put into the groups that crystals of as many elements have most often.

        Args:
            counts: as in `propose`.
            limit: most assignments.
        """
        votes = _votes(counts, self._catalogue.like(counts))
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
        weights = self._frequencies.likeliest(n_sites, group, _SEARCHED)
        if not weights:
            raise InputError(f"{space_group(group).symbol} ({group}) has no room for {sum(n_sites.values())} sites")
        precedents = [entry for entry in self._by_sites.get(signature(n_sites), ()) if entry[0].group == group]
        return _ranked(_with_new(_votes(n_sites, precedents, numbers_of_sites), weights), limit)

    @cached_property
    def _by_sites(self) -> dict[tuple[int, ...], list[tuple[Occupation, int]]]:
        found: dict[tuple[int, ...], list[tuple[Occupation, int]]] = defaultdict(list)
        for occupation, crystals in self._catalogue.known.items():
            found[signature(numbers_of_sites(occupation))].append((occupation, crystals))
        return dict(found)

    @cached_property
    def _groups_by_elements(self) -> dict[int, Counter[int]]:
        found: dict[int, Counter[int]] = defaultdict(Counter)
        for occupation, crystals in self._catalogue.known.items():
            found[len(occupation.counts)][occupation.group] += crystals
        return found


def _votes(
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
