"""`asegen generate --host`: fillings in a file, and bad command lines."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read, write

from asegen.cli.main import main


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    places = [[0, 0, 0], [0.5] * 3, *(0.5 - 0.5 * np.eye(3))]
    write("host.cif", Atoms("SrTiO3", scaled_positions=places, cell=[3.9] * 3, pbc=True))
    write("flat.xyz", Atoms("TiO", positions=[[0, 0, 0], [0, 0, 2]]))
    return tmp_path


def test_what_is_taken_out_comes_back(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main("generate --host host.cif --keep-elements".split() + ["Ti O", *"-n 2 -o out.extxyz".split()])
    found = read("out.extxyz", ":")
    assert 1 <= len(found) <= 2
    for atoms in found:
        assert (
            atoms.info["formula"] == "TiO3Sr"
            and atoms.info["host_atoms"] == 4
            and atoms.info["model"] == "torusflow-mp"
        )
    if len(found) == 1:
        assert "note: 1 fewer than asked for" in capsys.readouterr().err
    strontium = found[0].get_scaled_positions()[4]
    assert np.abs(strontium - np.rint(strontium)).max() < 0.05


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--host host.cif --add Li --system Li-O", "name one source of compositions"),
        ("--add Li --system Li-O", "--add goes with --host only"),
        ("--host flat.xyz --add Li", "the host is no crystal: not periodic"),
        ("--host host.cif --add Og", "no training data with Og"),
        ("--host host.cif --add Li0", "Li0"),
        ("--host host.cif", "nothing is to be drawn: --add names what, or --keep-elements leaves atoms out"),
        ("--host host.cif --add Li --method template", "--method and --host exclude each other"),
        ("--host host.cif --add Li --rank alignn --keep 2", "--keep and --host exclude each other"),
        ("--host host.cif --add Li --spacegroup 1", "--host and --spacegroup exclude each other"),
        ("--host host.cif --add Li --rank emt --relax-steps 5", "--relax-steps would move the host"),
        ("--host host.cif --add Li --host-cell soft", "--host-cell 'soft' is not one of fixed, scaled, free"),
        ("NaCl --method host", "needs a host"),
        ("--host none.cif --add Li", "there is no such file"),
    ],
)
def test_nonsense_is_one_line_and_exit_code_2(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["generate", *arguments.split(), "-o", "out.extxyz"])
    assert stop.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("asegen: error:") and message in last
    assert not Path("out.extxyz").exists()
