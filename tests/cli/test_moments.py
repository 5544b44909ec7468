"""Moments from a user's extxyz files to predicted arrays: ingest, train, models, predict."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import read, write

from asegen.calculators.property import predict
from asegen.cli.main import main

SMALL = {
    "alignn": "[model]\nwidth = 16\nalignn_layers = 1\ngcn_layers = 1\nangle_neighbors = 4\nneighbors = 8\n",
    "cgcnn": '[model]\nwidth = 16\ngraph = "radius"\ncutoff = 3.5\n',
    "ecn": '[model]\nwidth = 16\nlayers = 2\ngraph = "radius"\ncutoff = 3.5\n',
    "megnet": '[model]\ngraph = "radius"\ncutoff = 3.5\n',
}


def magnet(rng: np.random.Generator) -> Atoms:
    """An iron or nickel oxide: the metal's moment grows with the cell, oxygen has none, the sign is arbitrary."""
    metal = rng.choice(["Fe", "Ni"])
    a = rng.uniform(4.0, 4.6)
    atoms = bulk(f"{metal}O", "rocksalt", a=a)
    moment = (4.0 if metal == "Fe" else 2.0) + 2 * (a - 4.3)
    atoms.set_array("magmoms", rng.choice([-1, 1]) * np.array([moment, 0.0]))
    atoms.info["gap"] = float(rng.random())
    return atoms


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("moments"), np.random.default_rng(0)
    for split, n in (("train", 64), ("val", 16), ("test", 16)):
        write(folder / f"{split}.extxyz", [magnet(rng) for _ in range(n)], format="extxyz")
    files = [str(folder / f"{split}.extxyz") for split in ("train", "val", "test")]
    main(["ingest", *files, "-o", str(folder / "shards"), "--jobs", "1"])
    return folder


def train(shards: Path, network: str, out: Path, steps: int) -> Path:
    recipe = out.with_suffix(".toml")
    recipe.write_text(
        f'extends = "{network}-moments"\nvalidate_every = 50\n{SMALL[network]}heads = 3\n'
        "[data]\natom_budget = 64\n[optimizer]\nlearning_rate = 5e-3\nwarmup_steps = 5\nema = 0.9\n"
    )
    main(
        ["train", str(recipe), "--data", str(shards / "shards"), "--out", str(out), "--steps", str(steps),
         "--accelerator", "cpu"]
    )  # fmt: skip
    return out / "weights.safetensors"


def test_moments_of_extxyz_files_train_and_come_back_as_arrays(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    weights = train(shards, "cgcnn", tmp_path / "run", 100)
    capsys.readouterr()
    main(["models", str(weights), "--test", str(shards / "shards"), "--json"])
    (row,) = json.loads(capsys.readouterr().out)
    assert row["task"] == "SiteMoments" and row["columns"] == ["magmoms"] and row["test"]["crystals"] == 16
    # Half of the atoms have none, iron about 4 and nickel about 2 Bohr magnetons: without the sign's freedom 1.5.
    assert row["test"]["magmoms MAE"] < 0.2
    arguments = ["predict", str(shards / "test.extxyz"), "--model", str(weights), "--device", "cpu", "-o"]
    for name in ("out.extxyz", "out.csv", "out.json"):
        main([*arguments, str(tmp_path / name)])
    known, found = read(shards / "test.extxyz", ":"), read(tmp_path / "out.extxyz", ":")
    rows = json.loads((tmp_path / "out.json").read_text())
    table = list(csv.DictReader((tmp_path / "out.csv").open()))
    for true, atoms, row, line in zip(known, found, rows, table, strict=True):
        moments = atoms.get_magnetic_moments()  # ASE's reader takes the column for a calculator's
        assert np.abs(np.abs(moments) - np.abs(true.get_magnetic_moments())).max() < 1.0
        assert moments.sum() >= 0 and atoms.arrays["magmoms_std"].shape == (2,)
        np.testing.assert_allclose(row["magmoms"], moments, atol=1e-6)
        np.testing.assert_allclose(json.loads(line["magmoms"]), moments, atol=1e-6)


@pytest.mark.parametrize("network", ["alignn", "ecn", "megnet"])
def test_every_network_gives_a_number_for_each_atom(shards: Path, tmp_path: Path, network: str) -> None:
    weights = train(shards, network, tmp_path / network, 2)
    one = bulk("FeO", "rocksalt", a=4.3)
    cells = [one, one * (1, 1, 2), one[[1, 0]]]
    found = [r.site_values["magmoms"] for r in predict(cells, str(weights), "cpu")]
    assert [len(values) for values in found] == [2, 4, 2]
    np.testing.assert_allclose(found[2], found[0][::-1], atol=1e-4)
    if network != "ecn":  # ECN's supercell is one of the cell that is given
        np.testing.assert_allclose(found[1], np.tile(found[0], 2), atol=1e-4)


def test_columns_of_crystals_and_of_atoms_are_not_mixed_up(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    expected = (
        ("cgcnn-moments", "gap", "no column 'gap' per atom, but one per crystal"),
        ("cgcnn-formation-energy", "magmoms", "no column 'magmoms' per crystal, but one per atom"),
    )
    for recipe, target, message in expected:
        with pytest.raises(SystemExit) as caught:
            main(
                ["train", recipe, "--target", target, "--data", str(shards / "shards"), "--out", str(tmp_path / target)]
            )
        assert caught.value.code == 2
        assert message in capsys.readouterr().err
