"""Energies above the convex hull of all candidates and of what they compete with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from typing_extensions import override

from asegen.errors import Reason
from asegen.potentials.engine import Engine, find_engine
from asegen.screening.claims import Ledger
from asegen.screening.columns import Column, Shown
from asegen.screening.options import Options
from asegen.screening.records import OK, Candidate, Outcome, candidate_id
from asegen.screening.stage import Runner, Stage
from asegen.screening.stages.hull_plots import HULLS, write_plots
from asegen.screening.stages.phases import CANDIDATE, Phase
from asegen.screening.stages.shared import ENERGY_SCALE
from asegen.screening.stages.sources import Elements, FileEnergies, FileStructures, Found, MaterialsProject, Source


@dataclass(frozen=True)
class Hull(Stage):
    """Places all candidates above the hull of reference phases and of each other.

    Attributes:
        engine: the calculator of the candidates' energies.
        sources: of the reference phases; the elements have to be among them.
    """

    name: ClassVar[str] = "hull"
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "formation_energy",
            "relative to the elements",
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
        Column("decomposition", "the phases below it, with their shares of the atoms", section="energy"),
        Column("e_hull_reason", "why there is no energy above the hull", section="energy", explains="e_hull"),
        ENERGY_SCALE,  # of all of them
    )
    splits: ClassVar[bool] = False
    engine: Engine
    sources: tuple[Source, ...]

    @override
    @classmethod
    def of(cls, options: Options) -> Self:
        engine, given = find_engine(options.calculator), FileEnergies(options.reference_file, options.energy_scale)
        cache = default_cache() if options.cache is None else Path(options.cache).absolute()
        elements, online = Elements(engine, cache), MaterialsProject(options.materials_project)
        return cls(engine, (given, online, elements, FileStructures(engine, given)))

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
        if ledger.known("hull_phases") is not None:
            return
        systems = {_system(candidate.found["formula"]) for candidate in ledger.candidates(self.name)}
        found = [source.phases(systems, ledger, run) for source in self.sources]
        ledger.note(**_noted(found))

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
        placements, plots = place([_phase(candidate) for candidate in candidates], known, missing)
        write_plots(workdir / HULLS, plots)
        return [
            Outcome(
                found={
                    "e_hull": placement.e_hull,
                    "e_known": placement.e_known,
                    "e_hull_reason": None if placement.reason is None else str(placement.reason),
                    "formation_energy": placement.formation_energy,
                    "decomposition": placement.decomposition,
                }
            )
            for placement in placements
        ]

    @override
    def seconds(self, members: int) -> float | None:
        return None

    @override
    def gave_up(self, candidate: Candidate, status: str, reason: Reason) -> Outcome:
        return Outcome(found={"e_hull_reason": f"no hull: {reason}"})  # all else stands


def default_cache() -> Path:
    """Where the elements' energies are kept for all of a user's screenings."""
    base = os.environ.get("XDG_CACHE_HOME")
    return ((Path(base) if base else Path.home() / ".cache") / "asegen" / "elements").absolute()


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
