"""Cells of known crystals, and cells that exchanging their elements leads to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from asegen.discovery.chemistry import Slots
from asegen.discovery.exchange import Matrix
from asegen.elements import ELECTRONEGATIVITY
from asegen.hull.table import ReducedFormula, reduced, shipped_hull
from asegen.prototypes.catalogue import Catalogue

Anonymous = tuple[int, ...]
"""The counts of a reduced formula, ascending."""
Floats = NDArray[np.float64]


class Cell(NamedTuple):
    """The composition and space group of a primitive cell.

    Attributes:
        group: number of the space group.
        numbers: atomic numbers of its elements, by ascending count, then number.
        counts: atoms of each, ascending.
    """

    group: int
    numbers: tuple[int, ...]
    counts: tuple[int, ...]

    @staticmethod
    def of(group: int, counts: Mapping[int, int]) -> Cell:
        """The cell of a composition.

        Args:
            group: number of its space group.
            counts: atoms of each element, by atomic number.
        """
        ordered = sorted(counts.items(), key=lambda pair: (pair[1], pair[0]))
        return Cell(group, tuple(z for z, _ in ordered), tuple(n for _, n in ordered))

    @property
    def composition(self) -> dict[int, int]:
        """Atoms of each element, by atomic number."""
        return dict(zip(self.numbers, self.counts, strict=True))

    @property
    def symbols(self) -> dict[str, int]:
        """Atoms of each element by symbol, the least electronegative first."""
        ordered = sorted(self.composition.items(), key=lambda pair: (ELECTRONEGATIVITY[pair[0]], pair[0]))
        return {chemical_symbols[z]: n for z, n in ordered}

    @property
    def formula(self) -> ReducedFormula:
        """The reduced formula."""
        return reduced(self.composition)

    @property
    def anonymous(self) -> Anonymous:
        """The counts of the reduced formula."""
        divisor = int(np.gcd.reduce(self.counts))
        return tuple(n // divisor for n in self.counts)


def cells_of(catalogue: Catalogue) -> list[Cell]:
    """The cells of all known crystals of a catalogue, as often as there are crystals of them."""
    return [Cell.of(known.group, known.counts) for known, n in catalogue.known.items() for _ in range(n)]


def stable_cells(catalogue: Catalogue) -> list[Cell]:
    """Those of compositions that have a stable compound, by the shipped hull.

    Other crystals of a catalogue may come from enumerations, in which every element stands in for every other: they say
    nothing of which exchanges nature allows.
    """
    hull = shipped_hull()
    return [cell for cell in cells_of(catalogue) if hull.is_stable(cell.composition)]


class Route(NamedTuple):
    """A way from a known cell to another one.

    Attributes:
        cell: that it leads to.
        parent: the known one.
    """

    cell: Cell
    parent: Cell


class Routes:
    """Draws cells that known ones lead to, as likely as the product of the exchanges of their elements.

    Args:
        cells: known ones.
        exchanges: probability of each element in the place of each, kept ones on the diagonal.
        slots: elements that compositions of so many elements may have, see `Chemistry.slots`.

    Attributes:
        cells: as given.
    """

    def __init__(self, cells: Sequence[Cell], exchanges: Matrix, slots: Callable[[int], list[Slots]]) -> None:
        self.cells, self._exchanges = cells, exchanges
        self._steps: dict[frozenset[int], Floats] = {}
        parts: list[tuple[NDArray[np.int64], Slots, Floats]] = []
        for size, places in _by_size(cells).items():
            numbers = np.array([cells[k].numbers for k in places])
            for choice in slots(size):
                inside = [self._cumulated(slot)[numbers[:, role], -1] for role, slot in enumerate(choice)]
                parts.append((places, choice, np.prod(inside, axis=0)))
        self._place = np.concatenate([np.zeros(0, int), *(places for places, _, _ in parts)])
        self._slots = [choice for places, choice, _ in parts for _ in places]
        self._weights = np.concatenate([np.zeros(0), *(weights for _, _, weights in parts)])

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._weights.sum() > 0)

    def sampler(self, rng: np.random.Generator, factors: Floats | None = None) -> Callable[[], Route]:
        """A function that draws a route.

        Args:
            rng: all randomness comes from here.
            factors: (n_cells,), of the weights of routes from each cell.
        """
        steps = np.cumsum(self._weights if factors is None else self._weights * factors[self._place])

        def draw() -> Route:
            k = int(np.searchsorted(steps, rng.random() * steps[-1], side="right"))
            return self._exchanged(self.cells[self._place[k]], self._slots[k], rng)

        return draw

    def _exchanged(self, parent: Cell, slots: Slots, rng: np.random.Generator) -> Route:
        elements = []
        for z, slot in zip(parent.numbers, slots, strict=True):
            steps = self._cumulated(slot)[z]
            elements.append(int(np.searchsorted(steps, rng.random() * steps[-1], side="right")))
        return Route(Cell(parent.group, tuple(elements), parent.counts), parent)

    def _cumulated(self, slot: frozenset[int]) -> Floats:
        """(n, n): for each element the cumulated probabilities of those that may take its place."""
        if slot not in self._steps:
            allowed = np.zeros(len(self._exchanges))
            allowed[list(slot)] = 1
            self._steps[slot] = np.cumsum(self._exchanges * allowed, axis=1)
        return self._steps[slot]


def _by_size(cells: Sequence[Cell]) -> dict[int, NDArray[np.int64]]:
    """Number of elements -> places of the cells that have so many."""
    found: dict[int, list[int]] = defaultdict(list)
    for k, cell in enumerate(cells):
        found[len(cell.numbers)].append(k)
    return {size: np.array(places) for size, places in sorted(found.items())}
