"""Minimisation: the known minimum of EMT, symmetry kept, and each way to fail told apart."""

from collections.abc import Callable

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.units import GPa
from numpy.typing import NDArray

from asegen.errors import InputError
from asegen.potentials.minimise import OptimizerName, minimise


class TurnsNan(EMT):
    """EMT whose forces become NaN at some call."""

    def __init__(self, call: int) -> None:
        super().__init__()
        self.left = call

    def calculate(self, *args, **kwargs) -> None:
        super().calculate(*args, **kwargs)
        self.left -= 1
        if self.left <= 0:
            self.results["forces"] = np.full_like(self.results["forces"], np.nan)


class Misleads(EMT):
    """EMT that counts its calls, and whose forces do something else in some of them."""

    def __init__(self, calls: range, change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> None:
        super().__init__()
        self.calls, self.change, self.count = calls, change, 0

    def calculate(self, *args, **kwargs) -> None:
        super().calculate(*args, **kwargs)
        self.count += 1
        if self.count in self.calls:
            self.results["forces"] = self.change(self.results["forces"])


def refused(forces: NDArray[np.float64]) -> NDArray[np.float64]:
    raise RuntimeError("atoms too near")


def disturbed() -> Atoms:
    atoms = bulk("Cu", a=3.7, cubic=True)
    atoms.rattle(0.05, seed=3)
    atoms.set_cell(atoms.cell * [[1.02], [0.99], [1.0]], scale_atoms=True)
    return atoms


def test_it_finds_the_minimum_of_a_scan_over_lattice_constants() -> None:
    lengths = np.linspace(3.5, 3.7, 41)
    energies = []
    for a in lengths:
        atoms = bulk("Cu", a=a)
        atoms.calc = EMT()
        energies.append(atoms.get_potential_energy())
    fit = np.polynomial.Polynomial.fit(lengths, energies, 5)
    best = next(r.real for r in fit.deriv().roots() if abs(r.imag) < 1e-9 and 3.55 < r.real < 3.65)
    start = disturbed()
    end = minimise(start, EMT(), fmax=1e-3)
    assert end.converged and end.reason == "" and end.fmax <= 1e-3
    assert end.atoms.cell.lengths() == pytest.approx(best, abs=1e-3)
    assert end.energy == pytest.approx(fit(best), abs=1e-5)
    assert end.atoms.calc is None and start.calc is None
    assert start.positions == pytest.approx(disturbed().positions)


def test_the_space_group_stays() -> None:
    atoms = bulk("Cu", a=3.7, cubic=True)
    atoms.set_cell(atoms.cell * [[1.05], [1.05], [0.97]], scale_atoms=True)
    end = minimise(atoms, EMT(), fmax=0.005, keep_symmetry=True, symprec=1e-4)
    found = spglib.get_spacegroup((end.atoms.cell, end.atoms.get_scaled_positions(), end.atoms.numbers), symprec=1e-6)
    assert found is not None and int(found.split("(")[1].rstrip(")")) in (139, 225)


def test_out_of_steps() -> None:
    end = minimise(disturbed(), EMT(), fmax=1e-6, steps=3)
    assert not end.converged and end.steps == 3 and end.reason.startswith("unconverged: ")


def test_nan_midway_keeps_the_last_finite_state() -> None:
    end = minimise(disturbed(), TurnsNan(4), fmax=1e-6)
    assert not end.converged and end.reason.startswith("non-finite")
    assert 2 <= end.steps <= 4 and np.isfinite(end.energy) and np.isfinite(end.atoms.positions).all()


def test_nan_at_once() -> None:
    with pytest.raises(ValueError, match="non-finite"):
        minimise(disturbed(), TurnsNan(1))


def test_quasi_newton_needs_fewer_calls_than_fire_and_finds_the_same() -> None:
    quick, slow = Misleads(range(0), refused), Misleads(range(0), refused)
    end, by_fire = minimise(disturbed(), quick), minimise(disturbed(), slow, optimizer="fire")
    assert end.converged and by_fire.converged and end.energy == pytest.approx(by_fire.energy, abs=1e-3)
    assert quick.count < 0.7 * slow.count
    assert (quick.count, slow.count) == (end.steps + 1, by_fire.steps + 1)


@pytest.mark.parametrize(
    "change",
    [lambda forces: -100 * forces, lambda forces: 30 + forces, lambda forces: forces * np.nan, refused],
    ids=["uphill", "explodes", "nan", "raises"],
)
def test_fire_goes_on_where_quasi_newton_is_led_astray(
    change: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> None:
    calculator = Misleads(range(3, 4), change)
    end = minimise(disturbed(), calculator, steps=200)
    assert end.converged and end.reason == ""
    assert end.energy == pytest.approx(minimise(disturbed(), EMT()).energy, abs=1e-3)
    assert calculator.count == end.steps + 1


def test_steps_are_bounded_whoever_takes_them() -> None:
    noise = np.random.default_rng(0)
    for steps in (0, 1, 4, 40):
        calculator = Misleads(range(10**6), lambda forces: noise.normal(size=forces.shape))
        end = minimise(disturbed(), calculator, steps=steps)
        assert not end.converged and end.steps <= steps and calculator.count <= steps + 1
        assert np.isfinite(end.energy) and np.isfinite(end.atoms.positions).all()


def test_unknown_optimizers() -> None:
    with pytest.raises(InputError, match="there are bfgs, fire"):
        minimise(disturbed(), EMT(), optimizer="newton")  # type: ignore[arg-type]


def enthalpies(lengths: NDArray[np.float64], pressure: float) -> NDArray[np.float64]:
    """Of copper's cubic cell by EMT, eV."""
    found = []
    for a in lengths:
        atoms = bulk("Cu", a=a, cubic=True)
        atoms.calc = EMT()
        found.append(atoms.get_potential_energy() + pressure * a**3)
    return np.array(found)


@pytest.mark.parametrize("optimizer", ["bfgs", "fire"])
def test_under_pressure_it_finds_the_minimum_of_the_enthalpy(optimizer: OptimizerName) -> None:
    pressure, lengths = 30 * GPa, np.linspace(3.3, 3.5, 21)
    fit = np.polynomial.Polynomial.fit(lengths, enthalpies(lengths, pressure), 6)
    best = next(r.real for r in fit.deriv().roots() if abs(r.imag) < 1e-9 and 3.3 < r.real < 3.5)
    end = minimise(disturbed(), EMT(), fmax=2e-3, optimizer=optimizer, pressure=pressure)
    assert end.converged and end.atoms.cell.lengths() == pytest.approx(best, abs=1e-3)
    assert end.enthalpy == pytest.approx(fit(best) / 4, abs=1e-4)
    assert end.enthalpy - end.energy == pytest.approx(pressure * end.atoms.get_volume() / 4)
    assert end.stress == pytest.approx([-pressure] * 3 + [0] * 3, abs=1e-3)  # ASE's sign: compressed is negative


def test_without_pressure_enthalpy_is_energy() -> None:
    end = minimise(disturbed(), EMT(), steps=1)
    assert end.enthalpy == end.energy


def test_a_fixed_cell_stays_and_needs_no_stress() -> None:
    calculator = EMT()
    calculator.implemented_properties = [p for p in EMT.implemented_properties if p != "stress"]
    start = disturbed()
    end = minimise(start, calculator, fmax=1e-3, fix_cell=True)
    assert end.converged and end.stress is None
    assert np.array_equal(end.atoms.cell.array, start.cell.array)
    scaled = end.atoms.get_scaled_positions()
    away = scaled - scaled[0] - bulk("Cu", cubic=True).get_scaled_positions()
    assert away - np.rint(away) == pytest.approx(0, abs=1e-3)


def test_fixed_atoms_keep_their_fractional_positions() -> None:
    start = disturbed()
    start.set_constraint(FixAtoms([0, 2]))
    end = minimise(start, EMT(), fmax=0.01)
    before, after = start.get_scaled_positions(wrap=False), end.atoms.get_scaled_positions(wrap=False)
    assert after[[0, 2]] == pytest.approx(before[[0, 2]], abs=1e-9)
    assert np.abs(after - before)[[1, 3]].max() > 1e-3
    assert np.abs(end.forces[[0, 2]]).max() > 0.05  # what is held is still pushed
    assert len(start.constraints) == 1


def test_a_symmetric_crystal_holds_the_images_of_fixed_atoms() -> None:
    chain = Atoms("CuAuCu", scaled_positions=[(0, 0, 0.3), (0, 0, 0.5), (0, 0, 0.7)], cell=[2.6, 2.6, 8.5], pbc=True)
    chain.set_constraint(FixAtoms([0]))
    end = minimise(chain, EMT(), fmax=0.05, steps=60, keep_symmetry=True)
    assert end.atoms.get_scaled_positions()[[0, 2], 2] == pytest.approx([0.3, 0.7], abs=1e-6)
    chain.set_constraint()
    free = minimise(chain, EMT(), fmax=0.05, steps=60, keep_symmetry=True)
    assert abs(free.atoms.get_scaled_positions()[0, 2] - 0.3) > 0.005
