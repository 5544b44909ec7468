"""COV-R and COV-P: how much of the real crystals is near something generated, and the reverse."""

from __future__ import annotations

import warnings
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
from ase import Atoms
from pymatgen.io.ase import AseAtomsAdaptor
from scipy.spatial.distance import cdist

from asegen.metrics.cache import Row, content_key
from asegen.metrics.frechet import distance_figures
from asegen.metrics.inputs import MP20_CUTOFFS, Figures, Floats, Inputs
from asegen.metrics.remembered import remembered_map
from asegen.parallel.timed_map import Failed

TIME_LIMIT = 30.0
"""Seconds of processor time for one fingerprint."""
STRUCTURE_WIDTH, COMPOSITION_WIDTH = 61, 132
"""Numbers of a site-mean CrystalNN fingerprint, and of Magpie, which follow them."""

_ROWS_AT_ONCE = 1000


def coverage(inputs: Inputs) -> Figures:
    """COV-R and COV-P (Xie et al., ICLR 2022, appendix)."""
    generated, reference, counts = _both(inputs)
    if not len(generated) or not len(reference):
        return Figures({"recall": 0.0, "precision": 0.0}, counts)
    recall, precision = covered(generated, reference, inputs.cov_cutoffs)
    shares = {"recall": recall.sum() / len(inputs.valid_reference), "precision": precision.sum()}
    shares["precision"] /= len(inputs.generated)
    using = {"cutoffs": "{:g} and {:g}".format(*inputs.cov_cutoffs)}
    return Figures({name: float(share) for name, share in shares.items()}, counts, (), using)


def crystalnn_distance(inputs: Inputs) -> Figures:
    """Fréchet distance of the structures' fingerprints, which know coordination and no elements."""
    generated, reference, counts = _both(inputs)
    sides = (side[:, :STRUCTURE_WIDTH] for side in (generated, reference))
    values, notes = distance_figures(*sides)
    return Figures(values, counts, notes)


def covered(
    generated: Floats, reference: Floats, cutoffs: tuple[float, float] = MP20_CUTOFFS
) -> tuple[np.ndarray, np.ndarray]:
    """Which references have a generated structure near, and which generated ones a reference.

    The nearest structure and the nearest composition may be those of different crystals, as in CDVAE's code.

    Args:
        generated: (n, 61 + 132) fingerprints, n > 0.
        reference: (m, 61 + 132), m > 0.
        cutoffs: largest distances of structures and of compositions that are near.

    Returns:
        (m,) and (n,), booleans.
    """
    mean, deviation = reference[:, STRUCTURE_WIDTH:].mean(0), reference[:, STRUCTURE_WIDTH:].std(0)
    deviation[deviation == 0] = 1  # what never varies has no scale
    structures = _nearest(*(side[:, :STRUCTURE_WIDTH] for side in (reference, generated)))
    compositions = _nearest(*((side[:, STRUCTURE_WIDTH:] - mean) / deviation for side in (reference, generated)))
    near = [(a <= cutoffs[0]) & (b <= cutoffs[1]) for a, b in zip(structures, compositions, strict=True)]
    return near[0], near[1]


def _nearest(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """How far each row of `a` is from the nearest of `b`, and the reverse, in bounded memory."""
    from_a, from_b = np.empty(len(a)), np.full(len(b), np.inf)
    for start in range(0, len(a), _ROWS_AT_ONCE):
        distances = cdist(a[start : start + _ROWS_AT_ONCE], b)
        from_a[start : start + _ROWS_AT_ONCE] = distances.min(1)
        from_b = np.minimum(from_b, distances.min(0))
    return from_a, from_b


def fingerprint(atoms: Atoms) -> Row:
    """(61 + 132,), float32: the mean of CrystalNN's order parameters over all sites, and Magpie's composition features.

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
        row = np.concatenate([mean, composition.featurize(structure.composition)]).astype(np.float32)
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
    """Fingerprints of both sides, of those that have one, and how many they are."""
    method = f"fingerprint 1, matminer {version('matminer')}"
    sides = [
        {content_key(method, atoms): atoms for atoms in side}
        for side in (inputs.valid_reference, inputs.valid_generated)
    ]
    known = remembered_map(fingerprint, sides[0] | sides[1], inputs, "fingerprints", TIME_LIMIT)
    rows = []
    for side in (inputs.valid_generated, inputs.valid_reference):
        found = [known[content_key(method, atoms)] for atoms in side]
        kept = [row for row in found if not isinstance(row, Failed)]
        rows.append(np.array(kept, np.float64).reshape(len(kept), STRUCTURE_WIDTH + COMPOSITION_WIDTH))
    lost = len(inputs.valid_generated) + len(inputs.valid_reference) - len(rows[0]) - len(rows[1])
    return (
        rows[0],
        rows[1],
        {"generated": len(rows[0]), "reference": len(rows[1]), "without_fingerprint": lost},
    )
