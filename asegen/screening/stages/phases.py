"""Phases: compositions with their energies, which a hull is made of."""

from __future__ import annotations

from dataclasses import dataclass

ELEMENT, COMPETING, KNOWN, CANDIDATE = "element", "competing", "known", "candidate"
"""Kinds of phases: elements, those that a user adds, those of the shipped hull, and the candidates."""


@dataclass(frozen=True)
class Phase:
    """A composition with its energy.

    Attributes:
        id: unique among the phases of a hull.
        formula: such as "NaCl" or "Na4Cl4".
        energy: eV/atom, finite.
        energy_scale: label; see `asegen.potentials.engine.Engine`.
        kind: `ELEMENT`, `COMPETING`, `KNOWN` or `CANDIDATE`.
        shapes: whether the hull runs through it where it is low enough; False for one whose energy isn't to be trusted
            (an unconverged relaxation), which is placed all the same.
    """

    id: str
    formula: str
    energy: float
    energy_scale: str
    kind: str = COMPETING
    shapes: bool = True
