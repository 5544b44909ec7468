"""EMPNN's perceptron over all triplets of a graph, which is nearly all of its cost, in blocks that fit a cache.

The second hidden layer is kept for the gradient; the first is cheap and is computed again. For training, the mean over
triplets may be estimated from a few partners of every edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from asegen.crystals.graph import Edges

_CPU_BYTES = 2_000_000
"""Of the features of the pairs that are treated at once: on a CPU they stay near its second-level cache."""
_GPU_BYTES = 500_000_000


@dataclass(frozen=True)
class PairBlock:
    """Consecutive pairs of the edges of atoms that have equally many.

    Attributes:
        first_edge: the first edge.
        first_pair: the first pair.
        n_atoms: number of atoms.
        degree: edges of each atom.
        partners: pairs of each edge.
    """

    first_edge: int
    first_pair: int
    n_atoms: int
    degree: int
    partners: int

    @property
    def edges(self) -> slice:
        """Places of its edges."""
        return slice(self.first_edge, self.first_edge + self.n_atoms * self.degree)

    @property
    def pairs(self) -> slice:
        """Places of its pairs."""
        return slice(self.first_pair, self.first_pair + self.n_atoms * self.degree * self.partners)

    def split(self, n_pairs: int) -> Iterator[PairBlock]:
        """Smaller blocks of at most that many pairs, but at least one atom."""
        each = self.degree * self.partners
        step = max(n_pairs // max(each, 1), 1)
        for start in range(0, self.n_atoms, step):
            first_edge, first_pair = self.first_edge + start * self.degree, self.first_pair + start * each
            yield PairBlock(first_edge, first_pair, min(step, self.n_atoms - start), self.degree, self.partners)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Ordered pairs of different edges that end at the same atom; those of one first edge lie side by side.

    Attributes:
        blocks: together all pairs in order.
        a: (n_pairs,), int64, index of the first edge.
        b: (n_pairs,), int64, index of the second edge.
        back: (n_pairs,), int64, pairs in the order of their second edge.
        mixed: compute in bfloat16 what is large.
    """

    blocks: list[PairBlock]
    a: Tensor
    b: Tensor
    back: Tensor
    mixed: bool = False


def edge_pairs(edges: Edges, n_atoms: int, partners: int = 0, mixed: bool = False) -> tuple[Edges, Pairs]:
    """The edges in the order of their receiver's degree, and their pairs.

    With `partners`, an edge's partners are those that follow it, around the circle of its atom's edges, at distances
    drawn at random (torch's global generator, as for dropout), the same for all edges of the atom: every edge is first
    as often as second, and the mean of any function over the pairs is expected to be its mean over all pairs.

    Args:
        edges: a graph; every atom has an edge.
        n_atoms: atoms of the whole batch.
        partners: of each edge, at most; 0 takes all.
        mixed: see `Pairs`.
    """
    degree = torch.bincount(edges.i, minlength=n_atoms)
    order = torch.argsort(degree[edges.i] * n_atoms + edges.i, stable=True)
    edges = Edges(edges.i[order], edges.j[order], edges.shift[order])
    blocks, a, b, back = [], [], [], []
    first_edge = first_pair = 0
    for k, count in zip(*(t.tolist() for t in torch.unique(degree, return_counts=True)), strict=True):
        turns = _turns(count, k, partners, degree.device)
        block = PairBlock(first_edge, first_pair, count, k, turns.shape[2])
        place = torch.arange(k, device=degree.device)[None, :, None]
        atom = torch.arange(count, device=degree.device)[:, None, None] * k
        number = torch.arange(block.partners, device=degree.device)
        a.append((first_edge + atom + place).expand(-1, -1, block.partners).reshape(-1))
        b.append((first_edge + atom + (place + turns) % k).reshape(-1))
        back.append((first_pair + (atom + (place - turns) % k) * block.partners + number).reshape(-1))
        blocks.append(block)
        first_edge, first_pair = block.edges.stop, block.pairs.stop
    return edges, Pairs(blocks, torch.cat(a), torch.cat(b), torch.cat(back), mixed)


def _turns(n_atoms: int, degree: int, partners: int, device: torch.device) -> Tensor:
    """(n_atoms, 1, number of partners), int64: how far an atom's edges are from their partners, around the circle."""
    if not partners or partners >= degree - 1:
        return torch.arange(1, degree, device=device).expand(n_atoms, 1, -1)
    return 1 + torch.rand(n_atoms, 1, degree - 1, device=device).argsort(-1)[..., :partners]


class PairPerceptron(torch.autograd.Function):
    """`W₃ SiLU(W₂ SiLU(a + b + T t))` for pairs of edges.

    Arguments of `apply`: a (n_edges, hidden) of the first edge, b (n_edges, hidden) of the second, t (n_pairs, n) of
    the pair; T (hidden, n); W₂ (hidden, hidden); W₃ (out, hidden); the pairs. Returns (n_pairs, out) in a's type.
    """

    @staticmethod
    def forward(
        ctx: Any, a: Tensor, b: Tensor, t: Tensor, turn: Tensor, second: Tensor, last: Tensor, pairs: Pairs
    ) -> Tensor:
        """See the class."""
        dtype = torch.bfloat16 if pairs.mixed else a.dtype
        inputs = [value.to(dtype) for value in (a, b, t, turn, second, last)]
        hidden, weights = a.new_empty(len(t), a.shape[1], dtype=dtype), a.new_empty(len(t), len(last))
        for part in _parts(pairs, hidden):
            x, z = _first(part, pairs, *inputs[:4]), hidden[part.pairs]
            torch.mm(functional.silu(x, inplace=True), inputs[4].t(), out=z)
            weights[part.pairs] = functional.silu(z) @ inputs[5].t()
        ctx.save_for_backward(*inputs, hidden)
        ctx.pairs, ctx.dtype = pairs, a.dtype
        return weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of a, b, t, T, W₂, W₃."""
        a, b, t, turn, second, last, hidden = ctx.saved_tensors
        grad_a, grad_b, grad_t = (torch.zeros_like(value, dtype=ctx.dtype) for value in (a, b, t))
        grads = [torch.zeros_like(weight, dtype=ctx.dtype) for weight in (turn, second, last)]
        for part in _parts(ctx.pairs, hidden):
            x, z, g = _first(part, ctx.pairs, a, b, t, turn), hidden[part.pairs], grad[part.pairs].to(a.dtype)
            grads[2] += g.t() @ functional.silu(z)
            g = torch.ops.aten.silu_backward(g @ last, z)
            grads[1] += g.t() @ functional.silu(x)
            g = torch.ops.aten.silu_backward(g @ second, x)
            grads[0] += g.t() @ t[part.pairs]
            if ctx.needs_input_grad[2]:
                grad_t[part.pairs] = (g @ turn).to(ctx.dtype)
            grad_a[part.edges] = g.view(-1, part.partners, g.shape[1]).sum(1).to(ctx.dtype)
            g = g.index_select(0, ctx.pairs.back[part.pairs] - part.first_pair)
            grad_b[part.edges] = g.view(-1, part.partners, g.shape[1]).sum(1).to(ctx.dtype)
        return grad_a, grad_b, grad_t, *grads, None


def _first(part: PairBlock, pairs: Pairs, a: Tensor, b: Tensor, t: Tensor, turn: Tensor) -> Tensor:
    """(n_pairs of the block, hidden): `a + b + T t`."""
    both = b.index_select(0, pairs.b[part.pairs])
    both.view(-1, part.partners, both.shape[1]).add_(a[part.edges, None])
    return both.addmm_(t[part.pairs], turn.t())


def _parts(pairs: Pairs, like: Tensor) -> Iterator[PairBlock]:
    """Blocks small enough for features like (…, hidden)."""
    limit = (_CPU_BYTES if like.device.type == "cpu" else _GPU_BYTES) // (like.shape[1] * like.element_size())
    for block in pairs.blocks:
        if block.partners:
            yield from block.split(limit)
