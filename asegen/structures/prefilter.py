"""Which pairs of crystals pymatgen's StructureMatcher can call the same at all, and which it surely does.

The matcher copies both crystals before it looks at them, a millisecond a pair. Of a formula's thousands of candidates
nearly every pair differs in what this module looks at first, by the very criteria of the matcher, so that no pair is
lost: the number of atoms, the volume, a basis of the one lattice near the other's, and a translation that brings every
atom near to one of its element.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure

from asegen.structures.bases import CompactBases, agree, is_compact

Array = NDArray[np.float64]

_SLACK = 1e-6
"""Added to tolerances, so that rounding loses no pair."""
_SURE = 0.02
"""Share of a tolerance around it within which rounding, and the matcher's own way, may decide."""
_MOST = 2_000_000
"""Pairs of atoms, over all lattices and translations, that are compared; beyond, the matcher has to."""


class Shape:
    """Numbers of a reduced crystal that comparisons need.

    Args:
        crystal: primitive, with a Niggli-reduced cell.
    """

    def __init__(self, crystal: Structure) -> None:
        self.lattice = crystal.lattice
        self.volume = float(crystal.volume)
        self.numbers = np.array([site.specie.Z for site in crystal])
        self.positions: Array = np.array(crystal.cart_coords)  # (n, 3), Å
        self._compact: dict[float, CompactBases] = {}

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def rarest(self) -> int:
        """Atomic number of the element with the fewest atoms."""
        found, counts = np.unique(self.numbers, return_counts=True)
        return int(found[counts.argmin()])

    def compact_bases(self, angle: float) -> CompactBases:
        """The bases that can be near a reduced cell whose angles differ by so many degrees."""
        if angle not in self._compact:
            self._compact[angle] = CompactBases(self.lattice, angle)
        return self._compact[angle]

    def points(self, radius: float) -> tuple[Array, Array, Array]:
        """Lattice points within a radius in Å, by distance: indices (k, 3), vectors (k, 3) and lengths (k,), in Å."""
        if radius > self._known[0]:
            near: Any = self.lattice.get_points_in_sphere([[0, 0, 0]], [0, 0, 0], radius, zip_results=False)
            points, distances = np.asarray(near[0], dtype=float), np.asarray(near[1])
            order = np.argsort(distances, kind="stable")[1:]  # without the origin
            self._known = radius, points[order], points[order] @ self.lattice.matrix, distances[order]
        _, indices, vectors, lengths = self._known
        end = int(np.searchsorted(lengths, radius, side="right"))
        return indices[:end], vectors[:end], lengths[:end]

    _known: tuple[float, Array, Array, Array] = (0.0, np.empty((0, 3)), np.empty((0, 3)), np.empty(0))


class Shapes:
    """Crystals of one formula, and the question which of them another one may be the same as.

    Args:
        stol: share of (V/n)^(1/3), largest distance of matched sites.
        ltol: of lengths, a share.
        angle: degrees.
    """

    def __init__(self, stol: float, ltol: float, angle: float) -> None:
        self._stol, self._ltol, self._angle = stol + _SLACK, ltol + _SLACK, angle + _SLACK
        self._bins: defaultdict[int, _Bin] = defaultdict(_Bin)

    def add(self, key: int, shape: Shape) -> None:
        """Takes a crystal in, under a key."""
        self._bins[len(shape)].add(key, shape, self._angle)

    def perhaps(self, shape: Shape) -> Iterator[int]:
        """Keys of the crystals taken in, in that order, that the matcher may call the same as this one."""
        own = self._bins[len(shape)]
        for k in own.near(shape.lattice, self._ltol, self._angle):
            if self._may_be_same(own.shapes[k], shape):
                yield own.keys[k]

    def verdict(self, one: Shape, other: Shape) -> bool | None:
        """Whether the matcher calls two crystals the same, where that is plain; None where it has to be asked.

        Where each atom has one partner alone within reach, the largest distance of a pair, after the mean translation
        and in the mean lattice, is what `StructureMatcher.fit` judges.

        Args:
            one: a crystal.
            other: another one of as many atoms.
        """
        bases, rarest = self._bases(one, other.lattice), other.rarest
        starts = np.flatnonzero(one.numbers == rarest)
        if not len(bases) or len(bases) * len(starts) * len(one) ** 2 > _MOST:
            return None
        theirs = other.positions @ np.linalg.inv(other.lattice.matrix)
        theirs = theirs - theirs[np.flatnonzero(other.numbers == rarest)[0]]
        unlike = one.numbers[:, None] != other.numbers
        reaches = self._reach(bases, other.lattice, len(one))
        plain = True
        for basis, reach in zip(bases, reaches, strict=True):
            mine = one.positions @ np.linalg.inv(basis)
            apart = (mine - mine[starts][:, None])[:, :, None] - theirs  # (starts, n, n, 3)
            apart -= np.round(apart)
            near = (np.abs(apart) <= reach).all(3) & ~unlike
            possible = near.any(1).all(1) & near.any(2).all(1)
            single = (near.sum(1) == 1).all(1) & (near.sum(2) == 1).all(1)
            plain &= bool(single[possible].all())
            for k in np.flatnonzero(possible & single):
                share = _distance(apart[k][near[k]], basis, other.lattice, len(one)) / (self._stol - _SLACK)
                if share <= 1 - _SURE:
                    return True
                plain &= share >= 1 + _SURE
        return False if plain else None

    def _may_be_same(self, one: Shape, other: Shape) -> bool:
        bases = self._bases(one, other.lattice)
        return len(bases) > 0 and self._sites_agree(one, other, bases)

    def _bases(self, one: Shape, lattice: Lattice) -> Array:
        """Primitive bases (k, 3, 3), rows are vectors in Å, of a crystal's lattice near another lattice's basis."""
        compact, radius = one.compact_bases(self._angle), max(lattice.abc) * (1 + self._ltol)
        if radius <= compact.reach and is_compact(lattice, self._angle):
            return compact.near(lattice, self._ltol)
        indices, vectors, lengths = one.points(radius)
        near = [
            np.flatnonzero((lengths < length * (1 + self._ltol)) & (lengths > length / (1 + self._ltol)))
            for length in lattice.abc
        ]
        if min(len(chosen) for chosen in near) == 0:
            return np.empty((0, 3, 3))
        units = vectors / lengths[:, None]
        a, b, c = (units[chosen] for chosen in near)
        alpha, beta, gamma = (
            np.abs(np.rad2deg(np.arccos(np.clip(u @ v.T, -1, 1))) - angle) <= self._angle
            for u, v, angle in ((b, c, lattice.alpha), (a, c, lattice.beta), (a, b, lattice.gamma))
        )
        i, j, k = np.nonzero(gamma[:, :, None] & beta[:, None, :] & alpha[None])
        chosen = np.stack([near[0][i], near[1][j], near[2][k]], 1)
        primitive = np.abs(np.abs(np.linalg.det(indices[chosen])) - 1) < 0.5
        return np.asarray(vectors[chosen[primitive]])

    def _sites_agree(self, one: Shape, other: Shape, bases: Array) -> bool:
        """Whether some basis and some translation put each atom near to one of its element.

        Where all matched atoms lie within stol (V/n)^(1/3) after the best translation, they lie within twice that
        after one that puts an atom onto its partner.
        """
        rarest = other.rarest
        starts = np.flatnonzero(one.numbers == rarest)
        if len(bases) * len(starts) * len(one) ** 2 > _MOST:
            return True
        inverse = np.linalg.inv(bases)
        mine = one.positions @ inverse  # (k, n, 3), fractional
        theirs = other.positions @ np.linalg.inv(other.lattice.matrix)
        theirs = theirs - theirs[np.flatnonzero(other.numbers == rarest)[0]]
        reach = self._reach(bases, other.lattice, len(one))[:, None, None, None]  # (k, 1, 1, 1, 3)
        near = np.ones((len(bases), len(starts)), dtype=bool)
        for number in np.unique(other.numbers):
            own = mine[:, one.numbers == number][:, None] - mine[:, starts][:, :, None]  # (k, starts, n, 3)
            apart = own[:, :, None] - theirs[other.numbers == number][:, None]
            apart -= np.round(apart)
            near &= (np.abs(apart) <= reach).all(-1).any(-1).all(-1)
            if not near.any():
                return False
        return True

    def _reach(self, bases: Array, lattice: Lattice, n_atoms: int) -> Array:
        """Fractional distances (k, 3) that matched atoms may have, in lattices between the bases and another one."""
        lengths = (np.linalg.norm(bases, axis=2) + lattice.abc) / 2
        units = bases / np.linalg.norm(bases, axis=2)[:, :, None]
        cosines = np.clip(np.stack([(units[:, p] * units[:, q]).sum(1) for p, q in ((1, 2), (0, 2), (0, 1))], 1), -1, 1)
        angles = np.deg2rad((np.rad2deg(np.arccos(cosines)) + lattice.angles) / 2)
        cosine, sine = np.cos(angles), np.sin(angles)
        share = np.sqrt(np.maximum(1 - (cosine**2).sum(1) + 2 * cosine.prod(1), 1e-12))  # volume over a b c
        volume = lengths.prod(1) * share
        heights = lengths * share[:, None] / sine
        distance = 2 * self._stol * (volume / n_atoms) ** (1 / 3)
        return np.asarray(distance[:, None] / heights) + _SLACK


def _distance(apart: Array, basis: Array, lattice: Lattice, n_atoms: int) -> float:
    """The largest of displacements (n, 3), fractional, after the mean one is taken off, in (V/n)^(1/3).

    Args:
        apart: of one atom of each pair.
        basis: (3, 3), Å, of the one lattice; the displacements are in the mean lattice of both.
        lattice: the other one.
        n_atoms: of a cell.
    """
    lengths = np.linalg.norm(basis, axis=1)
    units = basis / lengths[:, None]
    own = np.rad2deg(np.arccos(np.clip([units[1] @ units[2], units[0] @ units[2], units[0] @ units[1]], -1, 1)))
    mean = Lattice.from_parameters(*((lengths + lattice.abc) / 2), *((own + lattice.angles) / 2))
    moved = (apart - apart.mean(0)) @ mean.matrix
    return float(np.sqrt((moved**2).sum(1).max()) / (mean.volume / n_atoms) ** (1 / 3))


class _Bin:
    """Crystals of the same number of atoms, and numbers of all of them side by side.

    Attributes:
        keys: of the crystals.
        shapes: of the crystals.
    """

    def __init__(self) -> None:
        self.keys: list[int] = []
        self.shapes: list[Shape] = []
        self._crystals = _Rows(2)  # volume in Å³, and how long the vectors are that are listed
        self._bases = _Rows(7)  # lengths and angles, ascending; the crystal that has such a basis

    def add(self, key: int, shape: Shape, angle: float) -> None:
        """Takes a crystal in."""
        bases = shape.compact_bases(angle)
        owner = np.full((len(bases.lengths), 1), len(self.keys), float)
        self.keys.append(key)
        self.shapes.append(shape)
        self._crystals.extend(np.array([[shape.volume, bases.reach]]))
        self._bases.extend(np.hstack([bases.lengths, bases.angles, owner]))

    def near(self, lattice: Lattice, ltol: float, angle: float) -> NDArray[np.intp]:
        """Places of the crystals whose volume and lattice may be near another one's, ascending."""
        volumes, reaches = self._crystals.values.T
        ratio, most = volumes / lattice.volume, (1 + ltol) ** 3
        right = (ratio < most) & (ratio > 1 / most)
        if is_compact(lattice, angle):
            rows = self._bases.values
            found = np.zeros(len(right), dtype=bool)
            found[rows[agree(rows[:, :3], rows[:, 3:6], lattice, ltol, angle), 6].astype(np.intp)] = True
            right &= found | (reaches < max(lattice.abc) * (1 + ltol))
        return np.flatnonzero(right)


class _Rows:
    """Rows of numbers that grow in number without being copied each time.

    Args:
        width: numbers in a row.
    """

    def __init__(self, width: int) -> None:
        self._kept: Array = np.empty((64, width))
        self._count = 0

    @property
    def values(self) -> Array:
        """(n, width), those there are."""
        return self._kept[: self._count]

    def extend(self, rows: Array) -> None:
        """Adds rows (k, width)."""
        end = self._count + len(rows)
        if end > len(self._kept):
            self._kept = np.concatenate([self.values, np.empty((2 * end - self._count, self._kept.shape[1]))])
        self._kept[self._count : end] = rows
        self._count = end
