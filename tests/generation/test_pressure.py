"""Generation at a pressure: candidates at the volume of that pressure, ordered by enthalpy; what can't is one line."""

from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import read
from ase.units import GPa

from asegen import Generator, Ranking
from asegen.cli.main import main
from asegen.errors import InputError
from asegen.generation.rankers import find_ranker
from asegen.potentials.minimise import minimise


def test_candidates_come_to_the_pressure_and_their_energies_are_enthalpies() -> None:
    ranker = find_ranker("emt", pressure=50.0)
    assert ranker is not None and ranker.references is None and "50 GPa" in ranker.identity
    (judged,) = ranker.judge([bulk("Cu", a=3.7, cubic=True)])
    end = minimise(bulk("Cu", a=3.4, cubic=True), EMT(), fmax=0.01, pressure=50 * GPa)
    assert judged.energy == pytest.approx(end.enthalpy, abs=1e-3)
    assert judged.atoms.get_volume() == pytest.approx(end.atoms.get_volume(), rel=0.01)
    assert judged.atoms.info["pressure"] == 50


def test_the_command_writes_them_in_order(tmp_path: Path) -> None:
    out = tmp_path / "out.extxyz"
    arguments = ["--method", "template", "--rank", "emt", "-n", "4", "--pressure", "60", "-o", str(out)]
    main(["generate", "CuAu", *arguments])
    found = read(out, ":")
    enthalpies = [atoms.info["energy_per_atom"] for atoms in found]
    assert min(enthalpies) == enthalpies[0] and len(found) >= 2
    for atoms in found:
        plain = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True, calculator=EMT())
        work = 60 * GPa * atoms.get_volume()
        assert atoms.info["energy_per_atom"] == pytest.approx(
            (plain.get_potential_energy() + work) / len(atoms), abs=1e-4
        )
        assert plain.get_stress()[:3].mean() == pytest.approx(-60 * GPa, rel=0.05)
        assert atoms.info["pressure"] == 60 and "e_hull_predicted" not in atoms.info and "e_hull" not in atoms.info


def test_what_cannot_be_done_at_a_pressure() -> None:
    with pytest.raises(InputError, match="pressure needs forces: rank by chgnet or a calculator, not alignn"):
        Ranking("alignn", pressure=10)
    with pytest.raises(InputError, match="pressure = -1: a number of GPa"):
        Ranking("emt", pressure=-1)
    with pytest.raises(InputError, match="pressure would move the host"):
        Generator("host", rank=Ranking("emt", pressure=10))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pressure", "-3"], "--pressure -3: a number of GPa that isn't negative is needed"),
        (
            ["--pressure", "3", "--rank", "alignn"],
            "--pressure needs forces: rank by chgnet or a calculator, not alignn",
        ),
        (["--pressure", "nan"], "--pressure nan"),
    ],
)
def test_bad_command_lines(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["generate", "NaCl", "-o", "never.extxyz", *arguments])
    assert stop.value.code == 2 and message in capsys.readouterr().err.splitlines()[-1]
