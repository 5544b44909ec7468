"""Energies above the convex hull, with what a plot of each hull needs.

Energies are float64, eV per atom, and carry a label of their scale: a hull is made of one scale alone. CHGNet's
energies contain the Materials Project's corrections (see `asegen.potentials.engine.MP2020`); none are added.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition, Element

from asegen.errors import Reason
from asegen.screening.stages.hull_plots import HullPlot, PlottedPhase
from asegen.screening.stages.phases import CANDIDATE, Phase

_ROUNDING = 1e-9  # eV/atom; what a phase on the hull may be off by rounding
_NO_SHARE = 1e-6
_MOST_PLOTTED = 400  # phases of one plot: those nearest to the hull


@dataclass(frozen=True)
class Placement:
    """Where a candidate lies.

    Attributes:
        e_hull: eV/atom above the hull of the known phases and all candidates that shape it; negative only for one that
            doesn't. None where there is no such hull.
        e_known: eV/atom above the hull of the known phases alone: negative for one that beats them.
        formation_energy: eV/atom, relative to the lowest phases of its elements.
        decomposes_into: the phases below it with their shares of the atoms, candidates with their ids, such as
            "0.50 Na + 0.50 NaCl (c000001)"; empty for one that is itself the lowest.
        reason: why e_hull is None.
    """

    e_hull: float | None = None
    e_known: float | None = None
    formation_energy: float | None = None
    decomposes_into: str = ""
    reason: Reason | None = None


def place(
    candidates: Sequence[Phase],
    known: Iterable[Phase],
    missing: Mapping[str, str] | None = None,
    fixed_elements: bool = False,
) -> tuple[list[Placement], list[HullPlot]]:
    """Energies above the hull of all candidates at once.

    A candidate whose elements have no reference, or whose system mixes energy scales, gets no energy but a reason; the
    others don't suffer from it.

    Args:
        candidates: of any chemical systems.
        known: elements and competing phases.
        missing: symbol -> why an element has no reference.
        fixed_elements: candidates that are elements compete with each other alone: compounds are measured against the
            known elements.

    Returns:
        A placement for each candidate, in order, and a plot for each chemical system of two and more elements.
    """
    missing = missing or {}
    fixed = _by_system(known)
    shaping = _by_system(candidate for candidate in candidates if candidate.shapes)
    placements: list[Placement] = [Placement()] * len(candidates)
    plots = []
    systems: defaultdict[frozenset[str], list[int]] = defaultdict(list)
    for k, candidate in enumerate(candidates):
        systems[_elements(candidate)].append(k)
    for system in sorted(systems, key=sorted):
        inside, beside = _within(system, fixed), _within(system, shaping)
        if fixed_elements and len(system) > 1:
            beside = [phase for phase in beside if not _is_element(phase)]
        here = [candidates[k] for k in systems[system]]
        if reason := _obstacle(system, [*inside, *beside, *here], missing):
            for k in systems[system]:
                placements[k] = Placement(reason=reason)
            continue
        elements = [Element(symbol) for symbol in sorted(system)]
        of_known = PhaseDiagram([_entry(phase) for phase in inside], elements)
        whole = PhaseDiagram([_entry(phase) for phase in [*inside, *beside]], elements)
        for k in systems[system]:
            placements[k] = _place(candidates[k], of_known, whole)
        if len(system) > 1:
            plots.append(_plot([*inside, *beside, *(phase for phase in here if not phase.shapes)], whole))
    return placements, plots


def _elements(phase: Phase) -> frozenset[str]:
    return frozenset(element.symbol for element in Composition(phase.formula).elements)


def _by_system(phases: Iterable[Phase]) -> dict[frozenset[str], list[Phase]]:
    found: defaultdict[frozenset[str], list[Phase]] = defaultdict(list)
    for phase in phases:
        found[_elements(phase)].append(phase)
    return found


def _within(system: frozenset[str], phases: Mapping[frozenset[str], list[Phase]]) -> list[Phase]:
    """The phases made of a system's elements alone."""
    parts = (frozenset(part) for size in range(1, len(system) + 1) for part in combinations(sorted(system), size))
    return [phase for part in parts for phase in phases.get(part, [])]


def _obstacle(system: frozenset[str], phases: Sequence[Phase], missing: Mapping[str, str]) -> Reason | None:
    """Why a system has no hull, or None."""
    terminals = {next(iter(_elements(phase))) for phase in phases if phase.kind != CANDIDATE and _is_element(phase)}
    if without := sorted(system - terminals):
        reasons = [missing.get(symbol, f"no reference phase of {symbol}") for symbol in without]
        return Reason("missing reference", "; ".join(reasons))
    scales = sorted({phase.energy_scale for phase in phases})
    return Reason("mixed energy scales", ", ".join(scales)) if len(scales) > 1 else None


def _is_element(phase: Phase) -> bool:
    return len(_elements(phase)) == 1


def _entry(phase: Phase) -> PDEntry:
    composition = Composition(phase.formula)
    return PDEntry(composition, float(phase.energy) * composition.num_atoms, name=phase.id, attribute=phase.kind)


def _place(candidate: Phase, of_known: PhaseDiagram, whole: PhaseDiagram) -> Placement:
    entry = _entry(candidate)
    parts, above = whole.get_decomp_and_e_above_hull(entry, allow_negative=True)
    _, above_known = of_known.get_decomp_and_e_above_hull(entry, allow_negative=True, check_stable=False)
    assert parts is not None and above is not None and above_known is not None  # on_error="raise"
    some = [(share, part) for part, share in parts.items() if share > _NO_SHARE and isinstance(part, PDEntry)]
    shares = sorted(((share, _told(part)) for share, part in some), reverse=True)
    names = [part.name for _, part in some]
    return Placement(
        e_hull=_rounded(above),
        e_known=_rounded(above_known),
        formation_energy=float(whole.get_form_energy_per_atom(entry)),
        decomposes_into="" if names == [candidate.id] else " + ".join(f"{share:.2f} {name}" for share, name in shares),
    )


def _told(entry: PDEntry) -> str:
    """A phase by its formula, a candidate by its id too."""
    formula = entry.composition.reduced_formula
    return f"{formula} ({entry.name})" if entry.attribute == CANDIDATE else formula


def _rounded(energy: float) -> float:
    return 0.0 if abs(energy) < _ROUNDING else float(energy)


def _plot(phases: Sequence[Phase], whole: PhaseDiagram) -> HullPlot:
    shown = []
    for phase in phases:
        entry = _entry(phase)
        _, above = whole.get_decomp_and_e_above_hull(entry, allow_negative=True)
        assert above is not None  # on_error="raise"
        fractions = tuple(entry.composition.get_atomic_fraction(element) for element in whole.elements)
        energy = float(whole.get_form_energy_per_atom(entry))
        formula = entry.composition.reduced_formula
        shown.append(PlottedPhase(phase.id, formula, phase.kind, fractions, energy, _rounded(above)))
    shown = sorted(shown, key=lambda phase: phase.e_hull)[:_MOST_PLOTTED]
    elements = tuple(element.symbol for element in whole.elements)
    plot = HullPlot(elements, phases[0].energy_scale, tuple(shown), ())
    return plot if len(elements) > 3 else replace(plot, tie_lines=_tie_lines(shown, whole))


def _tie_lines(shown: Sequence[PlottedPhase], whole: PhaseDiagram) -> tuple[tuple[int, int], ...]:
    index: dict[str, int] = {}
    for k, phase in enumerate(shown):
        index.setdefault(phase.id, k)
    lines = set()
    for facet in whole.facets:
        names = [whole.qhull_entries[vertex].name for vertex in facet]
        for one, other in combinations(sorted(index[name] for name in names if name in index), 2):
            lines.add((one, other))
    return tuple(sorted(lines))
