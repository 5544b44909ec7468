"""ECN's message function: a two-layer perceptron shared among edge orbits, without the matrices that it stands for.

The published layer expands each weight into a dense matrix over all pairs of the eight cells. With the colours p, q, o
of pairs of cells (`asegen.models.ecn.edge_orbits`), s = SiLU, and v = [x_i ‖ x_j ‖ e], the same numbers are

    H_p = s(W1_p v + b1)        m = s(b2 + Σ_pq N^o_pq W2_q H_p)

for an edge of colour o, N the intersection numbers. W1's parts of x are computed once per node. An edge without a
colour gets the mean of N over the eight cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from asegen.models.ecn.edge_orbits import intersection_numbers, orbit_row

_ROWS_AT_ONCE = 1024


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
        paths: divides the sum over p and q (published: 1).
    """

    intersections: Tensor

    def __init__(self, width: int, edge_width: int, group: str, paths: float = 1.0) -> None:
        super().__init__()
        row = orbit_row(group)
        self.width, self.orbits = width, max(row) + 1
        numbers = torch.tensor(intersection_numbers(row)).float()
        mean = numbers[list(row)].mean(0, keepdim=True)  # of an edge without a colour: over all cells it may come from
        self.register_buffer("intersections", torch.cat([numbers, mean]) / paths, persistent=False)
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
        bias = self.second_bias.to(receiver.dtype)
        m: Tensor = _Messages.apply(receiver, sender, edge, second.to(receiver.dtype), bias, edges)
        return functional.silu(m)


class _Messages(torch.autograd.Function):
    """`b2 + W2 s(receiver + sender + edge)`, a few thousand rows at a time, so that they stay in the cache.

    H, eight times as wide as a message with the group P-triclinic, is never held as a whole: the way back computes it
    again. First derivatives only.
    """

    @staticmethod
    def forward(
        ctx: Any, receiver: Tensor, sender: Tensor, edge: Tensor, second: Tensor, bias: Tensor, edges: CellEdges
    ) -> Tensor:
        out = receiver.new_empty(len(edges.receiver), receiver.shape[1], bias.shape[0])
        for colour, part in _parts(edges, receiver.shape[1]):
            hidden = functional.silu(_inner(receiver, sender, edge, edges, part))
            out[part] = torch.addmm(bias, hidden.flatten(0, 1), second[colour]).view(-1, *out.shape[1:])
        ctx.save_for_backward(receiver, sender, edge, second)
        ctx.edges = edges
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        receiver, sender, edge, second = ctx.saved_tensors
        of_receiver, of_sender = torch.zeros_like(receiver), torch.zeros_like(sender)
        of_edge, of_second = torch.empty_like(edge), torch.zeros_like(second)
        for colour, part in _parts(ctx.edges, receiver.shape[1]):
            x = _inner(receiver, sender, edge, ctx.edges, part)
            g = gradient[part].flatten(0, 1)
            of_second[colour].addmm_(functional.silu(x).flatten(0, 1).T, g)
            of_x = torch.ops.aten.silu_backward(g @ second[colour].T, x.flatten(0, 1)).view_as(x)
            of_receiver.index_add_(0, ctx.edges.receiver[part], of_x)
            of_sender.index_add_(0, ctx.edges.sender[part].flatten(), of_x.flatten(0, 1))
            of_edge[part] = of_x.sum(1, keepdim=True) if edge.shape[1] == 1 else of_x
        return of_receiver, of_sender, of_edge, of_second, gradient.sum((0, 1)), None


def _parts(edges: CellEdges, n_cells: int) -> Iterator[tuple[int, slice]]:
    """Colour by colour, edges a few thousand rows at a time."""
    start = 0
    for colour, count in enumerate(edges.counts):
        stop = start + count
        while start < stop:
            end = min(start + max(1, _ROWS_AT_ONCE // n_cells), stop)
            yield colour, slice(start, end)
            start = end


def _inner(receiver: Tensor, sender: Tensor, edge: Tensor, edges: CellEdges, part: slice) -> Tensor:
    """(n, n_cells, orbits · width): `W1 v + b1` of some edges."""
    index = edges.sender[part]
    x = sender.index_select(0, index.flatten()).view(*index.shape, -1)
    return x.add_(receiver.index_select(0, edges.receiver[part])).add_(edge[part])
