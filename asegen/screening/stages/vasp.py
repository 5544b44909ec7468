"""Inputs for the user's own DFT: VASP by the Materials Project's settings, scripts for VASP and GPAW, and phonons."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.vasp.sets import MPRelaxSet

from asegen.errors import InputError
from asegen.potentials.gpaw import SETTINGS as GPAW_SETTINGS
from asegen.screening.stages.finite_displacements import Settings, displaced, primitive

VASP_SCRIPT, GPAW_SCRIPT, NOTES, PHONONS = "relax_vasp.py", "relax_gpaw.py", "README.md", "phonons"
"""Files beside VASP's own in a folder of inputs, and the folder of displaced cells in it."""

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
_MAGNETIC = 1.0  # Bohr magnetons; MPRelaxSet gives 0.6 to atoms that are none
_BY_ATOMS = ("MAGMOM", "LDAUL", "LDAUU", "LDAUJ")  # ASE makes these from the atoms and a table


def write_inputs(atoms: Atoms, folder: Path, phonons: Settings | None = None) -> None:
    """Writes POSCAR, INCAR, KPOINTS, POTCAR.spec, `VASP_SCRIPT`, `GPAW_SCRIPT` and `NOTES`: what a relaxation needs.

    Args:
        atoms: a crystal; its atoms are put in order of their elements.
        folder: made if it is missing.
        phonons: how displaced cells are made, in a folder `PHONONS` with `phonopy_disp.yaml`; none without it.

    Raises:
        InputError: the Materials Project has no potential for an element.
    """
    structure = AseAtomsAdaptor.get_structure(Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True))
    structure = structure.get_sorted_structure()
    inputs = _inputs(structure, {})
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inputs.write_input(str(folder), potcar_spec=True)
    magmoms = [float(m) for m in inputs.incar.get("MAGMOM", [])]
    (folder / VASP_SCRIPT).write_text(_vasp_script(inputs, magmoms))
    (folder / GPAW_SCRIPT).write_text(_gpaw_script(magmoms))
    if phonons is not None:
        _write_displaced(AseAtomsAdaptor.get_atoms(structure), folder / PHONONS, phonons)
    (folder / NOTES).write_text(_notes(structure.composition.reduced_formula, phonons is not None))


def _inputs(structure: Structure, changes: Mapping[str, Any]) -> MPRelaxSet:
    """Settings for a structure whose sites stay in their order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of settings of its own
        inputs = MPRelaxSet(structure, user_incar_settings=dict(changes), sort_structure=False)
        try:
            _ = inputs.potcar_symbols
            # 5e-5 eV for each atom, without the digits that binary numbers add
            ediff = float(f"{inputs.incar['EDIFF']:.6g}")
            inputs = MPRelaxSet(structure, user_incar_settings={**changes, "EDIFF": ediff}, sort_structure=False)
        except (KeyError, ValueError) as error:
            text = " ".join(str(error).split())[:200]
            raise InputError(f"no potential of the Materials Project for {structure.formula}: {text}") from None
    return inputs


def _write_displaced(atoms: Atoms, folder: Path, settings: Settings) -> None:
    """`phonopy_disp.yaml`, the supercell as SPOSCAR, and for each displacement a folder that VASP can run in."""
    from phonopy.interface.vasp import write_vasp

    crystal = primitive(atoms, settings.symprec)
    crystal = crystal[np.argsort(crystal.numbers, kind="stable")]  # one block of each element: POTCAR has one, too
    phonon = displaced(crystal, settings)
    supercell = Structure(
        phonon.supercell.cell, phonon.supercell.symbols, phonon.supercell.scaled_positions, to_unit_cell=False
    )
    inputs = _inputs(supercell, _FORCES_ONLY)
    folder.mkdir(parents=True, exist_ok=True)
    phonon.save(folder / "phonopy_disp.yaml", settings={"force_sets": False, "displacements": True})
    write_vasp(folder / "SPOSCAR", phonon.supercell, direct=True)
    for k, cell in enumerate(phonon.supercells_with_displacements, 1):
        place = folder / f"disp-{k:03d}"
        place.mkdir(exist_ok=True)
        write_vasp(place / "POSCAR", cell, direct=True)
        (place / "INCAR").write_text(str(inputs.incar))
        (place / "KPOINTS").write_text(str(inputs.kpoints))
        (place / "POTCAR.spec").write_text("\n".join(inputs.potcar_symbols))


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

SETTINGS = {_literal(settings)}
MAGMOMS = {magmoms}

atoms = read("POSCAR")
atoms.set_initial_magnetic_moments(MAGMOMS)
atoms.calc = Vasp(directory="vasp", **SETTINGS)
energy = atoms.get_potential_energy()
relaxed = read("vasp/vasprun.xml")
write("relaxed.extxyz", relaxed)
print(f"{{energy / len(atoms):.4f}} eV per atom, without the Materials Project's corrections")
'''


def _gpaw_script(magmoms: list[float]) -> str:
    spins = magmoms if any(abs(m) > _MAGNETIC for m in magmoms) else None
    return f'''"""Relaxes POSCAR with GPAW through ASE, in this folder; on 8 cores: gpaw -P 8 python {GPAW_SCRIPT}"""

from ase.filters import FrechetCellFilter
from ase.io import read, write
from ase.optimize import BFGS
from gpaw import GPAW

SETTINGS = {_literal(GPAW_SETTINGS)}
MAGMOMS = {spins}

atoms = read("POSCAR")
if MAGMOMS:
    atoms.set_initial_magnetic_moments(MAGMOMS)
atoms.calc = GPAW(**SETTINGS, txt="gpaw.txt")
with BFGS(FrechetCellFilter(atoms), logfile="relax.log", trajectory="relax.traj") as optimizer:
    converged = optimizer.run(fmax=0.02, steps=200)
write("relaxed.extxyz", atoms)
print(f"{{atoms.get_potential_energy() / len(atoms):.4f}} eV per atom, converged: {{bool(converged)}}")
'''


def _literal(settings: Mapping[str, Any]) -> str:
    """A dictionary as Python source, a line for each entry."""
    return "{\n" + "".join(f"    {key!r}: {value!r},\n" for key, value in settings.items()) + "}"


def _notes(formula: str, phonons: bool) -> str:
    text = f"""# {formula}: inputs for DFT

- VASP: POSCAR, INCAR, KPOINTS are those of pymatgen's MPRelaxSet. POTCAR.spec names the potentials that your POTCAR
  has to hold, in that order.
- `{VASP_SCRIPT}`: the same through ASE, which puts the POTCAR together itself.
- `{GPAW_SCRIPT}`: a relaxation with GPAW's plane waves instead.
"""
    if not phonons:
        return text
    return (
        text
        + f"""
## Phonons

`{PHONONS}/phonopy_disp.yaml` names the displacements; run VASP in each `{PHONONS}/disp-*` (its POSCAR is displaced, its
INCAR asks for forces alone). Then, in `{PHONONS}`:

    phonopy-init -f disp-*/vasprun.xml
    phonopy-load phonopy_disp.yaml --mesh 50 --gc -p -s

which writes the density of states to `total_dos.pdf`. For bands install seekpath (`pip install seekpath`) and take
`--band auto` instead of `--mesh 50 --gc`.

The displaced cells are those of the screening's calculator. For frequencies at the minimum of DFT, relax POSCAR first,
and make new ones from the relaxed cell: `phonopy-init -d --dim NX NY NZ -c CONTCAR`.
"""
    )
