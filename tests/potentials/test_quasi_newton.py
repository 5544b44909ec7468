"""The model of springs against a sum over them and what symmetry says, and ASE's BFGS as the peer."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import covalent_radii
from ase.filters import FrechetCellFilter
from ase.neighborlist import neighbor_list
from ase.optimize import BFGS

from asegen.potentials.quasi_newton import SpringBFGS, spring_hessian


def salt() -> Atoms:
    atoms = bulk("NaCl", "rocksalt", a=5.69)
    atoms.rattle(0.1, seed=1)
    return atoms


def disturbed(repeats: int) -> Atoms:
    atoms = bulk("Cu", cubic=True) * (repeats, repeats, 1)
    atoms.symbols[::3] = "Au"
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.03 * np.array([[1, 0.5, 0], [0.5, -1, 0], [0, 0, 1]])), True)
    atoms.rattle(0.08, seed=2)
    return atoms


def spring_energy(atoms: Atoms, moves: np.ndarray, strain: np.ndarray) -> float:
    """Of small moves (n, 3) and a strain (3, 3) from the springs' rest, eV, spring by spring."""
    radii = covalent_radii[atoms.numbers]
    total = 0.0
    for i, j, vector in zip(*neighbor_list("ijD", atoms, list(1.6 * radii)), strict=True):
        length = np.linalg.norm(vector)
        change = moves[j] - moves[i] + (strain + strain.T) / 2 @ vector
        natural = radii[i] + radii[j]
        strength = 4 * (2.8 / natural) ** 2 * np.exp(-3 * (length / natural - 1))
        total += 0.25 * strength * ((change @ vector / length) ** 2 + 0.2 * change @ change)  # seen from both ends
    return float(total)


def test_the_hessian_is_that_of_the_springs() -> None:
    atoms, rng = salt(), np.random.default_rng(0)
    hessian = spring_hessian(FrechetCellFilter(atoms))
    moves, strain = rng.normal(size=(2, 3)), rng.normal(size=(3, 3))
    coordinates = np.concatenate([moves.ravel(), len(atoms) * strain.ravel()])
    least = 2.0 * (moves**2).sum() + 0.2 * atoms.get_volume() * (strain**2).sum()
    assert coordinates @ hessian @ coordinates == pytest.approx(2 * spring_energy(atoms, moves, strain) + least)
    assert hessian == pytest.approx(hessian.T) and np.linalg.eigvalsh(hessian).min() > 0
    assert spring_hessian(atoms) == pytest.approx(hessian[:6, :6])


def test_what_all_atoms_do_alike_and_a_rotation_stretch_no_spring() -> None:
    hessian = spring_hessian(FrechetCellFilter(salt()))
    together = np.concatenate([np.tile([1.0, 2.0, 3.0], 2), np.zeros(9)])
    assert (hessian @ together)[:6] == pytest.approx(2.0 * together[:6])
    turned = np.concatenate([np.zeros(6), np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 0]]).ravel()])
    assert hessian @ turned == pytest.approx(0.2 * salt().get_volume() / 2**2 * turned, abs=1e-12)


def test_a_supercell_is_as_stiff() -> None:
    atoms = salt()
    strain = np.array([[0.3, 0.1, 0], [0.1, -0.2, 0], [0, 0, 0.4]])
    energies = []
    for cell in (atoms, atoms * (3, 1, 1)):
        coordinates = np.concatenate([np.zeros(3 * len(cell)), len(cell) * strain.ravel()])
        energies.append(coordinates @ spring_hessian(FrechetCellFilter(cell)) @ coordinates)
    assert energies[1] == pytest.approx(3 * energies[0])


def test_atoms_without_neighbours() -> None:
    assert spring_hessian(Atoms("Ar2", [[0, 0, 0], [0, 0, 8]], cell=[9, 9, 16], pbc=True)) == pytest.approx(
        2 * np.eye(6)
    )


def test_it_needs_fewer_steps_than_one_curvature_for_all() -> None:
    steps = {}
    for name, kind, more in (("springs", SpringBFGS, {}), ("same", BFGS, {"alpha": 25.0})):
        atoms = disturbed(3)
        atoms.calc = EMT()
        with kind(FrechetCellFilter(atoms), logfile=None, **more) as method:
            assert method.run(fmax=0.02, steps=200)
        steps[name] = method.nsteps, atoms.get_potential_energy() / len(atoms)
    assert steps["springs"][0] < 0.7 * steps["same"][0]
    assert steps["springs"][1] == pytest.approx(steps["same"][1], abs=2e-3)


def test_a_step_strains_the_cell_by_five_per_cent_at_most() -> None:
    atoms = bulk("Cu", a=3.6)
    atoms.calc = SinglePointCalculator(
        atoms, energy=0.0, free_energy=0.0, forces=np.zeros((1, 3)), stress=np.array([9.0, 0, 0, 0, 0, 0])
    )
    before = atoms.cell.array.copy()
    SpringBFGS(FrechetCellFilter(atoms), logfile=None).step()
    change = np.linalg.solve(before, atoms.cell.array)
    assert np.abs(np.linalg.eigvalsh(change) - 1).max() == pytest.approx(0.05, abs=2e-3)
