"""The command `asegen discover`: a small run, and refusals in one line before anything heavy is loaded."""

from pathlib import Path

import pandas
import pytest
from ase.io import read

from asegen.cli.main import main

SMALL = ["--potential", "none", "--candidates", "1", "--max-atoms", "6", "--elements", "Na K | Cl Br | *"]


def test_a_small_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "found.extxyz"
    main(["discover", "-n", "1", *SMALL, "--target", "density=..5", "-o", str(out), "--plot", str(tmp_path / "a.png")])
    printed = capsys.readouterr().out
    atoms = read(out)
    assert str(atoms.info["formula"]) in printed and "density" in printed and "in all" in printed
    assert "e_hull: predicted" in printed and "1 crystal in" in printed
    assert (tmp_path / "a.png").exists() and (tmp_path / "found.extxyz.proposals.csv").exists()
    with pytest.raises(SystemExit):
        main(["discover", "-n", "1", *SMALL, "-o", str(out)])
    assert "--resume goes on" in capsys.readouterr().err


def test_what_is_left_to_propose_is_told_from_what_was_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.db"
    with pytest.raises(SystemExit) as stop:
        main(["discover", "-n", "1", "--potential", "none", "--system", "Na-Cl", "--exclude", "Na", "-o", str(out)])
    told = capsys.readouterr().err
    assert stop.value.code == 2 and "none of 0 compositions gave a crystal" in told and not out.exists()
    assert "known crystals lead to no other composition of this kind" in told and "--proposals" not in told


def test_where_nothing_is_on_target_the_nearest_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "found.extxyz"
    targets = ["--target", "density=..0.1", "--proposals", "6"]
    with pytest.raises(SystemExit) as stop:
        main(["discover", "-n", "1", *SMALL, *targets, "--e-hull", "1", "-o", str(out)])
    told = capsys.readouterr()
    table = pandas.read_csv(tmp_path / "found.extxyz.proposals.csv")
    nearest = table.loc[table["target_distance"][table["fate"] == "off target"].idxmin()]
    assert f"nearest to density=..0.1: {nearest.formula} has {nearest.reason}" in told.err.splitlines()[-1]
    assert stop.value.code == 2 and "off target" in told.out and not out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("-n 0", "-n 0: 1 to"),
        ("--elements Li|Xq", "'Xq' is not an element"),
        ("--elements Li|O --exclude O", "--exclude leaves nothing of 'O' in --elements"),
        ("--system Li-O --elements Li|O", "--elements and --system exclude each other"),
        ("--target gap=1..2", "--target gap: no such property"),
        ("--target band_gap=2..1", "above the upper"),
        ("--target band_gap=1.. --target metal=yes", "contradict each other"),
        ("--max-elements 0", "--max-elements 0"),
        ("--spacegroups 231", "1 to 230"),
        ("--shard 3/2", "--shard 3/2"),
        ("--potential nope", "no calculator 'nope'"),
        ("--e-hull nan", "--e-hull nan"),
        ("--e-hull -0.1", "--e-hull -0.1: more than -0.05 eV/atom is needed"),
        ("-o a.foo", "unknown format"),
        ("-o a.vasp", "holds one structure"),
    ],
)
def test_refusals_are_one_line(
    arguments: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["discover", "-o", "a.extxyz", *arguments.split()])
    message = capsys.readouterr().err
    assert stop.value.code == 2 and message.count("\n") == 1 and words in message
