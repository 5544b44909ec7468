"""VASP, where the user has it, through ASE."""

from __future__ import annotations

import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from ase.calculators.calculator import Calculator
from ase.calculators.vasp import Vasp
from ase.config import cfg

from asegen.errors import AsegenError
from asegen.potentials.engine import Engine, settings_hash

SETTINGS: dict[str, Any] = {
    "xc": "PBE",
    "setups": "materialsproject",
    "encut": 520,
    "prec": "Accurate",
    "ediff": 1e-6,
    "kspacing": 0.22,
    "kgamma": True,
    "ismear": 0,
    "sigma": 0.05,
    "lreal": False,
    "lasph": True,
    "nelm": 200,
    "lwave": False,
    "lcharg": False,
}
"""The Materials Project's potentials and cut-off, without its +U and its corrections."""


def find(name: str) -> Engine:
    """VASP as ASE's configuration has it.

    Raises:
        AsegenError: its command or its potentials aren't configured.
    """
    if not any(variable in cfg for variable in Vasp.env_commands):
        raise AsegenError(f"vasp is not configured: set {Vasp.env_commands[0]} to the command that starts it")
    if "VASP_PP_PATH" not in cfg or not Path(cfg["VASP_PP_PATH"]).is_dir():
        raise AsegenError("vasp is not configured: set VASP_PP_PATH to the folder of the potentials (see ASE)")
    identity = f"vasp (ase {metadata.version('ase')}), settings {settings_hash(SETTINGS)}"
    return Engine(name, identity, "VASP PBE")


def calculator(name: str, directory: Path | None = None) -> Calculator:
    """A fresh calculator with `SETTINGS`.

    Args:
        name: its own.
        directory: where it works; a temporary folder, removed with the calculator, without it.
    """
    temporary = tempfile.TemporaryDirectory(prefix="asegen-vasp-") if directory is None else None
    made = Vasp(directory=str(directory) if temporary is None else temporary.name, **SETTINGS)
    made.temporary = temporary
    return made
