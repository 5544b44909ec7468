"""The shipped hull of the Materials Project as the reference of a screening.

Its points are formation energies, a potential's energies are totals: each is brought to the potential's own scale by
the energies of the elements that were fitted to that potential. Totals less the same energies are formation energies
on the scale of the hull, so that nothing depends on how well the potential describes the elements themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, Literal

from ase.data import atomic_numbers
from ase.formula import Formula
from pymatgen.core import Composition
from typing_extensions import override

from asegen.hull.table import ENERGY_SCALE, HullTable, formula_of, shipped_hull
from asegen.parallel.files import sha256
from asegen.potentials import chgnet
from asegen.potentials.engine import Engine
from asegen.screening.claims import Ledger
from asegen.screening.stage import Runner
from asegen.screening.stages.phases import COMPETING, ELEMENT, KNOWN, Phase
from asegen.screening.stages.sources import Found, Source, Systems

Knowledge = Literal["stable", "unstable"]
"""What the table knows of a composition."""


@dataclass(frozen=True)
class Fitted:
    """Energies of the elements that turn a potential's totals into formation energies on the hull's scale.

    Attributes:
        energies: symbol -> eV/atom.
        error: of the formation energies, eV/atom, mean.
    """

    energies: Mapping[str, float]
    error: float

    def of(self, counts: Mapping[str, float]) -> float:
        """Of a composition, eV/atom.

        Args:
            counts: symbol -> atoms.
        """
        return sum(n * self.energies[symbol] for symbol, n in counts.items()) / sum(counts.values())


def fitted_references(engine: Engine) -> Fitted | None:
    """The fitted energies of the elements of a potential, or None where there are none on the scale of the hull."""
    if engine.name == "chgnet" and engine.energy_scale == ENERGY_SCALE:
        return Fitted(chgnet.ELEMENT_ENERGIES, chgnet.FORMATION_ENERGY_ERROR)
    return None


@dataclass(frozen=True)
class KnownHull(Source):
    """The stable phases of the shipped hull, and the elements as fitted to a potential.

    Attributes:
        fitted: to the potential of the candidates.
    """

    fitted: Fitted

    @override
    def settings(self) -> dict[str, Any]:
        with resources.as_file(resources.files("asegen.hull") / "mp.npz") as file:
            return {"hull": f"mp, sha256 {sha256(file)[:12]}"}

    @override
    def phases(self, systems: Systems, ledger: Ledger, run: Runner) -> Found:
        symbols = frozenset().union(*systems)
        without = sorted(symbols - set(self.fitted.energies))
        elements = [
            Phase(f"{symbol} (element)", symbol, self.fitted.energies[symbol], ENERGY_SCALE, ELEMENT)
            for symbol in sorted(symbols.difference(without))
        ]
        missing = {symbol: f"{symbol} has no fitted energy" for symbol in without}
        known = [system for system in systems if not system.intersection(without)]
        return Found([*elements, *self._compounds(known)], missing)

    def _compounds(self, systems: Iterable[frozenset[str]]) -> list[Phase]:
        found: dict[str, Phase] = {}
        for system in systems:
            for formula, energy in stable_compounds(system):
                total = energy + self.fitted.of(Formula(formula).count())
                found[formula] = Phase(formula, formula, total, ENERGY_SCALE, KNOWN)
        return list(found.values())


def aligned(phases: Sequence[Phase], fitted: Fitted) -> list[Phase]:
    """Phases that a user adds, on the scale of the fitted elements.

    A phase whose elements are among them keeps its formation energy relative to those; of the elements themselves the
    fitted ones stay. A phase without is taken as it is. Phases of other kinds and scales are left alone.

    Args:
        phases: of one source.
        fitted: energies of the elements.
    """
    added = [phase for phase in phases if phase.kind == COMPETING and phase.energy_scale == ENERGY_SCALE]
    counts = {phase.id: Composition(phase.formula).get_el_amt_dict() for phase in added}
    own: dict[str, float] = {}
    for phase in added:
        if len(counts[phase.id]) == 1:
            (symbol,) = counts[phase.id]
            own[symbol] = min(own.get(symbol, phase.energy), phase.energy)
    kept = [phase for phase in phases if phase not in added]
    for phase in added:
        elements = counts[phase.id]
        if len(elements) > 1:
            there = own.keys() >= elements.keys() and fitted.energies.keys() >= elements.keys()
            shift = fitted.of(elements) - Fitted(own, fitted.error).of(elements) if there else 0.0
            kept.append(replace(phase, energy=phase.energy + shift))
    return kept


def stable_compounds(system: Collection[str]) -> list[tuple[str, float]]:
    """Reduced formulas of the known stable compounds of a chemical system, and their formation energies, eV/atom.

    Args:
        system: symbols of its elements; subsystems are included.
    """
    table: HullTable = shipped_hull()
    return [(formula_of(counts), energy) for counts, energy in table.stable_in({atomic_numbers[s] for s in system})]


def knowledge(formula: str) -> Knowledge | None:
    """Whether a compound of a composition is known, and whether a stable one is; None where none is known."""
    table, counts = shipped_hull(), {atomic_numbers[symbol]: n for symbol, n in Formula(formula).count().items()}
    if table.is_stable(counts) or len(counts) == 1:
        return "stable"
    return "unstable" if table.knows(counts) else None


def without_candidate(systems: Systems, formulas: Collection[str]) -> dict[str, list[str]]:
    """The known stable compounds of which there is no candidate.

    Args:
        systems: of the candidates.
        formulas: of the candidates, in any order of the elements.

    Returns:
        Chemical system, such as "Li-P-S", of two and more elements -> reduced formulas, sorted; systems without any,
        and those within a larger one of them, are left out.
    """
    seen = {formula_of({atomic_numbers[s]: n for s, n in Formula(text).count().items()}) for text in formulas}
    found = {}
    for system in largest(systems):
        if lacking := sorted(formula for formula, _ in stable_compounds(system) if formula not in seen):
            found["-".join(sorted(system))] = lacking
    return found


def largest(systems: Systems) -> Sequence[frozenset[str]]:
    """The systems of two and more elements that lie in no other one, sorted."""
    kept: list[frozenset[str]] = []
    for system in sorted(set(systems), key=lambda one: (-len(one), sorted(one))):
        if len(system) > 1 and not any(system <= other for other in kept):
            kept.append(system)
    return sorted(kept, key=sorted)
