"""What passes between the ledger, the pipeline and the stages: entries, pieces of work, candidates, outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ase import Atoms

from asegen.errors import InputError, Reason

OK, UNCONVERGED = "ok", "unconverged"
"""Statuses of candidates that are ranked, apart from each other: relaxed, or stopped at the step limit."""
REJECTED, UNSUPPORTED, DUPLICATE, FAILED, QUARANTINED = "rejected", "unsupported", "duplicate", "failed", "quarantined"
"""Statuses that end a candidate: no crystal, nothing for the calculator, another candidate's copy, a calculation that
went wrong, and work that took its worker process down again and again."""
OFF_TARGET = "off target"
"""The status of a candidate that lacks a property that was asked for."""
PENDING = "pending"
"""The status of a candidate whose stages aren't all done."""
RANKED = (OK, UNCONVERGED)
STATUSES = (OK, UNCONVERGED, OFF_TARGET, DUPLICATE, REJECTED, UNSUPPORTED, FAILED, QUARANTINED, PENDING)

AT_HAND = "structures"
"""`Input.source` of structures that came as Atoms."""


def candidate_id(key: int) -> str:
    """The id of a row of the ledger's table of inputs, such as "c000077": text that nothing takes for a number."""
    return f"c{key:06d}"


def candidate_key(id: str) -> int:
    """The row that `candidate_id` named.

    Raises:
        InputError: no such id.
    """
    if not id[1:].isdecimal() or id != candidate_id(int(id[1:])):
        raise InputError(f"{id!r:.60} is no id of a candidate, such as {candidate_id(1)}")
    return int(id[1:])


@dataclass(frozen=True)
class Input:
    """An entry of a file, as it goes into the ledger: what `asegen.structures.reading.Entry` holds, as text.

    Attributes:
        source: the file.
        row: place in it, from 0.
        name: the identifier there; empty where it has none.
        format: what `content` is.
        content: the structure, or why there is none.
        info: what stands beside the structure, JSON as `ase.io.jsonio` writes it; that of extxyz is in `content`.
    """

    source: str
    row: int
    name: str
    format: str
    content: str
    info: str = "{}"


@dataclass(frozen=True)
class Unit:
    """A claimed piece of work.

    Attributes:
        stage: whose.
        unit: its key within the stage.
        members: the inputs (rows of the table) that it is about.
    """

    stage: str
    unit: str
    members: tuple[int, ...]


@dataclass(frozen=True)
class Candidate:
    """An input on its way: what the stages so far have left of it.

    Attributes:
        key: its row in the table of inputs.
        status: `ok` or `unconverged`.
        found: what was found so far, JSON values by the names of columns.
        atoms: the crystal as the last stage left it; None before it has been read.
    """

    key: int
    status: str
    found: Mapping[str, Any]
    atoms: Atoms | None

    @property
    def crystal(self) -> Atoms:
        """The atoms of a candidate that has been read."""
        assert self.atoms is not None
        return self.atoms


@dataclass(frozen=True)
class Outcome:
    """What a stage says of one input.

    Attributes:
        status: `ok` or `unconverged`, and it goes on; or how it ends.
        reason: why; None for `ok`.
        found: values of the stage's columns, JSON.
        atoms: the crystal, where the stage changed it.
        notes: what the stage had to decide, one line each; added to earlier ones.
        artifacts: kind -> path relative to the screening's folder; added to earlier ones.
    """

    status: str = OK
    reason: Reason | None = None
    found: Mapping[str, Any] = field(default_factory=dict)
    atoms: Atoms | None = None
    notes: tuple[str, ...] = ()
    artifacts: Mapping[str, str] = field(default_factory=dict)
