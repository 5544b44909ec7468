"""`asegen ingest --symmetry`: splits that are exactly symmetric, kept on disk, and trained on."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.io import write
from lightning.fabric import Fabric

from asegen.cli.main import main
from asegen.data.shards import load_split
from asegen.errors import InputError
from asegen.geometry.torus import shortest
from asegen.prototypes.catalogue import FILE, Catalogue
from asegen.training.loop import METRICS, train
from asegen.training.recipe import recipe_from_table


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("symmetric")
    structures = [bulk("NaCl", "rocksalt", a=5.64), bulk("Si"), bulk("ZnO", "wurtzite", a=3.25, c=5.2), bulk("Mg")]
    structures += [bulk("CsCl", "cesiumchloride", a=4.12), bulk("Cu", cubic=True), bulk("Fe", cubic=True)]
    for atoms in structures:
        atoms.rattle(0.002, seed=1)
    for split in ("train", "val"):
        write(folder / f"{split}.extxyz", structures * 3)
        main(["ingest", str(folder / f"{split}.extxyz"), "-o", str(folder), "--symmetry", "0.1", "--jobs", "1"])
    return folder


def test_crystals_are_those_of_their_orbits(shards: Path) -> None:
    split = load_split(shards, "train")
    assert split.symmetry is not None and len(split) == 21
    made = split.symmetry.orbits.crystals(split.symmetry.numbers)
    assert torch.equal(made.numbers, split.crystals.numbers)
    torch.testing.assert_close(made.cell, split.crystals.cell)
    off = shortest(made.scaled_positions - split.crystals.scaled_positions)
    assert float(off.abs().max()) < 1e-9
    assert split.symmetry.orbits.group[:7].tolist() == [225, 227, 186, 194, 221, 225, 229]
    assert split.crystals.n_atoms[:7].tolist() == [2, 2, 4, 2, 2, 1, 1]  # cubic cells of one element are not primitive
    some = split[torch.tensor([2, 0])]
    assert some.symmetry is not None and some.symmetry.orbits.group.tolist() == [186, 225]
    known = Catalogue.read(shards / "train" / FILE)
    assert sum(known.known.values()) == 21 and np.isfinite(known.bravais_mean).all()


def test_a_symmetric_flow_trains_on_them_and_on_nothing_else(shards: Path, tmp_path: Path) -> None:
    table = {
        "model": {"class": "CrystalTransformer", "width": 16, "layers": 1, "heads": 2},
        "task": {"class": "SymmetricFlow"},
        "data": {"atom_budget": 40},
        "optimizer": {"steps": 4, "warmup_steps": 1, "ema": 0.5},
        "validate_every": 2,
    }
    recipe = recipe_from_table("test", table)
    train(recipe, shards, tmp_path / "run", Fabric(accelerator="cpu", devices=1))
    assert (tmp_path / "run" / METRICS).read_text().count("\n") == 3
    (shards / "train" / "symmetry.safetensors").rename(tmp_path / "away")
    try:
        with pytest.raises(InputError, match="--symmetry"):
            train(recipe, shards, tmp_path / "other", Fabric(accelerator="cpu", devices=1))
    finally:
        (tmp_path / "away").rename(shards / "train" / "symmetry.safetensors")


def test_sites_in_general_position_are_the_same_crystals(shards: Path, tmp_path: Path) -> None:
    main(["ingest", str(shards / "val.extxyz"), "-o", str(tmp_path), "--symmetry", "0.1", "--general", "--jobs", "1"])
    split, special = load_split(tmp_path, "val"), load_split(shards, "val")
    assert split.symmetry is not None and special.symmetry is not None
    orbits, numbers = split.symmetry
    assert split.header["sites"] == "general" and bool(orbits.free.all())
    assert torch.equal(orbits.numbers, special.symmetry.orbits.numbers)
    assert orbits.n_atoms[0] == 2 * 48 and split.crystals.n_atoms[0] == 2
    made = orbits.crystals(numbers)
    torch.testing.assert_close(made.cell, split.crystals.cell)
    for k in range(len(split)):  # every image lies on an atom of its element, and on every atom lies one
        ours, theirs = made[k], split.crystals[k]
        off = shortest(ours.scaled_positions[:, None] - theirs.scaled_positions).abs().amax(-1)
        same = (off < 1e-8) & (ours.numbers[:, None] == theirs.numbers)
        assert same.any(1).all() and same.any(0).all()
    assert Catalogue.read(tmp_path / "val" / FILE).known == Catalogue.read(shards / "val" / FILE).known
    with pytest.raises(SystemExit):
        main(["ingest", str(shards / "val.extxyz"), "-o", str(tmp_path / "x"), "--general"])


def test_a_bad_tolerance_is_one_line(shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["ingest", str(shards / "train.extxyz"), "-o", str(tmp_path), "--symmetry", "0"])
    assert caught.value.code == 2 and "--symmetry 0" in capsys.readouterr().err
