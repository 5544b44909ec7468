"""`asegen ingest` as a user runs it."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from ase.build import bulk
from ase.io import write

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
        (["a.extxyz", "--jobs", "0"], "--jobs must be at least 1"),
        (["a.extxyz", "--max-atoms", "-3"], "--max-atoms must be at least 1"),
        (["a.extxyz", "--split", "a/b"], "name of a split"),
        (["a.extxyz", "--split", "taken"], "--force"),
        (["a.extxyz", "-o", "empty.csv"], "cannot make the folder"),
        (["a.extxyz", "--max-atoms", "1"], "too many atoms"),
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


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_runs_leave_nothing_behind(tmp_path, number, code):
    frame = write_frames(tmp_path / "one.extxyz", 1).read_text()
    (tmp_path / "train.extxyz").write_text(frame * 50_000)
    command = [sys.executable, "-m", "asegen.cli.main", "ingest", "train.extxyz", "-o", "out", "--jobs", "2"]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    process = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    while not (tmp_path / "out").exists() and process.poll() is None:
        time.sleep(0.1)
    time.sleep(3)
    os.killpg(process.pid, number)  # as a terminal does: the workers get it too
    _, error = process.communicate(timeout=60)
    assert process.returncode == code and "Traceback" not in error
    assert list((tmp_path / "out").iterdir()) == []
