"""Scores from weights of edges: of positions along the edges, of lattice lengths along the edges' own derivatives.

Sultanov et al.; ε-parametrised, the lattice through `a = k ln(1 + e^{L/k})`, k = 10 Å, which keeps lengths positive.
"""

from __future__ import annotations

import torch
from torch import Tensor

from asegen.crystals.site_graph import SymmetricEdges
from asegen.elements import COVALENT_RADIUS, LAST

SOFTNESS = 10.0
"""k, Å."""
CONTACT = 0.75
"""Atoms of two sites overlap that are nearer than this times the sum of their covalent radii."""
_LARGEST = 15.0
_SMALL = 1e-3

# Which lengths of the conventional cell are one, by the first letter of the Bravais lattice; rows: free numbers.
TIES = {
    "o": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "t": ((1.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0)),
    "h": ((1.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0)),
    "c": ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
}


def lengths(soft: Tensor) -> Tensor:
    """`a = k ln(1 + e^{L/k})`, Å, from L of any shape."""
    return SOFTNESS * torch.nn.functional.softplus(soft / SOFTNESS)


def soft_lengths(length: Tensor) -> Tensor:
    """`L = k ln(e^{a/k} − 1)`, the inverse of `lengths`."""
    return length + SOFTNESS * torch.log(-torch.expm1(-length / SOFTNESS))


def position_score(edges: SymmetricEdges, weight: Tensor, n_sites: int) -> Tensor:
    """`Σ 15 tanh(w/15) r/|r|` over the edges of each site.

    Args:
        edges: the graph.
        weight: (n_edges,), w_pos.
        n_sites: number of sites.

    Returns:
        (n_sites, 3), Cartesian, dimensionless; of each site's first atom.
    """
    return _along_edges(edges, _LARGEST * torch.tanh(weight / _LARGEST), n_sites)


def overlap(edges: SymmetricEdges, numbers: Tensor) -> Tensor:
    """`Σ max(0, 1 − d/(CONTACT (r_u + r_v))) r/|r|` over the edges of each site to other sites, r covalent radii.

    Args:
        edges: the graph.
        numbers: (n_sites,), int64, atomic numbers.

    Returns:
        (n_sites, 3), Cartesian, dimensionless, towards what a site's first atom overlaps.
    """
    radius = edges.vector.new_tensor(COVALENT_RADIUS)[numbers.clamp_max(LAST)]
    contact = CONTACT * (radius[edges.receiver] + radius[edges.sender])
    distance = torch.linalg.vector_norm(edges.vector, dim=-1)
    depth = (1 - distance / contact).clamp_min(0) * (edges.receiver != edges.sender)
    return _along_edges(edges, depth, len(numbers))


def _along_edges(edges: SymmetricEdges, size: Tensor, n_sites: int) -> Tensor:
    """(n_sites, 3): `Σ size r/|r|` over the edges of each site."""
    unit = edges.vector / torch.linalg.vector_norm(edges.vector, dim=-1, keepdim=True)
    pull = size[:, None] * unit
    return torch.zeros(n_sites, 3, dtype=pull.dtype, device=pull.device).index_add(0, edges.receiver, pull)


def length_gradients(vector: Tensor, cell: Tensor) -> Tensor:
    """`∂d/∂L_a = r·(v_a â)/d · (1 − e^{−a/k})`: how an edge's length follows each soft length of its cell.

    Args:
        vector: (n_edges, 3), r, Å; the fractional edge v stays as it is.
        cell: (n_edges, 3, 3), conventional cell of each edge's crystal, rows are lattice vectors, Å.

    Returns:
        (n_edges, 3), dimensionless.
    """
    length = torch.linalg.vector_norm(cell, dim=-1)
    fractional = torch.linalg.solve(cell.mT, vector)
    axes = cell / length[..., None]
    along = fractional * torch.einsum("ex,eax->ea", vector, axes)
    return along / torch.linalg.vector_norm(vector, dim=-1, keepdim=True) * -torch.expm1(-length / SOFTNESS)


def lattice_score(edges: SymmetricEdges, weight: Tensor, cell: Tensor, ties: Tensor, site_crystal: Tensor) -> Tensor:
    """`mean_e w G_e/(|G_e|² + 1e-3)` with G_e the gradients by the free lengths.

    Args:
        edges: the graph.
        weight: (n_edges,), w_lat.
        cell: (n_crystals, 3, 3), conventional, rows are lattice vectors, Å.
        ties: (n_crystals, 3, 3), rows of `TIES`.
        site_crystal: (n_sites_total,), int64.

    Returns:
        (n_crystals, 3), a number for each free length, 0 for the others.
    """
    crystal = site_crystal[edges.receiver]
    gradient = torch.einsum("efa,ea->ef", ties[crystal], length_gradients(edges.vector, cell[crystal]))
    share = weight[:, None] * gradient / (gradient.square().sum(-1, keepdim=True) + _SMALL)
    total = torch.zeros_like(cell[:, 0]).index_add(0, crystal, share)
    count = torch.bincount(crystal, minlength=len(cell)).clamp_min(1)
    return total / count[:, None]
