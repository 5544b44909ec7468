"""Moments against explicit sums over neighbours and triplets."""

import torch

from asegen.crystals.crystals import Crystals
from asegen.models.empnn.moments import LogGaussians, MomentLayer, Moments, surroundings_of
from asegen.models.empnn.shells import neighborhoods_of


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def moments(n: int = 2, channels: int = 3) -> Moments:
    p, q = random(n, 3, channels), random(n, 3, channels, seed=1)
    first, second = random(n, 3, 3, channels, seed=2), random(n, 3, 3, channels, seed=3)
    first, second = first + first.transpose(1, 2), second + second.transpose(1, 2)
    product = torch.einsum("nabc,nbdc->nadc", first, second)
    return Moments(random(n, 5, seed=4), p, q, first, second, product)


def test_invariants_are_contractions_and_do_not_turn() -> None:
    m = moments()
    expected = [
        torch.einsum("nac,nac->nc", m.p, m.q),
        torch.einsum("nabc,nabc->nc", m.P, m.Q),
        torch.einsum("naac->nc", m.P),
        torch.einsum("nabc,nbdc,ndac->nc", m.P, m.P, m.Q),
        torch.einsum("nac,nabc,nbc->nc", m.p, m.P, m.q),
        torch.einsum("nac,nac->nc", m.p, m.p),
    ]
    torch.testing.assert_close(m.invariants(), torch.cat(expected, -1))


def test_motions_are_gated_fields() -> None:
    m, gates = moments(), random(2, 3, 3, seed=5)
    field = torch.einsum("nabc,nc->nab", m.P, gates[:, 0]) + torch.einsum("nac,nbc,nc->nab", m.p, m.q, gates[:, 1])
    field = field + torch.einsum("nabc,nbdc,nc->nad", m.P, m.Q, gates[:, 2])
    torch.testing.assert_close(m.strain(gates), (field + field.mT) / 2)
    arrow = torch.einsum("nac,nc->na", m.p, gates[:, 0])
    arrow = arrow + torch.einsum("nabc,nbc,nc->na", m.P, m.q, gates[:, 1])
    torch.testing.assert_close(m.displacement(gates[:, :2]), arrow)


def test_surroundings_and_moments_are_sums_over_neighbours() -> None:
    cell = 4 * torch.eye(3, dtype=torch.float64)[None] + 0.3 * random(1, 3, 3)
    crystals = Crystals(cell, torch.rand(3, 3, dtype=torch.float64), torch.tensor([3, 8, 26]), torch.tensor([3]))
    near = neighborhoods_of(crystals, 7)
    basis = LogGaussians(10).double()
    around = surroundings_of(crystals, near, basis)
    vector = near.scaled_vector @ cell
    u = vector / vector.norm(dim=-1, keepdim=True)
    weight = near.weight / 7**0.5
    torch.testing.assert_close(around.directions[:, 1:4], (weight[..., None] * u).mT)
    torch.manual_seed(0)
    layer = MomentLayer(width=6, channels=2, radial=10).double()
    _, found = layer(random(3, 6), around)
    messages = random(3, 7, 6, seed=8)
    again = layer._moments(around.directions @ messages)
    summed = torch.einsum("nk,nka,nkb,nkw->nabw", weight, u, u, messages)
    expected = torch.einsum("nabw,cw->nabc", summed, layer.matrices.weight[:2])
    torch.testing.assert_close(again.P, expected)
    torch.testing.assert_close(found.P, found.P.transpose(1, 2))


def test_products_of_moments_are_sums_over_triplets() -> None:
    u, a, b = random(4, 3), random(4, seed=1), random(4, seed=2)
    u = u / u.norm(dim=-1, keepdim=True)
    first, second = torch.einsum("j,ja,jb->ab", a, u, u), torch.einsum("k,ka,kb->ab", b, u, u)
    triplets = torch.einsum("j,k,jk,ja,kb->ab", a, b, u @ u.T, u, u)  # Σ a_j b_k cos θ_jk u_j u_kᵀ
    torch.testing.assert_close(first @ second, triplets)


def test_gaussians_of_the_logarithm_shift_under_a_uniform_strain() -> None:
    basis = LogGaussians(24).double()
    step = torch.exp(torch.tensor(basis.spacing, dtype=torch.float64))
    r = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    torch.testing.assert_close(basis(r * step)[:, 1:], basis(r)[:, :-1], atol=1e-4, rtol=0)
    assert torch.isfinite(basis(torch.zeros(1, dtype=torch.float64))).all()
