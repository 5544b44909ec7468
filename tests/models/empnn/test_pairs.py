"""Pairs of edges: complete, or drawn fairly; their perceptron against one over a list of concatenated features."""

import pytest
import torch
from torch.nn import functional

from asegen.crystals.graph import Edges
from asegen.models.empnn.pairs import PairPerceptron, Pairs, edge_pairs


def star_edges(*degrees: int) -> Edges:
    """Atoms that have so many edges each; what is at the other end doesn't matter."""
    i = torch.repeat_interleave(torch.arange(len(degrees)), torch.tensor(degrees))
    return Edges(i, torch.zeros_like(i), torch.arange(len(i))[:, None].expand(-1, 3))


def triplets(i: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Every ordered pair of different edges with the same receiver."""
    same = (i[:, None] == i) & ~torch.eye(len(i), dtype=torch.bool)
    return same.nonzero().unbind(1)


def rows(*columns: torch.Tensor) -> set[tuple[int, ...]]:
    return set(zip(*(column.tolist() for column in columns), strict=True))


def test_all_pairs_are_the_triplets_of_the_graph() -> None:
    edges = star_edges(5, 3, 5, 1, 4)
    ordered, pairs = edge_pairs(edges, 5)
    edge_a, edge_b = triplets(edges.i)
    name = ordered.shift[:, 0]  # the edge's index before it was put in order
    assert rows(name[pairs.a], name[pairs.b]) == rows(edge_a, edge_b)
    assert len(pairs.a) == len(edge_a)
    assert torch.equal(ordered.i, edges.i[name])


@pytest.mark.parametrize("partners", [0, 2])
def test_pairs_lie_in_order_of_both_edges(partners: int) -> None:
    torch.manual_seed(0)
    _, pairs = edge_pairs(star_edges(5, 3, 5, 4), 4, partners)
    assert (pairs.a.diff() >= 0).all()
    assert torch.equal(pairs.b[pairs.back], pairs.a)
    assert sorted(pairs.back.tolist()) == list(range(len(pairs.a)))


def test_drawn_partners_are_different_and_every_edge_is_first_as_often_as_second() -> None:
    torch.manual_seed(0)
    edges, pairs = edge_pairs(star_edges(16, 18, 16, 3), 4, partners=4)
    of_each = (torch.bincount(edges.i)[edges.i] - 1).clamp_max(4)
    assert torch.equal(torch.bincount(pairs.a), of_each)
    assert torch.equal(torch.bincount(pairs.b), of_each)
    assert torch.equal(edges.i[pairs.a], edges.i[pairs.b])
    assert (pairs.a != pairs.b).all()
    assert len(rows(pairs.a, pairs.b)) == len(pairs.a)


def test_drawn_partners_estimate_the_mean_over_all_pairs_without_bias() -> None:
    torch.manual_seed(0)
    edges = star_edges(7, 7)
    values = torch.randn(14, 14, dtype=torch.float64)
    additive = torch.randn(14, 1, dtype=torch.float64) + torch.randn(1, 14, dtype=torch.float64)
    _, everything = edge_pairs(edges, 2)
    draws = [edge_pairs(edges, 2, partners=2)[1] for _ in range(2000)]
    means = torch.stack([values[pairs.a, pairs.b].mean() for pairs in draws])
    error = means.mean() - values[everything.a, everything.b].mean()
    assert abs(error) < 4 * means.std() / len(draws) ** 0.5
    for pairs in draws[:20]:  # a sum of a part of each edge is exact in every draw
        torch.testing.assert_close(
            additive[pairs.a, pairs.b].mean(), additive[everything.a, everything.b].mean(), rtol=0, atol=1e-12
        )


def case(partners: int, mixed: bool = False) -> tuple[list[torch.Tensor], Pairs]:
    torch.manual_seed(1)
    edges, pairs = edge_pairs(star_edges(4, 3, 4, 1), 4, partners, mixed)
    shapes = ((len(edges), 6), (len(edges), 6), (len(pairs.a), 2), (6, 2), (6, 6), (3, 6))
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes], pairs


@pytest.mark.parametrize("partners", [0, 2])
@pytest.mark.parametrize("limit", [1, 10**9])
def test_perceptron_and_its_gradients_are_those_of_a_list(
    partners: int, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asegen.models.empnn.pairs._CPU_BYTES", limit)  # one atom at a time, or all at once
    inputs, pairs = case(partners)
    a, b, t, turn, second, last = inputs
    hidden = functional.silu(a[pairs.a] + b[pairs.b] + t @ turn.T)
    expected = functional.silu(hidden @ second.T) @ last.T
    found = PairPerceptron.apply(*inputs, pairs)
    torch.testing.assert_close(found, expected)
    goal = torch.randn_like(expected)
    for ours, theirs in zip(
        torch.autograd.grad(found, inputs, goal), torch.autograd.grad(expected, inputs, goal), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_mixed_precision_changes_little() -> None:
    (inputs, pairs), (_, rough) = case(0), case(0, mixed=True)
    exact, mixed = (PairPerceptron.apply(*inputs, which) for which in (pairs, rough))
    assert mixed.dtype == exact.dtype
    torch.testing.assert_close(mixed, exact, rtol=0.02, atol=0.02 * float(exact.detach().abs().max()))
    gradients = [torch.autograd.grad(value.square().sum(), inputs[4])[0] for value in (exact, mixed)]
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0.1, atol=0.02 * float(gradients[0].abs().max()))
