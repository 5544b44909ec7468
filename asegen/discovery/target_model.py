"""How likely a composition meets the targets, before any structure of it is drawn.

The estimate is the mean of the probabilities of known crystals, and of what the run has predicted so far, each weighted
by how similar its composition is (kernel regression of E. A. Nadaraya, Theory Probab. Appl. 9, 141 (1964), and G. S.
Watson, Sankhya A 26, 359 (1964)). It serves every target, since all it takes is the probability that each crystal meets
it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asegen.criteria.judging import Criteria
from asegen.discovery.cells import Cell
from asegen.elements import COVALENT_RADIUS, ELECTRONEGATIVITY, LAST, TYPICAL_VOLUME, column
from asegen.prototypes.library import TemplateLibrary

Floats = NDArray[np.float64]

WIDTH = 0.5
"""Standard deviation of the kernel, in the units of `descriptors`. Of 0.2 to 1 the one that orders crystals of
mp/val by band gaps of 1 to 2 eV and of elasticity/val by bulk moduli of 200 GPa and more best, taken together."""
_DOUBT = 0.5
"""Crystals of the same composition that the mean of all known ones weighs as much as."""
_LEAST = 1e-3
"""Probability of what nothing similar meets, so that nothing is ruled out."""
_SAMPLE, _MOST_ATOMS = 3000, 20
"""Known crystals that the targets are asked of, and the most atoms in their cells: about 5 ms each for a network."""
_AT_ONCE = 512
"""Compositions whose distances to all others are in memory at a time."""


class TargetModel:
    """Probabilities that compositions meet the targets.

    Args:
        cells: compositions of known crystals, at least one.
        probabilities: that each of them meets the targets, (n,).
    """

    def __init__(self, cells: Sequence[Cell], probabilities: Sequence[float] | Floats) -> None:
        self._points, self._values = descriptors(cells), np.asarray(probabilities, dtype=float)
        self._mean = float(self._values.mean())

    def learning(self, cells: Sequence[Cell], probabilities: Sequence[float]) -> TargetModel:
        """The model with further crystals, whose mean it doesn't take over: they were chosen for their properties.

        Args:
            cells: their compositions.
            probabilities: that each of them meets the targets.
        """
        more = TargetModel.__new__(TargetModel)
        more._points = np.concatenate([self._points, descriptors(cells)])
        more._values = np.concatenate([self._values, probabilities])
        more._mean = self._mean
        return more

    def probabilities(self, cells: Sequence[Cell]) -> Floats:
        """(n,): for each composition, from 0.001 to 1.

        Args:
            cells: any number.
        """
        points = descriptors(cells)
        parts = [self._of(points[start : start + _AT_ONCE]) for start in range(0, len(points), _AT_ONCE)]
        return np.maximum(np.concatenate([np.zeros(0), *parts]), _LEAST)

    def _of(self, points: Floats) -> Floats:
        squares = (points**2).sum(1)[:, None] + (self._points**2).sum(1) - 2 * points @ self._points.T
        weights = np.exp(-np.maximum(squares, 0) / (2 * WIDTH**2))
        return np.asarray((weights @ self._values + _DOUBT * self._mean) / (weights.sum(1) + _DOUBT))


def known_targets(library: TemplateLibrary, criteria: Criteria) -> TargetModel:
    """What a sample of known crystals says: each is judged as if it were a find.

    Args:
        library: known crystals.
        criteria: the targets.
    """
    rng = np.random.default_rng(0)  # the same sample for every seed, so that runs differ by their proposals alone
    places = rng.permutation(len(library))[:_SAMPLE].tolist()
    crystals = [atoms for atoms in library.atoms(places) if len(atoms) <= _MOST_ATOMS]
    cells = [Cell.of(1, Counter(atoms.numbers.tolist())) for atoms in crystals]
    return TargetModel(cells, [found.probability for found in criteria.judge(crystals)])


def descriptors(cells: Sequence[Cell]) -> Floats:
    """(n, 8): mean and standard deviation over the atoms of four properties of their elements.

    Electronegativity, covalent radius and column of the table in the units of
    `asegen.prototypes.votes.chemical_distance` (0.4, 0.25 Å, 2), and the cube root of the typical volume of an atom in
    0.3 Å.

    Args:
        cells: compositions.
    """
    counts = np.zeros((len(cells), LAST + 1))
    for row, cell in zip(counts, cells, strict=True):
        row[list(cell.numbers)] = cell.counts
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    mean = shares @ _PROPERTIES
    variance = shares @ _PROPERTIES**2 - mean**2
    return np.concatenate([mean, np.sqrt(np.maximum(variance, 0))], axis=1)


def _properties() -> Floats:
    """(LAST + 1, 4), by atomic number."""
    columns = np.array([0, *map(column, range(1, LAST + 1))]) / 2
    scaled = [np.array(ELECTRONEGATIVITY) / 0.4, np.array(COVALENT_RADIUS) / 0.25, columns]
    return np.stack([*scaled, np.cbrt(TYPICAL_VOLUME) / 0.3], axis=1)


_PROPERTIES = _properties()
