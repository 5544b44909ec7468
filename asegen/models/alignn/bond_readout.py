"""What is read of bonds and angles, beside the features of atoms."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from asegen.models.alignn.line_graph import LineGraph
from asegen.models.alignn.soft_neighbors import SoftEdges

_LEAST = 1e-12  # an atom with a single bond has no angle


def bond_readout_of(width: int) -> nn.Sequential:
    """A perceptron on features of atoms, bonds and angles, (n, 3 · width) to (n, width), which gives zero at first.

    So a network that goes on from weights without it begins with the same function.
    """
    last = nn.Linear(width, width, bias=False)
    nn.init.zeros_(last.weight)
    return nn.Sequential(nn.Linear(3 * width, width), nn.SiLU(), last)


def mean_over_bonds(bonds: Tensor, weight: Tensor, i: Tensor, n: int) -> Tensor:
    """The mean of each atom's bonds; a bond counts by its weight, so that the mean is as smooth as the graph.

    Args:
        bonds: (n_edges, width).
        weight: (n_edges,).
        i: (n_edges,), int64, the atom of each.
        n: number of atoms.

    Returns:
        (n, width).
    """
    total = weight.new_zeros(n, bonds.shape[1]).index_add(0, i, bonds * weight[:, None])
    return total / weight.new_zeros(n).index_add(0, i, weight)[:, None]


def mean_over_angles(angles: Sequence[Tensor], soft: SoftEdges, graph: LineGraph, n: int) -> Tensor:
    """The mean of the angles at each atom; an angle counts by the product of its bonds' weights.

    Args:
        angles: for each block of the line graph (n_atoms, k, k, width).
        soft: the crystal graph.
        graph: its line graph.
        n: number of atoms.

    Returns:
        (n, width), 0 of an atom without angles.
    """
    mean = graph.weight.new_zeros(n, angles[0].shape[-1])
    for block, features, others in zip(graph.blocks, angles, graph.pair_weight, strict=True):
        pair = others * block.view(graph.weight)[..., None]
        total = (features * pair[..., None]).sum((1, 2))
        atom = soft.edges.i[block.view(graph.bond)[:, 0]]
        mean = mean.index_copy(0, atom, total / pair.sum((1, 2)).clamp_min(_LEAST)[:, None])
    return mean
