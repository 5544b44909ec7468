"""VASP's outputs: vasprun.xml, read by pymatgen, which knows its settings, and OUTCAR, read by ASE."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from ase.io import read
from ase.units import GPa
from pymatgen.entries.compatibility import MaterialsProject2020Compatibility
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.vasp import Vasprun

from asegen.potentials.engine import MP2020
from asegen.screening.dft_columns import UNCONVERGED, UNFINISHED
from asegen.screening.stages.dft_run import DftRun, judged, text_of

_KBAR = 10.0  # of a GPa
_MP_CUTOFF = 520.0  # eV
_UNNAMED = ("GGA", "LDA", "NO", "unknown")  # pymatgen's words where INCAR leaves the functional to the potentials
_FAMILIES = {"PAW_PBE": "PBE", "PAW_GGA": "PW91", "PAW": "LDA", "US": "LDA"}
"""First word of a potential's title -> the functional that it was made with."""
_TAGS = {"PE": "PBE", "PS": "PBEsol", "RE": "revPBE", "RP": "RPBE", "AM": "AM05", "CA": "LDA", "91": "PW91"}
"""GGA of INCAR -> functional, by pymatgen's words."""
_OVERFLOW = re.compile(r'<([iv]) type="int"[^>]*>[^<]*\*[^<]*</\1>')
"""An integer that VASP had no room for."""
_RELAXATIONS = ("1", "2", "3")  # IBRION
_SELF_CONSISTENT = "aborting loop because EDIFF is reached"  # some versions say so at the last step allowed, too
_RELAXED = "reached required accuracy - stopping"
_NELM, _NSW = "the self-consistency used all of its NELM steps", "the relaxation used all of its NSW steps"


def read_vasprun(file: Path) -> DftRun:
    """What a vasprun.xml says, compressed or not."""
    text = text_of(file)
    if "</modeling>" not in text[-200:]:
        return _cut_off(file)
    run = _parsed(file, text)
    if not run.converged_electronic:
        return DftRun(UNCONVERGED, f"{file.name}: {_NELM}")
    if not run.converged_ionic:
        return DftRun(UNCONVERGED, f"{file.name}: {_NSW}")
    last = run.ionic_steps[-1]
    stress = None if last.get("stress") is None else np.asarray(last["stress"], float) / _KBAR
    energy, scale = _scaled(run)
    return judged(AseAtomsAdaptor.get_atoms(run.final_structure), energy, scale, last.get("forces"), stress)


def _cut_off(file: Path) -> DftRun:
    return DftRun(UNFINISHED, f"{file.name} ends early: VASP is running, or was stopped")


def _parsed(file: Path, text: str) -> Vasprun:
    """Pymatgen's reading, but for settings that are asterisks, which it stumbles over."""
    mended, n = _OVERFLOW.subn("", text)
    if not n:
        return Vasprun(str(file), parse_potcar_file=False, parse_dos=False, parse_eigen=False)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "vasprun.xml"
        copy.write_text(mended, encoding="utf-8")
        return Vasprun(str(copy), parse_potcar_file=False, parse_dos=False, parse_eigen=False)


def _scaled(run: Vasprun) -> tuple[float, str]:
    """The energy in eV, corrected where the settings are those of MPRelaxSet, and its scale."""
    functional, cutoff = _functional(run), float(run.parameters.get("ENMAX", 0.0))
    if functional.removesuffix("+U") == "PBE" and abs(cutoff - _MP_CUTOFF) < 1:
        entry = run.get_computed_entry(inc_structure=True, entry_id="run")
        corrected = MaterialsProject2020Compatibility().process_entry(entry)  # None for other potentials or U
        if corrected is not None:
            return float(corrected.energy), MP2020
    return float(run.final_energy), _scale(functional, cutoff)


def _functional(run: Vasprun) -> str:
    """Pymatgen's name, with the functional of the potentials where INCAR names none."""
    name, plus, rest = run.run_type.partition("+")
    family = _FAMILIES.get(run.potcar_symbols[0].split()[0], name)
    return f"{family if name in _UNNAMED else name}{plus}{rest}"


def _scale(functional: str, cutoff: float) -> str:
    return f"VASP {functional}, {cutoff:.0f} eV"


def read_outcar(file: Path) -> DftRun:
    """What an OUTCAR says, compressed or not; without corrections, for it doesn't tell all settings."""
    text = text_of(file)
    if "General timing and accounting" not in text[-5000:]:
        return _cut_off(file)
    header, steps = text[: text.find(" Iteration ")], _steps(text)
    if text.rfind(_SELF_CONSISTENT) < text.rfind(" Iteration ") or steps[-1][1] >= _number(header, "NELM", np.inf):
        return DftRun(UNCONVERGED, f"{file.name}: {_NELM}")
    relaxes = _setting(header, "IBRION") in _RELAXATIONS and _RELAXED not in text
    if relaxes and 1 < _number(header, "NSW", 0) <= steps[-1][0]:
        return DftRun(UNCONVERGED, f"{file.name}: {_NSW}")
    atoms: Any = read(file, format="vasp-out")
    results = atoms.calc.results
    stress = None if results.get("stress") is None else np.asarray(results["stress"], float) / GPa
    scale = _scale(_functional_of(header), _number(header, "ENCUT", 0.0))
    return judged(atoms, float(atoms.get_potential_energy()), scale, results.get("forces"), stress)


def _steps(outcar: str) -> list[tuple[int, int]]:
    """Number of the ionic and of the electronic step, of each."""
    found = re.findall(r" Iteration +(\d+)\( *(\d+)\)", outcar)
    return [(int(ionic), int(electronic)) for ionic, electronic in found]


def _functional_of(header: str) -> str:
    """By the same words as `_functional`, as far as OUTCAR tells."""
    potential = re.search(r"POTCAR: +(\S+)", header)
    family = _FAMILIES.get(potential.group(1)) if potential else None
    name = _TAGS.get(_setting(header, "GGA")) or family or "unknown functional"
    if (meta := _setting(header, "METAGGA")) not in ("", "F", "--"):
        name = meta
    if _setting(header, "LHFCALC") == "T":
        name = "hybrid"
    return f"{name}+U" if "LDAUTYPE" in header else name


def _number(header: str, name: str, default: float) -> float:
    text = _setting(header, name).rstrip(";")
    return float(text) if text else default


def _setting(header: str, name: str) -> str:
    """The first word of a setting's value, as VASP took it and not as INCAR, which comes first, has it."""
    found = re.findall(rf"^ *{name} *= *(\S+)", header, re.MULTILINE)
    return str(found[-1]) if found else ""
