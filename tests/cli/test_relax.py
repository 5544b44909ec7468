"""`asegen relax`: formats in and out, one status for each frame, bad inputs. The weights are untrained."""

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.db import connect
from ase.io import read, write

from asegen.cli.main import main
from asegen.models.checkpoint import write_tensors
from asegen.models.empnn.moment_network import MomentEMPNN
from asegen.trained.relaxer import load_relaxer


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    options = {"width": 8, "channels": 2, "first_layers": 1, "steps": 1, "neighbors": 8, "radial": 8}
    torch.manual_seed(0)
    model = MomentEMPNN(**options)
    header = {
        "name": "tiny",
        "steps": 0,
        "elements": list(range(1, 84)),
        "model": {"class": "MomentEMPNN", **options},
        "process": {"class": "Denoising", "parameter_mean": [5.0] * 6, "parameter_std": [1.0] * 6},
    }
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    write_tensors(path, model.state_dict(), header)
    return str(path)


def frames(n: int = 4) -> list:
    made = [bulk("NaCl", "rocksalt", a=5.2 + 0.1 * k) for k in range(n)]
    for k, atoms in enumerate(made):
        atoms.rattle(0.1, seed=k)
        atoms.info["material_id"] = f"m-{k}"
    return made


@pytest.mark.parametrize("name", ["out.extxyz", "out.cif", "out.traj", "out.db", "out"])
def test_every_frame_arrives_in_order_in_every_format(tmp_path: Path, weights: str, name: str) -> None:
    write(tmp_path / "in.extxyz", frames())
    out = tmp_path / name
    main(["relax", str(tmp_path / "in.extxyz"), "-o", str(out), "--model", weights, "--steps", "2"])
    files = sorted(out.iterdir()) if name == "out" else [out]
    found = [atoms for file in files for atoms in read(file, ":", format="vasp" if name == "out" else None)]
    assert [len(atoms) for atoms in found] == [2] * 4
    for before, after in zip(frames(), found, strict=True):
        assert abs(after.cell.volume / before.cell.volume - 1) < 0.5
        if name == "out.extxyz":
            assert after.info["relax_status"] in ("converged", "out of steps")
            assert after.info["material_id"] == before.info["material_id"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["in.extxyz", name])
    if name == "out.db":
        assert connect(out).count(relax_model="tiny") == 4


def test_each_frame_gets_one_status_whatever_is_wrong_with_others(
    tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    nan = bulk("Cu")
    nan.positions[0] = np.nan
    mixed = [frames(1)[0], nan, molecule("H2O"), bulk("U"), frames(1)[0]]
    write(tmp_path / "mixed.extxyz", mixed)
    whole = (tmp_path / "mixed.extxyz").read_text()
    (tmp_path / "cut.extxyz").write_text(whole[: len(whole) // 2])
    (tmp_path / "empty.cif").touch()
    folder = tmp_path / "folder"
    folder.mkdir()
    write(folder / "POSCAR-1", bulk("Si"), format="vasp")
    (folder / "POSCAR-2").write_text("no structure\n")
    sources = [tmp_path / name for name in ("mixed.extxyz", "cut.extxyz", "empty.cif", "missing.cif", "folder")]
    status, out = tmp_path / "status.csv", tmp_path / "out.traj"
    main(["relax", *map(str, sources), "-o", str(out), "--model", weights, "--status", str(status), "--steps", "1"])
    rows = list(csv.DictReader(status.open()))
    assert [row["status"] for row in rows[1:4]] == ["refused", "refused", "refused"]
    assert {"converged", "out of steps"} >= {rows[0]["status"], rows[4]["status"]}
    by_file = {Path(row["source"]).name: row for row in rows}
    for name in ("empty.cif", "missing.cif", "POSCAR-2"):
        assert by_file[name]["status"] == "unreadable" and by_file[name]["reason"]
    assert any(row["source"].endswith("cut.extxyz") and row["status"] == "unreadable" for row in rows)
    done = [row for row in rows if row["status"] in ("converged", "out of steps")]
    assert len(read(out, ":")) == len(done) >= 4
    error = capsys.readouterr().err
    assert f"{len(rows)} structures" in error and "4 unreadable" in error


def test_options_reach_the_relaxer(tmp_path: Path, weights: str) -> None:
    write(tmp_path / "in.extxyz", frames(1))
    before = frames(1)[0]
    for option, kept in (("--fix-cell", "cell"), ("--fix-positions", "positions")):
        out = tmp_path / f"{kept}.extxyz"
        arguments = ["--model", weights, "--fmax", "0", "--cell-max", "0", "--steps", "2", option]
        main(["relax", str(tmp_path / "in.extxyz"), "-o", str(out), *arguments])
        after = read(out)
        assert np.allclose(after.cell.array, before.cell.array) == (kept == "cell")
        same = np.allclose(after.get_scaled_positions(), before.get_scaled_positions(), atol=1e-6)
        assert same == (kept == "positions")
        assert after.info["relax_steps"] == 2


def test_lattice_constants_are_shown_before_and_after(
    tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "in.extxyz", [*frames(24), molecule("H2O")])
    out, status = tmp_path / "out.extxyz", tmp_path / "status.csv"
    main(["relax", str(tmp_path / "in.extxyz"), "-o", str(out), "--model", weights, "--status", str(status)])
    *rows, refused = csv.DictReader(status.open())
    for row, before, after in zip(rows, frames(24), read(out, ":"), strict=True):
        for suffix, atoms in (("_before", before), ("", after)):
            found = [float(row[name + suffix]) for name in ("a", "b", "c", "alpha", "beta", "gamma")]
            np.testing.assert_allclose(found, atoms.cell.cellpar(), atol=0.006)
        assert row["formula"] == "NaCl"
    assert refused["formula"] == "H2O" and not refused["a"] and not refused["a_before"]
    shown = capsys.readouterr().out
    assert shown.count("before") == shown.count("after") == 20 and "… and 4 more" in shown
    assert rows[0]["a_before"] in shown and rows[0]["gamma"] in shown


def test_frames_of_several_files_are_told_apart(
    tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, atoms in zip(("a.extxyz", "b.extxyz"), frames(2), strict=True):
        atoms.info.clear()
        write(tmp_path / name, atoms)
    inputs = [str(tmp_path / name) for name in ("a.extxyz", "b.extxyz")]
    main(["relax", *inputs, "-o", str(tmp_path / "out.extxyz"), "--model", weights])
    shown = capsys.readouterr().out
    assert "a.extxyz, 0" in shown and "b.extxyz, 0" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in.extxyz", "-o", "out.xlsx"], "unknown format"),
        (["in.extxyz", "-o", "in.extxyz"], "exists"),
        (["missing.cif", "-o", "out.cif"], "no such file or folder"),
        (["in.extxyz", "-o", "out.cif", "--fix-cell", "--fix-positions"], "not allowed"),
        (["in.extxyz", "-o", "out.cif", "--steps", "-1"], "--steps -1"),
        (["in.extxyz", "-o", "out.cif", "--model", "no such"], "no model"),
        (["in.extxyz", "-o", "out.cif", "--symprec", "0"], "--symprec 0"),
        (["in.extxyz", "-o", "out.cif", "--keep-symmetry", "--symprec", "5"], "--symprec 5: a tolerance"),
    ],
)
def test_nonsense_is_one_line_and_exit_code_2(
    tmp_path: Path,
    weights: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write("in.extxyz", frames(1))
    model = [] if "--model" in arguments else ["--model", weights]
    with pytest.raises(SystemExit) as stop:
        main(["relax", *arguments, *model])
    assert stop.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("asegen: error:") and message in last
    assert not Path("out.cif").exists()


def test_weights_of_another_kind_are_refused() -> None:
    with pytest.raises(Exception, match="not for Denoising or Reconstruction"):
        load_relaxer("torusflow-mp")


def test_one_structure_that_cannot_be_relaxed_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "in.extxyz", Atoms("Na", pbc=False))
    with pytest.raises(SystemExit) as stop:
        main(["relax", str(tmp_path / "in.extxyz"), "-o", str(tmp_path / "out.cif")])
    told = capsys.readouterr().err
    assert stop.value.code == 2 and told.count("\n") == 1 and "refused: not periodic" in told


def test_info_stays_as_it_was_and_ids_are_those_of_the_table(
    tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names such as `formula` are the user's own, and `sample_index` is that of `asegen generate`."""
    first, second = frames(2)
    first.info = {"formula": "my formula", "sample_index": 1000, "material_id": "m-0"}
    write(tmp_path / "a.extxyz", first)
    write(tmp_path / "POSCAR_018", second, format="vasp")
    inputs = [str(tmp_path / name) for name in ("a.extxyz", "POSCAR_018")]
    main(["relax", *inputs, "-o", str(tmp_path / "out.extxyz"), "--model", weights])
    assert "POSCAR_018" in capsys.readouterr().out
    kept, named = (atoms.info for atoms in read(tmp_path / "out.extxyz", ":"))
    assert kept | first.info == kept and kept["relax_row"] == 0
    assert named["material_id"] == "POSCAR_018" and "formula" not in named and "sample_index" not in named


def test_columns_of_a_table_can_be_searched_in_a_database(tmp_path: Path, weights: str) -> None:
    write(tmp_path / "x.cif", frames(1)[0])
    cif = (tmp_path / "x.cif").read_text().replace('"', '""')
    (tmp_path / "g.csv").write_text(f'material_id,band_gap,cif\n007,0.1,"{cif}"\n008,0.01,"{cif}"\n')
    main(["relax", str(tmp_path / "g.csv"), "-o", str(tmp_path / "out.db"), "--model", weights, "--steps", "1"])
    with connect(tmp_path / "out.db") as database:
        (row,) = database.select("band_gap>0.05")
        assert row.data["material_id"] == "007"


def test_links_stay_and_pipes_are_refused(tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "in.extxyz", frames(1))
    (tmp_path / "there.extxyz").write_text("old")
    (tmp_path / "link.extxyz").symlink_to("there.extxyz")
    os.mkfifo(tmp_path / "pipe.csv")
    run = ["relax", str(tmp_path / "in.extxyz"), "--model", weights, "--overwrite", "-o", str(tmp_path / "link.extxyz")]
    with pytest.raises(SystemExit) as stop:
        main([*run, "--status", str(tmp_path / "pipe.csv")])
    assert stop.value.code == 2 and "pipe.csv: it is no regular file" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*run[:-3], *run[-2:], "--calculator", "emt", "--resume", "--status", str(tmp_path / "pipe.csv")])
    assert "pipe.csv: it is no regular file" in capsys.readouterr().err
    assert (tmp_path / "pipe.csv").is_fifo() and (tmp_path / "there.extxyz").read_text() == "old"
    main(run)
    assert (tmp_path / "link.extxyz").is_symlink() and len(read(tmp_path / "there.extxyz", ":")) == 1


@pytest.mark.parametrize("target", ["there", "new"])
def test_a_link_to_a_folder_stays(tmp_path: Path, weights: str, target: str) -> None:
    write(tmp_path / "in.extxyz", frames(2))
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "POSCAR-000007-old").touch()
    (tmp_path / "link").symlink_to(target)
    main(["relax", str(tmp_path / "in.extxyz"), "--model", weights, "-o", str(tmp_path / "link"), "--overwrite"])
    assert (tmp_path / "link").is_symlink()
    assert sorted(file.name for file in (tmp_path / target).iterdir()) == ["POSCAR-000000-m-0", "POSCAR-000001-m-1"]


@pytest.mark.parametrize("status", ["/dev/stdout", "told.txt"])
def test_what_the_command_prints_into_is_not_replaced(
    tmp_path: Path, weights: str, forked: Callable[..., Any], status: str
) -> None:
    write(tmp_path / "in.extxyz", frames(1))
    run = ["relax", str(tmp_path / "in.extxyz"), "--model", weights, "-o", str(tmp_path / "out.extxyz"), "--overwrite"]
    with (tmp_path / "told.txt").open("w") as told:
        code, errors = forked([*run, "--status", os.path.join(tmp_path, status)], stdout=told.fileno()).end()
    assert code == 2 and errors.endswith("it is this command's standard output; name a file of its own\n")
    assert errors.count("\n") == 1 and not (tmp_path / "out.extxyz").exists()
