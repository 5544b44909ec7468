"""Compressed files that are damaged, cut off, or unpack to more than they should."""

import bz2
import gzip
import lzma
import random
import tracemalloc

import pytest
from ase.build import bulk
from ase.db import connect
from ase.io import write

from asegen.errors import InputError
from asegen.structures import streams
from asegen.structures.frames import read_frames
from asegen.structures.reading import read_entries
from asegen.structures.tables import read_table

FRAME = '1\nLattice="{0} 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 pbc="T T T"\nNa 0.0 0.0 {0}\n'


def frames(n: int = 400) -> bytes:
    numbers = random.Random(0)
    return "".join(FRAME.format(3 + numbers.random()) for _ in range(n)).encode()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_text_is_read_whatever_its_name(tmp_path, pack):
    (tmp_path / "a.extxyz").write_bytes(pack(frames(3)))
    assert len(list(read_entries(tmp_path / "a.extxyz"))) == 3


@pytest.mark.parametrize("name", ["a.extxyz.gz", "a.csv.gz", "a.cif.gz", "POSCAR.gz", "a.json.gz"])
@pytest.mark.parametrize("where", [0.3, 0.6, 0.999])
def test_damage_names_the_file_and_how_much_unpacks(tmp_path, name, where):
    packed = bytearray(gzip.compress(frames()))
    packed[min(int(len(packed) * where), len(packed) - 6)] ^= 0x55
    (tmp_path / name).write_bytes(packed)
    (tmp_path / "z.extxyz").write_bytes(frames(2))
    with pytest.raises(InputError, match=rf"{name} is damaged: [\d,]+ bytes unpack"):
        list(read_entries(tmp_path / name))
    found = list(read_frames([tmp_path]))  # the other file of the folder is done
    assert [isinstance(frame.atoms, str) for frame in found] == [True, False, False]


def test_what_is_whole_of_a_table_that_is_cut_off_comes_before_the_error(tmp_path):
    rows = "material_id,x\n" + "".join(f"m-{k},{random.Random(k).random()}\n" for k in range(5000))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(rows.encode())[:-2000])
    found = []
    with pytest.raises(InputError, match=r"a.csv.gz at line \d+"):
        found.extend(read_table(tmp_path / "a.csv.gz"))


def test_a_bomb_is_refused_before_it_takes_memory(tmp_path):
    with gzip.open(tmp_path / "a.extxyz.gz", "wb", compresslevel=9) as file:
        file.write(b"1\n")
        for _ in range(150):
            file.write(b"x" * 1_000_000)
    tracemalloc.start()
    for name in ("a.extxyz.gz", "a.csv.gz", "a.json.gz"):
        (tmp_path / "a.extxyz.gz").rename(tmp_path / name).rename(tmp_path / "a.extxyz.gz")
        with pytest.raises(InputError, match="unpacks to more than 100,000,000 bytes"):
            list(read_entries(tmp_path / "a.extxyz.gz"))
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_the_limit_is_a_parameter(tmp_path):
    (tmp_path / "a.extxyz.gz").write_bytes(gzip.compress(frames()))
    assert len(list(read_entries(tmp_path / "a.extxyz.gz", max_unpacked=10**6))) == 400
    with pytest.raises(InputError, match="more than 1,000 bytes"):
        list(read_entries(tmp_path / "a.extxyz.gz", max_unpacked=1000))


def test_blank_rows_and_endless_lines_end(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "MAX_BLANK_LINES", 1000)
    monkeypatch.setattr("asegen.structures.tables.MAX_BLANK_LINES", 1000)
    monkeypatch.setattr(streams, "MAX_TEXT", 10_000)
    for name, body in (("a.csv", "\n" * 2000), ("b.csv", ",\n" * 2000), ("c.csv", "y" * 20_000)):
        (tmp_path / name).write_text("cif,x\n" + body)
        with pytest.raises(InputError, match=rf"{name} has (more than 1,000|a line of more than 10,000)"):
            list(read_entries(tmp_path / name))


def test_a_quote_that_swallows_rows_is_an_error(tmp_path):
    (tmp_path / "a.csv").write_text('id,cif\na,"data_x\nb,"data_y"\nc,"data_z"\n')
    with pytest.raises(InputError, match=r"a.csv at line"):
        list(read_entries(tmp_path / "a.csv"))


def test_a_damaged_database_is_one_line_and_others_are_done(tmp_path):
    with connect(tmp_path / "a.db") as database:
        for k in range(40):
            database.write(bulk("Cu", a=3.5 + 0.01 * k, cubic=True) * (2, 2, 2), material_id=f"m-{k}")
    write(tmp_path / "b.extxyz", bulk("Cu"))
    whole = (tmp_path / "a.db").read_bytes()
    numbers = random.Random(1)
    for _ in range(30):
        damaged = bytearray(whole)
        for _ in range(60):
            damaged[numbers.randrange(100, len(whole))] = numbers.randrange(256)
        (tmp_path / "a.db").write_bytes(damaged)
        found = list(read_frames([tmp_path]))
        assert found[-1].source.endswith("b.extxyz") and not isinstance(found[-1].atoms, str)
        assert all("\n" not in frame.atoms for frame in found if isinstance(frame.atoms, str))
