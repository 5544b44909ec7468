"""`asegen generate` with a space group, as a user runs it."""

from pathlib import Path

import pytest
from ase.io import read

from asegen.cli.main import main


def generate(*args: str) -> None:
    main(["generate", "--device", "cpu", "--quick", "--steps", "3", *args])


def test_a_group_by_number_and_symbol_resumed_runs_and_the_table(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = str(tmp_path / "a.extxyz")
    generate("NaCl", "CaF2", "--spacegroup", "225", "-n", "2", "-o", out)
    printed = capsys.readouterr()
    assert printed.out.count("Fm-3m (225)") == 4 and "4 valid, 0 not" in printed.out
    assert [a.info["spacegroup"] for a in read(out, ":")] == [225] * 4
    generate("NaCl", "CaF2", "--spacegroup", "Fm-3m", "-n", "2", "-o", out, "--resume")
    assert "complete" in capsys.readouterr().err
    for other in (["--cell", "conventional"], ["--sites", "Na:a Cl:b"]):
        generate("NaCl", "--spacegroup", "225", "-o", str(tmp_path / "b.extxyz"), "--overwrite", *other)


def test_known_crystals_and_the_model_in_turn_or_the_model_alone(tmp_path: Path) -> None:
    a, b = str(tmp_path / "a.extxyz"), str(tmp_path / "b.extxyz")
    generate("SrTiO3", "--spacegroup", "221", "-n", "2", "-o", a)
    assert [atoms.info["source"] for atoms in read(a, ":")] == ["precedent", "diffusion"]
    generate("SrTiO3", "--spacegroup", "221", "-n", "2", "--method", "diffusion", "-o", b)
    assert not any("source" in atoms.info for atoms in read(b, ":"))


def test_a_second_polymorph_in_a_file_is_no_repetition(tmp_path: Path) -> None:
    table = tmp_path / "wanted.csv"
    table.write_text("material_id,formula,n_atoms,spacegroup\na,TiO2,6,136\nb,TiO2,6,141\n")
    generate("--from", str(table), "--spacegroups", "file", "-o", str(tmp_path / "a.extxyz"))
    assert {a.info["source"] for a in read(tmp_path / "a.extxyz", ":")} == {"precedent"}


def test_groups_from_a_file_and_from_known_crystals(tmp_path: Path) -> None:
    table = tmp_path / "wanted.csv"
    table.write_text("material_id,formula,spacegroup\nb,TiO2,\n")
    with pytest.raises(SystemExit):
        generate("--from", str(table), "--spacegroups", "file", "-o", str(tmp_path / "a.cif"))
    table.write_text("material_id,formula,n_atoms,spacegroup\na,NaCl,2,225.0\nb,TiO2,6,P4_2/mnm\n")
    generate("--from", str(table), "--spacegroups", "file", "-o", str(tmp_path / "a.extxyz"))
    assert {a.info["material_id"]: a.info["spacegroup_requested"] for a in read(tmp_path / "a.extxyz", ":")} == {
        "a": 225,
        "b": 136,
    }
    generate("--system", "Na-Cl", "--spacegroups", "common", "-n", "5", "-o", str(tmp_path / "b.db"))
    generate("--spacegroup", "225", "--sites", "Na:1,Cl:1", "-n", "3", "-o", str(tmp_path / "c.traj"))
    assert len(read(tmp_path / "c.traj", ":")) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["NaCl", "--spacegroup", "0"], "space group 0"),
        (["NaCl", "--spacegroup", "231"], "space group 231"),
        (["Na2Cl3", "--multiples", "1", "--spacegroup", "225"], "nearest that fit: Na4Cl6 (--multiples 2)"),
        (["NaCl", "--spacegroup", "225", "--sites", "Na:a Cl:z"], "no Wyckoff position 'z'"),
        (["--spacegroup", "225", "--sites", "Na:a Cl:a"], "one site at most"),
        (["--spacegroup", "225", "--sites", "Na"], "--sites 'Na'"),
        (["NaCl", "--sites", "Na:a Cl:b"], "--sites goes with --spacegroup"),
        (["NaCl", "--cell", "conventional"], "--cell goes with"),
        (["NaCl", "--spacegroup", "1", "--spacegroups", "common"], "exclude each other"),
        (["NaCl", "--spacegroups", "file"], "goes with --from only"),
        (["--spacegroup", "225"], "name one source"),
        (["NaCl", "--spacegroup", "225", "--known", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture, arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        generate(*arguments, "-o", str(tmp_path / "a.extxyz"))
    assert caught.value.code == 2 and not list(tmp_path.iterdir())
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
