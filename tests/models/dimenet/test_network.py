"""The published network: its size, its invariances on the symmetric multigraph."""

from collections.abc import Callable

import pytest
import torch
from torch_geometric.nn.models.dimenet import InteractionPPBlock

from asegen.crystals.site_graph import symmetric_edges, symmetric_triplets
from asegen.crystals.wyckoff import Numbers, Orbits
from asegen.diffusion.edge_scores import position_score
from asegen.models.dimenet.network import SymmetricDimeNet, _Triplets
from asegen.symmetry.analysis import SymmetricCrystal
from asegen.symmetry.batches import make_orbits, orbits_of

SMALL = {"output": 64, "interaction": 32, "basis": 8, "radial": 6, "cutoff": 5.0}
PUBLISHED, PUBLISHED_SMALL = 514_058, 285_382
# What the published counts hold beyond ours is 14,336 in both sizes: torch_geometric's table of 95 elements (where ours
# has all 119 numbers), and one more layer from 128 to 64 features with a bias, of which the paper says nothing.
THEIRS = 95 * 64 + (128 * 64 + 64)


def test_all_but_the_element_table_has_the_published_size() -> None:
    for network, published in ((SymmetricDimeNet(), PUBLISHED), (SymmetricDimeNet(**SMALL), PUBLISHED_SMALL)):
        count = sum(p.numel() for p in network.parameters())
        assert count - network.element.weight.numel() == published - THEIRS


def weights_of(network: SymmetricDimeNet, orbits: Orbits, numbers: Numbers) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores of positions per site, and the sorted lattice weights."""
    edges = symmetric_edges(orbits, numbers, network.cutoff)
    level = torch.ones_like(orbits.numbers)
    w_pos, w_lat = network(orbits.numbers, edges, level)
    return position_score(edges, w_pos, len(orbits.numbers)), w_lat.sort().values


@pytest.fixture
def network() -> SymmetricDimeNet:
    torch.manual_seed(0)
    return SymmetricDimeNet(
        hidden=16, output=16, interaction=8, basis=4, blocks=2, degrees=4, radial=4, cutoff=4.0
    ).double()


@pytest.mark.parametrize("number", [14, 62, 166, 198, 216])
def test_scores_keep_a_site_in_its_free_space(
    random_crystal: Callable[..., SymmetricCrystal], network: SymmetricDimeNet, number: int
) -> None:
    orbits, numbers = orbits_of([random_crystal(number, 5)])
    with torch.no_grad():
        score, _ = weights_of(network, orbits, numbers)
    crystals = orbits.crystals(numbers)
    fractional = torch.linalg.solve(crystals.cell.mT[orbits.site_crystal], score)
    images = (orbits.rotation @ fractional[orbits.site][:, :, None])[:, :, 0]
    projected = orbits.project(crystals, images)
    back = (orbits.matrix @ projected[:, :, None])[:, :, 0]
    torch.testing.assert_close(back, fractional, atol=1e-8, rtol=0)
    assert float(score[0].abs().max()) > 1e-4


def test_the_choice_of_the_asymmetric_unit_and_of_the_origin_changes_nothing(network: SymmetricDimeNet) -> None:
    orbits = make_orbits([(62, [("d", 22), ("c", 8), ("c", 38)])])
    generator = torch.Generator().manual_seed(3)
    u, lattice = torch.rand(3, 3, generator=generator).double(), 1.9 * torch.ones(1, 6).double()
    lattice[0, 5] = 3.4
    with torch.no_grad():
        before, weights = weights_of(network, orbits, Numbers(u, lattice))
        # Two operations of Pnma, −x −y −z and x+½ ½−y ½−z, and half a cell along axes, which is in its normaliser.
        other = torch.cat([-u[:1], u[1:] * torch.tensor([1, 1, -1]) + torch.tensor([0.5, 0.0, 0.5])])
        mirrored, again = weights_of(network, orbits, Numbers(other, lattice))
        shifted, third = weights_of(network, orbits, Numbers(u + torch.tensor([0.5, 0.0, 0.5]), lattice))
    torch.testing.assert_close(again, weights)
    torch.testing.assert_close(third, weights)
    torch.testing.assert_close(shifted, before)
    torch.testing.assert_close(mirrored, before * torch.tensor([[-1, -1, -1], [1, -1, -1], [1, -1, -1]]))


def test_gradients_are_finite_in_batches(
    random_crystal: Callable[..., SymmetricCrystal], network: SymmetricDimeNet
) -> None:
    orbits, numbers = orbits_of([random_crystal(n, 2) for n in (1, 62, 225)])
    score, weights = weights_of(network, orbits, numbers)
    (score.square().sum() + weights.sum()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


@pytest.mark.parametrize("nearest", [0, 20])
def test_moments_give_what_triplets_one_by_one_do(
    random_crystal: Callable[..., SymmetricCrystal], network: SymmetricDimeNet, nearest: int
) -> None:
    orbits, numbers = orbits_of([random_crystal(n, 2) for n in (1, 14, 38, 62, 166, 198, 225)])
    edges = symmetric_edges(orbits, numbers, network.cutoff, nearest)
    level = torch.arange(len(orbits.numbers)) % 10
    found = network(orbits.numbers, edges, level)
    network.triplets = True
    expected = network(orbits.numbers, edges, level)
    assert len(edges) > 100 and float(expected[0].detach().std()) > 1e-4
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_triplets_one_by_one_are_torch_geometrics_block(
    random_crystal: Callable[..., SymmetricCrystal], network: SymmetricDimeNet
) -> None:
    orbits, numbers = orbits_of([random_crystal(n, 3) for n in (62, 166)])
    edges = symmetric_edges(orbits, numbers, network.cutoff)
    block, triplets = network.interactions[0], symmetric_triplets(edges)
    distance = torch.linalg.vector_norm(edges.vector, dim=-1)
    message = torch.randn(len(edges), 16, generator=torch.Generator().manual_seed(0)).double()
    radial, spherical = network.radial(distance), network.spherical(distance, triplets.angle, triplets.second)
    expected = InteractionPPBlock.forward(block, message, radial, spherical, triplets.second, triplets.first)
    found = block(message, radial, _Triplets(edges, network.spherical.radial(distance).transpose(0, 1)))
    torch.testing.assert_close(found, expected)


def test_sites_that_see_nothing_have_no_edges(
    random_crystal: Callable[..., SymmetricCrystal], network: SymmetricDimeNet
) -> None:
    orbits, numbers = orbits_of([random_crystal(1, 5)])
    assert [len(part) for part in network(orbits.numbers, symmetric_edges(orbits, numbers, 0.2), orbits.numbers)] == [
        0,
        0,
    ]
