"""Near neighbours without a step: as many as it takes, with weights that end smoothly where an atom's reach ends.

A crystal has many neighbours at exactly one distance; a fixed number of nearest ones cuts through such shells, and then
depends on the order of atoms and on the cell. Here an atom reaches a fifth farther than its kth nearest neighbour, and
what lies in the last fifth of its reach counts less and less. So equivalent neighbours count alike, and energies are
continuous as atoms and cells move.

The distance of the kth neighbour has a kink where two neighbours change places, in every perfect crystal that is. A
smooth distance stands for it (`kth_distance`), so that energies have derivatives there too, of the crystal's symmetry.
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
SHELL = 0.01
"""Neighbours whose distances differ by less than this fraction count as one shell."""
_MARGIN = 1 + 4 * SHELL  # `kth_distance` is below the kth distance by this factor
_BISECTIONS = 16  # to SHELL · 1e-5, where one step of Newton's is exact to rounding


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
    """All images within 1.2 times the (smooth) distance of each atom's kth nearest image.

    Args:
        crystals: a batch of crystals.
        k: neighbours that count (nearly) in full, at least.

    Raises:
        InputError: a cell is singular, anything isn't finite, k isn't positive, or memory doesn't suffice.
    """
    edges = _complete(crystals, k)
    vector = edges.vectors(crystals)
    distance = torch.linalg.vector_norm(vector, dim=-1)
    kth = kth_distance(distance, edges.i, len(crystals.numbers), k).index_select(0, edges.i)
    kept = (distance <= REACH * kth).nonzero()[:, 0]
    edges = Edges(edges.i[kept], edges.j[kept], edges.shift[kept])
    return SoftEdges(edges, vector[kept], distance[kept], fading(distance[kept], kth[kept]))


def nearest_of(soft: SoftEdges, n_atoms: int, k: int) -> tuple[Tensor, Tensor]:
    """The edges that a smaller k would have kept, and their weights for that k.

    Args:
        soft: of a larger k.
        n_atoms: of the whole batch.
        k: neighbours that count (nearly) in full.

    Returns:
        Indices into the edges, int64, ascending; weights, of the same length, differentiable.
    """
    kth = kth_distance(soft.distance, soft.edges.i, n_atoms, k).index_select(0, soft.edges.i)
    kept = (soft.distance <= REACH * kth).nonzero()[:, 0]
    return kept, fading(soft.distance[kept], kth[kept])


def kth_distance(distance: Tensor, i: Tensor, n_atoms: int, k: int) -> Tensor:
    """The distance of each atom's kth neighbour, smooth where neighbours change places, and the same for equal ones.

    Where the kth neighbour belongs to a shell of equal distances that others are not near to, it is exactly theirs: the
    mean over neighbours within `SHELL` of a first estimate, others up to twice that far counting less. The estimate
    is where a count that rises smoothly at each neighbour is k − 1/2, so it is within `SHELL` of the kth distance.

    Args:
        distance: (n_edges,), Å, ascending for each atom, at least k of them.
        i: (n_edges,), int64, ascending, the atom that each belongs to.
        n_atoms: of the whole batch.
        k: which neighbour, from 1.

    Returns:
        (n_atoms,), Å, twice differentiable.
    """
    size = distance.clamp_min(1e-6).log()  # shells are as wide as a fraction of their distance
    estimate = _smooth_order_statistic(size, i, n_atoms, k)
    away = (size - estimate.index_select(0, i)).abs()
    weight = 1 - _smooth_step(away / SHELL - 1)
    total, count = (torch.zeros_like(estimate).index_add(0, i, part) for part in (weight * distance, weight))
    return total / count


def _smooth_order_statistic(size: Tensor, i: Tensor, n_atoms: int, k: int) -> Tensor:
    """(n_atoms,): where the count of smaller ones, each rising over ±`SHELL`, is k − 1/2."""

    def count(at: Tensor) -> Tensor:
        steps = _smooth_step((at.index_select(0, i) - size) / (2 * SHELL) + 0.5)
        return torch.zeros_like(at).index_add(0, i, steps)

    with torch.no_grad():
        first = torch.searchsorted(i, torch.arange(n_atoms, device=i.device))
        kth = size.index_select(0, first + k - 1)
        low, high = kth - SHELL, kth + SHELL
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            below = count(middle) < k - 0.5
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        root = (low + high) / 2
        t = (root.index_select(0, i) - size) / (2 * SHELL) + 0.5
        slope = torch.zeros_like(root).index_add(0, i, _slope_of_step(t) / (2 * SHELL))
    # A step of Newton's, whose derivative is that of the implicit function.
    return root - (count(root) - (k - 0.5)) / slope


def _smooth_step(t: Tensor) -> Tensor:
    """From 0 at t <= 0 to 1 at t >= 1, twice differentiable."""
    t = t.clamp(0, 1)
    return t**3 * (10 - 15 * t + 6 * t * t)


def _slope_of_step(t: Tensor) -> Tensor:
    t = t.clamp(0, 1)
    return 30 * (t * (1 - t)) ** 2


def fading(distance: Tensor, kth: Tensor) -> Tensor:
    """1 up to four fifths of the reach `1.2 kth`, then `1 − u³ (10 − 15 u + 6 u²)` with u from 0 to 1 at its end.

    Args:
        distance: any shape, Å.
        kth: the same shape, distance of the kth neighbour, Å.
    """
    return 1 - _smooth_step(5 * distance / (REACH * kth) - 4)


@torch.no_grad()
def _complete(crystals: Crystals, k: int) -> Edges:
    """Enough nearest neighbours of every atom to fill its reach, in the order of (i, distance)."""
    count = 3 * k
    while True:
        found = nearest_neighbors(crystals.cell, crystals.scaled_positions, crystals.n_atoms, count)
        distance = found.distance.view(-1, count)
        reach = REACH * _MARGIN * distance[:, k - 1]
        if bool((distance[:, -1] > reach).all()):
            kept = (distance <= reach[:, None]).flatten().nonzero()[:, 0]
            return Edges(found.i[kept], found.j[kept], found.shift[kept])
        count *= 2
