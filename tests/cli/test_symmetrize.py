"""`asegen symmetrize` as a user runs it."""

from pathlib import Path

import pytest
from ase.build import bulk
from ase.io import read, write

from asegen.cli.main import main


@pytest.mark.parametrize("out", ["a.extxyz", "a.cif", "a.db", "folder"])
def test_frames_are_refined_and_bad_ones_named(tmp_path: Path, capsys: pytest.CaptureFixture, out: str) -> None:
    rough = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    rough.rattle(0.002, seed=1)
    molecule = bulk("Cu")
    molecule.pbc = False
    write(tmp_path / "in.extxyz", [rough, molecule, bulk("Si")])
    (tmp_path / "broken.cif").write_text("data_\n")
    inputs = [str(tmp_path / name) for name in ("in.extxyz", "broken.cif")]
    main(["symmetrize", *inputs, "-o", str(tmp_path / out), "--symprec", "0.05"])
    printed = capsys.readouterr()
    assert "2 of 4 structures" in printed.err and "1 Fm-3m (225)" in printed.err and "Fd-3m (227)" in printed.err
    assert "frame 1" in printed.err and "not periodic" in printed.err and "broken.cif" in printed.err
    if out == "a.extxyz":
        first, second = read(tmp_path / out, ":")
        assert len(first) == 2 and first.info["spacegroup"] == 225 and first.info["symmetrize_row"] == 0
        assert second.info["wyckoff"] in ("Si:a", "Si:b")


def test_what_atoms_had_and_another_cell_has_not_is_said(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    iron = bulk("Fe", cubic=True)
    iron.set_initial_magnetic_moments([2.2, 2.2])
    write(tmp_path / "in.traj", iron)
    main(["symmetrize", str(tmp_path / "in.traj"), "-o", str(tmp_path / "a.extxyz")])
    assert "note: initial_magmoms of 1 left out" in capsys.readouterr().err
    main(["symmetrize", str(tmp_path / "in.traj"), "-o", str(tmp_path / "b.traj"), "--cell", "as-is"])
    assert "left out" not in capsys.readouterr().err
    assert read(tmp_path / "b.traj").get_initial_magnetic_moments().tolist() == [2.2, 2.2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--symprec", "0"], "--symprec 0"),
        (["--symprec", "nan"], "--symprec nan"),
        (["--cell", "niggli"], "invalid choice"),
    ],
)
def test_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture, arguments: list[str], message: str) -> None:
    write(tmp_path / "in.extxyz", bulk("Si"))
    with pytest.raises(SystemExit) as caught:
        main(["symmetrize", str(tmp_path / "in.extxyz"), "-o", str(tmp_path / "a.extxyz"), *arguments])
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line


def test_nothing_to_refine_and_an_output_that_exists(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name in ("missing.cif", "empty.extxyz"):
        (tmp_path / "empty.extxyz").write_text("")
        with pytest.raises(SystemExit) as caught:
            main(["symmetrize", str(tmp_path / name), "-o", str(tmp_path / "a.extxyz")])
        assert caught.value.code == 2 and not (tmp_path / "a.extxyz").exists()
    (tmp_path / "a.extxyz").write_text("mine")
    write(tmp_path / "in.extxyz", bulk("Si"))
    with pytest.raises(SystemExit):
        main(["symmetrize", str(tmp_path / "in.extxyz"), "-o", str(tmp_path / "a.extxyz")])
    assert (tmp_path / "a.extxyz").read_text() == "mine" and "--overwrite" in capsys.readouterr().err


def test_info_stays_as_it_was(tmp_path: Path) -> None:
    atoms = bulk("Si")
    atoms.info = {"formula": "my formula", "sample_index": 1000}
    write(tmp_path / "in.extxyz", atoms)
    main(["symmetrize", str(tmp_path / "in.extxyz"), "-o", str(tmp_path / "a.extxyz")])
    found = read(tmp_path / "a.extxyz").info
    assert (found["formula"], found["sample_index"]) == ("my formula", 1000)


@pytest.mark.parametrize(("cell", "counts"), [("as-is", "2 2 2 2"), ("primitive", "1 1"), ("conventional", "4 4")])
def test_atoms_of_a_poscar_keep_their_order_where_they_are_the_same(tmp_path: Path, cell: str, counts: str) -> None:
    salt = bulk("NaCl", "rocksalt", a=5.64, cubic=True)[[0, 2, 1, 3, 4, 6, 5, 7]]
    write(tmp_path / "in.vasp", salt, format="vasp")
    main(["symmetrize", str(tmp_path / "in.vasp"), "-o", str(tmp_path / "out.vasp"), "--cell", cell])
    assert (tmp_path / "out.vasp").read_text().splitlines()[6].split() == counts.split()
