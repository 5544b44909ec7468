"""Inputs for the user's own DFT, of the best candidates."""

from __future__ import annotations

import os
from abc import abstractmethod
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from typing_extensions import override

from asegen.errors import InputError, Reason
from asegen.potentials.pseudopotentials import Pseudopotentials, read_pseudopotentials
from asegen.screening.columns import Column, Shown
from asegen.screening.options import Options
from asegen.screening.records import Candidate, Outcome, candidate_id
from asegen.screening.stages.best import OfTheBest, fresh_folder
from asegen.screening.stages.dft_cells import CellSettings
from asegen.screening.stages.job_scripts import Jobs, JobTemplate

_MOST_SECONDS = 600.0  # supercells take a while
DFT_PHONONS = Column(
    "dft_phonons",
    "displaced cells for phonons by DFT: how many, of how many atoms, and what they cost",
    section="phonons",
    tile=Shown(55, "Phonons by DFT"),
)


class HandOff(OfTheBest):
    """Inputs of a DFT program for the best candidates, in `<name>/<id>` of the screening's folder.

    Attributes:
        best: how many.
        cells: how displaced cells are made.
        pressure: GPa, of the relaxations.
        job: template of the job scripts; none without it. Those that are written already stay as they are.
    """

    columns: ClassVar[tuple[Column, ...]] = (DFT_PHONONS,)
    best: int
    cells: CellSettings
    pressure: float
    job: JobTemplate | None

    @abstractmethod
    def write(self, candidate: Candidate, folder: Path, jobs: Jobs) -> str:
        """Writes all of a candidate's inputs.

        Args:
            candidate: with atoms.
            folder: to be made.
            jobs: writes its job scripts.

        Returns:
            How many displaced cells there are, of how many atoms, and what they cost.

        Raises:
            InputError: the candidate can have none.
        """

    @override
    def settings(self) -> dict[str, Any]:
        return {**asdict(self.cells), "pressure": self.pressure}  # a later run may ask for more of the best

    @override
    def seconds(self, members: int) -> float | None:
        return _MOST_SECONDS

    @override
    def gave_up(self, candidate: Candidate, status: str, reason: Reason) -> Outcome:
        return Outcome(notes=(f"no inputs for {self.name}: {reason}",))

    @override
    def one(self, candidate: Candidate, workdir: Path) -> Outcome:
        id = candidate_id(candidate.key)
        folder = Path(self.name) / id
        try:
            with fresh_folder(workdir / folder) as beside:
                cells = self.write(candidate, beside, Jobs(self.job, id, candidate.found["formula"]))
        except InputError as error:
            return Outcome(notes=(f"no inputs for {self.name}: {error}",))
        return Outcome(found={DFT_PHONONS.name: cells}, artifacts={self.name: os.fspath(folder)})


@dataclass(frozen=True)
class VaspInputs(HandOff):
    """Inputs of VASP and GPAW for the best candidates."""

    name: ClassVar[str] = "vasp"
    best: int = 10
    cells: CellSettings = field(default_factory=CellSettings)
    pressure: float = 0.0
    job: JobTemplate | None = None

    @override
    @classmethod
    def of(cls, options: Options) -> Self:
        job = None if options.job_script is None else JobTemplate.read(Path(options.job_script))
        return cls(options.best, pressure=options.pressure, job=None if job is None or job.is_for_espresso else job)

    @override
    def write(self, candidate: Candidate, folder: Path, jobs: Jobs) -> str:
        from asegen.screening.stages.vasp import write_inputs  # takes a second, which only workers need

        return write_inputs(candidate.crystal, folder, self.cells, self.pressure, jobs)


@dataclass(frozen=True)
class EspressoInputs(HandOff):
    """Inputs of Quantum ESPRESSO for the best candidates.

    Attributes:
        potentials: names of the pseudopotentials' files.
    """

    name: ClassVar[str] = "espresso"
    best: int = 10
    cells: CellSettings = field(default_factory=CellSettings)
    pressure: float = 0.0
    job: JobTemplate | None = None
    potentials: Pseudopotentials = field(default_factory=Pseudopotentials)

    @override
    @classmethod
    def of(cls, options: Options) -> Self:
        job = None if options.job_script is None else JobTemplate.read(Path(options.job_script))
        given = options.pseudopotentials
        potentials = Pseudopotentials() if given is None else read_pseudopotentials(Path(given))
        job = job if job is not None and job.is_for_espresso else None
        return cls(options.best, pressure=options.pressure, job=job, potentials=potentials)

    @override
    def settings(self) -> dict[str, Any]:
        return super().settings() | {"pseudopotentials": self.potentials.origin}

    @override
    def write(self, candidate: Candidate, folder: Path, jobs: Jobs) -> str:
        from asegen.screening.stages.espresso import write_inputs  # takes a second, which only workers need

        return write_inputs(candidate.crystal, folder, self.potentials, self.cells, self.pressure, jobs)
