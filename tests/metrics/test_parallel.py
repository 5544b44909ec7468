"""Worker processes: order, time limits and failures."""

import time

import pytest

from asegen.errors import AsegenError
from asegen.metrics.parallel import Failed, timed_map


def work(item: int) -> float:
    if item == 3:
        time.sleep(60)
    if item == 5:
        raise ValueError("odd")
    return item / 2


def die(item: int) -> None:
    import os

    os._exit(1)


def test_one_bad_item_costs_no_other_its_result() -> None:
    expected = [k / 2 for k in range(40)]
    expected[3], expected[5] = Failed("too long"), Failed("ValueError: odd")  # type: ignore[call-overload]
    assert list(timed_map(work, range(40), 2, 0.5)) == expected
    assert list(timed_map(work, [], 2, 0.5)) == []


def test_a_killed_worker_is_an_error_not_a_hang() -> None:
    with pytest.raises(AsegenError, match="killed"):
        list(timed_map(die, [1], 1, 5))
