"""Every format gives back what was written, to asegen and to programs that know nothing of it."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.constraints import FixAtoms
from ase.db import connect
from ase.io import iread, read
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure
from pymatgen.io.cif import CifParser
from pymatgen.io.vasp import Poscar

from asegen.errors import InputError
from asegen.parallel.cells import csv_cell
from asegen.structures.formats import check_room, output_format
from asegen.structures.reading import read_entries, read_entry
from asegen.structures.reading_back import read_back
from asegen.structures.tables import read_table
from asegen.structures.writing import (
    CIF,
    DATABASE,
    EXTXYZ,
    FOLDER,
    LEFT_OUT,
    POSCAR,
    TRAJECTORY,
    extxyz_text,
    holds,
    write_structures,
)

NAMES = {EXTXYZ: "a.extxyz", CIF: "a.cif", TRAJECTORY: "a.traj", DATABASE: "a.db", FOLDER: "a"}


def frames(n: int = 3, **more: object) -> list[Atoms]:
    found = []
    for k in range(n):
        atoms = bulk("CsCl", "cesiumchloride", a=4.1 + 0.01 * k) * (1, 1, 2)
        atoms.rattle(0.05, seed=k)
        atoms.info = {
            "formula": "Cs2Cl2", "sample_index": k, "seed": 1, "sample_seed": 2**62 + k, "shortest_distance": 3.5123,
            "valid": k != 1, "reason": "bad density: 40.0 g/cm³, above 30", **more,
        }  # fmt: skip
        found.append(atoms)
    return found


@pytest.mark.parametrize("kind", NAMES)
def test_structures_come_back_in_order_with_their_info(tmp_path: Path, kind: str) -> None:
    written = frames(12)  # more than ten: text sorts 10 before 2
    write_structures(iter(written), tmp_path / NAMES[kind], kind)
    back = list(read_back(tmp_path / NAMES[kind], kind))
    assert [a.info for a in back] == [a.info for a in written]
    for a, b in zip(written, back, strict=True):
        np.testing.assert_allclose(b.cell.cellpar(), a.cell.cellpar(), atol=1e-6)
        # A POSCAR has the atoms of an element together, and a CIF's cell lies in the standard orientation.
        np.testing.assert_allclose(
            np.sort(b.get_all_distances(mic=True), axis=None),
            np.sort(a.get_all_distances(mic=True), axis=None),
            atol=1e-6,
        )
        assert sorted(a.symbols) == sorted(b.symbols)


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize(
    "text",
    ["", " ", "007", "1e5", "nan", "True", "F", "NaN", "InF", "we@ird", 'quo"te', "it's", "new\nline", "\t", "a=b",
     "a new\nline", "{x}", "[1]", "_JSON x", "\\n", "a,b", "#", "; y", "\r", "None", "T F", "data_x", "_cell", "ünï",
     "\u2028"],
)  # fmt: skip
def test_any_id_comes_back_as_text(tmp_path: Path, kind: str, text: str) -> None:
    write_structures(frames(2, material_id=text), tmp_path / NAMES[kind], kind)
    assert [a.info["material_id"] for a in read_back(tmp_path / NAMES[kind], kind)] == [text] * 2


def test_whole_numbers_in_text_become_numbers_in_extxyz_only(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text(extxyz_text(frames(1, model_version="6000")))
    assert next(iread(tmp_path / "a.xyz", format="extxyz")).info["model_version"] == 6000


def test_other_programs_read_it(tmp_path: Path) -> None:
    written = frames()
    for kind in (CIF, DATABASE, FOLDER):
        write_structures(iter(written), tmp_path / NAMES[kind], kind)
    expected = [Structure(a.cell.array, list(a.symbols), a.get_scaled_positions()) for a in written]
    poscars = [Poscar.from_file(path).structure for path in sorted((tmp_path / "a").iterdir())]
    blocks = CifParser(tmp_path / "a.cif").parse_structures(primitive=False)
    for a, b, c in zip(expected, poscars, blocks, strict=True):
        assert a.matches(b, scale=False, primitive_cell=False) and a.matches(c, scale=False, primitive_cell=False)
    assert [a.get_chemical_formula() for a in read(tmp_path / "a.cif", ":")] == ["Cl2Cs2"] * 3
    with connect(tmp_path / "a.db") as database:
        assert [row.sample_index for row in database.select(valid=True)] == [0, 2]
        assert database.get(sample_index=1).reason.startswith("bad density")


@pytest.mark.parametrize("kind", NAMES)
def test_no_structures_are_no_error(tmp_path: Path, kind: str) -> None:
    write_structures(iter([]), tmp_path / NAMES[kind], kind)
    assert list(read_back(tmp_path / NAMES[kind], kind)) == []


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("content", [b"rubbish\n", b"\x00\xff" * 500, b"2\nLattice=", b"data_x\n_cell_length_a 1\n"])
def test_foreign_files_are_refused_in_one_line(tmp_path: Path, kind: str, content: bytes) -> None:
    place = tmp_path / NAMES[kind]
    if kind == FOLDER:
        place.mkdir()
    (place / "POSCAR-0" if kind == FOLDER else place).write_bytes(content)
    with pytest.raises(InputError) as caught:
        assert list(read_back(place, kind))
    assert str(place) in str(caught.value) and "\n" not in str(caught.value)


def test_formats_that_need_a_cell_refuse_to_hold_what_has_none() -> None:
    (good,) = frames(1)
    nan, flat, lost = good.copy(), good.copy(), good.copy()
    nan.cell[0, 0] = np.nan
    flat.cell[2] = flat.cell[1]
    lost.positions[0] = np.inf
    for kind in NAMES:
        assert holds(kind, good)
        assert [holds(kind, a) for a in (nan, flat, lost)] == [kind not in (CIF, FOLDER)] * 3


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.extxyz", EXTXYZ), ("b/a.xyz", EXTXYZ), ("a.cif", CIF), ("a.traj", TRAJECTORY), ("a.db", DATABASE),
     ("a", FOLDER), ("a.b/c", FOLDER), ("v1.2/", FOLDER), ("../a", FOLDER), ("POSCAR", POSCAR), ("b/CONTCAR", POSCAR),
     ("a.vasp", POSCAR), ("POSCAR_relaxed", POSCAR), ("POSCARS", FOLDER), ("POSCAR/", FOLDER)],
)  # fmt: skip
def test_names_tell_formats(name: str, kind: str) -> None:
    assert output_format(name) == kind


@pytest.mark.parametrize("name", ["a.pdf", "a.CIFF", "", ".", "..", "/", "a/.."])
def test_names_that_tell_none(name: str) -> None:
    with pytest.raises(InputError):
        output_format(name)


ANY_INFO = {
    "none": None, "list": [1, 2], "mixed": [1.5, "a"], "nested": {"a": [1, 2], "b": {"c": None}},
    "matrix": np.arange(9.0).reshape(3, 3), "deep": np.zeros((2, 3, 3)), "virial": np.ones((3, 3)), "true": True,
    "float": np.float64(1.5), "integer": np.int32(3), "empty": [], "words": ["a b", "c\nd"], "big": 2**70,
    "lines": "a\nb\rc", "digits": "007", "nan": "nan", "truth": "True", "id": 5, "age": 3, "user": "u",
    "Fe": 2, "a b": 1, "text": "", "unique_id": "x", "calculator": "emt", "formula": "odd /name",
}  # fmt: skip


def there_and_back(atoms: Atoms, folder: Path, kind: str) -> Atoms:
    place = folder / NAMES.get(kind, "POSCAR")
    write_structures([atoms], place, kind)
    (back,) = read_back(place, kind)
    return back


@pytest.mark.parametrize("kind", [*NAMES, POSCAR])
@pytest.mark.parametrize("key", ANY_INFO)
def test_info_of_any_kind_comes_back(tmp_path: Path, kind: str, key: str) -> None:
    atoms = bulk("Cu")
    atoms.info = {key: ANY_INFO[key]}
    back = there_and_back(atoms, tmp_path, kind)
    found, expected = back.info[key], ANY_INFO[key]
    if isinstance(expected, np.ndarray) or (kind == EXTXYZ and isinstance(expected, list)):
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected and isinstance(found, str) == isinstance(expected, str)
    assert LEFT_OUT not in back.info


@pytest.mark.parametrize("kind", [*NAMES, POSCAR])
@pytest.mark.parametrize("value", [object(), print, b"x", 1j, np.array([1j]), {"a": object()}, {1: {2: print}}])
def test_what_no_format_holds_is_left_out_by_name(tmp_path: Path, kind: str, value: object) -> None:
    atoms = bulk("Cu")
    atoms.info = {"odd": value, "good": 1}
    atoms.arrays["strange"] = np.array([object()], dtype=object)
    back = there_and_back(atoms, tmp_path, kind)
    assert back.info == {"good": 1, LEFT_OUT: "odd, strange"}


def test_rows_of_several_lengths_and_words_of_extxyz_are_left_out_there(tmp_path: Path) -> None:
    atoms = bulk("Cu")
    atoms.info = {"ragged": [[1], [2, 3]], "Lattice": "x", "k\n": 1, "good": 1}
    (tmp_path / "a.extxyz").write_text(extxyz_text([atoms]))
    assert read(tmp_path / "a.extxyz").info == {"good": 1, LEFT_OUT: "ragged, Lattice, k"}


def test_text_that_looks_like_a_number_stays_text_in_a_database(tmp_path: Path) -> None:
    write_structures(frames(1, material_id="1526655", code="007"), tmp_path / "a.db", DATABASE)
    with connect(tmp_path / "a.db") as database:
        row = database.get(material_id=1526655)
        assert row.data["material_id"] == "1526655" and row.data["code"] == "007"


def test_a_poscar_holds_one_structure(tmp_path: Path) -> None:
    (one,) = frames(1)
    write_structures([one], tmp_path / "a.vasp", POSCAR)
    assert [a.info for a in read_back(tmp_path / "a.vasp", POSCAR)] == [one.info]
    assert len(read(tmp_path / "a.vasp", format="vasp")) == 4
    with pytest.raises(InputError, match="holds one structure"):
        write_structures(frames(2), tmp_path / "b.vasp", POSCAR)
    check_room(POSCAR, 1, "x")
    check_room(FOLDER, 7, "x")


def test_zeros_of_a_poscar_are_zeros(tmp_path: Path) -> None:
    atoms = Atoms("MgO", scaled_positions=[[-8.5e-8, 0, -0.0], [0.5, 0.5, -8e-9]], cell=[4.2, 4.2, 4.2, 90, 90, 90])
    write_structures([atoms], tmp_path / "POSCAR", POSCAR)
    text = (tmp_path / "POSCAR").read_text()
    assert "-0.00" not in text and text.count("0.0000000000000000") == 10


def test_a_refined_crystal_is_written_with_its_group(tmp_path: Path) -> None:
    for structure, group in (
        (bulk("Si"), 227),
        (bulk("ZnS", "wurtzite", a=3.8), 186),
        (bulk("NaCl", "rocksalt", a=5.6), 225),
    ):
        atoms = structure.copy()
        atoms.info = {"spacegroup": group, "symprec": 0.1, "material_id": "a"}
        write_structures([atoms], tmp_path / f"{group}.cif", CIF)
        text = (tmp_path / f"{group}.cif").read_text()
        assert text.count("', ") == 0 and text.count("  '") > 6 and f"   {group}" in text
        (entry,) = read_entries(tmp_path / f"{group}.cif")
        name, back, values = read_entry(entry)
        assert (name, values) == ("a", {"spacegroup": group, "symprec": 0.1})
        expected = Structure(atoms.cell.array, list(atoms.symbols), atoms.get_scaled_positions())
        found = Structure(back.cell.array, list(back.symbols), back.get_scaled_positions())
        assert len(back) == len(atoms)
        assert StructureMatcher(scale=False, primitive_cell=False).get_rms_dist(expected, found)[0] < 1e-6
        (again,) = read_back(tmp_path / f"{group}.cif", CIF)
        assert again.info == atoms.info


def test_what_has_its_group_exactly_is_written_with_it(tmp_path: Path) -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    rough = atoms.copy()
    rough.positions[1, 0] += 0.002
    others = [(atoms, {}), (atoms, {"spacegroup": "225"}), (atoms, {"spacegroup": 221}), (rough, {"spacegroup": 225})]
    for k, (structure, info) in enumerate([(atoms, {"spacegroup": 225}), *others]):
        made = structure.copy()
        made.info = info
        write_structures([made], tmp_path / f"{k}.cif", CIF)
        assert ("P 1" in (tmp_path / f"{k}.cif").read_text()) == (k > 0)
        assert len(read(tmp_path / f"{k}.cif")) == 2  # as ASE reads it


def test_without_symmetry_a_cif_is_written_as_without_a_group(tmp_path: Path) -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.6) * (1, 1, 2)
    atoms.rattle(0.1, seed=1)
    for name, info in (("a", {"spacegroup": 1}), ("b", {})):
        atoms.info = info
        write_structures([atoms], tmp_path / f"{name}.cif", CIF)
    first, second = ((tmp_path / f"{name}.cif").read_text().splitlines() for name in "ab")
    assert [k for k, (a, b) in enumerate(zip(first, second, strict=True)) if a != b] == [1]  # the comment with info


@pytest.mark.parametrize(
    ("value", "cell"),
    [("=1+1", "'=1+1"), ("@x", "'@x"), ("-1", "-1"), ("+3", "+3"), ("-.5e-3", "-.5e-3"), ("-cmd", "'-cmd"),
     ("-1+1", "'-1+1"), ("+1,5", "'+1,5"), ("-", "'-"), ("-Cu", "'-Cu"), ("+a", "'+a"), ("Cu", "Cu"), (-1.5, -1.5),
     (None, None), ("a\nb", "a\\nb"), ("a\rb", "a\\rb"), ("", "")],
)  # fmt: skip
def test_cells_are_no_formulas_and_one_line(tmp_path: Path, value: object, cell: object) -> None:
    assert csv_cell(value) == cell
    (tmp_path / "a.csv").write_text(f'x\n"{cell}"\n')
    if isinstance(value, str) and value and "\\" not in str(cell):
        assert [row["x"] for row in read_table(tmp_path / "a.csv")] == [value]


def test_species_of_a_poscar_stand_as_they_came(tmp_path: Path) -> None:
    """VASP takes its potentials in the POSCAR's order, so that a POTCAR beside the input must still fit."""
    atoms = Atoms("TiOSrO2", positions=np.arange(15).reshape(5, 3) / 5, cell=[4, 4, 4], pbc=True)
    atoms.set_constraint(FixAtoms([2]))
    write_structures(iter([atoms]), tmp_path / "POSCAR", POSCAR)
    back = read(tmp_path / "POSCAR", format="vasp")
    assert str(back.symbols) == "TiO3Sr"
    np.testing.assert_allclose(back.positions, atoms.positions[[0, 1, 3, 4, 2]], atol=1e-9)
    assert back.constraints[0].index.tolist() == [4]
