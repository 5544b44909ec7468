"""DFT that is read back: corrections by their published numbers, hulls by the shipped table, statuses, the command."""

import csv
import gzip
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ase.io
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers

from asegen.cli.main import main
from asegen.errors import InputError
from asegen.hull.elements import element_energies
from asegen.hull.table import shipped_hull
from asegen.parallel.workforce import Workforce
from asegen.potentials.chgnet import ELEMENT_ENERGIES
from asegen.screening import Options, recipe, results
from asegen.screening.collect import collect
from asegen.screening.pipeline import run_stages
from asegen.screening.stages.dft_outputs import read_run
from asegen.screening.stages.hull_plots import DFT_HULLS, read_plots

CHLORINE = -0.614
"""eV for each chloride, the correction of MP2020 (A. Wang et al., Sci. Rep. 2021)."""
SILICON = Path(__file__).with_name("si_relax.out.gz")
"""What pw.x 6.7 wrote of silicon, relaxed by the inputs of `asegen.screening.stages.espresso`."""
THREADS = Workforce(ThreadPoolExecutor(1), lambda: 1)
"""Quick to start; nothing here harms a worker."""
STAGES = ["read", "dedup", "symmetrise", "relax", "compare", "hull"]


def salt() -> Atoms:
    return bulk("NaCl", "rocksalt", a=5.69)


def alloys() -> list[Atoms]:
    ordered = bulk("Cu", cubic=True)
    ordered.symbols[0] = "Au"
    return [bulk("CuAu", "cesiumchloride", a=3.1), bulk("CuAu", "rocksalt", a=5.6), ordered, bulk("Cu", a=3.6)]


@pytest.fixture
def screened(tmp_path: Path) -> Path:
    """Alloys of copper and gold: two polymorphs of CuAu, Cu3Au, Cu."""
    stages = recipe(Options("emt", stages=STAGES, relaxer=None, reference="none", cache=tmp_path / "elements"))
    run_stages(alloys(), tmp_path / "run", stages, workforce=THREADS)
    return tmp_path / "run"


Vasprun, Finished = Callable[..., str], Callable[..., None]


@pytest.fixture
def finished(vasprun: Vasprun) -> Finished:
    """Makes what VASP leaves of a crystal with a formation energy, eV/atom, relative to the elements of MP."""

    def make(folder: Path, formula: str, formation: float, settings: dict[str, object] | None = None) -> None:
        crystals = {"Cu3Au": alloys()[2], "CuAu": alloys()[0], "Cu": alloys()[3], "Au": bulk("Au", a=4.17)}
        atoms = crystals[formula][crystals[formula].numbers.argsort(kind="stable")]
        total = sum(element_energies()[symbol] for symbol in atoms.symbols) + formation * len(atoms)
        write_run(folder, vasprun(atoms, total, settings=settings))

    return make


def write_run(folder: Path, text: str) -> None:
    folder.mkdir(parents=True)
    (folder / "vasprun.xml").write_text(text)


def test_the_correction_of_the_materials_project(tmp_path: Path, vasprun: Vasprun) -> None:
    write_run(tmp_path / "a", vasprun(salt(), -6.8))
    found = read_run(tmp_path / "a")
    assert (found.status, found.energy_scale) == ("finished", "MP2020")
    assert found.energy == pytest.approx((-6.8 + CHLORINE) / 2, abs=1e-6)
    assert found.atoms.cell.array == pytest.approx(salt().cell.array)
    write_run(tmp_path / "b", vasprun(salt(), -6.8, settings={"ENCUT": 400.0}))
    found = read_run(tmp_path / "b")
    assert (found.energy, found.energy_scale) == (-3.4, "VASP PBE, 400 eV")


def test_other_values_of_u_are_another_scale(tmp_path: Path, vasprun: Vasprun) -> None:
    oxide = bulk("FeO", "rocksalt", a=4.3)
    write_run(tmp_path / "a", vasprun(oxide, -15.0))
    assert read_run(tmp_path / "a").energy_scale == "MP2020"
    write_run(tmp_path / "b", vasprun(oxide, -15.0, settings={"LDAUU": [4.0, 0]}))
    assert read_run(tmp_path / "b").energy_scale == "VASP PBE+U, 520 eV"


@pytest.mark.parametrize(
    ("more", "status", "reason"),
    [
        ({"force": 0.4}, "unconverged", "forces of 0.40 eV/Å"),
        ({"stress": 12.0}, "unconverged", "stress of 12.0 GPa"),
        ({"electronic_steps": 60}, "unconverged", "all of its NELM steps"),
        ({"settings": {"NSW": 2, "EDIFFG": -0.01}}, "finished", ""),
    ],
)
def test_what_did_not_converge(
    tmp_path: Path, more: dict[str, object], status: str, reason: str, vasprun: Vasprun
) -> None:
    write_run(tmp_path / "a", vasprun(salt(), -6.8, **more))
    found = read_run(tmp_path / "a")
    assert found.status == status and reason in found.reason


def test_files_that_are_not_whole(tmp_path: Path, vasprun: Vasprun) -> None:
    text = vasprun(salt(), -6.8)
    write_run(tmp_path / "cut", text[:-100])
    assert read_run(tmp_path / "cut").status == "unfinished"
    write_run(tmp_path / "broken", text.replace("</atominfo>", ""))
    found = read_run(tmp_path / "broken")
    assert found.status == "failed" and found.reason.startswith("vasprun.xml can't be read: ")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "vasprun.xml").touch()
    (tmp_path / "empty" / "slurm.out").write_text("srun: error: no space left on device\n")
    assert read_run(tmp_path / "empty").status == "not run"
    (tmp_path / "zipped").mkdir()
    whole = gzip.compress(text.encode())
    (tmp_path / "zipped" / "vasprun.xml.gz").write_bytes(whole[: len(whole) // 2])
    assert read_run(tmp_path / "zipped").status == "unfinished"
    (tmp_path / "zipped" / "vasprun.xml.relax2.gz").write_bytes(whole)
    assert read_run(tmp_path / "zipped").status == "finished"


def test_the_static_step_goes_first_and_the_relaxation_stands_in(tmp_path: Path, vasprun: Vasprun) -> None:
    (tmp_path / "vasprun.xml").write_text(vasprun(salt(), -6.8))
    write_run(tmp_path / "static", vasprun(salt(), -6.9))
    assert read_run(tmp_path).energy == pytest.approx((-6.9 + CHLORINE) / 2)
    (tmp_path / "static" / "vasprun.xml").write_text(vasprun(salt(), -6.9)[:-100])
    assert read_run(tmp_path).energy == pytest.approx((-6.8 + CHLORINE) / 2)


def test_quantum_espresso(tmp_path: Path) -> None:
    shutil.copy(SILICON, tmp_path / "relax.out.gz")
    text = gzip.decompress(SILICON.read_bytes()).decode()
    (tmp_path / "relax.out").write_text(text)
    peer = ase.io.read(tmp_path / "relax.out", format="espresso-out")
    found = read_run(tmp_path)
    assert found.status == "finished" and found.energy_scale == "Quantum ESPRESSO, SLA PZ NOGX NOGC, 14.0000"
    assert found.energy == pytest.approx(peer.get_potential_energy() / 2)
    assert found.atoms.cell.array == pytest.approx(peer.cell.array)
    (tmp_path / "relax.out.gz").unlink()
    (tmp_path / "relax.out").write_text(text.replace("JOB DONE", ""))
    assert read_run(tmp_path).status == "unfinished"


def test_the_hull_of_the_materials_project(screened: Path, finished: Finished) -> None:
    ids = {result["formula"]: result.id for result in results(screened) if result["space_group"] != "Fm-3m (225)"}
    table = shipped_hull()
    counts = {atomic_numbers["Cu"]: 1, atomic_numbers["Au"]: 1}
    for id, formula, formation in ((ids["CuAu"], "CuAu", 0.02), (ids["Cu3Au"], "Cu3Au", -0.01)):
        finished(screened / "vasp" / id, formula, formation)
    found = {result["formula"]: result for result in collect(screened).results if result["energy_dft"] is not None}
    assert found["CuAu"]["e_hull_dft"] == pytest.approx(table.above(counts, 0.02), abs=2e-3)
    assert found["CuAu"]["decomposes_into_dft"]
    assert {formula: result["rank_dft"] for formula, result in found.items()} == {"CuAu": 2, "Cu3Au": 1}
    assert found["CuAu"]["energy_scale_dft"] == "MP2020" and found["CuAu"]["dft_status"] == "finished"
    (plot,) = read_plots(screened / DFT_HULLS)
    drawn = {phase.id: phase.e_hull for phase in plot.phases if phase.kind == "candidate"}
    assert plot.energy_scale == "MP2020" and drawn[ids["CuAu"]] == pytest.approx(found["CuAu"]["e_hull_dft"])
    assert found["CuAu"]["dft_output"] == f"vasp/{ids['CuAu']}/vasprun.xml"


def test_a_hull_of_what_was_computed_in_the_same_way(screened: Path, tmp_path: Path, finished: Finished) -> None:
    coarse = {"ENCUT": 400.0}
    by_group = {(result["formula"], result["space_group"]): result.id for result in results(screened)}
    first, second = by_group["CuAu", "Pm-3m (221)"], by_group["CuAu", "Fm-3m (225)"]
    finished(screened / "vasp" / first, "CuAu", -0.02, coarse)
    finished(screened / "vasp" / second, "CuAu", 0.05, coarse)
    lonely = {result.id: result for result in collect(screened).results}
    assert lonely[first]["e_hull_dft"] is None and "no reference phase of Au" in lonely[first]["e_hull_dft_reason"]
    assert lonely[first]["above_lowest_dft"] == 0 and lonely[second]["above_lowest_dft"] == pytest.approx(0.07)
    finished(tmp_path / "refs" / "Cu", "Cu", 0.0, coarse)
    finished(tmp_path / "refs" / "Au", "Au", 0.01, coarse)  # less stable than the one of MP
    told = collect(screened, [screened / "vasp", tmp_path / "refs"])
    assert set(told.references) == {"Cu", "Au"} and told.counts == {"finished": 2}
    assert set(collect(screened, str(tmp_path / "refs")).references) == {"Cu", "Au"}
    told = collect(screened, [screened / "vasp", tmp_path / "refs"])
    found = {result.id: result for result in told.results}
    assert (found[first]["e_hull_dft"], found[first]["rank_dft"]) == (0.0, 1)
    assert found[second]["e_hull_dft"] == pytest.approx(0.07, abs=1e-6)
    crystals = ase.io.read(screened / "dft.extxyz", ":")
    assert [atoms.info["candidate"] for atoms in crystals] == [first, second]
    with (screened / "results.csv").open() as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert float(rows[second]["e_hull_dft"]) == pytest.approx(0.07, abs=1e-6)
    assert rows[first]["energy_scale_dft"] == "VASP PBE, 400 eV"


def test_the_command(screened: Path, capsys: pytest.CaptureFixture[str], finished: Finished) -> None:
    ids = [result.id for result in results(screened)]
    wanted = next(result.id for result in results(screened) if result["formula"] == "Cu3Au")
    finished(screened / "vasp" / wanted, "Cu3Au", -0.05)
    other = next(id for id in ids if id != wanted)
    finished(screened / "vasp" / other, "Au", 0.0)
    (screened / "vasp" / next(id for id in ids if id not in (wanted, other))).mkdir()
    main(["screen", "--workdir", str(screened), "--collect"])
    told = " ".join(capsys.readouterr().out.split())
    assert "DFT of 3 candidates: 1 finished, 1 failed, 1 not run" in told
    assert f"{other} {dict((r.id, r['formula']) for r in results(screened))[other]}: it is of Au, not of" in told
    assert "DFT hull, DFT status" in told  # heads of numbers take two lines
    assert "e_hull_dft" in (screened / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in.extxyz", "--collect"], "no structures beside it"),
        (["--collect", "absent"], "--collect absent: there is no such folder"),
    ],
)
def test_what_cannot_be_collected(
    screened: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["screen", "--workdir", str(screened), *arguments])
    assert end.value.code == 2 and message in " ".join(capsys.readouterr().err.split())


def test_no_screening(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no screening"):
        collect(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_screening_goes_on_afterwards(screened: Path, tmp_path: Path, finished: Finished) -> None:
    wanted = next(result.id for result in results(screened) if result["formula"] == "Cu3Au")
    finished(screened / "vasp" / wanted, "Cu3Au", -0.05)
    collect(screened)
    stages = recipe(Options("emt", stages=STAGES, relaxer=None, reference="none", cache=tmp_path / "elements"))
    again = {result.id: result for result in run_stages(alloys(), screened, stages, workforce=THREADS)}
    assert again[wanted]["rank_dft"] == 1 and again[wanted].status == "ok"


def test_energies_of_the_elements_are_those_that_potentials_learn() -> None:
    ours, fitted = element_energies(), ELEMENT_ENERGIES
    common = set(ours) & set(fitted) - {"Pu", "Np"}
    assert len(common) > 80 and max(abs(ours[symbol] - fitted[symbol]) for symbol in common) < 0.05
