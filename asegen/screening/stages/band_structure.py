"""Paths between special points of the Brillouin zone, by ASE, and the frequencies along them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import isfinite
from typing import Any

import numpy as np
from ase import Atoms
from ase.dft.kpoints import parse_path_string
from numpy.typing import NDArray

from asegen.screening.stages.phonon_results import BandSegment

Floats = NDArray[np.float64]

_POINTS = 51  # of one segment of a band path


def band_path(cell: Floats) -> tuple[list[tuple[int, int]], list[Floats], list[str]]:
    """Pairs of indices of special points that segments join, the points (fractional), and their names; from ASE.

    Args:
        cell: (3, 3), rows are the vectors of a primitive cell, in any unit of length.
    """
    path = Atoms(cell=cell, pbc=True).cell.bandpath(npoints=0)
    ends: list[tuple[int, int]] = []
    points: list[Floats] = []
    labels: list[str] = []
    for piece in parse_path_string(path.path):
        start = len(points)
        points += [np.asarray(path.special_points[name], float) for name in piece]
        labels += piece
        ends += [(k, k + 1) for k in range(start, len(points) - 1)]
    return ends, points, labels


def run_bands(phonon: Any) -> Iterator[BandSegment]:
    """Computes the band structure of a `phonopy.Phonopy` that has force constants, along `band_path`.

    Yields:
        The segments in order.
    """
    ends, points, labels = band_path(phonon.primitive.cell)
    segments = [points[i] + np.linspace(0, 1, _POINTS)[:, None] * (points[j] - points[i]) for i, j in ends]
    joined = [before[1] == after[0] for before, after in pairwise(ends)] + [False]
    names = [labels[ends[0][0]]]
    for k, (_, j) in enumerate(ends):
        names.append(labels[j])
        if not joined[k] and k + 1 < len(ends):
            names.append(labels[ends[k + 1][0]])
    phonon.run_band_structure(segments, path_connections=joined, labels=[r"$\Gamma$" if n == "G" else n for n in names])
    found = phonon.band_structure
    for (i, j), distance, frequencies in zip(ends, found.distances, found.frequencies, strict=True):
        rows = tuple(rounded(row) for row in frequencies.T)
        yield BandSegment((labels[i], labels[j]), rounded(distance), rows)


def rounded(values: Sequence[float] | Floats) -> tuple[float, ...]:
    """Those that are finite, to five decimals."""
    return tuple(round(float(value), 5) for value in values if isfinite(value))
