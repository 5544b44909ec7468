"""Columns: what stages find for each candidate, declared once and shown everywhere.

A stage lists its columns; results.csv, the values in results.extxyz and results.db, the table in the terminal and the
HTML report follow from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["text", "integer", "number", "flag"]

FIRST = ("formula", "space_group", "hull_verdict", "e_hull", "e_hull_error", "decomposes_into", "novel", "phonons")
"""What decides whether a candidate deserves a look; in results.csv before the sections."""
SECTIONS = ("input", "energy", "symmetry", "relaxation", "copies", "phonons", "properties")
"""Of results.csv, in order, after `FIRST`; columns of other sections follow them."""


@dataclass(frozen=True)
class Shown:
    """How a view shows a column.

    Attributes:
        place: views show columns with a smaller one first; those of the stages here are multiples of 10.
        label: the heading.
        digits: after the decimal point, of numbers.
    """

    place: int
    label: str
    digits: int = 3


@dataclass(frozen=True)
class Column:
    """A value that a stage finds for a candidate; None, or nothing, stands for one that it did not find.

    Attributes:
        name: in results.csv, in `Result`, in the info of results.extxyz and in the report's data.
        meaning: one line.
        kind: of the values: text, integers, numbers, or true and false.
        unit: such as "eV/atom".
        section: of results.csv: one of `SECTIONS`, or any other name.
        table: in the table of the best candidates that `asegen screen` prints; None: not there.
        page: in the table of the report; None: not there.
        tile: among the values beside a candidate's crystal in the report; None: not there.
        style: of the values in the report: "formula" and "space group" are set as such, "badge" is a coloured word,
            "novelty" names the known crystal; plain without one.
        words: the values that a badge can have, in the order in which they are sorted.
        optional: the report's table leaves the column out where no candidate has a value or a reason for having none.
        explains: the column of which this one says why it has no value.
    """

    name: str
    meaning: str
    kind: Kind = "text"
    unit: str = ""
    section: str = ""
    table: Shown | None = None
    page: Shown | None = None
    tile: Shown | None = None
    style: str = ""
    words: tuple[str, ...] = ()
    optional: bool = False
    explains: str = ""


HEAD = (
    Column("id", "unique in the screening; sorts in the order of the inputs, fit for file names"),
    Column("name", "the identifier in the input file; the id where it has none"),
    Column("rank", "from 1, among the candidates of the same status", "integer"),
    Column("rank_in_composition", "from 1, among those of the same status and composition, in any cell", "integer"),
    Column("status", "how far the candidate came"),
    Column("reason", "why no farther, one line"),
)
"""What is known of every input; these columns come first."""
TAIL = (
    Column("stage", "the last stage that said something of it"),
    Column("source", "path of the input file"),
    Column("index", "place in that file, from 0", "integer"),
    Column("notes", "what a stage had to decide, one line each"),
    Column("artifacts", "paths relative to the screening's folder, by kind"),
    Column("seconds", "time of workers spent on it", "number", "s"),
)
"""What is known of every input; these columns come last."""


def merged(declared: Iterable[Sequence[Column]]) -> tuple[Column, ...]:
    """The columns of stages in the order of results.csv, without `HEAD` and `TAIL`.

    Args:
        declared: the columns of each stage, in the order of the stages. One that several stages have stands where the
            last of them has it.
    """
    found: dict[str, Column] = {}
    for columns in declared:
        for column in columns:
            found.pop(column.name, None)
            found[column.name] = column
    own = {column.name for column in (*HEAD, *TAIL)}
    return tuple(sorted((c for name, c in found.items() if name not in own), key=_place))


def _place(column: Column) -> tuple[int, int]:
    first = FIRST.index(column.name) if column.name in FIRST else len(FIRST)
    return first, SECTIONS.index(column.section) if column.section in SECTIONS else len(SECTIONS)


def as_json(columns: Iterable[Column]) -> list[dict[str, Any]]:
    """Columns as JSON values."""
    return [asdict(column) for column in columns]


def from_json(rows: Iterable[Mapping[str, Any]]) -> tuple[Column, ...]:
    """What `as_json` made."""
    return tuple(_column(row) for row in rows)


def _column(row: Mapping[str, Any]) -> Column:
    views = {name: None if row[name] is None else Shown(**row[name]) for name in ("table", "page", "tile")}
    return Column(**{**row, **views, "words": tuple(row["words"])})
