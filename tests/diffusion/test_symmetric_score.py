"""The published score process: exact scores have no loss, dynamics keep the group, images merge to atoms."""

import pytest
import torch
from torch import Tensor

from asegen.crystals.site_graph import symmetric_edges
from asegen.crystals.wyckoff import Numbers, Orbits
from asegen.diffusion.edge_scores import soft_lengths
from asegen.diffusion.merging import merge_images
from asegen.diffusion.symmetric_score import SymmetricScore, _lengths
from asegen.elements import COVALENT_RADIUS
from asegen.errors import InputError
from asegen.geometry.torus import shortest
from asegen.models.dimenet.network import SymmetricDimeNet
from asegen.symmetry.analysis import found_group
from asegen.symmetry.batches import make_orbits
from asegen.symmetry.groups import space_group

ROCK_SALT = (225, [("a", 11), ("b", 17)])
WAYS = [ROCK_SALT, (62, [("d", 22), ("c", 8)]), (194, [("f", 12), ("c", 8)]), (139, [("e", 14), ("a", 8)])]


def data(ways: list, seed: int = 0) -> tuple[Orbits, Numbers]:
    generator = torch.Generator().manual_seed(seed)
    orbits = make_orbits(ways)
    lattice = torch.zeros(len(orbits), 6, dtype=torch.float64)
    lattice[:, 5] = torch.log(15.0 * (orbits.n_atoms * orbits.points).double()) / 3**0.5
    return orbits, Numbers(torch.rand(len(orbits.numbers), 3, generator=generator).double(), lattice)


def network() -> SymmetricDimeNet:
    torch.manual_seed(0)
    return SymmetricDimeNet(
        hidden=8, output=8, interaction=4, basis=4, blocks=1, degrees=3, radial=3, cutoff=4.0
    ).double()


def test_it_trains_and_nothing_is_learned_of_what_is_not_free() -> None:
    orbits, numbers = data([*WAYS, (2, [("i", 6), ("a", 8)]), (14, [("e", 6)])])
    model, process = network(), SymmetricScore(cutoff=4.0)
    losses = process.loss(model, orbits.crystals(numbers), torch.Generator().manual_seed(1), orbits, numbers)
    losses["loss"].backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    fixed, own = data([ROCK_SALT])
    only = process.loss(model, fixed.crystals(own), torch.Generator().manual_seed(1), fixed, own)
    assert float(only["position"].detach()) == pytest.approx(0, abs=1e-12)


def test_targets_are_what_was_added_over_sigma() -> None:
    orbits, numbers = data(WAYS)

    class Exact(SymmetricScore):
        """Says what was added instead of asking a network."""

        def _scores(self, model, orbits: Orbits, noisy: Numbers, level: Tensor) -> tuple[Tensor, Tensor]:
            cell = orbits.cell(numbers.lattice)
            sigma = self.position_sigma[level][orbits.site_crystal, None]
            added = (cell[orbits.site_crystal].mT @ orbits.matrix @ (noisy.u - numbers.u)[:, :, None])[:, :, 0]
            soft = [soft_of(part.lattice) for part in (noisy, numbers)]
            length = (soft[0] - soft[1]) / self.length_sigma[level][:, None]
            return added / sigma, torch.stack([first_of_each(row) for row in length])

    found = Exact().loss(network(), orbits.crystals(numbers), torch.Generator().manual_seed(1), orbits, numbers)
    assert float(found["position"]) < 1e-12 and float(found["lattice"]) < 1e-12


def soft_of(lattice: Tensor) -> Tensor:
    return soft_lengths(_lengths(lattice))


def first_of_each(row: Tensor) -> Tensor:
    """Distinct changes of the three lengths, in order, then zeros: the free numbers."""
    kept: list[Tensor] = []
    for value in row:
        if not any(torch.isclose(value, other, atol=1e-9) for other in kept):
            kept.append(value)
    return torch.stack([*kept, *[torch.zeros_like(row[0])] * (3 - len(kept))])


def test_langevin_dynamics_keep_group_and_composition() -> None:
    orbits, _ = data(WAYS)
    seeds = torch.arange(len(WAYS))
    process = SymmetricScore(cutoff=4.0)
    drawn, failed = process.sample(pulling_apart, orbits, seeds, steps=1)
    crystals = orbits.crystals(drawn)
    assert not failed.any()
    for k, (number, _) in enumerate(WAYS):
        one, group = crystals[k], space_group(number)
        structure = one.cell[0].numpy(), one.scaled_positions.numpy(), one.numbers.numpy()
        found = found_group(structure, *group.operations(group.primitive), 1e-5)
        assert torch.isfinite(one.cell).all() and (found is None or found.holds)
    alone, _ = process.sample(pulling_apart, orbits[torch.tensor([1])], seeds[1:2], steps=1)
    sites = orbits.sites_of(torch.tensor([1]))
    torch.testing.assert_close(shortest(alone.u - drawn.u[sites]), torch.zeros_like(alone.u), atol=1e-8, rtol=0)
    with pytest.raises(InputError, match="monoclinic and triclinic"):
        process.sample(pulling_apart, make_orbits([(14, [("e", 6)])]), seeds[:1], steps=1)


def test_repulsion_keeps_sites_apart_that_no_network_does() -> None:
    orbits, process = make_orbits([(225, [("l", 11), ("l", 17)])] * 8), SymmetricScore(cutoff=4.0, merged=0.3)
    numbers = orbits.numbers
    radius = 0.75 * (torch.tensor(COVALENT_RADIUS)[numbers[0]] + torch.tensor(COVALENT_RADIUS)[numbers[1]])
    shortest_of = {}
    for repulsion in (0.0, 2.0):
        drawn, failed = process.sample(holding_lengths, orbits, torch.arange(8), 4, repulsion)
        edges = symmetric_edges(orbits, drawn, 2.5)
        between = edges.receiver != edges.sender
        distance = torch.linalg.vector_norm(edges.vector, dim=-1)[between]
        assert not failed.any()
        shortest_of[repulsion] = torch.full((8,), 9.0).double()
        crystal = orbits.site_crystal[edges.receiver[between]]
        shortest_of[repulsion].scatter_reduce_(0, crystal, distance, "amin")
    assert float(shortest_of[2.0].min()) > 0.5
    assert float((shortest_of[2.0] / radius).mean()) > float((shortest_of[0.0] / radius).mean()) + 0.2


def holding_lengths(numbers: Tensor, edges, level: Tensor) -> tuple[Tensor, Tensor]:
    """A stand-in for a network that knows nothing of positions, and lets cells grow to a few Å."""
    distance = torch.linalg.vector_norm(edges.vector, dim=-1)
    return 0 * distance, torch.where(distance < 3, -1.0, 1.0)


def pulling_apart(numbers: Tensor, edges, level: Tensor) -> tuple[Tensor, Tensor]:
    """A stand-in for a network that keeps cells from collapsing or exploding."""
    distance = torch.linalg.vector_norm(edges.vector, dim=-1)
    return torch.exp(-distance), torch.where(distance < 3, -1.0, 1.0)


def test_what_is_not_finite_is_told_and_spoils_no_other_sample() -> None:
    orbits, _ = data(WAYS)
    seeds = torch.arange(len(WAYS))
    process = SymmetricScore(cutoff=4.0)

    def spoilt(numbers: Tensor, edges, level: Tensor) -> tuple[Tensor, Tensor]:
        w_pos, w_lat = pulling_apart(numbers, edges, level)
        return w_pos, torch.where(orbits.site_crystal[edges.receiver] == 1, torch.nan, w_lat)

    expected, _ = process.sample(pulling_apart, orbits, seeds, steps=1)
    found, failed = process.sample(spoilt, orbits, seeds, steps=1)
    assert failed.tolist() == [False, True, False, False]
    others = orbits.site_crystal != 1
    assert torch.isfinite(found.u).all() and torch.isfinite(found.lattice).all()
    torch.testing.assert_close(found.u[others], expected.u[others])
    exploding, failed = process.sample(lambda n, e, level: (0 * e.vector[:, 0], 1e9 + e.vector[:, 0]), orbits, seeds, 1)
    assert failed.all() and torch.isfinite(exploding.lattice).all()


def test_sites_beside_special_positions_need_no_network() -> None:
    general = make_orbits([(225, [("l", 11), ("l", 17)])])
    lattice = torch.zeros(1, 6, dtype=torch.float64)
    lattice[0, 5] = 3**0.5 * torch.log(torch.tensor(5.64))
    numbers = Numbers(torch.tensor([[0.0, 0, 0], [0.5, 0.5, 0.5]], dtype=torch.float64), lattice)
    process, scores = SymmetricScore(cutoff=4.0, merged=0.3, nearest=20), []
    for seed in range(20):
        found = process.loss(
            no_weights, general.crystals(numbers), torch.Generator().manual_seed(seed), general, numbers
        )
        scores.append(float(found["position"]))
    # At small noise images merge, and the score is known without a network.
    assert min(scores) < 1e-12 < max(scores)


def no_weights(numbers: Tensor, edges, level: Tensor) -> tuple[Tensor, Tensor]:
    return 0 * edges.vector[:, 0], 0 * edges.vector[:, 0]


@pytest.mark.parametrize("merged", [0.0, 0.3])
def test_scores_do_not_depend_on_the_equivalent_that_a_site_is_named_by(merged: float) -> None:
    """In general position a site may be named by any of its images, and the origin may move within the normaliser."""
    group = space_group(62)
    orbits = make_orbits([(62, [("d", 22), ("d", 8), ("d", 38)])])
    _, numbers = data([(62, [("d", 22), ("d", 8), ("d", 38)])], 3)
    u = numbers.u.clone()
    u[1, 1] = 0.251  # next to the mirror
    model, process = network(), SymmetricScore(cutoff=4.0, merged=merged, nearest=30)
    level = torch.tensor([8])
    with torch.no_grad():
        expected, lattice = process._scores(model, orbits, numbers._replace(u=u), level)
        assert float(expected.abs().max()) > 1e-4 and float(lattice.abs().max()) > 1e-6
        for k in range(8):
            w, t = torch.from_numpy(group.rotations[k]).double(), torch.from_numpy(group.translations[k])
            other = u.clone()
            other[0] = w @ u[0] + t
            other[1] = w @ u[1] + t
            other = other + torch.tensor([0.5, 0.0, 0.5])
            found, again = process._scores(model, orbits, numbers._replace(u=other), level)
            torch.testing.assert_close(again, lattice)
            torch.testing.assert_close(found[:2], expected[:2] @ w.T)  # axes are orthogonal
            torch.testing.assert_close(found[2], expected[2])


def test_merged_general_sites_have_the_scores_of_special_ones() -> None:
    special, numbers = data([(62, [("c", 22), ("c", 8)]), (194, [("f", 12), ("c", 8)])], 3)
    general = make_orbits([(62, [("d", 22), ("d", 8)]), (194, [("l", 12), ("l", 8)])])
    u = torch.where(special.free, numbers.u, 0.0)
    conventional = [space_group(n).by_letter[x] for n, x in ((62, "c"), (62, "c"), (194, "f"), (194, "c"))]
    places = [torch.from_numpy(p.matrix @ x.numpy() + p.shift) for p, x in zip(conventional, u, strict=True)]
    model, level = network(), torch.tensor([7, 8])
    on = Numbers(torch.stack(places), numbers.lattice)
    with torch.no_grad():
        expected, lattice = SymmetricScore(cutoff=4.0)._scores(model, special, numbers, level)
        found, again = SymmetricScore(cutoff=4.0, merged=0.3)._scores(model, general, on, level)
        torch.testing.assert_close(again, lattice)
        torch.testing.assert_close(found, expected)
        # Beside the mirror: the network sees the same; what leads back to it is the distance over sigma.
        beside = on._replace(u=on.u + torch.tensor([[0, 0.004, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]))
        moved, _ = SymmetricScore(cutoff=4.0, merged=0.3)._scores(model, general, beside, level)
    b = general.cell(numbers.lattice)[0, 1, 1]
    way = torch.zeros(3).double()
    way[1] = 0.004 * b / SymmetricScore().position_sigma[7]
    torch.testing.assert_close(moved[0], expected[0] + way)
    torch.testing.assert_close(moved[1:], expected[1:])


@pytest.mark.slow
def test_it_learns_rock_salt_from_sites_in_general_position() -> None:
    """From noise in 48 images of each site to one atom of each, at the right places, in the right cell."""
    n, a, steps = 12, 5.64, 200
    general = make_orbits([(225, [("l", 11), ("l", 17)])] * n)
    lattice = torch.zeros(n, 6, dtype=torch.float64)
    lattice[:, 5] = 3**0.5 * torch.log(torch.tensor(a))
    numbers = Numbers(torch.tensor([[0.0, 0, 0], [0.5, 0.5, 0.5]], dtype=torch.float64).repeat(n, 1), lattice)
    torch.manual_seed(0)
    model = SymmetricDimeNet(hidden=24, output=24, interaction=16, basis=6, blocks=1, degrees=4, radial=6, cutoff=4.5)
    process = SymmetricScore(cutoff=4.5, nearest=40, merged=0.3, general=True)
    optimizer, generator = torch.optim.Adam(model.parameters(), 5e-3), torch.Generator().manual_seed(0)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: min(1.0, 1.6 * (steps - k) / steps))
    for _ in range(steps):
        loss = process.loss(model, general.crystals(numbers), generator, general, numbers)["loss"]
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rate.step()
    found, failed = process.sample(model, general, torch.arange(n), 15)
    merged = merge_images(general, found, 0.3).orbits
    single = (merged.n_images.view(n, 2) == 1).all(1)
    length = 2 * general.cell(found.lattice)[:, 0].abs().amax(-1)
    off = shortest(found.u.view(n, 2, 3)[:, 1] - found.u.view(n, 2, 3)[:, 0]).abs()
    apart = (off.sum(-1) % 1.0 - 0.5).abs() < 1e-6  # half a cell apart along one or all three axes
    assert not failed.any()
    assert int((single & apart & ((length - a).abs() < 0.4)).sum()) >= 4  # by chance: none


@pytest.mark.parametrize("merged", [0.0, 0.3])
def test_scores_do_not_depend_on_the_vectors_that_describe_the_lattice(merged: float) -> None:
    orbits, numbers = data([(62, [("d", 22), ("d", 8)]), (166, [("i", 14), ("i", 8)])], 4)
    other = torch.tensor([[[1.0, 1, 0], [0, 1, 0], [0, 1, 1]], [[1, 0, 0], [-1, 1, 0], [2, 0, 1]]]).double()
    model, process = network(), SymmetricScore(cutoff=4.0, merged=merged, nearest=30)
    level = torch.tensor([2, 6])
    with torch.no_grad():
        expected = process._scores(model, orbits, numbers, level)
        found = process._scores(model, orbits.in_basis(other), numbers, level)
    assert float(expected[0].abs().max()) > 1e-4
    torch.testing.assert_close(found, expected)
