"""How likely one element takes another's place in a crystal, learned from known crystals.

Two known crystals that are the same but for one element (one space group, one composition otherwise) are an exchange.
How often each pair of elements is exchanged tells which exchanges nature allows, as in G. Hautier et al., Inorg. Chem.
50, 656 (2011), here for elements rather than ions, and with chemical distances where there are few crystals.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from asegen.elements import LAST
from asegen.prototypes.votes import SOFTNESS, distances
from asegen.structures.oxidation import oxidation_states

Matrix = NDArray[np.float64]
"""(LAST + 1, LAST + 1), by atomic numbers; row a, column b: the probability that b takes the place of a."""

PRIOR_WEIGHT = 10.0
"""Exchanges that chemical distances count for, beside those of known crystals, for each element. Of 1, 10 and 50 the
one with the highest likelihood of mp/val."""


def learned_exchanges(cells: Iterable[tuple[int, Mapping[int, int]]], prior_weight: float = PRIOR_WEIGHT) -> Matrix:
    """Probabilities of exchanges by how often known crystals differ by them.

    Args:
        cells: space group, and atoms of each element by atomic number, of known crystals.
        prior_weight: see `PRIOR_WEIGHT`.

    Returns:
        Rows of elements that occur sum up to 1; the diagonal, and what doesn't occur, is 0.
    """
    alike: dict[object, set[int]] = defaultdict(set)
    for group, counts in cells:
        for z, n in counts.items():
            alike[group, n, frozenset(counts.items()) - {(z, n)}].add(z)
    counted = np.zeros((LAST + 1, LAST + 1))
    occurs = np.zeros(LAST + 1, dtype=bool)
    for elements in alike.values():
        occurs[list(elements)] = True
        for a, b in permutations(sorted(elements), 2):
            counted[a, b] += 1 / (len(elements) - 1)  # a type that all elements have says no more than others
    return _normalised(counted + prior_weight * _normalised(np.exp(-distances() / SOFTNESS), occurs), occurs)


def uniform_exchanges(elements: Iterable[int]) -> Matrix:
    """Every element as likely as any other.

    Args:
        elements: atomic numbers that may occur.
    """
    return _normalised(np.ones((LAST + 1, LAST + 1)), _flags(elements))


def ionic_exchanges(elements: Iterable[int]) -> Matrix:
    """Every element that shares an oxidation state as likely as any other, see `asegen.structures.oxidation`.

    Args:
        elements: atomic numbers that may occur.
    """
    shared = np.zeros((LAST + 1, LAST + 1))
    own = sorted(elements)
    for a, b in permutations(own, 2):
        shared[a, b] = bool(set(oxidation_states(a)) & set(oxidation_states(b)))
    return _normalised(shared, _flags(own))


def _flags(elements: Iterable[int]) -> NDArray[np.bool_]:
    occurs = np.zeros(LAST + 1, dtype=bool)
    occurs[list(elements)] = True
    return occurs


def _normalised(matrix: Matrix, occurs: NDArray[np.bool_]) -> Matrix:
    """Rows with sum 1, or 0, without the diagonal and without elements that don't occur."""
    found = np.where(occurs[:, None] & occurs & ~np.eye(len(matrix), dtype=bool), matrix, 0.0)
    sums = found.sum(1, keepdims=True)
    return np.asarray(np.divide(found, sums, out=np.zeros_like(found), where=sums > 0))
