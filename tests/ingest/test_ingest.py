"""Files to datasets: counts add up, targets are chosen, nothing depends on the number of processes."""

import csv
import hashlib

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.io import write
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.cif import CifWriter

from asegen.data.shards import count_kinds, load_split, write_shards
from asegen.errors import InputError
from asegen.ingest.ingest import ingest
from asegen.ingest.plan import plan_splits
from asegen.structures.atoms import atoms_from_crystals


def structures(n: int) -> list[Structure]:
    """Perovskite-like cells, distorted, some of them skewed."""
    random = np.random.default_rng(0)
    found = []
    for i in range(n):
        matrix = Lattice.from_parameters(*random.uniform(3.6, 6.5, 3), *random.uniform(60, 115, 3)).matrix.copy()
        matrix[2] += (i % 3) * matrix[0]
        sites = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]]) + random.uniform(-0.05, 0.05, (3, 3))
        found.append(Structure(matrix, ["Sr", "Ti", "O"], sites))
    return found


HEADER = ["material_id", "formula", "gap", "partly", "cif"]
SOURCES = structures(12)
BAD_CIF = str(CifWriter(SOURCES[0])).replace("  1\n", "  0.5\n")
ROWS = [
    *([f"m-{i}", "SrTiO", str(i / 4), "" if i else "1.0", str(CifWriter(s))] for i, s in enumerate(SOURCES)),
    ["bad-1", "x", "1", "", BAD_CIF],
    ["bad-2", "x", "1", "", "not a cif"],
    ["bad-3", "x", "inf", "", str(CifWriter(SOURCES[0]))],
]


def write_table(path, rows=ROWS, header=HEADER):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_table(tmp_path_factory.mktemp("table") / "train.csv")


@pytest.fixture(scope="module")
def ingested(table):
    seen = []
    dataset, rejected = ingest([table], jobs=2, on_start=seen.append, on_row=lambda: seen.append(1))
    assert seen == [len(ROWS), *[1] * len(ROWS)]
    return dataset, rejected


def test_rows_are_crystals_or_rejections(ingested, table):
    dataset, rejected = ingested
    assert len(dataset) + len(rejected) == len(ROWS)
    assert dataset.ids == [f"m-{i}" for i in range(12)]
    assert [(r.file, r.row, r.id) for r in rejected] == [("train.csv", 12 + i, f"bad-{i + 1}") for i in range(3)]
    kinds = {"partial occupancy": 1, "unreadable": 1, "bad target": 1}
    assert count_kinds(rejected) == kinds == dataset.header["rejected"]
    digest = hashlib.sha256(table.read_bytes()).hexdigest()
    assert dataset.header["sources"] == [{"file": "train.csv", "sha256": digest, "rows": len(ROWS)}]


def test_structures_are_kept(ingested):
    dataset, _ = ingested
    matcher = StructureMatcher(scale=False, primitive_cell=False, ltol=1e-3, angle_tol=0.1, stol=1e-3)
    for atoms, source in zip(atoms_from_crystals(dataset.crystals), SOURCES, strict=True):
        assert matcher.fit(AseAtomsAdaptor.get_structure(atoms), source)
    assert (torch.linalg.det(dataset.crystals.cell) > 0).all()


def test_cells_are_niggli_cells(ingested):
    for cell in ingested[0].crystals.cell.numpy():
        expected = Lattice(cell).get_niggli_reduced_lattice()
        np.testing.assert_allclose(sorted(Lattice(cell).abc), sorted(expected.abc), rtol=1e-5)


def test_numeric_columns_are_targets(ingested):
    dataset, _ = ingested
    assert list(dataset.targets) == ["gap", "partly"]
    assert dataset.targets["gap"].tolist() == [i / 4 for i in range(12)]
    assert dataset.targets["partly"].isnan().tolist() == [False] + [True] * 11


def test_true_and_false_are_a_target_of_one_and_zero(tmp_path):
    metal = ["True", "FALSE", "", "1"]
    rows = [["a", metal[k], str(CifWriter(SOURCES[k]))] for k in range(4)]
    path = write_table(tmp_path / "train.csv", rows, ["material_id", "is_metal", "cif"])
    for targets in (None, ["is_metal"]):
        dataset, rejected = ingest([path], jobs=1, targets=targets)
        assert not rejected and dataset.targets["is_metal"].nan_to_num(9.0).tolist() == [1.0, 0.0, 9.0, 1.0]
    frames = [bulk("Cu"), bulk("Si")]
    for atoms, is_metal in zip(frames, (True, False), strict=True):
        atoms.info |= {"is_metal": is_metal, "valid": True}  # the latter is what `asegen generate` says of its own
    write(tmp_path / "all.extxyz", frames)
    dataset, _ = ingest([tmp_path / "all.extxyz"], jobs=1)
    assert {name: values.tolist() for name, values in dataset.targets.items()} == {"is_metal": [1.0, 0.0]}


def test_nothing_depends_on_the_number_of_processes(ingested, table):
    dataset, rejected = ingest([table], jobs=1)
    assert rejected == ingested[1] and dataset.header == ingested[0].header and dataset.ids == ingested[0].ids
    for name in ("cell", "scaled_positions", "numbers", "n_atoms"):
        assert torch.equal(getattr(dataset.crystals, name), getattr(ingested[0].crystals, name))


def test_chosen_targets_and_several_files(table, tmp_path):
    silicon = bulk("Si")
    silicon.info = {"material_id": "si", "gap": 1.1}
    write(tmp_path / "more.extxyz", silicon)
    dataset, rejected = ingest([table, tmp_path / "more.extxyz"], jobs=1, targets=["gap"], max_atoms=3)
    assert list(dataset.targets) == ["gap"] and dataset.ids[-1] == "si" and dataset.targets["gap"][-1] == 1.1
    assert len(dataset) + len(rejected) == len(ROWS) + 1
    assert [source["file"] for source in dataset.header["sources"]] == ["train.csv", "more.extxyz"]


def test_a_target_that_is_text_refuses_the_row_and_an_absent_one_the_file(tmp_path):
    rows = [["a", "x", "1.0", "", ROWS[0][-1]], ["b", "x", "high", "", ROWS[1][-1]]]
    path = write_table(tmp_path / "t.csv", rows)
    dataset, rejected = ingest([path], jobs=1, targets=["gap"])
    assert dataset.ids == ["a"] and rejected[0].reason == "bad target: gap is not a number"
    with pytest.raises(InputError, match="no column 'energy'"):
        ingest([path], jobs=1, targets=["energy"])


def test_a_file_without_one_crystal_is_an_error(tmp_path):
    path = write_table(tmp_path / "t.csv", ROWS[-2:-1])
    with pytest.raises(InputError, match=r"t\.csv.*unreadable") as error:
        ingest([path], jobs=1)
    assert "\n" not in str(error.value)


def test_plan_of_splits(tmp_path):
    for name in ("val.csv.gz", "train.csv", "notes.txt", ".hidden.csv", "a.cif", "b.cif", "POSCAR_1"):
        (tmp_path / name).write_text("")
    splits, skipped = plan_splits([tmp_path], None)
    named = {split: [file.name for file in files] for split, files in splits.items()}
    assert named == {"val": ["val.csv.gz"], "train": ["train.csv"], tmp_path.name: ["POSCAR_1", "a.cif", "b.cif"]}
    assert [file.name for file in skipped] == ["notes.txt"]
    assert list(plan_splits([tmp_path / "a.cif", tmp_path / "train.csv"], None)[0]) == ["a", "train"]
    together, _ = plan_splits([tmp_path / "val.csv.gz", tmp_path / "a.cif"], "mine")
    assert [file.name for file in together["mine"]] == ["val.csv.gz", "a.cif"]


def test_inputs_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        plan_splits([tmp_path / "absent.csv"], None)
    with pytest.raises(InputError, match="holds no file of structures"):
        plan_splits([tmp_path], None)


def magnets(path):
    """Chains of iron and oxygen, one of them without moments, one with an infinite one."""
    frames = []
    for k in range(4):
        atoms = bulk("FeO", "rocksalt", a=4.3 + 0.1 * k) * (1, 1, 2)
        atoms.info["gap"] = float(k)
        if k != 2:
            atoms.set_array("magmoms", np.array([4.0 - k, 0.1, -4.0 + k, 0.0 if k < 3 else np.inf]))
        frames.append(atoms)
    write(path, frames, format="extxyz")
    return path


def test_numbers_of_how_a_crystal_was_made_are_no_targets_unless_asked_for(tmp_path):
    frames = [bulk("Cu"), bulk("Ni")]
    for atoms in frames:
        atoms.info |= {"gap": 0.5, "seed": 3, "relax_steps": 4, "relax_energy_per_atom": -3.5}
    write(tmp_path / "train.extxyz", frames)
    dataset, _ = ingest([tmp_path / "train.extxyz"], jobs=1)
    assert sorted(dataset.targets) == ["gap", "relax_energy_per_atom"]
    chosen, _ = ingest([tmp_path / "train.extxyz"], jobs=1, targets=["seed"])
    assert list(chosen.targets) == ["seed"]


def test_arrays_of_atoms_are_targets_too(tmp_path):
    dataset, rejected = ingest([magnets(tmp_path / "train.extxyz")], jobs=1)
    assert list(dataset.targets) == ["gap"] and list(dataset.site_targets) == ["magmoms"]
    assert [r.reason for r in rejected] == ["bad target: magmoms is infinite"]
    moments = dataset.site_targets["magmoms"]
    assert moments[:8].tolist() == [4.0, 0.1, -4.0, 0.0, 3.0, 0.1, -3.0, 0.0] and bool(moments[8:].isnan().all())
    # Reduction keeps the order of atoms, so moments stay where they were.
    assert dataset.crystals.numbers.tolist() == [26, 8] * 6
    chosen, _ = ingest([tmp_path / "train.extxyz"], jobs=1, targets=["gap"])
    assert not chosen.site_targets and len(chosen) == 4
    chosen, _ = ingest([tmp_path / "train.extxyz"], jobs=1, targets=["magmoms"])
    assert list(chosen.site_targets) == ["magmoms"] and not chosen.targets


def test_a_link_that_leads_nowhere_is_rejected_by_name(tmp_path):
    write(tmp_path / "a.cif", bulk("Cu"))
    (tmp_path / "b.vasp").symlink_to("/nonexistent/b.vasp")
    (tmp_path / "README").symlink_to("/nonexistent/README")
    splits, skipped = plan_splits([tmp_path], "all")
    assert [file.name for file in splits["all"]] == ["a.cif", "b.vasp"] and skipped == []
    crystals, rejected = ingest(splits["all"], jobs=1)
    assert len(crystals) == 1 and [(row.file, row.reason[:10]) for row in rejected] == [("b.vasp", "unreadable")]


def test_a_script_may_write_paths_as_text_and_one_alone(tmp_path):
    path = tmp_path / "a.extxyz"
    write(path, Atoms("Cu", cell=[2.5] * 3, pbc=True, info={"gap": 0.0, "other": 1.0}))
    for files in (str(path), path, [str(path)]):
        dataset, _ = ingest(files, jobs=1, targets="gap")
        assert len(dataset) == 1 and list(dataset.targets) == ["gap"]
    write_shards(tmp_path, "train", dataset)
    assert len(load_split(str(tmp_path), "train")) == 1
    for wrong in ({"jobs": 0}, {"jobs": 1, "max_atoms": "5"}):
        with pytest.raises(InputError, match="jobs = 0|max_atoms = '5'"):
            ingest(path, **wrong)
    for files in (bulk("Cu"), [path, bulk("Cu")], None):
        with pytest.raises(InputError, match="is no path; ase.io.write writes Atoms"):
            ingest(files, jobs=1)
