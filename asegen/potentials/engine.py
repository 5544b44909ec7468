"""ASE calculators by name, described so that a stage can run elsewhere and a cache knows whose energies it holds.

`find_engine` looks once and fails early, in one line; the `Engine` that it gives is plain data, and every process
builds its own calculator from it, with one thread.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.data import chemical_symbols

from asegen.errors import Reason
from asegen.potentials.pressure import atomic_pressure, checked_pressure
from asegen.potentials.registry import module_of

MP2020 = "MP2020"
"""Energy scale of the Materials Project: PBE and PBE+U with the corrections of 2020 (Wang et al., Sci. Rep. 2021)."""
MP_ELEMENTS = frozenset(chemical_symbols[1:84] + chemical_symbols[89:95])
"""The 89 elements of the relaxations of the Materials Project that universal potentials learn from; no Po to Ra."""


@dataclass(frozen=True)
class Engine:
    """A calculator as plain values; picklable, whatever it stands for.

    Attributes:
        name: what the user asked for: a key of `asegen.potentials.registry.POTENTIALS`, or "module:object".
        identity: name, version and hash of the model or of the settings: what energies are cached under.
        energy_scale: energies may share a hull only where this is the same.
        elements: symbols that it can handle; None where that isn't known beforehand.
        pressure: GPa; where there is one, what counts as its energy is the enthalpy `E + pV`.
    """

    name: str
    identity: str
    energy_scale: str
    elements: frozenset[str] | None = None
    pressure: float = 0.0

    def at_pressure(self, pressure: float) -> Engine:
        """The same calculator, whose enthalpies at a pressure are its energies; on an energy scale of their own.

        Args:
            pressure: GPa; itself at 0.

        Raises:
            InputError: it is negative or not finite.
        """
        if not checked_pressure(pressure):
            return self
        at = f", enthalpy at {pressure:g} GPa"
        return replace(self, identity=self.identity + at, energy_scale=self.energy_scale + at, pressure=pressure)

    @property
    def atomic_pressure(self) -> float:
        """The pressure in eV/Å³, ASE's unit."""
        return atomic_pressure(self.pressure)

    def calculator(self, directory: Path | None = None) -> Calculator:
        """A fresh calculator.

        Args:
            directory: where a program that works with files (VASP) does so; a temporary folder without it.

        Raises:
            AsegenError: it can't be built in this process.
        """
        built: Calculator = module_of(self.name).calculator(self.name, directory)
        return built

    def refusal(self, atoms: Atoms) -> Reason | None:
        """Why a structure is beyond this calculator, with the elements named, or None."""
        if self.elements is None:
            return None
        foreign = sorted(set(atoms.symbols) - self.elements)
        return Reason("unknown element", f"{self.name} does not know {', '.join(foreign)}") if foreign else None


def find_engine(name: str) -> Engine:
    """Looks a calculator up.

    Args:
        name: a key of `asegen.potentials.registry.POTENTIALS` such as "chgnet" or "emt", or `module:object`, see
            `asegen.potentials.foreign`.

    Raises:
        InputError: no such name, or what it names is no calculator.
        AsegenError: its package is missing or not configured.
    """
    engine: Engine = module_of(name).find(name)
    return engine


def settings_hash(settings: Mapping[str, object]) -> str:
    """Twelve hexadecimal digits that change with any of a program's settings."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
