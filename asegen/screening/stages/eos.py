"""Equations of state of the best candidates: energies at volumes around the minimum, through matcalc and pymatgen."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.units import GPa
from numpy.typing import NDArray
from typing_extensions import override

from asegen.parallel.files import write_text
from asegen.potentials.engine import Engine, find_engine
from asegen.screening.columns import Column, Shown
from asegen.screening.options import Options
from asegen.screening.records import Candidate
from asegen.screening.stages.calculated import FMAX, Calculated, NotMeasurableError, at_rest, check_matcalc

SUMMARY = "eos.json"
"""File of a candidate's folder: `EquationOfState`."""

_LARGEST_STRAIN = 0.03  # of lengths: volumes from -8.7 to +9.3 %
_POINTS = 7
_MOST_STEPS = 300  # at one volume


@dataclass(frozen=True)
class EquationOfState:
    """Birch-Murnaghan's equation of third order (Birch, Phys. Rev. 71, 809, 1947), fitted to energies.

    Attributes:
        volume: Å³ per atom, at the minimum.
        energy: eV per atom, there.
        bulk_modulus: GPa, there.
        derivative: of the bulk modulus by pressure, without a unit.
        volumes: (n,), Å³ per atom, of the points.
        energies: (n,), eV per atom; shape and positions relaxed at each volume.
    """

    volume: float
    energy: float
    bulk_modulus: float
    derivative: float
    volumes: tuple[float, ...]
    energies: tuple[float, ...]


def equation_of_state(atoms: Atoms, calculator: Calculator) -> EquationOfState:
    """Computes energies at seven volumes and fits them.

    Args:
        atoms: a crystal; left as it is. It is relaxed first.
        calculator: gives energy, forces and stress.

    Raises:
        NotMeasurableError: it doesn't come to rest, or its energy has no minimum among those volumes.
        ModuleNotFoundError: matcalc is missing.
    """
    from matcalc import EOSCalc
    from pymatgen.analysis.eos import BirchMurnaghan

    calculation = EOSCalc(
        calculator,
        optimizer="FIRE",
        max_steps=_MOST_STEPS,
        max_abs_strain=_LARGEST_STRAIN,
        n_points=_POINTS,
        fmax=FMAX,
        relax_structure=False,
        r2_min=-1.0,
    )
    resting = at_rest(atoms, calculator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        points = calculation.calc(resting)["eos"]
        volumes = [float(volume) / len(resting) for volume in points["volumes"]]
        energies = [float(energy) / len(resting) for energy in points["energies"]]
        fitted = BirchMurnaghan(volumes, energies)
        fitted.fit()
    if not (volumes[0] < fitted.v0 < volumes[-1] and fitted.b0_GPa > 0):
        raise NotMeasurableError(
            f"no minimum: none of the energy between {volumes[0]:.2f} and {volumes[-1]:.2f} Å³/atom"
        )
    minimum = float(fitted.v0), float(fitted.e0), float(fitted.b0_GPa), float(fitted.b1)
    return EquationOfState(*minimum, tuple(volumes), tuple(energies))


def birch_murnaghan(equation: EquationOfState, volumes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Energies by the fitted equation, eV per atom, at volumes in Å³ per atom."""
    ratio = (equation.volume / volumes) ** (2 / 3)
    scale = 9 / 16 * equation.volume * equation.bulk_modulus * GPa
    return equation.energy + scale * (ratio - 1) ** 2 * ((ratio - 1) * equation.derivative + 6 - 4 * ratio)


def read_equation_of_state(folder: Path) -> EquationOfState:
    """What the stage wrote into a candidate's folder."""
    table = json.loads((folder / SUMMARY).read_text())
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    return EquationOfState(**values)


@dataclass(frozen=True)
class Eos(Calculated):
    """Equation of state of the best candidates.

    Attributes:
        engine: the calculator.
        best: how many.
    """

    name: ClassVar[str] = "eos"
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "eos_volume",
            "at the minimum of the equation of state (Birch-Murnaghan)",
            "number",
            "Å³/atom",
            "eos",
            page=Shown(65, "Volume (EOS)", digits=2),
            tile=Shown(75, "Volume (EOS)", digits=2),
            optional=True,
        ),
        Column(
            "eos_bulk_modulus",
            "at that volume",
            "number",
            "GPa",
            "eos",
            page=Shown(66, "Bulk modulus (EOS)", digits=0),
            tile=Shown(76, "Bulk modulus (EOS)", digits=1),
            optional=True,
        ),
        Column(
            "eos_derivative",
            "derivative of the bulk modulus by pressure, at that volume",
            "number",
            section="eos",
            tile=Shown(77, "B′ (EOS)", digits=2),
        ),
        Column("eos_reason", "why there is no equation of state", section="eos", explains="eos_bulk_modulus"),
    )
    engine: Engine
    best: int = 10

    @override
    @classmethod
    def of(cls, options: Options) -> Self:
        check_matcalc(cls.name)
        return cls(find_engine(options.calculator), options.best)  # of energies, whatever the pressure is

    @override
    def measure(self, candidate: Candidate, folder: Path, workdir: Path) -> Mapping[str, Any]:
        found = equation_of_state(candidate.crystal, self.engine.calculator())
        write_text(folder / SUMMARY, json.dumps(asdict(found)))
        return {
            "eos_volume": found.volume,
            "eos_bulk_modulus": found.bulk_modulus,
            "eos_derivative": found.derivative,
        }
