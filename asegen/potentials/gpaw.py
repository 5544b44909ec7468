"""GPAW, with plane waves: a DFT program that is free and installs with pip."""

from __future__ import annotations

from importlib import metadata, util
from pathlib import Path
from typing import Any

from ase.calculators.calculator import Calculator
from ase.data import chemical_symbols

from asegen.errors import AsegenError
from asegen.potentials.engine import Engine, settings_hash

SETTINGS: dict[str, Any] = {
    "mode": {"name": "pw", "ecut": 500.0},
    "xc": "PBE",
    "kpts": {"density": 4.0, "gamma": True},
    "occupations": {"name": "fermi-dirac", "width": 0.05},
    "convergence": {"forces": 1e-3},
}
"""Plane waves to 500 eV, 4 k-points per Å⁻¹ with Γ, 0.05 eV of smearing."""


def find(name: str) -> Engine:
    """GPAW with the elements whose PBE setups are installed.

    Raises:
        AsegenError: it isn't installed, or has no setups.
    """
    if util.find_spec("gpaw") is None:
        raise AsegenError("gpaw is not installed: pip install gpaw, with its setups (gpaw install-data)")
    from gpaw import setup_paths

    found = {file.name.split(".")[0] for path in setup_paths for file in Path(path).glob("*.PBE*")}
    if not found:
        raise AsegenError("gpaw has no PBE setups: gpaw install-data, or set GPAW_SETUP_PATH")
    identity = f"gpaw {metadata.version('gpaw')}, settings {settings_hash(SETTINGS)}"
    return Engine(name, identity, "GPAW PBE", frozenset(found & set(chemical_symbols)))


def calculator(name: str, directory: Path | None = None) -> Calculator:
    """A fresh calculator with `SETTINGS`.

    Args:
        name: its own.
        directory: where `gpaw.txt` goes; nothing is written without it.
    """
    from gpaw import GPAW

    return GPAW(**SETTINGS, txt=None if directory is None else str(directory / "gpaw.txt"))
