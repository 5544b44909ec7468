"""Frames of many files, with their ids and whatever stands beside them."""

from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import read, write

from asegen.structures.formats import FOLDER, POSCAR
from asegen.structures.frames import made_of, read_frames, write_whole


def test_ids_and_columns_of_every_format_travel(tmp_path: Path) -> None:
    atoms = bulk("Cu")
    write(tmp_path / "x.cif", atoms)
    cif = (tmp_path / "x.cif").read_text().replace('"', '""')
    (tmp_path / "a.csv").write_text(f'material_id,gap,cif\n7,1.5,"{cif}"\n8,,broken\n9,2.5,"{cif}"\n')
    with connect(tmp_path / "b.db") as database:
        database.write(atoms, material_id="m", gap=1.5, data={"history": [1, 2]})
    frames = list(read_frames([tmp_path / "a.csv", tmp_path / "b.db", tmp_path / "x.cif"]))
    assert [(frame.row, frame.id) for frame in frames] == [(0, "7"), (1, "8"), (2, "9"), (0, "m"), (0, "x")]
    assert frames[0].info == {"gap": 1.5, "material_id": "7"} and isinstance(frames[1].atoms, str)
    assert frames[3].info == {"gap": 1.5, "history": [1, 2], "material_id": "m"}
    assert frames[4].info == {"material_id": "x"}


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


def test_names_of_files_are_ids_and_numbers_of_rows_are_not(tmp_path: Path) -> None:
    atoms = bulk("Cu")
    write(tmp_path / "0.cif", atoms)
    write(tmp_path / "LiD.cif", [atoms, atoms])
    write(tmp_path / "POSCAR_018", atoms, format="vasp")
    write(tmp_path / "a.extxyz", [atoms, atoms])
    write(tmp_path / "b.traj", atoms)
    (tmp_path / "t.csv").write_text('cif\n"{}"\n'.format((tmp_path / "0.cif").read_text().replace('"', '""')))
    found = [frame.info.get("material_id") for frame in read_frames([tmp_path])]
    assert found == ["0", "LiD-0", "LiD-1", "POSCAR_018", None, None, None, None]


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.1", 0.1), ("3", 3), ("-2", -2), ("1e-3", 1e-3), ("-.5", -0.5), ("2.", 2.0), ("1.50", 1.5), ("0", 0),
     ("007", "007"), ("00.5", "00.5"), ("", ""), ("nan", "nan"), ("inf", "inf"), ("1e999", "1e999"), ("1_000", "1_000"),
     ("12345678901234567890", "12345678901234567890"), ("0x10", "0x10"), (" 3", " 3"), ("3 eV", "3 eV"), ("٣", "٣")],
)  # fmt: skip
def test_cells_of_a_table_that_are_numbers_become_numbers(tmp_path: Path, text: str, value: object) -> None:
    write(tmp_path / "x.cif", bulk("Cu"))
    cif = (tmp_path / "x.cif").read_text().replace('"', '""')
    (tmp_path / "t.csv").write_text(f'id,x,cif\n1.5,{text},"{cif}"\n', encoding="utf-8")
    (frame,) = read_frames([tmp_path / "t.csv"])
    assert frame.info == {"x": value, "material_id": "1.5"} and type(frame.info["x"]) is type(value)


def interleaved() -> Atoms:
    salt = bulk("NaCl", "rocksalt", a=5.6, cubic=True)  # Na Cl Na Cl …
    return salt[[0, 2, 1, 3, 4, 6, 5, 7]]  # Na2 Cl2 Na2 Cl2


@pytest.mark.parametrize("name", ["POSCAR", "a.vasp"])
@pytest.mark.parametrize("kind", [POSCAR, FOLDER])
def test_a_poscar_made_of_a_poscar_has_its_order(tmp_path: Path, name: str, kind: str) -> None:
    source, out = tmp_path / name, tmp_path / "out"
    write(source, interleaved(), format="vasp")
    (frame,) = read_frames([source])
    assert isinstance(frame.atoms, Atoms)
    write_whole([made_of(frame, frame.atoms)], out, kind)
    written = next(out.iterdir()) if kind == FOLDER else out
    assert [line.split() for line in written.read_text().splitlines()[5:7]] == [["Na", "Cl"] * 2, ["2"] * 4]
    back = read(written, format="vasp")
    assert abs(back.get_scaled_positions() - interleaved().get_scaled_positions()).max() < 1e-9


def test_a_poscar_made_of_anything_else_has_the_atoms_of_an_element_together(tmp_path: Path) -> None:
    write(tmp_path / "a.cif", interleaved())
    write(tmp_path / "b.vasp", interleaved(), format="vasp")
    first, second = read_frames([tmp_path])
    assert isinstance(first.atoms, Atoms) and isinstance(second.atoms, Atoms)
    other = second.atoms[[0, 2, 1, 3]]  # such as another cell of the crystal
    write_whole([made_of(first, first.atoms), made_of(second, other)], tmp_path / "out", FOLDER)
    heads = [file.read_text().splitlines()[5:7] for file in sorted((tmp_path / "out").iterdir())]
    assert [" ".join(" ".join(head).split()) for head in heads] == ["Na Cl 4 4", "Na Cl 2 2"]


def test_files_of_a_folder_are_called_after_ids(tmp_path: Path) -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    named = [atoms.copy() for _ in range(4)]
    for copy, name in zip(named, ("a/b", "..", "ü" * 300, "mp-22862"), strict=True):
        copy.info["material_id"] = name
    write(tmp_path / "in.extxyz", [*named, atoms])
    frames = list(read_frames([tmp_path / "in.extxyz"]))
    write_whole([made_of(frame, atoms) for frame in frames], tmp_path / "out", FOLDER)
    found = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert found == ["POSCAR-000000-ab", "POSCAR-000001-..", f"POSCAR-000002-{'ü' * 50}", "POSCAR-000003-mp-22862",
                     "POSCAR-000004-NaCl"]  # fmt: skip
