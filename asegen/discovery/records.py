"""What became of every composition that was proposed."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from asegen.discovery.cells import Cell

KEPT = "kept"
NOT_DRAWN, INVALID, HIGH, KNOWN, OFF_TARGET, FAILED, UNSTABLE, CROWDED, LATE = (
    "not drawn",
    "invalid",
    "predicted unstable",
    "not new",
    "off target",
    "no energy",
    "unstable",
    "too many alike",
    "not needed",
)
FATES = (NOT_DRAWN, INVALID, HIGH, KNOWN, OFF_TARGET, FAILED, UNSTABLE, CROWDED, LATE, KEPT)
"""What can become of a composition, in the order in which it is decided."""

_COLUMNS = ("number", "round", "formula", "parent", "fate", "reason")
VALUES = (
    "e_hull_predicted",
    "e_hull",
    "novelty",
    "known_composition",
    "prototype",
    "prototype_distance",
    "prototype_rms",
    "target_probability",
    "target_distance",
)
"""What is recorded of the best structure of a composition, as far as it is known."""


@dataclass(frozen=True)
class Record:
    """A composition that was proposed.

    Attributes:
        number: of the run's proposals, from 0.
        round: of the run, from 0.
        cell: its atoms.
        formula: the cell's.
        parent: formula of the known crystal that it was made of.
        fate: one of `FATES`.
        reason: one line; empty if it was kept.
        values: of `VALUES`.
    """

    number: int
    round: int
    cell: Cell
    formula: str
    parent: str
    fate: str
    reason: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain types."""
        return asdict(self) | {"cell": list(self.cell)}

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> Record:
        """The record that `as_json` gave.

        Raises:
            TypeError: it isn't one.
        """
        group, numbers, counts = plain["cell"]
        return Record(**{**plain, "cell": Cell(group, tuple(numbers), tuple(counts))})


def funnel(records: Iterable[Record]) -> list[tuple[str, int]]:
    """How many proposals met each fate, in the order of `FATES`; the sum is the number of proposals."""
    count = Counter(record.fate for record in records)
    return [(fate, count[fate]) for fate in FATES]


def nearest_miss(records: Iterable[Record]) -> str:
    """Formula and properties of what came nearest to the targets, of all off target; empty where nothing was."""
    missed = [record for record in records if record.fate == OFF_TARGET]
    if not missed:
        return ""
    nearest = min(missed, key=lambda record: float(record.values.get("target_distance", math.inf)))
    return f"{nearest.formula} has {nearest.reason}"


def as_csv(records: Sequence[Record]) -> str:
    """A table with a row for each proposal."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*_COLUMNS, *VALUES])
    for record in records:
        own = [getattr(record, name) for name in _COLUMNS]
        table.writerow([*own, *(record.values.get(name, "") for name in VALUES)])
    return text.getvalue()
