"""Hydrostatic pressure: GPa where users give it, eV/Å³ where energies are computed."""

from __future__ import annotations

import math

from ase.units import GPa

from asegen.arguments import real_number
from asegen.errors import InputError


def checked_pressure(pressure: float) -> float:
    """A pressure in GPa as it is.

    Raises:
        InputError: it is no number, negative or not finite.
    """
    pressure = real_number("pressure", pressure)
    if not 0 <= pressure < math.inf:
        raise InputError(f"pressure = {pressure:g}: a number of GPa that isn't negative is needed", "pressure")
    return pressure


def atomic_pressure(pressure: float) -> float:
    """A pressure in GPa as eV/Å³, ASE's unit.

    Raises:
        InputError: it is negative or not finite.
    """
    return checked_pressure(pressure) * float(GPa)
