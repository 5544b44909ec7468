"""The table with the outcome of every frame of a relaxation, one row each."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from ase import Atoms

from asegen.parallel.cells import csv_cell
from asegen.parallel.files import replacing
from asegen.relaxation.statuses import without_notes
from asegen.structures.frames import Frame, made_of
from asegen.structures.writing import Output

UNREADABLE = "unreadable"
"""The status of a frame, or a whole file, that can't be read."""
LEFT_OUT = (UNREADABLE, "refused", "no cell", "not finite", "failed")
"""Statuses of frames that are in the table alone, not in the output."""
CONSTANTS = ("a", "b", "c", "alpha", "beta", "gamma")
"""Columns of lattice constants: Å, degrees."""
_HEAD = ("source", "row", "id", "status", "reason", "steps")


class Record(Protocol):
    """What became of one structure; see `asegen.calculators.learned_relaxation.Relaxation`."""

    @property
    def atoms(self) -> Atoms:
        """The structure, moved; empty where it couldn't be read."""
        ...

    @property
    def status(self) -> str:
        """How the relaxation ended."""
        ...

    @property
    def reason(self) -> str:
        """One line; empty if it converged."""
        ...

    @property
    def steps(self) -> int:
        """Steps made."""
        ...


class Row(NamedTuple):
    """What the table says of a frame.

    Attributes:
        source: its file.
        row: its place there.
        id: its name.
        status: how its relaxation ended.
        reason: one line.
        steps: made.
        measures: numbers by column, as text; empty where one isn't known.
        formula: of the structure.
        after: a, b, c in Å, α, β, γ in degrees, of the cell as the output has it; empty texts where it has none.
        before: likewise of the input.
    """

    source: str
    row: int
    id: str
    status: str
    reason: str
    steps: int
    measures: Mapping[str, str]
    formula: str
    after: tuple[str, ...]
    before: tuple[str, ...]

    @property
    def is_left_out(self) -> bool:
        """Whether the frame is in the table alone."""
        return self.status in LEFT_OUT


def row_of(frame: Frame, record: Record, measures: Mapping[str, float]) -> Row:
    """The row of a frame.

    Args:
        frame: as it was read.
        record: what became of it; without atoms where it couldn't be read.
        measures: numbers by column; NaN where one isn't known.
    """
    texts = {name: f"{value:.6f}" if math.isfinite(value) else "" for name, value in measures.items()}
    formula = record.atoms.get_chemical_formula("metal")
    about = (frame.source, frame.row, frame.id, record.status, record.reason, record.steps)
    return Row(*about, texts, formula, _constants(record, record.atoms), _constants(record, frame.atoms))


def line_of(row: Row) -> str:
    """How a frame ended, in one line."""
    return f"{row.source}, frame {row.row} ({row.id}): {row.status}: {row.reason}"


def _constants(record: Record, atoms: object) -> tuple[str, ...]:
    if record.status in LEFT_OUT or not isinstance(atoms, Atoms):
        return ("",) * len(CONSTANTS)
    lengths, angles = atoms.cell.lengths(), atoms.cell.angles()
    return (*(f"{length:.4f}" for length in lengths), *(f"{angle:.2f}" for angle in angles))


def marked(record: Record, frame: Frame) -> Output:
    """The relaxed atoms as the output holds them: what stood beside the frame, its file and place go along.

    Args:
        record: of the frame.
        frame: as it was read.
    """
    atoms = record.atoms
    atoms.info = {**without_notes(frame.info), **atoms.info, "relax_source": frame.source, "relax_row": frame.row}
    return made_of(frame, atoms)


def write_table(rows: Sequence[Row], place: Path) -> None:
    """Writes all rows as CSV, at once.

    Args:
        rows: with the same measures each.
        place: of the file; what is there is replaced.

    Raises:
        OSError: the place can't be written.
    """
    measures = list(rows[0].measures) if rows else []
    with replacing(place) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*_HEAD, *measures, "formula", *CONSTANTS, *(f"{name}_before" for name in CONSTANTS)])
        for row in rows:
            about = [csv_cell(value) for value in row[: len(_HEAD)]]
            numbers = [row.measures[name] for name in measures]  # of which a minus sign makes no formula
            writer.writerow([*about, *numbers, csv_cell(row.formula), *row.after, *row.before])


def why_unreadable(error: str) -> str:
    """Why a frame can't be read, without the word that its status is."""
    return error.removeprefix(f"{UNREADABLE}: ")
