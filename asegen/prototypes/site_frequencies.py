"""`SiteFrequencies`: how often elements of known crystals are on the positions of a space group."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from itertools import product

from asegen.symmetry.assignments import Occupation
from asegen.symmetry.groups import space_group

_SMOOTHING = 4.0
"""Sites of an element in a group that count as much as the group's sites of all elements."""


class SiteFrequencies:
    """Smoothed frequencies of (space group, Wyckoff position, element).

    Args:
        known: occupations with their numbers of crystals.
    """

    def __init__(self, known: Mapping[Occupation, int]) -> None:
        self._known = known
        self._n_sites_of: dict[int, Counter[tuple[str, int]]] = {}

    def logarithm(self, group: int, letter: str, number: int) -> float:
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

    def log_weight(self, occupation: Occupation) -> float:
        """Logarithm of the product of its sites' frequencies."""
        return sum(self.logarithm(occupation.group, *site) for site in occupation.sites)

    def likeliest(self, n_sites: Mapping[int, int], group: int, limit: int) -> dict[Occupation, float]:
        """Assignments of numbers of sites by their frequencies alone; a beam search, site by site.

        Args:
            n_sites: number of sites of each element, by atomic number.
            group: number of the space group.
            limit: most assignments.

        Returns:
            Their weights, 1 for the likeliest; empty where too few positions take more than one site.
        """
        best: list[tuple[float, tuple[tuple[str, int], ...]]] = [(0.0, ())]
        for z in (z for z, n in n_sites.items() for _ in range(n)):
            grown = {}
            for weight, sites in best:
                taken = {letter for letter, _ in sites}
                for position in space_group(group).positions:
                    if not (position.is_fixed and position.letter in taken):
                        longer = tuple(sorted([*sites, (position.letter, z)]))
                        grown[longer] = weight + self.logarithm(group, position.letter, z)
            best = sorted(((weight, sites) for sites, weight in grown.items()), reverse=True)[:limit]
        return {Occupation(group, sites): math.exp(weight - best[0][0]) for weight, sites in best}

    def _n_sites(self, group: int) -> Counter[tuple[str, int]]:
        """Sites of a group by letter ("" for all) and element (0 for all)."""
        if group not in self._n_sites_of:
            found: Counter[tuple[str, int]] = Counter()
            for occupation, crystals in self._known.items():
                for letter, z in occupation.sites if occupation.group == group else ():
                    for key in product((letter, ""), (z, 0)):
                        found[key] += crystals
            self._n_sites_of[group] = found
        return self._n_sites_of[group]
