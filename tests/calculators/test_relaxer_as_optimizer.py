"""`LearnedRelaxer` where ASE and tools around it ask for an optimiser. Its network is known, so ends are known."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import FixSymmetry
from ase.filters import ExpCellFilter, Filter, FrechetCellFilter, StrainFilter, UnitCellFilter
from ase.io import read
from ase.optimize.basin import BasinHopping
from ase.optimize.minimahopping import MinimaHopping
from ase.optimize.optimize import OptimizableAtoms, Optimizer
from pymatgen.core import Lattice, Structure

from asegen.calculators.learned_relaxation import relax_structures
from asegen.calculators.relaxer import LearnedRelaxer
from asegen.crystals.crystals import Crystals, Tangent
from asegen.errors import InputError
from asegen.geometry.torus import shortest
from asegen.relaxation.relax import Limits
from asegen.trained.relaxer import Relaxer, load_relaxer

A = 3.7
GOAL = A**3 / 4
"""Å³ per atom that the network leads to."""


class ToFcc(torch.nn.Module):
    """Half the way to cells of a known volume, and to the places of fcc in a conventional cell."""

    def forward(self, crystals: Crystals) -> list[Tangent]:
        size = torch.log(GOAL * crystals.n_atoms / crystals.volume) / 6
        strain = size[:, None, None] * torch.eye(3, dtype=crystals.dtype)
        places = 0.5 * torch.tensor([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]], dtype=crystals.dtype)
        there = places.repeat(len(crystals), 1)
        away = shortest(there - crystals.scaled_positions)
        return [Tangent((away - away.mean(0)) / 2, strain)]


@pytest.fixture
def relaxer() -> Relaxer:
    return Relaxer({"name": "fcc", "steps": 1, "elements": [29]}, ToFcc(), torch.device("cpu"))


@pytest.fixture
def optimizer(relaxer: Relaxer) -> Callable[..., LearnedRelaxer]:
    return partial(LearnedRelaxer, model=relaxer)


def copper(rattle: float = 0.1, seed: int = 0) -> Atoms:
    atoms = bulk("Cu", a=3.6, cubic=True)
    atoms.rattle(rattle, seed=seed)
    atoms.calc = EMT()
    return atoms


def test_it_is_an_optimizer_whose_cell_stays_unless_asked(optimizer: Callable[..., LearnedRelaxer]) -> None:
    assert issubclass(LearnedRelaxer, Optimizer)
    for target, options, moves in (
        (lambda a: a, {}, False),
        (OptimizableAtoms, {}, False),
        (lambda a: a, {"cell": True}, True),
        (FrechetCellFilter, {}, True),
        (UnitCellFilter, {}, True),
        (StrainFilter, {}, True),
        (lambda a: FrechetCellFilter(a).__ase_optimizable__(), {}, True),
    ):
        atoms = copper()
        dynamics = optimizer(target(atoms), logfile=None, **options)
        assert dynamics.run(fmax=0.01, steps=20, cell_max=1e-3)
        assert abs(atoms.cell.volume / (3.7**3 if moves else 3.6**3) - 1) < 0.01
        assert (abs(atoms.cell.volume / 3.6**3 - 1) > 1e-3) == moves
        assert dynamics.optimizable.ndofs() >= 6 and dynamics.maxstep is None
        assert dynamics.converged() and dynamics.converged(np.ones((4, 3))) and dynamics.converged(gradient=np.ones(12))
        assert dynamics.gradient_converged(dynamics.optimizable.get_gradient())
    with pytest.raises(InputError, match="Filter can't be relaxed"):
        optimizer(Filter(copper(), indices=[0]))


def test_positions_cells_and_trajectories_are_those_of_the_batch_form(tmp_path: Path) -> None:
    shipped = load_relaxer(device="cpu")
    for kept, target in ((True, lambda a: a), (False, FrechetCellFilter)):
        atoms = copper()
        dynamics = LearnedRelaxer(target(atoms), logfile=None, trajectory=tmp_path / "a.traj", model=shipped)
        dynamics.run()
        for step, frame in enumerate(read(tmp_path / "a.traj", ":")):
            limits = Limits(0, 0, steps=step)
            (record,) = relax_structures(copper(), shipped, fix_cell=kept, limits=limits)
            np.testing.assert_allclose(frame.positions, record.atoms.positions, atol=1e-6)
            np.testing.assert_allclose(frame.cell.array, record.atoms.cell.array, atol=1e-6)
        (record,) = relax_structures(copper(), shipped, fix_cell=kept)
        np.testing.assert_allclose(atoms.positions, record.atoms.positions, atol=1e-6)
        assert dynamics.nsteps == record.steps == step and dynamics.status == record.status


def test_basin_hopping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: Callable[..., LearnedRelaxer]
) -> None:
    monkeypatch.chdir(tmp_path)
    np.random.seed(0)
    atoms = copper()
    cell = atoms.cell.array.copy()
    optimizer.__name__ = "LearnedRelaxer"  # type: ignore[attr-defined]  # BasinHopping notes the class's name
    hopping = BasinHopping(
        atoms, temperature=100 * units.kB, optimizer=optimizer, fmax=0.01, dr=0.2, logfile=None, optimizer_logfile=None
    )
    hopping.run(3)
    energy, best = hopping.get_minimum()
    perfect = bulk("Cu", a=3.6, cubic=True)
    perfect.calc = EMT()
    assert energy == pytest.approx(perfect.get_potential_energy(), abs=1e-2)
    np.testing.assert_allclose(best.cell.array, cell)


def test_minima_hopping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: Callable[..., LearnedRelaxer]
) -> None:
    monkeypatch.chdir(tmp_path)
    atoms = copper()
    MinimaHopping(atoms, optimizer=optimizer, fmax=0.01, T0=300.0, timestep=5.0)(totalsteps=2)
    assert len(read("qn00000.traj", ":")) > 1 and read("minima.traj", ":")
    description = read("qn00000.traj", 0)
    assert description.cell.volume == pytest.approx(3.6**3)


def test_symmetry_is_kept_in_a_filter() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.2)
    atoms.set_constraint(FixSymmetry(atoms))
    dynamics = LearnedRelaxer(FrechetCellFilter(atoms), logfile=None, device="cpu")
    assert dynamics.run() and dynamics.nsteps
    np.testing.assert_allclose(atoms.cell.angles(), 60, atol=1e-6)
    np.testing.assert_allclose(atoms.get_scaled_positions()[1], 0.5, atol=1e-9)


def test_filters_of_older_tools(optimizer: Callable[..., LearnedRelaxer]) -> None:
    atoms = copper()
    with pytest.warns(DeprecationWarning):
        target = ExpCellFilter(atoms)
    assert optimizer(target, logfile=None).run(steps=30, cell_max=1e-3)
    assert atoms.cell.volume == pytest.approx(4 * GOAL, rel=0.01)


def test_what_genetic_algorithms_attach_can_end_a_run(optimizer: Callable[..., LearnedRelaxer]) -> None:
    """They put a function of one argument in place of `converged`."""
    atoms = copper()
    dynamics = optimizer(atoms, logfile=None, cell=True)

    def stop() -> None:
        if dynamics.nsteps == 2:
            dynamics.converged = lambda forces: True  # type: ignore[method-assign, misc, assignment]

    dynamics.attach(stop)
    assert dynamics.run(fmax=0.0, cell_max=0.0, steps=10) and dynamics.nsteps == 2


def test_ase_ga(optimizer: Callable[..., LearnedRelaxer]) -> None:
    attaches = pytest.importorskip("ase_ga.relax_attaches")
    atoms = copper()
    dynamics = optimizer(atoms, logfile=None)
    dynamics.attach(attaches.VariansBreak(atoms, dynamics, min_stdev=100.0, N=3))
    assert dynamics.run(fmax=0.0, cell_max=0.0, steps=10) and dynamics.nsteps == 2


@pytest.mark.parametrize("relax_cell", [True, False])
def test_pymatgen(relax_cell: bool) -> None:
    structure = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.4), ["Cu"], [[0, 0, 0]])
    structure.perturb(0.1, seed=0)
    found = structure.relax(EMT(), optimizer=LearnedRelaxer, relax_cell=relax_cell, fmax=0.05)
    assert (abs(found.volume / structure.volume - 1) > 0.1) == relax_cell
    assert found.distance_matrix[0, 1:] == pytest.approx(np.full(3, found.volume ** (1 / 3) / np.sqrt(2)), rel=0.02)


@pytest.mark.parametrize("relax_cell", [True, False])
def test_matcalc(relax_cell: bool) -> None:
    matcalc = pytest.importorskip("matcalc")
    calculation = matcalc.RelaxCalc(EMT(), optimizer=LearnedRelaxer, relax_cell=relax_cell, perturb_distance=None)
    found = calculation.calc(bulk("Cu", a=3.5))
    before = bulk("Cu", a=3.5).cell.volume
    assert (abs(found["final_structure"].volume / before - 1) > 1e-3) == relax_cell


def test_quacc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = pytest.importorskip("quacc.runners.ase")
    monkeypatch.chdir(tmp_path)
    dynamics = runner.Runner(copper(), EMT()).run_opt(optimizer=LearnedRelaxer, relax_cell=True)
    assert dynamics.converged(dynamics.optimizable.get_gradient())
