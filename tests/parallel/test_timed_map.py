"""Worker processes: order, time limits, failures, and deaths."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from asegen.errors import AsegenError
from asegen.parallel import timed_map as module
from asegen.parallel.processes import Processes
from asegen.parallel.timed_map import DIED, TOO_LONG, Failed, timed_map, timed_unordered


def work(item: int) -> float:
    while item == 3:
        pass
    if item == 5:
        raise ValueError("odd")
    return item / 2


def rows(item: int) -> np.ndarray:
    if item == 1:
        os._exit(1)
    return np.arange(item + 2.0)


def die(item: int) -> int:
    if item in (20, 22):
        os._exit(1)
    return item


def hang(item: int) -> int:
    """Item 1 is deaf to the timer, as native code is."""
    if item == 1:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGPROF])
        time.sleep(600)
    return item


def killed_at_first(path: str) -> str:
    if not Path(path).exists():
        Path(path).touch()
        signal.raise_signal(signal.SIGKILL)
    return path


def killed(item: str) -> None:
    signal.raise_signal(signal.SIGKILL)


def test_one_bad_item_costs_no_other_its_result() -> None:
    expected = [k / 2 for k in range(40)]
    expected[3], expected[5] = TOO_LONG, Failed("ValueError: odd")  # type: ignore[call-overload]
    assert list(timed_map(work, range(40), 2, 0.5)) == expected
    assert list(timed_map(work, [], 2, 0.5)) == []


def test_dead_workers_cost_no_other_its_result() -> None:
    expected = [DIED if k in (20, 22) else k for k in range(60)]
    assert list(timed_map(die, range(60), 2, 5)) == expected


def test_what_hangs_in_native_code_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GRACE", 4.0)
    assert list(timed_map(hang, range(3), 1, 0.1)) == [0, DIED, 2]


def test_an_item_whose_worker_is_killed_from_outside_is_tried_again(tmp_path: Path) -> None:
    items = [str(tmp_path / name) for name in "ab"]
    assert list(timed_map(killed_at_first, items, 1, 5)) == items
    assert list(timed_map(killed, ["a"], 1, 5)) == [DIED]


def test_items_are_taken_as_results_are() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for k in range(1000):
            taken.append(k)
            yield k

    results = timed_map(abs, items(), 1, 5)
    assert [next(results) for _ in range(3)] == [0, 1, 2] and len(taken) < 100
    results.close()


def test_what_cannot_be_sent_is_a_failure() -> None:
    found = list(timed_map(abs, [1, lambda: 0, -2], 1, 5))  # type: ignore[list-item]
    assert found[0] == 1 and found[2] == 2 and "lambda" in found[1].reason  # type: ignore[union-attr]


def test_arrays_beside_the_dead() -> None:
    found = list(timed_map(rows, range(3), 1, 5))
    assert found[1] is DIED and [len(found[0]), len(found[2])] == [2, 4]  # type: ignore[arg-type]


def test_a_machine_where_all_die_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DEATHS", 0)
    with pytest.raises(AsegenError, match="again and again"):
        list(timed_map(die, [20], 1, 5))


def test_unordered_results_have_the_places_of_their_items() -> None:
    expected = {k: k / 2 for k in range(12)} | {3: TOO_LONG, 5: Failed("ValueError: odd")}
    pool = Processes(2)
    try:
        found = list(timed_unordered(work, iter(range(12)), pool, 0.5))
    finally:
        pool.kill()
    assert dict(found) == expected and len(found) == 12
    assert [place for place, _ in found] != sorted(expected)  # others didn't wait for item 3
