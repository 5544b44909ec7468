"""`asegen predict` and `asegen models`, end to end, on good and on bad input."""

import csv
import gzip
import io
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import read, write

from asegen.calculators.property import predict
from asegen.cli.main import main
from asegen.cli.predict import find_model
from asegen.cli.runs.predict import _is_doubtful
from asegen.errors import InputError

Weights = dict[str, Path]
NAME = "formation_energy_per_atom"


def fails(capsys: pytest.CaptureFixture, *argv: object) -> str:
    with pytest.raises(SystemExit) as caught:
        main([str(arg) for arg in argv])
    assert caught.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]  # a progress bar may stand before it
    assert error.startswith("asegen: error: ")
    return error


def mixed(path: Path) -> Path:
    """Two good structures, and one each of what goes wrong."""
    broken = bulk("Cu")
    broken.positions[0, 0] = np.nan
    frames = [bulk("Cu"), broken, bulk("Au"), molecule("H2"), bulk("NaCl", "rocksalt", a=5.6)]
    write(path, frames, format="extxyz")
    return path


def test_a_doubtful_gap_is_marked(
    property_weights: Weights, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "in.extxyz", [bulk("Cu"), bulk("NaCl", "rocksalt", a=5.6)], format="extxyz")
    argv = ["predict", str(tmp_path / "in.extxyz"), "--model", str(property_weights["gap"]), "--device", "cpu"]
    for low, high, marks in ((0.0, 1.0, 2), (2.0, -1.0, 0)):
        monkeypatch.setattr("asegen.cli.runs.predict.DOUBTFUL", (low, high))
        main(argv)
        printed = capsys.readouterr().out
        rows = [line for line in printed.splitlines() if " ok " in line]
        assert len(rows) == 2 and sum(" ? " in row for row in rows) == marks
        assert ("? doubtful: zero_probability is 0.0 or more where band_gap is not 0, or 1.0 or l" in printed) == bool(
            marks
        )


@pytest.mark.parametrize(
    ("gap", "zero", "doubtful"),
    [(2.0, 0.1, False), (2.0, 0.3, True), (0.9, 0.87, True), (0.0, 0.95, False), (0.0, 0.7, True)],
)
def test_a_gap_of_what_is_likely_a_metal_is_doubtful(gap: float, zero: float, doubtful: bool) -> None:
    """Rutile: 0.92 eV, and a metal with a probability of 0.87."""
    predictor = SimpleNamespace(zero_probability="metal", columns=("gap", "metal"))
    assert _is_doubtful({"gap": gap, "metal": zero}, predictor) == doubtful


@pytest.mark.parametrize(("gap", "deviation", "doubtful"), [(0.006, 0.32, True), (1.0, 0.4, False), (0.0, 0.1, False)])
def test_a_gap_within_its_deviation_is_doubtful(gap: float, deviation: float, doubtful: bool) -> None:
    """Silicon: surely no metal (0.004), and 0.006 ± 0.32 eV."""
    predictor = SimpleNamespace(zero_probability="metal", columns=("gap", "metal"))
    row = {"gap": gap, "gap_std": deviation, "metal": 0.004 if gap else 0.95}
    assert _is_doubtful(row, predictor) == doubtful


@pytest.mark.parametrize("suffix", [".csv", ".json", ".extxyz"])
def test_every_structure_has_a_row(
    property_weights: Weights, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture
) -> None:
    source, out = mixed(tmp_path / "in.extxyz"), tmp_path / f"out{suffix}"
    main(["predict", str(source), "--model", str(property_weights["alignn"]), "--device", "cpu", "-o", str(out)])
    if suffix == ".csv":
        rows: list[dict] = list(csv.DictReader(out.open()))
    elif suffix == ".json":
        rows = json.loads(out.read_text())
    else:
        rows = [atoms.info for atoms in read(out, ":")]
    kinds = [str(row["status"]).partition(":")[0] for row in rows]
    assert kinds == ["ok", "non-finite", "unknown element", "not periodic", "ok"]
    good = [row for row, kind in zip(rows, kinds, strict=True) if kind == "ok"]
    expected = predict([bulk("Cu"), bulk("NaCl", "rocksalt", a=5.6)], str(property_weights["alignn"]), "cpu")
    for row, result in zip(good, expected, strict=True):
        assert float(row[NAME]) == pytest.approx(result.values[NAME], rel=1e-4)
        assert float(row[f"{NAME}_std"]) == pytest.approx(result.values[f"{NAME}_std"], rel=1e-3)
    assert [int(row["row"]) for row in rows] == list(range(5)) and {row["file"] for row in rows} == {"in.extxyz"}
    printed = capsys.readouterr().out
    assert f"2 by {property_weights['alignn']}" in printed and "1 unknown element" in printed
    assert not list(tmp_path.glob("*.partial"))


def test_no_number_of_the_file_stands_for_a_prediction(property_weights: Weights, tmp_path: Path) -> None:
    """Gold isn't in the training data; its value is from elsewhere, as a column of DFT's may be."""
    frames = [bulk("Cu"), bulk("Au")]
    for atoms in frames:
        atoms.info |= {NAME: 99.0, f"{NAME}_std": 9.0, "mine": 1.0}
    write(tmp_path / "in.extxyz", frames)
    out = tmp_path / "out.extxyz"
    main(["predict", str(tmp_path / "in.extxyz"), "--model", str(property_weights["alignn"]), "-o", str(out)])
    copper, gold = (atoms.info for atoms in read(out, ":"))
    assert copper[NAME] != 99.0 and copper["mine"] == gold["mine"] == 1.0
    assert gold["status"].startswith("unknown element") and NAME not in gold and f"{NAME}_std" not in gold


def test_names_break_no_table(property_weights: Weights, tmp_path: Path) -> None:
    names = ["a\nb", "c\rd", "=1+1", "@x", "007", "plain"]
    frames = [bulk("Cu", a=3.6 + 0.01 * k) for k in range(len(names))]
    for atoms, name in zip(frames, names, strict=True):
        atoms.info["material_id"] = name
    write(tmp_path / "in.traj", frames)
    out = tmp_path / "out.csv"
    main(["predict", str(tmp_path / "in.traj"), "--model", str(property_weights["alignn"]), "-o", str(out)])
    assert len(out.read_text().splitlines()) == len(names) + 1
    found = [row["id"] for row in csv.DictReader(out.open(newline=""))]
    assert found == ["a\\nb", "c\\rd", "'=1+1", "'@x", "007", "plain"]


def test_a_truncated_file_loses_nothing(property_weights: Weights, tmp_path: Path) -> None:
    source = mixed(tmp_path / "in.extxyz")
    text = source.read_text()
    source.write_text(text[: text.rindex("Lattice")])
    model = ["--model", str(property_weights["alignn"]), "--device", "cpu"]
    for out in (tmp_path / "out.json", tmp_path / "out.extxyz"):
        main(["predict", str(source), *model, "-o", str(out)])
    rows = json.loads((tmp_path / "out.json").read_text())
    assert len(rows) == 5 and rows[-1]["status"].startswith(("truncated", "unreadable"))
    frames = read(tmp_path / "out.extxyz", ":")
    assert len(frames) == 5 and len(frames[-1]) == 0


def test_a_table_is_printed_without_output(
    property_weights: Weights, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write(tmp_path / "a.cif", bulk("NaCl", "rocksalt", a=5.6))
    main(["predict", str(tmp_path / "a.cif"), "--model", str(property_weights["both"]), "--device", "cpu"])
    printed = capsys.readouterr().out
    assert "NaCl" in printed and "band_gap" in printed and f"1 structure: 1 by {property_weights['both']}" in printed


def test_a_folder_means_its_files(property_weights: Weights, tmp_path: Path) -> None:
    folder, out = tmp_path / "folder", tmp_path / "out.json"
    folder.mkdir()
    write(folder / "POSCAR-2", bulk("NaCl", "rocksalt", a=5.6), format="vasp")
    write(folder / "POSCAR-1", bulk("Cu"), format="vasp")
    main(["predict", str(folder), "--model", str(property_weights["alignn"]), "--device", "cpu", "-o", str(out)])
    rows = json.loads(out.read_text())
    assert [(row["file"], row["formula"]) for row in rows] == [("POSCAR-1", "Cu"), ("POSCAR-2", "NaCl")]


def test_larger_cells_than_in_training_are_noted(
    property_weights: Weights, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write(tmp_path / "a.cif", bulk("Cu") * (3, 1, 1))
    main(["predict", str(tmp_path / "a.cif"), "--model", str(property_weights["alignn"]), "--device", "cpu"])
    expected = f"up to 3 atoms; {property_weights['alignn']} was trained on at most 2"
    assert expected in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        (bulk("Au"), "unknown element: alignn was trained without Au"),
        (molecule("H2O"), "not periodic"),
        (Atoms("Cu", cell=[2.5, 2.5, 2.5], positions=[[np.nan, 0, 0]], pbc=True), "non-finite"),
    ],
)
def test_one_bad_structure_is_an_error(
    property_weights: Weights, tmp_path: Path, capsys: pytest.CaptureFixture, atoms: Atoms, message: str
) -> None:
    write(tmp_path / "a.extxyz", atoms)
    out = tmp_path / "out.csv"
    error = fails(capsys, "predict", tmp_path / "a.extxyz", "--model", property_weights["alignn"], "-o", out)
    assert message in error
    assert message in out.read_text()  # the row is there all the same


def test_bad_arguments(property_weights: Weights, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write(tmp_path / "a.cif", bulk("Cu"))
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    good = ["--model", property_weights["alignn"], "--device", "cpu"]
    assert "is empty" in fails(capsys, "predict", tmp_path / "empty.csv", *good)
    assert "no column `cif`" in fails(capsys, "predict", tmp_path / "table.csv", *good)
    assert "absent.cif" in fails(capsys, "predict", tmp_path / "absent.cif", *good)
    assert "unknown format" in fails(capsys, "predict", tmp_path / "a.cif", *good, "-o", "out.xlsx")
    assert "no folder" in fails(capsys, "predict", tmp_path / "a.cif", *good, "-o", tmp_path / "a.cif" / "out.csv")
    (tmp_path / "out.csv").write_text("mine")
    assert "exists" in fails(capsys, "predict", tmp_path / "a.cif", *good, "-o", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "mine"
    assert "weights for TorusFlow" in fails(capsys, "predict", tmp_path / "a.cif", "--model", "torusflow-mp")


def test_models_are_found_by_kind_and_property(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "asegen.trained.weights.shipped_weights", lambda *_: ["alignn-band-gap", "alignn-formation-energy"]
    )
    assert find_model("alignn", "band_gap") == "alignn-band-gap"
    assert find_model("alignn", None) == "alignn-formation-energy"
    assert find_model("alignn-band-gap", None) == "alignn-band-gap"
    assert find_model("alignn-band-gap", "band_gap") == "alignn-band-gap"
    with pytest.raises(InputError, match="property = moments: alignn-band-gap predicts band_gap"):
        find_model("alignn-band-gap", "moments")
    with pytest.raises(InputError, match="'colour'; there are band_gap, formation_energy"):
        find_model("alignn", "colour")
    with pytest.raises(InputError, match="no model 'painting-colour'"):
        find_model("painting", "colour")


def test_models_are_listed_and_measured(property_weights: Weights, capsys: pytest.CaptureFixture) -> None:
    main(["models"])
    assert "torusflow-mp" in capsys.readouterr().out
    name, shards = str(property_weights["metal"]), str(property_weights["shards"])
    main(["models", name, "--test", shards, "--record"])
    assert "accuracy" in capsys.readouterr().out
    main(["models", name, "--json"])
    (row,) = json.loads(capsys.readouterr().out)
    assert row["network"] == "ALIGNN" and row["columns"] == ["band_gap"] and row["test"]["crystals"] == 40
    assert "--record goes with --test" in fails(capsys, "models", name, "--record")
    assert "needs the models" in fails(capsys, "models", "--test", shards)


def test_tables_without_the_model_s_column(
    property_weights: Weights, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """A table needs its target for training and for measuring, not for predictions."""
    frames = [bulk("NaCl", "rocksalt", a=5.6 + 0.1 * k) for k in range(3)]
    write(tmp_path / "test.extxyz", frames, format="extxyz")
    model = str(property_weights["alignn"])
    main(["ingest", str(tmp_path / "test.extxyz"), "-o", str(tmp_path / "shards")])
    error = fails(capsys, "models", model, "--test", tmp_path / "shards")
    assert f"no column '{NAME}'; it has: none" in error
    error = fails(capsys, "ingest", tmp_path / "test.extxyz", "-o", tmp_path / "other", "--targets", NAME)
    assert f"no column '{NAME}'" in error
    main(["predict", str(tmp_path / "test.extxyz"), "--model", model, "--device", "cpu"])
    assert f"3 structures: 3 by {model}" in capsys.readouterr().out


def test_empty_files_of_every_kind(property_weights: Weights, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    header_only = tmp_path / "header.csv"
    header_only.write_text("material_id,cif\n")
    files = [header_only]
    for name in ("empty.csv", "empty.cif", "empty.extxyz", "POSCAR", "blank.extxyz"):
        files.append(tmp_path / name)
        files[-1].write_text("\n \n" if name.startswith("blank") else "")
    for file in files:
        out = tmp_path / "out.csv"
        error = fails(capsys, "predict", file, "--model", property_weights["alignn"], "--device", "cpu", "-o", out)
        assert file.name in error and ("empty" in error or "no structures" in error)
        assert not out.exists() and not list(tmp_path.glob("*.partial"))


def test_a_column_of_the_user_s_own_trains(
    property_weights: Weights, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "small.toml").write_text(
        'extends = "cgcnn-formation-energy"\n[model]\nwidth = 8\ngraph = "radius"\n[data]\natom_budget = 20\n'
    )
    run = [
        "train", str(tmp_path / "small.toml"), "--data", str(property_weights["shards"]), "--steps", "2",
        "--accelerator", "cpu", "--out",
    ]  # fmt: skip
    main([*run, str(tmp_path / "run"), "--target", "band_gap"])
    main(["models", str(tmp_path / "run" / "weights.safetensors"), "--json"])
    (row,) = json.loads(capsys.readouterr().out)
    assert row["columns"] == ["band_gap"] and row["network"] == "CGCNN"
    assert "no column 'moment'" in fails(capsys, *run, tmp_path / "other", "--target", "moment")


def test_one_bad_file_among_several_is_a_row(property_weights: Weights, tmp_path: Path) -> None:
    write(tmp_path / "a.cif", bulk("Cu"))
    write(tmp_path / "c.cif", bulk("NaCl", "rocksalt", a=5.6))
    (tmp_path / "b.csv").write_text("")
    table = io.StringIO()
    csv.writer(table).writerows([["material_id", "cif"], *([k, (tmp_path / "a.cif").read_text()] for k in range(200))])
    packed = gzip.compress(table.getvalue().encode())
    (tmp_path / "d.csv.gz").write_bytes(packed[: len(packed) - 9])
    files = [str(tmp_path / name) for name in ("a.cif", "b.csv", "absent.cif", "c.cif", "d.csv.gz")]
    out = tmp_path / "out.json"
    main(["predict", *files, "--model", str(property_weights["alignn"]), "--device", "cpu", "-o", str(out)])
    found = json.loads(out.read_text())
    kinds = [row["status"].partition(":")[0] for row in found]
    assert kinds[:4] == ["ok", "unreadable", "unreadable", "ok"]
    assert "b.csv is empty" in found[1]["status"] and "absent.cif" in found[2]["status"]
    assert kinds[4] == "ok" and kinds[-1] == "unreadable" and {row["file"] for row in found[4:]} == {"d.csv.gz"}


def test_ids_are_those_of_the_files(property_weights: Weights, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Ids that several structures have stay what other tables call them; file and row tell them apart."""
    write(tmp_path / "LiD.cif", bulk("Cu"))
    write(tmp_path / "LiD.vasp", bulk("Cu"), format="vasp")
    cif = (tmp_path / "LiD.cif").read_text().replace('"', '""')
    (tmp_path / "ids.csv").write_text("material_id,cif\n" + "".join(f'{id},"{cif}"\n' for id in ("007", "007", "-1")))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "x.cif", bulk("Cu"))
    out, inputs = tmp_path / "out.csv", ["ids.csv", "LiD.cif", "LiD.vasp", "a", "b"]
    argv = [str(tmp_path / name) for name in inputs]
    main(["predict", *argv, "--model", str(property_weights["alignn"]), "--device", "cpu", "-o", str(out)])
    rows = [(row["id"], row["file"], row["row"]) for row in csv.DictReader(out.open(newline=""))]
    assert [id for id, _, _ in rows] == ["007", "007", "-1", "LiD", "LiD", "x", "x"]
    assert len({(file, row) for _, file, row in rows}) == 7 and rows[1][1:] == ("ids.csv", "1")
    assert rows[5][1] == str(tmp_path / "a" / "x.cif")
    printed = capsys.readouterr().out
    assert "007 (ids.csv, 1)" in printed and "LiD (LiD.vasp, 0)" in printed


def test_a_link_that_leads_nowhere_is_a_row(property_weights: Weights, tmp_path: Path) -> None:
    folder, out = tmp_path / "d", tmp_path / "out.json"
    folder.mkdir()
    write(folder / "Cu.cif", bulk("Cu"))
    (folder / "a.vasp").symlink_to("/nonexistent/a.vasp")
    main(["predict", str(folder), "--model", str(property_weights["alignn"]), "--device", "cpu", "-o", str(out)])
    statuses = {row["file"]: row["status"] for row in json.loads(out.read_text())}
    assert statuses["Cu.cif"] == "ok" and statuses["a.vasp"].startswith("unreadable: cannot read")


def test_a_pipe_is_not_replaced(property_weights: Weights, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write(tmp_path / "a.cif", bulk("Cu"))
    os.mkfifo(tmp_path / "out.csv")
    argv = ["predict", tmp_path / "a.cif", "--model", property_weights["alignn"], "-o", tmp_path / "out.csv"]
    for overwrite in ([], ["--overwrite"]):
        assert "out.csv: it is no regular file" in fails(capsys, *argv, *overwrite)
    assert (tmp_path / "out.csv").is_fifo()
