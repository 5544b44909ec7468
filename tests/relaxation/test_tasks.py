"""Noise and tasks: what is disturbed, by how much, and that the exact way back has no loss."""

import pytest
import torch

from asegen.crystals.crystals import Crystals, Tangent
from asegen.errors import InputError
from asegen.geometry.lattice import cell_to_parameters, symmetric_log
from asegen.relaxation.noise import cubes, rattled, strained
from asegen.relaxation.tasks import Denoising, ParameterRegression, Reconstruction, position_errors


def make(n: int = 300, seed: int = 0) -> Crystals:
    kwargs = {"generator": torch.Generator().manual_seed(seed), "dtype": torch.float64}
    n_atoms = torch.arange(n) % 4 + 1
    cell = 5 * torch.eye(3, dtype=torch.float64) + 0.4 * torch.randn(n, 3, 3, **kwargs)
    total = int(n_atoms.sum())
    return Crystals(cell, torch.rand(total, 3, **kwargs), torch.full((total,), 8), n_atoms)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def way_back(goal: Crystals):
    """The exact answer in two halves: a mover that knows the goal."""

    def move(start: Crystals) -> list[Tangent]:
        away = start.displacement_to(goal)
        relative = torch.linalg.solve(start.cell, goal.cell)
        strain = 0.5 * symmetric_log(relative @ relative.mT)
        return [Tangent(away / 2, strain / 2)] * 2

    return move


def test_strain_has_the_given_deviation() -> None:
    crystals = make()
    noisy = strained(crystals, torch.full_like(crystals.volume, 0.01), generator())
    change = torch.linalg.solve(crystals.cell, noisy.cell) - torch.eye(3, dtype=torch.float64)
    assert abs(change.std() / 0.01 - 1) < 0.05
    torch.testing.assert_close(noisy.scaled_positions, crystals.scaled_positions)


@pytest.mark.parametrize("fractional", [True, False])
def test_rattling_has_the_given_deviation_and_no_translation(fractional: bool) -> None:
    crystals = make()
    noisy = rattled(crystals, torch.full_like(crystals.volume, 0.01), fractional, generator())
    step = crystals.displacement_to(noisy)
    mean = torch.zeros(len(crystals), 3, dtype=torch.float64).index_add(0, crystals.batch, step)
    assert mean.abs().max() < 1e-12
    if not fractional:
        step = torch.einsum("na,nab->nb", step, crystals.cell[crystals.batch])
    four = (crystals.n_atoms == 4)[crystals.batch]  # without the mean, 3/4 of the variance
    assert abs(step[four].std() / (0.01 * 0.75**0.5) - 1) < 0.05
    torch.testing.assert_close(noisy.cell, crystals.cell)


def test_cubes_keep_nothing_of_the_cell() -> None:
    crystals = make(6)
    parameters = cell_to_parameters(cubes(crystals, 20.0).cell)
    torch.testing.assert_close(parameters[:, 0], (20.0 * crystals.n_atoms.double()) ** (1 / 3))
    torch.testing.assert_close(cubes(crystals, 0.0).cell, torch.eye(3, dtype=torch.float64).expand(6, 3, 3))


@pytest.mark.parametrize(
    "task",
    [
        {"lattice_noise": 0.1},
        {"lattice_noise": 0.0, "position_noise": 0.1},
        {"position_noise": 0.05, "fractional": True, "varied": True, "discount": 0.5},
    ],
)
def test_the_exact_way_back_has_no_loss_and_staying_has_one(task: dict) -> None:
    goal = make(20)
    denoising = Denoising(**Denoising.statistics(goal), **task)
    exact = denoising.loss(way_back(goal), goal, generator())
    assert float(exact["length"]) < 1e-9 and float(exact["angle"]) < 1e-7
    assert float(exact["position"]) < 1e-9
    if not denoising.follow.discount:
        assert float(exact["loss"]) < 1e-9
    zero = Tangent(torch.zeros_like(goal.scaled_positions), torch.zeros_like(goal.cell))
    assert float(denoising.loss(lambda crystals: [zero], goal, generator())["loss"]) > 0.01


def test_reconstruction_begins_at_a_cube_and_the_exact_way_has_no_loss() -> None:
    goal = make(20)
    task = Reconstruction(**Reconstruction.statistics(goal), volume_per_atom=20.0)
    found = task.loss(way_back(goal), goal, generator())
    assert float(found["loss"]) < 1e-9 and float(found["length"]) < 1e-9


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_the_baseline_regresses_parameters(noise: float) -> None:
    goal = make(20)
    task = ParameterRegression(**ParameterRegression.statistics(goal), lattice_noise=noise)
    exact = task.loss(lambda start: task.lattice.scores(goal.cell), goal, generator())
    assert float(exact["loss"]) < 1e-20 and float(exact["angle"]) < 1e-9
    off = task.loss(lambda start: task.lattice.scores(start.cell), goal, generator())
    assert float(off["loss"]) > 1e-3


def test_position_errors_ignore_translations_and_measure_in_angstrom() -> None:
    goal = make(12)
    moved = goal.replace(scaled_positions=goal.scaled_positions + torch.tensor([0.3, 0.1, -0.2]))
    assert position_errors(moved, goal).max() < 1e-9
    step = torch.zeros_like(goal.scaled_positions)
    last = int(goal.first_atom[1])
    step[last], step[last + 1] = 0.02, -0.02  # crystal 1 has two atoms
    expected = torch.linalg.vector_norm(0.02 * goal.cell[1].sum(0))
    found = position_errors(goal.replace(scaled_positions=goal.scaled_positions + step), goal)
    torch.testing.assert_close(found[1], expected, atol=1e-3, rtol=0)
    assert found[2:].max() < 1e-9


def test_bad_tasks_are_refused() -> None:
    p = {"parameter_mean": [0.0] * 6, "parameter_std": [1.0] * 6}
    with pytest.raises(InputError, match="nothing to learn"):
        Denoising(**p, lattice_noise=0.0)
    with pytest.raises(InputError, match="parameters-mae"):
        ParameterRegression(**p, loss="riemann")
