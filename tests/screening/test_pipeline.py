"""The pipeline itself: the one to blame is quarantined, any executor serves, order decides nothing."""

import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.db import connect
from ase.io import read, write

from asegen.errors import AsegenError, InputError
from asegen.parallel.workforce import Workforce
from asegen.potentials.engine import find_engine
from asegen.screening.claims import Ledger
from asegen.screening.execution import Stopped
from asegen.screening.exports import export
from asegen.screening.ledger import provenance, read_atoms
from asegen.screening.options import Options
from asegen.screening.pipeline import run_stages
from asegen.screening.records import Candidate, Outcome, candidate_id
from asegen.screening.registry import recipe
from asegen.screening.result import results
from asegen.screening.stage import Stage
from asegen.screening.stages.best import best
from asegen.screening.stages.compare import Compare
from asegen.screening.stages.deduplicate import Deduplicate
from asegen.screening.stages.finite_displacements import Settings
from asegen.screening.stages.phonons import Phonons
from asegen.screening.stages.prerelax import Prerelax
from asegen.screening.stages.read import Read
from asegen.screening.stages.relax import Relax
from asegen.screening.stages.symmetrise import Symmetrise
from asegen.structures.space_groups import space_group

sys.path.insert(0, str(Path(__file__).parent))  # which workers get, too
from faulty import Full, Killing

SMALL = Settings(height=6.0, mesh=20.0)
"""Phonons in a second."""
THREADS = Workforce(ThreadPoolExecutor(2), lambda: 2)
"""Quick to start; for work that harms nobody."""


@dataclass(frozen=True)
class Failing(Stage):
    """Raises over every candidate but the first, together or alone."""

    name: ClassVar[str] = "failing"

    def groups(self, candidates):
        return [[candidate.key for candidate in candidates]]

    def work(self, candidates, supplied):
        if any(candidate.key > 1 for candidate in candidates):
            raise ValueError("no such\nluck")
        return [Outcome() for _ in candidates]


@pytest.fixture
def coppers(tmp_path: Path) -> Path:
    """Seven different cells of copper."""
    path = tmp_path / "in.extxyz"
    write(path, [bulk("Cu", a=3.0 + 0.3 * k) for k in range(7)])
    return path


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        pytest.param(signal.SIGSEGV, "SIGSEGV", id="crash"),
        # How often each is tried is shown in test_claims.py, which deaths are whose fault in tests/parallel.
        pytest.param(signal.SIGKILL, "SIGKILL", id="killed", marks=pytest.mark.slow),
    ],
)
def test_only_the_candidate_that_kills_is_quarantined(coppers: Path, tmp_path: Path, number: int, reason: str) -> None:
    (tmp_path / "tries").mkdir()
    found = run_stages(
        [coppers], tmp_path / "run", [Read(), Killing(5, str(tmp_path / "tries"), False, number)], jobs=2
    )
    assert [r.id for r in found if r.status == "quarantined"] == ["c000005"]
    (culprit,) = (r for r in found if r.status == "quarantined")
    assert reason in culprit.text
    assert all(r.notes == ("survived",) for r in found if r is not culprit) and len(found) == 7
    tries = len(list((tmp_path / "tries").iterdir()))
    assert tries == (4 if number == signal.SIGSEGV else 6)  # twice or thrice in its group, as often alone


def test_a_worker_that_dies_once_costs_nothing(coppers: Path, tmp_path: Path) -> None:
    (tmp_path / "tries").mkdir()
    found = run_stages([coppers], tmp_path / "run", [Read(), Killing(5, str(tmp_path / "tries"), True)], jobs=2)
    assert [r.notes for r in found] == [("survived",)] * 7
    assert len(list((tmp_path / "tries").iterdir())) == 2


def test_an_error_of_a_stage_is_pinned_to_its_candidates(coppers: Path, tmp_path: Path) -> None:
    found = run_stages([coppers], tmp_path / "run", [Read(), Failing()], workforce=THREADS)
    assert [r.status for r in found] == ["ok"] + ["failed"] * 6
    assert {r.text for r in found[1:]} == {"ValueError: no such luck"}


def test_a_full_disk_ends_the_run_and_blames_nobody(coppers: Path, tmp_path: Path) -> None:
    with pytest.raises(AsegenError, match=r"a worker cannot write .*No space left"):
        run_stages([coppers], tmp_path / "run", [Read(), Full()], workforce=THREADS)
    assert {r.status for r in results(tmp_path / "run")} == {"pending"}


def test_a_script_of_three_lines_needs_no_guard(coppers: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import pandas\nfrom asegen.screening import screen\n"
        f"found = screen({str(coppers)!r}, 'run', 'emt', stages=['dedup'], jobs=1)\n"
        "for row in pandas.DataFrame(found).itertuples(): print(row.formula, row.status)\n"
    )
    told = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[0] == "Cu ok" and len(told.stdout.splitlines()) == 7


def test_a_stock_pool_that_breaks_ends_the_run_and_not_the_ledger(coppers: Path, tmp_path: Path) -> None:
    (tmp_path / "tries").mkdir()
    # killed from outside: a crash would have Python's fault handler write into the terminal
    stages = [Read(), Killing(5, str(tmp_path / "tries"), True, signal.SIGKILL)]
    with ProcessPoolExecutor(1) as pool, pytest.raises(AsegenError, match="the same command does the rest"):
        run_stages([coppers], tmp_path / "run", stages, workforce=Workforce(pool, lambda: 1))
    found = run_stages([coppers], tmp_path / "run", stages, workforce=THREADS)
    assert [r.status for r in found] == ["ok"] * 7


def test_results_do_not_depend_on_who_finishes_first(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    frames = [bulk("Cu", kind, a=a).repeat(2) for kind, a in [("fcc", 3.6), ("bcc", 2.9), ("sc", 2.4)] * 2]
    for atoms in frames:
        atoms.rattle(0.05, rng=rng)
    write(tmp_path / "in.extxyz", frames)
    stages = [Read(at_once=1), Deduplicate(), Symmetrise(), Relax(find_engine("emt"), steps=60), Compare()]
    tables = []
    for k, workers in enumerate((1, 4)):
        force = Workforce(ThreadPoolExecutor(workers), lambda n=workers: n)
        found = run_stages([tmp_path / "in.extxyz"], tmp_path / f"run{k}", stages, workforce=force)
        export(tmp_path / f"run{k}")
        tables.append([(r.id, r.rank, r.status, r["energy"], r["duplicate_of"], r["space_group"]) for r in found])
    assert tables[0] == tables[1]
    assert len({row[2] for row in tables[0]}) > 1
    lowest = min(row[3] for row in tables[0] if row[3] is not None)
    assert tables[0][0][3] == lowest


def test_more_stages_and_more_of_the_best_go_on_from_what_was_done(tmp_path: Path) -> None:
    write(tmp_path / "in.extxyz", [bulk(symbol) for symbol in ("Cu", "Al", "Ni")])
    engine, run = find_engine("emt"), tmp_path / "run"
    first = [Read(), Relax(engine)]
    run_stages([tmp_path / "in.extxyz"], run, first, workforce=THREADS)
    before = sqlite3.connect(run / "ledger.sqlite").execute("SELECT * FROM outcomes").fetchall()
    found = run_stages([tmp_path / "in.extxyz"], run, [*first, Phonons(engine, 1, SMALL)], workforce=THREADS)
    assert [bool(r["phonons"] or r["phonons_reason"]) for r in found] == [True, False, False]
    found = run_stages([tmp_path / "in.extxyz"], run, [*first, Phonons(engine, 2, SMALL)], workforce=THREADS)
    assert [bool(r["phonons"] or r["phonons_reason"]) for r in found] == [True, True, False]
    after = sqlite3.connect(run / "ledger.sqlite").execute("SELECT * FROM outcomes").fetchall()
    assert [row for row in after if row[1] != "phonons"] == before
    with pytest.raises(InputError, match="fmax 0.05, not 0.01"):
        run_stages([tmp_path / "in.extxyz"], run, [Read(), Relax(engine, fmax=0.01)], workforce=THREADS)


def test_a_finished_run_is_only_read(coppers: Path, tmp_path: Path) -> None:
    found = run_stages([coppers], tmp_path / "run", [Read()], workforce=THREADS)
    ended = ThreadPoolExecutor(1)
    ended.shutdown()
    assert run_stages([coppers], tmp_path / "run", [Read()], workforce=Workforce(ended, lambda: 1)) == found
    coppers.unlink()  # is in the ledger
    assert run_stages([coppers], tmp_path / "run", [Read()], workforce=Workforce(ended, lambda: 1)) == found


def test_stopping_keeps_what_was_done(coppers: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        run_stages([coppers], tmp_path / "run", [Read()], workforce=THREADS, stop=stop)
    assert len(run_stages([coppers], tmp_path / "run", [Read()], workforce=THREADS)) == 7


def test_inputs_of_every_kind_arrive(tmp_path: Path) -> None:
    cell = bulk("NaCl", "rocksalt", a=5.6)
    write(tmp_path / "a.traj", [cell, bulk("Cu")])
    write(tmp_path / "b.cif", cell)
    with connect(tmp_path / "c.db") as database:
        database.write(cell)
    write(tmp_path / "POSCAR-d", cell, format="vasp")
    found = run_stages([tmp_path], tmp_path / "out" / "run", [Read()], workforce=THREADS)
    assert [r["formula"] for r in sorted(found, key=lambda r: r.id)] == ["NaCl", "NaCl", "Cu", "NaCl", "NaCl"]
    assert {r["space_group_before"] for r in found} == {"Fm-3m (225)"}


def test_the_most_promising_are_relaxed_first_whatever_file_they_come_in(tmp_path: Path) -> None:
    def ranked(symbol: str, **info):
        atoms = bulk(symbol)
        atoms.info |= info
        return atoms

    write(tmp_path / "a.extxyz", [ranked("Cu", rank=3), ranked("Al"), ranked("Pt", rank="best"), ranked("Ag", rank=1)])
    write(tmp_path / "b.traj", [ranked("Ni", rank=2)])
    with connect(tmp_path / "c.db") as database:
        database.write(bulk("Pd"), rank=1)
    run, inputs, relax = tmp_path / "run", sorted(tmp_path.glob("[abc].*")), Relax(find_engine("emt"))
    formulas = {r.id: (r["formula"], r["rank_before"]) for r in run_stages(inputs, run, [Read()], workforce=THREADS)}
    with closing(Ledger(run)) as ledger:
        ledger.begin("relax", 1, relax.settings(), relax.groups(ledger.candidates("relax")))
        order = [ledger.claim("relax", 2) for _ in range(3)]
    told = [formulas[candidate_id(unit.members[0])] for units in order for unit in units]
    assert told == [("Ag", 1), ("Pd", 1), ("Ni", 2), ("Cu", 3), ("Al", None), ("Pt", None)]
    assert [r.status for r in run_stages(inputs, run, [Read(), relax], workforce=THREADS)] == ["ok"] * 6


def test_exports_hold_everything(tmp_path: Path) -> None:
    salt = bulk("NaCl", "rocksalt", a=5.6)
    broken = bulk("Cu")
    broken.positions[0] = np.inf
    write(tmp_path / "in.extxyz", [broken, salt, bulk("Cu", a=3.6)])
    run = tmp_path / "run"
    found = run_stages([tmp_path / "in.extxyz"], run, [Read(), Relax(find_engine("emt"))], workforce=THREADS)
    for _ in range(2):  # once more changes nothing
        export(run)
        rows = (run / "results.csv").read_text().splitlines()
        assert len(rows) == 4 and rows[1].startswith("c000003,")
        (frame,) = read(run / "results.extxyz", ":")
        assert frame.info["candidate"] == "c000003" and frame.info["energy_per_atom"] == found[0]["energy"]
        assert frame.calc is None and np.allclose(frame.cell, read_atoms(run, "c000003").cell)
        with connect(run / "results.db") as database:
            (row,) = database.select(status="ok")
        assert row.candidate == "c000003" and row.data["space_group"] == "Fm-3m (225)"
    assert sorted(path.name for path in run.iterdir() if "ledger" not in path.name) == [
        "results.csv", "results.db", "results.extxyz",
    ]  # fmt: skip


def test_provenance_names_calculators_versions_and_files(coppers: Path, tmp_path: Path) -> None:
    stages = [Read(), Relax(find_engine("emt"), steps=1)]
    run_stages([coppers], tmp_path / "run", stages, workforce=THREADS, command="asegen screen")
    known = provenance(tmp_path / "run")
    assert known["command"] == "asegen screen" and known["versions"]["ase"]
    assert known["stages"]["relax"]["calculator"].startswith("emt (ase") and list(known["files"]) == [str(coppers)]


def test_prerelaxing_brings_a_crystal_nearer_and_leaves_the_unknown_alone(tmp_path: Path) -> None:
    write(tmp_path / "in.extxyz", [bulk("NaCl", "rocksalt", a=5.0), bulk("Ac", "fcc", a=5.3), bulk("Po", "sc", a=3.3)])
    found = run_stages([tmp_path / "in.extxyz"], tmp_path / "run", [Read(), Prerelax(device="cpu")], workforce=THREADS)
    salt, actinium, _ = sorted(found, key=lambda r: r.id)
    atoms = read_atoms(tmp_path / "run", salt.id)
    assert salt["prerelax_status"] == "converged" and salt["space_group"] == "Fm-3m (225)"
    assert 4 * atoms.get_volume() == pytest.approx(5.69**3, rel=0.04)  # the Materials Project's
    refused = [r for r in found if r["prerelax_status"] == "refused"]
    assert all(r.status == "ok" and "no training data" in r.notes[0] for r in refused)
    assert actinium.status == "ok"


@dataclass(frozen=True)
class Stretching(Stage):
    """Stands in for a network that spoils one crystal and mends another."""

    name: ClassVar[str] = "prerelax"

    def work(self, candidates, supplied):
        sizes = {"Cu": 4.2, "Ni": 3.5}
        return [Outcome(atoms=bulk(c.found["formula"], a=sizes[c.found["formula"]])) for c in candidates]


def test_a_pre_relaxed_crystal_is_dropped_where_the_calculator_prefers_it_as_it_was(tmp_path: Path) -> None:
    write(tmp_path / "in.extxyz", [bulk("Cu", a=3.7), bulk("Ni", a=3.8)])
    relax = Relax(find_engine("emt"), fmax=1e-3)
    for name, stages in (("plain", [Read(), relax]), ("helped", [Read(), Stretching(), relax])):
        run_stages([tmp_path / "in.extxyz"], tmp_path / name, stages, workforce=THREADS)
    plain, helped = ({r["formula"]: r for r in results(tmp_path / name)} for name in ("plain", "helped"))
    spoiled, given = bulk("Cu", a=4.2), bulk("Cu", a=3.7)
    spoiled.calc, given.calc = EMT(), EMT()
    energies = spoiled.get_potential_energy(), given.get_potential_energy()
    assert helped["Cu"].notes == ("not pre-relaxed: {:.3f} eV/atom then, {:.3f} as it was".format(*energies),)
    assert helped["Cu"]["energy"] == plain["Cu"]["energy"]
    assert helped["Cu"]["force_calls"] == plain["Cu"]["force_calls"] + 1
    assert helped["Ni"].notes == () and helped["Ni"]["first_energy"] < plain["Ni"]["first_energy"]


def test_a_relaxed_crystal_gets_its_space_group_exactly_where_that_costs_no_energy(tmp_path: Path) -> None:
    noisy = bulk("Cu", cubic=True, a=3.6)
    noisy.rattle(0.015, seed=0)
    write(tmp_path / "in.extxyz", [noisy])
    relax = Relax(find_engine("emt"), fmax=1.0, symprec=0.1)  # lets the noise be
    (found,) = run_stages([tmp_path / "in.extxyz"], tmp_path / "run", [Read(), relax], workforce=THREADS)
    atoms = read_atoms(tmp_path / "run", found.id)
    assert space_group(atoms, 1e-4) == "Fm-3m (225)" and found["n_atoms"] == 1
    assert (found["steps"], found["force_calls"]) == (0, 2) and found["energy"] < found["first_energy"]
    costly = Relax(find_engine("emt"), fmax=1.0, symprec=0.5)  # bcc's way to fcc is as near to bcc as that
    bain = bulk("Cu", "bcc", cubic=True, a=2.85)
    bain.set_cell([2.77, 2.77, 3.1], scale_atoms=True)
    write(tmp_path / "bain.extxyz", [bain])
    (found,) = run_stages([tmp_path / "bain.extxyz"], tmp_path / "bain", [Read(), costly], workforce=THREADS)
    assert found["space_group"] == "I4/mmm (139)" or found["energy"] <= found["first_energy"] + 1e-3


def test_a_relaxed_crystal_has_its_space_group_exactly_in_its_own_cell(tmp_path: Path) -> None:
    """Noise that is far within the tolerances, as forces in single precision leave it."""
    noisy = bulk("Cu", "hcp", a=2.55, c=4.16)
    noisy.rattle(1e-5, seed=0)
    write(tmp_path / "in.extxyz", [noisy, bulk("Cu", a=3.7)])
    relax = Relax(find_engine("emt"), fmax=1.0)  # lets the noise be
    found = run_stages([tmp_path / "in.extxyz"], tmp_path / "run", [Read(), relax], workforce=THREADS)
    rough, exact = sorted(found, key=lambda result: -result["n_atoms"])
    atoms = read_atoms(tmp_path / "run", rough.id)
    assert space_group(noisy, 1e-6) == "P-1 (2)"
    assert space_group(atoms, 1e-6) == rough["space_group"] == "P6_3/mmc (194)"
    assert atoms.cell.array == pytest.approx(noisy.cell.array, abs=1e-4)
    assert atoms.positions == pytest.approx(noisy.positions, abs=1e-4)
    assert (rough["force_calls"], exact["force_calls"]) == (2, 1)


def test_a_supercell_that_relaxes_into_a_crystal_ends_as_its_primitive_cell(tmp_path: Path) -> None:
    rough = bulk("Cu", cubic=True, a=3.6)
    rough.rattle(0.1, seed=1)
    write(tmp_path / "in.extxyz", [bulk("Cu", a=3.7), rough])
    stages = [Read(), Symmetrise(), Relax(find_engine("emt"), fmax=0.01), Compare()]
    found = run_stages([tmp_path / "in.extxyz"], tmp_path / "run", stages, workforce=THREADS)
    assert sorted(result.status for result in found) == ["duplicate", "ok"]
    assert [result["n_atoms"] for result in found] == [1, 1]


def test_known_crystals_are_told_from_new_ones(tmp_path: Path) -> None:
    write(tmp_path / "known.extxyz", [bulk("Cu", a=3.61).repeat((2, 1, 1)), bulk("Al")])
    write(tmp_path / "in.extxyz", [bulk("Cu", a=3.6), bulk("Cu", "bcc", a=2.87), bulk("Al", a=5.2)])
    stages = [Read(), Compare(tmp_path / "known.extxyz")]
    found = run_stages([tmp_path / "in.extxyz"], tmp_path / "run", stages, workforce=THREADS)
    assert [(r["novel"], r["known_as"]) for r in sorted(found, key=lambda r: r.id)] == [
        (False, "0"),
        (True, None),
        (True, None),
    ]


def test_crystals_inside_the_package_are_named(tmp_path: Path) -> None:
    """Strained as another method leaves them; fcc iron is bcc within the matcher's tolerances."""
    salt, other = bulk("NaCl", "rocksalt", a=5.7), bulk("NaCl", "cesiumchloride", a=3.5)
    iron = bulk("Fe", "fcc", a=3.55)  # only the bcc crystal is inside the package
    found = run_stages(
        [salt, other, iron], tmp_path / "run", [Read(), Symmetrise(), Compare(None, True)], workforce=THREADS
    )
    named = {result.id: (result["known_crystal"], result["novel"]) for result in found}
    assert named == {"c000001": ("NaCl-225", None), "c000002": (None, None), "c000003": (None, None)}
    assert Compare.of(Options("emt")).catalogue and not Compare.of(Options("emt", reference="none")).catalogue


@dataclass(frozen=True)
class Noting(Stage):
    """Only adds a note, or so it says."""

    name: ClassVar[str] = "noting"
    adds: ClassVar[bool] = True

    def work(self, candidates, supplied):
        return [Outcome(notes=(self.name,)) for _ in candidates]


class Other(Noting):
    name: ClassVar[str] = "other"


class Changing(Noting):
    name: ClassVar[str] = "changing"
    adds: ClassVar[bool] = False


def test_stages_that_only_add_may_come_in_any_order(tmp_path: Path) -> None:
    """A second opinion after elastic constants, which usually come behind it."""
    run_stages([bulk("Cu")], tmp_path, [Read(), Other()], workforce=THREADS)
    (found,) = run_stages([bulk("Cu")], tmp_path, [Read(), Noting(), Other()], workforce=THREADS)
    assert found.notes == ("other", "noting")
    with pytest.raises(InputError, match="has already been through read,other,noting, which read,changing"):
        run_stages([bulk("Cu")], tmp_path, [Read(), Changing(), Noting(), Other()], workforce=THREADS)
    stages = recipe(Options("emt", relaxer=None, stages=["default", "thermal"]))
    assert [stage.name for stage in stages if not stage.adds] == [
        "read",
        "dedup",
        "symmetrise",
        "relax",
        "compare",
        "hull",
    ]


def test_a_note_tells_of_a_magnetic_order(tmp_path: Path) -> None:
    """Inputs of DFT begin with all moments parallel, whatever order the input has."""
    iron = bulk("Fe", cubic=True)
    iron.set_initial_magnetic_moments([2.2, -2.2])
    write(tmp_path / "in.extxyz", iron)
    found = run_stages([tmp_path / "in.extxyz", iron, bulk("Ni")], tmp_path / "run", [Read()], workforce=THREADS)
    assert [result.notes for result in found] == [("magnetic moments left out",), ("magnetic moments left out",), ()]


def test_without_a_relaxer_there_is_no_stage_of_it() -> None:
    names = [stage.name for stage in recipe(Options("emt", relaxer=None))]
    usual = ["read", "dedup", "symmetrise", "relax", "compare", "hull", "properties", "phonons", "vasp", "espresso"]
    assert names == usual


def test_stages_that_are_added_change_none_of_the_others() -> None:
    """So that a folder takes them later: with `default,elastic` crystals were not made symmetric before."""
    usual = recipe(Options("emt"))
    more = recipe(Options("emt", stages=["default", "elastic"]))
    assert [stage.settings() for stage in more[:-1]] == [stage.settings() for stage in usual]
    assert more[-1].name == "elastic"


def test_the_best_are_the_converged_nearest_to_the_hull() -> None:
    candidates = [
        Candidate(1, "ok", {"e_hull": 0.1, "energy": -9.0}, None),
        Candidate(2, "unconverged", {"e_hull": 0.0, "energy": -9.0}, None),
        Candidate(3, "ok", {"e_hull": None, "energy": -99.0}, None),
        Candidate(4, "ok", {"e_hull": 0.05, "energy": -1.0}, None),
        Candidate(5, "ok", {"e_hull": 0.0, "e_known": -0.1, "energy": -9.0}, None),
        Candidate(6, "ok", {"e_hull": 0.0, "e_known": -0.2, "energy": -3.0}, None),
    ]
    wanted = [[], [6], [5, 6], [4, 5, 6], [1, 4, 5, 6], [1, 3, 4, 5, 6], [1, 3, 4, 5, 6]]
    assert [best(candidates, k) for k in range(7)] == wanted


def test_known_crystals_are_among_the_best_only_after_the_new_ones() -> None:
    candidates = [
        Candidate(1, "ok", {"e_hull": 0.0, "known_crystal": "NaCl-225"}, None),
        Candidate(2, "ok", {"e_hull": 0.1, "known_crystal": None, "novel": True}, None),
        Candidate(3, "ok", {"e_hull": 0.0, "known_as": "mp-22862", "novel": False}, None),
        Candidate(4, "ok", {"e_hull": 0.2}, None),
        Candidate(5, "ok", {"e_hull": 0.05, "known_crystal": "NaCl-221"}, None),
    ]
    wanted = [[], [2], [2, 4], [1, 2, 4], [1, 2, 3, 4], [1, 2, 3, 4, 5]]
    assert [best(candidates, k) for k in range(6)] == wanted
