"""Fréchet distances between clouds of embedded crystals, with an interval."""

from __future__ import annotations

import numpy as np

from asegen.metrics.distributions import earth_movers_distance
from asegen.metrics.inputs import Figures, Floats, Inputs

DRAWS = 50
"""Bootstrap samples."""
_SEED = 0
_FEW_PER_DIMENSION = 10
"""With fewer samples for each dimension of the embedding the distance rests much on the number of samples."""


def frechet_distance(a: Floats, b: Floats) -> float:
    """|μ − μ'|² + tr(C + C' − 2 (C C')^½), the squared Fréchet distance of two Gaussians fitted to two samples.

    Heusel et al., NeurIPS 2017, eq. 6. With C = RᵀR and C' = SᵀS of QR decompositions of the centred samples, the trace
    of the root is the sum of the singular values of R Sᵀ: no root of a matrix is taken, and singular covariances (fewer
    samples than dimensions) do no harm.

    Args:
        a: (n, d), n > 1.
        b: (m, d), m > 1.

    Returns:
        In the squared unit of the embedding.
    """
    (mean_a, root_a), (mean_b, root_b) = _gaussian(a), _gaussian(b)
    overlap = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    spread = (root_a**2).sum() + (root_b**2).sum() - 2 * overlap
    return max(float(((mean_a - mean_b) ** 2).sum() + spread), 0.0)


def _gaussian(samples: Floats) -> tuple[Floats, Floats]:
    """The mean (d,), and an upper triangular R (≤ d, d) with RᵀR the covariance."""
    mean = samples.mean(0)
    root: Floats = np.linalg.qr((samples - mean) / np.sqrt(len(samples) - 1)).R
    return mean, root


def standard_error(a: Floats, b: Floats, draws: int = DRAWS) -> float:
    """The spread of the Fréchet distance over bootstrap samples of both sides; the same at every call."""
    random = np.random.default_rng(_SEED)
    found = [
        frechet_distance(*(side[random.integers(len(side), size=len(side))] for side in (a, b))) for _ in range(draws)
    ]
    return float(np.std(found, ddof=1))


def distance_figures(a: Floats, b: Floats) -> tuple[dict[str, float], tuple[str, ...]]:
    """A Fréchet distance with what is needed to read it.

    Args:
        a: (n, d), generated.
        b: (m, d), reference.

    Returns:
        The distance, a normal 95 % interval around it from bootstrap samples (their mean is no estimate: samples drawn
        with replacement lie farther apart), and the distance between two halves of the reference, which is what two
        samples of one distribution give at half the number; then notes.
    """
    if min(len(a), len(b)) < 4:
        return {"distance": float("nan")}, ("too few crystals for a distance",)
    distance, error = frechet_distance(a, b), standard_error(a, b)
    mixed = b[np.random.default_rng(_SEED).permutation(len(b))]
    values = {
        "distance": distance,
        "distance_low": max(distance - 1.96 * error, 0.0),
        "distance_high": distance + 1.96 * error,
        "reference_halves": frechet_distance(mixed[::2], mixed[1::2]),
    }
    return values, tuple(_warnings(len(a), len(b), a.shape[1]))


def alignn_distance(inputs: Inputs) -> Figures:
    """FAD: on what ALIGNN's head reads (GemsDiff's metric, with this package's ALIGNN unless another is given)."""
    return _network_distance("fad", inputs)


def cgcnn_distance(inputs: Inputs) -> Figures:
    """On what CGCNN's head reads, the mean over atoms."""
    return _network_distance("fd-cgcnn", inputs)


def chgnet_distance(inputs: Inputs) -> Figures:
    """On CHGNet's crystal features, per atom."""
    return _network_distance("fd-chgnet", inputs)


def energy_distance(inputs: Inputs) -> Figures:
    """Earth mover's distance of the formation energies, eV/atom, that a network predicts on both sides."""
    found = inputs.embedded("energy")
    generated, reference = found.generated[:, 0], found.reference[:, 0]
    values = {"emd": earth_movers_distance(generated, reference)}
    for name, side in (("generated", generated), ("reference", reference)):
        if len(side):
            values[f"mean_{name}"] = float(side.mean())
    return Figures(values, _counts(len(generated), len(reference), found.lost), (), found.using)


def _network_distance(metric: str, inputs: Inputs) -> Figures:
    found = inputs.embedded(metric)
    values, notes = distance_figures(found.generated[:, 1:], found.reference[:, 1:])
    return Figures(values, _counts(len(found.generated), len(found.reference), found.lost), notes, found.using)


def _counts(generated: int, reference: int, lost: int) -> dict[str, int]:
    return {"generated": generated, "reference": reference, "unknown_to_network": lost}


def _warnings(n: int, m: int, dimensions: int) -> list[str]:
    notes = []
    if min(n, m) < _FEW_PER_DIMENSION * dimensions:
        notes.append(
            f"few samples: {n} against {m} in {dimensions} dimensions; the distance falls as samples are added, so "
            "compare it only with others of the same numbers"
        )
    if n != m:
        notes.append(f"unequal numbers of samples, {n} against {m}: compare only with others of the same numbers")
    return notes
