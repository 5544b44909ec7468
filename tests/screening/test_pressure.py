"""A screening at a pressure: enthalpies everywhere, elements at it too, references at zero pressure refused."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write
from ase.spacegroup import crystal
from ase.units import GPa
from pymatgen.io.vasp import Incar

from asegen.cli.main import main
from asegen.errors import InputError
from asegen.parallel.workforce import Workforce
from asegen.potentials.minimise import minimise
from asegen.screening import read_atoms, screen
from asegen.screening.options import Options
from asegen.screening.stages.finite_displacements import Settings, phonons

THREADS = Workforce(ThreadPoolExecutor(1), lambda: 1)
"""Quick to start; nothing here harms a worker."""
PRESSURE = 40.0  # GPa


def ordered_gold() -> Atoms:
    """Cu3Au, L1_2."""
    made = crystal(["Au", "Cu"], [(0, 0, 0), (0, 0.5, 0.5)], spacegroup=221, cellpar=[3.74] * 3 + [90] * 3)
    return Atoms(made.numbers, made.positions, cell=made.cell, pbc=True)


def enthalpy(atoms: Atoms) -> float:
    return minimise(atoms, EMT(), fmax=1e-3, pressure=PRESSURE * GPa).enthalpy


def test_energies_are_enthalpies_at_the_pressure(tmp_path: Path) -> None:
    given = [ordered_gold(), bulk("Cu", "bcc", a=2.8)]
    how = {"stages": ["relax", "hull", "vasp"], "reference": "none", "cache": tmp_path / "cache"}
    how["workforce"] = THREADS
    found = screen(given, tmp_path / "run", "emt", fmax=1e-3, pressure=PRESSURE, **how)
    by_formula = {result["formula"]: result for result in found}
    gold, copper = by_formula["Cu3Au"], by_formula["Cu"]
    elements = {symbol: enthalpy(bulk(symbol)) for symbol in ("Cu", "Au")}
    assert gold["energy"] == pytest.approx(enthalpy(ordered_gold()), abs=1e-4)
    assert gold["pressure"] == PRESSURE and gold["energy_scale"] == "EMT, enthalpy at 40 GPa"
    relaxed = read_atoms(tmp_path / "run", gold.id)
    assert relaxed is not None
    work = PRESSURE * GPa * relaxed.get_volume() / len(relaxed)
    assert gold["energy"] - gold["internal_energy"] == pytest.approx(work, abs=1e-6)
    formed = gold["energy"] - 0.75 * elements["Cu"] - 0.25 * elements["Au"]
    assert gold["formation_energy"] == pytest.approx(formed, abs=2e-4)
    assert copper["e_hull"] == pytest.approx(copper["energy"] - elements["Cu"], abs=2e-4) and copper["e_hull"] > 0
    assert gold["known_composition"] is None
    assert Incar.from_file(tmp_path / "run" / gold["artifacts"]["vasp"] / "INCAR")["PSTRESS"] == 10 * PRESSURE
    with pytest.raises(InputError, match="take another folder"):
        screen(given, tmp_path / "run", "emt", fmax=1e-3, pressure=1, **how)


def test_phonons_are_stiffer_under_pressure(tmp_path: Path) -> None:
    settings = Settings(height=4.0, mesh=5.0)
    at_rest = phonons(bulk("Al"), EMT(), tmp_path / "a", settings)
    compressed = phonons(bulk("Al"), EMT(), tmp_path / "b", settings, pressure=PRESSURE * GPa)
    before = phonons(minimise(bulk("Al"), EMT(), pressure=PRESSURE * GPa).atoms, EMT(), tmp_path / "c", settings)
    assert max(compressed.dos_frequencies) > 1.2 * max(at_rest.dos_frequencies)
    assert max(before.dos_frequencies) == pytest.approx(max(at_rest.dos_frequencies), rel=0.02)  # it was relaxed again


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pressure": -1}, "pressure = -1: a number of GPa"),
        ({"pressure": 5}, "reference = mp: that hull is at zero pressure; none leaves it out"),
        ({"pressure": float("inf"), "reference": "none"}, "pressure = inf"),
    ],
)
def test_what_doesnt_go_with_a_pressure_is_refused(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Options(**given)


def test_energies_of_zero_pressure_in_a_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write("in.extxyz", bulk("Cu"))
    Path("known.csv").write_text("formula,energy_per_atom,energy_scale\nCuAu,-0.1,EMT\n")
    start = ["screen", "in.extxyz", "--workdir", "run", "--calculator", "emt", "--jobs", "1", "--pressure", "20"]
    for extra, message in (
        (["--reference", "none", "--reference", "known.csv"], "an energy on the scale 'EMT', not 'EMT, enthalpy at 20"),
        (["--reference", "mp"], "--reference mp: that hull is at zero pressure"),
        (["--stages", "relax,eos"], "--stages: the stage eos is of crystals at zero pressure"),
        (["--pressure", "-2"], "--pressure -2: a number of GPa that isn't negative is needed"),
    ):
        with pytest.raises(SystemExit) as stop:
            main([*start, *extra])
        last = capsys.readouterr().err.splitlines()[-1]
        assert stop.value.code == 2 and message in last, last
