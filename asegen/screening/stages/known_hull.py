"""The shipped hull of the Materials Project as the reference of a screening.

Its points are formation energies, a potential's energies are totals. What an atom of each element is worth to the
potential, which was fitted to it (`asegen.potentials.references`), makes formation energies on the hull's scale of
them, so that nothing depends on how well the potential describes the elements themselves. All phases of such a hull
are formation energies: what a user adds in totals, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, Literal

from ase.data import atomic_numbers
from ase.formula import Formula
from pymatgen.core import Composition
from typing_extensions import override

from asegen.hull.table import ENERGY_SCALE, HullTable, formula_of, shipped_hull
from asegen.parallel.files import sha256
from asegen.potentials.references import ElementReferences
from asegen.screening.claims import Ledger
from asegen.screening.stage import Runner
from asegen.screening.stages.phases import COMPETING, ELEMENT, KNOWN, Phase
from asegen.screening.stages.sources import Found, Source, Systems
from asegen.trained.weights import shipped_catalogue

FORMATION_SCALE = f"{ENERGY_SCALE}, formation energies"
"""The energy scale of phases whose energies are relative to the elements."""
Knowledge = Literal["stable", "unstable"]
"""What the table knows of a composition."""


def catalogue_identity() -> str:
    """What the settings of a stage call the crystals inside the package."""
    return f"mp, sha256 {sha256(shipped_catalogue())[:12]}"


@dataclass(frozen=True)
class KnownHull(Source):
    """The elements and the stable compounds of the shipped hull, on `FORMATION_SCALE`."""

    @override
    def settings(self) -> dict[str, Any]:
        with resources.as_file(resources.files("asegen.hull") / "mp.npz") as file:
            hull = f"mp, sha256 {sha256(file)[:12]}"
        return {"hull": hull, "known_crystals": catalogue_identity()}

    @override
    def phases(self, systems: Systems, ledger: Ledger, run: Runner) -> Found:
        symbols = sorted(frozenset().union(*systems))
        elements = [Phase(f"{symbol} (element)", symbol, 0.0, FORMATION_SCALE, ELEMENT) for symbol in symbols]
        compounds = {formula: energy for system in systems for formula, energy in stable_compounds(system)}
        known = [Phase(formula, formula, energy, FORMATION_SCALE, KNOWN) for formula, energy in compounds.items()]
        return Found([*elements, *known])


def on_the_hulls_scale(found: Found, references: ElementReferences, scale: str) -> Found:
    """The phases of a source as formation energies.

    Those of the Materials Project's scale that come with the elements of their own keep their formation energies
    relative to these; other totals become formation energies by the potential's references where they are on its
    scale. Elements that a user adds are left out: the fitted ones stay. Phases of foreign scales stay as they are, so
    that their systems are refused.

    Args:
        found: what the source gave.
        references: of the potential.
        scale: of the potential's energies.
    """
    own = _own_elements(found.phases)
    phases, problems, missing = [], list(found.problems), dict(found.missing)
    for phase in found.phases:
        counts = Composition(phase.formula).get_el_amt_dict()
        if without := sorted(counts.keys() - references.energies.keys()):
            missing |= {symbol: f"{symbol} has no fitted energy" for symbol in without}
        elif phase.kind != COMPETING or phase.energy_scale not in (ENERGY_SCALE, scale):
            phases.append(phase)
        elif len(counts) > 1:
            energy = _formation_energy(phase, own, references, scale)
            if energy is None:
                lacking = ", ".join(sorted(counts.keys() - own.energies.keys()))
                problems.append(
                    f"{phase.id}: left out, for no energy of {lacking} on the scale {ENERGY_SCALE} is given"
                )
            else:
                phases.append(replace(phase, energy=energy, energy_scale=FORMATION_SCALE))
    return Found(phases, missing, problems)


def _own_elements(phases: Iterable[Phase]) -> ElementReferences:
    """The lowest energies of the elements that a source has on the Materials Project's scale."""
    own: dict[str, float] = {}
    for phase in phases:
        counts = Composition(phase.formula).get_el_amt_dict()
        if phase.kind == COMPETING and phase.energy_scale == ENERGY_SCALE and len(counts) == 1:
            (symbol,) = counts
            own[symbol] = min(own.get(symbol, phase.energy), phase.energy)
    return ElementReferences(own, 0.0)


def _formation_energy(phase: Phase, own: ElementReferences, references: ElementReferences, scale: str) -> float | None:
    counts = Composition(phase.formula).get_el_amt_dict()
    if phase.energy_scale == ENERGY_SCALE and counts.keys() <= own.energies.keys():
        return phase.energy - own.per_atom(counts)
    return phase.energy - references.per_atom(counts) if phase.energy_scale == scale else None


def stable_compounds(system: Collection[str]) -> list[tuple[str, float]]:
    """Reduced formulas of the known stable compounds of a chemical system, and their formation energies, eV/atom.

    Args:
        system: symbols of its elements; subsystems are included.
    """
    table: HullTable = shipped_hull()
    return [(formula_of(counts), energy) for counts, energy in table.stable_in({atomic_numbers[s] for s in system})]


def knowledge(formula: str) -> Knowledge | None:
    """Whether a compound of a composition is known, and whether a stable one is; None where none is known."""
    table, counts = shipped_hull(), counts_of(formula)
    if table.is_stable(counts) or len(counts) == 1:
        return "stable"
    return "unstable" if table.knows(counts) else None


def has_gap(formula: str, phases: Iterable[Phase] = ()) -> bool:
    """Whether the known phases of a composition are mostly lacking, see `asegen.hull.table.HullTable.gap`.

    Args:
        formula: of a candidate.
        phases: those that a user adds fill the gap, if there is a compound of each element that lacks them, in the
            candidate's chemical system.
    """
    counts = counts_of(formula)
    lacking, system = set(shipped_hull().lacking(counts)), Composition(formula).chemical_system_set
    for phase in phases if lacking else ():
        elements = Composition(phase.formula).chemical_system_set
        if phase.kind == COMPETING and 1 < len(elements) and elements <= system:
            lacking -= elements
    return bool(lacking)


def counts_of(formula: str) -> dict[int, int]:
    """Atoms of each element in a formula, by atomic number."""
    return {atomic_numbers[symbol]: n for symbol, n in Formula(formula).count().items()}


def without_candidate(systems: Systems, formulas: Collection[str]) -> dict[str, list[str]]:
    """The known stable compounds of which there is no candidate.

    Args:
        systems: of the candidates.
        formulas: of the candidates, in any order of the elements.

    Returns:
        Chemical system, such as "Li-P-S", of two and more elements -> reduced formulas, sorted; systems without any,
        and those within a larger one of them, are left out.
    """
    seen = {formula_of(counts_of(text)) for text in formulas}
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
