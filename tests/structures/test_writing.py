"""Every format gives back what was written, to asegen and to programs that know nothing of it."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.db import connect
from ase.io import iread, read
from pymatgen.core import Structure
from pymatgen.io.cif import CifParser
from pymatgen.io.vasp import Poscar

from asegen.errors import InputError
from asegen.structures.writing import (
    CIF,
    DATABASE,
    EXTXYZ,
    FOLDER,
    TRAJECTORY,
    extxyz_text,
    holds,
    output_format,
    read_back,
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
        # A folder's POSCARs are sorted by element, and a CIF's cell lies in the standard orientation.
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
     "{x}", "[1]", "_JSON x", "\\n", "a,b", "#", "; y", "\r", "None", "T F", "data_x", "_cell", "ünï", "\u2028"],
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
     ("a", FOLDER), ("a.b/c", FOLDER), ("v1.2/", FOLDER), ("../a", FOLDER)],
)  # fmt: skip
def test_names_tell_formats(name: str, kind: str) -> None:
    assert output_format(name) == kind


@pytest.mark.parametrize("name", ["a.pdf", "a.CIFF", "", ".", "..", "/", "a/.."])
def test_names_that_tell_none(name: str) -> None:
    with pytest.raises(InputError):
        output_format(name)
