"""The line graph: bonds as nodes, angles between bonds at one atom as edges.

Angles are not listed one by one: atoms with equally many bonds are stacked into blocks (n, k, k), in which a bond's
features are shared by broadcasting instead of gathered; see `asegen.nn.stars`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from asegen.models.alignn.soft_neighbors import SoftEdges, nearest_of
from asegen.nn.stars import Block, blocks_by_degree


@dataclass(frozen=True, eq=False)
class LineGraph:
    """Bonds, and the angles between those that end at the same atom.

    Attributes:
        bond: (n_bonds,), int64, index into the edges, in the order of the blocks.
        weight: (n_bonds,), 1 for near ones, 0 at the end of the atom's reach.
        blocks: atoms with equally many bonds; together all bonds in order.
        cosine: for each block (n_atoms, k, k), cosine of the angle between bonds a and b.
        pair_weight: for each block (n_atoms, k, k), weight of b, 0 where b is a.
    """

    bond: Tensor
    weight: Tensor
    blocks: list[Block]
    cosine: list[Tensor]
    pair_weight: list[Tensor]


def line_graph(soft: SoftEdges, n_atoms: int, k: int) -> LineGraph:
    """The line graph of each atom's nearest bonds.

    Args:
        soft: the crystal graph.
        n_atoms: of the whole batch.
        k: bonds of each atom that count (nearly) in full; at most the k that `soft` was made with.
    """
    bond, weight = nearest_of(soft, n_atoms, k)
    atom = soft.edges.i[bond]
    degree = torch.bincount(atom, minlength=n_atoms)
    order = torch.argsort(degree[atom], stable=True)
    bond, weight = bond[order], weight[order]
    blocks = blocks_by_degree(degree)
    sizes = [block.n_edges for block in blocks]
    unit = soft.vector[bond] / soft.distance[bond, None].clamp_min(1e-6)
    cosine, pair_weight = [], []
    for block, u, w in zip(blocks, unit.split(sizes), weight.split(sizes), strict=True):
        u = u.view(block.n_atoms, block.degree, 3)
        with torch.autocast(u.device.type, enabled=False):  # in bfloat16 a cosine has two digits
            cosine.append(u @ u.mT)
        others = 1 - torch.eye(block.degree, device=w.device, dtype=w.dtype)
        pair_weight.append(w.view(block.n_atoms, 1, block.degree) * others)
    return LineGraph(bond, weight, blocks, cosine, pair_weight)
