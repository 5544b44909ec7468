"""Files cut into entries and read back, against what ASE wrote; and files that are broken."""

import gzip

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import read, write

from asegen.errors import InputError
from asegen.structures.errors import StructureError
from asegen.structures.fields import NOTE
from asegen.structures.formats import file_format, files_in, output_format, split_name
from asegen.structures.reading import read_entries, read_entry
from asegen.structures.tables import number
from asegen.structures.writing import write_structures

STRUCTURES = [bulk("NaCl", "rocksalt", a=5.64), bulk("Si"), bulk("TiN", "rocksalt", a=4.24, cubic=True)]


def read_all(path):
    return [read_entry(entry) for entry in read_entries(path)]


def same(a: Atoms, b: Atoms) -> bool:
    return (
        a.numbers.tolist() == b.numbers.tolist()
        and np.allclose(a.cell.cellpar(), b.cell.cellpar(), atol=1e-5)
        and np.allclose(a.get_all_distances(mic=True), b.get_all_distances(mic=True), atol=1e-4)
        and a.pbc.all()
    )


def with_energy(atoms: Atoms, energy: float) -> Atoms:
    atoms = atoms.copy()
    atoms.calc = SinglePointCalculator(atoms, energy=energy)
    return atoms


def write_database(path, structures):
    with connect(path) as database:
        for i, atoms in enumerate(structures):
            database.write(with_energy(atoms, float(i)), material_id=f"m-{i}", gap=i / 2)


WRITERS = {
    "a.extxyz": lambda path: write(path, STRUCTURES),
    "a.traj": lambda path: write(path, STRUCTURES),
    "a.db": lambda path: write_database(path, STRUCTURES),
    "a.cif": lambda path: write(path, STRUCTURES),
    "a.json": lambda path: write(path, STRUCTURES),
    "POSCAR_1": lambda path: write(path, STRUCTURES[0], format="vasp"),
    "a.vasp": lambda path: write(path, STRUCTURES[0], format="vasp", direct=True),
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_ase_writes_is_read(tmp_path, name):
    WRITERS[name](tmp_path / name)
    read = read_all(tmp_path / name)
    assert len(read) in (1, len(STRUCTURES))
    for (_, atoms, _), expected in zip(read, STRUCTURES, strict=False):
        assert same(atoms, expected)


@pytest.mark.parametrize("name", ["a.extxyz", "a.cif", "POSCAR_1"])
def test_text_may_be_compressed_or_begin_with_a_byte_order_mark(tmp_path, name):
    WRITERS[name](tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    (tmp_path / "bom").mkdir()
    (tmp_path / "bom" / name).write_bytes(b"\xef\xbb\xbf" + content)
    expected = [atoms for _, atoms, _ in read_all(tmp_path / name)]
    for path in (tmp_path / f"{name}.gz", tmp_path / "bom" / name):
        assert all(same(a, b) for (_, a, _), b in zip(read_all(path), expected, strict=True))


def test_ids_and_values_come_along(tmp_path):
    write_database(tmp_path / "a.db", STRUCTURES)
    name, _, values = read_all(tmp_path / "a.db")[2]
    assert name == "m-2" and values == {"gap": 1.0, "energy": 2.0}
    atoms = with_energy(STRUCTURES[0], -3.5)
    atoms.info = {"material_id": "x-1", "gap": 1.5, "source": "here"}
    write(tmp_path / "a.extxyz", atoms)
    name, _, values = read_all(tmp_path / "a.extxyz")[0]
    assert name == "x-1" and values == {"gap": 1.5, "source": "here", "energy": -3.5}


def test_table_rows(tmp_path):
    (tmp_path / "t.csv").write_text(',material_id,cif,gap,cif_note\n0,a,"data_x\nline",1.5,n\n1,,text\n')
    entries = list(read_entries(tmp_path / "t.csv"))
    assert [(e.row, e.id, e.content) for e in entries] == [(0, "a", "data_x\nline"), (1, "1", "text")]
    assert entries[0].values == {"gap": "1.5", "cif_note": "n"} and entries[1].values["gap"] == ""


@pytest.mark.parametrize(
    ("name", "kind", "split"),
    [
        ("train.csv.gz", "csv", "train"),
        ("x.y.CIF", "cif", "x.y"),
        ("a.xyz.gz", "extxyz", "a"),
        ("POSCAR", "vasp", "POSCAR"),
        ("CONTCAR.gz", "vasp", "CONTCAR"),
        ("notes.txt", None, "notes.txt"),
    ],
)
def test_names_tell_formats_and_splits(tmp_path, name, kind, split):
    assert (file_format(tmp_path / name), split_name(tmp_path / name)) == (kind, split)


FRAME = '2\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 pbc="T T T"\nNa 0.0 0.0 0.0\nCl 2.0 2.0 2.0\n'


@pytest.mark.parametrize(
    ("text", "complete", "loss"),
    [
        (FRAME * 3, 3, None),
        (FRAME.rstrip("\n"), 1, None),
        (FRAME + "\n" + FRAME, 2, None),
        ((FRAME * 3)[:-20], 2, "truncated"),
        (FRAME * 2 + "2\n", 2, "truncated"),
        (FRAME + "1000000000\nx\nNa 0 0 0\n", 1, "truncated"),
        (FRAME + "-1\n" + FRAME, 1, "unreadable: a frame of -1 atoms"),
        (FRAME + "0\n\n", 1, "unreadable: a frame of 0 atoms"),
        (FRAME + "two\n", 1, "unreadable: 'two'"),
        (FRAME + FRAME.replace("2.0 2.0", "2.0 two") + FRAME, 2, "unreadable"),
        (FRAME + FRAME.replace("Na", "Xx") + FRAME, 2, "unknown element: 'Xx'"),
        (FRAME + FRAME.replace("pos:R:3", "pos:R:1000000000") + FRAME, 2, "too large"),
        (FRAME + "3000\nx\n" + "Na 0 0 0\n" * 3000 + FRAME, 2, "too large"),
    ],
)
def test_complete_frames_are_kept_and_the_loss_is_reported(tmp_path, text, complete, loss):
    (tmp_path / "a.extxyz").write_text(text)
    kept, lost = 0, []
    for entry in read_entries(tmp_path / "a.extxyz"):
        try:
            read_entry(entry)
            kept += 1
        except StructureError as error:
            lost.append(str(error))
    assert kept == complete
    assert lost == [] if loss is None else len(lost) == 1 and lost[0].startswith(loss) and "\n" not in lost[0]


def test_truncated_compressed_frames(tmp_path):
    random = np.random.default_rng(0).random((300, 3))
    text = "".join(FRAME.replace("2.0 2.0 2.0", " ".join(f"{4 * x:.8f}" for x in row)) for row in random)
    (tmp_path / "a.extxyz.gz").write_bytes(gzip.compress(text.encode())[:-500])
    entries = list(read_entries(tmp_path / "a.extxyz.gz"))
    assert len(entries) > 100 and isinstance(entries[-1].content, StructureError)


def test_truncated_trajectory(tmp_path):
    write(tmp_path / "a.traj", STRUCTURES * 10)
    content = (tmp_path / "a.traj").read_bytes()
    (tmp_path / "a.traj").write_bytes(content[: len(content) // 2])
    try:
        entries = list(read_entries(tmp_path / "a.traj"))
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(entries[-1].content, StructureError)


VASP5 = "NaCl\n1.0\n4 0 0\n0 4 0\n0 0 4\nNa Cl\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (VASP5.replace("Na Cl\n", ""), "unknown element"),
        (VASP5.replace("Na Cl\n", "Na Xx\n"), "unknown element: 'Xx'"),
        (VASP5.replace("\n1 1\n", "\n1 x\n"), "unreadable"),
        (VASP5.replace("\n1 1\n", "\n1 1000000000\n"), "too large"),
        (VASP5[:-20], "unreadable"),
        ("NaCl\n1.0\n", "unreadable"),
        (VASP5.replace("Na Cl\n", "na cl\n"), "unknown element: 'na'"),
        (VASP5.replace("0.5 0.5 0.5\n", ""), "a POSCAR of 2 atoms lists 1"),
        (VASP5.replace("0.5 0.5 0.5\n", "\n"), "a POSCAR of 2 atoms lists 1"),
        (VASP5.replace("0.5 0.5 0.5", "0.5 half 0.5"), "where the POSCAR should hold a position"),
        (VASP5.replace("Direct", "Selective\nDirect"), "selective dynamics without flags"),
        (VASP5.replace("Direct\n", "\n"), "should say Direct or Cartesian"),
        (VASP5.replace("\n1 1\n", "\n1 1 1\n"), "2 elements and 3 numbers"),
        (VASP5.replace("0 4 0", "0 4"), "line 4 of the POSCAR"),
        (VASP5.replace("1.0", "one"), "the scale"),
    ],
)
def test_broken_poscars(tmp_path, text, reason):
    (tmp_path / "POSCAR").write_text(text)
    with pytest.raises(StructureError, match=reason):
        read_all(tmp_path / "POSCAR")


@pytest.mark.parametrize("name", ["a.csv", "a.cif", "a.extxyz", "POSCAR", "a.db", "a.traj", "a.dat", "a.csv.gz"])
@pytest.mark.parametrize(
    "content",
    [None, b"", b"\n \n", b"\x00\x01\x02\x03" * 100, b"\xff\xfed\x00a\x00t\x00a\x00", b"\x1f\x8b\x08\x00broken"],
    ids=["missing", "empty", "blank", "binary", "utf-16", "gzip"],
)
def test_bad_files_are_one_line_with_the_path(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name) as error:
        list(read_entries(tmp_path / name))
    assert "\n" not in str(error.value)
    if content is not None:
        assert (tmp_path / name).read_bytes() == content


@pytest.mark.parametrize(
    ("content", "message"),
    [("material_id,formula\na,NaCl\n", "no column `cif`"), ("cif\n\0\n", "UTF-8"), ("cif\n" + "x\0" * 9000, "UTF-8")],
)
def test_bad_tables(tmp_path, content, message):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        list(read_entries(tmp_path / "t.csv"))


def test_truncated_compressed_table(tmp_path):
    random = np.random.default_rng(0).random(20_000)
    content = gzip.compress(("cif,x\n" + "".join(f"text,{x}\n" for x in random)).encode())
    (tmp_path / "t.csv.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"t\.csv\.gz at line"):
        list(read_entries(tmp_path / "t.csv.gz"))


def test_a_folder_is_no_file(tmp_path):
    for name in ("d.csv", "d.db", "d.traj"):
        (tmp_path / name).mkdir()
        with pytest.raises(InputError, match=name):
            list(read_entries(tmp_path / name))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1.5", 1.5), (" 2 ", 2.0), (3, 3.0), (np.float32(0.5), 0.5), (np.int64(4), 4.0), ("-1e3", -1000.0)],
)
def test_numbers(value, expected):
    assert number(value) == expected


@pytest.mark.parametrize("value", ["", "nan", "NA", "None", None, float("nan")])
def test_nothing_there_is_nan(value):
    assert np.isnan(number(value))


@pytest.mark.parametrize("value", ["Fe", "1,5", True, np.True_, [1.0], np.zeros(3), {}])
def test_what_is_no_number(value):
    assert number(value) is None


def test_poscars_of_all_kinds(tmp_path):
    for change in (
        ("Na Cl", "Na_pv Cl/0b2d"),
        ("Direct\n0 0 0\n0.5 0.5 0.5", "Selective\nDirect\n0 0 0 T T F\n0.5 0.5 0.5 F F F"),
        ("1.0\n4 0 0", "1.0D0\n4.0d+00 0 0"),
        ("1 1\n", "1 1 ! atoms\n"),
        ("0.5 0.5 0.5", "0.5 0.5 0.5 Cl1"),
        ("\n", "\r\n"),
    ):
        (tmp_path / "POSCAR").write_text(VASP5.replace(*change))
        ((_, atoms, _),) = read_all(tmp_path / "POSCAR")
        assert atoms.get_chemical_formula() == "ClNa" and atoms.get_volume() == pytest.approx(64)


def test_poscars_of_vasp_4_name_their_elements_in_the_first_line(tmp_path):
    (tmp_path / "POSCAR").write_text(VASP5.replace("Na Cl\n", "").replace("NaCl\n", "Na Cl\n"))
    ((_, atoms, _),) = read_all(tmp_path / "POSCAR")
    assert atoms == read(tmp_path / "POSCAR", format="vasp") and str(atoms.symbols) == "NaCl"


def test_deuterium_is_hydrogen_in_every_format(tmp_path):
    (tmp_path / "POSCAR").write_text(VASP5.replace("Na Cl", "Na D"))
    (tmp_path / "a.extxyz").write_text(FRAME.replace("Cl", "D "))
    for name in ("POSCAR", "a.extxyz"):
        ((_, atoms, values),) = read_all(tmp_path / name)
        assert atoms.get_chemical_formula() == "HNa" and "deuterium" in atoms.info[NOTE] and not values


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (FRAME.replace("Na 0.0", "Na1 0.0"), "unknown element: 'Na1'"),
        (FRAME.replace("Na 0.0", "Na 0.0 0.0"), "line 3 of a frame has 5 fields, not 4"),
        (FRAME.replace("Na 0.0 0.0", "Na 0.0"), "line 3 of a frame has 3 fields"),
        (FRAME.replace("Na 0.0", "Na zero"), "'zero' where a coordinate should be"),
        (FRAME.replace("R:3", "R:x"), "are no properties"),
        (FRAME.replace('"4 0', '"4 '), "the second line of a frame"),
        (FRAME.replace("2\n", "1\n", 1), "the frame says 1 atoms and has more lines"),
    ],
)
def test_broken_frames_say_which_line_is_to_blame(tmp_path, text, reason):
    (tmp_path / "a.extxyz").write_text(text)
    with pytest.raises(StructureError, match=reason) as error:
        read_all(tmp_path / "a.extxyz")
    assert "Error" not in str(error.value)


def test_fortran_exponents_in_frames(tmp_path):
    (tmp_path / "a.extxyz").write_text(FRAME.replace("2.0 2.0 2.0", "2.0D0 0.2d+01 20.D-1"))
    ((_, atoms, _),) = read_all(tmp_path / "a.extxyz")
    np.testing.assert_allclose(atoms.positions[1], 2)


def test_large_cells_are_refused_in_every_format(tmp_path):
    big = bulk("Cu", cubic=True) * (8, 8, 8)
    for name in ("a.extxyz", "a.traj", "a.db", "POSCAR", "a.cif", "a.json"):
        write(tmp_path / name, big, format="vasp" if name == "POSCAR" else None)
        with pytest.raises(StructureError, match="too large"):
            read_all(tmp_path / name)


def test_ids_and_info_that_asegen_wrote_come_back(tmp_path):
    structures = [atoms.copy() for atoms in STRUCTURES]
    for k, atoms in enumerate(structures):
        atoms.info = {"material_id": f"{1000 + k}", "gap": k / 2, "sample_index": k, "formula": "x"}
    for name in ("a.extxyz", "a.cif", "a.db", "a.traj", "f"):
        write_structures(structures, tmp_path / name, output_format(name))
        found = [item for path in files_in(tmp_path / name) for item in read_all(path)]
        assert [name for name, _, _ in found] == ["1000", "1001", "1002"]
        assert [values["gap"] for _, _, values in found] == [0, 0.5, 1]


def test_folders_are_their_files(tmp_path):
    for name in ("b.cif", "a.cif", ".hidden.cif"):
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    assert files_in(tmp_path) == [tmp_path / "a.cif", tmp_path / "b.cif"] and files_in(tmp_path / "x") == [
        tmp_path / "x"
    ]
    with pytest.raises(InputError, match="empty is a folder without files"):
        files_in(tmp_path / "empty")


def test_a_cif_of_many_blocks_may_be_long(tmp_path, monkeypatch):
    monkeypatch.setattr("asegen.structures.reading.MAX_TEXT", 5000)
    write(tmp_path / "a.cif", STRUCTURES * 10)
    assert (tmp_path / "a.cif").stat().st_size > 20_000
    assert len(read_all(tmp_path / "a.cif")) == 30
