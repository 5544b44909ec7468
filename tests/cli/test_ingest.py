"""`asegen ingest` as a user runs it."""

import csv
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from ase.build import bulk
from ase.io import write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

from asegen.cli.main import main
from asegen.data.shards import load_split


def write_frames(path, n: int = 4):
    random = np.random.default_rng(0)
    frames = [bulk("NaCl", "rocksalt", a=a) for a in random.uniform(5, 6, n)]
    for i, atoms in enumerate(frames):
        atoms.info["gap"] = float(i)
    write(path, frames)
    return path


def test_from_files_to_splits(tmp_path, capsys):
    write_frames(tmp_path / "train.extxyz")
    with open(tmp_path / "train.extxyz", "a") as file:
        file.write("2\ncut off")
    out = tmp_path / "out"
    main(["ingest", str(tmp_path / "train.extxyz"), "-o", str(out), "--jobs", "2"])
    dataset = load_split(out, "train")
    assert len(dataset) == 4 and dataset.targets["gap"].tolist() == [0, 1, 2, 3]
    assert "truncated" in (out / "train" / "rejected.csv").read_text()
    printed = capsys.readouterr().out
    assert [word for word in printed.split() if word.isdigit()][:3] == ["5", "4", "1"] and "1 truncated" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.csv"], "no such file"),
        (["no_cif.csv"], "no column `cif`"),
        (["empty.csv"], "is empty"),
        (["a.extxyz", "--jobs", "0"], "--jobs 0: at least one process is needed"),
        (["a.extxyz", "--jobs", "100000000"], "--jobs 100000000: 1024 at most"),
        (["a.extxyz", "--max-atoms", "-3"], "--max-atoms must be at least 1"),
        (["a.extxyz", "--split", "a/b"], "name of a split"),
        (["a.extxyz", "--split", "taken"], "--force"),
        (["a.extxyz", "-o", "empty.csv"], "cannot make the folder"),
        (["a.extxyz", "--max-atoms", "1"], "too many atoms"),
        (["a.extxyz", "--symmetry", "5"], "--symmetry 5: a tolerance in Å, above 0 and at most 1, is needed"),
        (["a.extxyz", "--targets", "energy"], "no column 'energy'"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    write_frames(tmp_path / "a.extxyz")
    (tmp_path / "no_cif.csv").write_text("formula\nNaCl\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "out" / "taken").mkdir(parents=True)
    with pytest.raises(SystemExit) as stop:
        main(["ingest", "-o", "out", "--jobs", "1", *arguments])
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert stop.value.code == 2 and error.startswith("asegen: error: ") and message in error
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["taken"]


def test_a_single_file_is_divided_and_it_is_said(tmp_path, capsys):
    write_frames(tmp_path / "mine.extxyz", 40)
    for out in ("one", "two"):
        main(["ingest", str(tmp_path / "mine.extxyz"), "-o", str(tmp_path / out), "--jobs", "1"])
    said = "mine is divided at random (seed 0): train 32, val 4, test 4; --split mine keeps it whole"
    assert said in capsys.readouterr().err
    parts = {name: load_split(tmp_path / "one", name).ids for name in ("train", "val", "test")}
    assert sorted(sum(parts.values(), []), key=int) == [str(k) for k in range(40)]
    assert parts == {name: load_split(tmp_path / "two", name).ids for name in parts}
    main(["ingest", str(tmp_path / "mine.extxyz"), "-o", str(tmp_path / "one"), "--jobs", "1", "--split", "mine"])
    assert len(load_split(tmp_path / "one", "mine")) == 40
    with pytest.raises(SystemExit):
        main(["ingest", str(tmp_path / "mine.extxyz"), "-o", str(tmp_path / "one"), "--jobs", "1"])
    assert "exists (--force replaces it)" in capsys.readouterr().err


def test_remarks_are_notes_of_reading_of_each_split_and_nothing_that_a_file_says(tmp_path, capsys):
    frames = [bulk("NaCl" if i % 2 else "NaH", "rocksalt", a=5.0) for i in range(20)]
    for atoms in frames:
        atoms.info["note"] = "mine"
    write(tmp_path / "all.extxyz", frames)
    text = (tmp_path / "all.extxyz").read_text()
    (tmp_path / "all.extxyz").write_text("\n".join(re.sub(r"^H ", "D ", line) for line in text.splitlines()) + "\n")
    main(["ingest", str(tmp_path / "all.extxyz"), "-o", str(tmp_path), "--jobs", "1"])
    table = capsys.readouterr().out
    assert "mine" not in table
    told = "deuterium or tritium read as hydrogen"
    for name in ("train", "val", "test"):
        split = load_split(tmp_path, name)
        n_heavy = int((split.crystals.numbers == 1).sum())
        assert split.header["notes"] == ({told: n_heavy} if n_heavy else {})
        assert not n_heavy or f"{n_heavy} {told}" in table
    assert sum(load_split(tmp_path, name).header["notes"].get(told, 0) for name in ("train", "val", "test")) == 10


def test_a_few_crystals_stay_whole(tmp_path, capsys):
    write_frames(tmp_path / "mine.extxyz", 9)
    main(["ingest", str(tmp_path / "mine.extxyz"), "-o", str(tmp_path), "--jobs", "1"])
    assert len(load_split(tmp_path, "mine")) == 9 and "too few to divide" in capsys.readouterr().err


CIF = str(CifWriter(Structure.from_spacegroup("Pm-3m", Lattice.cubic(4.1), ["Cs", "Cl"], [[0, 0, 0], [0.5] * 3])))
PATCHES = st.sampled_from(
    [
        "",
        " ",
        "\n",
        "'",
        '"',
        ",",
        ";",
        "#",
        "-",
        "?",
        "nan",
        "1e308",
        "9" * 30,
        "loop_\n",
        "data_\n",
        "_",
        "\r",
        "é",
        "\0",
    ]
)
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), PATCHES | st.text(max_size=4)), max_size=4)


def mangled(text: str, edits: list[tuple[float, int, str]]) -> str:
    """Text with stretches of it, at a relative place and of some length, replaced by others."""
    for place, length, patch in edits:
        start = round(place * len(text))
        text = text[:start] + patch + text[start + length :]
    return text


def ingested(folder, name: str, capsys) -> tuple[int, list[dict[str, str]]]:
    """Accepted crystals and rejected rows of a file; none of either where all of it is refused in one line."""
    try:
        main(["ingest", str(folder / name), "-o", str(folder / "out"), "--split", "x", "--jobs", "1", "--force"])
    except SystemExit as stop:
        error = capsys.readouterr().err
        assert stop.code == 2 and error.splitlines()[-1].startswith("asegen: error: ") and "Traceback" not in error
        return 0, []
    assert "Traceback" not in capsys.readouterr().err
    with open(folder / "out" / "x" / "rejected.csv", newline="", encoding="utf-8") as file:
        rejected = list(csv.DictReader(file))
    for row in rejected:
        kind, _, detail = row["reason"].partition(": ")
        assert kind and detail and len(row["reason"].splitlines()) == 1
    return len(load_split(folder / "out", "x")), rejected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(EDITS, EDITS), max_size=6))
def test_every_row_of_a_mangled_table_is_a_crystal_or_listed(tmp_path, capsys, rows):
    with open(tmp_path / "a.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["material_id", "gap", "cif"])
        for i, (cif, gap) in enumerate(rows):
            # A zero byte near the beginning makes a file binary, and all of it is refused: the next test's business.
            table.writerow([f"m-{i}", *(cell.replace("\0", "") for cell in (mangled("1.25", gap), mangled(CIF, cif)))])
        table.writerow(["good", "1.0", CIF])
    accepted, rejected = ingested(tmp_path, "a.csv", capsys)
    ids = load_split(tmp_path / "out", "x").ids
    assert accepted == len(ids) and ids[-1] == "good"
    assert sorted([*ids, *(row["id"] for row in rejected)]) == ["good", *(f"m-{i}" for i in range(len(rows)))]
    assert all(row["id"] == f"m-{row['row']}" for row in rejected)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS, rubbish=st.binary(max_size=8), name=st.sampled_from(["a.csv", "a.cif", "a.csv.gz"]))
def test_a_file_mangled_as_a_whole_never_ends_in_a_traceback(tmp_path, capsys, edits, rubbish, name):
    quoted = CIF.replace('"', '""')
    text = (
        CIF + CIF.replace("data_CsCl", "data_more")
        if name == "a.cif"
        else f'material_id,cif\na,"{quoted}"\nb,"{quoted}"\n'
    )
    (tmp_path / name).write_bytes(mangled(text, edits).encode() + rubbish)
    accepted, rejected = ingested(tmp_path, name, capsys)
    if not edits and not rubbish:
        assert (accepted, rejected) == (2, [])


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_runs_leave_nothing_behind(tmp_path, number, code):
    frame = write_frames(tmp_path / "one.extxyz", 1).read_text()
    (tmp_path / "train.extxyz").write_text(frame * 50_000)
    command = [sys.executable, "-m", "asegen.cli.main", "ingest", "train.extxyz", "-o", "out", "--jobs", "2"]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which a background job would ignore
    )
    while not (tmp_path / "out").exists() and process.poll() is None:
        time.sleep(0.1)
    time.sleep(3)
    os.killpg(process.pid, number)  # as a terminal does: the workers get it too
    _, error = process.communicate(timeout=60)
    assert process.returncode == code and "Traceback" not in error
    assert list((tmp_path / "out").iterdir()) == []
