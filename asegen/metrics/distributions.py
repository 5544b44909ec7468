"""How far the distribution of a property lies from that of real crystals, by the earth mover's distance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import wasserstein_distance

from asegen.metrics.inputs import Figures, Floats, Inputs
from asegen.structures.validity import density


def earth_movers_distance(generated: Sequence[float] | Floats, reference: Sequence[float] | Floats) -> float:
    """The Wasserstein-1 distance, in the unit of the values; NaN where one side is empty."""
    if not len(generated) or not len(reference):
        return float("nan")
    return float(wasserstein_distance(generated, reference))


def density_distance(inputs: Inputs) -> Figures:
    """Earth mover's distance of the densities."""
    sides = [[density(atoms) for atoms in side] for side in (inputs.valid_generated, inputs.valid_reference)]
    return _figures(sides)


def element_count_distance(inputs: Inputs) -> Figures:
    """Earth mover's distance of the numbers of distinct elements."""
    sides = [
        [float(len(np.unique(atoms.numbers))) for atoms in side]
        for side in (inputs.valid_generated, inputs.valid_reference)
    ]
    return _figures(sides)


def _figures(sides: Sequence[Sequence[float]]) -> Figures:
    generated, reference = sides
    values = {"emd": earth_movers_distance(generated, reference)}
    means = {f"mean_{side}": float(np.mean(v)) for side, v in (("generated", generated), ("reference", reference)) if v}
    return Figures(values | means, {"generated": len(generated), "reference": len(reference)})
