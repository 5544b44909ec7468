"""Entries of files made ready for the shards in worker processes: each ends as a crystal or as a reason why not.

Nothing here imports torch, so that the worker processes start quickly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import tee
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asegen.parallel.timed_map import DIED, TOO_LONG, Failed, timed_map
from asegen.structures.errors import StructureError
from asegen.structures.fields import NOTE
from asegen.structures.reading import Entry, read_entry, site_columns
from asegen.structures.tables import number
from asegen.structures.validity import Floats, check_atoms, niggli_reduce

TIME_LIMIT = 60.0
"""Seconds of processor time that one structure may take to read and check."""
_TRUTHS = {"true": 1.0, "false": 0.0}
"""How tables write booleans, in any case."""


class Prepared(NamedTuple):
    """One crystal ready for the shards: Niggli-reduced, right-handed, wrapped."""

    row: int
    id: str
    cell: Floats  # (3, 3), Å
    scaled_positions: Floats  # (n_atoms, 3)
    numbers: NDArray[np.int16]  # (n_atoms,)
    values: dict[str, float | None]  # NaN: nothing there; None: not a number
    note: str | None  # what the reader had to decide
    site_values: dict[str, Floats]  # (n_atoms,) each


class Refused(NamedTuple):
    """One entry that is no crystal: `reason` is one line `kind: detail`."""

    row: int
    id: str
    reason: str


Outcome = Prepared | Refused


def prepare(entry: Entry, max_atoms: int | None) -> Outcome:
    """Reads, checks and reduces one entry; never raises for what is wrong with it."""
    try:
        name, atoms, values = read_entry(entry)
        if max_atoms is not None and len(atoms) > max_atoms:
            raise StructureError(f"too many atoms: {len(atoms)}, more than {max_atoms}")
        if (reason := check_atoms(atoms)) is not None:
            raise StructureError(str(reason))
        cell, positions = niggli_reduce(atoms.cell.array, atoms.cell.scaled_positions(atoms.positions))
        columns = {str(key): _target(value) for key, value in values.items()}
        note = atoms.info.get(NOTE)
        numbers, sites = atoms.numbers.astype(np.int16), site_columns(atoms)
        return Prepared(entry.row, name, cell, positions, numbers, columns, note, sites)
    except StructureError as error:
        return Refused(entry.row, entry.id, str(error))
    except Exception as error:  # a malformed row is a record, never the end of the run
        return Refused(entry.row, entry.id, f"unreadable: {type(error).__name__}: {str(error)[:120]!r}")


def _target(value: object) -> float | None:
    """A value as `number` reads it; true and false, such as whether a crystal is a metal, are 1 and 0."""
    if isinstance(value, bool | np.bool_):
        return float(value)
    truth = _TRUTHS.get(value.strip().lower()) if isinstance(value, str) else None
    return number(value) if truth is None else truth


def prepare_all(entries: Iterable[Entry], max_atoms: int | None, jobs: int) -> Iterator[Outcome]:
    """Prepares entries in worker processes; the outcomes come in the order of the entries, whatever `jobs` is.

    An entry that takes its worker down (a crash in native code, the system's out-of-memory killer) is refused; the
    others are done all the same.

    Raises:
        AsegenError: worker processes cannot be started, or die again and again.
    """
    work, owners = tee(entries)
    outcomes = timed_map(partial(prepare, max_atoms=max_atoms), work, jobs, TIME_LIMIT)
    for outcome, entry in zip(outcomes, owners, strict=True):
        yield _refused(entry, outcome) if isinstance(outcome, Failed) else outcome


def _refused(entry: Entry, failure: Failed) -> Refused:
    if failure == TOO_LONG:
        return Refused(entry.row, entry.id, f"time limit: more than {TIME_LIMIT:g} s")
    if failure == DIED:
        return Refused(entry.row, entry.id, "crashed: reading it ended the process")
    return Refused(entry.row, entry.id, f"unreadable: {failure.reason[:150]!r}")
