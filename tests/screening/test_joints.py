"""What comes in goes out: ids, names, the user's info; and what may be added to a screening later."""

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.db import connect
from ase.io import read, write
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.errors import InputError
from asegen.parallel.workforce import Workforce
from asegen.screening import read_atoms, results, screen
from asegen.screening.exports import DATABASE, FRAMES, TABLE
from asegen.structures.matching import ENERGIES

THREADS = Workforce(ThreadPoolExecutor(1), lambda: 1)
"""Quick to start; nothing here harms a worker."""
CHAIN = {"stages": ["dedup", "relax", "compare", "hull"], "relaxer": None, "workforce": THREADS, "calculator": "emt"}


def copper(a: float, **info: object) -> Atoms:
    atoms = bulk("Cu", a=a)
    atoms.info = info
    return atoms


def test_the_users_info_stays_and_the_screenings_own_wins(tmp_path: Path) -> None:
    virial = np.arange(9.0).reshape(3, 3)
    given = copper(3.6, source="template", template="mp-30", log_prior=-1.5, rank=2, e_hull=0.5, energy=-7.0)
    given.info["virial"] = virial
    write(tmp_path / "in.extxyz", given)
    for name, structures in (("file", tmp_path / "in.extxyz"), ("hand", given)):
        (found,) = screen(structures, tmp_path / name, **CHAIN)
        frame = read(tmp_path / name / FRAMES)
        assert (frame.info["source"], frame.info["template"], frame.info["log_prior"]) == ("template", "mp-30", -1.5)
        assert np.array_equal(frame.info["virial"], virial)
        assert frame.info["input_rank"] == 2 and frame.info["rank"] == 1
        assert frame.info["input_e_hull"] == 0.5 and frame.info["e_hull"] == found["e_hull"] < 1e-3
        assert frame.info["input_file"] == found.source and frame.calc is None
        with connect(tmp_path / name / DATABASE) as database:
            (row,) = database.select(candidate="c000001", source="template")
        assert row.data["template"] == "mp-30"


def test_what_no_file_can_hold_is_named(tmp_path: Path) -> None:
    screen(copper(3.6, fit=print, mine="kept"), tmp_path / "run", **CHAIN)
    info = read(tmp_path / "run" / FRAMES).info
    assert info["left_out"] == "fit" and info["mine"] == "kept"


def test_one_id_everywhere(tmp_path: Path) -> None:
    given = [copper(3.6), copper(3.2, name="my copper"), bulk("Al")]
    found = screen(given, tmp_path / "run", **{**CHAIN, "stages": ["dedup"]})
    assert [(result.id, result.name) for result in found] == [
        ("c000001", "c000001"), ("c000002", "my copper"), ("c000003", "c000003"),
    ]  # fmt: skip
    frames = read(tmp_path / "run" / FRAMES, ":")
    assert [frame.info["candidate"] for frame in frames] == [result.id for result in found]
    assert [frame.info["name"] for frame in frames] == [result.name for result in found]
    assert frames[1].info["material_id"] == "my copper" and "material_id" not in frames[0].info
    assert read_atoms(tmp_path / "run", "c000003").symbols[0] == "Al"


def test_ids_that_are_numbers_survive_in_the_database(tmp_path: Path) -> None:
    write(tmp_path / "in.extxyz", [copper(3.0 + 0.6 * k, material_id=1001 + k) for k in range(3)])
    screen(tmp_path / "in.extxyz", tmp_path / "run", **{**CHAIN, "stages": ["dedup"]})
    with connect(tmp_path / "run" / DATABASE) as database:
        assert [row.name for row in database.select()] == [1001, 1002, 1003]


def test_names_with_newlines_and_formulas_of_spreadsheets_break_no_table(tmp_path: Path) -> None:
    names = ["two\nlines", "a\rb", "=1+1", "007"]
    screen([copper(3.0 + 0.6 * k, name=name) for k, name in enumerate(names)], tmp_path / "run",
           **{**CHAIN, "stages": ["dedup"]})  # fmt: skip
    text = (tmp_path / "run" / TABLE).read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["name"] for row in rows] == ["two\\nlines", "a\\rb", "'=1+1", "007"]
    assert len(text.splitlines()) == 5 and len(read(tmp_path / "run" / FRAMES, ":")) == 4


def test_inputs_can_be_added_and_come_out_as_if_they_had_been_there(tmp_path: Path) -> None:
    first, second = tmp_path / "a.extxyz", tmp_path / "b.extxyz"
    write(first, [copper(3.7), bulk("Au", a=4.1)])
    write(second, [copper(3.7), bulk("Cu", "bcc", a=2.9), bulk("Ag", a=4.1)])
    screen(first, tmp_path / "run", **CHAIN)
    added = screen([first, second], tmp_path / "run", **CHAIN)
    whole = screen([first, second], tmp_path / "whole", **CHAIN)
    timeless = [[{**result, "seconds": 0.0} for result in found] for found in (added, whole)]
    assert timeless[0] == timeless[1] and len(added) == 5
    assert added == results(tmp_path / "run") and "pending" not in {result.status for result in added}
    with pytest.raises(InputError, match="screening of other inputs .*name them too"):
        screen(second, tmp_path / "run", **CHAIN)


def test_structures_at_hand_can_be_added(tmp_path: Path) -> None:
    given = [copper(3.2), copper(3.7)]
    screen(given[:1], tmp_path / "run", **{**CHAIN, "stages": ["dedup"]})
    assert len(screen(given, tmp_path / "run", **{**CHAIN, "stages": ["dedup"]})) == 2
    with pytest.raises(InputError, match="not what they were"):
        screen(given[::-1], tmp_path / "run", **{**CHAIN, "stages": ["dedup"]})


def test_without_a_writable_home_the_hull_goes_on(tmp_path: Path) -> None:
    (found,) = screen(copper(3.7), tmp_path / "run", cache="/proc/nowhere/c", **CHAIN)
    assert found["e_hull"] == pytest.approx(0.0, abs=5e-4)
    assert (tmp_path / "run" / "elements").is_dir()


def test_folders_as_inputs(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for k in range(2):
        write(tmp_path / "in" / f"{k}.cif", copper(3.2 + 0.4 * k))
    (tmp_path / "in" / ".hidden").write_text("no crystal")
    assert len(screen(tmp_path / "in", tmp_path / "run", **{**CHAIN, "stages": ["dedup"]})) == 2


def test_the_tables_are_written_as_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the last stage lets the run down, what the others found is there."""
    from concurrent.futures import ThreadPoolExecutor

    from asegen.parallel.workforce import Workforce
    from asegen.screening import execution
    from asegen.screening.pipeline import run_stages
    from asegen.screening.run import publish
    from asegen.screening.stages.read import Read

    monkeypatch.setattr(execution, "_STAGE_SECONDS", 0.0)
    seen = []
    run_stages(
        [copper(3.6)],
        tmp_path / "run",
        [Read()],
        workforce=Workforce(ThreadPoolExecutor(1), lambda: 1),
        publish=lambda workdir: seen.append((publish(workdir), (workdir / TABLE).read_text().splitlines()[1])),
    )
    assert len(seen) == 1 and seen[0][1].startswith("c000001,")


def test_relaxed_crystals_of_different_energies_are_no_copies(tmp_path: Path) -> None:
    """Au-Cu of the kinds L1_0 and B2: the matcher's own tolerances take the one for the other."""
    b2 = Atoms("CuAu", scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]], cell=3 * [3.1], pbc=True)
    l1_0 = Atoms("CuAu", scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]], cell=[2.84, 2.84, 3.65], pbc=True)
    same = StructureMatcher(scale=False).fit(*map(AseAtomsAdaptor.get_structure, (b2, l1_0)))
    stages = ["symmetrise", "relax", "compare"]
    found = screen([b2, l1_0, l1_0 * (1, 1, 2)], tmp_path, **(CHAIN | {"stages": stages}), fmax=0.01)
    assert same and [result.status for result in found] == ["ok", "ok", "duplicate"]
    energies = [result["energy"] for result in found[:2]]
    assert abs(energies[0] - energies[1]) > ENERGIES


def test_exact_copies_cost_nothing(tmp_path: Path) -> None:
    from time import monotonic

    from asegen.screening.records import Candidate
    from asegen.screening.stages.shared import duplicates
    from asegen.structures.matching import STRICT

    large = bulk("Cu", a=3.6, cubic=True) * (3, 3, 3)
    other = bulk("Cu", "bcc", a=2.9)
    crystals = [large, other, *[large.copy() for _ in range(500)], other.copy(), bulk("Cu", a=3.6)]
    began = monotonic()
    found = duplicates([Candidate(k, "ok", {}, atoms) for k, atoms in enumerate(crystals)], STRICT)
    assert monotonic() - began < 20
    assert [outcome.found.get("duplicate_of") for outcome in found] == [
        None, None, *["c000000"] * 500, "c000001", "c000000",
    ]  # fmt: skip
