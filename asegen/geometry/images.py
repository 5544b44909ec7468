"""Periodic images within a radius, found without looking at any other image.

A Minkowski-reduced cell is written as a lower triangle (`a` along the first axis, `b` in the plane of the first two).
The third coordinate of a point then depends on the third fractional one alone, the second on two of them: images
are enumerated axis by axis, each within what the axes before it leave of the sphere (Fincke and Pohst, Math. Comp. 44
(1985) 463). So the work is in proportion to the neighbours found, for needle and skewed cells too. All in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from asegen.errors import InputError
from asegen.geometry.niggli import minkowski_reduce

# Rounding of coordinates, relative to the radius and the cell; images this little outside the sphere are looked at too.
_SLACK = 1e-12


@dataclass(frozen=True, eq=False)
class AtomsOnLattice:
    """Atoms in Minkowski-reduced cells.

    Attributes:
        cell: (n_crystals, 3, 3), float64, reduced cells in the orientation of the given ones, Å.
        transform: (n_crystals, 3, 3), float64 integers, `cell = transform @ given cell`.
        reduced: whether every cell was reduced as it came, so that `transform` is the identity.
        triangle: (6, n_crystals): lengths L11, L22, L33 (positive, Å) and slopes L21/L11, L31/L11, L32/L22.
        size: (n_crystals,), sum of the lengths of the lattice vectors, Å.
        scaled_positions: (3, n_atoms_total), float64, with respect to `cell`, not wrapped.
        crystal: (n_atoms_total,), int64, crystal of each atom.
        first_atom: (n_crystals,), int64.
        n_atoms: (n_crystals,), int64.
    """

    cell: Tensor
    transform: Tensor
    reduced: bool
    triangle: Tensor
    size: Tensor
    scaled_positions: Tensor
    crystal: Tensor
    first_atom: Tensor
    n_atoms: Tensor


@dataclass(frozen=True, eq=False)
class Images:
    """Images of atoms around centres, a flat list in the order of centre, j, and shift (read from its last component).

    Attributes:
        centre: (n_images,), int64, index into the list of centres asked for.
        j: (n_images,), int64, index of the atom.
        shift: (3, n_images), float64 integers, translation of j in units of the reduced cell.
        vector: (3, n_images), float64, from the centre to the image, Å.
        distance: (n_images,), float64, Å.
    """

    centre: Tensor
    j: Tensor
    shift: Tensor
    vector: Tensor
    distance: Tensor

    def select(self, index: Tensor) -> Images:
        """The images at `index` (m,), int64, in that order."""
        return Images(
            self.centre[index],
            self.j[index],
            self.shift.index_select(1, index),
            self.vector.index_select(1, index),
            self.distance[index],
        )


def atoms_on_lattice(cell: Tensor, scaled_positions: Tensor, n_atoms: Tensor) -> AtomsOnLattice:
    """Reduces cells and rewrites positions in them.

    Args:
        cell: (n_crystals, 3, 3), rows are lattice vectors, Å; either handedness.
        scaled_positions: (n_atoms_total, 3), fractional; need not be wrapped.
        n_atoms: (n_crystals,), int64.

    Raises:
        InputError: a cell is singular, or a cell or position is not finite.
    """
    if not bool(torch.isfinite(scaled_positions).all()):
        first = int((~torch.isfinite(scaled_positions)).any(-1).nonzero()[0])
        raise InputError(f"position of atom {first} of the batch is not finite: {scaled_positions[first].tolist()}")
    given = cell.to(torch.float64)
    _, integers = minkowski_reduce(given)
    transform = integers.to(torch.float64)
    reduced = transform @ given
    crystal = torch.repeat_interleave(n_atoms, output_size=scaled_positions.shape[0])
    # x = y @ transform. The inverse of an integer matrix of determinant 1 is the integer matrix of its cofactors.
    rows = integers.unbind(1)
    inverse = torch.stack([torch.linalg.cross(rows[k - 2], rows[k - 1]) for k in range(3)], dim=-1).to(torch.float64)
    x, y = scaled_positions.to(torch.float64), inverse[crystal]
    a, b, c = reduced.unbind(1)
    first, normal = a / _norm(a)[:, None], torch.linalg.cross(a, b)
    second = torch.linalg.cross(normal / _norm(normal)[:, None], first)
    l11, l22, l33 = _norm(a), (b * second).sum(-1), torch.linalg.det(reduced).abs() / _norm(normal)
    slopes = [(b * first).sum(-1) / l11, (c * first).sum(-1) / l11, (c * second).sum(-1) / l22]
    return AtomsOnLattice(
        cell=reduced,
        transform=transform,
        reduced=bool((integers == torch.eye(3, dtype=torch.int64, device=cell.device)).all()),
        triangle=torch.stack([l11, l22, l33, *slopes]),
        size=_norm(reduced).sum(-1),
        # Written out: a matrix product may round differently in a batch of another size.
        scaled_positions=(x[:, 0:1] * y[:, 0] + x[:, 1:2] * y[:, 1] + x[:, 2:3] * y[:, 2]).T.contiguous(),
        crystal=crystal,
        first_atom=torch.cumsum(n_atoms, 0) - n_atoms,
        n_atoms=n_atoms,
    )


def images_within(atoms: AtomsOnLattice, centre: Tensor, radius: Tensor, limit: int) -> Images:
    """All images at a distance of at most `radius` from the centres, except each centre itself.

    Args:
        atoms: the atoms.
        centre: (n_centres,), int64, indices of the atoms around which to look.
        radius: (n_centres,), float64, Å.
        limit: the most images (or partial images) to hold at a time.

    Raises:
        InputError: there are more than `limit`.
    """
    crystal = atoms.crystal[centre]
    reach = radius + _SLACK * (radius + atoms.size[crystal])
    row, rank = _children(atoms.n_atoms[crystal], limit)
    j = atoms.first_atom[crystal][row] + rank
    difference = atoms.scaled_positions.index_select(1, j) - atoms.scaled_positions[:, centre].index_select(1, row)
    whole = torch.round(difference)
    f1, f2, f3 = difference - whole

    l11, l22, l33, s21, s31, s32 = atoms.triangle[:, crystal]
    half = _take(reach / l33, row)
    pair, u3 = _integers_between(-f3, half, f3, limit)
    row3 = _take(row, pair)
    rest = _take(reach * reach, row3) - (u3 * _take(l33, row3)) ** 2

    tilt = _take(f2, pair) + u3 * _take(s32, row3)
    length = _take(l22, row3)
    half = torch.sqrt(rest.clamp_min(0)) / length
    parent, v2 = _integers_between(-tilt, half, tilt, limit)
    pair, u3 = _take(pair, parent), _take(u3, parent)
    row2 = _take(row3, parent)
    rest = _take(rest, parent) - (v2 * _take(length, parent)) ** 2
    u2 = v2 - u3 * _take(s32, row2)

    tilt = _take(f1, pair) + u2 * _take(s21, row2) + u3 * _take(s31, row2)
    half = torch.sqrt(rest.clamp_min(0)) / _take(l11, row2)
    return None
