"""Free energy and heat capacity of the best candidates, from the phonons of the stage before, by phonopy.

The harmonic approximation at the relaxed volume: no thermal expansion.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from ase import units
from typing_extensions import override

from asegen.parallel.files import replacing
from asegen.potentials.engine import Engine
from asegen.screening.columns import Column, Shown
from asegen.screening.options import Options
from asegen.screening.records import Candidate, candidate_id
from asegen.screening.stages.calculated import Calculated, NotMeasurableError
from asegen.screening.stages.finite_displacements import Settings
from asegen.screening.stages.phonon_results import PARAMETERS, UNSTABLE
from asegen.screening.stages.phonons import Phonons, phonon_settings
from asegen.screening.stages.shared import engine_of

TABLE = "thermal.csv"
"""File of a candidate's folder: one row for each temperature, the columns those of `ThermalProperties`."""
ROOM_TEMPERATURE = 300.0
"""K, of the values in the columns."""

_STEP, _HIGHEST = 10.0, 1500.0  # K
_CUTOFF = 0.01  # THz; the acoustic modes at Γ would bring the logarithm of zero into the sums
_KJ_PER_MOL = units.kJ / units.mol


class ThermalProperties(NamedTuple):
    """Of vibrations at one temperature, per atom.

    Attributes:
        temperature: K.
        free_energy: eV/atom, Helmholtz, with the zero-point energy.
        entropy: J/(K mol) of atoms.
        heat_capacity: J/(K mol) of atoms, at constant volume; 24.94 where all vibrations are classical.
    """

    temperature: float
    free_energy: float
    entropy: float
    heat_capacity: float


def thermal_properties(parameters: Path, mesh: float) -> list[ThermalProperties]:
    """From 0 K to 1500 K in steps of 10, by phonopy's sums over its mesh.

    Args:
        parameters: `phonopy_params.yaml`.
        mesh: Å, see `asegen.screening.stages.finite_displacements.Settings`.

    Raises:
        OSError: the file can't be read.
    """
    import phonopy

    phonon = phonopy.load(parameters, produce_fc=True, symmetrize_fc=True, log_level=0)
    phonon.run_mesh(mesh, is_gamma_center=True)
    phonon.run_thermal_properties(t_min=0, t_max=_HIGHEST, t_step=_STEP, cutoff_frequency=_CUTOFF)
    found: Any = phonon.thermal_properties  # typed as if it might not have been run
    per_atom = 1 / len(phonon.primitive)
    scales = (1.0, _KJ_PER_MOL * per_atom, per_atom, per_atom)
    values = (found.temperatures, found.free_energy, found.entropy, found.heat_capacity)
    rows = np.column_stack([scale * np.asarray(column, float) for scale, column in zip(scales, values, strict=True)])
    return [ThermalProperties(*row) for row in rows.tolist()]


def read_thermal_properties(folder: Path) -> list[ThermalProperties]:
    """What the stage wrote into a candidate's folder."""
    with (folder / TABLE).open(encoding="utf-8", newline="") as file:
        return [ThermalProperties(*map(float, row)) for row in islice(csv.reader(file), 1, None)]


@dataclass(frozen=True)
class Thermal(Calculated):
    """Vibrational free energy and heat capacity of the best candidates.

    Attributes:
        engine: the calculator of the phonons.
        best: how many.
        mesh: Å, see `asegen.screening.stages.finite_displacements.Settings`.
    """

    name: ClassVar[str] = "thermal"
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "free_energy_300K",
            "Helmholtz free energy of the vibrations at 300 K, with the zero-point energy",
            "number",
            "eV/atom",
            "thermal",
            page=Shown(70, "Free energy, 300 K"),
            tile=Shown(80, "Free energy of vibrations, 300 K"),
            optional=True,
        ),
        Column(
            "heat_capacity_300K",
            "of the vibrations at 300 K and constant volume, per mole of atoms",
            "number",
            "J/(K mol)",
            "thermal",
            page=Shown(71, "Heat capacity, 300 K", digits=1),
            tile=Shown(81, "Heat capacity, 300 K", digits=2),
            optional=True,
        ),
        Column("thermal_reason", "why there is no free energy", section="thermal", explains="heat_capacity_300K"),
    )
    engine: Engine
    best: int = 10
    mesh: float = Settings.mesh

    @override
    @classmethod
    def of(cls, options: Options) -> Self:
        return cls(engine_of(options, options.phonons_by), options.best, phonon_settings(options).mesh)

    @override
    def settings(self) -> dict[str, Any]:
        return super().settings() | {"mesh": self.mesh}

    @override
    def measure(self, candidate: Candidate, folder: Path, workdir: Path) -> Mapping[str, Any]:
        verdict, frequency = candidate.found.get("phonons"), candidate.found.get("lowest_frequency")
        if not verdict:
            raise NotMeasurableError("no phonons: see phonons_reason")
        if verdict == UNSTABLE:  # phonopy would leave the imaginary modes out of its sums
            raise NotMeasurableError(f"unstable: modes down to {frequency:.2f} THz have no free energy")
        found = thermal_properties(workdir / Phonons.name / candidate_id(candidate.key) / PARAMETERS, self.mesh)
        _write(found, folder / TABLE)
        (room,) = (row for row in found if row.temperature == ROOM_TEMPERATURE)
        return {"free_energy_300K": room.free_energy, "heat_capacity_300K": room.heat_capacity}


def _write(rows: Sequence[ThermalProperties], path: Path) -> None:
    with replacing(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(ThermalProperties._fields)
        for row in rows:
            writer.writerow([f"{value:.6g}" for value in row])
