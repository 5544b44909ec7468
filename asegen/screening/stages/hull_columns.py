"""What a hull says of a candidate, as columns."""

from __future__ import annotations

from asegen.screening.columns import Column, Shown
from asegen.screening.stages.shared import ENERGY_SCALE
from asegen.screening.stages.verdicts import VERDICTS

COLUMNS = (
    Column(
        "formation_energy",
        "relative to the elements: with the shipped hull their fitted energies, else relaxed crystals of them",
        "number",
        "eV/atom",
        "energy",
        tile=Shown(30, "Formation"),
    ),
    Column(
        "e_hull",
        "energy above the hull of the known phases and of all candidates",
        "number",
        "eV/atom",
        "energy",
        table=Shown(40, "above hull"),
        page=Shown(40, "E above hull"),
        tile=Shown(10, "E above hull"),
    ),
    Column(
        "e_known",
        "energy above the hull of the known phases alone; negative for one that beats them",
        "number",
        "eV/atom",
        "energy",
        tile=Shown(20, "E above known"),
    ),
    Column(
        "e_hull_error",
        "mean error of the potential's formation energies, and so of e_hull; nothing without the shipped hull",
        "number",
        "eV/atom",
        "energy",
    ),
    Column(
        "hull_verdict",
        "what e_hull says, within twice its error; without the shipped hull it speaks of these candidates alone",
        section="energy",
        table=Shown(45, "verdict"),
        page=Shown(45, "Verdict"),
        words=VERDICTS,
        optional=True,
    ),
    Column(
        "decomposes_into",
        "the phases below it, with their shares of the atoms; candidates among them with their ids",
        section="energy",
    ),
    Column(
        "known_composition",
        "whether a compound of this composition is known to the shipped hull: stable or unstable; nothing: unknown",
        section="energy",
        page=Shown(47, "Known"),
        optional=True,
    ),
    Column(
        "measured_against",
        "the known crystal of this composition, formula and space group, that e_hull is measured against by the same "
        "potential; nothing: the fitted energies of the elements",
        section="energy",
    ),
    Column("e_hull_reason", "why there is no energy above the hull", section="energy", explains="e_hull"),
    ENERGY_SCALE,  # of all of them
)
