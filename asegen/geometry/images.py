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
from asegen.geometry.ragged import first_rows, owners

# Rounding of coordinates, relative to the radius and the cell; images this little outside the sphere are looked at too.
_SLACK = 1e-12


@dataclass(frozen=True, eq=False)
class AtomsOnLattice:
    """Atoms in Minkowski-reduced cells.

    Attributes:
        cell: (n_crystals, 3, 3), float64, reduced cells in the orientation of the given ones, Å.
        transform: (n_crystals, 3, 3), float64 integers, `cell = transform @ given cell`.
        triangle: (6, n_crystals): L11, L22, L33 (positive, Å), then L21/L11, L31/L11, L32/L22; counted from 0, the
            slope of row r and column c is entry r + c + 2.
        size: (n_crystals,), sum of the lengths of the lattice vectors, Å.
        scaled_positions: (3, n_atoms_total), float64, with respect to `cell`, not wrapped.
        crystal: (n_atoms_total,), int64, crystal of each atom.
        first_atom: (n_crystals,), int64.
        n_atoms: (n_crystals,), int64.
    """

    cell: Tensor
    transform: Tensor
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
        shift: three components (n_images,), float64 integers, translation of j in units of the reduced cell.
        vector: three components (n_images,), float64, from the centre to the image, Å.
        distance: (n_images,), float64, Å.
    """

    centre: Tensor
    j: Tensor
    shift: tuple[Tensor, ...]
    vector: tuple[Tensor, ...]
    distance: Tensor

    def select(self, index: Tensor) -> Images:
        """The images at `index` (m,), int64, in that order."""
        return Images(
            _take(self.centre, index),
            _take(self.j, index),
            tuple(_take(component, index) for component in self.shift),
            tuple(_take(component, index) for component in self.vector),
            _take(self.distance, index),
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
        bad = int((~torch.isfinite(scaled_positions)).any(-1).nonzero()[0])
        raise InputError(f"position of atom {bad} of the batch is not finite: {scaled_positions[bad].tolist()}")
    given = cell.to(torch.float64)
    _, integers = minkowski_reduce(given)
    transform = integers.to(torch.float64)
    reduced = transform @ given
    crystal = owners(n_atoms, scaled_positions.shape[0])
    # x = y @ transform. The inverse of an integer matrix of determinant 1 is the integer matrix of its cofactors.
    rows = integers.unbind(1)
    inverse = torch.stack([torch.linalg.cross(rows[k - 2], rows[k - 1]) for k in range(3)], dim=-1)
    x, m = scaled_positions.to(torch.float64), inverse.to(torch.float64)[crystal]
    a, b, c = reduced.unbind(1)
    first, normal = a / _norm(a)[:, None], torch.linalg.cross(a, b)
    second = torch.linalg.cross(normal / _norm(normal)[:, None], first)
    l11, l22, l33 = _norm(a), (b * second).sum(-1), torch.linalg.det(reduced).abs() / _norm(normal)
    slopes = [(b * first).sum(-1) / l11, (c * first).sum(-1) / l11, (c * second).sum(-1) / l22]
    return AtomsOnLattice(
        cell=reduced,
        transform=transform,
        triangle=torch.stack([l11, l22, l33, *slopes]),
        size=_norm(reduced).sum(-1),
        # Written out: a matrix product may round differently in a batch of another size.
        scaled_positions=(x[:, 0:1] * m[:, 0] + x[:, 1:2] * m[:, 1] + x[:, 2:3] * m[:, 2]).T.contiguous(),
        crystal=crystal,
        first_atom=first_rows(n_atoms),
        n_atoms=n_atoms,
    )


def images_within(atoms: AtomsOnLattice, centre: Tensor, radius: Tensor, limit: int) -> Images:
    """All images at a distance of at most `radius` from the centres, except each centre itself.

    Args:
        atoms: the atoms.
        centre: (n_centres,), int64, indices of the atoms around which to look.
        radius: (n_centres,), float64, Å.
        limit: how many images, and partial images on the way to them, may be held at a time.

    Raises:
        InputError: there are more than `limit`.
    """
    crystal = atoms.crystal[centre]
    triangle = atoms.triangle[:, crystal]
    row, rank = _children(atoms.n_atoms[crystal], limit)
    j = _take(atoms.first_atom[crystal], row) + rank
    # Rounding to even treats a difference and its negative alike: a pair and its reverse have the same distance.
    difference = [_take(y, j) - _take(y[centre], row) for y in atoms.scaled_positions]
    whole = [torch.round(d) for d in difference]
    fraction = [d - w for d, w in zip(difference, whole, strict=True)]
    pair = torch.arange(len(row), device=row.device)
    rest = _take((radius + _SLACK * (radius + atoms.size[crystal])) ** 2, row)
    shift: dict[int, Tensor] = {}
    for axis in (2, 1, 0):
        offset = _take(fraction[axis], pair)
        for other, steps in shift.items():
            offset = offset + (_take(fraction[other], pair) + steps) * _take(triangle[other + axis + 2], row)
        length = _take(triangle[axis], row)
        half = torch.sqrt(rest.clamp_min(0)) / length
        lowest = torch.ceil(-offset - half)
        parent, rank = _children((torch.floor(half - offset) - lowest + 1).clamp_min(0), limit)
        pair, row = _take(pair, parent), _take(row, parent)
        shift = {other: _take(steps, parent) for other, steps in shift.items()}
        shift[axis] = _take(lowest, parent) + rank
        if axis:
            rest = _take(rest, parent) - ((_take(offset, parent) + shift[axis]) * _take(length, parent)) ** 2

    u = [_take(fraction[axis], pair) + shift[axis] for axis in range(3)]
    rows = atoms.cell[crystal].permute(1, 2, 0).reshape(9, -1)
    # Written out: a matrix product may round differently in a batch of another size.
    x, y, z = (
        u[0] * _take(rows[k], row) + u[1] * _take(rows[3 + k], row) + u[2] * _take(rows[6 + k], row) for k in range(3)
    )
    distance = torch.sqrt(x * x + y * y + z * z)
    j = _take(j, pair)
    elsewhere = (j != _take(centre, row)) | (shift[0] != 0) | (shift[1] != 0) | (shift[2] != 0)
    inside = ((distance <= _take(radius, row)) & elsewhere).nonzero().squeeze(1)
    unwrapped = tuple(shift[axis] - _take(whole[axis], pair) for axis in range(3))
    return Images(row, j, unwrapped, (x, y, z), distance).select(inside)


def _children(count: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """Expands each row into `count` rows: the parent (int64) of each, and its place among its siblings, from 0."""
    total = float(count.sum(dtype=torch.float64))
    if not total <= limit:
        raise InputError(f"{total:.3g} periodic images at a time don't fit in the memory bound")
    count = count.to(torch.int64)
    parent = owners(count, int(total))
    return parent, torch.arange(len(parent), device=parent.device) - _take(first_rows(count), parent)


def _take(values: Tensor, index: Tensor) -> Tensor:
    """`values[index]` of one dimension, several times faster on a CPU."""
    return values.index_select(0, index)


def _norm(vectors: Tensor) -> Tensor:
    return torch.linalg.vector_norm(vectors, dim=-1)
