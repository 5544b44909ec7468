"""`Discoverer`: new crystals of any composition, with properties that are asked for."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ase import Atoms

from asegen import __version__
from asegen.arguments import whole_number
from asegen.calculators.verification import Verifier
from asegen.criteria.criterion import Criterion, Wanted, read_criteria
from asegen.criteria.judging import Criteria
from asegen.discovery.balance import Balance
from asegen.discovery.cells import Cell, cells_of, stable_cells
from asegen.discovery.chemistry import MAX_ATOMS, MAX_ELEMENTS, Chemistry
from asegen.discovery.loop import Loop
from asegen.discovery.prediction import StructurePredictor
from asegen.discovery.proposal import LEARNED, Proposer, check_proposal
from asegen.discovery.records import nearest_miss
from asegen.discovery.sieve import COMPOSITION, TYPE, Sieve, check_e_hull
from asegen.discovery.state import RunState
from asegen.discovery.target_model import TargetModel, known_targets
from asegen.errors import InputError
from asegen.generation.plan import check_settings, parse_shard
from asegen.generation.source import Source, check_source
from asegen.generation.sources.registry import open_source
from asegen.prototypes.catalogue import Catalogue
from asegen.prototypes.novelty import KnownCrystals
from asegen.prototypes.sources import KNOWN as KNOWN_CRYSTALS
from asegen.prototypes.sources import open_library

CHGNET, NONE = "chgnet", "none"
_PROPOSALS_EACH, _LEAST_PROPOSALS = 30, 200
"""Proposals after which a run ends, for each crystal that is asked for, and at least."""


class Progress(NamedTuple):
    """How far a run is.

    Attributes:
        kept: crystals.
        wanted: crystals.
        proposals: that have met their fate.
    """

    kept: int
    wanted: int
    proposals: int


class Discovery(NamedTuple):
    """What a run has found.

    Attributes:
        structures: what was kept, in the order in which it was found.
        funnel: how many proposals met each fate.
        was_complete: nothing was done, because a run that was to be resumed had nothing left to do.
        was_exhausted: there are fewer crystals than asked for, and no composition is left to be proposed.
        nearest: formula and properties of what came nearest to the targets of all that was off target; empty where
            nothing was.
    """

    structures: list[Atoms]
    funnel: list[tuple[str, int]]
    was_complete: bool
    was_exhausted: bool
    nearest: str = ""


class Discoverer:
    """Finds new crystals of any composition.

    In rounds of up to 32: compositions are proposed (`asegen.discovery.proposal`), near those that did well and those
    likely to meet the targets more often, and less often of elements that there is too much of already;
    candidate structures of each are drawn, relaxed by the learned relaxer and ranked by predicted energy; what is
    predicted to be stable and on target is relaxed by a potential and placed above the Materials Project's hull; what
    is stable enough, new enough, on target and not too much like what was kept before is kept. Every proposal has a
    record that says what became of it.

    `info` of what is kept has material_id, formula, parent (the known crystal that the composition was made of),
    space_group (within 0.1 Å), e_hull and formation_energy by the potential (eV/atom), calculator, e_hull_predicted,
    novelty, known_composition, prototype, prototype_distance and prototype_rms (`asegen.prototypes.novelty`), the
    properties asked for (`<name>_predicted`, `<name>_std`), target_probability, and what `Generator` says.

    Args:
        elements: such as `"Li Na | O S | *"`, see `Chemistry`, as the next five.
        exclude: elements that none has.
        system: a chemical system, subsystems included.
        max_elements: most elements.
        max_atoms: most atoms in the primitive cell.
        spacegroups: that structures have exactly before the potential relaxes them, such as "Fm-3m", "cubic".
        targets: ranges of properties, see `asegen.criteria.criterion.read_criteria`.
        e_hull: eV/atom above the hull, at most; more than -0.05, without a potential more than 0: what is predicted to
            lie below the hull counts as lying on it.
        new: what has to be new: "composition", "structure" or "type".
        potential: gives the energies, see `asegen.potentials.registry`; "none" or None leaves them to predictions.
        relax_steps: of the potential, at most.
        proposal: how compositions are proposed: "learned", "ion-exchange" or "uniform".
        candidates: structures drawn of each composition.
        most_alike: crystals of one structure type and of elements of the same families, at most.
        source: of structures, a name of `asegen.generation.sources.registry.SOURCES` or a source; without it "hybrid",
            "analogy" with space groups, and "diffusion" for new types.
        device: where networks compute.

    Raises:
        InputError: something that can't be, or contradicts itself.
        AsegenError: the potential's package is missing.
    """

    def __init__(
        self,
        *,
        elements: str | None = None,
        exclude: str | Sequence[str] = (),
        system: str | None = None,
        max_elements: int = MAX_ELEMENTS,
        max_atoms: int = MAX_ATOMS,
        spacegroups: str | None = None,
        targets: Wanted = (),
        e_hull: float = 0.1,
        new: str = COMPOSITION,
        potential: str | None = CHGNET,
        relax_steps: int = 60,
        proposal: str = LEARNED,
        candidates: int = 8,
        most_alike: int = 2,
        source: str | Source | None = None,
        device: str = "auto",
    ) -> None:
        self._chemistry = Chemistry(elements, exclude, system, max_elements, max_atoms, spacegroups)
        criteria = read_criteria(targets)
        _check_limits(criteria, {"n_atoms": max_atoms, "n_elements": max_elements})
        check_e_hull(e_hull, potential not in (None, NONE))
        relax_steps, candidates = _positive("relax_steps", relax_steps), _positive("candidates", candidates)
        most_alike = _positive("most_alike", most_alike)
        check_proposal(proposal)
        self._proposal, self._most_alike, self._new = proposal, most_alike, new
        library = open_library(KNOWN_CRYSTALS)
        self._library, self._criteria = library, Criteria(criteria, device)
        self._known = KnownCrystals(library)
        verifier = None if potential in (None, NONE) else Verifier(potential, relax_steps)
        self._sieve = Sieve(e_hull, new, self._criteria, self._known, verifier)
        if source is None:
            source = "analogy" if spacegroups is not None else "diffusion" if new == TYPE else "hybrid"
        if isinstance(source, str):
            templates = library if source in ("hybrid", "template") else None
            source = open_source(source, templates=templates, device=device, quick=True)
        check_source(source)
        if source.holds_given:
            raise InputError(
                f"source = {source.identity.name}: it needs a host, which new compositions don't have", "source"
            )
        self._source, self._potential = source.identity.name, potential or NONE
        self._predictor = StructurePredictor(source, candidates, spacegroups is not None, device)

    def __repr__(self) -> str:
        """What draws, and the potential."""
        return f"<Discoverer: {self._source}, potential {self._potential}>"

    def discover(self, n: int, seed: int = 0, *, proposals: int | None = None) -> list[Atoms]:
        """Finds crystals.

        Args:
            n: how many; there may be fewer, if the proposals run out.
            seed: the same seed gives the same crystals on the same kind of device.
            proposals: compositions to try at most; 30 for each crystal without it.

        Returns:
            Periodic Atoms without a calculator, in the order in which they were found.

        Raises:
            InputError: a number out of its range.
        """
        return self.run(None, n, seed, proposals=proposals).structures

    def run(
        self,
        output: str | Path | None,
        n: int,
        seed: int = 0,
        *,
        proposals: int | None = None,
        shard: str | None = None,
        resume: bool = False,
        overwrite: bool = False,
        report: Callable[[Progress], None] = lambda progress: None,
    ) -> Discovery:
        """The same crystals as `discover`, into a file, so that a killed run can be resumed to the same result.

        Args:
            output: its name decides the format: .extxyz, .cif, .traj, .db, or a folder of POSCARs; the table of all
                proposals goes to `output`.proposals.csv. Nothing is written without it.
            n: as in `discover`, like the next two.
            seed: the run's.
            proposals: most compositions.
            shard: "K/N" does the K-th of N parts, which share no composition.
            resume: go on with a killed run.
            overwrite: replace what is there.
            report: told how far the run is, before the first round and after each.

        Raises:
            InputError: a number out of its range; or the output is there already, is another run's, or can't be
                written.
        """
        n, seed, *_ = check_settings(n, seed)
        part, parts = parse_shard(shard)
        wanted = n // parts + (part <= n % parts)
        usual = max(_LEAST_PROPOSALS, _PROPOSALS_EACH * wanted)
        most = usual if proposals is None else _positive("proposals", proposals)
        proposer = self._proposer(part, parts)
        loop = Loop(proposer, self._predictor, self._sieve, self._most_alike, seed, part, self._targets)
        settings = self._settings | {"n": wanted, "seed": seed, "proposals": most, "shard": [part, parts]}
        state = RunState(None if output is None else str(output), wanted, settings, resume, overwrite)
        report(Progress(len(state.kept), wanted, len(state.records)))
        while not state.was_complete and len(state.kept) < wanted and len(state.records) < most:
            if not loop.round(state, wanted, most):
                break
            state.save()
            report(Progress(len(state.kept), wanted, len(state.records)))
        state.finish()
        funnel = state.funnel()
        is_exhausted = len(state.kept) < wanted and sum(count for _, count in funnel) < most
        return Discovery(state.kept, funnel, state.was_complete, is_exhausted, nearest_miss(state.records))

    @cached_property
    def _settings(self) -> dict[str, object]:
        """What, beside numbers and seed, decides the result."""
        own = {"asegen": __version__, "proposal": self._proposal, "most_alike": self._most_alike}
        return own | asdict(self._chemistry) | self._predictor.identity | self._sieve.identity

    def _proposer(self, part: int, parts: int) -> Proposer:
        def is_not_for_us(cell: Cell) -> bool:
            if parts > 1 and _number(cell) % parts != part - 1:
                return True
            if self._new == COMPOSITION and self._known.knows_composition(cell.composition):
                return True
            return not self._criteria.allow(cell.composition)

        return Proposer(self._cells, self._chemistry, self._proposal, is_not_for_us, self._balance)

    @cached_property
    def _cells(self) -> list[Cell]:
        return stable_cells(self._catalogue)

    @cached_property
    def _catalogue(self) -> Catalogue:
        return Catalogue.shipped()

    @cached_property
    def _targets(self) -> TargetModel | None:
        return known_targets(self._library, self._criteria) if self._criteria.criteria else None

    @cached_property
    def _balance(self) -> Balance:
        """Towards the elements of all known crystals, or of those that meet the targets."""
        known = [cell for cell in cells_of(self._catalogue) if sum(cell.counts) <= self._chemistry.max_atoms]
        return Balance(known) if self._targets is None else Balance(known, self._targets.on_target.at(known))


def _positive(name: str, given: object) -> int:
    number = whole_number(name, given)
    if number < 1:
        raise InputError(f"{name} = {number}: at least 1 is needed", name)
    return number


def _number(cell: Cell) -> int:
    """A number that depends on the reduced formula alone, evenly spread."""
    return int.from_bytes(hashlib.sha256(repr(cell.formula).encode()).digest()[:8], "big")


def _check_limits(criteria: Sequence[Criterion], limits: Mapping[str, int]) -> None:
    """Refuses targets that the limits of the chemistry rule out."""
    for criterion in criteria:
        name = criterion.quantity.name
        if criterion.low > limits.get(name, math.inf):
            limit = name.replace("n_", "max_")
            raise InputError(f"target = {criterion} contradicts {limit} = {limits[name]}", "target", limit)
