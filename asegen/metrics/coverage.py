"""COV-R and COV-P: how much of the real crystals is near something generated, and the reverse."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
from ase import Atoms
from pymatgen.io.ase import AseAtomsAdaptor
from scipy.spatial.distance import cdist

from asegen.metrics.cache import RowCache, content_key
from asegen.metrics.frechet import frechet_distance
from asegen.metrics.inputs import Figures, Floats, Inputs
from asegen.metrics.parallel import Failed, timed_map

STRUCTURE_CUTOFF, COMPOSITION_CUTOFF = 0.4, 10.0
"""CDVAE's, for MP-20. For Perov-5 and Carbon-24 it takes 0.2 and 4."""
TIME_LIMIT = 30.0
"""Seconds for one fingerprint."""
STRUCTURE_WIDTH = 61
"""Numbers of a site-mean CrystalNN fingerprint; those of Magpie follow them."""


def coverage(inputs: Inputs) -> Figures:
    """COV-R and COV-P (Xie et al., ICLR 2022, appendix)."""
    generated, reference, counts = _both(inputs)
    if not len(generated) or not len(reference):
        return Figures({"recall": 0.0, "precision": 0.0}, counts)
    recall, precision = covered(generated, reference)
    shares = {"recall": recall.sum() / len(inputs.valid_reference), "precision": precision.sum()}
    shares["precision"] /= len(inputs.generated)
    return Figures({name: float(share) for name, share in shares.items()}, counts)


def crystalnn_distance(inputs: Inputs) -> Figures:
    """Fréchet distance of the structures' fingerprints, which know coordination and no elements."""
    generated, reference, counts = _both(inputs)
    if min(len(generated), len(reference)) < 2:
        return Figures({"FD": float("nan")}, counts, ("too few crystals for a distance",))
    sides = (side[:, :STRUCTURE_WIDTH] for side in (generated, reference))
    return Figures({"FD": frechet_distance(*sides)}, counts)


def covered(generated: Floats, reference: Floats) -> tuple[np.ndarray, np.ndarray]:
    """Which references have a generated structure near, and which generated ones a reference.

    The nearest structure and the nearest composition may be those of different crystals, as in CDVAE's code.

    Args:
        generated: (n, 61 + 132) fingerprints, n > 0.
        reference: (m, 61 + 132), m > 0.

    Returns:
        (m,) and (n,), booleans.
    """
    structures = cdist(generated[:, :STRUCTURE_WIDTH], reference[:, :STRUCTURE_WIDTH])
    mean, deviation = reference[:, STRUCTURE_WIDTH:].mean(0), reference[:, STRUCTURE_WIDTH:].std(0)
    deviation[deviation == 0] = 1  # what never varies has no scale
    compositions = cdist(*((side[:, STRUCTURE_WIDTH:] - mean) / deviation for side in (generated, reference)))
    near = [
        (structures.min(axis) <= STRUCTURE_CUTOFF) & (compositions.min(axis) <= COMPOSITION_CUTOFF) for axis in (0, 1)
    ]
    return near[0], near[1]


def fingerprint(atoms: Atoms) -> Floats:
    """(61 + 132,): the mean of CrystalNN's order parameters over all sites, and Magpie's composition features.

    Args:
        atoms: passes the validity gate.

    Raises:
        ValueError: CrystalNN or Magpie has no data for an element, or no neighbours are found.
    """
    sites, composition = _featurizers()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # missing oxidation states, which the published figures lack too
        structure = AseAtomsAdaptor.get_structure(atoms)
        mean = np.mean([sites.featurize(structure, k) for k in range(len(structure))], 0)
        row = np.concatenate([mean, composition.featurize(structure.composition)]).astype(np.float64)
    if not np.isfinite(row).all():
        raise ValueError("a fingerprint is not finite")
    return row


@cache
def _featurizers() -> tuple[Any, Any]:
    from matminer.featurizers.composition import ElementProperty
    from matminer.featurizers.site import CrystalNNFingerprint

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CrystalNNFingerprint.from_preset("ops"), ElementProperty.from_preset("magpie")


def _both(inputs: Inputs) -> tuple[Floats, Floats, dict[str, int]]:
    generated = _fingerprints(inputs.valid_generated, inputs, "fingerprints generated")
    reference = _fingerprints(inputs.valid_reference, inputs, "fingerprints reference")
    lost = len(inputs.valid_generated) + len(inputs.valid_reference) - len(generated) - len(reference)
    counts = {"generated": len(generated), "reference": len(reference), "without a fingerprint": lost}
    return generated, reference, counts


def _fingerprints(structures: Sequence[Atoms], inputs: Inputs, task: str) -> Floats:
    """Rows of those that have a fingerprint, in order."""
    method = f"fingerprint 1, matminer {version('matminer')}"
    keys = [content_key(method, atoms) for atoms in structures]
    kept = None if inputs.cache is None else RowCache(inputs.cache)
    known = inputs.known_rows if kept is None else inputs.known_rows | kept.read(keys)
    todo = {key: atoms for key, atoms in zip(keys, structures, strict=True) if key not in known}
    found = timed_map(fingerprint, list(todo.values()), inputs.jobs, TIME_LIMIT)
    for key, row in zip(todo, inputs.watch(task, found, len(todo)), strict=True):
        known[key] = np.zeros(0, np.float32) if isinstance(row, Failed) else row.astype(np.float32)
        if kept is not None and not isinstance(row, Failed):
            kept.write({key: known[key]})
    inputs.known_rows.update(known)
    rows = [known[key] for key in keys if len(known[key])]
    return np.array(rows, np.float64).reshape(len(rows), -1)
