"""Keeps the chemistry of what is found as various as that of known crystals.

Crystals of some elements are predicted to be stable more surely than others, so that a run drifts towards them.
Compositions of elements, and of families of chemically similar elements, that there is more of already than among known
crystals are therefore proposed less.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asegen.discovery.cells import Cell
from asegen.discovery.families import family
from asegen.elements import LAST

Floats = NDArray[np.float64]

STRENGTH = 25.0
"""Power of the excess by which compositions are discounted: of 0 to 50 the one with the smallest Jensen-Shannon
divergence of elements from known crystals, at equal likelihood of the compositions."""
_DOUBT = 10.0
"""Crystals with known crystals' shares of elements that those found so far are taken together with."""


class Balance:
    """Chooses compositions by their scores, less a discount for elements that there is too much of.

    A composition's discount is the mean over its elements of ln(s/q), where positive, of the element and of its family:
    q is the share of known crystals that have it, and s its share in what was kept and what this round has chosen
    already.

    Args:
        known: compositions of known crystals.
        weights: of each, (n,); all alike without it.
    """

    def __init__(self, known: Sequence[Cell], weights: Floats | None = None) -> None:
        members, everyone = _members(known), np.ones(len(known))
        self._shares = _shares(members, everyone, np.full(members.shape[1], 1 / max(1, len(known))))
        if weights is not None:
            self._shares = _shares(members, weights, self._shares)

    def choose(self, scores: Floats, cells: Sequence[Cell], n: int, kept: Sequence[Cell]) -> list[int]:
        """Places of the compositions that are chosen, one after the other.

        Args:
            scores: (n_cells,), of each; logarithms of weights.
            cells: to choose from.
            n: how many; there may be fewer.
            kept: what was found before.
        """
        members, left = _members(cells), scores.copy()
        of_elements = members[:, : LAST + 1]
        sizes = of_elements.sum(1)
        counts, total = _members(kept).sum(0), float(len(kept))
        chosen: list[int] = []
        for _ in range(min(n, len(cells))):
            excess = _DOUBT + counts / self._shares
            excess = np.maximum(np.log(excess / (_DOUBT + total)), 0)
            by_element = excess[: LAST + 1] + excess[_FAMILY_OF]
            place = int(np.argmax(left - STRENGTH * (of_elements @ by_element) / sizes))
            chosen.append(place)
            left[place] = -np.inf
            counts, total = counts + members[place], total + 1
        return chosen


def _shares(members: Floats, weights: Floats, before: Floats) -> Floats:
    """(n_groups,): the weighted share of crystals that have each element or family; few crystals leave it as before."""
    return np.asarray((weights @ members + _DOUBT * before) / (weights.sum() + _DOUBT))


def _members(cells: Sequence[Cell]) -> Floats:
    """(n_cells, LAST + 1 + n_families): 1 where a composition has the element or one of the family."""
    found = np.zeros((len(cells), LAST + 1 + len(_FAMILIES)))
    for row, cell in zip(found, cells, strict=True):
        row[list(cell.numbers)] = 1
        row[_FAMILY_OF[list(cell.numbers)]] = 1
    return found


_FAMILIES = tuple(sorted({family(z) for z in range(1, LAST + 1)}))
_FAMILY_OF = np.array([LAST + 1 + _FAMILIES.index(family(max(z, 1))) for z in range(LAST + 1)])
"""(LAST + 1,), by atomic number: the place of an element's family."""
