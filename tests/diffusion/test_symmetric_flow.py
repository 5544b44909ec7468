"""The symmetric flow: exact velocities lead to the data, any network gives exact groups, P1 is the flow without one."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.crystals.wyckoff import Numbers, Orbits
from asegen.diffusion.flow import TorusFlow
from asegen.diffusion.symmetric_flow import SymmetricFlow, bravais_statistics
from asegen.geometry.niggli import niggli_reduce
from asegen.geometry.torus import shortest
from asegen.models.transformer import CrystalTransformer
from asegen.symmetry.analysis import found_group
from asegen.symmetry.batches import make_orbits
from asegen.symmetry.groups import space_group

WAYS = [
    (225, [("a", 11), ("b", 17)]),
    (194, [("c", 12), ("f", 8)]),
    (62, [("c", 22), ("c", 38), ("d", 8)]),
    (2, [("a", 26), ("i", 8)]),
    (14, [("e", 14), ("e", 8)]),
    (160, [("a", 22), ("a", 56), ("b", 8)]),
    (1, [("a", 3), ("a", 8), ("a", 8)]),
]


def data(ways: list = WAYS, seed: int = 0) -> tuple[Orbits, Numbers]:
    generator = torch.Generator().manual_seed(seed)
    orbits = make_orbits(ways)
    u = torch.rand(len(orbits.numbers), 3, generator=generator).double()
    lattice = 0.1 * torch.randn(len(orbits), 6, generator=generator).double()
    lattice[:, 5] += torch.log(12.0 * (orbits.n_atoms * orbits.points).double()) / 3**0.5
    orbits = orbits.in_basis(niggli_reduce(orbits.cell(lattice))[1])
    return orbits, Numbers(u, lattice)


def flow_of(orbits: Orbits, numbers: Numbers) -> SymmetricFlow:
    return SymmetricFlow(**SymmetricFlow.statistics(orbits.crystals(numbers), orbits, numbers), default_steps=4)


def network(seed: int = 0) -> CrystalTransformer:
    torch.manual_seed(seed)
    return CrystalTransformer(width=16, layers=1, heads=2, harmonics=2, radial=4).eval()


class Recording(Orbits):
    """Orbits that are never mirrored, and tell which numbers crystals were made of."""

    made: ClassVar[list[Numbers]] = []

    def mirrored(self, mirror: Tensor) -> Orbits:
        return self

    def crystals(self, numbers: Numbers) -> Crystals:
        self.made.append(numbers)
        return super().crystals(numbers)


def test_the_exact_velocity_has_no_loss() -> None:
    plain, numbers = data()
    orbits = Recording(*(getattr(plain, field.name) for field in dataclasses.fields(plain)))
    flow, crystals = flow_of(plain, numbers), plain.crystals(numbers).to(dtype=torch.float32)
    goal = flow.flow.lattice_coordinates(plain.crystals(numbers)).float()

    def exact(noisy: Crystals, here: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        left = 1 - time
        way = plain.shortest_motion(orbits.made[0], numbers)  # what is nearest at first stays nearest on the way there
        motion = (plain.image_matrix @ way[plain.site][:, :, None])[:, :, 0].float()
        return motion / left[noisy.batch, None], (goal - here) / left[:, None]

    found = flow.loss(exact, crystals, torch.Generator().manual_seed(0), orbits, numbers)
    assert float(found["lattice"]) < 1e-4 and float(found["position"]) < 1e-8

    def blind(noisy: Crystals, here: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(noisy.scaled_positions), torch.zeros_like(here)

    found = flow.loss(blind, crystals, torch.Generator().manual_seed(0), orbits, numbers)
    assert float(found["lattice"]) > 0.1 and float(found["position"]) > 1e-3


def test_gradients_reach_the_network_and_sites_without_freedom_cost_nothing() -> None:
    orbits, numbers = data()
    flow, model = flow_of(orbits, numbers), network().train()
    crystals = orbits.crystals(numbers).to(dtype=torch.float32)
    losses = flow.loss(model, crystals, torch.Generator().manual_seed(1), orbits, numbers)
    losses["loss"].backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert model.position_head.weight.grad is not None and model.position_head.weight.grad.abs().sum() > 0
    fixed, own = data([WAYS[0]])
    crystals = fixed.crystals(own).to(dtype=torch.float32)
    only = flow_of(*data()).loss(model, crystals, torch.Generator().manual_seed(1), fixed, own)
    assert float(only["position"].detach()) == 0


def test_a_network_without_symmetry_gives_exact_groups_and_each_sample_depends_on_its_seed_alone() -> None:
    orbits, numbers = data()
    flow, model = flow_of(orbits, numbers), network(3)
    seeds = torch.arange(len(WAYS))
    flow.flow.refinements = [type("R", (), {"time": 0.5, "candidates": 2, "steps": 2})()]
    flow.flow.polish = [0.9]
    standard = make_orbits(WAYS)
    chosen, drawn = flow.sample(model, Orbits.cat([standard, standard]), seeds, 2)
    assert (chosen % len(WAYS) == seeds).all()
    crystals = standard.crystals(drawn)
    for k, (number, _) in enumerate(WAYS):
        one, group = crystals[k], space_group(number)
        structure = one.cell[0].numpy(), one.scaled_positions.numpy(), one.numbers.numpy()
        found = found_group(structure, *group.operations(group.primitive), 1e-5)
        assert found is not None and found.holds, number
    two = make_orbits([WAYS[2]] * 2)
    _, alone = flow.sample(model, two, seeds[2:3], 2)
    sites = standard.sites_of(torch.tensor([2]))
    torch.testing.assert_close(shortest(alone.u - drawn.u[sites]), torch.zeros_like(alone.u), atol=1e-4, rtol=0)
    torch.testing.assert_close(alone.lattice, drawn.lattice[2:3], atol=1e-4, rtol=1e-4)


def test_in_p1_it_is_the_flow_without_symmetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asegen.diffusion.symmetric_flow._seen", lambda orbits, lattice: orbits)
    orbits, model = make_orbits([WAYS[-1]] * 3), network(5)
    numbers = data([WAYS[-1]] * 3)[1]
    plain = TorusFlow(**TorusFlow.statistics(orbits.crystals(numbers)), acceleration=1.5)
    crystals = orbits.crystals(numbers).to(dtype=torch.float32)
    coordinates = plain.lattice_coordinates(crystals)
    expected = plain.integrate(model, crystals.scaled_positions, coordinates, crystals.numbers, crystals.n_atoms, 3)
    flow = SymmetricFlow.around(plain, *bravais_statistics(orbits, numbers.lattice))
    found = orbits.crystals(flow._integrate(model, orbits, numbers, 3))
    metrics = [c.cell.double() @ c.cell.double().mT for c in (found, expected)]
    torch.testing.assert_close(*metrics, rtol=1e-3, atol=1e-3)
    off = shortest(found.scaled_positions - expected.scaled_positions).abs().max()
    assert float(off.detach()) < 1e-3


def test_statistics_are_those_of_each_bravais_lattice() -> None:
    orbits, numbers = data(WAYS * 3, 4)
    statistics = SymmetricFlow.statistics(orbits.crystals(numbers), orbits, numbers)
    mean, std = np.array(statistics["bravais_mean"]), np.array(statistics["bravais_std"])
    assert mean.shape == std.shape == (14, 6) and np.isfinite(mean).all() and np.isfinite(std).all()
    cubic = orbits.bravais == orbits.bravais[0]
    volume = torch.linalg.det(orbits.cell(numbers.lattice)).abs()[cubic] / orbits.n_atoms[cubic]
    expected = torch.log(volume).mean() / 3**0.5
    assert np.isclose(mean[int(orbits.bravais[0]), 5], float(expected), atol=1e-9)
