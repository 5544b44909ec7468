"""Distances between crystals by invariants that are continuous: average minimum distances.

The average minimum distances of a crystal are the mean distances of its atoms to their k-th nearest neighbours, k = 1
to `NEIGHBORS`; they don't depend on cells and change little where atoms move little. D. Widdowson et al., MATCH 87, 529
(2022). Elements don't count: near crystals have one structure type and like volumes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from asegen.metrics.cache import Row, content_key
from asegen.metrics.errors import mean_with_error
from asegen.metrics.inputs import Figures, Inputs, valid
from asegen.metrics.remembered import remembered_map
from asegen.parallel.timed_map import Failed

NEIGHBORS = 100
TIME_LIMIT = 60.0
"""Seconds of processor time for one structure."""


def amd_distances(inputs: Inputs) -> Figures:
    """Mean distances of the generated structures to the nearest reference, training crystal and one another."""
    generated = _invariants(inputs.valid_generated, inputs)
    values: dict[str, float] = {}
    n = len(inputs.valid_generated)
    counts = {"valid": n, "without_answer": n - len(generated)}
    for name, others in (("nearest_reference", inputs.valid_reference), ("nearest_train", valid(inputs.train))):
        if others and len(generated):
            nearest = distances(generated, _invariants(others, inputs)).min(1)
            values |= mean_with_error(name, nearest.tolist())
    if len(generated) > 1:
        among = distances(generated, generated) + np.diag(np.full(len(generated), np.inf))
        values |= mean_with_error("nearest_generated", among.min(1).tolist())
    return Figures(values, counts)


def distances(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, m): the largest differences (Chebyshev) of average minimum distances, Å.

    Args:
        one: (n, NEIGHBORS), Å.
        other: (m, NEIGHBORS), Å.
    """
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(one, other, metric="chebyshev"))


def _invariants(structures: Sequence[Atoms], inputs: Inputs) -> NDArray[np.float64]:
    """(n, NEIGHBORS) of those that have an answer."""
    keys = [content_key(f"amd {NEIGHBORS}", atoms) for atoms in structures]
    rows = remembered_map(_row, dict(zip(keys, structures, strict=True)), inputs, "distances", TIME_LIMIT)
    found = [rows[key] for key in keys]
    return np.array([row for row in found if not isinstance(row, Failed)], float).reshape(-1, NEIGHBORS)


def _row(atoms: Atoms) -> Row:
    return np.asarray(average_minimum_distances(atoms), np.float32)


def average_minimum_distances(atoms: Atoms, k: int = NEIGHBORS) -> NDArray[np.float64]:
    """(k,), mean distances of the atoms to their first, second … nearest neighbours, Å.

    Args:
        atoms: a crystal.
        k: neighbours.
    """
    import torch

    from asegen.geometry.neighbors import nearest_neighbors

    cell, scaled = torch.from_numpy(atoms.cell.array)[None], torch.from_numpy(atoms.get_scaled_positions())
    near = nearest_neighbors(cell, scaled, torch.tensor([len(atoms)]), k)
    return np.asarray(near.distance.reshape(len(atoms), k).mean(0).numpy())
