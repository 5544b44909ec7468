"""Edge-gated graph convolution (Bresson and Laurent 2017; Dwivedi et al. 2020), as ALIGNN uses it on two graphs.

For nodes h and edges e, i receiving from j (Choudhary and DeCost, npj Comput. Mater. 7 (2021) 185, Eqs. 1 to 4):

    m_ij = A h_i + B h_j + C e_ij              e'_ij = e_ij + SiLU(norm(m_ij))
    h'_i = h_i + SiLU(norm(U h_i + Σ_j w_ij σ(m_ij) ⊙ V h_j / (Σ_j w_ij σ(m_ij) + ε)))

with weights w that end smoothly at an atom's reach, and with layer norms in place of batch norms: a crystal's result
must not depend on the crystals beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from asegen.models.alignn.line_graph import LineGraph

_EPSILON = 1e-6


class _Gated(nn.Module):
    """The parameters that both kinds share."""

    def __init__(self, width: int, updates_edges: bool) -> None:
        super().__init__()
        self.nodes = nn.Linear(width, 4 * width)  # A, U of the receiver and B, V of the sender
        self.edge_gate = nn.Linear(width, width, bias=False)
        self.node_norm = nn.LayerNorm(width)
        self.edge_norm = nn.LayerNorm(width) if updates_edges else None

    def _edges(self, e: Tensor, m: Tensor) -> Tensor:
        return e if self.edge_norm is None else e + functional.silu(self.edge_norm(m))


class EdgeGatedConvolution(_Gated):
    """The convolution over a list of edges.

    Args:
        width: of nodes and edges.
        updates_edges: False for a last layer, whose edges nobody reads.
    """

    def __init__(self, width: int, updates_edges: bool = True) -> None:
        super().__init__(width, updates_edges)

    def forward(self, h: Tensor, e: Tensor, i: Tensor, j: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """One layer.

        Args:
            h: (n_nodes, width).
            e: (n_edges, width).
            i: (n_edges,), int64, receivers.
            j: (n_edges,), int64, senders.
            weight: (n_edges,).

        Returns:
            New nodes and edges, of the same shapes.
        """
        gate_i, update, gate_j, value = self.nodes(h).chunk(4, -1)
        m = gate_i.index_select(0, i) + gate_j.index_select(0, j) + self.edge_gate(e)
        gate = torch.sigmoid(m) * weight[:, None]  # sums are as precise as weights, under autocast too
        total = gate.new_zeros(h.shape).index_add(0, i, gate * value.index_select(0, j))
        mean = total / (gate.new_zeros(h.shape).index_add(0, i, gate) + _EPSILON)
        return h + functional.silu(self.node_norm(update + mean)), self._edges(e, m)


class AngleGatedConvolution(_Gated):
    """The convolution over the line graph: bonds are its nodes, angles its edges.

    Args:
        width: of bonds and angles.
        updates_edges: False for a last layer, whose angles nobody reads.
    """

    def __init__(self, width: int, updates_edges: bool = True) -> None:
        super().__init__(width, updates_edges)

    def forward(self, h: Tensor, angles: Sequence[Tensor], graph: LineGraph) -> tuple[Tensor, list[Tensor]]:
        """One layer.

        Args:
            h: (n_bonds, width), in the order of the line graph.
            angles: for each block (n_atoms, k, k, width).
            graph: the line graph.

        Returns:
            New bonds and angles, of the same shapes. A bond changes by as much as its weight allows.
        """
        gate_i, update, gate_j, value = self.nodes(h).chunk(4, -1)
        sizes = [block.n_edges for block in graph.blocks]
        split = zip(
            graph.blocks, angles, graph.pair_weight,
            gate_i.split(sizes), gate_j.split(sizes), value.split(sizes), strict=True,
        )  # fmt: skip
        means, new_angles = [], []
        for block, e, weight, *parts in split:
            a, b, v = (part.reshape(block.n_atoms, block.degree, -1) for part in parts)
            m = self.edge_gate(e) + a[:, :, None] + b[:, None]
            gate = torch.sigmoid(m) * weight[..., None]
            mean = (gate * v[:, None]).sum(2) / (gate.sum(2) + _EPSILON)
            means.append(mean.flatten(0, 1))
            new_angles.append(self._edges(e, m))
        change = functional.silu(self.node_norm(update + torch.cat(means)))
        return h + graph.weight[:, None] * change, new_angles
