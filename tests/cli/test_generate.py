"""`asegen generate` as a user runs it: results, shards, kills, and bad input."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ase.io import read

from asegen.cli.main import main

COMMAND = [sys.executable, "-m", "asegen.cli.main"]


def generate(*args: str) -> None:
    main(["generate", "--device", "cpu", "--steps", "3", *args])


def test_formula_table_and_picture(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    generate("SrTiO3", "-n", "3", "-o", str(tmp_path / "a.extxyz"), "--plot", str(tmp_path / "a.png"))
    printed = capsys.readouterr().out
    assert "3 structures" in printed and "SrTiO3" in printed
    assert len(read(tmp_path / "a.extxyz", ":")) == 3
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_from_table_carries_ids(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("material_id,formula,n_atoms\nmp-1,NaCl,4\nmp-2,Cu,\n")
    generate("--from", str(tmp_path / "in.csv"), "-o", str(tmp_path / "a.extxyz"))
    found = {a.info["material_id"]: a.get_chemical_formula() for a in read(tmp_path / "a.extxyz", ":")}
    assert found == {"mp-1": "Cl2Na2", "mp-2": "Cu"}


def test_system(tmp_path: Path) -> None:
    generate("--system", "Li-O", "--max-atoms", "4", "-n", "9", "-o", str(tmp_path / "a.extxyz"))
    assert {"Li", "O"} < {a.info["formula"] for a in read(tmp_path / "a.extxyz", ":")}


def test_shards_together_are_the_whole_run(tmp_path: Path) -> None:
    arguments = ["NaCl", "SrTiO3", "--multiples", "1,2", "-n", "4", "--batch", "3", "--seed", "5"]
    generate(*arguments, "-o", str(tmp_path / "whole.extxyz"))
    for k in (1, 2, 3):
        generate(*arguments, "--shard", f"{k}/3", "-o", str(tmp_path / f"part{k}.extxyz"))
    whole = sorted(read(tmp_path / "whole.extxyz", ":"), key=lambda a: a.info["sample_index"])
    parts = [a for k in (1, 2, 3) for a in read(tmp_path / f"part{k}.extxyz", ":")]
    parts.sort(key=lambda a: a.info["sample_index"])
    assert len(parts) == 16 and all(a == b and a.info == b.info for a, b in zip(whole, parts, strict=True))


@pytest.mark.parametrize(("kill", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_killed_run_resumes_to_the_same_file(tmp_path: Path, kill: signal.Signals, code: int) -> None:
    arguments = ["generate", "NaCl", "-n", "60", "--batch", "2", "--seed", "3", "--device", "cpu", "--steps", "20"]
    main([*arguments, "-o", str(tmp_path / "whole.extxyz")])
    out, journal = tmp_path / "killed.extxyz", tmp_path / "killed.extxyz.part.json"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([*COMMAND, *arguments, "-o", str(out)], stderr=subprocess.PIPE, env=environment)
    while process.poll() is None and not (journal.exists() and '"batches": 0' not in journal.read_text()):
        time.sleep(0.01)
    process.send_signal(kill)
    _, errors = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip("the run was quicker than the signal")
    assert process.returncode == code
    assert b"Traceback" not in errors
    main([*arguments, "-o", str(out), "--resume"])
    assert out.read_bytes() == (tmp_path / "whole.extxyz").read_bytes()
    assert not journal.exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["Xx2"], "Xx"),
        (["SrTiO-3"], "SrTiO-3"),
        ([""], "empty"),
        ([], "source"),
        (["NaCl", "--system", "Na-Cl"], "source"),
        (["NaCl", "--atoms", "0"], "0 atoms"),
        (["NaCl", "--atoms", "5000"], "5000"),
        (["NaCl", "--atoms", "3"], "3 atoms"),
        (["NaCl", "--multiples", "1,x"], "1,x"),
        (["OgO"], "Og"),
        (["NaCl", "--model", "no-such-model"], "torusflow-mp"),
        (["NaCl", "--device", "cuda:77"], "cuda:77"),
        (["NaCl", "--device", "abacus"], "abacus"),
        (["NaCl", "--shard", "3/2"], "3/2"),
        (["NaCl", "-n", "-1"], "-1"),
        (["NaCl", "--steps", "0"], "--steps 0"),
        (["NaCl", "--batch", "0"], "--batch 0"),
        (["NaCl", "--seed", "-4"], "-4"),
        (["NaCl", "-n", "many"], "many"),
        (["--from", "no-such-file.csv"], "no-such-file.csv"),
        (["NaCl", "--plot", "a.xyz"], "a.xyz"),
        (["NaCl", "--surprise"], "--surprise"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture, arguments: list[str], named: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["generate", *arguments, "-o", str(tmp_path / "a.extxyz")])
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("asegen: error: ") and named in line
    assert list(tmp_path.iterdir()) == []


def test_bad_files_are_one_line_and_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    (tmp_path / "weights.safetensors").write_bytes(b"not weights")
    (tmp_path / "kept.extxyz").write_text("precious")
    for arguments in (
        ["--from", str(tmp_path / "table.csv"), "-o", str(tmp_path / "a.extxyz")],
        ["NaCl", "--model", str(tmp_path / "weights.safetensors"), "-o", str(tmp_path / "a.extxyz")],
        ["NaCl", "-o", str(tmp_path / "kept.extxyz")],
        ["NaCl", "-o", "/dev/null/a.extxyz"],
        ["NaCl", "-o", str(tmp_path / "a.pdf")],
    ):
        with pytest.raises(SystemExit) as caught:
            main(["generate", *arguments])
        assert caught.value.code == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith("asegen: error: ")
    assert (tmp_path / "kept.extxyz").read_text() == "precious"
