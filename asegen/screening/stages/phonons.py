"""Dynamic stability of the best candidates."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from typing_extensions import override

from asegen.errors import Reason
from asegen.parallel.files import is_of_the_disk
from asegen.potentials.engine import Engine
from asegen.screening.columns import Column, Shown
from asegen.screening.options import Options
from asegen.screening.records import Candidate, Outcome, candidate_id
from asegen.screening.stage import reason_of
from asegen.screening.stages.best import OfTheBest
from asegen.screening.stages.finite_displacements import Settings, phonons
from asegen.screening.stages.phonon_results import MARGINAL, STABLE, UNSTABLE
from asegen.screening.stages.shared import engine_of

SYMPREC = 0.02
"""Å. What `fmax` leaves of a rattled start must not pass for a lower space group, whose phonons are full of noise; real
distortions move atoms farther."""
_MOST_SECONDS = 12 * 3600.0


@dataclass(frozen=True)
class Phonons(OfTheBest):
    """Dynamic stability of the best candidates.

    Attributes:
        engine: the calculator.
        best: how many.
        options: see `asegen.screening.stages.finite_displacements.Settings`.
        prefix: of the columns, and of the folder within the screening's that has one for each candidate.
    """

    name: ClassVar[str] = "phonons"
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "phonons",
            "dynamic stability: stable, marginal or unstable; nothing where it was not computed",
            section="phonons",
            table=Shown(50, "phonons"),
            page=Shown(50, "Phonons"),
            style="badge",
            words=(STABLE, MARGINAL, UNSTABLE),
            optional=True,
        ),
        Column(
            "phonons_reason",
            "why there is no verdict though one was asked for, or what decides it",
            section="phonons",
            explains="phonons",
        ),
        Column(
            "lowest_frequency",
            "the lowest of all phonons, negative for an imaginary one",
            "number",
            "THz",
            "phonons",
            tile=Shown(50, "Lowest phonon", digits=2),
        ),
    )
    prefix: ClassVar[str] = ""
    engine: Engine
    best: int = 10
    options: Settings = field(default_factory=Settings)

    @override
    @classmethod
    def of(cls, options: Options) -> Self:
        return cls(engine_of(options, options.phonons_by), options.best, phonon_settings(options))

    @override
    def settings(self) -> dict[str, Any]:
        return {"calculator": self.engine.identity, **asdict(self.options)}  # a later run may ask for more of the best

    @override
    def seconds(self, members: int) -> float | None:
        return _MOST_SECONDS

    @override
    def gave_up(self, candidate: Candidate, status: str, reason: Reason) -> Outcome:
        return Outcome(found={f"{self.prefix}phonons_reason": str(reason)})

    @override
    def one(self, candidate: Candidate, workdir: Path) -> Outcome:
        kind = f"{self.prefix}phonons"
        folder = Path(kind) / candidate_id(candidate.key)
        shutil.rmtree(workdir / folder, ignore_errors=True)  # of a try that was killed
        try:
            how = (workdir / folder, self.options, self.engine.atomic_pressure)
            found = phonons(candidate.crystal, self.engine.calculator(), *how)
        except Exception as error:  # every calculator fails in its own way
            if is_of_the_disk(error):
                raise
            return self.gave_up(candidate, "", reason_of(error))
        values = {"phonons": found.verdict, "phonons_reason": found.reason, "lowest_frequency": found.lowest}
        values = {f"{self.prefix}{name}": value for name, value in values.items()}
        return Outcome(found=values, artifacts={kind: os.fspath(folder)})


def phonon_settings(options: Options) -> Settings:
    """How a screening computes phonons."""
    return Settings(symprec=SYMPREC, check_size=options.check_size)
