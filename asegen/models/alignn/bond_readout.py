"""What an atom's bonds and angles add to what is read of it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from asegen.models.alignn.line_graph import LineGraph
from asegen.models.alignn.soft_neighbors import SoftEdges

_LEAST = 1e-12  # an atom with a single bond has no angle


class BondReadout(nn.Module):
    """Linear functions of the means of an atom's bonds and of its angles, which start at zero.

    Bonds and angles count by the graph's weights, so the sum is as smooth and as symmetric as these are. Zero at first:
    a network that goes on from weights without this part begins with the same function.

    Args:
        width: of atoms, bonds and angles.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bonds, self.angles = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        for linear in (self.bonds, self.angles):
            nn.init.zeros_(linear.weight)

    def forward(self, bonds: Tensor, angles: Sequence[Tensor], soft: SoftEdges, graph: LineGraph, n: int) -> Tensor:
        """What is added to each atom.

        Args:
            bonds: (n_edges, width), in the order of `soft`.
            angles: for each block of the line graph (n_atoms, k, k, width).
            soft: the crystal graph.
            graph: its line graph.
            n: number of atoms.

        Returns:
            (n, width).
        """
        total = bonds.new_zeros(n, bonds.shape[1]).index_add(0, soft.edges.i, bonds * soft.weight[:, None])
        count = bonds.new_zeros(n).index_add(0, soft.edges.i, soft.weight)
        return self.bonds(total / count[:, None]) + self.angles(_mean_over_angles(angles, soft, graph, n))


def _mean_over_angles(angles: Sequence[Tensor], soft: SoftEdges, graph: LineGraph, n: int) -> Tensor:
    """(n, width): an angle counts by the product of its bonds' weights; 0 of an atom without angles."""
    mean = angles[0].new_zeros(n, angles[0].shape[-1])
    for block, features, others in zip(graph.blocks, angles, graph.pair_weight, strict=True):
        pair = others * block.view(graph.weight)[..., None]
        total = (features * pair[..., None]).sum((1, 2))
        atom = soft.edges.i[block.view(graph.bond)[:, 0]]
        mean = mean.index_copy(0, atom, total / pair.sum((1, 2)).clamp_min(_LEAST)[:, None])
    return mean
