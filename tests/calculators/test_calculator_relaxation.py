"""Relaxation with a calculator: where it begins, what it honours, one status each, the same in any process."""

import math

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms, FixCom
from ase.units import GPa

from asegen.calculators.calculator_relaxation import relax_with_calculator
from asegen.calculators.learned_relaxation import relax_structures
from asegen.calculators.minimisation import Minimisation
from asegen.errors import InputError
from asegen.potentials.engine import find_engine
from asegen.potentials.start import better_start


def disturbed(a: float = 3.75) -> Atoms:
    atoms = bulk("Cu", a=a, cubic=True)
    atoms.rattle(0.05, seed=3)
    atoms.info = {"tag": "kept", "nested": {"a": [1, 2]}}
    return atoms


class Breaks(EMT):
    """EMT that raises what a calculator of the user's may."""

    def calculate(self, *args, **kwargs) -> None:
        raise RuntimeError("licence\nexpired")


def test_it_ends_at_the_calculators_minimum_and_keeps_info() -> None:
    start = disturbed()
    (found,) = relax_with_calculator(start, "emt", fmax=0.005)
    assert found.status == "converged" and found.reason == "" and found.start == "learned" and found.fmax <= 0.005
    atoms = found.atoms
    assert atoms.cell.lengths() == pytest.approx(3.594, abs=0.01)  # EMT's, from a scan
    energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
    assert energy / 4 == found.energy == found.enthalpy
    atoms.calc = EMT()
    assert atoms.get_potential_energy() == pytest.approx(energy)
    assert atoms.get_forces() == pytest.approx(forces) and atoms.get_stress() == pytest.approx(stress)
    assert atoms.info.items() >= start.info.items()
    assert atoms.info["relax_calculator"] == "emt" and atoms.info["relax_pressure"] == 0
    assert start.positions == pytest.approx(disturbed().positions) and start.calc is None


def test_notes_of_an_earlier_relaxation_are_gone() -> None:
    """An energy of another crystal, or why another relaxation ended early, would be taken for this one's."""
    ours = ["relax_status", "relax_steps", "relax_model", "relax_fmax", "relax_strain"]
    (first,) = relax_with_calculator(disturbed(), "emt", steps=0, prerelax=None)
    assert first.status == "out of steps" and {"relax_reason", "relax_energy_per_atom"} <= first.atoms.info.keys()
    (second,) = relax_structures(first.atoms)
    assert second.status == "converged" and list(second.atoms.info) == [*disturbed().info, *ours]
    (third,) = relax_with_calculator(second.atoms, "emt")
    assert third.status == "converged" and {"relax_model", "relax_strain", "relax_reason"}.isdisjoint(third.atoms.info)
    (failed,) = relax_with_calculator(third.atoms, Breaks(), prerelax=None)
    assert failed.status == "failed" and "relax_energy_per_atom" not in failed.atoms.info
    assert disturbed().info.items() <= failed.atoms.info.items()


def test_pressure_is_in_gigapascals() -> None:
    (found,) = relax_with_calculator(disturbed(), EMT(), pressure=20, fmax=0.005)
    assert found.atoms.get_stress()[:3] == pytest.approx([-20 * GPa] * 3, rel=0.01)
    assert found.enthalpy - found.energy == pytest.approx(20 * GPa * found.atoms.get_volume() / 4)


def test_the_learned_start_is_dropped_where_it_is_higher() -> None:
    dense = relax_with_calculator(disturbed(3.2), "emt", fmax=0.05, prerelax=None, pressure=150)[0].atoms
    assert relax_structures(dense)[0].atoms.get_volume() > 1.1 * dense.get_volume()
    (found,) = relax_with_calculator(dense, "emt", fmax=0.06, pressure=150)
    assert found.start == "as given" and found.steps == 0
    first, high = bulk("Cu", a=3.6), bulk("Cu", a=3.5)
    assert better_start(first, high, EMT()).atoms is first
    assert better_start(high, first, EMT()).atoms is first
    assert better_start(first, high, EMT(), pressure=100 * GPa).atoms is high


def test_constraints_are_honoured() -> None:
    start = disturbed()
    start.set_constraint([FixAtoms([0]), FixCom()])
    (found,) = relax_with_calculator(start, "emt", fix_cell=True, steps=5)
    assert found.atoms.positions[0] == pytest.approx(start.positions[0], abs=1e-9)
    assert np.array_equal(found.atoms.cell.array, start.cell.array)
    assert [type(one) for one in found.atoms.constraints] == [FixAtoms, FixCom]


def test_one_status_each_whatever_is_wrong_with_others() -> None:
    near = bulk("Cu", cubic=True)
    near.positions[1] = near.positions[0] + 0.01
    nan = bulk("Cu")
    nan.cell[0, 0] = np.nan
    found = relax_with_calculator([disturbed(), near, nan, molecule("H2O"), bulk("Fe"), disturbed()], "emt", steps=1)
    assert [one.status for one in found] == ["out of steps", *["refused"] * 4, "out of steps"]
    assert "Fe" in found[4].reason and found[4].atoms.calc is None and math.isnan(found[4].energy)
    (broken,) = relax_with_calculator(disturbed(), Breaks(), prerelax=None)
    assert (broken.status, broken.reason) == ("failed", "calculator: RuntimeError: licence expired")


def test_what_has_no_space_group_to_keep_is_refused() -> None:
    near = Atoms("Cu2", positions=[[0, 0, 0], [0.9, 0, 0]], cell=[3, 3, 3], pbc=True)
    how = {"keep_symmetry": True, "symprec": 1.0, "prerelax": None}
    refused, kept = relax_with_calculator([near, bulk("Cu")], EMT(), **how)
    assert (refused.status, refused.reason) == ("refused", "no space group: spglib finds none at 1 Å")
    assert kept.status == "converged"


def test_worker_processes_find_the_same() -> None:
    start = [disturbed(3.5 + 0.1 * k) for k in range(3)]
    start[1].info["function"] = lambda: None  # which no other process could read
    here, there = relax_with_calculator(start, "emt"), relax_with_calculator(start, "emt", jobs=1)
    for one, other in zip(here, there, strict=True):
        assert np.array_equal(one.atoms.positions, other.atoms.positions) and one.energy == other.energy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pressure": -1}, "pressure = -1"),
        ({"pressure": math.nan}, "pressure"),
        ({"pressure": 1, "fix_cell": True}, "exclude each other"),
        ({"fmax": 0}, "fmax = 0"),
        ({"steps": -1}, "steps"),
        ({"optimizer": "newton"}, "no optimizer"),
        ({"prerelax": "no such"}, "no model"),
        ({"prerelax": False}, "prerelax = False: the name of a model, a path of weights, or None is needed"),
        ({"fmax": "0.1"}, "fmax = '0.1': a number is needed"),
        ({"steps": 2.5}, "steps = 2.5: a whole number"),
        ({"symprec": "0.1"}, "symprec = '0.1': a number is needed"),
        ({"pressure": "1"}, "pressure = '1': a number is needed"),
        ({"jobs": "2"}, "jobs = '2': a whole number"),
        ({"calculator": "no such"}, "no calculator"),
        ({"calculator": Calculator(), "jobs": 2}, "jobs"),
        ({"calculator": EMT}, "calculator = <class .*an object of a class of ASE's calculators is needed"),
        ({"calculator": lambda: EMT()}, "calculator = <function"),
        ({"calculator": None}, "calculator = None"),
        ({"device": "no such"}, "device 'no such' is not available"),
    ],
)
def test_nonsense_is_refused(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        relax_with_calculator(disturbed(), **({"calculator": "emt"} | change))


def test_settings_name_all_that_decides_the_result() -> None:
    engine = find_engine("emt")
    known = Minimisation(engine).settings()
    assert known["calculator"] == engine.identity and len(str(known["prerelax"])) == len("sha256 ") + 12
    assert Minimisation(engine.at_pressure(1)).settings() != known
