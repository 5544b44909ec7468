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
    return f"VASP {functional}, {cutoff:g} eV"


def read_outcar(file: Path) -> DftRun:
    """What an OUTCAR says, compressed or not; without corrections, for it doesn't tell all settings."""
    text = text_of(file)
    if "General timing and accounting" not in text[-5000:]:
        return _cut_off(file)
    if text.rfind("aborting loop because EDIFF is reached") < text.rfind(" Iteration "):
        return DftRun(UNCONVERGED, f"{file.name}: {_NELM}")
    if _is_out_of_steps(text):
        return DftRun(UNCONVERGED, f"{file.name}: {_NSW}")
    atoms: Any = read(file, format="vasp-out")
    results = atoms.calc.results
    stress = None if results.get("stress") is None else np.asarray(results["stress"], float) / GPa
    scale = _scale(_functional_of(text), float(_setting(text, "ENCUT") or 0.0))
    return judged(atoms, float(atoms.get_potential_energy()), scale, results.get("forces"), stress)


def _is_out_of_steps(text: str) -> bool:
    if _setting(text, "IBRION") not in _RELAXATIONS or "reached required accuracy - stopping" in text:
        return False
    most, taken = int(_setting(text, "NSW") or 0), len(re.findall(r" Iteration +\d+\( +1\)", text))
    return 1 < most <= taken


def _functional_of(outcar: str) -> str:
    """By the same words as `_functional`, as far as OUTCAR tells."""
    tag, title = _setting(outcar, "GGA"), _setting(outcar, "TITEL")
    name = _TAGS.get(tag) or _FAMILIES.get(title) or "unknown functional"
    if (meta := _setting(outcar, "METAGGA")) not in ("", "F", "--"):
        name = meta
    if _setting(outcar, "LHFCALC") == "T":
        name = "hybrid"
    return f"{name}+U" if "LDAUTYPE" in outcar else name


def _setting(outcar: str, name: str) -> str:
    """The first word of a setting's value; empty where there is none."""
    found = re.search(rf"^ *{name} *= *(\S+)", outcar, re.MULTILINE)
    return found.group(1) if found else ""
