"""Inputs for the user's own DFT: VASP by the Materials Project's settings, scripts for VASP and GPAW, and phonons."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ase import Atoms
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.vasp.sets import MPRelaxSet, MPStaticSet, VaspInputSet

from asegen.errors import InputError
from asegen.potentials.gpaw import SETTINGS as GPAW_SETTINGS
from asegen.screening.stages.dft_cells import CellSettings, DisplacedCells, displaced_cells
from asegen.screening.stages.dft_notes import DISPLACEMENTS, NOTES, PHONONS, Cost, displaced_notes
from asegen.screening.stages.job_scripts import JOB, Jobs

VASP_SCRIPT, GPAW_SCRIPT, STATIC = "relax_vasp.py", "relax_gpaw.py", "static"
"""Scripts beside VASP's own files in a folder of inputs, and the folder of the static step in it."""

_FORCES_ONLY: dict[str, Any] = {
    "IBRION": -1,
    "NSW": 0,
    "ISIF": 2,
    "EDIFF": 1e-8,
    "ALGO": "Normal",
    "ISMEAR": 0,
    "LREAL": False,
    "LCHARG": False,
}
_KBAR = 10.0  # of a GPa
_MAGNETIC = 1.0  # Bohr magnetons; MPRelaxSet gives 0.6 to atoms that are none
_BY_ATOMS = ("MAGMOM", "LDAUL", "LDAUU", "LDAUJ")  # ASE makes these from the atoms and a table


def write_inputs(
    atoms: Atoms,
    folder: Path,
    phonons: CellSettings | None = None,
    pressure: float = 0.0,
    jobs: Jobs | None = None,
) -> str:
    """Writes a relaxation (POSCAR, INCAR, KPOINTS, POTCAR.spec), a static step, scripts for ASE, and `NOTES`.

    Args:
        atoms: a crystal; its atoms are put in order of their elements.
        folder: made if it is missing.
        phonons: how displaced cells are made, in a folder `PHONONS` with `phonopy_disp.yaml`; none without it.
        pressure: GPa, at which VASP relaxes (PSTRESS).
        jobs: writes job scripts; none without it.

    Returns:
        How many displaced cells there are, of how many atoms, and what they cost; empty without them.

    Raises:
        InputError: the Materials Project has no potential for an element.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pymatgen, about settings of its own
        return _write_all(atoms, folder, phonons, pressure, jobs or Jobs())


def _write_all(atoms: Atoms, folder: Path, phonons: CellSettings | None, pressure: float, jobs: Jobs) -> str:
    structure = AseAtomsAdaptor.get_structure(Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True))
    structure = structure.get_sorted_structure()
    inputs = relaxation(structure, {"PSTRESS": _KBAR * pressure} if pressure else {})
    folder.mkdir(parents=True, exist_ok=True)
    inputs.write_input(str(folder), potcar_spec=True)
    jobs.write(folder, len(structure), "relax")
    _write_static(structure, folder / STATIC, jobs)
    magmoms = [float(m) for m in inputs.incar.get("MAGMOM", [])]
    (folder / VASP_SCRIPT).write_text(_vasp_script(inputs, magmoms))
    (folder / GPAW_SCRIPT).write_text(_gpaw_script(magmoms, pressure))
    told = ""
    text = _notes(structure.composition.reduced_formula, jobs, pressure)
    if phonons is not None:
        cells, cost = _write_displaced(AseAtomsAdaptor.get_atoms(structure), folder / PHONONS, phonons, inputs, jobs)
        text += displaced_notes(cells, cost, "VASP", "vasprun.xml", "phonopy-init -d -c CONTCAR")
        told = f"{cells}, as long as {cost} calculations of the crystal"
    (folder / NOTES).write_text(text)
    return told


def relaxation(structure: Structure, changes: dict[str, Any]) -> MPRelaxSet:
    """MPRelaxSet for a structure whose sites stay in their order.

    Args:
        structure: of the calculation.
        changes: other values of INCAR.

    Raises:
        InputError: the Materials Project has no potential for an element.
    """
    inputs = MPRelaxSet(structure, user_incar_settings=dict(changes), sort_structure=False)
    try:
        _ = inputs.potcar_symbols
        return MPRelaxSet(structure, user_incar_settings=changes | _plain(inputs.incar), sort_structure=False)
    except (KeyError, ValueError) as error:
        text = " ".join(str(error).split())[:200]
        raise InputError(f"no potential of the Materials Project for {structure.formula}: {text}") from None


def _write_static(structure: Structure, folder: Path, jobs: Jobs) -> None:
    """The inputs of a static step but for its POSCAR, which the relaxation makes."""
    inputs = MPStaticSet(structure, sort_structure=False)
    inputs = MPStaticSet(structure, sort_structure=False, user_incar_settings=_plain(inputs.incar))
    inputs.write_input(str(folder), potcar_spec=True)
    (folder / "POSCAR").unlink()
    jobs.write(folder, len(structure), "static", prepare="cp ../CONTCAR POSCAR")


def _plain(incar: Mapping[str, Any]) -> dict[str, float]:
    """EDIFF, which is proportional to the number of atoms, without the digits that binary numbers add."""
    return {"EDIFF": float(f"{incar['EDIFF']:.6g}")}


def _write_displaced(
    atoms: Atoms, folder: Path, settings: CellSettings, relaxed: MPRelaxSet, jobs: Jobs
) -> tuple[DisplacedCells, Cost]:
    """`phonopy_disp.yaml`, the supercell as SPOSCAR, and for each displacement a folder that VASP can run in."""
    from phonopy.interface.vasp import write_vasp

    cells = displaced_cells(atoms, settings)
    inputs = relaxation(AseAtomsAdaptor.get_structure(cells.supercell), _FORCES_ONLY)
    folder.mkdir(parents=True, exist_ok=True)
    cells.phonon.save(folder / DISPLACEMENTS, settings={"force_sets": False, "displacements": True})
    write_vasp(folder / "SPOSCAR", cells.phonon.supercell, direct=True)
    for k, cell in enumerate(cells.phonon.supercells_with_displacements, 1):
        place = folder / f"disp-{k:03d}"
        place.mkdir(exist_ok=True)
        write_vasp(place / "POSCAR", cell, direct=True)
        (place / "INCAR").write_text(str(inputs.incar))
        (place / "KPOINTS").write_text(str(inputs.kpoints))
        (place / "POTCAR.spec").write_text("\n".join(inputs.potcar_symbols))
        jobs.write(place, len(cell), place.name)
    return cells, Cost.of(cells, mesh_of(inputs), len(atoms), mesh_of(relaxed))


def mesh_of(inputs: VaspInputSet) -> tuple[int, int, int]:
    """The k-points of a set of inputs, along the three vectors of the reciprocal lattice."""
    assert inputs.kpoints is not None  # the sets here have a mesh
    a, b, c = (int(n) for n in inputs.kpoints.kpts[0])
    return a, b, c


def _vasp_script(inputs: MPRelaxSet, magmoms: list[float]) -> str:
    incar, kpoints, structure = inputs.incar, inputs.kpoints, inputs.structure
    assert kpoints is not None and structure is not None  # MPRelaxSet has both
    settings = {key.lower(): value for key, value in incar.items() if key not in _BY_ATOMS}
    symbols = list(dict.fromkeys(site.specie.symbol for site in structure))
    setups = {s: name.removeprefix(s) for s, name in zip(symbols, inputs.potcar_symbols, strict=True)}
    settings |= {"kpts": tuple(kpoints.kpts[0]), "gamma": kpoints.style.name == "Gamma"}
    settings |= {"xc": "PBE", "setups": setups}
    if incar.get("LDAU"):
        columns = zip(symbols, incar["LDAUL"], incar["LDAUU"], incar["LDAUJ"], strict=True)
        settings["ldau_luj"] = {s: {"L": angular, "U": u, "J": j} for s, angular, u, j in columns}
    return f'''"""Relaxes POSCAR with VASP through ASE.

Needs ASE_VASP_COMMAND, such as "mpirun vasp_std", and VASP_PP_PATH, the folder above potpaw_PBE. Run it in this folder.
"""

from ase.calculators.vasp import Vasp
from ase.io import read, write

SETTINGS = {literal(settings)}
MAGMOMS = {magmoms}

atoms = read("POSCAR")
atoms.set_initial_magnetic_moments(MAGMOMS)
atoms.calc = Vasp(directory="vasp", **SETTINGS)
energy = atoms.get_potential_energy()
relaxed = read("vasp/vasprun.xml")
write("relaxed.extxyz", relaxed)
print(f"{{energy / len(atoms):.4f}} eV per atom, without the Materials Project's corrections")
'''


def _gpaw_script(magmoms: list[float], pressure: float) -> str:
    spins = magmoms if any(abs(m) > _MAGNETIC for m in magmoms) else None
    return f'''"""Relaxes POSCAR with GPAW through ASE, in this folder; on 8 cores: gpaw -P 8 python {GPAW_SCRIPT}"""

from ase.filters import FrechetCellFilter
from ase.io import read, write
from ase.optimize import BFGS
from ase.units import GPa
from gpaw import GPAW

SETTINGS = {literal(GPAW_SETTINGS)}
MAGMOMS = {spins}
PRESSURE = {pressure:g} * GPa

atoms = read("POSCAR")
if MAGMOMS:
    atoms.set_initial_magnetic_moments(MAGMOMS)
atoms.calc = GPAW(**SETTINGS, txt="gpaw.txt")
crystal = FrechetCellFilter(atoms, scalar_pressure=PRESSURE)
with BFGS(crystal, logfile="relax.log", trajectory="relax.traj") as optimizer:
    converged = optimizer.run(fmax=0.02, steps=200)
write("relaxed.extxyz", atoms)
print(f"{{atoms.get_potential_energy() / len(atoms):.4f}} eV per atom, converged: {{bool(converged)}}")
'''


def literal(settings: Mapping[str, Any]) -> str:
    """A dictionary as Python source, a line for each entry.

    Args:
        settings: of values that Python can write.
    """
    return "{\n" + "".join(f"    {key!r}: {value!r},\n" for key, value in settings.items()) + "}"


def _notes(formula: str, jobs: Jobs, pressure: float) -> str:
    at = f" at {pressure:g} GPa (PSTRESS)" if pressure else ""
    scripts = f"- `{JOB}`, in each folder in which VASP runs: your job script.\n" if jobs.template else ""
    return f"""# {formula}: inputs for DFT

- A relaxation with VASP{at}: POSCAR, INCAR, KPOINTS are those of pymatgen's MPRelaxSet.
  POTCAR.spec names the potentials that your POTCAR has to hold, in that order.
- `{STATIC}/`: a static step after it, pymatgen's MPStaticSet: `cp CONTCAR {STATIC}/POSCAR`, and run VASP there.
  Its energy is the one that counts.
{scripts}- `{VASP_SCRIPT}`: the relaxation through ASE, which puts the POTCAR together itself.
- `{GPAW_SCRIPT}`: a relaxation with GPAW's plane waves instead.

When some are done, `asegen screen --workdir RUN --collect` reads their energies and ranks the candidates by them.
"""
