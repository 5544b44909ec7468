"""Near neighbours without a step: as many as it takes, with weights that end smoothly where an atom's reach ends.

A crystal has many neighbours at exactly one distance; a fixed number of nearest ones cuts through such shells, and then
depends on the order of atoms and on the cell. Here an atom reaches a fifth farther than its kth nearest neighbour, and
what lies in the last fifth of its reach counts less and less. So equivalent neighbours count alike, and energies are
continuous as atoms and cells move.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.crystals.graph import Edges
from asegen.geometry.neighbors import nearest_neighbors

REACH = 1.2
"""An atom's reach over the distance of its kth neighbour."""


@dataclass(frozen=True, eq=False)
class SoftEdges:
    """Edges with weights.

    Attributes:
        edges: in the order of (i, distance).
        vector: (n_edges, 3), from i to j, Å, differentiable.
        distance: (n_edges,), Å, differentiable.
        weight: (n_edges,), 1 up to four fifths of the reach, 0 at its end, differentiable.
    """

    edges: Edges
    vector: Tensor
    distance: Tensor
    weight: Tensor

    def __len__(self) -> int:
        """Number of edges."""
        return len(self.edges)


def soft_neighbors(crystals: Crystals, k: int) -> SoftEdges:
    """All images within 1.2 times the distance of each atom's kth nearest image.

    Args:
        crystals: a batch of crystals.
        k: neighbours that count (nearly) in full, at least.

    Raises:
        InputError: a cell is singular, anything isn't finite, k isn't positive, or memory doesn't suffice.
    """
    found = _complete(crystals, k)
    kept = (found.distance <= REACH * found.kth[found.edges.i]).nonzero()[:, 0]
    edges = Edges(found.edges.i[kept], found.edges.j[kept], found.edges.shift[kept])
    vector = edges.vectors(crystals)
    distance = torch.linalg.vector_norm(vector, dim=-1)
    first = torch.searchsorted(edges.i, torch.arange(len(crystals.numbers), device=edges.i.device))
    weight = fading(distance, distance.index_select(0, first + k - 1).index_select(0, edges.i))
    return SoftEdges(edges, vector, distance, weight)


def nearest_of(soft: SoftEdges, n_atoms: int, k: int) -> tuple[Tensor, Tensor]:
    """The edges that a smaller k would have kept, and their weights for that k.

    Args:
        soft: of a larger k.
        n_atoms: of the whole batch.
        k: neighbours that count (nearly) in full.

    Returns:
        Indices into the edges, int64, ascending; weights, of the same length, differentiable.
    """
    first = torch.searchsorted(soft.edges.i, torch.arange(n_atoms, device=soft.edges.i.device))
    kth = soft.distance.index_select(0, first + k - 1).index_select(0, soft.edges.i)
    kept = (soft.distance <= REACH * kth).nonzero()[:, 0]
    return kept, fading(soft.distance[kept], kth[kept])


def fading(distance: Tensor, kth: Tensor) -> Tensor:
    """1 up to four fifths of the reach `1.2 kth`, then `1 − u³ (10 − 15 u + 6 u²)` with u from 0 to 1 at its end.

    Args:
        distance: any shape, Å.
        kth: the same shape, distance of the kth neighbour, Å.
    """
    u = (5 * distance / (REACH * kth) - 4).clamp(0, 1)
    return 1 - u**3 * (10 - 15 * u + 6 * u * u)


@dataclass(frozen=True, eq=False)
class _Found:
    edges: Edges
    distance: Tensor  # (n_edges,), Å
    kth: Tensor  # (n_atoms_total,), Å


@torch.no_grad()
def _complete(crystals: Crystals, k: int) -> _Found:
    """Enough nearest neighbours of every atom to fill its reach."""
    count = 3 * k
    while True:
        found = nearest_neighbors(crystals.cell, crystals.scaled_positions, crystals.n_atoms, count)
        distance = found.distance.view(-1, count)
        if bool((distance[:, -1] > REACH * distance[:, k - 1]).all()):
            return _Found(Edges(found.i, found.j, found.shift), found.distance, distance[:, k - 1])
        count *= 2
