"""Properties of the best candidates by a calculator: stages that keep a folder of files for each candidate."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping
from importlib import util
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator
from typing_extensions import override

from asegen.errors import AsegenError, Reason
from asegen.parallel.files import is_of_the_disk
from asegen.potentials.engine import Engine
from asegen.potentials.minimise import minimise
from asegen.screening.records import Candidate, Outcome, candidate_id
from asegen.screening.stage import reason_of
from asegen.screening.stages.best import OfTheBest, fresh_folder
from asegen.screening.stages.supercells import primitive

FMAX, STEPS = 5e-3, 500
"""eV/Å and steps of the relaxation before strains are applied: stresses left at the start spoil their differences."""
SYMPREC = 0.02
"""Å, of the space group that a crystal is given before it is strained, as for phonons."""
_MOST_SECONDS = 12 * 3600.0


class NotMeasurableError(Exception):
    """A crystal that a property makes no sense for; the message is one line `kind: detail`."""


class Calculated(OfTheBest):
    """A property of the best candidates by a calculator, with its files in a folder of each candidate.

    The stage has a column `<name>_reason`, which says why there are no values. A candidate stands either way.

    Attributes:
        engine: the calculator.
        best: how many.
    """

    engine: Engine

    @abstractmethod
    def measure(self, candidate: Candidate, folder: Path, workdir: Path) -> Mapping[str, Any]:
        """The values of the stage's columns.

        Args:
            candidate: with atoms.
            folder: of its own files; there, and empty.
            workdir: the screening's folder, for what earlier stages left there.

        Raises:
            NotMeasurableError: the crystal has no such property.
        """

    @override
    def settings(self) -> dict[str, Any]:
        return {"calculator": self.engine.identity}  # a later run may ask for more of the best

    @override
    def seconds(self, members: int) -> float | None:
        return _MOST_SECONDS

    @override
    def gave_up(self, candidate: Candidate, status: str, reason: Reason) -> Outcome:
        return Outcome(found={f"{self.name}_reason": str(reason)})

    @override
    def one(self, candidate: Candidate, workdir: Path) -> Outcome:
        folder = Path(self.name) / candidate_id(candidate.key)
        try:
            with fresh_folder(workdir / folder) as beside:
                found = self.measure(candidate, beside, workdir)
        except NotMeasurableError as error:
            return self.gave_up(candidate, "", Reason.read(str(error)))
        except Exception as error:  # every calculator fails in its own way
            if is_of_the_disk(error):
                raise
            return self.gave_up(candidate, "", reason_of(error))
        return Outcome(found=found, artifacts={self.name: os.fspath(folder)})


def check_matcalc(stage: str) -> None:
    """Refuses a stage early where matcalc is missing.

    Args:
        stage: its name.

    Raises:
        AsegenError: it isn't installed.
    """
    if util.find_spec("matcalc") is None:
        raise AsegenError(f"the stage {stage} needs matcalc: pip install 'asegen[elastic]'")


def at_rest(atoms: Atoms, calculator: Calculator, pressure: float = 0.0) -> Atoms:
    """The primitive cell with its space group made exact, relaxed within that to `FMAX`; without a calculator.

    Args:
        atoms: a crystal; left as it is.
        calculator: gives energy, forces and stress.
        pressure: eV/Å³.

    Raises:
        NotMeasurableError: forces or stress stay too large.
    """
    end = minimise(
        primitive(atoms, SYMPREC), calculator, FMAX, STEPS, keep_symmetry=True, symprec=SYMPREC, pressure=pressure
    )
    if not end.converged:
        raise NotMeasurableError(end.reason)
    return end.atoms
