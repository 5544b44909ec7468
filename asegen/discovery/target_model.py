"""How likely a composition has a stable crystal that meets the targets, before any structure of it is drawn.

The estimate is the probability to meet the targets, a mean over known crystals and what the run has predicted so far,
times the probability to be stable, a mean over the latter alone. Similar compositions weigh most (kernel regression of
E. A. Nadaraya, Theory Probab. Appl. 9, 141 (1964), and G. S. Watson, Sankhya A 26, 359 (1964)). That serves every
target, since all it takes is the probability that each crystal meets it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from asegen.criteria.criterion import Criterion
from asegen.criteria.judging import Criteria, Judgement
from asegen.discovery.cells import Cell
from asegen.elements import COVALENT_RADIUS, ELECTRONEGATIVITY, LAST, TYPICAL_VOLUME, column
from asegen.errors import InputError
from asegen.prototypes.library import TemplateLibrary

Floats = NDArray[np.float64]

WIDTH = 0.5
"""Standard deviation of the kernel, in the units of `descriptors`. Of 0.2 to 1 the one that orders crystals of
mp/val by band gaps of 1 to 2 eV and of elasticity/val by bulk moduli of 200 GPa and more best, taken together."""
_DOUBT = 0.5
"""Crystals of the same composition that the mean of all weighs as much as."""
_STABLE = 0.5
"""Probability to be stable where nothing similar was tried: about the share of all proposals."""
_LEAST = 1e-3
"""Probability of what nothing similar meets, so that nothing is ruled out."""
_SAMPLE, _MOST_ATOMS = 3000, 20
"""Known crystals that the targets are asked of, and the most atoms in their cells: about 5 ms each for a network."""
_HOPELESS = 3e-5
"""Share of known crystals that may have a property by the errors of its prediction alone: below it not one of ten runs
of 3,000 proposals would find a crystal."""
_AT_ONCE = 512
"""Compositions whose distances to all others are in memory at a time."""


class KernelMean:
    """The mean of a number over compositions, those most that are similar to the one asked for.

    Args:
        cells: compositions.
        values: of each, (n,).
        elsewhere: the mean where none is similar; without it that of all, of which there is at least one then.
    """

    def __init__(self, cells: Sequence[Cell], values: Sequence[float] | Floats, elsewhere: float | None = None) -> None:
        self._points, self._values = descriptors(cells), np.asarray(values, dtype=float)
        self._elsewhere = float(self._values.mean()) if elsewhere is None else elsewhere

    def learning(self, cells: Sequence[Cell], values: Sequence[float]) -> KernelMean:
        """The same with further compositions.

        Args:
            cells: further compositions.
            values: of each.
        """
        more = KernelMean([], [], self._elsewhere)
        more._points = np.concatenate([self._points, descriptors(cells)])
        more._values = np.concatenate([self._values, values])
        return more

    def at(self, cells: Sequence[Cell]) -> Floats:
        """(n,): the mean around each composition.

        Args:
            cells: any number.
        """
        points = descriptors(cells)
        parts = [self._at(points[start : start + _AT_ONCE]) for start in range(0, len(points), _AT_ONCE)]
        return np.concatenate([np.zeros(0), *parts])

    def _at(self, points: Floats) -> Floats:
        squares = (points**2).sum(1)[:, None] + (self._points**2).sum(1) - 2 * points @ self._points.T
        weights = np.exp(-np.maximum(squares, 0) / (2 * WIDTH**2))
        return np.asarray((weights @ self._values + _DOUBT * self._elsewhere) / (weights.sum(1) + _DOUBT))


class TargetModel(NamedTuple):
    """Probabilities that compositions have a stable crystal that meets the targets, errors taken as independent.

    Attributes:
        on_target: the probability to meet the targets.
        stable: the probability to be stable.
    """

    on_target: KernelMean
    stable: KernelMean

    def probabilities(self, cells: Sequence[Cell]) -> Floats:
        """(n,): for each composition, from 0.001 to 1.

        Args:
            cells: any number.
        """
        return np.maximum(self.on_target.at(cells) * self.stable.at(cells), _LEAST)


def known_targets(library: TemplateLibrary, criteria: Criteria) -> TargetModel:
    """What a sample of known crystals says of the targets; they say nothing of which new compounds are stable.

    Args:
        library: known crystals, each judged as if it were a find.
        criteria: the targets.

    Raises:
        InputError: a predicted property that is asked for is out of reach of all of them, see `_HOPELESS`.
    """
    rng = np.random.default_rng(0)  # the same sample for every seed, so that runs differ by their proposals alone
    places = rng.permutation(len(library))[:_SAMPLE].tolist()
    crystals = [atoms for atoms in library.atoms(places) if len(atoms) <= _MOST_ATOMS]
    cells = [Cell.of(1, Counter(atoms.numbers.tolist())) for atoms in crystals]
    judged = criteria.judge(crystals)
    _check_hope(criteria.criteria, crystals, judged)
    on_target = KernelMean(cells, [found.probability for found in judged])
    return TargetModel(on_target, KernelMean([], [], _STABLE))


def _check_hope(criteria: Sequence[Criterion], crystals: Sequence[Atoms], judged: Sequence[Judgement]) -> None:
    """Refuses a range of predicted values that no known crystal has, nor is likely to have by the errors."""
    for place, criterion in enumerate(criteria):
        name = f"{criterion.quantity.name}_predicted"
        values = {k: found.values[name] for k, found in enumerate(judged) if name in found.values}
        if not values or any(map(criterion.is_met, values.values())):
            continue
        if sum(found.each[place] for found in judged) > _HOPELESS * len(judged):
            continue
        nearest = min(values, key=lambda k: criterion.distance(values[k]))
        has = f"{crystals[nearest].get_chemical_formula(empirical=True)}, has {values[nearest]:.3g}"
        wrong = f"target = {criterion}: none of {len(crystals)} known crystals comes near; the nearest, {has}"
        raise InputError(f"{wrong} {criterion.quantity.unit}".rstrip(), "target")


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
