"""Energies above the convex hull of all candidates and of what they compete with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from typing_extensions import override

from asegen.errors import Reason
from asegen.hull.table import ENERGY_SCALE
from asegen.parallel.files import cache_folder
from asegen.potentials.engine import Engine, find_engine
from asegen.screening.claims import Ledger
from asegen.screening.columns import Column, Shown
from asegen.screening.options import Options
from asegen.screening.records import OK, Candidate, Outcome, candidate_id
from asegen.screening.stage import Runner, Stage
from asegen.screening.stages.hull_plots import HULLS, write_plots
from asegen.screening.stages.known_hull import (
    Fitted,
    KnownHull,
    aligned,
    fitted_references,
    knowledge,
    without_candidate,
)
from asegen.screening.stages.phases import CANDIDATE, Phase
from asegen.screening.stages.shared import ENERGY_SCALE as ENERGY_SCALE_COLUMN
from asegen.screening.stages.sources import Elements, FileEnergies, FileStructures, Found, MaterialsProject, Source
from asegen.screening.stages.verdicts import VERDICTS, verdict

if TYPE_CHECKING:
    from asegen.screening.stages.phase_diagram import Placement


@dataclass(frozen=True)
class Hull(Stage):
    """Places all candidates above the hull of reference phases and of each other.

    Attributes:
        engine: the calculator of the candidates' energies.
        sources: of the reference phases; the elements have to be among them.
        fitted: energies of the elements that go with the shipped hull, where that is among the sources.
        asked: whether the shipped hull was asked for.
    """

    name: ClassVar[str] = "hull"
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "formation_energy",
            "relative to the elements: with the shipped hull their fitted energies, else relaxed crystals of them",
            "number",
            "eV/atom",
            "energy",
            tile=Shown(30, "Formation"),
        ),
        Column(
            "e_hull",
            "energy above the hull of the known phases and of all candidates",
            "number",
            "eV/atom",
            "energy",
            table=Shown(40, "above hull"),
            page=Shown(40, "E above hull"),
            tile=Shown(10, "E above hull"),
        ),
        Column(
            "e_known",
            "energy above the hull of the known phases alone; negative for one that beats them",
            "number",
            "eV/atom",
            "energy",
            tile=Shown(20, "E above known"),
        ),
        Column(
            "e_hull_error",
            "mean error of the potential's formation energies, and so of e_hull; nothing without the shipped hull",
            "number",
            "eV/atom",
            "energy",
        ),
        Column(
            "hull_verdict",
            "what e_hull says, within twice its error; without the shipped hull it speaks of these candidates alone",
            section="energy",
            table=Shown(45, "verdict"),
            page=Shown(45, "Verdict"),
            words=VERDICTS,
            optional=True,
        ),
        Column(
            "decomposes_into",
            "the phases below it, with their shares of the atoms; candidates among them with their ids",
            section="energy",
        ),
        Column(
            "known_composition",
            "whether a compound of this composition is known to the shipped hull: stable or unstable; nothing: unknown",
            section="energy",
            page=Shown(47, "Known"),
            optional=True,
        ),
        Column("e_hull_reason", "why there is no energy above the hull", section="energy", explains="e_hull"),
        ENERGY_SCALE_COLUMN,  # of all of them
    )
    splits: ClassVar[bool] = False
    engine: Engine
    sources: tuple[Source, ...]
    fitted: Fitted | None = None
    asked: bool = False

    @override
    @classmethod
    def of(cls, options: Options) -> Self:
        engine, given = find_engine(options.calculator), FileEnergies(options.reference_file, options.energy_scale)
        cache = cache_folder("elements") if options.cache is None else Path(options.cache).absolute()
        fitted = fitted_references(engine) if options.wants_hull else None
        ground = Elements(engine, cache) if fitted is None else KnownHull(fitted)
        online = MaterialsProject(options.materials_project)
        sources = (given, online, ground, FileStructures(engine, given))
        return cls(engine, sources, fitted, options.wants_hull)

    @override
    def settings(self) -> dict[str, Any]:
        settings = {"calculator": self.engine.identity, "energy_scale": self.engine.energy_scale}
        for source in self.sources:
            settings |= source.settings()
        return settings

    @override
    def check(self, ledger: Ledger) -> None:
        for source in self.sources:
            source.check(ledger)

    @override
    def groups(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        # All together: they compete with each other.
        keys = [candidate.key for candidate in candidates if candidate.found.get("energy") is not None]
        return [keys] if keys else []

    @override
    def prepare(self, ledger: Ledger, run: Runner) -> None:
        formulas = {candidate.found["formula"] for candidate in ledger.candidates(self.name)}
        systems = {_system(formula) for formula in formulas}
        if ledger.known("hull_systems") == (names := sorted("-".join(sorted(system)) for system in systems)):
            return
        found = [source.phases(systems, ledger, run) for source in self.sources]
        if self.fitted is not None:
            found = [replace(part, phases=aligned(part.phases, self.fitted)) for part in found]
        lacking = without_candidate(systems, formulas)
        ledger.note(**_noted(found), hull_lacking=lacking, hull_note=self._note(), hull_systems=names)

    def _note(self) -> str | None:
        """What a user who asked for the shipped hull and doesn't get it has to know."""
        if not self.asked or self.fitted is not None:
            return None
        return (
            f"no energies of the elements are fitted to {self.engine.name} on the scale {ENERGY_SCALE}: its energies "
            "above the hull are against the elements by itself, phases that you give, and the candidates alone"
        )

    @override
    def supply(self, ledger: Ledger, members: Sequence[int]) -> tuple[Path, list[Phase], dict[str, str]]:
        # The screening's folder, the known phases, and why elements have none.
        known = [Phase(**row) for row in ledger.known("hull_phases")]
        return ledger.workdir, known, ledger.known("hull_missing")

    @override
    def work(
        self, candidates: Sequence[Candidate], supplied: tuple[Path, list[Phase], dict[str, str]]
    ) -> list[Outcome]:
        from asegen.screening.stages.phase_diagram import place  # takes a second, which only workers need

        workdir, known, missing = supplied
        phases = [_phase(candidate) for candidate in candidates]
        placements, plots = place(phases, known, missing, fixed_elements=self.fitted is not None)
        write_plots(workdir / HULLS, plots)
        return [self._outcome(*pair) for pair in zip(candidates, placements, strict=True)]

    def _outcome(self, candidate: Candidate, placement: Placement) -> Outcome:
        error = None if self.fitted is None else self.fitted.error
        e_known = placement.e_known
        if e_known is not None and error is not None and len(_system(candidate.found["formula"])) == 1:
            e_known = max(e_known, 0.0)  # elements are the reference: what is below is an error of the potential
        return Outcome(
            found={
                "e_hull": placement.e_hull,
                "e_known": e_known,
                "e_hull_error": None if placement.e_hull is None else error,
                "hull_verdict": verdict(placement.e_hull, e_known, error),
                "e_hull_reason": None if placement.reason is None else str(placement.reason),
                "formation_energy": placement.formation_energy,
                "decomposes_into": placement.decomposes_into,
                "known_composition": knowledge(candidate.found["formula"]),
            }
        )

    @override
    def seconds(self, members: int) -> float | None:
        return None

    @override
    def gave_up(self, candidate: Candidate, status: str, reason: Reason) -> Outcome:
        return Outcome(found={"e_hull_reason": f"no hull: {reason}"})  # all else stands


def _system(formula: str) -> frozenset[str]:
    from pymatgen.core import Composition

    return frozenset(Composition(formula).chemical_system.split("-"))


def _phase(candidate: Candidate) -> Phase:
    found = candidate.found
    id, shapes = candidate_id(candidate.key), candidate.status == OK
    return Phase(id, found["formula"], found["energy"], found["energy_scale"], CANDIDATE, shapes)


def _noted(found: Sequence[Found]) -> dict[str, Any]:
    """What the ledger keeps of the references."""
    return {
        "hull_phases": [asdict(phase) for part in found for phase in part.phases],
        "hull_missing": {symbol: reason for part in found for symbol, reason in part.missing.items()},
        "hull_problems": [line for part in found for line in part.problems],
    }
