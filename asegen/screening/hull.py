"""Energies above the convex hull, with what a plot of each hull needs.

Energies are float64, eV per atom, and carry a label of their scale: a hull is made of one scale alone. CHGNet's
energies contain the Materials Project's corrections (see `asegen.potentials.engine.MP2020`); none are added.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path

from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition, Element

ELEMENT, COMPETING, CANDIDATE = "element", "competing", "candidate"
"""Kinds of phases."""

_ROUNDING = 1e-9  # eV/atom; what a phase on the hull may be off by rounding
_MOST_PLOTTED = 400  # phases of one plot: those nearest to the hull


@dataclass(frozen=True)
class Phase:
    """A composition with its energy.

    Attributes:
        id: unique among the phases of a hull.
        formula: such as "NaCl" or "Na4Cl4".
        energy: eV/atom, finite.
        energy_scale: label; see `asegen.potentials.engine.Engine`.
        kind: `ELEMENT`, `COMPETING` or `CANDIDATE`.
        shapes: whether the hull runs through it where it is low enough; False for one whose energy isn't to be trusted
            (an unconverged relaxation), which is placed all the same.
    """

    id: str
    formula: str
    energy: float
    energy_scale: str
    kind: str = COMPETING
    shapes: bool = True


@dataclass(frozen=True)
class Placement:
    """Where a candidate lies.

    Attributes:
        e_hull: eV/atom above the hull of the known phases and all candidates that shape it; negative only for one that
            doesn't. None where there is no such hull.
        e_known: eV/atom above the hull of the known phases alone: negative for one that beats them.
        formation_energy: eV/atom, relative to the lowest phases of its elements.
        decomposition: the phases below it with their shares of the atoms, such as "0.50 Na + 0.50 NaCl".
        reason: one line `kind: detail` where e_hull is None.
    """

    e_hull: float | None = None
    e_known: float | None = None
    formation_energy: float | None = None
    decomposition: str = ""
    reason: str = ""


@dataclass(frozen=True)
class PlottedPhase:
    """A phase in a plot: `fractions` of the atoms in the order of the plot's elements, energies in eV/atom."""

    id: str
    formula: str
    kind: str
    fractions: tuple[float, ...]
    formation_energy: float
    e_hull: float


@dataclass(frozen=True)
class HullPlot:
    """What a plot of one chemical system needs.

    Attributes:
        elements: symbols, sorted.
        energy_scale: of all its energies.
        phases: those nearest to the hull first.
        tie_lines: pairs of indices of stable phases that the hull's edges join; empty beyond three elements.
    """

    elements: tuple[str, ...]
    energy_scale: str
    phases: tuple[PlottedPhase, ...]
    tie_lines: tuple[tuple[int, int], ...]


def place(
    candidates: Sequence[Phase], known: Iterable[Phase], missing: Mapping[str, str] | None = None
) -> tuple[list[Placement], list[HullPlot]]:
    """Energies above the hull of all candidates at once.

    A candidate whose elements have no reference, or whose system mixes energy scales, gets no energy but a reason; the
    others don't suffer from it.

    Args:
        candidates: of any chemical systems.
        known: elements and competing phases.
        missing: symbol -> why an element has no reference.

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


def write_plots(path: Path, plots: Sequence[HullPlot]) -> None:
    """Writes plots as JSON, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps([asdict(plot) for plot in plots]))
    os.replace(partial, path)


def read_plots(path: Path) -> list[HullPlot]:
    """What `write_plots` wrote."""
    return [
        HullPlot(
            elements=tuple(table["elements"]),
            energy_scale=table["energy_scale"],
            phases=tuple(PlottedPhase(**(row | {"fractions": tuple(row["fractions"])})) for row in table["phases"]),
            tie_lines=tuple((i, j) for i, j in table["tie_lines"]),
        )
        for table in json.loads(path.read_text())
    ]


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


def _obstacle(system: frozenset[str], phases: Sequence[Phase], missing: Mapping[str, str]) -> str:
    """Why a system has no hull, or nothing."""
    terminals = {next(iter(_elements(phase))) for phase in phases if phase.kind != CANDIDATE and _is_element(phase)}
    if without := sorted(system - terminals):
        reasons = [missing.get(symbol, f"no reference phase of {symbol}") for symbol in without]
        return f"missing reference: {'; '.join(reasons)}"
    scales = sorted({phase.energy_scale for phase in phases})
    return f"mixed energy scales: {', '.join(scales)}" if len(scales) > 1 else ""


def _is_element(phase: Phase) -> bool:
    return len(_elements(phase)) == 1


def _entry(phase: Phase) -> PDEntry:
    composition = Composition(phase.formula)
    return PDEntry(composition, float(phase.energy) * composition.num_atoms, name=phase.id)


def _place(candidate: Phase, of_known: PhaseDiagram, whole: PhaseDiagram) -> Placement:
    entry = _entry(candidate)
    parts, above = whole.get_decomp_and_e_above_hull(entry, allow_negative=True)
    _, above_known = of_known.get_decomp_and_e_above_hull(entry, allow_negative=True, check_stable=False)
    assert parts is not None and above is not None and above_known is not None  # on_error="raise"
    shares = sorted(((share, part.composition.reduced_formula) for part, share in parts.items()), reverse=True)
    return Placement(
        e_hull=_rounded(above),
        e_known=_rounded(above_known),
        formation_energy=float(whole.get_form_energy_per_atom(entry)),
        decomposition=" + ".join(f"{share:.2f} {formula}" for share, formula in shares if share > 1e-6),
    )


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
