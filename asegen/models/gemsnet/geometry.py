"""What GemsNet's layers read of a crystal's geometry, computed once per pass."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.crystals.graph import knn_graph
from asegen.nn.bases import zonal_harmonics
from asegen.nn.stars import Stars, stars_of
from asegen.nn.vector_fields import angle_field, length_field, unit


@dataclass(frozen=True, eq=False)
class Geometry:
    """Edges and triplets of a batch of crystals.

    Attributes:
        stars: the edges, grouped by receiver.
        distance: (n_edges,), Å.
        direction: (n_edges, 3), unit vectors, receiver to sender.
        harmonics: per block (n, k, n_harmonics, k), `Y_l0(cos φ)` of edges a and b at [·, a, l, b]; zero where a = b.
    """

    stars: Stars
    distance: Tensor
    direction: Tensor
    harmonics: list[Tensor]

    def with_harmonics(self, dtype: torch.dtype) -> Geometry:
        """The same with harmonics of another floating-point type."""
        return replace(self, harmonics=[y.to(dtype) for y in self.harmonics])


def geometry_of(crystals: Crystals, neighbors: int, n_harmonics: int) -> Geometry:
    """Geometry of the symmetric graph of nearest neighbours.

    Args:
        crystals: the crystals.
        neighbors: nearest neighbours of each atom.
        n_harmonics: degrees of the angular basis.
    """
    stars = stars_of(crystals, knn_graph(crystals, neighbors, symmetric=True))
    distance = torch.linalg.vector_norm(stars.vector, dim=-1)
    direction = unit(stars.vector)
    harmonics = []
    for block in stars.blocks:
        u = block.view(direction)
        y = torch.stack(zonal_harmonics(u @ u.mT, n_harmonics), dim=2)
        other = 1 - torch.eye(block.degree, device=y.device, dtype=y.dtype)
        harmonics.append(y * other[:, None, :])
    return Geometry(stars, distance, direction, harmonics)


def lattice_action(crystals: Crystals, geometry: Geometry, weights: Tensor) -> Tensor:
    """Mean over triplets of `w₁ r uuᵀ + w₂ r' vvᵀ + w₃ ∇angle`, edges (r, u) and (r', v).

    Args:
        crystals: the crystals.
        geometry: theirs.
        weights: (n_triplets with the diagonals, 3), in the order of the blocks, each (n, k, k) of edges a and b.

    Returns:
        (n_crystals, 3, 3), symmetric, Å (lengths) or dimensionless (angles): a weight carries the rest of the unit.
    """
    stars, scale, total = geometry.stars, [], []
    parts = weights.split([block.n_edges * block.degree for block in stars.blocks])
    for block, part in zip(stars.blocks, parts, strict=True):
        n, k = block.n_atoms, block.degree
        other = 1 - torch.eye(k, device=part.device, dtype=part.dtype)
        w = part.view(n, k, k, 3) * other[:, :, None]
        scale.append((w[..., 0].sum(2) + w[..., 1].sum(1)).flatten())
        u = block.view(geometry.direction)
        field = angle_field(u[:, :, None, :], u[:, None, :, :])
        total.append(torch.einsum("nab,nabxy->nxy", w[..., 2], field))
    fields = torch.cat(scale)[:, None, None] * length_field(geometry.direction, geometry.distance)
    centres = torch.cat([block.view(stars.i)[:, 0] for block in stars.blocks])
    action = torch.zeros_like(crystals.cell).index_add(0, crystals.batch[stars.i], fields)
    action = action.index_add(0, crystals.batch[centres], torch.cat(total))
    return action / stars.n_triplets.clamp_min(1).to(action.dtype)[:, None, None]
