"""Scores from edges: the soft lengths, the closed-form gradient against autograd."""

import pytest
import torch

from asegen.crystals.site_graph import SymmetricEdges, symmetric_edges
from asegen.crystals.wyckoff import Numbers
from asegen.diffusion.edge_scores import (
    CONTACT,
    SOFTNESS,
    TIES,
    lattice_score,
    length_gradients,
    lengths,
    overlap,
    soft_lengths,
)
from asegen.elements import COVALENT_RADIUS
from asegen.symmetry.batches import make_orbits


def test_soft_lengths_are_inverse_and_keep_lengths_positive() -> None:
    a = torch.linspace(0.05, 60, 200, dtype=torch.float64)
    torch.testing.assert_close(lengths(soft_lengths(a)), a)
    assert (lengths(torch.tensor([-80.0, -10.0, 0.0])) > 0).all()


def cell_of(soft: torch.Tensor, gamma: float) -> torch.Tensor:
    axes = torch.eye(3, dtype=torch.float64)
    angle = torch.tensor(gamma, dtype=torch.float64).deg2rad()
    axes[1] = torch.stack([torch.cos(angle), torch.sin(angle), torch.zeros_like(angle)])
    return lengths(soft)[:, None] * axes


@pytest.mark.parametrize("gamma", [90.0, 120.0])
def test_the_gradient_of_an_edge_is_that_of_autograd(gamma: float) -> None:
    soft = torch.tensor([-2.0, 1.0, 9.0], dtype=torch.float64, requires_grad=True)
    fractional = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)).double()
    vector = fractional @ cell_of(soft, gamma)
    distance = torch.linalg.vector_norm(vector, dim=-1)
    expected = torch.stack([torch.autograd.grad(d, soft, retain_graph=True)[0] for d in distance])
    found = length_gradients(vector.detach(), cell_of(soft, gamma).detach().expand(20, 3, 3))
    torch.testing.assert_close(found, expected)


def test_lengths_that_are_one_have_one_score_along_which_edges_grow() -> None:
    generator = torch.Generator().manual_seed(1)
    vector = 3 * torch.randn(40, 3, generator=generator).double()
    receiver = torch.arange(40) // 10
    edges = SymmetricEdges(receiver, receiver, vector, torch.eye(3).expand(40, 3, 3), receiver < 0, receiver)
    cell = torch.diag_embed(torch.tensor([[4.0, 4, 4], [4, 4, 7], [4, 4, 7], [4, 5, 6]]).double())
    ties = torch.tensor([TIES[name] for name in "ctho"]).double()
    weight = torch.ones(40).double()
    found = lattice_score(edges, weight, cell, ties, torch.arange(4))
    assert [int((row != 0).sum()) for row in found] == [1, 2, 2, 3]
    assert (found[0, 0] > 0) and float(found[0, 1:].abs().max()) == 0
    # One edge along a cubic axis, by hand: G = d/a (1 − e^{−a/k}).
    one = SymmetricEdges(
        *(part[:1] for part in (receiver, receiver)),
        torch.tensor([[2.0, 0, 0]]).double(),
        edges.rotation[:1],
        edges.equivalent[:1],
        edges.reverse[:1],
    )
    g = 2 / 4 * (1 - torch.exp(torch.tensor(-4 / SOFTNESS).double()))
    alone = lattice_score(one, weight[:1], cell[:1], ties[:1], torch.zeros(1, dtype=torch.int64))
    torch.testing.assert_close(alone[0, 0], g / (g**2 + 1e-3))


def test_sites_that_overlap_repel_each_other_as_the_energy_of_soft_spheres_says() -> None:
    orbits = make_orbits([(1, [("a", 11), ("a", 17), ("a", 17), ("a", 8)])])
    lattice = torch.zeros(1, 6, dtype=torch.float64)
    lattice[0, 5] = 3**0.5 * torch.log(torch.tensor(4.0))
    generator = torch.Generator().manual_seed(3)
    u = torch.rand(4, 3, generator=generator).double().mul_(0.4).requires_grad_()
    edges = symmetric_edges(orbits, Numbers(u, lattice), 3.9)
    radius = torch.tensor([COVALENT_RADIUS[z] for z in (11, 17, 17, 8)]).double()
    contact = CONTACT * (radius[edges.receiver] + radius[edges.sender])
    depth = (1 - torch.linalg.vector_norm(edges.vector, dim=-1) / contact).clamp_min(0)
    energy = 0.5 * (0.5 * contact * depth**2 * (edges.receiver != edges.sender)).sum()
    assert float(energy.detach()) > 0.05
    (uphill,) = torch.autograd.grad(energy, u)
    torch.testing.assert_close(overlap(edges, orbits.numbers).detach(), uphill / 4.0)  # P1, cubic: u = x/a
