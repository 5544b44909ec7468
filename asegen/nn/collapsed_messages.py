"""ECN's message function: a two-layer perceptron shared among edge orbits, without the matrices that it stands for.

The published layer expands each weight into a dense matrix over all pairs of the eight cells. With the colours p, q, o
of pairs of cells (`asegen.nn.orbits`), s = SiLU, and v = [x_i ‖ x_j ‖ e], the same numbers are

    H_p = s(W1_p v + b1)        m = s(b2 + Σ_pq N^o_pq W2_q H_p)

for an edge of colour o, N the intersection numbers. W1's parts of x are computed once per node. An edge without a
colour gets the mean of N over the eight cells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from asegen.nn.orbits import intersection_numbers, orbit_row


@dataclass(frozen=True, eq=False)
class CellEdges:
    """Edges of the unit cell, each standing for its copies in the supercell, in the order of colour.

    Attributes:
        receiver: (n_edges,), int64, atom of the unit cell, index into the whole batch.
        sender: (n_edges, n_cells), int64, `atom · n_cells + cell`: who sends to the receiver's copy in each cell.
        features: (n_edges, 1 or n_cells, edge_width), the same for all copies or one by one.
        counts: edges of each colour, and last those without one; together all.
    """

    receiver: Tensor
    sender: Tensor
    features: Tensor
    counts: list[int]


class CollapsedMessages(nn.Module):
    """Messages along the edges of a supercell.

    Args:
        width: of nodes and messages.
        edge_width: of edge features.
        group: one of `orbits.GROUPS`.
    """

    intersections: Tensor

    def __init__(self, width: int, edge_width: int, group: str) -> None:
        super().__init__()
        row = orbit_row(group)
        self.width, self.orbits = width, max(row) + 1
        numbers = torch.tensor(intersection_numbers(row)).float()
        mean = numbers[list(row)].mean(0, keepdim=True)  # of an edge without a colour: over all cells it may come from
        self.register_buffer("intersections", torch.cat([numbers, mean]), persistent=False)
        first, second = 1 / math.sqrt(2 * width + edge_width), 1 / math.sqrt(width)
        n = self.orbits * width
        self.from_receiver = nn.Parameter(torch.empty(n, width).uniform_(-first, first))
        self.from_sender = nn.Parameter(torch.empty(n, width).uniform_(-first, first))
        self.from_edge = nn.Parameter(torch.empty(n, edge_width).uniform_(-first, first))
        self.first_bias = nn.Parameter(torch.empty(width).uniform_(-first, first))
        self.second = nn.Parameter(torch.empty(self.orbits, width, width).uniform_(-second, second))  # (q, in, out)
        self.second_bias = nn.Parameter(torch.empty(width).uniform_(-second, second))

    def forward(self, x: Tensor, edges: CellEdges) -> Tensor:
        """One message per edge and copy.

        Args:
            x: (n_atoms_total, n_cells, width).
            edges: the edges.

        Returns:
            (n_edges, n_cells, width).
        """
        receiver = functional.linear(x, self.from_receiver, self.first_bias.repeat(self.orbits))
        sender = functional.linear(x, self.from_sender).flatten(0, 1)
        edge = functional.linear(edges.features, self.from_edge)
        # Per colour o: W2 with N^o folded in, (orbits · width, width).
        second = torch.einsum("opq,qab->opab", self.intersections, self.second).flatten(1, 2)
        messages, start = [], 0
        for colour, count in enumerate(edges.counts):
            part = slice(start, start + count)
            hidden = receiver.index_select(0, edges.receiver[part]) + edge[part]
            hidden = functional.silu(hidden + sender.index_select(0, edges.sender[part].flatten()).view_as(hidden))
            messages.append(torch.addmm(self.second_bias, hidden.flatten(0, 1), second[colour]))
            start += count
        return functional.silu(torch.cat(messages)).view(len(edges.receiver), x.shape[1], self.width)
