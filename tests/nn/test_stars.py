"""Blocks of edges against plain lists of edges and triplets."""

import torch

from asegen.crystals.crystals import Crystals
from asegen.crystals.graph import knn_graph
from asegen.nn.stars import Stars, stars_of


def crystals_of(seed: int, counts: tuple[int, ...] = (3, 1, 5)) -> Crystals:
    generator = torch.Generator().manual_seed(seed)
    kwargs = {"generator": generator, "dtype": torch.float64}
    cell = 4 * torch.eye(3, dtype=torch.float64) + 0.4 * torch.randn(len(counts), 3, 3, **kwargs)
    numbers = torch.randint(1, 90, (sum(counts),), generator=generator)
    return Crystals(cell, torch.rand(sum(counts), 3, **kwargs), numbers, torch.tensor(counts))


def stars_and_graph(k: int = 6) -> tuple[Stars, Crystals]:
    crystals = crystals_of(0)
    return stars_of(crystals, knn_graph(crystals, k)), crystals


def test_blocks_cover_every_edge_once_and_hold_whole_atoms() -> None:
    stars, crystals = stars_and_graph()
    edges = knn_graph(crystals, 6)
    assert sum(block.n_edges for block in stars.blocks) == len(edges)
    ends = [sorted(torch.stack([found.i, found.j], -1).tolist()) for found in (stars, edges)]
    assert ends[0] == ends[1]
    for block in stars.blocks:
        receivers = block.view(stars.i)
        assert (receivers == receivers[:, :1]).all()
        assert (torch.bincount(edges.i)[receivers[:, 0]] == block.degree).all()


def test_reverse_edges_lead_back() -> None:
    stars, _ = stars_and_graph()
    assert torch.equal(stars.reverse[stars.reverse], torch.arange(len(stars.i)))
    assert torch.equal(stars.i[stars.reverse], stars.j)
    torch.testing.assert_close(stars.vector[stars.reverse], -stars.vector)
    torch.testing.assert_close(stars.scaled_vector[stars.reverse], -stars.scaled_vector)


def test_triplets_are_counted_per_crystal() -> None:
    stars, crystals = stars_and_graph()
    edges = knn_graph(crystals, 6)
    degree = torch.bincount(edges.i)
    expected = torch.zeros(len(crystals), dtype=torch.int64).index_add(0, crystals.batch, degree * (degree - 1))
    assert torch.equal(stars.n_triplets, expected)


def test_split_blocks_are_the_block_in_pieces() -> None:
    stars, _ = stars_and_graph()
    block = max(stars.blocks, key=lambda b: b.n_atoms)
    values = torch.arange(len(stars.i))
    for limit in (1, 2 * block.degree**2, 10**9):
        parts = list(block.split(limit))
        assert torch.equal(torch.cat([part.flat(values) for part in parts]), block.flat(values))
        assert all(part.n_atoms == 1 or part.n_atoms * part.degree**2 <= limit for part in parts)
