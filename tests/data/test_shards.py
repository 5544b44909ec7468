"""Splits on disk: what is written is what is read, whole or not at all."""

import csv
import dataclasses
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asegen.crystals.crystals import Crystals
from asegen.data import shards
from asegen.data.shards import CrystalDataset, Rejected, load_rejected, load_split, write_shards
from asegen.errors import InputError


def dataset(sizes: list[int], seed: int = 0, targets: tuple[str, ...] = ("energy",)) -> CrystalDataset:
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    total = sum(sizes)
    crystals = Crystals(
        cell=3 * torch.eye(3, dtype=torch.float64) + random(len(sizes), 3, 3),
        scaled_positions=random(total, 3),
        numbers=torch.randint(1, 119, (total,), generator=generator),
        n_atoms=torch.tensor(sizes),
    )
    values = {name: random(len(sizes)) for name in targets}
    return CrystalDataset(crystals, values, [f"id-{i}" for i in range(len(sizes))], {"asegen": "test"})


def same(a: CrystalDataset, b: CrystalDataset) -> bool:
    fields = ("cell", "scaled_positions", "numbers", "n_atoms")
    return (
        all(torch.equal(getattr(a.crystals, name), getattr(b.crystals, name)) for name in fields)
        and a.targets.keys() == b.targets.keys()
        and all(torch.allclose(a.targets[name], b.targets[name], rtol=0, atol=0, equal_nan=True) for name in a.targets)
        and a.ids == b.ids
    )


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    per_shard=st.integers(1, 5),
    targets=st.lists(st.text(min_size=1, max_size=8).filter(lambda t: "\0" not in t), max_size=3, unique=True),
    seed=st.integers(0, 100),
)
def test_what_is_written_is_read(tmp_path_factory, sizes, per_shard, targets, seed):
    folder = tmp_path_factory.mktemp("shards")
    targets = tuple(name for name in targets if name.isprintable())
    written = dataset(sizes, seed, targets)
    place = write_shards(folder, "train", written, crystals_per_shard=per_shard)
    assert same(load_split(folder, "train"), written)
    assert len(list(place.glob("*.safetensors"))) == -(-len(sizes) // per_shard)


def test_types_on_disk_and_in_memory(tmp_path):
    written = dataset([2, 3])
    written.targets["energy"][0] = float("nan")
    loaded = load_split(write_shards(str(tmp_path), "val", written).parent, "val")
    assert loaded.crystals.dtype == torch.float64 and loaded.crystals.numbers.dtype == torch.int64
    assert loaded.targets["energy"].isnan().tolist() == [True, False]
    assert loaded.header["asegen"] == "test" and loaded.header["atoms"] == 5


def test_same_input_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_shards(tmp_path / name, "train", dataset([3, 1, 4]), rejected=[Rejected("f.csv", 1, "x", "bad cell: é")])
    for file in sorted((tmp_path / "a/train").iterdir()):
        assert file.read_bytes() == (tmp_path / "b/train" / file.name).read_bytes()


def test_rejected_rows_are_listed(tmp_path):
    rows = [Rejected("f.csv", 7, "mp-1", 'unreadable: a "quoted", line'), Rejected("g.cif", 0, "g", "no atoms: empty")]
    place = write_shards(tmp_path, "train", dataset([1]), rejected=rows)
    with open(place / "rejected.csv", newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert [tuple(r.values()) for r in read] == [(r.file, str(r.row), r.id, r.reason) for r in rows]
    assert load_rejected(tmp_path, "train") == rows
    with pytest.raises(InputError, match="cannot read"):
        load_rejected(tmp_path, "val")


@pytest.mark.parametrize("index", [torch.tensor([2, 0, 2]), torch.tensor([True, False, True, False])])
def test_selection_takes_targets_and_ids_along(index):
    whole = dataset([2, 1, 3, 2])
    chosen = torch.arange(4)[index].tolist()
    part = whole[index]
    assert part.ids == [whole.ids[i] for i in chosen] and part.crystals.n_atoms.tolist() == [
        [2, 1, 3, 2][i] for i in chosen
    ]
    assert torch.equal(part.targets["energy"], whole.targets["energy"][chosen])


def test_existing_split_is_kept_unless_forced(tmp_path):
    write_shards(tmp_path, "train", dataset([1, 2]))
    with pytest.raises(InputError, match="force replaces"):
        write_shards(tmp_path, "train", dataset([3]))
    assert len(load_split(tmp_path, "train")) == 2
    write_shards(tmp_path, "train", dataset([3]), force=True)
    assert len(load_split(tmp_path, "train")) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["train"]


@pytest.mark.parametrize("stop", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_split(tmp_path, monkeypatch, stop):
    write_shards(tmp_path, "train", dataset([1, 2]))

    def fail(*args):
        raise stop

    monkeypatch.setattr(shards, "save", fail)
    with pytest.raises((InputError, KeyboardInterrupt)):
        write_shards(tmp_path, "train", dataset([3]), force=True)
    assert len(load_split(tmp_path, "train")) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["train"]


def test_what_a_killed_run_left_is_removed(tmp_path):
    for name in (".train.1.partial", ".train.1.old"):
        write_shards(tmp_path, "train", dataset([1, 2]), force=True)
        (tmp_path / "train").rename(tmp_path / name)
    with pytest.raises(InputError) as error:
        load_split(tmp_path, "train")
    assert "splits here" not in str(error.value)
    write_shards(tmp_path, "train", dataset([3]))
    write_shards(tmp_path, "train", dataset([3]), force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["train"]


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden"])
def test_a_split_name_is_one_plain_component(tmp_path, name):
    with pytest.raises(InputError, match="name of a split"):
        write_shards(tmp_path, name, dataset([1]))


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make the folder"):
        write_shards(tmp_path / "file" / "deeper", "train", dataset([1]))


def edit_index(place: Path, **changes: object) -> None:
    index = json.loads((place / "index.json").read_text())
    (place / "index.json").write_text(json.dumps({**index, **changes}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: (p / "index.json").unlink(), "asegen ingest"),
        (lambda p: (p / "index.json").write_text("{"), "cannot read"),
        (lambda p: (p / "index.json").write_text("[]"), "format"),
        (lambda p: edit_index(p, format=99), "format"),
        (lambda p: edit_index(p, ids=["one"]), "differ in length"),
        (lambda p: edit_index(p, targets=["absent"]), "damaged"),
        (lambda p: edit_index(p, shards=[]), "damaged"),
        (lambda p: edit_index(p, shards=[{"crystals": 2}]), "damaged"),
        (lambda p: edit_index(p, shards=[{"file": "crystals-00000.safetensors", "crystals": 5}]), "damaged"),
        (lambda p: (p / "crystals-00000.safetensors").unlink(), "cannot read"),
        (lambda p: (p / "crystals-00000.safetensors").write_bytes(b"\x80\x04pickle"), "cannot read"),
        (lambda p: (p / "crystals-00000.safetensors").write_bytes(b""), "cannot read"),
    ],
)
def test_damage_is_one_line(tmp_path, damage, message):
    damage(write_shards(tmp_path, "train", dataset([1, 2])))
    with pytest.raises(InputError, match=message) as error:
        load_split(tmp_path, "train")
    assert "\n" not in str(error.value)


def test_a_missing_split_names_those_that_are_there(tmp_path):
    write_shards(tmp_path, "val", dataset([1]))
    with pytest.raises(InputError, match="splits here: val"):
        load_split(tmp_path, "train")


def test_what_is_known_of_atoms_follows_them(tmp_path):
    sizes = [2, 1, 4, 3]
    atoms = torch.arange(10, dtype=torch.float64)
    written = dataclasses.replace(dataset(sizes), site_targets={"magmoms": atoms})
    write_shards(tmp_path, "train", written, crystals_per_shard=3)
    loaded = load_split(tmp_path, "train")
    assert torch.equal(loaded.site_targets["magmoms"], atoms)
    part = loaded[torch.tensor([2, 0])]
    assert part.site_targets["magmoms"].tolist() == [3, 4, 5, 6, 0, 1]
    assert torch.equal(part.crystals.numbers, written.crystals.numbers[[3, 4, 5, 6, 0, 1]])
    index = tmp_path / "train" / "index.json"
    header = json.loads(index.read_text())
    index.write_text(
        json.dumps({k: v for k, v in header.items() if k != "site_targets"})
    )  # written before there were any
    assert not load_split(tmp_path, "train").site_targets
    index.write_text(json.dumps({**header, "site_targets": ["charges"]}))
    with pytest.raises(InputError, match="site/charges is missing"):
        load_split(tmp_path, "train")
