"""Elastic constants, equations of state and thermal properties against strained cells, ASE and closed forms."""

import csv
import json
import re
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.eos import EquationOfState

from asegen.errors import AsegenError, InputError
from asegen.parallel.workforce import Workforce
from asegen.screening import Options, results
from asegen.screening.pipeline import run_stages
from asegen.screening.registry import chosen, recipe
from asegen.screening.report import write_report
from asegen.screening.run import publish
from asegen.screening.stages import calculated
from asegen.screening.stages.elastic import Elastic, elastic_constants
from asegen.screening.stages.eos import birch_murnaghan, equation_of_state
from asegen.screening.stages.finite_displacements import Settings, phonons
from asegen.screening.stages.phonon_results import MESH, PARAMETERS
from asegen.screening.stages.thermal import TABLE, thermal_properties

pytestmark = pytest.mark.skipif(
    not (find_spec("matcalc") and find_spec("phonopy")), reason="matcalc or phonopy is not installed"
)

COPPER = 3.5899  # Å, EMT's minimum
BASIC = ["read", "dedup", "symmetrise", "relax", "compare", "hull"]


def stress(strain: np.ndarray) -> np.ndarray:
    """Of fcc copper, along the cube's axes; GPa."""
    atoms = bulk("Cu", a=COPPER, cubic=True)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    atoms.calc = EMT()
    return np.asarray(atoms.get_stress()) / units.GPa


def copper() -> tuple[float, float, float]:
    """C11, C12, C44 in GPa by central differences of stresses."""
    normal, shear = np.zeros((3, 3)), np.zeros((3, 3))
    normal[0, 0], shear[1, 2], shear[2, 1] = 1e-3, 5e-4, 5e-4
    along, across = (stress(strain) - stress(-strain) for strain in (normal, shear))
    return along[0] / 2e-3, along[1] / 2e-3, across[3] / 2e-3


def test_elastic_constants_of_copper() -> None:
    c11, c12, c44 = copper()
    found = elastic_constants(bulk("Cu", a=3.7), EMT())
    stiffness = np.array(found.stiffness)
    assert stiffness[0, 0] == pytest.approx(c11, rel=0.03) and stiffness[0, 1] == pytest.approx(c12, rel=0.03)
    assert stiffness[3, 3] == pytest.approx(c44, rel=0.03)
    # the closed forms of cubic crystals
    assert found.bulk_modulus == pytest.approx((stiffness[0, 0] + 2 * stiffness[0, 1]) / 3, rel=1e-4)
    half, c = (stiffness[0, 0] - stiffness[0, 1]) / 2, stiffness[3, 3]
    voigt, reuss = (2 * half + 3 * c) / 5, 5 * half * c / (2 * c + 3 * half)
    assert found.shear_modulus == pytest.approx((voigt + reuss) / 2, rel=1e-3)
    assert found.lowest_eigenvalue == pytest.approx(min(2 * half, c), rel=1e-3)
    assert found.stability == "stable" and found.deformations == 24


def test_elastic_constants_grow_with_pressure() -> None:
    """B(p) = B(0) + B' p, to first order, with B' of the equation of state."""
    pressure = 5 * units.GPa
    first = equation_of_state(bulk("Cu", a=COPPER), EMT())
    found = elastic_constants(bulk("Cu", a=COPPER), EMT(), pressure)
    assert found.bulk_modulus == pytest.approx(first.bulk_modulus + 5 * first.derivative, rel=0.03)


def test_born_s_criterion() -> None:
    found = elastic_constants(bulk("Cu", "bcc", a=2.87), EMT())
    stiffness = np.array(found.stiffness)
    assert stiffness[0, 0] < stiffness[0, 1]  # Bain's path leads down to fcc
    assert found.stability == "unstable"


def test_equation_of_state_of_copper() -> None:
    atoms = bulk("Cu", a=COPPER)
    volumes, energies = [], []
    for scale in np.linspace(0.975, 1.025, 9):
        strained = atoms.copy()
        strained.set_cell(atoms.cell * scale, scale_atoms=True)
        strained.calc = EMT()
        volumes.append(strained.get_volume())
        energies.append(strained.get_potential_energy())
    peer = EquationOfState(volumes, energies, "birchmurnaghan")
    volume, _, modulus = peer.fit()
    found = equation_of_state(bulk("Cu", a=3.7), EMT())
    assert found.volume == pytest.approx(volume, rel=1e-3)
    assert found.bulk_modulus == pytest.approx(modulus / units.GPa, rel=0.02)
    assert 3 < found.derivative < 7
    assert found.bulk_modulus == pytest.approx(elastic_constants(atoms, EMT()).bulk_modulus, rel=0.02)
    wide = np.linspace(0.95, 1.05, 5) * volume
    expected = [peer.func(v, *peer.eos_parameters) for v in wide]
    assert birch_murnaghan(found, wide) == pytest.approx(expected, abs=1e-3)
    assert len(found.volumes) == 7 and min(found.energies) == pytest.approx(energies[4], abs=1e-3)


def test_thermal_properties_of_aluminium(tmp_path: Path) -> None:
    settings = Settings(height=7.0, mesh=20.0)
    phonons(bulk("Al", a=3.99), EMT(), tmp_path, settings)
    rows = {row.temperature: row for row in thermal_properties(tmp_path / PARAMETERS, settings.mesh)}
    points = yaml.safe_load((tmp_path / MESH).read_text())["phonon"]
    modes = [(p["weight"], mode["frequency"]) for p in points for mode in p["band"]]
    total = sum(point["weight"] for point in points)
    energies = [(w / total, 1e12 * frequency * units._hplanck / units._e) for w, frequency in modes if frequency > 0.01]
    kt = units.kB * 300
    free = sum(w * (e / 2 + kt * log(1 - exp(-e / kt))) for w, e in energies)
    capacity = sum(w * (e / kt) ** 2 * exp(e / kt) / (exp(e / kt) - 1) ** 2 for w, e in energies)
    assert rows[300].free_energy == pytest.approx(free, rel=1e-3)
    assert rows[300].heat_capacity == pytest.approx(capacity * units._Nav * units._k, rel=1e-3)
    assert rows[0].free_energy == pytest.approx(sum(w * e / 2 for w, e in energies), rel=1e-3)
    assert rows[1500].heat_capacity == pytest.approx(3 * units._Nav * units._k, rel=0.01)  # Dulong and Petit


def report_data(workdir: Path) -> dict[str, Any]:
    page = write_report(workdir).read_text()
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    return json.loads(text)


@pytest.fixture(scope="module")
def screened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The alloy L1₀, and copper in a lattice that is not its own."""
    workdir = tmp_path_factory.mktemp("screened") / "run"
    stages = ["thermal", "elastic", *BASIC, "phonons", "eos"]
    options = Options("emt", stages=stages, relaxer=None, best=2, reference="none", cache=workdir.parent / "elements")
    made = recipe(options)
    made[6] = type(made[6])(made[6].engine, 2, Settings(height=6.0, mesh=20.0, confirm=0.0))
    cells = [bulk("Cu", a=3.6), bulk("Cu", "bcc", a=2.9), bulk("Cu", "sc", a=2.4)]
    run_stages(cells, workdir, made, workforce=Workforce(ThreadPoolExecutor(1), lambda: 1))
    publish(workdir)
    return workdir


def test_the_report_draws_them(screened: Path) -> None:
    (best, second, _), data = results(screened), report_data(screened)
    curve = data["eos"][best.id]
    assert min(curve["curve"]) == pytest.approx(0.0, abs=0.2)  # meV/atom above the minimum
    at_points = np.interp(curve["volumes"], curve["curve_volumes"], curve["curve"])
    assert at_points == pytest.approx(curve["energies"], abs=1.0)
    vibrations = data["thermal"][best.id]
    room = vibrations["temperature"].index(300.0)
    assert vibrations["free_energy"][room] == pytest.approx(1000 * best["free_energy_300K"], abs=0.01)
    assert vibrations["heat_capacity"][room] == pytest.approx(best["heat_capacity_300K"], abs=0.01)
    assert second.id not in data["thermal"]


def test_values_are_columns_and_files(screened: Path) -> None:
    best, second, third = results(screened)
    assert best["mechanical_stability"] == "stable" and best["elastic_reason"] is None
    assert (
        json.loads((screened / best.artifacts["elastic"] / "elastic.json").read_text())["bulk_modulus"]
        == best["bulk_modulus"]
    )
    assert best["eos_bulk_modulus"] == pytest.approx(best["bulk_modulus"], rel=0.02)
    assert 20 < best["heat_capacity_300K"] < 24.95
    with (screened / best.artifacts["thermal"] / TABLE).open() as file:
        table = {float(row["temperature"]): row for row in csv.DictReader(file)}
    assert float(table[300.0]["free_energy"]) == pytest.approx(best["free_energy_300K"], rel=1e-5)
    assert second["mechanical_stability"] == "unstable" and second["bulk_modulus"] is None
    assert second["phonons"] == "unstable" and second["thermal_reason"].startswith("unstable: modes down to -")
    assert third["mechanical_stability"] is None and not third.artifacts  # not among the best
    with (screened / "results.csv").open() as file:
        row = next(csv.DictReader(file))
    assert float(row["shear_modulus"]) == best["shear_modulus"]
    assert "Bulk modulus" in (screened / "report.html").read_text()


def test_optional_stages_come_last_as_they_are_named() -> None:
    default = chosen(Options("emt"))
    assert not {"elastic", "eos", "thermal"} & set(default)
    assert chosen(Options("emt", stages=["default"])) == default
    assert chosen(Options("emt", stages=["thermal", "default", "elastic"])) == [*default, "thermal", "elastic"]
    with pytest.raises(InputError, match="no stage 'elastics'; there are .*elastic.*default"):
        chosen(Options("emt", stages=["default", "elastics"]))
    with pytest.raises(InputError, match="thermal needs the stage phonons"):
        chosen(Options("emt", stages=["relax", "thermal"]))


def test_without_matcalc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calculated.util, "find_spec", lambda name: None)
    with pytest.raises(AsegenError, match=r"the stage elastic needs matcalc: pip install 'asegen\[elastic\]'"):
        Elastic.of(Options("emt"))


def test_a_crystal_that_does_not_come_to_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calculated, "STEPS", 1)
    with pytest.raises(calculated.NotMeasurableError, match="unconverged"):
        calculated.at_rest(bulk("Cu", a=3.9), EMT())
