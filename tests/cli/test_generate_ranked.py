"""`asegen generate --rank` and `--method hybrid` as a user runs them: order, kills, shards, and bad input."""

from itertools import pairwise
from pathlib import Path

import pytest
import spglib
from ase import Atoms
from ase.build import bulk
from ase.io import read, write

from asegen.cli.main import main
from asegen.generation.outputs import PartialOutput

ERROR = 0.05  # eV/atom, within which the likelier structure may come first
FORMULAS = ["KBr", "NaCl", "MgO", "KCl"]


def generate(*args: str) -> None:
    main(["generate", "--device", "cpu", "--steps", "2", "--quick", *args])


def ranked(*args: str) -> None:
    generate(*FORMULAS, "--method", "template", "--rank", "none", "-n", "3", "--keep", "2", "--batch", "1", *args)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of three structure types."""
    place = tmp_path_factory.mktemp("known") / "known.extxyz"
    kinds = [("NaCl", "rocksalt", 5.64), ("CsCl", "cesiumchloride", 4.12), ("ZnS", "zincblende", 5.4)]
    write(place, [bulk(name, kind, a=a) for name, kind, a in kinds])
    return str(place)


@pytest.fixture(scope="module")
def whole(known: str, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    """What `ranked` makes of it, one formula at a time, when nothing comes between."""
    out = tmp_path_factory.mktemp("whole") / "whole.extxyz"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asegen.generation.ranked._POOLED", 1)
        ranked("--templates", known, "-o", str(out))
    return everything(out)


def everything(place: Path) -> list[tuple[object, ...]]:
    found = read(place, ":")
    return [(a.info["sample_index"], a.info["formula"], a.info["rank"], a.positions.tolist()) for a in found]


def test_best_first_and_known_again(tmp_path: Path, known: str, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "out.extxyz"
    ranked("--templates", known, "-o", str(out))
    found = read(out, ":")
    assert [a.info["sample_index"] for a in found] == list(range(8))
    assert [a.info["rank"] for a in found] == [1, 2] * 4
    assert [a.info["formula"] for a in found] == [formula for formula in FORMULAS for _ in range(2)]
    capsys.readouterr()
    ranked("--templates", known, "-o", str(out), "--resume")
    assert "complete" in capsys.readouterr().err
    for other in (["--rank", "alignn"], ["-n", "4"], ["--seed", "1"]):
        with pytest.raises(SystemExit) as caught:
            ranked("--templates", known, "-o", str(out), "--resume", *other)
        # Templates know no seed, but what they are called by does.
        assert caught.value.code == 2 and "other arguments" in capsys.readouterr().err


def test_a_killed_run_goes_on_to_the_same(
    tmp_path: Path, known: str, whole: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asegen.generation.ranked._POOLED", 1)
    append = PartialOutput.append
    calls = []

    def stop(self: PartialOutput, structures: list[Atoms]) -> None:
        calls.append(structures)
        if len(calls) == 2:
            raise KeyboardInterrupt
        append(self, structures)

    monkeypatch.setattr(PartialOutput, "append", stop)
    out = tmp_path / "out.extxyz"
    with pytest.raises((SystemExit, KeyboardInterrupt)):
        ranked("--templates", known, "-o", str(out))
    assert not out.exists()
    monkeypatch.setattr(PartialOutput, "append", append)
    ranked("--templates", known, "-o", str(out), "--resume")
    assert everything(out) == whole


def test_shards_make_the_whole(
    tmp_path: Path, known: str, whole: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asegen.generation.ranked._POOLED", 1)
    parts = []
    for k in (1, 2):
        ranked("--templates", known, "-o", str(tmp_path / f"{k}.extxyz"), "--shard", f"{k}/2")
        parts += everything(tmp_path / f"{k}.extxyz")
    assert sorted(parts) == whole


def test_hybrid_with_and_without_templates(tmp_path: Path, known: str, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "out.extxyz"
    generate("KBr", "Na2S3", "--multiples", "1", "--method", "hybrid", "--templates", known, "-n", "6", "-o", str(out))
    found = read(out, ":")
    assert {a.info["source"] for a in found if a.info["formula"] == "Na2S3"} <= {"diffusion", "symmetric"}
    assert {a.info["method"] for a in found} == {"hybrid"}
    for formula in ("KBr", "Na2S3"):
        own = [a.info for a in found if a.info["formula"] == formula]
        energies = [info["energy_per_atom"] for info in own]
        assert all(b > a - ERROR for a, b in pairwise(energies))
        assert [info["rank"] for info in own] == list(range(1, len(own) + 1))
    printed = capsys.readouterr()
    assert "no template for Na2S3: models draw all of it" in printed.err
    assert "template" in printed.out and f"{found[0].info['energy_per_atom']:.3f}" in printed.out


def test_copies_are_said(tmp_path: Path, known: str, capsys: pytest.CaptureFixture) -> None:
    generate("Cu", "--rank", "emt", "-n", "8", "-o", str(tmp_path / "a.extxyz"), "--force")
    left = 8 - len(read(tmp_path / "a.extxyz", ":"))
    assert (f"{left} fewer than asked for" in capsys.readouterr().err) == (left > 0)


def test_a_system_takes_one_of_each(tmp_path: Path) -> None:
    out, known = tmp_path / "out.extxyz", tmp_path / "known.extxyz"
    write(known, [bulk("Al"), bulk("CsCl", "cesiumchloride", a=4.12)])
    arguments = ["--system", "Cu-Au", "-n", "3", "--max-atoms", "2", "--method", "template", "--rank", "emt"]
    generate(*arguments, "--templates", str(known), "-o", str(out))
    assert [a.info["rank"] for a in read(out, ":")] == [1, 1, 1]


def test_groups_are_kept_through_the_ranking(tmp_path: Path) -> None:
    out = tmp_path / "out.extxyz"
    arguments = ["Cu3Au", "--spacegroup", "221", "--rank", "emt", "--relax-steps", "5", "-n", "3"]
    generate(*arguments, "-o", str(out))
    for atoms in read(out, ":"):
        cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
        assert spglib.get_symmetry_dataset(cell, 1e-3).number == 221


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--keep", "2"], "--keep goes with --rank"),
        (["--relax-steps", "2"], "--relax-steps goes with --rank"),
        (["--rank", "energy"], "no calculator 'energy'"),
        (["--rank", "none", "-n", "3", "--keep", "4"], "1 to 3"),
        (["--rank", "none", "--keep", "0"], "at least 1"),
        (["--method", "hybrid", "--spacegroup", "225"], "none can be asked for"),
        (["--rank", "alignn", "--relax-steps", "3"], "needs forces"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture, arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        generate("NaCl", *arguments, "-o", str(tmp_path / "out.extxyz"))
    printed = capsys.readouterr().err
    assert caught.value.code == 2 and printed.count("\n") == 1 and message in printed


def test_a_missing_package_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("asegen.potentials.chgnet.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as caught:
        generate("NaCl", "--rank", "chgnet", "-o", str(tmp_path / "out.extxyz"))
    printed = capsys.readouterr().err
    assert caught.value.code == 2 and printed.count("\n") == 1 and "chgnet is not installed" in printed
