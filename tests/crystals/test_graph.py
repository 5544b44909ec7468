"""Graphs against their definitions, written out as sets, and against ASE."""

import numpy as np
import pytest
import torch
from ase.neighborlist import primitive_neighbor_list
from hypothesis import given
from hypothesis import strategies as st

from asegen.crystals.crystals import Crystals
from asegen.crystals.graph import Edges, knn_graph, reverse_edges
from asegen.errors import InputError
from asegen.geometry.neighbors import nearest_neighbors, neighbors_within

SEEDS = st.integers(0, 2**31 - 1)


def make(seed: int, counts: tuple[int, ...] = (3, 1, 5)) -> Crystals:
    generator = torch.Generator().manual_seed(seed)
    total = sum(counts)
    cell = 3 * torch.eye(3, dtype=torch.float64) + torch.randn(len(counts), 3, 3, generator=generator).double() * 0.5
    positions = torch.rand(total, 3, generator=generator, dtype=torch.float64)
    return Crystals(cell, positions, torch.ones(total, dtype=torch.int64), torch.tensor(counts))


def radius_graph(crystals: Crystals, cutoff: float) -> Edges:
    found = neighbors_within(crystals.cell, crystals.scaled_positions, crystals.n_atoms, cutoff)
    return Edges(found.i, found.j, found.shift)


def rows(edges: Edges) -> list[tuple[int, ...]]:
    return [tuple(r) for r in torch.cat([edges.i[:, None], edges.j[:, None], edges.shift], 1).tolist()]


def reverse(row: tuple[int, ...]) -> tuple[int, ...]:
    i, j, a, b, c = row
    return (j, i, -a, -b, -c)


@given(SEEDS)
def test_edges_and_vectors_are_ase_s(seed: int) -> None:
    crystals = make(seed, (4,))
    edges = radius_graph(crystals, 3.5)
    cell, x = crystals.cell[0].numpy(), crystals.scaled_positions.numpy()
    i, j, shift, vector, distance = primitive_neighbor_list("ijSDd", [True] * 3, cell, x @ cell, 3.5)
    expected = {(a, b, *s): (v, d) for a, b, s, v, d in zip(i, j, shift.tolist(), vector, distance, strict=True)}
    assert set(rows(edges)) == set(expected) and len(edges) == len(expected)
    ours, theirs = edges.vectors(crystals).numpy(), [expected[row] for row in rows(edges)]
    np.testing.assert_allclose(ours, [v for v, _ in theirs], atol=1e-9)
    np.testing.assert_allclose(edges.distances(crystals), [d for _, d in theirs], atol=1e-9)


@given(SEEDS, st.sampled_from([1, 7, 32]))
def test_symmetric_knn_is_the_union_with_the_reverses(seed: int, k: int) -> None:
    crystals = make(seed)
    directed = knn_graph(crystals, k, symmetric=False)
    assert torch.bincount(directed.i).tolist() == [k] * 9
    expected = {*rows(directed), *map(reverse, rows(directed))}
    assert rows(knn_graph(crystals, k)) == sorted(expected)


@given(SEEDS)
def test_reverse_edges_are_found(seed: int) -> None:
    crystals = make(seed)
    for edges in (knn_graph(crystals, 9), radius_graph(crystals, 3.0)):
        order = torch.randperm(len(edges), generator=torch.Generator().manual_seed(seed))
        edges = Edges(edges.i[order], edges.j[order], edges.shift[order])
        index = reverse_edges(edges)
        assert [rows(edges)[k] for k in index] == [reverse(row) for row in rows(edges)]
        torch.testing.assert_close(edges.vectors(crystals)[index], -edges.vectors(crystals))


def test_a_missing_reverse_is_named() -> None:
    edges = radius_graph(make(0), 3.0)
    keep = torch.arange(len(edges)) != int(reverse_edges(edges)[5])
    short = Edges(edges.i[keep], edges.j[keep], edges.shift[keep])
    lonely = rows(short).index(rows(edges)[5])
    with pytest.raises(InputError, match=f"edge {lonely} "):
        reverse_edges(short)


def test_shifts_of_any_size_are_told_apart() -> None:
    # Far more than 64 bits when packed side by side.
    shift = torch.tensor([[2**40, -(2**40), 2**39], [2**40, -(2**40), 2**39 + 1], [2**40 - 1, -(2**40), 2**39]])
    i, j = torch.tensor([0, 1000, 5]), torch.tensor([1, 1000, 2])
    edges = Edges(torch.cat([i, j]), torch.cat([j, i]), torch.cat([shift, -shift]))
    assert reverse_edges(edges).tolist() == [3, 4, 5, 0, 1, 2]


def test_vectors_are_differentiable() -> None:
    crystals = make(1)
    edges = radius_graph(crystals, 2.0)

    def vectors(cell: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        return edges.vectors(Crystals(cell, positions, crystals.numbers, crystals.n_atoms))

    inputs = crystals.cell.clone().requires_grad_(), crystals.scaled_positions.clone().requires_grad_()
    assert torch.autograd.gradcheck(vectors, inputs)


def test_vectors_are_the_neighbour_search_s() -> None:
    crystals = make(2).to(dtype=torch.float32)
    found = nearest_neighbors(crystals.cell, crystals.scaled_positions, crystals.n_atoms, 12)
    edges = knn_graph(crystals, 12, symmetric=False)
    torch.testing.assert_close(edges.vectors(crystals), found.vector)
    torch.testing.assert_close(edges.distances(crystals), found.distance)


def test_no_crystals_no_edges() -> None:
    none = make(0)[torch.tensor([], dtype=torch.int64)]
    for edges in (radius_graph(none, 3.0), knn_graph(none, 4)):
        assert len(edges) == len(reverse_edges(edges)) == 0
        assert edges.vectors(none).shape == (0, 3)
