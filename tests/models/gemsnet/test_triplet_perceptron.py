"""The blocked triplet perceptron against a plain one under autograd, and against finite differences."""

import pytest
import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.models.gemsnet import triplet_perceptron
from asegen.models.gemsnet.dense import scaled_silu
from asegen.models.gemsnet.geometry import Geometry, geometry_of
from asegen.models.gemsnet.triplet_perceptron import TripletPerceptron

DEGREES, CIRCULAR, HIDDEN = 3, 4, 5


def geometry() -> Geometry:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(6, 3, generator=generator, dtype=torch.float64)
    cell = 4 * torch.eye(3, dtype=torch.float64).repeat(2, 1, 1)
    crystals = Crystals(cell, x, torch.tensor([1, 2, 3, 4, 5, 6]), torch.tensor([4, 2]))
    return geometry_of(crystals, 4, DEGREES)


def inputs(n_edges: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = [(n_edges, DEGREES, CIRCULAR), (n_edges, HIDDEN), (n_edges, HIDDEN)]
    shapes += [(HIDDEN, CIRCULAR), (HIDDEN, HIDDEN), (3, HIDDEN)]
    return [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes]


def plain(g: Geometry, r: Tensor, a: Tensor, b: Tensor, first: Tensor, second: Tensor, out: Tensor) -> list[Tensor]:
    """Per block (n, k, k, 3): the formula of the class, for every pair of edges, with nothing shared."""
    weights = []
    for block, y in zip(g.stars.blocks, g.harmonics, strict=True):
        basis = torch.einsum("nalb,nalc->nabc", y, block.view(r))
        x = block.view(a)[:, :, None] + block.view(b)[:, None, :] + basis @ first.T
        weights.append(scaled_silu(scaled_silu(x) @ second.T) @ out.T)
    return weights


def off_diagonal(g: Geometry) -> Tensor:
    return torch.cat(
        [(1 - torch.eye(block.degree)).bool().expand(block.n_atoms, -1, -1).flatten() for block in g.stars.blocks]
    )


@pytest.mark.parametrize("size", [1, 4000, 10**9])
def test_values_and_gradients_are_the_plain_ones(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triplet_perceptron, "_CPU_BYTES", size)
    g = geometry()
    arguments = inputs(len(g.stars.i))
    off = off_diagonal(g)
    found = TripletPerceptron.apply(*arguments, g.stars.blocks, g.harmonics)
    expected = torch.cat([w.flatten(0, 2) for w in plain(g, *arguments)])
    torch.testing.assert_close(found[off], expected[off])
    weights = torch.randn(found.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    weights *= off[:, None]
    mine = torch.autograd.grad((found * weights).sum(), arguments)
    theirs = torch.autograd.grad((expected * weights).sum(), arguments)
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_gradients_agree_with_finite_differences() -> None:
    g = geometry()
    off = off_diagonal(g)
    torch.autograd.gradcheck(
        lambda *arguments: TripletPerceptron.apply(*arguments, g.stars.blocks, g.harmonics)[off][::7],
        inputs(len(g.stars.i)),
        fast_mode=True,
    )
