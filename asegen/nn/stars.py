"""A graph's triplets as dense blocks: atoms with equally many edges are stacked, so that no triplet is ever listed.

An atom with k edges has k² ordered pairs of edges, k of them of an edge with itself. Listing them costs an index and a
gather per triplet and feature; here every atom's edges lie side by side, and atoms of one k form a block (n, k, k).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.crystals.graph import Edges, reverse_edges


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive edges of atoms that have equally many.

    Attributes:
        first: the first edge.
        n_atoms: number of atoms.
        degree: edges of each atom.
    """

    first: int
    n_atoms: int
    degree: int

    @property
    def n_edges(self) -> int:
        """Edges of all its atoms."""
        return self.n_atoms * self.degree

    def flat(self, values: Tensor) -> Tensor:
        """(n_atoms · degree, …): this block's part of a tensor (n_edges, …), without a copy."""
        return values[self.first : self.first + self.n_edges]

    def view(self, values: Tensor) -> Tensor:
        """(n_atoms, degree, …): the same with an axis per atom."""
        return self.flat(values).view(self.n_atoms, self.degree, *values.shape[1:])

    def split(self, triplets: int) -> Iterator[Block]:
        """Smaller blocks of at most that many ordered pairs, but at least one atom."""
        step = max(triplets // self.degree**2, 1)
        for start in range(0, self.n_atoms, step):
            yield Block(self.first + start * self.degree, min(step, self.n_atoms - start), self.degree)


@dataclass(frozen=True, eq=False)
class Stars:
    """Edges in the order of their receiver's degree, then of their receiver.

    Attributes:
        i: (n_edges,), int64, receiver.
        j: (n_edges,), int64, sender.
        reverse: (n_edges,), int64, the edge from i to j's image.
        vector: (n_edges, 3), Å, from i to j.
        scaled_vector: (n_edges, 3), the same in fractional coordinates.
        blocks: atoms with equally many edges; together all edges in order.
        n_triplets: (n_crystals,), int64, ordered pairs of two edges with one receiver.
    """

    i: Tensor
    j: Tensor
    reverse: Tensor
    vector: Tensor
    scaled_vector: Tensor
    blocks: list[Block]
    n_triplets: Tensor

    def split(self, values: Tensor) -> list[Tensor]:
        """Per block (n_atoms, degree, …): a tensor (n_edges, …) cut into blocks, cheap to differentiate."""
        parts = values.split([block.n_edges for block in self.blocks])
        return [part.view(b.n_atoms, b.degree, *values.shape[1:]) for part, b in zip(parts, self.blocks, strict=True)]


def stars_of(crystals: Crystals, edges: Edges) -> Stars:
    """Groups the edges of a graph by receiver.

    Args:
        crystals: the crystals.
        edges: a graph over them that holds every edge's reverse.
    """
    degree = torch.bincount(edges.i, minlength=len(crystals.numbers))
    order = torch.argsort(degree[edges.i] * len(degree) + edges.i, stable=True)
    edges = Edges(edges.i[order], edges.j[order], edges.shift[order])
    pairs = torch.zeros_like(crystals.n_atoms).index_add_(0, crystals.batch, degree * (degree - 1))
    x = crystals.scaled_positions
    scaled_vector = x[edges.j] + edges.shift.to(x.dtype) - x[edges.i]
    vector = torch.einsum("ea,eab->eb", scaled_vector, crystals.cell[crystals.batch[edges.i]])
    return Stars(edges.i, edges.j, reverse_edges(edges), vector, scaled_vector, blocks_by_degree(degree), pairs)


def blocks_by_degree(degree: Tensor) -> list[Block]:
    """The blocks of edges that are ordered by their atom's degree.

    Args:
        degree: (n_atoms,), int64, edges of each atom; those without any are in no block.
    """
    blocks, first = [], 0
    sizes, counts = torch.unique(degree, return_counts=True)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        if size:
            blocks.append(Block(first, count, size))
            first += count * size
    return blocks
