"""A small perceptron over all triplets, GemsNet's largest cost, in blocks that fit a cache.

The backward pass computes a block's hidden layers again, so memory doesn't grow with the number of triplets' features.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from asegen.models.gemsnet.dense import SILU_SCALE
from asegen.nn.stars import Block

_CPU_BYTES = 1_500_000
"""Of the features of the triplets that are treated at once: on a CPU they stay in its second-level cache."""
_GPU_BYTES = 1_000_000_000
_INVERSE_Y_00 = math.sqrt(4 * math.pi)


class TripletPerceptron(torch.autograd.Function):
    """`W₃ σ'(W₂ σ'(a + b + Σ_l Y_l(φ_ab) W₁ r_al))` for the edges a, b of every atom; σ' = SiLU/0.6.

    Arguments of `apply`: r (n_edges, l, circular) and a (n_edges, hidden) of the first edge; b (n_edges, hidden) of the
    second; W₁ (hidden, circular); W₂ (hidden, hidden); W₃ (out, hidden); the blocks; per block Y (n, k, l, k), indices
    [·, a, l, b], zero where a = b. Returns (n_triplets with the diagonals, out) in the order of the blocks, each
    (n, k, k) indexed [·, a, b]; the diagonals have no meaning. No gradient flows to Y.
    """

    @staticmethod
    def forward(
        ctx: Any,
        r: Tensor,
        a: Tensor,
        b: Tensor,
        first: Tensor,
        second: Tensor,
        out: Tensor,
        blocks: list[Block],
        harmonics: list[Tensor],
    ) -> Tensor:
        """See the class."""
        # Activations are plain SiLU; their scale is in the weights that follow.
        first, second, out = first.to(a.dtype), second.to(a.dtype) / SILU_SCALE, out.to(a.dtype) / SILU_SCALE
        ctx.save_for_backward(r, a, b, first, second, out, *harmonics)
        ctx.blocks = blocks
        weights = a.new_empty(sum(block.n_edges * block.degree for block in blocks), len(out))
        with torch.autocast(a.device.type, enabled=False):
            for part, y, triplets in _parts(blocks, harmonics, b):
                x = _first_layer(y, part.flat(r), part.flat(a), part.view(b), first)
                z = functional.silu(x, inplace=True) @ second.t()
                torch.mm(functional.silu(z, inplace=True), out.t(), out=weights[triplets])
        return weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of r, a, b, W₁, W₂, W₃."""
        r, a, b, first, second, out, *harmonics = ctx.saved_tensors
        grad_r, grad_a, grad_b = torch.empty_like(r), torch.empty_like(a), torch.empty_like(b)
        wide = torch.promote_types(a.dtype, torch.float32)
        grads = [torch.zeros(w.shape, device=w.device, dtype=wide) for w in (first, second, out)]
        with torch.autocast(a.device.type, enabled=False):
            for part, y, triplets in _parts(ctx.blocks, harmonics, b):
                x = _first_layer(y, part.flat(r), part.flat(a), part.view(b), first)
                x_active = functional.silu(x)
                z = x_active @ second.t()
                g = grad[triplets]
                grads[2] += g.t() @ functional.silu(z)
                g = torch.ops.aten.silu_backward(g @ out, z)
                grads[1] += g.t() @ x_active
                g = torch.ops.aten.silu_backward(g @ second, x).view(part.n_edges, part.degree, -1)
                torch.sum(g.view(part.n_atoms, part.degree, *g.shape[1:]), 1, out=part.view(grad_b))
                along = torch.bmm(y.view(part.n_edges, -1, part.degree), g)  # (n k, l, hidden)
                torch.mul(along[:, 0], _INVERSE_Y_00, out=part.flat(grad_a))
                along = along.view(-1, along.shape[2])
                torch.mm(along, first, out=part.flat(grad_r).view(-1, r.shape[2]))
                grads[0] += along.t() @ part.flat(r).reshape(-1, r.shape[2])
        return grad_r, grad_a, grad_b, grads[0], grads[1] / SILU_SCALE, grads[2] / SILU_SCALE, None, None


def _first_layer(y: Tensor, r: Tensor, a: Tensor, b: Tensor, first: Tensor) -> Tensor:
    """(n k k, hidden): `a + b + Σ_l Y_l W₁ r_l`; what doesn't depend on the second edge rides on the constant Y_00."""
    n, k, degrees, _ = y.shape
    along = (r.reshape(n * k * degrees, -1) @ first.t()).view(n * k, degrees, -1)
    along[:, 0] += a * _INVERSE_Y_00
    x = (y.view(n * k, degrees, k).mT @ along).view(n, k, k, -1)
    return x.add_(b[:, None]).view(n * k * k, -1)


def _parts(blocks: list[Block], harmonics: list[Tensor], like: Tensor) -> Iterator[tuple[Block, Tensor, slice]]:
    """Blocks small enough for features like (…, hidden), with their harmonics and the place of their triplets."""
    limit = (_CPU_BYTES if like.device.type == "cpu" else _GPU_BYTES) // (like.shape[1] * like.element_size())
    start = 0
    for block, y in zip(blocks, harmonics, strict=True):
        atom = 0
        for part in block.split(limit):
            triplets = part.n_atoms * part.degree**2
            yield part, y[atom : atom + part.n_atoms], slice(start, start + triplets)
            atom, start = atom + part.n_atoms, start + triplets
