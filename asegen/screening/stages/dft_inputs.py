"""Inputs for the user's own DFT, of the best candidates."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from typing_extensions import override

from asegen.errors import InputError, Reason
from asegen.parallel.files import replacing
from asegen.screening.options import Options
from asegen.screening.records import Candidate, Outcome, candidate_id
from asegen.screening.stages.best import OfTheBest
from asegen.screening.stages.finite_displacements import Settings
from asegen.screening.stages.phonons import phonon_settings

FOLDER = "vasp"
"""Of a screening's folder: in it a folder for each candidate."""
_MOST_SECONDS = 600.0  # supercells take a while


@dataclass(frozen=True)
class DftInputs(OfTheBest):
    """Inputs of VASP and GPAW for the best candidates.

    Attributes:
        best: how many.
        options: of the displaced cells.
    """

    name: ClassVar[str] = "vasp"
    best: int = 10
    options: Settings = field(default_factory=Settings)

    @override
    @classmethod
    def of(cls, options: Options) -> Self:
        return cls(options.best, phonon_settings(options))

    @override
    def settings(self) -> dict[str, Any]:
        return asdict(self.options)  # a later run may ask for more of the best

    @override
    def seconds(self, members: int) -> float | None:
        return _MOST_SECONDS

    @override
    def gave_up(self, candidate: Candidate, status: str, reason: Reason) -> Outcome:
        return Outcome(notes=(f"no DFT inputs: {reason}",))

    @override
    def one(self, candidate: Candidate, workdir: Path) -> Outcome:
        from asegen.screening.stages.vasp import write_inputs  # takes a second, which only workers need

        folder = Path(FOLDER) / candidate_id(candidate.key)
        place = workdir / folder
        for old in (place, *place.parent.glob(f".{place.name}.*")):  # of tries that were killed
            shutil.rmtree(old, ignore_errors=True)
        place.parent.mkdir(exist_ok=True)
        try:
            with replacing(place) as beside:
                write_inputs(candidate.crystal, beside, self.options)
        except InputError as error:
            return Outcome(notes=(f"no DFT inputs: {error}",))
        return Outcome(artifacts={"vasp": os.fspath(folder)})
