"""What passes between the ledger, the pipeline and the stages: entries, pieces of work, candidates, outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ase import Atoms

from asegen.screening.ledger import OK


@dataclass(frozen=True)
class Input:
    """An entry of a file, as it goes into the ledger: what `asegen.structures.reading.Entry` holds, as text."""

    source: str
    row: int
    name: str
    format: str
    content: str


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
        found: what was found so far, JSON values.
        atoms: the crystal as the last stage left it; None before it has been read.
    """

    key: int
    status: str
    found: Mapping[str, Any]
    atoms: Atoms | None


@dataclass(frozen=True)
class Outcome:
    """What a stage says of one input.

    Attributes:
        status: `ok` or `unconverged`, and it goes on; or how it ends.
        reason: one line, empty for `ok`.
        found: values for `Result`, JSON; `notes` (a list) and `artifacts` (kind -> path) are added to earlier ones.
        atoms: the crystal, where the stage changed it.
    """

    status: str = OK
    reason: str = ""
    found: Mapping[str, Any] = field(default_factory=dict)
    atoms: Atoms | None = None
