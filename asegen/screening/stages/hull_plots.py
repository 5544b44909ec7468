"""Plots of hulls as plain numbers, written by the stage `hull` and drawn by the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from asegen.parallel.files import write_text

HULLS, DFT_HULLS = "hulls.json", "hulls_dft.json"
"""Files of a screening's folder with them: by the potential, and by the DFT that was read back."""


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


def write_plots(path: Path, plots: Sequence[HullPlot]) -> None:
    """Writes plots as JSON, whole or not at all."""
    write_text(path, json.dumps([asdict(plot) for plot in plots]))


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
