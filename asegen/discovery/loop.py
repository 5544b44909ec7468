"""Rounds of proposals: compositions, their structures, verdicts, and what the next round learns from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from asegen.discovery.cells import Cell, Route
from asegen.discovery.guidance import Diversity, found_cells, guidance_of
from asegen.discovery.prediction import StructurePredictor
from asegen.discovery.proposal import Proposer
from asegen.discovery.records import CROWDED, KEPT, LATE, Record
from asegen.discovery.sieve import Sieve, Verdict
from asegen.discovery.state import RUN, RunState
from asegen.discovery.target_model import TargetModel
from asegen.generation.compositions import composition
from asegen.hull.table import formula_of
from asegen.structures.space_groups import space_group

ROUND = 32
"""Most compositions of a round: enough to fill batches, few enough to lose in a kill."""
_WITH_TARGETS = 16
"""The same with targets, where each round teaches the next one what to propose."""
_SMALLEST_ROUND = 8
_SYMPREC = 0.1
"""Å, of the space groups that are named, as where structures are listed."""


@dataclass(frozen=True)
class Loop:
    """Rounds, one after the other.

    Attributes:
        proposer: of compositions.
        predictor: of their structures.
        sieve: keeps some.
        most_alike: crystals of one structure type and of elements of the same families, at most.
        seed: of the run.
        part: of the run's parts.
        targets: what known crystals say of the targets; None without targets.
    """

    proposer: Proposer
    predictor: StructurePredictor
    sieve: Sieve
    most_alike: int
    seed: int
    part: int
    targets: TargetModel | None = None

    def round(self, state: RunState, wanted: int, most: int) -> bool:
        """Does one round; whether there was anything left to be proposed.

        Args:
            state: is added to.
            wanted: crystals.
            most: proposals of the whole run.
        """
        records = state.records
        routes = self.proposer.propose(
            min(
                ROUND if self.targets is None else _WITH_TARGETS,
                max(_SMALLEST_ROUND, 2 * (wanted - len(state.kept))),
                most - len(records),
            ),
            np.random.default_rng([self.seed, self.part, state.rounds]),
            guidance_of(records, self.targets),
        )
        predicted = self.predictor.predict([route.cell for route in routes], self.seed) if routes else []
        diversity = self._diversity(state)
        for place, structures in self.sieve.in_order(predicted):
            route = routes[place]
            verdict = self._verdict(route.cell, structures, diversity) if len(state.kept) < wanted else Verdict(LATE)
            self._note(state, route, verdict)
        state.rounds += 1
        return bool(routes)

    def _verdict(self, cell: Cell, structures: list[Atoms] | str, diversity: Diversity) -> Verdict:
        verdict = self.sieve.judge(structures)
        if verdict.fate != KEPT or verdict.atoms is None or diversity.takes(cell, _type(verdict.atoms)):
            return verdict
        return Verdict(CROWDED, f"{self.most_alike} alike are kept already", verdict.atoms)

    def _diversity(self, state: RunState) -> Diversity:
        diversity = Diversity(self.most_alike)
        cells = found_cells(state.records)
        for cell, atoms in zip(cells, state.kept, strict=True):
            diversity.takes(cell, _type(atoms))
        return diversity

    def _note(self, state: RunState, route: Route, verdict: Verdict) -> None:
        number, formula = len(state.records), composition(route.cell.symbols).formula
        parent = formula_of(route.parent.composition)
        own = (number, state.rounds, route.cell, formula, parent, verdict.fate, verdict.reason, verdict.values)
        state.records.append(Record(*own))
        if verdict.fate == KEPT and verdict.atoms is not None:
            atoms = verdict.atoms
            name = f"{self.seed}-{self.part}-{number}"
            atoms.info |= {"material_id": name, "sample_index": len(state.kept), "parent": parent, RUN: state.label}
            atoms.info |= {"space_group": space_group(atoms, _SYMPREC)}
            for stale in ("spacegroup", "spacegroup_symbol"):  # of the template, before it was relaxed
                atoms.info.pop(stale, None)
            state.kept.append(atoms)


def _type(atoms: Atoms) -> str:
    """A name of the structure type, equal for crystals that have the same prototype's group and numbers of atoms."""
    return str(atoms.info.get("prototype", "")).rpartition("-")[2]
