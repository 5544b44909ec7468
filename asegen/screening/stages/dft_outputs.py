"""Outputs of the user's own DFT, read back with whether they can be trusted.

VASP's are read by `asegen.screening.stages.vasp_outputs`, all others by ASE. Of the outputs in a folder the static
step's goes before the relaxation's.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase.io import read
from ase.units import GPa

from asegen.screening.dft_columns import FAILED, FINISHED, NOT_RUN, UNCONVERGED, UNFINISHED
from asegen.screening.stage import one_line
from asegen.screening.stages.dft_run import DftRun, judged, text_of
from asegen.screening.stages.vasp_outputs import read_outcar, read_vasprun

_PLACES = ("static", "", "vasp")  # of the outputs in a folder; the last is made by the script for ASE
_HEAD = 20_000  # characters in which a program says its name


@dataclass(frozen=True)
class _Program:
    """How a program's text output is told to be whole, and what names its settings.

    Attributes:
        name: of the program.
        begin: text near the start.
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
    "aims-output": _Program(
        "FHI-aims", "Invoking FHI-aims", "Have a nice day", "scf_solver: SCF cycle not converged", ()
    ),
}
"""Format by ASE's name -> how it is judged."""
_READERS = {"vasp-xml": read_vasprun, "vasp-out": read_outcar}


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
    begins = text_of(file, _HEAD)  # extensions tell little: schedulers write *.out, too
    return next((format for format, program in _PROGRAMS.items() if program.begin in begins), "")


def _read(file: Path, format: str) -> DftRun:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _READERS[format](file) if format in _READERS else _text(file, format)
        except Exception as error:  # of any parser, on any file
            return DftRun(FAILED, f"{file.name} can't be read: {type(error).__name__}: {one_line(error)}")


def _text(file: Path, format: str) -> DftRun:
    program, text = _PROGRAMS[format], text_of(file)
    if program.end not in text[-5000:]:
        return DftRun(UNFINISHED, f"{file.name} ends early: {program.name} is running, or was stopped")
    if program.failure in text:
        return DftRun(UNCONVERGED, f"{file.name}: the self-consistency did not converge")
    atoms: Any = read(file, format=format)
    results = atoms.calc.results
    known = [" ".join(found.group(1).split()) for rule in program.settings if (found := re.search(rule, text))]
    stress = None if results.get("stress") is None else np.asarray(results["stress"], float) / GPa
    scale = ", ".join([program.name, *known])
    return judged(atoms, float(atoms.get_potential_energy()), scale, results.get("forces"), stress)
