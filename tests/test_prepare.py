"""Entries in worker processes: order kept, faults contained."""

import os
import signal
import time

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from asegen import prepare as module
from asegen.prepare import Prepared, Refused, prepare, prepare_all
from asegen.structure_files import OTHER, Entry

SILICON = bulk("Si")


def entry(row: int, content: object = SILICON) -> Entry:
    return Entry(row, f"id-{row}", content, OTHER, {"gap": "1.5", "name": "Si"})


class Crash:
    """Ends the process that unpickles it, as a crash in native code would."""

    def __reduce__(self):
        return os._exit, (1,)


def test_a_crystal_becomes_arrays():
    outcome = prepare(entry(3), None)
    assert isinstance(outcome, Prepared)
    assert (outcome.row, outcome.id) == (3, "id-3")
    assert outcome.cell.shape == (3, 3) and outcome.scaled_positions.shape == (2, 3)
    assert outcome.numbers.tolist() == [14, 14] and outcome.values == {"gap": 1.5, "name": None}


@pytest.mark.parametrize(
    ("content", "max_atoms", "reason"),
    [
        (SILICON.repeat(2), 15, "too many atoms"),
        (Atoms("Si", [[0, 0, np.nan]], cell=[3, 3, 3], pbc=True), None, "non-finite"),
        (Atoms("Si2", cell=[3, 3, 3], pbc=True), None, "overlapping"),
        (None, None, "unreadable"),
    ],
)
def test_what_is_no_crystal_has_a_reason(content, max_atoms, reason):
    outcome = prepare(entry(1, content), max_atoms)
    assert isinstance(outcome, Refused) and outcome.reason.startswith(reason) and "\n" not in outcome.reason


def test_a_crash_costs_one_row_and_the_order_is_kept():
    entries = [entry(row) for row in range(150)]
    entries[70] = entry(70, Crash())
    outcomes = list(prepare_all(entries, None, 2))
    assert [outcome.row for outcome in outcomes] == list(range(150))
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    assert len(refused) == 1 and refused[0].row == 70 and refused[0].reason.startswith("crashed")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers on this system")
def test_time_limit(monkeypatch):
    def forever(entry: Entry) -> None:
        try:
            while True:
                time.sleep(0.01)
        except Exception:  # as readers do
            pass

    monkeypatch.setattr(module, "TIME_LIMIT", 0.1)
    monkeypatch.setattr(module, "read_entry", forever)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGALRM)}
    try:
        module._start_worker()
        (outcome,) = module._prepare_chunk([entry(0)], None)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert isinstance(outcome, Refused) and outcome.reason.startswith("time limit")
