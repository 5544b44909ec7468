"""Which elements and space groups generated crystals have, and how scarce what they are made of is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon

from asegen.elements import LAST
from asegen.metrics.errors import mean_with_error, with_errors
from asegen.metrics.inputs import Figures, Inputs, reduced_formula
from asegen.structures.scarcity import hhi
from asegen.structures.space_groups import space_group_number
from asegen.symmetry.symbols import LAST_GROUP

SYMPREC = 0.1
"""Å, of the space groups."""


def chemistry(inputs: Inputs) -> Figures:
    """Jensen-Shannon divergences of elements and space groups from the reference, share in P1, HHI of the elements."""
    generated, reference = inputs.valid_generated, inputs.valid_reference
    groups = [space_group(atoms) for atoms in generated]
    values = with_errors({"p1": groups.count(1) / max(1, len(groups))}, max(1, len(groups)))
    values |= {"groups": float(len(set(groups)))}
    scarcity = [found for found in map(_hhi, generated) if found is not None]
    values |= mean_with_error("hhi_production", [production for production, _ in scarcity])
    values |= mean_with_error("hhi_reserves", [reserves for _, reserves in scarcity])
    if reference and generated:
        values["js_elements"] = _divergence(_elements(generated), _elements(reference))
        values["js_groups"] = _divergence(_counted(groups), _counted([space_group(atoms) for atoms in reference]))
    counts = {"valid": len(generated), "reference": len(reference), "without_hhi": len(generated) - len(scarcity)}
    return Figures(values, counts)


def space_group(atoms: Atoms) -> int:
    """The number of the space group within `SYMPREC`; 1 where spglib finds none.

    Args:
        atoms: passes the gate.
    """
    return space_group_number(atoms, SYMPREC) or 1


def _elements(structures: Sequence[Atoms]) -> NDArray[np.float64]:
    """(LAST + 1,), the mean over structures of the share of each element in the atoms."""
    shares = [np.bincount(np.minimum(atoms.numbers, LAST), minlength=LAST + 1) / len(atoms) for atoms in structures]
    return np.asarray(np.mean(shares, axis=0))


def _counted(groups: Sequence[int]) -> NDArray[np.float64]:
    count = Counter(groups)
    return np.array([count[number] for number in range(1, LAST_GROUP + 1)], float)


def _divergence(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """The Jensen-Shannon divergence, from 0 to 1; distributions need not be normalised."""
    return float(jensenshannon(one, other, base=2) ** 2)


def _hhi(atoms: Atoms) -> tuple[float, float] | None:
    """Herfindahl-Hirschman indices of production and reserves of the elements, by weight; None without data."""
    production, reserves = hhi(reduced_formula(atoms))
    return None if production is None or reserves is None else (production, reserves)
