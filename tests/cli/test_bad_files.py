"""One bad file of a folder is told with its reason, and costs the other files of the folder nothing."""

import csv
import json
from pathlib import Path

import pytest
from ase.build import bulk
from ase.db import connect
from ase.io import read, write

from asegen.cli.main import main
from asegen.data.shards import load_rejected, load_split

BAD = ("damaged.cif", "empty.cif", "junk.db", "none.csv", "without.db")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three good structures in two files, five files of which nothing can be read, and one that isn't meant to be."""
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "in"
    place.mkdir()
    write(place / "a.cif", bulk("NaCl", "rocksalt", a=5.64))
    write(place / "z.extxyz", [bulk("Cu"), bulk("Al")])
    (place / "damaged.cif").write_bytes(b"data_x\0\1\2")
    (place / "empty.cif").write_text("")
    (place / "junk.db").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 8)
    (place / "none.csv").write_text("material_id,cif\n")
    with connect(place / "without.db") as database:
        database.delete([database.write(bulk("Cu"))])
    (place / "README").write_text("how these were made\n")
    return place


def test_evaluate_counts_them(folder: Path, capsys: pytest.CaptureFixture) -> None:
    main(["evaluate", "in", "--metrics", "validity", "--json", "out.json"])
    found = json.loads(Path("out.json").read_text())
    assert found["structures"]["generated"] == 8 and found["metrics"]["validity"]["values"]["gate"] == 3 / 8
    assert [line.split(":")[0] for line in found["unreadable"]["generated"]] == list(BAD)
    told = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[:3] for line in told] == [["warning", "generated", name] for name in BAD]


def test_ingest_lists_them(folder: Path, capsys: pytest.CaptureFixture) -> None:
    main(["ingest", "in", "-o", "shards", "--jobs", "1"])
    assert len(load_split(Path("shards"), "in")) == 1 and len(load_split(Path("shards"), "z")) == 2
    assert [row.file for row in load_rejected(Path("shards"), "in")] == ["damaged.cif", "empty.cif"]
    told = capsys.readouterr().err
    assert "skipped README" in told and all(f"no split {name}: " in told for name in ("junk", "none", "without"))
    main(["ingest", "in", "-o", "shards", "--jobs", "1", "--split", "all"])
    assert len(load_split(Path("shards"), "all")) == 3
    assert [row.file for row in load_rejected(Path("shards"), "all")] == list(BAD)


def test_a_folder_of_compositions_goes_on_without_them(folder: Path, capsys: pytest.CaptureFixture) -> None:
    main(["generate", "--from", "in", "--quick", "-o", "out.extxyz"])
    assert [atoms.info["formula"] for atoms in read("out.extxyz", ":")] == ["NaCl", "Cu", "Al"]
    told = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert len(told) == 6 and all(name in " ".join(told) for name in BAD[:4]) and "1 more" in told[-1]


def test_predict_relax_and_symmetrize_give_each_a_status(folder: Path, capsys: pytest.CaptureFixture) -> None:
    main(["predict", "in", "-o", "out.csv"])
    rows = list(csv.DictReader(open("out.csv", newline="")))
    assert {row["file"] for row in rows if row["status"] != "ok"} == {*BAD, "README"}
    main(["relax", "in", "-o", "relaxed.extxyz", "--status", "status.csv"])
    rows = list(csv.DictReader(open("status.csv", newline="")))
    assert {Path(row["source"]).name for row in rows if row["status"] == "unreadable"} == {*BAD, "README"}
    assert not any(row["reason"].startswith("unreadable") for row in rows)
    capsys.readouterr()
    main(["symmetrize", "in", "-o", "refined.extxyz"])
    assert len(capsys.readouterr().err.splitlines()) == 7 and len(read("refined.extxyz", ":")) == 3


@pytest.mark.parametrize("name", BAD)
def test_alone_they_are_an_error(folder: Path, name: str, capsys: pytest.CaptureFixture) -> None:
    for line in ("predict", "evaluate --metrics validity", "ingest -o shards --jobs 1", "relax -o x.cif",
                 "symmetrize -o x.cif", "generate -o x.cif --from"):  # fmt: skip
        with pytest.raises(SystemExit) as stop:
            main([*line.split(), f"in/{name}"])
        error = capsys.readouterr().err.splitlines()
        assert stop.value.code == 2 and error[-1].startswith("asegen: error: "), line
        assert name in " ".join(error), line
