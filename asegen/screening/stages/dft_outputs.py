"""Outputs of the user's own DFT, read back with whether they can be trusted.

VASP's vasprun.xml is read by pymatgen, which knows its settings, all else by ASE. Of the outputs in a folder the static
step's goes before the relaxation's.
"""

from __future__ import annotations

import gzip
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import read
from ase.units import GPa
from pymatgen.entries.compatibility import MaterialsProject2020Compatibility
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.vasp import Vasprun

from asegen.potentials.engine import MP2020
from asegen.screening.dft_columns import FAILED, FINISHED, NOT_RUN, UNCONVERGED, UNFINISHED
from asegen.screening.stage import one_line

_LARGEST_FORCE = 0.15
"""eV/Å. More is left by no relaxation that converged: MPRelaxSet stops at 5e-4 eV per atom."""
_LARGEST_STRESS = 3.0
"""GPa, of a cell that was relaxed, with what too few plane waves leave."""
_PLACES = ("static", "", "vasp")  # of the outputs in a folder; the last is made by the script for ASE
_HEAD = 20_000  # characters in which a program says its name
_KBAR = 10.0  # of a GPa
_MP_CUTOFF = 520.0  # eV


@dataclass(frozen=True)
class DftRun:
    """What the outputs of one folder say.

    Attributes:
        status: `FINISHED`, `UNCONVERGED`, `UNFINISHED`, `FAILED` or `NOT_RUN`.
        reason: one line, if it isn't finished.
        energy: eV/atom, if it is; with the corrections of MP2020 where the scale is that.
        energy_scale: only energies of the same are compared.
        atoms: the crystal, if it is finished.
        file: that was read; None where there is none.
    """

    status: str
    reason: str = ""
    energy: float | None = None
    energy_scale: str = ""
    atoms: Atoms | None = None
    file: Path | None = None


@dataclass(frozen=True)
class _Program:
    """How a program's text output is told to be whole, and what names its settings.

    Attributes:
        name: of the program.
        begin: text near the start; empty where the file's name tells.
        end: text that it ends with.
        failure: text of a self-consistency that didn't converge.
        settings: expressions whose groups tell the settings.
    """

    name: str
    begin: str
    end: str
    failure: str
    settings: tuple[str, ...]


_PROGRAMS = {
    "espresso-out": _Program(
        "Quantum ESPRESSO",
        "Program PWSCF",
        "JOB DONE",
        "convergence NOT achieved",
        (r"Exchange-correlation\s*=\s*([^(\n]*[^(\s])", r"kinetic-energy cutoff\s*=\s*([\d.]+)"),
    ),
    "gpaw-out": _Program(
        "GPAW",
        "___ ___ ___ _ _ _",
        "100.0%",
        "Did not converge",
        (r"xc: (\S+)", r"ecut: ([\d.]+)", r"[Cc]utoff energy: ([\d.]+)"),
    ),
    "vasp-out": _Program(
        "VASP", "", "General timing and accounting", "aborting loop EDIFF was not reached", (r"ENCUT\s*=\s*([\d.]+)",)
    ),
    "aims-output": _Program(
        "FHI-aims", "Invoking FHI-aims", "Have a nice day", "scf_solver: SCF cycle not converged", ()
    ),
}
"""Format by ASE's name -> how it is judged."""


def read_run(folder: Path) -> DftRun:
    """The outputs of one candidate.

    Args:
        folder: with the outputs of a relaxation, or of a static step in `static`, of VASP, Quantum ESPRESSO, GPAW or
            FHI-aims, compressed or not.

    Returns:
        The first that finished, the static step's before the relaxation's; else what the first one lacks.
    """
    first = None
    for file, format in _outputs(folder):
        found = replace(_read(file, format), file=file)
        if found.status == FINISHED:
            return found
        first = first or found
    return first or DftRun(NOT_RUN, "no output of a DFT program in the folder")


def _outputs(folder: Path) -> Iterator[tuple[Path, str]]:
    """Files and their formats, vasprun.xml before OUTCAR."""
    for place in _PLACES:
        here = folder / place
        files = sorted(here.iterdir(), reverse=True) if here.is_dir() else []
        for file in files:
            if file.is_file() and file.stat().st_size and (format := _format(file)):
                yield file, format


def _format(file: Path) -> str:
    """ASE's name of an output's format; empty for all other files."""
    name = file.name.removesuffix(".gz")
    if name.startswith("vasprun") and ".xml" in name:  # also vasprun.xml.relax2
        return "vasp-xml"
    if name.startswith("OUTCAR"):
        return "vasp-out"
    if not name.endswith((".out", ".pwo", ".txt", ".log")):
        return ""
    begins = _all(file, _HEAD)  # extensions tell little: schedulers write *.out, too
    return next((format for format, program in _PROGRAMS.items() if program.begin and program.begin in begins), "")


def _read(file: Path, format: str) -> DftRun:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _vasprun(file) if format == "vasp-xml" else _text(file, format)
        except Exception as error:  # of any parser, on any file
            return DftRun(FAILED, f"{file.name} can't be read: {type(error).__name__}: {one_line(error)}")


def _vasprun(file: Path) -> DftRun:
    if "</modeling>" not in _all(file)[-200:]:
        return DftRun(UNFINISHED, f"{file.name} ends early: VASP is running, or was stopped")
    run = Vasprun(str(file), parse_potcar_file=False, parse_dos=False, parse_eigen=False)
    if not run.converged_electronic:
        return DftRun(UNCONVERGED, f"{file.name}: the self-consistency used all of its NELM steps")
    if not run.converged_ionic:
        return DftRun(UNCONVERGED, f"{file.name}: the relaxation used all of its NSW steps")
    last = run.ionic_steps[-1]
    stress = None if last.get("stress") is None else np.asarray(last["stress"], float) / _KBAR
    energy, scale = _scaled(run)
    return _judged(AseAtomsAdaptor.get_atoms(run.final_structure), energy, scale, last.get("forces"), stress)


def _scaled(run: Vasprun) -> tuple[float, str]:
    """The energy in eV, corrected where the settings are those of MPRelaxSet, and its scale."""
    functional, cutoff = run.run_type, float(run.parameters.get("ENMAX", 0.0))
    if functional.removesuffix("+U") in ("GGA", "PBE") and abs(cutoff - _MP_CUTOFF) < 1:
        entry = run.get_computed_entry(inc_structure=True, entry_id="run")
        corrected = MaterialsProject2020Compatibility().process_entry(entry)  # None for other potentials or U
        if corrected is not None:
            return float(corrected.energy), MP2020
    return float(run.final_energy), f"VASP {functional}, {cutoff:g} eV"


def _text(file: Path, format: str) -> DftRun:
    program, text = _PROGRAMS[format], _all(file)
    if program.end not in text[-5000:]:
        return DftRun(UNFINISHED, f"{file.name} ends early: {program.name} is running, or was stopped")
    if program.failure in text:
        return DftRun(UNCONVERGED, f"{file.name}: the self-consistency did not converge")
    atoms: Any = read(file, format=format)
    results = atoms.calc.results
    known = [" ".join(found.group(1).split()) for rule in program.settings if (found := re.search(rule, text))]
    stress = None if results.get("stress") is None else np.asarray(results["stress"], float) / GPa
    scale = ", ".join([program.name, *known])
    return _judged(atoms, float(atoms.get_potential_energy()), scale, results.get("forces"), stress)


def _judged(atoms: Atoms, energy: float, scale: str, forces: Any, stress: Any) -> DftRun:
    """A calculation that ended, finished if its energy is one and its crystal is relaxed.

    Args:
        atoms: the crystal.
        energy: eV, in total.
        scale: its label.
        forces: (n_atoms, 3), eV/Å, or None.
        stress: of any shape, GPa, or None.
    """
    if not np.isfinite(energy):
        return DftRun(FAILED, "the energy is no number")
    if forces is not None and (most := float(np.linalg.norm(forces, axis=1).max())) > _LARGEST_FORCE:
        return DftRun(UNCONVERGED, f"forces of {most:.2f} eV/Å: the crystal isn't relaxed")
    if stress is not None and (most := float(np.abs(stress).max())) > _LARGEST_STRESS:
        return DftRun(UNCONVERGED, f"stress of {most:.1f} GPa: the cell isn't relaxed, or was so under pressure")
    plain = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    return DftRun(FINISHED, energy=energy / len(atoms), energy_scale=scale, atoms=plain)


def _all(file: Path, most: int = -1) -> str:
    """A text, also a compressed one, or its first characters; nothing of a compressed one that was cut off."""
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt", encoding="utf-8", errors="replace") as lines:
        try:
            return str(lines.read(most))
        except (EOFError, gzip.BadGzipFile):
            return ""
