"""The bases of a lattice that are nearly as compact as a Niggli cell: the only ones that can be near one.

pymatgen's StructureMatcher looks, in one crystal's lattice, for bases near the other crystal's Niggli cell. They are
found here once for a lattice, so that many cells can be held against many lattices by comparing numbers.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Lattice

Array = NDArray[np.float64]

_ANGLES = 60.0, 120.0
"""Degrees: a Niggli cell's angles lie between, and all of them are at most, or all are at least, 90°."""
_MARGIN = 0.5
"""Degrees by which reduced cells of real files miss that."""
_REACH = 1.6
"""Longest vector of a basis that is listed, in terms of the lattice's own longest."""
_LEAST_SHARE = 0.6
"""Of the volume in the product of the lengths. A Niggli cell has 0.7."""
_MOST_POINTS = 400
_SLACK = 1e-6
_SIGNS = np.array([(1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1)])
_ORDERS = np.array(list(permutations(range(3))))


class CompactBases:
    """Primitive bases of a lattice with angles and volume near those of Niggli cells, up to order and common sign.

    Args:
        lattice: in a reduced cell.
        angle: degrees, how far the angles may lie beyond a Niggli cell's.

    Attributes:
        vectors: (m, 3, 3), Å, rows are vectors, shortest first.
        lengths: (m, 3), Å, ascending.
        angles: (m, 3), degrees, ascending.
        reach: Å, up to which vectors are listed; 0 where the lattice has too many.
    """

    def __init__(self, lattice: Lattice, angle: float) -> None:
        self._angle = angle
        self.reach = _REACH * max(lattice.abc)
        points = _lines(lattice, self.reach)
        if len(points) > _MOST_POINTS:
            self.reach, points = 0.0, points[:0]
        self.vectors = _compact(points, lattice, angle)
        lengths, angles = _shape(self.vectors)
        self.lengths, self.angles = lengths, np.sort(angles, axis=1)

    def near(self, lattice: Lattice, ltol: float) -> Array:
        """Bases (k, 3, 3), Å, in every order and with both signs, whose lengths and angles are near those of a cell.

        Args:
            lattice: one for which `covers` holds.
            ltol: of lengths, a share; angles may differ by `angle`.
        """
        chosen = self.vectors[agree(self.lengths, self.angles, lattice, ltol, self._angle)]
        several = np.concatenate([chosen[:, order] for order in _ORDERS])
        lengths, angles = _shape(several)
        abc = np.array(lattice.abc)
        fits = np.all((lengths < abc * (1 + ltol)) & (lengths > abc / (1 + ltol)), axis=1)
        fits &= (np.abs(angles - lattice.angles) <= self._angle).all(1)
        return np.concatenate([several[fits], -several[fits]])


def agree(lengths: Array, angles: Array, lattice: Lattice, ltol: float, angle: float) -> NDArray[np.bool_]:
    """Which bases (m,) may be near a cell, as far as lengths and angles in ascending order tell.

    Args:
        lengths: (m, 3), Å, ascending.
        angles: (m, 3), degrees, ascending.
        lattice: the cell.
        ltol: of lengths, a share.
        angle: degrees.
    """
    abc, own = np.sort(lattice.abc), np.sort(lattice.angles)
    fits = np.all((lengths < abc * (1 + ltol)) & (lengths > abc / (1 + ltol)), axis=1)
    fits[fits] = (np.abs(angles[fits] - own) <= angle).all(1)
    return fits


def is_compact(lattice: Lattice, angle: float) -> bool:
    """Whether all bases near a cell are among those that `CompactBases` lists, apart from their lengths.

    Args:
        lattice: the cell, Niggli-reduced as a rule.
        angle: degrees, how far the angles of a basis may be from the cell's.
    """
    own = np.array(lattice.angles)
    if own.min() < _ANGLES[0] - _MARGIN or own.max() > _ANGLES[1] + _MARGIN:
        return False
    if own.max() > 90 + _MARGIN and own.min() < 90 - _MARGIN:
        return False
    corners = own + angle * np.array([(i, j, k) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)])
    return bool(_share(np.cos(np.deg2rad(corners))).min() > _LEAST_SHARE)  # concave in each cosine: least at a corner


def _lines(lattice: Lattice, radius: float) -> Array:
    """Indices (k, 3) of the lattice points within a radius in Å, shortest first, one of each pair of opposite ones."""
    near: Any = lattice.get_points_in_sphere([[0, 0, 0]], [0, 0, 0], radius, zip_results=False)
    points, distances = np.rint(near[0]), np.asarray(near[1])
    points = points[np.argsort(distances, kind="stable")]
    first = np.take_along_axis(points, (points != 0).argmax(1)[:, None], 1)[:, 0]  # 0 for the origin
    return np.asarray(points[first > 0])


def _compact(points: Array, lattice: Lattice, angle: float) -> Array:
    """Bases (m, 3, 3), Å, shortest vectors first, of lines through lattice points."""
    vectors = points @ lattice.matrix
    lengths = np.linalg.norm(vectors, axis=1)
    units = vectors / lengths[:, None]
    angle = angle + _MARGIN + _SLACK
    largest = np.cos(np.deg2rad(_ANGLES[0] - angle))
    open_enough = np.abs(units @ units.T) <= largest
    most = lattice.volume / _LEAST_SHARE
    i, j = np.nonzero(np.triu(open_enough, 1) & (lengths[:, None] * lengths**2 <= most))
    pair, k = np.nonzero(open_enough[i] & open_enough[j] & (np.arange(len(points)) > j[:, None]))
    i, j = i[pair], j[pair]
    fits = (lengths[i] * lengths[j] * lengths[k] <= most) & _is_primitive(points, i, j, k)
    bases = (vectors[np.stack([i, j, k], 1)[fits]][:, None] * _SIGNS[:, :, None]).reshape(-1, 3, 3)
    cosines, beyond = _cosines(bases), np.sin(np.deg2rad(angle))
    return np.asarray(bases[(cosines >= -beyond).all(1) | (cosines <= beyond).all(1)])


def _is_primitive(points: Array, i: NDArray[np.intp], j: NDArray[np.intp], k: NDArray[np.intp]) -> NDArray[np.bool_]:
    return np.asarray(np.abs(np.abs((np.cross(points[i], points[j]) * points[k]).sum(1)) - 1) < 0.5)


def _shape(bases: Array) -> tuple[Array, Array]:
    """Lengths (k, 3) in Å and angles (k, 3) in degrees of bases (k, 3, 3)."""
    return np.linalg.norm(bases, axis=2), np.rad2deg(np.arccos(np.clip(_cosines(bases), -1, 1)))


def _cosines(bases: Array) -> Array:
    """Of the angles α, β, γ of bases (k, 3, 3)."""
    units = bases / np.linalg.norm(bases, axis=2)[:, :, None]
    return np.stack([(units[:, p] * units[:, q]).sum(1) for p, q in ((1, 2), (0, 2), (0, 1))], 1)


def _share(cosines: Array) -> Array:
    """Volume over the product of the lengths (k,), from the cosines (k, 3) of the angles."""
    return np.asarray(np.sqrt(np.maximum(1 - (cosines**2).sum(1) + 2 * cosines.prod(1), 0)))
