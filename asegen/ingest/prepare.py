"""Entries of files made ready for the shards in worker processes: each ends as a crystal or as a reason why not.

Nothing here imports torch, so that the worker processes start quickly.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asegen.parallel.pool import OutOfTime, time_limit, worker_pool
from asegen.structures.cif import NOTE, StructureError
from asegen.structures.reading import Entry, number, read_entry, site_columns
from asegen.structures.validity import Floats, check_atoms, niggli_reduce

TIME_LIMIT = 60.0
"""Seconds that one structure may take to read and check."""
_CHUNK = 64
_CHUNKS_PER_JOB = 4


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
        columns = {str(key): number(value) for key, value in values.items()}
        note = atoms.info.get(NOTE)
        numbers, sites = atoms.numbers.astype(np.int16), site_columns(atoms)
        return Prepared(entry.row, name, cell, positions, numbers, columns, note, sites)
    except StructureError as error:
        return Refused(entry.row, entry.id, str(error))
    except OutOfTime:
        return Refused(entry.row, entry.id, f"time limit: more than {TIME_LIMIT:g} s")
    except Exception as error:  # a malformed row is a record, never the end of the run
        return Refused(entry.row, entry.id, f"unreadable: {type(error).__name__}: {str(error)[:120]!r}")


def prepare_all(entries: Iterable[Entry], max_atoms: int | None, jobs: int) -> Iterator[Outcome]:
    """Prepares entries in worker processes; the outcomes come in the order of the entries, whatever `jobs` is.

    An entry that takes its worker down (a crash in native code, the system's out-of-memory killer) is found by trying
    its neighbours alone, and refused; the others are done again.

    Raises:
        AsegenError: worker processes cannot be started at all.
    """
    chunks = _chunks(entries)
    pending: deque[tuple[list[Entry], Future[list[Outcome]]]] = deque()
    pool = worker_pool(jobs)
    try:
        while True:
            for chunk in itertools.islice(chunks, _CHUNKS_PER_JOB * jobs - len(pending)):
                pending.append((chunk, _submit(pool, chunk, max_atoms)))
            if not pending:
                return
            chunk, future = pending.popleft()
            try:
                outcomes = future.result()
            except BrokenProcessPool:
                pool.shutdown(cancel_futures=True)
                outcomes = _one_by_one(chunk, max_atoms)
                pool = worker_pool(jobs)
                pending = deque((other, _submit(pool, other, max_atoms)) for other, _ in pending)
            yield from outcomes
    finally:
        pool.shutdown(cancel_futures=True)


def _chunks(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    iterator = iter(entries)
    while chunk := list(itertools.islice(iterator, _CHUNK)):
        yield chunk


def _submit(pool: ProcessPoolExecutor, chunk: list[Entry], max_atoms: int | None) -> Future[list[Outcome]]:
    try:
        return pool.submit(_prepare_chunk, chunk, max_atoms)
    except BrokenProcessPool as error:  # broken since the last result was taken; met again where results are taken
        failed: Future[list[Outcome]] = Future()
        failed.set_exception(error)
        return failed


def _one_by_one(chunk: Sequence[Entry], max_atoms: int | None) -> list[Outcome]:
    outcomes: list[Outcome] = []
    pool = worker_pool(1)
    try:
        for entry in chunk:
            try:
                outcomes += pool.submit(_prepare_chunk, [entry], max_atoms).result()
            except BrokenProcessPool:
                outcomes.append(Refused(entry.row, entry.id, "crashed: reading it ended the process"))
                pool.shutdown()
                pool = worker_pool(1)
    finally:
        pool.shutdown()
    return outcomes


def _prepare_chunk(chunk: Sequence[Entry], max_atoms: int | None) -> list[Outcome]:
    return [_prepare_in_time(entry, max_atoms) for entry in chunk]


def _prepare_in_time(entry: Entry, max_atoms: int | None) -> Outcome:
    with time_limit(TIME_LIMIT):
        return prepare(entry, max_atoms)
