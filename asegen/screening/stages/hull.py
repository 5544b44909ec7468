"""Energies above the convex hull of all candidates and of what they compete with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from typing_extensions import override

from asegen.errors import InputError, Reason
from asegen.hull.table import ENERGY_SCALE
from asegen.parallel.files import cache_folder
from asegen.potentials.engine import Engine
from asegen.potentials.references import (
    ElementReferences,
    check_fit,
    computed_references,
    references_of,
    shipped_references,
)
from asegen.prototypes.known_forms import KnownForm, corrections
from asegen.screening.claims import Ledger
from asegen.screening.columns import Column
from asegen.screening.options import Options
from asegen.screening.records import OK, Candidate, Outcome, candidate_id
from asegen.screening.stage import Runner, Stage
from asegen.screening.stages.hull_columns import COLUMNS
from asegen.screening.stages.hull_plots import HULLS, HullPlot, write_plots
from asegen.screening.stages.known_forms import known_forms
from asegen.screening.stages.known_hull import (
    FORMATION_SCALE,
    KnownHull,
    has_gap,
    knowledge,
    on_the_hulls_scale,
    without_candidate,
)
from asegen.screening.stages.phases import CANDIDATE, Phase
from asegen.screening.stages.shared import engine_of
from asegen.screening.stages.sources import (
    ELEMENTS,
    Elements,
    FileEnergies,
    FileStructures,
    Found,
    MaterialsProject,
    Source,
    can_hold,
)
from asegen.screening.stages.verdicts import WIDTH, verdict

if TYPE_CHECKING:
    from asegen.screening.stages.phase_diagram import Placement


class Against(NamedTuple):
    """What candidates are placed against.

    Attributes:
        known: elements and other known phases.
        missing: symbol -> why an element has no energy.
        references: what makes formation energies of the candidates' totals; None where totals are compared.
        forms: known crystals of the candidates' compositions, by formula.
    """

    known: list[Phase]
    missing: dict[str, str]
    references: ElementReferences | None
    forms: Mapping[str, KnownForm] = MappingProxyType({})


@dataclass(frozen=True)
class Hull(Stage):
    """Places all candidates above the hull of reference phases and of each other.

    Attributes:
        engine: the calculator of the candidates' energies.
        sources: of the reference phases; the elements have to be among them.
        cache: folder of references that are fitted, and of energies of known crystals.
        asked: whether the shipped hull was asked for.
        fits: whether the engine's references may be fitted first.
        energy: the column of the energies, eV/atom.
    """

    name: ClassVar[str] = "hull"
    columns: ClassVar[tuple[Column, ...]] = COLUMNS
    splits: ClassVar[bool] = False
    energy: ClassVar[str] = "energy"
    engine: Engine
    sources: tuple[Source, ...]
    cache: Path
    asked: bool = False
    fits: bool = False

    @override
    @classmethod
    def of(cls, options: Options) -> Self:
        return cls._by(engine_of(options), options)

    @classmethod
    def _by(cls, engine: Engine, options: Options) -> Self:
        needed = engine.energy_scale if engine.pressure else None
        given = FileEnergies(options.reference_file, options.energy_scale, needed)
        cache = None if options.cache is None else Path(options.cache).absolute()
        asked, fits = options.wants_hull, options.fit_references
        has_references = fits or shipped_references(engine) is not None
        ground = KnownHull() if asked and has_references else Elements(engine, cache or cache_folder("elements"))
        online = MaterialsProject(options.materials_project)
        sources = (given, online, ground, FileStructures(engine, given))
        return cls(engine, sources, cache or cache_folder("references"), asked, fits)

    @property
    def _knows_the_hull(self) -> bool:
        return any(isinstance(source, KnownHull) for source in self.sources)

    @override
    def settings(self) -> dict[str, Any]:
        settings = {"calculator": self.engine.identity, "energy_scale": self.engine.energy_scale}
        for source in self.sources:
            settings |= source.settings()
        return settings

    @override
    def check(self, ledger: Ledger) -> None:
        if self.fits and self._knows_the_hull and references_of(self.engine, self.cache) is None:
            check_fit(self.engine)
        for source in self.sources:
            source.check(ledger)

    @override
    def groups(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        # All together: they compete with each other.
        keys = [candidate.key for candidate in candidates if candidate.found.get(self.energy) is not None]
        return [keys] if keys else []

    @override
    def prepare(self, ledger: Ledger, run: Runner) -> None:
        placed = [one for one in ledger.candidates(self.name) if one.found.get(self.energy) is not None]
        formulas = {candidate.found["formula"] for candidate in placed}
        if ledger.known(f"{self.name}_formulas") == sorted(formulas):
            return
        systems = {_system(formula) for formula in formulas}
        found = [source.phases(systems, ledger, run) for source in self.sources]
        references = self._references(ledger, run) if self._knows_the_hull else None
        if references is not None:
            found = [on_the_hulls_scale(part, references, self.engine.energy_scale) for part in found]
        forms = {} if references is None else known_forms(formulas, self.engine, self._cache(ledger), run)
        noted = _noted(found) | {
            "references": None if references is None else asdict(references),
            "forms": {formula: asdict(form) for formula, form in forms.items()},
            "lacking": {} if self.engine.pressure else without_candidate(systems, formulas),
            "note": self._note(),
            "can_fit": self._can_fit(),
            "formulas": sorted(formulas),
        }
        ledger.note(**{f"{self.name}_{key}": value for key, value in noted.items()})

    def _references(self, ledger: Ledger, run: Runner) -> ElementReferences:
        cache = self._cache(ledger) if self.fits else self.cache
        known = references_of(self.engine, cache)
        return computed_references(self.engine, cache, run) if known is None else known

    def _cache(self, ledger: Ledger) -> Path:
        return self.cache if can_hold(self.cache) else ledger.workdir / ELEMENTS

    def _note(self) -> str | None:
        """What a user who asked for the shipped hull and doesn't get it has to know."""
        if not self.asked or self._knows_the_hull:
            return None
        return (
            f"no energies of the elements are fitted to {self.engine.name} on the scale {ENERGY_SCALE}: its energies "
            "above the hull are against the elements by itself, phases that you give, and the candidates alone"
        )

    def _can_fit(self) -> bool:
        """Whether fitting the references would give the shipped hull to who asked for it and hasn't got it."""
        if self._note() is None:
            return False
        try:
            check_fit(self.engine)
        except InputError:
            return False
        return True

    @override
    def supply(self, ledger: Ledger, members: Sequence[int]) -> tuple[Path, Against]:
        # The screening's folder, and what candidates are placed against.
        names = ("phases", "missing", "references", "forms")
        phases, missing, fitted, rows = (ledger.known(f"{self.name}_{key}") for key in names)
        references = None if fitted is None else ElementReferences(**fitted)
        forms = {formula: KnownForm(**row) for formula, row in rows.items()}
        return ledger.workdir, Against([Phase(**row) for row in phases], missing, references, forms)

    @override
    def work(self, candidates: Sequence[Candidate], supplied: tuple[Path, Against]) -> list[Outcome]:
        from asegen.screening.stages.phase_diagram import place  # takes a second, which only workers need

        workdir, against = supplied
        lowest = self._lowest(candidates)
        shifts = {}
        if against.references is not None:
            energies = {formula: candidate.found[self.energy] for formula, candidate in lowest.items()}
            shifts = corrections(against.forms, energies, against.references)
        phases = [self._phase(candidate, against.references, shifts) for candidate in candidates]
        fixed = against.references is not None
        placements, plots = place(phases, against.known, against.missing, fixed_elements=fixed)
        self._plot(workdir, plots)
        error = None if against.references is None else against.references.error
        outcomes = []
        for candidate, placement in zip(candidates, placements, strict=True):
            formula = candidate.found["formula"]
            form = against.forms[formula] if formula in shifts else None
            unmet = lowest.get(formula) is candidate and not _reaches_the_hull(candidate, form, against.references)
            gap = not self.engine.pressure and has_gap(formula, against.known)
            outcomes.append(self._outcome(candidate, placement, error, unmet, form, gap))
        return outcomes

    def _lowest(self, candidates: Sequence[Candidate]) -> dict[str, Candidate]:
        """The candidate of lowest energy of each formula, of those that came through all stages."""
        found: dict[str, Candidate] = {}
        for candidate in candidates:
            formula, energy = candidate.found["formula"], candidate.found[self.energy]
            if candidate.status == OK and (formula not in found or energy < found[formula].found[self.energy]):
                found[formula] = candidate
        return found

    def _phase(self, candidate: Candidate, references: ElementReferences | None, shifts: Mapping[str, float]) -> Phase:
        found, id = candidate.found, candidate_id(candidate.key)
        energy, scale, shapes = found[self.energy], self.engine.energy_scale, candidate.status == OK
        counts = _composition(found["formula"])
        if references is not None and counts.keys() <= references.energies.keys():
            energy, scale = energy - references.per_atom(counts), FORMATION_SCALE
            energy += shifts.get(found["formula"], 0.0)
        return Phase(id, found["formula"], energy, scale, CANDIDATE, shapes)

    def _plot(self, workdir: Path, plots: Sequence[HullPlot]) -> None:
        write_plots(workdir / HULLS, plots)

    def _outcome(
        self,
        candidate: Candidate,
        placement: Placement,
        error: float | None,
        unmet: bool,
        form: KnownForm | None,
        has_gap: bool,
    ) -> Outcome:
        e_known = above_known(candidate, placement, error)
        known_as, known_crystal = candidate.found.get("known_as"), candidate.found.get("known_crystal")
        known = None if self.engine.pressure else knowledge(candidate.found["formula"])
        said = verdict(
            placement.e_hull,
            e_known,
            error,
            known_as,
            known,
            known_crystal=known_crystal,
            unmet=unmet and known == "stable",
            has_gap=has_gap,
        )
        return Outcome(
            found={
                "e_hull": placement.e_hull,
                "e_known": e_known,
                "e_hull_error": None if placement.e_hull is None else error,
                "hull_verdict": said,
                "e_hull_reason": None if placement.reason is None else str(placement.reason),
                "formation_energy": placement.formation_energy,
                "decomposes_into": placement.decomposes_into,
                "known_composition": known,
                "measured_against": None if form is None else form.id,
            }
        )

    @override
    def seconds(self, members: int) -> float | None:
        return None

    @override
    def gave_up(self, candidate: Candidate, status: str, reason: Reason) -> Outcome:
        return Outcome(found={"e_hull_reason": f"no hull: {reason}"})  # all else stands


def _reaches_the_hull(candidate: Candidate, form: KnownForm | None, references: ElementReferences | None) -> bool:
    """Whether what a candidate is measured against by the same potential lies on the hull.

    Of elements it is the ground state. A known form may lie above the hull itself: then its stable form isn't at hand,
    and that the lowest candidate lies above the hull may be the potential's error. So it may where the potential alone
    has chosen the stable form among known crystals and the candidate is another one of these: caesium chloride.
    """
    if references is None:
        return False
    counts = _composition(candidate.found["formula"])
    if len(counts) == 1:
        return counts.keys() <= references.crystals.keys()
    if form is None:
        return False
    if form.above is None:
        return candidate.found.get("known_crystal") in (None, form.id)
    return form.above <= WIDTH * references.error


def above_known(candidate: Candidate, placement: Placement, error: float | None) -> float | None:
    """`Placement.e_known`; elements are the reference of a known hull: what is below is an error of the potential."""
    if placement.e_known is not None and error is not None and len(_composition(candidate.found["formula"])) == 1:
        return max(placement.e_known, 0.0)
    return placement.e_known


def _system(formula: str) -> frozenset[str]:
    return frozenset(_composition(formula))


def _composition(formula: str) -> dict[str, float]:
    """Symbol -> atoms."""
    from pymatgen.core import Composition

    return dict(Composition(formula).get_el_amt_dict())


def _noted(found: Sequence[Found]) -> dict[str, Any]:
    """What the ledger keeps of the reference phases."""
    return {
        "phases": [asdict(phase) for part in found for phase in part.phases],
        "missing": {symbol: reason for part in found for symbol, reason in part.missing.items()},
        "problems": [line for part in found for line in part.problems],
    }
