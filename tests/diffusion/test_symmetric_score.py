"""The published score process: exact scores have no loss, dynamics keep the group, images merge to atoms."""

import pytest
import torch
from torch import Tensor

from asegen.diffusion.edge_scores import soft_lengths
from asegen.diffusion.symmetric_score import SymmetricScore, _lengths, merge_images
from asegen.errors import InputError
from asegen.geometry.torus import shortest
from asegen.models.dimenet import SymmetricDimeNet
from asegen.orbits import Numbers, Orbits
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
    drawn = process.sample(pulling_apart, orbits, seeds, steps=1)
    crystals = orbits.crystals(drawn)
    for k, (number, _) in enumerate(WAYS):
        one, group = crystals[k], space_group(number)
        structure = one.cell[0].numpy(), one.scaled_positions.numpy(), one.numbers.numpy()
        found = found_group(structure, *group.operations(group.primitive), 1e-5)
        assert torch.isfinite(one.cell).all() and (found is None or found.holds)
    alone = process.sample(pulling_apart, orbits[torch.tensor([1])], seeds[1:2], steps=1)
    sites = orbits.sites_of(torch.tensor([1]))
    torch.testing.assert_close(shortest(alone.u - drawn.u[sites]), torch.zeros_like(alone.u), atol=1e-8, rtol=0)
    with pytest.raises(InputError, match="monoclinic and triclinic"):
        process.sample(pulling_apart, make_orbits([(14, [("e", 6)])]), seeds[:1], steps=1)


def pulling_apart(numbers: Tensor, edges, level: Tensor) -> tuple[Tensor, Tensor]:
    """A stand-in for a network that keeps cells from collapsing or exploding."""
    distance = torch.linalg.vector_norm(edges.vector, dim=-1)
    return torch.exp(-distance), torch.where(distance < 3, -1.0, 1.0)


def test_images_of_a_site_near_a_special_position_become_one_atom() -> None:
    general = make_orbits([(225, [("l", 11), ("l", 17)])])
    u = torch.tensor([[0.004, 0.003, 0.002], [0.497, 0.502, 0.499]], dtype=torch.float64)
    lattice = torch.zeros(1, 6, dtype=torch.float64)
    lattice[0, 5] = 3**0.5 * torch.log(torch.tensor(5.64))
    merged = merge_images(general.crystals(Numbers(u, lattice)), general.site)
    assert merged.n_atoms.tolist() == [2] and merged.numbers.tolist() == [11, 17]
    expected = torch.tensor([[0, 0, 0], [0.5, 0.5, 0.5]]).double()
    assert float(shortest(merged.scaled_positions - expected).abs().max()) < 1e-9
    elsewhere = u + torch.tensor([0.1, 0.21, 0.04])
    apart = merge_images(general.crystals(Numbers(elsewhere, lattice)), general.site)
    assert apart.n_atoms.tolist() == [96]


def test_merging_keeps_crystals_apart_and_in_order() -> None:
    orbits = make_orbits([(225, [("l", 11)]), (221, [("n", 55), ("n", 17)])])
    u = torch.tensor([[0.0, 0.001, 0.0], [0.25, 0.2, 0.3], [0.5, 0.5, 0.499]], dtype=torch.float64)
    lattice = torch.full((2, 6), 0.0, dtype=torch.float64)
    lattice[:, 5] = 3**0.5 * torch.log(torch.tensor(6.0))
    crystals = merge_images(orbits.crystals(Numbers(u, lattice)), orbits.site)
    assert crystals.n_atoms.tolist() == [1, 49] and crystals.numbers.tolist() == [11, *[55] * 48, 17]
