"""Inpainting: what is given stays, an exact velocity leads the rest to its places, samples don't know each other."""

import pytest
import torch

from asegen.crystals.crystals import Crystals
from asegen.diffusion.flow import TorusFlow, Velocity
from asegen.diffusion.inpainting import Given, Inpainting
from asegen.diffusion.noise import SampleNoise
from asegen.geometry.torus import shortest
from asegen.models.transformer import CrystalTransformer


def crystals_of(seed: int, counts: tuple[int, ...] = (4, 2, 5)) -> Crystals:
    generator = torch.Generator().manual_seed(seed)
    total = sum(counts)
    cell = 4 * torch.eye(3) + torch.randn(len(counts), 3, 3, generator=generator) * 0.3
    numbers = torch.randint(1, 90, (total,), generator=generator)
    return Crystals(cell, torch.rand(total, 3, generator=generator), numbers, torch.tensor(counts))


def flow_of(crystals: Crystals) -> TorusFlow:
    return TorusFlow(**TorusFlow.statistics(crystals))


SEEDS = torch.tensor([5, 6, 7])
SEARCH = {"candidates": 3, "refinements": [(0.4, 2, 3)], "polish": [0.8]}


def given_of(crystals: Crystals, lattice: bool = True) -> Given:
    """All but the last two atoms of each crystal; the others at the origin."""
    last = crystals.first_atom + crystals.n_atoms - 1
    stays = torch.ones(len(crystals.numbers), dtype=torch.bool)
    stays[last] = stays[last[crystals.n_atoms > 2] - 1] = False
    hidden = torch.where(stays[:, None], crystals.scaled_positions, torch.zeros(3))
    return Given(crystals.replace(scaled_positions=hidden), stays, torch.full((6,), lattice))


def exact(flow: TorusFlow, crystals: Crystals) -> Velocity:
    """The velocity to the crystals from where their given atoms are on the way, up to a common translation."""

    def velocity(noisy: Crystals, here: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        repeats = len(noisy) // len(crystals)
        goal = crystals[torch.arange(len(crystals)).repeat(repeats)]
        left = (1 - time).clamp_min(1e-6)
        way = shortest(goal.scaled_positions - noisy.scaled_positions) / left[noisy.batch, None]
        mean = torch.zeros(len(noisy), 3).index_add_(0, noisy.batch, way) / noisy.n_atoms[:, None]
        return way - mean[noisy.batch], (flow.lattice_coordinates(goal) - here) / left[:, None]

    return velocity


@pytest.fixture
def crystals() -> Crystals:
    found = crystals_of(3)
    return found.replace(cell=flow_of(found).cell(flow_of(found).lattice_coordinates(found), found.n_atoms))


def test_an_exact_velocity_leads_to_the_atoms_that_were_hidden(crystals: Crystals) -> None:
    flow = flow_of(crystals)
    noise = SampleNoise(SEEDS, crystals.n_atoms)
    found = Inpainting(flow).sample(exact(flow, crystals), given_of(crystals, lattice=False), noise, steps=40)
    assert shortest(found.scaled_positions - crystals.scaled_positions).abs().max() < 1e-4
    torch.testing.assert_close(found.cell, crystals.cell, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("lattice", [True, False])
def test_what_is_given_stays_whatever_the_network_says(crystals: Crystals, lattice: bool) -> None:
    torch.manual_seed(0)
    model = CrystalTransformer(width=16, layers=1, heads=2)
    flow = TorusFlow(**TorusFlow.statistics(crystals), acceleration=2.0, **SEARCH)
    given = given_of(crystals, lattice)
    found = Inpainting(flow).sample(model, given, SampleNoise(SEEDS, crystals.n_atoms))
    away = shortest(found.scaled_positions - crystals.scaled_positions).abs()
    assert away[given.atoms].max() < 1e-6 and away[~given.atoms].max() > 0.01
    assert torch.allclose(found.cell, crystals.cell, atol=1e-4) == lattice


def test_where_hidden_atoms_were_doesnt_matter(crystals: Crystals) -> None:
    torch.manual_seed(0)
    model = CrystalTransformer(width=16, layers=1, heads=2)
    flow = TorusFlow(**TorusFlow.statistics(crystals), **SEARCH)
    given, noise = given_of(crystals), SampleNoise(SEEDS, crystals.n_atoms)
    found = Inpainting(flow).sample(model, given, noise)
    elsewhere = given._replace(crystals=crystals)
    torch.testing.assert_close(
        Inpainting(flow).sample(model, elsewhere, noise).scaled_positions, found.scaled_positions
    )


def test_a_sample_alone_is_the_same(crystals: Crystals) -> None:
    torch.manual_seed(0)
    model = CrystalTransformer(width=16, layers=1, heads=2)
    flow = TorusFlow(**TorusFlow.statistics(crystals), **SEARCH)
    given = given_of(crystals)
    together = Inpainting(flow).sample(model, given, SampleNoise(SEEDS, crystals.n_atoms))
    one = given.crystals[2:]
    alone = Given(one, given.atoms[-int(one.n_atoms) :], given.lattice)
    found = Inpainting(flow).sample(model, alone, SampleNoise(SEEDS[2:], one.n_atoms))
    away = shortest(found.scaled_positions - together[2:].scaled_positions)
    assert away.abs().max() < 1e-4
