"""ASE's effective-medium theory: seven metals and a few gases, for trials and tests."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT, parameters

from asegen.potentials.engine import Engine


def find(name: str) -> Engine:
    """EMT with its elements."""
    return Engine(name, f"emt (ase {metadata.version('ase')})", "EMT", frozenset(parameters))


def calculator(name: str, directory: Path | None = None) -> Calculator:
    """A fresh EMT; it works with no files."""
    return EMT()
