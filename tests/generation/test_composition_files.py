"""Compositions of files: rows against what they say, and any text refused in one line that names the row."""

import csv
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.cif import CifWriter

from asegen.errors import InputError
from asegen.generation.composition_files import from_file

CIF = str(CifWriter(AseAtomsAdaptor.get_structure(bulk("NaCl", "rocksalt", a=5.6, cubic=True))))


def write_table(path: Path, rows: list[list[str]]) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([["material_id", "formula", "n_atoms"], ["m-1", "SrTiO3", "10"]], [("m-1", "Sr2Ti2O6")]),
        ([["formula"], ["NaCl"], [" Fe2O3 "]], [("0", "NaCl"), ("1", "Fe2O3")]),
        ([["id", "cif"], ["x", CIF]], [("x", "Na4Cl4")]),
        ([["formula", "cif"], ["NaCl3", CIF]], [("0", "Na4Cl4")]),  # the cell that there is, not its reduced formula
        ([["id", "formula", "n_atoms"], ["", "Ca(OH)2", ""]], [("0", "CaO2H2")]),
        ([["formula", "n_atoms"], ["Sr1 Ti1 O3", "10.0"]], [("0", "Sr2Ti2O6")]),
        ([["formula"], ["CuSO4.5H2O"], ["SrTiO₃"]], [("0", "CuSO9H10"), ("1", "SrTiO3")]),
    ],
)
def test_rows_of_tables(tmp_path: Path, rows: list[list[str]], expected: list[tuple[str, str]]) -> None:
    found, left_out = from_file(write_table(tmp_path / "t.csv", rows), (1, 2))
    assert left_out == []
    doubled = [(name, Composition(formula) * k) for name, formula in expected for k in (1, 2)]
    assert [(t.material_id, Composition(t.formula)) for t in found] == doubled
    assert [len(t.numbers) for t in found] == [composition.num_atoms for _, composition in doubled]


def test_a_text_file_lists_formulas(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("\ufeff# oxides\n\nAl2O3\nSiO2  # quartz\nXx2\nTi2O4\n", encoding="utf-8")
    found, left_out = from_file(tmp_path / "t.txt")
    assert [(t.material_id, t.formula) for t in found] == [("0", "Al2O3"), ("1", "SiO2"), ("3", "Ti2O4")]
    assert [t.cells for t in found] == [(), (), None]
    assert len(left_out) == 1 and "t.txt, row 2 (2): 'Xx' in 'Xx2' is not an element" in left_out[0]
    assert [t.formula for t in from_file(tmp_path / "t.txt", (1, 2)).targets][:2] == ["Al2O3", "Al4O6"]
    (tmp_path / "t.txt").write_text("to do: buy NaCl\n")
    with pytest.raises(InputError, match="neither name nor content"):
        from_file(tmp_path / "t.txt")


def test_frames_of_structures(tmp_path: Path) -> None:
    write(tmp_path / "a.traj", [bulk("NaCl", "rocksalt", a=5.6), bulk("Cu") * 2])
    assert [t.formula for t in from_file(tmp_path / "a.traj").targets] == ["NaCl", "Cu8"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("formula\nXx2\n", r"t\.csv, row 0 \(0\): 'Xx' in 'Xx2' is not an element"),
        ("material_id,formula\nmp-7,SrTiO-3\n", r"row 0 \(mp-7\): .*SrTiO-3"),
        ("material_id,formula\na,\n", "neither a formula nor a cif"),
        ("material_id,gap\na,1\n", "neither a formula nor a cif"),
        ("formula,n_atoms\nNaCl,3\n", "3 atoms"),
        ("formula,n_atoms\nNaCl,0\n", "'0' is no number of atoms"),
        ("formula,n_atoms\nNaCl,5000\n", "5000 atoms"),
        ("formula,n_atoms\nNaCl,\u00b2\n", "no number of atoms"),
        ("formula,n_atoms\nNaCl," + "9" * 5000 + "\n", "no number of atoms"),
        ("formula\nC99999999999\n", "a number of 11 digits"),
        ("formula,n_atoms\nNaCl,10.5\n", "'10.5' is no number of atoms"),
        ("material_id,cif\na,text\n", r"row 0 \(a\): unreadable"),
        ("formula\n", "holds no compositions"),
        ("", "is empty"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message) as error:
        from_file(tmp_path / "t.csv")
    assert len(str(error.value).splitlines()) == 1


def test_bad_rows_are_left_out_and_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("material_id,formula,n_atoms\na,NaCl,\nb,Xx2,\nc,KCl,3\nd,KCl,4\n")
    targets, left_out = from_file(tmp_path / "t.csv")
    assert [(t.material_id, t.formula) for t in targets] == [("a", "NaCl"), ("d", "K2Cl2")]
    assert [line.split(": ")[0].split(", ")[1] for line in left_out] == ["row 1 (b)", "row 2 (c)"]
    assert "'Xx' in 'Xx2' is not an element" in left_out[0] and "3 atoms" in left_out[1]
    with pytest.raises(InputError, match="no spacegroup"):
        from_file(tmp_path / "t.csv", groups=True)


def test_the_files_of_a_folder(tmp_path: Path) -> None:
    for name, atoms in (("b.vasp", bulk("Cu")), ("a.cif", bulk("NaCl", "rocksalt", a=5.6))):
        write(tmp_path / name, atoms)
    (tmp_path / "c.csv").write_text("formula\nXx2\n")
    (tmp_path / "d.cif").write_bytes(b"\0\1")
    targets, left_out = from_file(tmp_path)
    assert [(t.material_id, t.formula) for t in targets] == [("a", "NaCl"), ("b", "Cu")]
    assert "c.csv, row 0" in left_out[0] and "d.cif is not text" in left_out[1] and len(left_out) == 2


@pytest.mark.parametrize("atoms", [Atoms("X", cell=[3, 3, 3], pbc=True), bulk("Cu") * 11], ids=["dummy", "large"])
def test_frames_that_are_no_crystals_are_named(tmp_path: Path, atoms: Atoms) -> None:
    write(tmp_path / "a.extxyz", [bulk("Cu"), atoms])
    targets, left_out = from_file(tmp_path / "a.extxyz")
    assert [t.formula for t in targets] == ["Cu"] and "row 1" in left_out[0]
    with pytest.raises(InputError, match="at least 1"):
        from_file(tmp_path / "a.extxyz", (0,))


CELLS = st.text(max_size=8) | st.sampled_from(["NaCl", "Fe2O3", "2", "10", "-1", "1e3", CIF, CIF[:300]])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(CELLS, max_size=4), max_size=4), st.binary(max_size=20))
def test_any_table_is_read_or_refused_in_one_line(tmp_path: Path, rows: list[list[str]], rubbish: bytes) -> None:
    write_table(tmp_path / "t.csv", [["id", "formula", "n_atoms", "cif"], *rows])
    with open(tmp_path / "t.csv", "ab") as file:
        file.write(rubbish)
    try:
        found, left_out = from_file(tmp_path / "t.csv")
    except InputError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert all(Composition(t.formula).num_atoms == len(t.numbers) for t in found)
        assert all(len(line.splitlines()) == 1 for line in left_out)
