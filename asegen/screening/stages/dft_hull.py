"""Energies above the hull by DFT: candidates of one energy scale, against what was computed in the same way.

On the scale of the Materials Project its shipped hull is what they are measured against; on any other the elements and
phases of the same scale that were read back with the candidates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pymatgen.core import Composition

from asegen.hull.elements import element_energies
from asegen.potentials.engine import MP2020
from asegen.potentials.references import ElementReferences
from asegen.screening.stages.hull_plots import HullPlot
from asegen.screening.stages.known_hull import stable_compounds
from asegen.screening.stages.phase_diagram import Placement, place
from asegen.screening.stages.phases import CANDIDATE, COMPETING, ELEMENT, KNOWN, Phase


@dataclass(frozen=True)
class Energy:
    """A finished calculation.

    Attributes:
        formula: such as "NaCl" or "Na4Cl4".
        energy: eV/atom.
        energy_scale: label.
    """

    formula: str
    energy: float
    energy_scale: str


def placed(
    candidates: Mapping[str, Energy], references: Mapping[str, Energy]
) -> tuple[dict[str, Placement], list[HullPlot]]:
    """Where candidates lie, each on its own energy scale.

    Args:
        candidates: by id.
        references: other phases, by name; they shape the hulls of their own scales.

    Returns:
        Placements by id of the candidate, and a plot for each chemical system on each scale.
    """
    found: dict[str, Placement] = {}
    plots: list[HullPlot] = []
    for scale in sorted({energy.energy_scale for energy in candidates.values()}):
        here = {id: energy for id, energy in candidates.items() if energy.energy_scale == scale}
        beside = {name: energy for name, energy in references.items() if energy.energy_scale == scale}
        phases = [_phase(id, energy, CANDIDATE) for id, energy in here.items()]
        known = [_phase(name, energy, COMPETING) for name, energy in beside.items()]
        known += _of_materials_project(here) if scale == MP2020 else _elements_among(here)
        placements, drawn = place(phases, known, fixed_elements=scale == MP2020)
        found |= dict(zip(here, placements, strict=True))
        plots += drawn
    return found, plots


def _phase(id: str, energy: Energy, kind: str) -> Phase:
    return Phase(id, energy.formula, energy.energy, energy.energy_scale, kind)


def _elements_among(candidates: Mapping[str, Energy]) -> list[Phase]:
    """Candidates that are elements, as the ends of the hull."""
    return [
        _phase(f"{id} (element)", energy, ELEMENT)
        for id, energy in candidates.items()
        if len(Composition(energy.formula)) == 1
    ]


def _of_materials_project(candidates: Mapping[str, Energy]) -> list[Phase]:
    elements = ElementReferences(element_energies(), error=0.0)
    systems = {frozenset(Composition(energy.formula).get_el_amt_dict()) for energy in candidates.values()}
    symbols = sorted(frozenset().union(*systems) & set(elements.energies))
    known = {s: Phase(f"{s} (element)", s, elements.energies[s], MP2020, ELEMENT) for s in symbols}
    for system in (system for system in systems if system <= set(symbols)):
        for formula, energy in stable_compounds(system):
            total = energy + elements.per_atom(Composition(formula).get_el_amt_dict())
            known[formula] = Phase(formula, formula, total, MP2020, KNOWN)
    return list(known.values())
