"""`asegen evaluate`, end to end, on good and on bad input."""

import csv
import gzip
import io
import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import write

from asegen.cli.main import main
from asegen.metrics import METRICS

SALT = bulk("NaCl", "rocksalt", a=5.64)


def fails(capsys: pytest.CaptureFixture, *argv: object) -> str:
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", *(str(arg) for arg in argv)])
    assert caught.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("asegen: error: ")
    return error


def table(path: Path, structures: list[Atoms]) -> Path:
    with gzip.open(path, "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["material_id", "cif"])
        for k, atoms in enumerate(structures):
            text = io.BytesIO()
            write(text, atoms, format="cif")
            writer.writerow([f"id-{k}", text.getvalue().decode()])
    return path


def test_files_of_different_kinds_and_the_json(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    broken = SALT.copy()
    broken.positions[0] = np.nan
    generated, out = tmp_path / "generated.extxyz", tmp_path / "out.json"
    write(generated, [SALT, bulk("Cu"), broken], format="extxyz")
    reference = table(tmp_path / "test.csv.gz", [SALT, bulk("Cu")])
    main(
        ["evaluate", str(generated), "--reference", str(reference), "--metrics", "validity,density", "--json", str(out)]
    )
    found = json.loads(out.read_text())
    assert found["structures"] == {"generated": 3, "reference": 2, "train": 0}
    assert found["metrics"]["validity"]["values"] == {"published": 2 / 3, "gate": 2 / 3}
    assert found["metrics"]["density"]["values"]["emd"] == pytest.approx(0, abs=1e-3)
    assert found["metrics"]["density"]["protocol"] == METRICS["density"].protocol
    assert found["software"]["asegen"] and found["metrics"]["density"]["version"] == 1
    printed = capsys.readouterr().out
    assert "gate" in printed and "0.6667" in printed and "1 gate: non finite" in printed


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    good = tmp_path / "good.extxyz"
    write(good, SALT, format="extxyz")
    assert "no such file" in fails(capsys, tmp_path / "missing.cif").lower()
    assert "there are: validity" in fails(capsys, good, "--metrics", "beauty")
    assert "needs reference structures" in fails(capsys, good, "--metrics", "density")
    assert "at least one process" in fails(capsys, good, "--jobs", "0")
    assert "--overwrite" in fails(capsys, good, "--json", good)
    assert "no folder" in fails(capsys, good, "--json", good / "out.json")
    assert "two numbers" in fails(capsys, good, "--cov-cutoffs", "0.4")
    assert "there are: embedder, chgnet" in fails(capsys, good, "--energy", "gold")
    assert "no model 'gold'" in fails(capsys, good, "--reference", good, "--metrics", "fd-cgcnn", "--cgcnn", "gold")
    monkeypatch.setattr("asegen.metrics.registry.installed", lambda package: False)
    assert "energies by CHGNet" in fails(capsys, good, "--energy", "chgnet")
    assert "pip install 'asegen[metrics]'" in fails(capsys, good, "--metrics", "composition")


def test_every_figure_says_by_what_it_was_reached(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    pytest.importorskip("matminer")
    structures, out = tmp_path / "structures.extxyz", tmp_path / "out.json"
    write(structures, [SALT, bulk("Cu"), bulk("Si"), bulk("Al")], format="extxyz")
    names = "coverage,fad"
    argv = ["--reference", structures, "--metrics", names, "--cov-cutoffs", "0.2,4", "--cache", tmp_path, "--json", out]
    main(["evaluate", *map(str, [structures, *argv])])
    found = json.loads(out.read_text())["metrics"]
    assert found["coverage"]["using"] == {"cutoffs": "0.2 and 4"}
    assert found["fad"]["using"]["network"] == "alignn-formation-energy"
    assert len(found["fad"]["using"]["sha256"]) == 64
    printed = capsys.readouterr().out
    for name, metric in found.items():
        assert metric["values"] and f"{name} (version {metric['version']}): {metric['protocol']}" in printed
