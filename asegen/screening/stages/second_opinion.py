"""What another potential says of the best candidates: their energies above the hull, and their phonons.

Potentials err in their own ways; where two of them, trained apart, disagree by more than their errors, neither is to be
believed without DFT.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from typing_extensions import override

from asegen.errors import Reason
from asegen.parallel.files import replacing
from asegen.potentials.engine import Engine
from asegen.prototypes.known_forms import KnownForm
from asegen.screening.columns import Column, Shown
from asegen.screening.options import Options
from asegen.screening.records import OK, Candidate, Outcome, candidate_id
from asegen.screening.stages.best import OfTheBest
from asegen.screening.stages.hull import Hull, above_known
from asegen.screening.stages.hull_plots import HullPlot
from asegen.screening.stages.opinions import OPINIONS, of_energies, with_phonons
from asegen.screening.stages.phonon_results import MARGINAL, STABLE, UNSTABLE
from asegen.screening.stages.phonons import Phonons, phonon_settings
from asegen.screening.stages.relax import Relax
from asegen.screening.stages.shared import engine_of
from asegen.structures.formats import EXTXYZ
from asegen.structures.writing import write_structures

if TYPE_CHECKING:
    from asegen.screening.stages.phase_diagram import Placement

FOLDER = "second"
"""Of a screening's folder: in it the crystals as the second potential relaxed them."""
_REASON = Column("second_reason", "why there is no second opinion", section="energy", explains="second_e_hull")
_OPINIONS = Column(
    "opinions",
    "whether the two potentials agree: energies above the known phases within twice the errors of both, and phonons",
    section="energy",
    table=Shown(48, "opinions"),
    page=Shown(48, "Opinions"),
    words=OPINIONS,
    optional=True,
)


def _second(options: Options) -> Engine:
    assert options.second_opinion is not None  # nothing else asks for these stages
    return engine_of(options, options.second_opinion)


@dataclass(frozen=True)
class SecondOpinion(OfTheBest):
    """Relaxes the best candidates with another potential, from where the first one left them.

    Attributes:
        relax: how.
        best: how many.
    """

    name: ClassVar[str] = "second"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("second_energy", "of the crystal relaxed by the second potential", "number", "eV/atom", "energy"),
        Column("second_space_group", "of that crystal", section="symmetry", style="space group"),
        Column("second_force_calls", "of that relaxation", "integer", section="relaxation"),
        _REASON,
    )
    relax: Relax
    best: int = 10

    @override
    @classmethod
    def of(cls, options: Options) -> Self:
        return cls(Relax.by(_second(options), options), options.best)

    @override
    def settings(self) -> dict[str, Any]:
        return self.relax.settings()  # a later run may ask for more of the best

    @override
    def seconds(self, members: int) -> float | None:
        return self.relax.seconds(members)

    @override
    def gave_up(self, candidate: Candidate, status: str, reason: Reason) -> Outcome:
        return Outcome(found={"second_reason": str(reason)})

    @override
    def one(self, candidate: Candidate, workdir: Path) -> Outcome:
        (relaxed,) = self.relax.work([candidate], [candidate.crystal])
        if relaxed.status != OK or relaxed.atoms is None:
            return self.gave_up(candidate, relaxed.status, relaxed.reason or Reason(relaxed.status, ""))
        file = Path(FOLDER) / f"{candidate_id(candidate.key)}.extxyz"
        (workdir / FOLDER).mkdir(exist_ok=True)
        with replacing(workdir / file) as place:
            write_structures([relaxed.atoms], place, EXTXYZ)
        found = {
            "second_energy": relaxed.found["energy"],
            "second_space_group": relaxed.found["space_group"],
            "second_force_calls": relaxed.found["force_calls"],
        }
        return Outcome(found=found, artifacts={"second": os.fspath(file)})


@dataclass(frozen=True)
class SecondHull(Hull):
    """Places the candidates with a second opinion above the known phases and each other, by the second potential."""

    name: ClassVar[str] = "second_hull"
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "second_e_hull",
            "energy above the hull of the known phases and of the best candidates, by the second potential",
            "number",
            "eV/atom",
            "energy",
            table=Shown(42, "by second"),
            page=Shown(42, "By second"),
            tile=Shown(15, "By second"),
            optional=True,
        ),
        Column(
            "second_e_known",
            "energy above the hull of the known phases alone, by the second potential",
            "number",
            "eV/atom",
            "energy",
        ),
        Column("second_formation_energy", "by the second potential", "number", "eV/atom", "energy"),
        Column("second_e_hull_error", "as e_hull_error, of the second potential", "number", "eV/atom", "energy"),
        _REASON,
        _OPINIONS,
    )
    adds: ClassVar[bool] = True
    energy: ClassVar[str] = "second_energy"

    @override
    @classmethod
    def of(cls, options: Options) -> Self:
        return cls._by(_second(options), options)

    @override
    def gave_up(self, candidate: Candidate, status: str, reason: Reason) -> Outcome:
        return Outcome(found={"second_reason": f"no hull: {reason}"})

    @override
    def _plot(self, workdir: Path, plots: Sequence[HullPlot]) -> None:
        """The report's plot is the first potential's."""

    @override
    def _outcome(
        self,
        candidate: Candidate,
        placement: Placement,
        error: float | None,
        unmet: bool,
        form: KnownForm | None,
        has_gap: bool,
    ) -> Outcome:
        first, e_known = candidate.found, above_known(candidate, placement, error)
        errors = (first.get("e_hull_error"), error)
        found = {
            "second_e_hull": placement.e_hull,
            "second_e_known": e_known,
            "second_formation_energy": placement.formation_energy,
            "second_e_hull_error": None if placement.e_hull is None else error,
            "opinions": of_energies(first.get("e_known"), e_known, errors),
        }
        return Outcome(found=found | ({"second_reason": str(placement.reason)} if placement.reason else {}))


@dataclass(frozen=True)
class SecondPhonons(Phonons):
    """Dynamic stability of the best candidates by the second potential."""

    name: ClassVar[str] = "second_phonons"
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "second_phonons",
            "dynamic stability by the second potential",
            section="phonons",
            table=Shown(52, "by second"),
            page=Shown(52, "By second"),
            style="badge",
            words=(STABLE, MARGINAL, UNSTABLE),
            optional=True,
        ),
        Column("second_phonons_reason", "as phonons_reason", section="phonons", explains="second_phonons"),
        Column(
            "second_lowest_frequency",
            "as lowest_frequency, by the second potential",
            "number",
            "THz",
            "phonons",
            tile=Shown(55, "Lowest, by second", digits=2),
        ),
        _OPINIONS,
    )
    prefix: ClassVar[str] = "second_"

    @override
    @classmethod
    def of(cls, options: Options) -> Self:
        return cls(_second(options), options.best, phonon_settings(options))

    @override
    def one(self, candidate: Candidate, workdir: Path) -> Outcome:
        outcome, first = super().one(candidate, workdir), candidate.found
        opinion = with_phonons(first.get("opinions"), first.get("phonons"), outcome.found.get("second_phonons"))
        return replace(outcome, found={**outcome.found, "opinions": opinion})
