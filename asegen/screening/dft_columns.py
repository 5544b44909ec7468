"""Columns of what is read back from the user's own DFT."""

from __future__ import annotations

from asegen.screening.columns import Column, Shown

FINISHED, UNCONVERGED, UNFINISHED, FAILED, NOT_RUN = "finished", "unconverged", "unfinished", "failed", "not run"
"""Statuses of a candidate's calculations: only those that finished have energies."""

COLUMNS = (
    Column(
        "dft_status",
        "of the calculations read back: finished, unconverged, unfinished, failed, not run; nothing: no folder",
        section="dft",
        page=Shown(80, "DFT"),
        style="badge",
        words=(FINISHED, UNCONVERGED, UNFINISHED, FAILED, NOT_RUN),
        optional=True,
    ),
    Column("dft_reason", "why there is no energy by DFT", section="dft", explains="energy_dft"),
    Column(
        "energy_dft",
        "total energy by DFT, with the corrections of MP2020 where energy_scale_dft says so",
        "number",
        "eV/atom",
        "dft",
        tile=Shown(90, "Energy by DFT", digits=4),
    ),
    Column(
        "e_hull_dft",
        "energy above the hull by DFT: of the Materials Project where the settings are its own, else of what was "
        "computed in the same way",
        "number",
        "eV/atom",
        "dft",
        table=Shown(82, "above hull, DFT"),
        page=Shown(82, "E above hull, DFT"),
        tile=Shown(91, "E above hull, DFT"),
        optional=True,
    ),
    Column("e_hull_dft_reason", "why there is no e_hull_dft", section="dft", explains="e_hull_dft"),
    Column("decomposes_into_dft", "the phases below it by DFT, with their shares of the atoms", section="dft"),
    Column(
        "above_lowest_dft",
        "energy by DFT above the lowest candidate of the same composition",
        "number",
        "eV/atom",
        "dft",
        tile=Shown(92, "Above lowest, DFT"),
        optional=True,
    ),
    Column(
        "rank_dft",
        "from 1, by e_hull_dft",
        "integer",
        section="dft",
        table=Shown(81, "rank, DFT"),
        page=Shown(81, "Rank, DFT"),
        optional=True,
    ),
    Column(
        "energy_scale_dft", "program and settings of energy_dft: only those of the same are compared", section="dft"
    ),
    Column("dft_output", "the file that was read", section="dft"),
)
