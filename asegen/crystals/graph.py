"""Graphs of crystals: edges with their periodic images, reverse edges, and triplets of edges.

An edge (i, j, shift) says that atom i receives from the image of atom j translated by `shift` lattice vectors. Edges
hold integers alone: vectors are computed from crystals when asked for, so that gradients reach cells and positions,
and the same edges serve moved crystals.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.errors import InputError
from asegen.geometry.neighbors import nearest_neighbors

# Keys of several columns stay below this, so that they fit in int64.
_LARGEST_KEY = 2**62


@dataclass(frozen=True, eq=False)
class Edges:
    """Directed edges of a batch of crystals, in the order of i.

    Attributes:
        i: (n_edges,), int64, the atom that receives, index into the whole batch.
        j: (n_edges,), int64, the atom that sends.
        shift: (n_edges, 3), int64, lattice translation of j.
    """

    i: Tensor
    j: Tensor
    shift: Tensor

    def __len__(self) -> int:
        """Number of edges."""
        return self.i.shape[0]

    def vectors(self, crystals: Crystals) -> Tensor:
        """`(x_j + shift - x_i) @ cell`, differentiable with respect to cells and positions.

        Args:
            crystals: the crystals of the edges, or the same after a motion that wrapped no atom.

        Returns:
            (n_edges, 3), Å.
        """
        x = crystals.scaled_positions
        fractional = x.index_select(0, self.j) - x.index_select(0, self.i) + self.shift.to(x.dtype)
        cell = crystals.cell.index_select(0, crystals.batch.index_select(0, self.i))
        with torch.autocast(x.device.type, enabled=False):  # in bfloat16 a distance has two digits
            return torch.einsum("ea,eab->eb", fractional, cell)

    def distances(self, crystals: Crystals) -> Tensor:
        """(n_edges,), Å: lengths of `vectors`, differentiable; the gradient at distance 0 is 0."""
        return torch.linalg.vector_norm(self.vectors(crystals), dim=-1)


def knn_graph(crystals: Crystals, k: int, symmetric: bool = True) -> Edges:
    """Edges from each atom's k nearest images.

    Args:
        crystals: a batch of crystals.
        k: neighbours of each atom.
        symmetric: keep an edge if either of its ends lists the other (GemsDiff's graph), with each edge its reverse.

    Returns:
        Unique edges: in the order of (i, j, shift) when symmetric, of (i, distance) otherwise.

    Raises:
        InputError: a cell is singular, anything isn't finite, k isn't positive, or memory doesn't suffice.
    """
    found = nearest_neighbors(crystals.cell, crystals.scaled_positions, crystals.n_atoms, k)
    if not symmetric:
        return Edges(found.i, found.j, found.shift)
    i, j, shift = _with_reverse(found.i, found.j, found.shift)
    key, order = torch.sort(_keys(i, j, shift), stable=True)
    is_first = torch.ones_like(key, dtype=torch.bool)
    is_first[1:] = key[1:] != key[:-1]
    chosen = order[is_first]
    return Edges(i[chosen], j[chosen], shift[chosen])


def reverse_edges(edges: Edges) -> Tensor:
    """The index of the edge (j, i, -shift) of each edge (i, j, shift).

    Args:
        edges: unique edges, each with its reverse, as the symmetric `knn_graph` makes them.

    Returns:
        (n_edges,), int64; its own inverse.

    Raises:
        InputError: an edge has no reverse.
    """
    n = len(edges)
    keys = _keys(*_with_reverse(edges.i, edges.j, edges.shift))
    forward, order = torch.sort(keys[:n], stable=True)
    backward, reverse_order = torch.sort(keys[n:], stable=True)
    # Both sorted lists are the same set when every edge has its reverse.
    if not torch.equal(forward, backward):
        lonely = int((~torch.isin(keys[n:], keys[:n])).nonzero()[0])
        ends = f"i {int(edges.i[lonely])}, j {int(edges.j[lonely])}, shift {edges.shift[lonely].tolist()}"
        raise InputError(f"edge {lonely} ({ends}) has no reverse")
    reverse = torch.empty_like(order)
    reverse[reverse_order] = order
    return reverse


def _with_reverse(i: Tensor, j: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Edges, then their reverses."""
    return torch.cat([i, j]), torch.cat([j, i]), torch.cat([shift, -shift])


def _keys(i: Tensor, j: Tensor, shift: Tensor) -> Tensor:
    """(n,), int64, non-negative: equal for equal rows, in the order of (i, j, shift)."""
    if not len(i):
        return i
    columns = torch.stack([i, j, *shift.T])
    lowest = columns.amin(1)
    spans = (columns.amax(1) - lowest + 1).tolist()
    key, size = columns[0] - lowest[0], spans[0]
    for column, least, span in zip(columns[1:], lowest[1:], spans[1:], strict=True):
        if size * span > _LARGEST_KEY:
            key = torch.unique(key, return_inverse=True)[1]
            size = len(i)
        key, size = key * span + (column - least), size * span
    return key
