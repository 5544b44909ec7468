"""The inputs and faults of the specification's list, one row each: all in one screening, none harms another."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import write

from asegen.errors import CheckpointError, InputError
from asegen.potentials.engine import find_engine
from asegen.screening import Options, recipe
from asegen.screening.ledger import funnel, read_atoms
from asegen.screening.pipeline import run_stages
from asegen.screening.records import STATUSES
from asegen.screening.result import Result
from asegen.screening.stages.compare import Compare
from asegen.screening.stages.deduplicate import Deduplicate
from asegen.screening.stages.hull import Hull
from asegen.screening.stages.read import Read
from asegen.screening.stages.relax import Relax
from asegen.screening.stages.sources import Elements, FileEnergies

HERE = Path(__file__).parent


def cif(sites: str, cell: str = "4 4 4 90 90 90", operations: str = "x,y,z") -> str:
    """CIF text with sites `label symbol x y z occupancy`."""
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    parameters = "\n".join(f"_cell_{name} {value}" for name, value in zip(names, cell.split(), strict=True))
    listed = "\n".join(f"'{operation}'" for operation in operations.split(";"))
    tags = "\n".join(f"_atom_site_{n}" for n in ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy"))
    return f"data_x\n{parameters}\nloop_\n_symmetry_equiv_pos_as_xyz\n{listed}\nloop_\n{tags}\n{dedent(sites)}\n"


def cell(*lengths: float, symbol: str = "Cu", **kwargs) -> Atoms:
    return Atoms(symbol, cell=lengths, pbc=True, **kwargs)


def broken(atoms: Atoms, place: str, value: float) -> Atoms:
    if place == "cell":
        array = atoms.cell.array.copy()
        array[0, 0] = value
        return Atoms(atoms.numbers, atoms.positions, cell=array, pbc=True)
    atoms.positions[0, 0] = value
    return atoms


def left_handed() -> Atoms:
    atoms = bulk("Cu", a=3.55)
    return Atoms(atoms.numbers, cell=atoms.cell.array[::-1], pbc=True)


def far_from_rest() -> Atoms:
    atoms = bulk("Cu", "fcc", a=3.7, cubic=True).repeat((2, 1, 1))
    atoms.symbols[:2] = "Ni"
    atoms.rattle(0.35, seed=3)
    return atoms


def ordered(*symbols: str, a: float) -> Atoms:
    """CsCl-like order of two elements."""
    return Atoms(symbols, scaled_positions=[(0, 0, 0), (0.5, 0.5, 0.5)], cell=[a] * 3, pbc=True)


BOMB = "\n".join(f"Cu{k} Cu {k / 20000:.6f} 0.1 0.2 1" for k in range(20000))
STRUCTURES: dict[str, Atoms] = {
    "1-nan-cell": broken(bulk("Cu"), "cell", np.nan),
    "1-inf-cell": broken(bulk("Cu"), "cell", np.inf),
    "1-nan-position": broken(bulk("Cu"), "position", np.nan),
    "2-flat": Atoms("Cu", cell=[[3, 0, 0], [0, 3, 0], [3, 3, 0]], pbc=True),
    "2-needle": cell(2, 2, 160),
    "2-left-handed": left_handed(),
    "3-tiny": cell(0.8, 0.8, 0.8),
    "4-exploded": Atoms("Cu2", positions=[(0, 0, 0), (2.5, 0, 0)], cell=[12.5] * 3, pbc=True),
    "5-overlap": Atoms("Cu2", positions=[(0, 0, 0), (0.2, 0, 0)], cell=[3.6] * 3, pbc=True),
    "6-isolated": cell(9, 9, 9),
    "7-foreign": bulk("Fe"),
    "18-molecule": molecule("H2O"),
    "19-nan-midway": broken(bulk("Ag", cubic=True), "position", 0.3),
    "20-step-limit": far_from_rest(),
    "22-segfault": bulk("Au"),
    "22-memory": bulk("Pt"),
    "22-hang": bulk("Pd"),
    "24-missing": ordered("Ni", "Al", a=2.9),
    "24-mixed": ordered("Cu", "Al", a=2.95),
    "good": bulk("Cu", "bcc", a=2.9),
}
TEXTS: dict[str, str | bytes] = {
    "8-partial.cif": cif("K1 K 0 0 0 0.5\nNa1 Na 0 0 0 0.5\nCl1 Cl 0.5 0.5 0.5 1"),
    "9-vacancy.cif": cif("Cu1 Cu 0 0 0 0.9"),
    "10-too-many.cif": cif("Cu1 Cu 0 0 0 1.5"),
    "11-twice.cif": cif("Cu1 Cu 0 0 0 1\nCu2 Cu 0 0 0 1"),
    "12-no-symbols.vasp": "comment\n1.0\n4 0 0\n0 4 0\n0 0 4\n1 1\ndirect\n0 0 0\n0.5 0.5 0.5\n",
    "13-dummy.cif": cif("X1 X 0 0 0 1\nCu1 Cu 0.5 0.5 0.5 1"),
    "13-deuterium.cif": cif("D1 D 0 0 0 1\nCu1 Cu 0.5 0.5 0.5 1", "2.9 2.9 2.9 90 90 90"),
    "14-bomb.cif": cif(BOMB, "50 50 50 90 90 90", ";".join(f"x,y,z+{k}/192" for k in range(192))),
    "15-huge.extxyz": '1000000000\nLattice="4 0 0 0 4 0 0 0 4"\nCu 0 0 0\n',
    "15-negative.extxyz": '-1\nLattice="4 0 0 0 4 0 0 0 4"\nCu 0 0 0\n',
    "16-bom.cif": "\ufeff".encode() + cif("Cu1 Cu 0 0 0 1", "2.55 2.55 2.55 60 60 60").encode(),
    "16-utf16.cif": cif("Cu1 Cu 0 0 0 1").encode("utf-16"),
    "16-binary.cif": bytes(range(256)) * 20,
    "16-empty.cif": "",
}
EXPECTED: dict[str, tuple[str, str]] = {
    "1-nan-cell": ("rejected", "non-finite: "),
    "1-inf-cell": ("rejected", "non-finite: "),
    "1-nan-position": ("rejected", "non-finite: "),
    "2-flat": ("rejected", "bad cell: "),
    "2-needle": ("rejected", "needle cell: "),
    "3-tiny": ("rejected", "bad volume: "),
    "4-exploded": ("rejected", "bad volume: "),
    "5-overlap": ("rejected", "overlapping atoms: "),
    "6-isolated": ("rejected", "bad volume: "),
    "7-foreign": ("unsupported", "unknown element: faulty:Faulty does not know Fe"),
    "8-partial.cif": ("rejected", "partial occupancy: "),
    "9-vacancy.cif": ("rejected", "partial occupancy: "),
    "10-too-many.cif": ("rejected", "bad occupancy: 1.5 is more than 1"),
    "11-twice.cif": ("rejected", "overlapping atoms: Cu0 and Cu1 are 0.000 Å apart"),
    "12-no-symbols.vasp": ("rejected", "unknown element: the POSCAR names no elements"),
    "13-dummy.cif": ("rejected", "unknown element: "),
    "14-bomb.cif": ("rejected", "too large: 20000 sites under 192 symmetry operations"),
    "15-huge.extxyz": ("rejected", "truncated: "),
    "15-negative.extxyz": ("rejected", "unreadable: a frame of -1 atoms"),
    "16-utf16.cif": ("rejected", "unreadable: {path} is not text in UTF-8"),
    "16-binary.cif": ("rejected", "unreadable: {path} is not text in UTF-8"),
    "16-empty.cif": ("rejected", "unreadable: {path} is empty"),
    "18-molecule": ("rejected", "not periodic: "),
    "19-nan-midway": ("failed", "non-finite: the calculator's numbers became NaN"),
    "20-step-limit": ("unconverged", "eV/Å left after 25 steps"),
    "22-segfault": ("quarantined", "crashed: the worker process ended with SIGSEGV"),
    "22-memory": ("failed", "out of memory: "),
    "22-hang": ("failed", "time limit: more than 6 s"),
    "24-missing": ("ok", ""),
    "24-mixed": ("ok", ""),
    "good": ("ok", ""),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Result]]:
    """One screening of all of them; results by file."""
    folder = tmp_path_factory.mktemp("faults")
    for name, atoms in STRUCTURES.items():
        write(folder / f"{name}.extxyz", atoms)
    for name, text in TEXTS.items():
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    write(folder / "17-cut.extxyz", [bulk("Cu", a=3.5 + 0.02 * k, cubic=True) for k in range(4)])
    whole = (folder / "17-cut.extxyz").read_text()
    (folder / "17-cut.extxyz").write_text(whole[: len(whole) - 90])
    reference = folder.parent / "phases.csv"
    reference.write_text("formula,energy_per_atom,energy_scale\nCu3Al,-0.2,another\n")
    sys.path.insert(0, str(HERE))
    try:
        engine, workdir = find_engine("faulty:Faulty"), folder.parent / "run"
        stages = [
            Read(at_once=4),
            Deduplicate(),
            Relax(engine, fmax=0.01, steps=25, time_limit=6.0),
            Compare(reference),
            Hull(engine, (FileEnergies(reference), Elements(engine, folder.parent / "cache")), folder.parent / "cache"),
        ]
        found = run_stages([folder], workdir, stages, jobs=2, memory=2 << 30)
    finally:
        sys.path.remove(str(HERE))
    return workdir, {f"{Path(result.source).name}#{result.index}": result for result in found}


def of(run: tuple[Path, dict[str, Result]], name: str) -> Result:
    (result,) = (r for key, r in run[1].items() if key.startswith((f"{name}#", f"{name}.extxyz#")))
    return result


@pytest.mark.parametrize("name", EXPECTED)
def test_each_input_ends_with_its_status_and_reason(run, name: str) -> None:
    result = of(run, name)
    status, reason = EXPECTED[name]
    assert result.status == status
    assert reason.format(path=result.source) in result.text
    assert len(result.text.splitlines()) <= 1
    assert bool(result.text) == (status != "ok")


def test_every_input_has_exactly_one_status_and_the_funnel_adds_up(run) -> None:
    workdir, found = run
    assert {result.status for result in found.values()} <= set(STATUSES) - {"pending"}
    counts = funnel(workdir)
    assert counts[0].entered == len(found) == len(STRUCTURES) + len(TEXTS) + 4
    for before, after in zip(counts, counts[1:], strict=False):
        assert before.left == after.entered
    assert all(count.entered == count.left + sum(count.stopped.values()) and not count.waiting for count in counts)
    ranked = sum(result.status in ("ok", "unconverged") for result in found.values())
    assert counts[-1].left == ranked


def test_2_left_handed_cells_are_taken_as_the_same_lattice(run) -> None:
    result = of(run, "2-left-handed")
    atoms = read_atoms(run[0], result.id, "read")
    assert np.linalg.det(atoms.cell.array) > 0
    assert result.status in ("ok", "duplicate") and atoms.get_volume() == pytest.approx(3.55**3 / 4)


def test_13_deuterium_is_told(run) -> None:
    result = of(run, "13-deuterium.cif")
    assert result["formula"] == "CuH" and result.notes == ("deuterium or tritium read as hydrogen",)


def test_16_a_byte_order_mark_is_no_obstacle(run) -> None:
    assert of(run, "16-bom.cif")["formula"] == "Cu"
    assert of(run, "16-bom.cif").status in ("ok", "duplicate")


def test_17_complete_frames_of_a_truncated_file_are_salvaged(run) -> None:
    results = [result for key, result in sorted(run[1].items()) if key.startswith("17-cut")]
    assert [result.status in ("ok", "duplicate") for result in results] == [True, True, True, False]
    assert results[3].status == "rejected" and results[3].reason.kind == "truncated"


def test_19_the_last_finite_state_is_kept(run) -> None:
    result = of(run, "19-nan-midway")
    atoms = read_atoms(run[0], result.id)
    assert np.isfinite(atoms.positions).all() and np.isfinite(result["energy"]) and result.rank is None


def test_20_unconverged_candidates_are_ranked_apart(run) -> None:
    result = of(run, "20-step-limit")
    assert result.rank == 1 and result["steps"] == 25
    ranks = sorted(r.rank for r in run[1].values() if r.status == "ok")
    assert ranks == list(range(1, len(ranks) + 1))


def test_24_a_candidate_without_references_gets_a_reason_and_the_others_their_energies(run) -> None:
    missing, mixed, good = (of(run, name) for name in ("24-missing", "24-mixed", "good"))
    assert missing["e_hull"] is None and missing["e_hull_reason"].startswith("missing reference: Ni: ")
    assert mixed["e_hull"] is None and mixed["e_hull_reason"].startswith("mixed energy scales: EMT, another")
    assert good["e_hull"] is not None and good["e_hull_reason"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: {"workdir": "/proc/asegen"}, "cannot write in /proc/asegen"),
        (lambda folder: {"workdir": folder / "in.extxyz"}, "cannot write in"),
        (lambda folder: {"inputs": [folder / "none.cif"]}, "cannot read"),
        (lambda folder: {"inputs": []}, "no input files"),
    ],
)
def test_25_what_cannot_work_fails_before_it_begins(tmp_path: Path, change: Callable, message: str) -> None:
    write(tmp_path / "in.extxyz", bulk("Cu"))
    arguments = {"inputs": [tmp_path / "in.extxyz"], "workdir": tmp_path / "run"} | change(tmp_path)
    with pytest.raises(InputError, match=message):
        run_stages(**arguments, stages=[Read()])


def test_25_a_full_disk_is_told_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "in.extxyz", bulk("Cu"))
    usage = os.statvfs_result((1,) * 10)
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": usage.f_bsize}))
    with pytest.raises(InputError, match="0 MB left"):
        run_stages([tmp_path / "in.extxyz"], tmp_path / "run", [Read()])


def test_25_pickled_weights_are_refused_unopened(tmp_path: Path) -> None:
    import pickle

    class Harm:
        def __reduce__(self):
            return os.kill, (os.getpid(), signal.SIGKILL)

    (tmp_path / "model.pt").write_bytes(pickle.dumps(Harm()))
    write(tmp_path / "in.extxyz", bulk("Cu"))
    stages = recipe(Options("emt", relaxer=str(tmp_path / "model.pt"), stages=["prerelax"]))
    with pytest.raises(CheckpointError):
        run_stages([tmp_path / "in.extxyz"], tmp_path / "run", stages)
