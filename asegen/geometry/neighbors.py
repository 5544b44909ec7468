"""Batched periodic neighbours: within a cutoff, or the k nearest.

Exact for any cell (needle, tiny, huge, left-handed) and for positions outside the cell; no loop over atoms or crystals.
Everything is computed in float64 from the numbers given, so that float32 decides no neighbour, and
no crystal's result depends on the others of its batch. The device must know float64.

Neighbours of an atom are in the order of distance, then j, then shift: the shift in the Minkowski-reduced cell, so that
all cells of a lattice are treated alike, compared from its last component to its first. Distances are compared as
computed: where only symmetry makes two equal, they may differ in the last digit, which then decides. The time grows
with the number of neighbours and with the square of the atoms of a crystal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from asegen.errors import InputError
from asegen.geometry.images import AtomsOnLattice, Images, atoms_on_lattice, images_within
from asegen.geometry.ragged import first_rows

# Bytes of working memory per image while it is being found and sorted.
_IMAGE_BYTES = 320
# Bytes per neighbour of a result in float64: its parts, and the whole that they are joined to.
_NEIGHBOR_BYTES = 2 * 72
# The first radius holds this many atoms on average, as A + B k: few atoms then need a second, larger radius.
_EXPECTED = (8.0, 1.15)
_GROWTH = 1.2


@dataclass(frozen=True, eq=False)
class Neighbors:
    """Pairs of atoms, sorted by i, then in the order of distance, j, shift.

    Attributes:
        i: (n_pairs,), int64, the atom whose neighbour it is (it receives), index into the whole batch.
        j: (n_pairs,), int64, the neighbour (it sends).
        shift: (n_pairs, 3), int64, lattice translation of j, with respect to the given cell and positions.
        vector: (n_pairs, 3), `(x_j + shift - x_i) @ cell`, Å, dtype of the cell; no gradient.
        distance: (n_pairs,), Å, dtype of the cell; no gradient.
    """

    i: Tensor
    j: Tensor
    shift: Tensor
    vector: Tensor
    distance: Tensor


@torch.no_grad()
def neighbors_within(
    cell: Tensor, scaled_positions: Tensor, n_atoms: Tensor, cutoff: float, *, max_memory: int = 2**30
) -> Neighbors:
    """All images of atoms at distances up to and including `cutoff`, images of the atom itself among them.

    Only the atom itself (shift 0) is left out; other atoms at the same place are neighbours at distance 0.

    Args:
        cell: (n_crystals, 3, 3), rows are lattice vectors, Å.
        scaled_positions: (n_atoms_total, 3), fractional, atoms of a crystal contiguous; need not be wrapped.
        n_atoms: (n_crystals,), int64.
        cutoff: Å.
        max_memory: bytes that the result may take, and that the search may take beside it.

    Raises:
        InputError: a cell is singular or anything isn't finite, the cutoff isn't positive, or the result doesn't fit.
    """
    if not 0 < cutoff < math.inf:
        raise InputError(f"the cutoff must be positive and finite, not {cutoff}")
    atoms = atoms_on_lattice(cell, scaled_positions, n_atoms)
    everyone = torch.arange(len(atoms.crystal), device=cell.device)
    radius = torch.full((len(everyone),), cutoff, dtype=torch.float64, device=cell.device)
    parts, total = [], 0
    for centre, images in _search(atoms, everyone, radius, max_memory):
        total += len(images.j)
        _check_result(total, max_memory)
        order, _ = _by_distance(images, len(centre))
        parts.append(_neighbors(atoms, centre, images.select(order), cell.dtype))
    return _concatenate(parts)


@torch.no_grad()
def nearest_neighbors(
    cell: Tensor, scaled_positions: Tensor, n_atoms: Tensor, k: int, *, max_memory: int = 2**30
) -> Neighbors:
    """The k nearest images of atoms, exactly k for each atom, images of the atom itself among them.

    Which of several at the kth distance are taken is settled by the order: distance, then j, then shift.

    Args:
        cell: (n_crystals, 3, 3), rows are lattice vectors, Å.
        scaled_positions: (n_atoms_total, 3), fractional, atoms of a crystal contiguous; need not be wrapped.
        n_atoms: (n_crystals,), int64.
        k: neighbours of each atom.
        max_memory: bytes that the result may take, and that the search may take beside it.

    Raises:
        InputError: a cell is singular or anything isn't finite, k isn't positive, or the result doesn't fit.
    """
    if k < 1:
        raise InputError(f"the number of neighbours must be positive, not {k}")
    atoms = atoms_on_lattice(cell, scaled_positions, n_atoms)
    _check_result(len(atoms.crystal) * k, max_memory)
    pending = torch.arange(len(atoms.crystal), device=cell.device)
    radius = _first_radius(atoms, k)[atoms.crystal]
    parts: list[Neighbors] = []
    while len(pending) or not parts:
        lacking = []
        for centre, images in _search(atoms, pending, radius[pending], max_memory):
            order, count = _by_distance(images, len(centre))
            complete = count >= k
            start = first_rows(count)[complete]
            nearest = order.index_select(0, (start[:, None] + torch.arange(k, device=cell.device)).flatten())
            parts.append(_neighbors(atoms, centre, images.select(nearest), cell.dtype))
            lacking.append(centre[~complete])
        pending = torch.cat(lacking)
        radius[pending] *= _GROWTH
    found = _concatenate(parts)
    if len(parts) == 1:
        return found
    order = torch.argsort(found.i, stable=True)
    return Neighbors(found.i[order], found.j[order], found.shift[order], found.vector[order], found.distance[order])


def _first_radius(atoms: AtomsOnLattice, k: int) -> Tensor:
    """(n_crystals,), float64, Å: a radius that holds k neighbours of most atoms, by density."""
    expected = _EXPECTED[0] + _EXPECTED[1] * k
    l11, l22, l33 = atoms.triangle[:3]
    density = atoms.n_atoms.clamp_min(1) / (l11 * l22 * l33)
    # In layers and rows far apart, an atom's own images alone are denser than the average.
    in_layer, in_row = torch.sqrt(expected / math.pi * l11 * l22), expected / 2 * l11
    return torch.minimum(torch.minimum(in_layer, in_row), (3 * expected / (4 * math.pi * density)) ** (1 / 3))


def _search(atoms: AtomsOnLattice, centre: Tensor, radius: Tensor, max_memory: int) -> Iterator[tuple[Tensor, Images]]:
    """Images around the centres, some centres at a time so that the work fits in memory; at least one batch."""
    limit = max_memory // _IMAGE_BYTES
    crystal = atoms.crystal[centre]
    # No step of the enumeration holds more than this.
    bound = atoms.n_atoms[crystal] * (2 * radius / atoms.triangle[:3, crystal] + 1.001).prod(0)
    ends = torch.cumsum(bound, 0).cpu()
    start = stop = 0
    while stop < len(centre) or not stop:
        before = float(ends[start - 1]) if start else 0.0
        stop = max(start + 1, int(torch.searchsorted(ends, before + limit, right=True)))
        yield centre[start:stop], images_within(atoms, centre[start:stop], radius[start:stop], limit)
        start = stop


def _by_distance(images: Images, n_centres: int) -> tuple[Tensor, Tensor]:
    """The order of images by (centre, distance, as found), and how many each centre has, both int64."""
    # Bits of positive floats are in the order of the floats, and sorted several times faster.
    by_distance = torch.argsort(images.distance.view(torch.int64), stable=True)
    by_centre = torch.argsort(images.centre.index_select(0, by_distance), stable=True)
    return by_distance.index_select(0, by_centre), torch.bincount(images.centre, minlength=n_centres)


def _neighbors(atoms: AtomsOnLattice, centre: Tensor, images: Images, dtype: torch.dtype) -> Neighbors:
    # From the reduced cell's shifts to the given cell's; exact, all are integers.
    rows = atoms.transform[atoms.crystal[centre]].permute(1, 2, 0).reshape(9, -1)
    n = images.centre
    p, q, r = images.shift
    shift = [
        p * rows[k].index_select(0, n) + q * rows[3 + k].index_select(0, n) + r * rows[6 + k].index_select(0, n)
        for k in range(3)
    ]
    return Neighbors(
        i=centre.index_select(0, n),
        j=images.j,
        shift=torch.stack(shift, dim=1).to(torch.int64),
        vector=torch.stack(images.vector, dim=1).to(dtype),
        distance=images.distance.to(dtype),
    )


def _concatenate(parts: list[Neighbors]) -> Neighbors:
    if len(parts) == 1:
        return parts[0]
    return Neighbors(
        torch.cat([p.i for p in parts]),
        torch.cat([p.j for p in parts]),
        torch.cat([p.shift for p in parts]),
        torch.cat([p.vector for p in parts]),
        torch.cat([p.distance for p in parts]),
    )


def _check_result(n_neighbors: int, max_memory: int) -> None:
    if n_neighbors * _NEIGHBOR_BYTES > max_memory:
        raise InputError(f"{n_neighbors} neighbours or more don't fit in the memory bound of {max_memory} bytes")
