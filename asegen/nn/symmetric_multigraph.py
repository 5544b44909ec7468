"""The symmetric multigraph: sites as nodes, and an edge to every image of a site within a cutoff.

One node stands for all equivalent atoms. An edge (u, h, v) leads from the first atom of site u to the image of site v
under an operation h; images that coincide are one edge, and every image within the cutoff is there, so nothing depends
on a number of neighbours. What an edge of v knows is turned by h before it meets the edge to v (R_h r_2), without which
the graph would depend on which of the equivalent atoms is called the first. The graph of P1 is the crystal's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from asegen.crystal import Crystals
from asegen.graph import radius_graph
from asegen.orbits import Numbers, Orbits

_SHORTEST = 0.15
"""Å. Two images nearer than this are taken for the same atom, as noise may have it (the published rule)."""
_BACK = 1e-3
"""Å. A second edge that ends this near to where the first began leads back."""


@dataclass(frozen=True, eq=False)
class SymmetricEdges:
    """Edges between sites, in the order of the receiver, with their vectors.

    Attributes:
        receiver: (n_edges,), int64, site u.
        sender: (n_edges,), int64, site v.
        vector: (n_edges, 3), Å, from u's first atom to the image of v; differentiable in the free numbers.
        rotation: (n_edges, 3, 3), Cartesian, R_h of the operation that leads from v's first atom to the image.
        equivalent: (n_edges,), bool: both ends are atoms of one site, by more than a lattice translation.
    """

    receiver: Tensor
    sender: Tensor
    vector: Tensor
    rotation: Tensor
    equivalent: Tensor

    def __len__(self) -> int:
        """Number of edges."""
        return self.receiver.shape[0]


@dataclass(frozen=True, eq=False)
class SymmetricTriplets:
    """Pairs of an edge to an image of v and an edge of v, turned as that image is.

    Attributes:
        first: (n_triplets,), int64, index of the edge (u, h, v).
        second: (n_triplets,), int64, index of an edge (v, g, w).
        angle: (n_triplets,), in [0, π], between the way back along the first and the turned second at the image of v.
    """

    first: Tensor
    second: Tensor
    angle: Tensor


def symmetric_edges(orbits: Orbits, numbers: Numbers, cutoff: float) -> SymmetricEdges:
    """All images of all sites within a cutoff of each site's first atom.

    Args:
        orbits: a batch.
        numbers: its free numbers.
        cutoff: Å.

    Raises:
        InputError: a cell is singular, anything isn't finite, or memory doesn't suffice.
    """
    crystals = orbits.crystals(numbers)
    found = radius_graph(crystals, cutoff)
    first = torch.cumsum(orbits.n_images, 0) - orbits.n_images
    is_first = torch.zeros_like(orbits.site, dtype=torch.bool)
    is_first[first] = True
    vector = found.vectors(crystals)
    kept = is_first[found.i] & (torch.linalg.vector_norm(vector, dim=-1) > _SHORTEST)
    i, j = found.i[kept], found.j[kept]
    receiver, sender = orbits.site[i], orbits.site[j]
    return SymmetricEdges(
        receiver, sender, vector[kept], _cartesian(orbits, crystals)[j], (receiver == sender) & (i != j)
    )


def _cartesian(orbits: Orbits, crystals: Crystals) -> Tensor:
    """(n_atoms_total, 3, 3): each atom's operation as a rotation of Cartesian columns."""
    columns = crystals.cell.mT[crystals.batch]
    return columns @ orbits.rotation.to(columns) @ torch.linalg.inv(columns)


def symmetric_triplets(edges: SymmetricEdges) -> SymmetricTriplets:
    """Every edge with every edge of its sender, but the one that leads back to where it began.

    Args:
        edges: in the order of the receiver.
    """
    n_sites = int(edges.receiver.max()) + 1 if len(edges) else 0
    degree = torch.bincount(edges.receiver, minlength=n_sites)
    start = torch.cumsum(degree, 0) - degree
    count = degree[edges.sender]
    first = torch.repeat_interleave(count)
    offset = start[edges.sender] - (torch.cumsum(count, 0) - count)
    second = torch.arange(len(first), device=first.device) + offset[first]
    back = -edges.vector[first]
    onward = torch.einsum("tab,tb->ta", edges.rotation[first], edges.vector[second])
    kept = torch.linalg.vector_norm(onward - back, dim=-1) > _BACK
    back, onward = back[kept], onward[kept]
    # atan2 keeps its precision near 0 and π, where the cosine's inverse has none.
    sine = torch.linalg.vector_norm(torch.linalg.cross(back, onward), dim=-1)
    return SymmetricTriplets(first[kept], second[kept], torch.atan2(sine, (back * onward).sum(-1)))
