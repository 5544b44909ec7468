"""`asegen relax --calculator`: files in and out, kills and resumed runs, bad command lines. The calculator is EMT."""

import csv
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.constraints import FixAtoms
from ase.io import read, write
from ase.units import GPa

from asegen.calculators.minimisation import Minimisation
from asegen.calculators.relaxation_run import journal_of, relax_files
from asegen.cli.main import main
from asegen.errors import InputError
from asegen.potentials.engine import find_engine

QUICK = ["--calculator", "emt", "--no-prerelax", "--jobs", "1"]


def frames(n: int = 4) -> list:
    made = [bulk("Cu", a=3.5 + 0.05 * k, cubic=True) for k in range(n)]
    for k, atoms in enumerate(made):
        atoms.rattle(0.05, seed=k)
        atoms.info |= {"material_id": f"m-{k}", "tag": "kept", "formula": "my formula", "sample_index": 1000}
    made[-1].set_constraint(FixAtoms([0]))
    return made


def test_every_frame_ends_with_one_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "in.extxyz", [*frames(), molecule("H2O"), bulk("Fe")])
    out, table = tmp_path / "out.extxyz", tmp_path / "table.csv"
    arguments = [str(tmp_path / "in.extxyz"), str(tmp_path / "missing.cif"), "-o", str(out), "--status", str(table)]
    main(["relax", *arguments, *QUICK, "--pressure", "10"])
    rows = list(csv.DictReader(table.open()))
    assert [row["status"] for row in rows] == ["converged"] * 4 + ["refused"] * 2 + ["unreadable"]
    found = read(out, ":")
    for row, before, after in zip(rows, frames(), found, strict=False):
        assert after.info | before.info == after.info
        assert after.get_stress()[:3] == pytest.approx([-10 * GPa] * 3, rel=0.1)
        assert float(row["enthalpy"]) == pytest.approx(after.info["relax_enthalpy_per_atom"], abs=1e-5)
        assert float(row["enthalpy"]) - float(row["energy"]) == pytest.approx(10 * GPa * after.get_volume() / 4, 1e-3)
    fixed = found[3].get_scaled_positions(wrap=False)[0] - frames()[3].get_scaled_positions(wrap=False)[0]
    assert np.abs(fixed).max() < 1e-6 and found[3].constraints[0].index.tolist() == [0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.extxyz", "out.extxyz", "table.csv"]
    assert "4 converged, 2 refused, 1 unreadable" in capsys.readouterr().err


def test_a_file_that_was_relaxed_before_keeps_no_old_notes(tmp_path: Path) -> None:
    write(tmp_path / "in.extxyz", bulk("Cu", a=3.4))
    first, second = str(tmp_path / "first.extxyz"), str(tmp_path / "second.extxyz")
    main(["relax", str(tmp_path / "in.extxyz"), "-o", first, *QUICK, "--steps", "1"])
    assert "relax_reason" in read(first).info
    main(["relax", first, "-o", second])
    assert read(second).info["relax_status"] == "converged"
    assert {"relax_reason", "relax_energy_per_atom", "relax_calculator"}.isdisjoint(read(second).info)


def test_paths_may_be_text(tmp_path: Path) -> None:
    write(tmp_path / "in.extxyz", bulk("Cu", a=3.6))
    minimisation = Minimisation(find_engine("emt"), prerelax=None)
    for k, inputs in enumerate((str(tmp_path / "in.extxyz"), [str(tmp_path / "in.extxyz")])):
        table = str(tmp_path / f"{k}.csv")
        assert [row.status for row in relax_files(inputs, f"{tmp_path}/{k}.db", minimisation, table=table)] == [
            "converged"
        ]
        assert Path(table).is_file()
    with pytest.raises(InputError, match="engine = 'emt': what find_engine gives"):
        Minimisation("emt")


def test_negative_energies_are_numbers_in_the_table(tmp_path: Path) -> None:
    write(tmp_path / "in.extxyz", bulk("Cu", a=3.6))
    arguments = ["-o", str(tmp_path / "out.extxyz"), "--status", str(tmp_path / "t.csv"), "--fmax", "0.001"]
    main(["relax", str(tmp_path / "in.extxyz"), *arguments, *QUICK])
    (row,) = csv.DictReader((tmp_path / "t.csv").open())
    assert -0.1 < float(row["energy"]) < 0


class Killed(BaseException):
    """What nothing catches."""


def test_a_run_that_ended_goes_on_to_the_same_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, whole, out = tmp_path / "in.extxyz", tmp_path / "whole.extxyz", tmp_path / "out.extxyz"
    write(source, frames(5))
    minimisation = Minimisation(find_engine("emt"), prerelax=None, steps=2)
    relax_files([source], whole, minimisation)

    def kill(done: int, total: int) -> None:
        if done == 3:
            raise Killed

    with pytest.raises(Killed):
        relax_files([source], out, minimisation, report=kill)
    journal = journal_of(out)
    assert not out.exists() and len(journal.read_text().splitlines()) == 4
    journal.write_bytes(journal.read_bytes()[:-7])  # as a kill may leave it
    with pytest.raises(InputError, match="resume goes on, overwrite replaces"):
        relax_files([source], out, minimisation)
    with pytest.raises(InputError, match=r"with other options \(steps = 2 → 500\)"):
        relax_files([source], out, Minimisation(find_engine("emt"), prerelax=None), resume=True)
    with pytest.raises(SystemExit):
        main(["relax", str(source), "-o", str(out), *QUICK, "--resume", "--fix-cell", "--steps", "2"])
    printed = capsys.readouterr().err
    assert "with other options (--fix-cell False → True): repeat those, or start with --overwrite" in printed
    told: list[int] = []
    relax_files([source], out, minimisation, resume=True, report=lambda done, total: told.append(done))
    assert told == [2, 3, 4, 5]
    assert out.read_bytes() == whole.read_bytes() and not journal.exists()
    assert relax_files([source], out, minimisation, resume=True) == []


@pytest.mark.slow
def test_sigkill_at_any_moment(tmp_path: Path) -> None:
    write(tmp_path / "in.extxyz", frames(30))
    command = [sys.executable, "-m", "asegen.cli.main", "relax", "in.extxyz", *QUICK, "-o"]
    subprocess.run([*command, "whole.extxyz"], cwd=tmp_path, check=True, capture_output=True)
    out = tmp_path / "out.extxyz"
    for _ in range(20):
        process = subprocess.Popen([*command, out.name, "--resume"], cwd=tmp_path, stderr=subprocess.DEVNULL)
        begun = journal_of(out).stat().st_size if journal_of(out).exists() else 0
        while process.poll() is None and (
            not journal_of(out).exists() or journal_of(out).stat().st_size < begun + 9000
        ):
            time.sleep(0.01)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == 0 and out.read_bytes() == (tmp_path / "whole.extxyz").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--calculator", "emt", "--pressure", "-3"], "--pressure -3: a number of GPa"),
        (["--pressure", "3"], "--pressure goes with --calculator only"),
        (["--resume"], "--resume goes with --calculator only"),
        (["--no-prerelax"], "--no-prerelax goes with --calculator only"),
        (["--calculator", "emt", "--fix-positions"], "--fix-positions doesn't go with --calculator"),
        (["--calculator", "emt", "--pressure", "3", "--fix-cell"], "--pressure and --fix-cell exclude each other"),
        (["--calculator", "emt", "--fmax", "0"], "--fmax 0: a positive number"),
        (["--calculator", "emt", "--time-limit", "0"], "--time-limit 0: must be greater than 0"),
        (["--calculator", "emt", "--jobs", "0"], "--jobs 0: at least one process"),
        (["--calculator", "emt", "--resume", "--overwrite"], "--resume and --overwrite exclude each other"),
        (["--calculator", "nothing"], "no calculator 'nothing'"),
        (["--calculator", "math:pi"], "math:pi is neither"),
    ],
)
def test_nonsense_is_one_line_and_exit_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write("in.extxyz", frames(1))
    with pytest.raises(SystemExit) as stop:
        main(["relax", "in.extxyz", "-o", "out.cif", *arguments])
    assert stop.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("asegen: error:") and message in last
    assert not Path("out.cif").exists()


def test_where_nothing_could_be_relaxed_the_line_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "in.extxyz", bulk("Fe"))
    with pytest.raises(SystemExit) as stop:
        main(["relax", str(tmp_path / "in.extxyz"), "-o", str(tmp_path / "out.cif"), *QUICK])
    last = capsys.readouterr().err.splitlines()[-1]
    assert stop.value.code == 2 and "frame 0 (0): refused: unknown element: emt does not know Fe" in last
