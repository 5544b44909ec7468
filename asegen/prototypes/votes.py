"""How much a known crystal says about another composition: a vote, which falls with the chemical distance."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from asegen.elements import COVALENT_RADIUS, ELECTRONEGATIVITY, LAST, column

SOFTNESS = 0.5
"""Chemical distance at which a vote has fallen by e."""


STABILITY_SCALE = 0.1
"""eV/atom above the hull at which a vote has fallen by e."""
UNKNOWN_WEIGHT = 0.7
"""Of the vote of a crystal whose energy isn't known."""


def stability_weights(above_hull: NDArray[np.float64]) -> NDArray[np.float64]:
    """Factors of the votes of known crystals: who lies high says less about what is found.

    Args:
        above_hull: (n,), eV/atom; NaN where it isn't known.
    """
    weights = np.exp(-np.maximum(above_hull, 0.0) / STABILITY_SCALE)
    return np.where(np.isnan(above_hull), UNKNOWN_WEIGHT, weights)


def vote(distance: float) -> float:
    """The weight of a known crystal: 1 where no element is exchanged.

    Args:
        distance: sum of `chemical_distance` over its elements and what replaces them.
    """
    return math.exp(-distance / SOFTNESS)


@cache
def chemical_distance(a: int, b: int) -> float:
    """How different two elements are as parts of a crystal: 0 for the same, about 1 for neighbours in the table.

    From electronegativity, covalent radius and column, atomic numbers given; beyond lawrencium as lawrencium.
    """
    if a == b:
        return 0.0
    a, b = min(a, LAST), min(b, LAST)
    negativity = (ELECTRONEGATIVITY[a] - ELECTRONEGATIVITY[b]) / 0.4
    radius = (COVALENT_RADIUS[a] - COVALENT_RADIUS[b]) / 0.25
    columns = min(abs(column(a) - column(b)), 4) / 2
    return math.sqrt(negativity**2 + radius**2 + columns**2 + 0.25)


@cache
def distances() -> NDArray[np.float64]:
    """(LAST + 1, LAST + 1): `chemical_distance` by atomic numbers; row and column 0 are as those of hydrogen."""
    numbers = [max(z, 1) for z in range(LAST + 1)]
    return np.array([[chemical_distance(a, b) for b in numbers] for a in numbers])
