"""The probability of a composition: the sum over all known ones that exchanges of elements lead to it from."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby, permutations, product

import numpy as np

from asegen.discovery.cells import Anonymous, Cell
from asegen.discovery.exchange import Matrix
from asegen.hull.table import ReducedFormula

_LEAST = 1e-12
"""Probability of a composition that no known one leads to."""


class Likelihood:
    """Probabilities of compositions.

    Args:
        cells: known ones; compositions that have several crystals count once.
        exchanges: probability of each element in the place of each, kept ones on the diagonal.
    """

    def __init__(self, cells: Iterable[Cell], exchanges: Matrix) -> None:
        known: dict[Anonymous, dict[ReducedFormula, tuple[int, ...]]] = defaultdict(dict)
        for cell in cells:
            known[cell.anonymous].setdefault(cell.formula, cell.numbers)
        self._exchanges = exchanges
        self._known = {anonymous: np.array(list(of.values())) for anonymous, of in known.items()}
        self._count = sum(map(len, known.values()))

    def logarithm(self, cell: Cell) -> float:
        """Natural logarithm of the probability of a cell's composition among all, known ones included."""
        known = self._known.get(cell.anonymous)
        if known is None:
            return math.log(_LEAST)
        arranged = _arrangements(cell)
        total = sum(float(self._exchanges[known, list(numbers)].prod(1).sum()) for numbers in arranged)
        return math.log(max(total / self._count, _LEAST))


def _arrangements(cell: Cell) -> Iterator[tuple[int, ...]]:
    """The elements in every order in which their counts ascend."""
    equal = [[z for z, _ in own] for _, own in groupby(zip(cell.numbers, cell.counts, strict=True), lambda p: p[1])]
    for parts in product(*map(permutations, equal)):
        yield tuple(z for part in parts for z in part)
