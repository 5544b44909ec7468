"""Flow matching: its targets, its sampler with an exact velocity, equivariance of the whole sampler."""

import math

import pytest
import torch

from asegen.crystals.crystals import Crystals
from asegen.diffusion.flow import TorusFlow
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


def test_lattice_coordinates_are_z_scored_and_invertible() -> None:
    crystals = crystals_of(0, (3,) * 50)
    flow = flow_of(crystals)
    z = flow.lattice_coordinates(crystals)
    torch.testing.assert_close(z.mean(0), torch.zeros(6), atol=1e-4, rtol=0)
    torch.testing.assert_close(z.std(0), torch.ones(6), atol=1e-4, rtol=0)
    cell = flow.cell(z, crystals.n_atoms)
    torch.testing.assert_close(cell @ cell.mT, crystals.cell @ crystals.cell.mT, rtol=1e-4, atol=1e-4)


def test_volume_scales_with_the_number_of_atoms() -> None:
    flow = flow_of(crystals_of(0))
    z = torch.zeros(2, 6)
    volume = torch.linalg.det(flow.cell(z, torch.tensor([3, 12])))
    assert math.isclose(float(volume[1] / volume[0]), 4.0, rel_tol=1e-4)


def test_the_exact_velocity_has_no_loss_and_leads_to_the_data() -> None:
    crystals = crystals_of(1)
    flow = flow_of(crystals)
    goal = flow.lattice_coordinates(crystals)

    def exact(noisy: Crystals, here: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        left = (1 - time).clamp_min(1e-6)
        way = shortest(crystals.scaled_positions - noisy.scaled_positions)
        return way / left[noisy.batch, None], (goal - here) / left[:, None]

    generator = torch.Generator().manual_seed(0)
    flow.coupled = False
    found = flow.loss(exact, crystals, generator)
    # Without coupling the straight way is recentred; only its common translation is left to the exact velocity.
    assert float(found["lattice"]) < 1e-4
    noise = SampleNoise(torch.tensor([1, 2, 3]), crystals.n_atoms)
    drawn = flow.sample(exact, crystals.numbers, crystals.n_atoms, noise, steps=7)
    torch.testing.assert_close(drawn.displacement_to(crystals), torch.zeros(11, 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(drawn.cell @ drawn.cell.mT, crystals.cell @ crystals.cell.mT, atol=1e-3, rtol=1e-3)


def small_model() -> CrystalTransformer:
    torch.manual_seed(0)
    model = CrystalTransformer(width=32, layers=2, heads=4)
    with torch.no_grad():  # modulations start at zero: the test must see them
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))
    return model.eval()


def test_a_sample_does_not_depend_on_its_batch_and_repeats() -> None:
    crystals = crystals_of(2)
    flow, model = flow_of(crystals), small_model()
    seeds = torch.tensor([5, 6, 7])
    together = flow.sample(model, crystals.numbers, crystals.n_atoms, SampleNoise(seeds, crystals.n_atoms), 6)
    again = flow.sample(model, crystals.numbers, crystals.n_atoms, SampleNoise(seeds, crystals.n_atoms), 6)
    assert torch.equal(together.scaled_positions, again.scaled_positions)
    assert torch.equal(together.cell, again.cell)
    one = crystals[1]
    alone = flow.sample(model, one.numbers, one.n_atoms, SampleNoise(seeds[1:2], one.n_atoms), 6)
    torch.testing.assert_close(alone.displacement_to(together[1]), torch.zeros(2, 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(alone.cell, together[1].cell, atol=1e-3, rtol=1e-4)


class _PermutedNoise(SampleNoise):
    """The noise of a crystal whose atoms were permuted and translated along with it."""

    def __init__(self, noise: SampleNoise, order: torch.Tensor, shift: torch.Tensor) -> None:
        self.noise, self.order, self.shift, self.dtype = noise, order, shift, noise.dtype

    def atom_uniform(self, step: int, width: int = 3) -> torch.Tensor:
        return (self.noise.atom_uniform(step, width)[self.order] + self.shift) % 1

    def crystal_normal(self, step: int, width: int) -> torch.Tensor:
        return self.noise.crystal_normal(step, width)


def test_the_sampler_is_equivariant_under_permutation_and_translation() -> None:
    crystals = crystals_of(3, (6,))
    flow, model = flow_of(crystals_of(3)), small_model()
    noise = SampleNoise(torch.tensor([3]), crystals.n_atoms)
    order, shift = torch.randperm(6), torch.rand(3)
    plain = flow.sample(model, crystals.numbers, crystals.n_atoms, noise, 6)
    moved = flow.sample(model, crystals.numbers[order], crystals.n_atoms, _PermutedNoise(noise, order, shift), 6)
    difference = shortest(moved.scaled_positions - plain.scaled_positions[order] - shift)
    torch.testing.assert_close(difference, torch.zeros(6, 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(moved.cell, plain.cell, atol=1e-3, rtol=1e-4)


def test_refinement_returns_to_what_the_velocity_knows_and_never_worsens() -> None:
    crystals = crystals_of(6)
    flow = TorusFlow(**TorusFlow.statistics(crystals), candidates=2, refinements=[(0.3, 3, 4), (0.7, 2, 2)])
    worst = TorusFlow(**TorusFlow.statistics(crystals), candidates=2)
    torch.manual_seed(0)
    model = CrystalTransformer(width=32, layers=2, heads=4)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    noise = SampleNoise(torch.tensor([1, 2, 3]), crystals.n_atoms)
    refined, first = (f.sample(model, crystals.numbers, crystals.n_atoms, noise, 5) for f in (flow, worst))
    before, after = (flow.self_consistency(model, c, noise) for c in (first, refined))
    assert (after <= before + 1e-5).all() and (after < before).any()


def test_noised_crystals_are_as_in_training() -> None:
    crystals = crystals_of(7)
    flow = flow_of(crystals)
    noise = SampleNoise(torch.tensor([1, 2, 3]), crystals.n_atoms)
    noisy, here, way, lattice_way = flow._noised(crystals, noise, [4], 0.25)
    torch.testing.assert_close(flow.lattice_coordinates(noisy), here, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(here + 0.75 * lattice_way, flow.lattice_coordinates(crystals), atol=1e-4, rtol=1e-4)
    there = shortest(noisy.scaled_positions + 0.75 * way - crystals.scaled_positions)
    torch.testing.assert_close(there, torch.zeros_like(there), atol=1e-5, rtol=0)
    start = here - 0.25 * lattice_way  # at time 0: the noise itself
    torch.testing.assert_close(start, noise.crystal_normal(4, 6), atol=1e-4, rtol=1e-4)


def test_polish_takes_a_displaced_crystal_home() -> None:
    crystals = crystals_of(8)
    flow = TorusFlow(**TorusFlow.statistics(crystals), polish=(0.8, 0.9))

    def exact(noisy: Crystals, here: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        way = shortest(crystals.scaled_positions - noisy.scaled_positions)
        lattice_way = flow.lattice_coordinates(crystals) - here
        return way / (1 - time)[noisy.batch, None], lattice_way / (1 - time)[:, None]

    moved = crystals.replace(scaled_positions=crystals.scaled_positions + 0.1, cell=1.1 * crystals.cell)
    home = flow._polished(exact, moved)
    torch.testing.assert_close(home.displacement_to(crystals), torch.zeros(11, 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(home.volume, crystals.volume, rtol=1e-3, atol=0)

    def together(noisy: Crystals, here: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        way = shortest(-noisy.scaled_positions)
        return way / (1 - time)[noisy.batch, None], torch.zeros_like(here)

    apart = Crystals(
        5 * torch.eye(3)[None], torch.tensor([[0.1, 0, 0], [0.6, 0.5, 0.5]]), torch.ones(2).long(), torch.tensor([2])
    )
    torch.testing.assert_close(flow._polished(together, apart).scaled_positions, apart.scaled_positions)


def test_a_restart_keeps_what_its_time_keeps() -> None:
    """Without any velocity, what comes out is what noise has left: all of it at time 1, and ever less."""
    crystals = crystals_of(3)
    flow = flow_of(crystals)
    noise = SampleNoise(torch.tensor([1, 2, 3]), crystals.n_atoms)

    def still(noisy: Crystals, here: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros_like(noisy.scaled_positions), torch.zeros_like(here)

    def moved(time: float) -> float:
        return float(flow.restart(still, crystals, noise, time, 4).displacement_to(crystals).abs().mean())

    distances = [moved(time) for time in (0.99, 0.8, 0.4)]
    assert distances == sorted(distances) and distances[0] < 0.01 < distances[-1]
    kept = flow.restart(still, crystals, noise, 1 - 1e-6, 4)
    torch.testing.assert_close(kept.cell @ kept.cell.mT, crystals.cell @ crystals.cell.mT, rtol=1e-3, atol=1e-3)


def test_a_restart_takes_its_share_of_steps_and_each_seed_counts_alone() -> None:
    crystals = crystals_of(4)
    flow, model = flow_of(crystals), small_model()
    flow.candidates = 2
    times = []

    def watched(noisy: Crystals, here: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        times.append(float(time[0]))
        found: tuple[torch.Tensor, torch.Tensor] = model(noisy, here, time)
        return found

    seeds = torch.tensor([5, 6, 7])
    together = flow.restart(watched, crystals, SampleNoise(seeds, crystals.n_atoms), 0.6, 10)
    assert times[:4] == pytest.approx([0.6, 0.7, 0.8, 0.9])
    own = crystals[torch.tensor([1])]
    alone = flow.restart(model, own, SampleNoise(seeds[1:2], own.n_atoms), 0.6, 10)
    torch.testing.assert_close(together[torch.tensor([1])].cell, alone.cell, rtol=1e-4, atol=1e-4)
