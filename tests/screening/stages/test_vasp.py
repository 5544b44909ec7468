"""Inputs for DFT: pymatgen and ASE read back what was meant, and phonopy's command line finishes the phonons."""

import os
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from pymatgen.core import Structure
from pymatgen.io.vasp import Incar, Kpoints, Poscar
from pymatgen.io.vasp.sets import MPRelaxSet

from asegen.errors import InputError
from asegen.screening.stages.finite_displacements import MESH, Settings, phonons
from asegen.screening.stages.vasp import GPAW_SCRIPT, NOTES, PHONONS, VASP_SCRIPT, write_inputs


def oxide() -> Atoms:
    """FeO in two formula units, its elements mixed."""
    return bulk("FeO", "rocksalt", a=4.3) * (1, 1, 2)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vasp") / "000007"
    write_inputs(oxide(), folder, Settings(height=5.0))
    return folder


@pytest.mark.filterwarnings("ignore")
def test_pymatgen_reads_its_own_settings_back(inputs: Path) -> None:
    structure = Poscar.from_file(inputs / "POSCAR").structure
    assert structure.matches(Structure.from_ase_atoms(oxide()))
    peer = MPRelaxSet(structure)
    ours = Incar.from_file(inputs / "INCAR")
    assert {**ours, "EDIFF": 0} == {**peer.incar, "EDIFF": 0} and ours["EDIFF"] == pytest.approx(peer.incar["EDIFF"])
    assert Kpoints.from_file(inputs / "KPOINTS").kpts == peer.kpoints.kpts
    potentials = (inputs / "POTCAR.spec").read_text().split()
    assert [name.split("_")[0] for name in potentials] == Poscar.from_file(inputs / "POSCAR").site_symbols
    assert not (inputs / "POTCAR").exists()


@pytest.mark.filterwarnings("ignore")
def test_the_script_for_vasp_asks_vasp_for_the_same(inputs: Path, tmp_path: Path) -> None:
    """Run as it is, with a VASP that ends at once and potentials that hold their names."""
    for name in (inputs / "POTCAR.spec").read_text().split():
        place = tmp_path / "potpaw_PBE" / name
        place.mkdir(parents=True)
        (place / "POTCAR").write_text(f"  PAW_PBE {name}\n")
    environment = os.environ | {"VASP_PP_PATH": str(tmp_path), "ASE_VASP_COMMAND": "false"}
    run = subprocess.run([sys.executable, VASP_SCRIPT], cwd=inputs, env=environment, capture_output=True, text=True)
    assert "CalculationFailed" in run.stderr
    theirs, ours = Incar.from_file(inputs / "vasp" / "INCAR"), Incar.from_file(inputs / "INCAR")
    assert ase.io.read(inputs / "vasp" / "POSCAR").cell == pytest.approx(oxide().cell.array)
    assert Kpoints.from_file(inputs / "vasp" / "KPOINTS").kpts == Kpoints.from_file(inputs / "KPOINTS").kpts
    potcar = (inputs / "vasp" / "POTCAR").read_text().split()
    assert potcar[1::2] == (inputs / "POTCAR.spec").read_text().split()
    assert theirs.pop("GGA", "PE").upper() == "PE"  # which the potentials say, too
    assert {key: theirs[key] for key in ours} == dict(ours)


def test_scripts_are_python(inputs: Path) -> None:
    for name in (VASP_SCRIPT, GPAW_SCRIPT):
        compile((inputs / name).read_text(), name, "exec")
    assert "MAGMOMS = [5.0, 5.0, 0.6, 0.6]" in (inputs / GPAW_SCRIPT).read_text()
    assert "phonopy-init -f" in (inputs / NOTES).read_text()


@pytest.mark.filterwarnings("ignore")
def test_phonopys_command_line_finishes_the_phonons(tmp_path: Path) -> None:
    atoms, settings = bulk("Al", a=3.99), Settings(height=8.0, mesh=20.0)
    phonons(atoms, EMT(), tmp_path / "ours", settings)
    minimum = yaml.safe_load((tmp_path / "ours" / "phonopy_params.yaml").read_text())["unit_cell"]["lattice"]
    write_inputs(Atoms("Al", cell=minimum, pbc=True), tmp_path / "vasp", settings)
    folder = tmp_path / "vasp" / PHONONS
    for place in sorted(folder.glob("disp-*")):
        cell = ase.io.read(place / "POSCAR")
        cell.calc = EMT()
        (place / "vasprun.xml").write_text(vasprun(cell))
    results = [str(file) for file in sorted(folder.glob("disp-*/vasprun.xml"))]
    told = [line.split() for line in (tmp_path / "vasp" / NOTES).read_text().splitlines() if line.startswith("    ")]
    assert [tool for tool, *_ in told] == ["phonopy-init", "phonopy-load"]
    finish = [["phonopy-init", "-f", *results], told[1], ["phonopy-load", "phonopy_disp.yaml", "--mesh", "20", "--gc"]]
    for tool, *arguments in finish:
        command = [str(Path(sys.executable).with_name(tool)), *arguments]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    theirs, ours = (
        [[mode["frequency"] for mode in q["band"]] for q in yaml.safe_load((place / MESH).read_text())["phonon"]]
        for place in (folder, tmp_path / "ours")
    )
    assert np.array(theirs) == pytest.approx(np.array(ours), abs=0.01)


def vasprun(atoms: Atoms) -> str:
    """What phonopy reads of a vasprun.xml."""

    def rows(values: np.ndarray) -> str:
        return "".join(f"<v> {x:.12f} {y:.12f} {z:.12f} </v>" for x, y, z in values)

    energy = atoms.get_potential_energy()
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n'
        '<modeling><generator><i name="version" type="string">6.4.2 </i></generator>\n'
        f'<calculation><structure><crystal><varray name="basis">{rows(atoms.cell.array)}</varray>'
        f'<i name="volume"> {atoms.cell.volume} </i></crystal>'
        f'<varray name="positions">{rows(atoms.get_scaled_positions())}</varray></structure>'
        f'<varray name="forces">{rows(atoms.get_forces())}</varray>'
        f'<energy><i name="e_fr_energy"> {energy} </i><i name="e_wo_entrp"> {energy} </i>'
        f'<i name="e_0_energy"> {energy} </i></energy></calculation></modeling>'
    )


@pytest.mark.filterwarnings("ignore")
def test_displaced_cells_and_potentials_are_in_one_order(inputs: Path) -> None:
    places = sorted((inputs / PHONONS).glob("disp-*"))
    assert places
    for place in places:
        atoms = ase.io.read(place / "POSCAR")
        symbols = list(dict.fromkeys(atoms.symbols))
        assert [name.split("_")[0] for name in (place / "POTCAR.spec").read_text().split()] == symbols
        incar = Incar.from_file(place / "INCAR")
        assert len(incar["MAGMOM"]) == len(atoms) and incar["NSW"] == 0
        assert dict(zip(incar["MAGMOM"], atoms.symbols, strict=True)) == {5.0: "Fe", 0.6: "O"}


@pytest.mark.parametrize(("n_atoms", "ediff"), [(3, "0.00015"), (1, "5e-05"), (7, "0.00035")])
@pytest.mark.filterwarnings("ignore")
def test_numbers_are_written_as_people_do(tmp_path: Path, n_atoms: int, ediff: str) -> None:
    write_inputs(bulk("Al", a=4.0) * (1, 1, n_atoms), tmp_path)
    assert f"EDIFF = {ediff}\n" in (tmp_path / "INCAR").read_text()
    assert f"'ediff': {ediff}," in (tmp_path / VASP_SCRIPT).read_text()


def test_no_potential(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Po"):
        write_inputs(bulk("Po", "sc", a=3.35), tmp_path / "po")
    assert not (tmp_path / "po").exists()


@pytest.mark.slow
def test_the_script_for_gpaw_runs(tmp_path: Path) -> None:
    pytest.importorskip("gpaw")
    write_inputs(bulk("Al", a=4.0), tmp_path)
    run = subprocess.run([sys.executable, GPAW_SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "converged: True" in run.stdout
    relaxed = ase.io.read(tmp_path / "relaxed.extxyz")
    # PBE of aluminium: 4.04 Å (Lejaeghere et al., Science 2016: 16.48 Å³)
    assert relaxed.cell.volume == pytest.approx(16.48, rel=0.02)
