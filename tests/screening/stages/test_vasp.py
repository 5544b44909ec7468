"""Inputs for DFT: pymatgen and ASE read back what was meant, and phonopy's command line finishes the phonons."""

import os
import shlex
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import ase.io
import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.geometry import find_mic
from ase.spacegroup import crystal
from pymatgen.core import Structure
from pymatgen.io.vasp import Incar, Kpoints, Poscar
from pymatgen.io.vasp.sets import MPRelaxSet, MPStaticSet

from asegen.errors import InputError
from asegen.screening.stages.band_structure import band_path
from asegen.screening.stages.dft_cells import CellSettings, band_arguments, displaced_cells, repeats_of
from asegen.screening.stages.dft_notes import NOTES, PHONONS
from asegen.screening.stages.finite_displacements import Settings, phonons
from asegen.screening.stages.job_scripts import Jobs, JobTemplate
from asegen.screening.stages.phonon_results import MESH
from asegen.screening.stages.vasp import GPAW_SCRIPT, STATIC, VASP_SCRIPT, write_inputs

SLURM = """#!/bin/bash
#SBATCH --job-name={{id}}-{{ step }} --comment="{{formula}}, {{atoms}} atoms"
{{prepare}}
srun vasp_std
"""


def oxide() -> Atoms:
    """FeO in two formula units, its elements mixed."""
    return bulk("FeO", "rocksalt", a=4.3) * (1, 1, 2)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vasp") / "000007"
    told = write_inputs(oxide(), folder, CellSettings(height=5.0), jobs=Jobs(JobTemplate(SLURM), "c000007", "FeO"))
    assert told.startswith("2 cells of 54 atoms, as long as ") and told.endswith(" calculations of the crystal")
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
def test_phonopys_command_line_finishes_the_phonons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atoms, settings = bulk("Al", a=3.99), Settings(height=8.0, mesh=20.0)
    phonons(atoms, EMT(), tmp_path / "ours", settings)
    minimum = yaml.safe_load((tmp_path / "ours" / "phonopy_params.yaml").read_text())["unit_cell"]["lattice"]
    write_inputs(Atoms("Al", cell=minimum, pbc=True), tmp_path / "vasp", CellSettings(height=8.0))
    folder = tmp_path / "vasp" / PHONONS
    for place in sorted(folder.glob("disp-*")):
        cell = ase.io.read(place / "POSCAR")
        cell.calc = EMT()
        (place / "vasprun.xml").write_text(vasprun(cell))
    results = [str(file) for file in sorted(folder.glob("disp-*/vasprun.xml"))]
    notes = (tmp_path / "vasp" / NOTES).read_text()
    told = [shlex.split(line) for line in notes.splitlines() if line.startswith("    ")]
    assert [tool for tool, *_ in told] == ["phonopy-init", "phonopy-load", "phonopy-load"]
    assert "seekpath" not in notes  # which no extra brings
    coarse = ["phonopy-load", "phonopy_disp.yaml", "--mesh", "20", "--gc"]
    finish = [["phonopy-init", "-f", *results], *told[1:], coarse]
    monkeypatch.chdir(folder)
    for tool, *arguments in finish:
        (script,) = entry_points(group="console_scripts", name=tool)
        monkeypatch.setattr("sys.argv", [tool, *arguments])
        try:  # a process for each would import all of phonopy
            code = script.load()()
        except SystemExit as end:
            code = end.code
        assert not code, arguments
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


@pytest.mark.filterwarnings("ignore")
def test_the_static_step_is_the_materials_project_s(inputs: Path) -> None:
    peer = MPStaticSet(Poscar.from_file(inputs / "POSCAR").structure)
    ours = Incar.from_file(inputs / STATIC / "INCAR")
    assert {**ours, "EDIFF": 0} == {**peer.incar, "EDIFF": 0} and ours["EDIFF"] == pytest.approx(peer.incar["EDIFF"])
    assert Kpoints.from_file(inputs / STATIC / "KPOINTS").kpts == peer.kpoints.kpts
    assert (inputs / STATIC / "POTCAR.spec").read_text() == (inputs / "POTCAR.spec").read_text()
    assert not (inputs / STATIC / "POSCAR").exists()  # the relaxation makes it


def test_job_scripts(inputs: Path) -> None:
    places = [inputs, inputs / STATIC, *sorted((inputs / PHONONS).glob("disp-*"))]
    scripts = [(place / "job.sh").read_text().splitlines() for place in places]
    assert scripts[0][1] == '#SBATCH --job-name=c000007-relax --comment="FeO, 4 atoms"' and scripts[0][2] == ""
    assert scripts[1][1].startswith("#SBATCH --job-name=c000007-static ") and scripts[1][2] == "cp ../CONTCAR POSCAR"
    assert scripts[2][1] == '#SBATCH --job-name=c000007-disp-001 --comment="FeO, 54 atoms"'
    assert all(os.access(place / "job.sh", os.X_OK) for place in places)


def test_a_template_with_an_unknown_placeholder(tmp_path: Path) -> None:
    (tmp_path / "job.sh").write_text("#SBATCH -J {{name}}\nsrun ${SLURM_NTASKS}\n")
    with pytest.raises(InputError, match="no placeholder 'name'; there are id, formula"):
        JobTemplate.read(tmp_path / "job.sh")
    with pytest.raises(InputError, match="can't be read"):
        JobTemplate.read(tmp_path / "none.sh")


def test_pressure(tmp_path: Path) -> None:
    write_inputs(bulk("Al", a=4.0), tmp_path, pressure=12.0)
    assert Incar.from_file(tmp_path / "INCAR")["PSTRESS"] == 120  # kbar
    assert "PSTRESS" not in Incar.from_file(tmp_path / STATIC / "INCAR")
    assert "'pstress': 120.0" in (tmp_path / VASP_SCRIPT).read_text()
    assert "PRESSURE = 12 * GPa" in (tmp_path / GPAW_SCRIPT).read_text()


@pytest.mark.parametrize(("n", "height", "most", "expected"), [
    (1, 9.0, 120, (3, 3, 3)), (1, 9.0, 26, (2, 2, 2)), (1, 9.0, 1, (1, 1, 1)), (3, 9.0, 120, (3, 3, 1)),
    (3, 9.0, 20, (2, 2, 1)), (3, 9.0, 2, (1, 1, 1)),
])  # fmt: skip
def test_supercells_are_as_large_as_they_may(n: int, height: float, most: int, expected: tuple[int, ...]) -> None:
    assert repeats_of(bulk("Po", "sc", a=3.2) * (1, 1, n), height, most) == expected


def test_displaced_cells_say_how_many_they_are() -> None:
    rutile = crystal(
        ["Ti", "O"], [(0, 0, 0), (0.3053, 0.3053, 0)], spacegroup=136, cellpar=[4.6, 4.6, 2.96, 90, 90, 90]
    )
    cells = displaced_cells(rutile, CellSettings())
    assert str(cells) == f"{len(cells.cells)} cells of {len(cells.supercell)} atoms"
    assert 8.8 < cells.height < 9.3 and cells.repeats == (2, 2, 4) and len(cells.supercell) == 96
    moved = [np.linalg.norm(find_mic(c.positions - cells.supercell.positions, c.cell)[0], axis=1) for c in cells.cells]
    assert [np.flatnonzero(d > 1e-6).size for d in moved] == [1] * len(moved)
    assert [d.max() for d in moved] == pytest.approx([0.01] * len(moved))


def test_the_band_path_as_arguments_is_ases() -> None:
    copper = bulk("Cu")
    given = shlex.split(band_arguments(copper))
    ends, points, labels = band_path(copper.cell.array)
    assert given[3].replace(" ", "") == "GXWKGLUWLKUX"
    numbers = [np.array(piece.split(), float).reshape(-1, 3) for piece in given[1].split(",")]
    assert [len(piece) for piece in numbers] == [10, 2]
    assert np.allclose(numbers[0][4], points[labels.index("G")]) and len(ends) == 10


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
