"""Frames of many files, with their ids and whatever stands beside them."""

from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import write

from asegen.structures.frames import read_frames


def test_ids_and_columns_of_every_format_travel(tmp_path: Path) -> None:
    atoms = bulk("Cu")
    write(tmp_path / "x.cif", atoms)
    cif = (tmp_path / "x.cif").read_text().replace('"', '""')
    (tmp_path / "a.csv").write_text(f'material_id,gap,cif\n7,1.5,"{cif}"\n8,,broken\n9,2.5,"{cif}"\n')
    with connect(tmp_path / "b.db") as database:
        database.write(atoms, material_id="m", gap=1.5, data={"history": [1, 2]})
    frames = list(read_frames([tmp_path / "a.csv", tmp_path / "b.db", tmp_path / "x.cif"]))
    assert [(frame.row, frame.id) for frame in frames] == [(0, "7"), (1, "8"), (2, "9"), (0, "m"), (0, "x")]
    assert frames[0].info == {"gap": "1.5", "material_id": "7"} and isinstance(frames[1].atoms, str)
    assert frames[3].info == {"gap": 1.5, "history": [1, 2], "material_id": "m"} and frames[4].info == {}


def test_an_energy_stays_with_the_structure_that_has_it(tmp_path: Path) -> None:
    atoms: Atoms = bulk("Cu")
    atoms.calc = SinglePointCalculator(atoms, energy=-3.5)
    atoms.info = {"material_id": "m"}
    write(tmp_path / "a.extxyz", atoms)
    (frame,) = read_frames([tmp_path])
    assert frame.info == {"material_id": "m"}


@pytest.mark.parametrize("name", ["a.cif", "a.json", "a.db"])
def test_a_file_that_cannot_be_read_is_a_frame(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x00\x01")
    write(tmp_path / "z.cif", bulk("Cu"))
    assert [isinstance(frame.atoms, str) for frame in read_frames([tmp_path])] == [True, False]
