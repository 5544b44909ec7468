"""Work on many structures in worker processes, where none can hold up or end the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple, TypeVar

from asegen.errors import AsegenError
from asegen.workers import OutOfTime, time_limit, worker_pool

Item = TypeVar("Item")
Result = TypeVar("Result")

_CHUNK = 16


class Failed(NamedTuple):
    """Stands for a result that there is none of.

    Attributes:
        reason: `too long`, or the error.
    """

    reason: str


def timed_map(
    function: Callable[[Item], Result], items: Sequence[Item], jobs: int, seconds: float
) -> Iterator[Result | Failed]:
    """A function of each item, in order, in worker processes.

    Args:
        function: of a module, so that processes can find it.
        items: any number.
        jobs: worker processes; the result does not depend on it.
        seconds: for one item.

    Raises:
        AsegenError: worker processes cannot be started, or one was killed.
    """
    if not items:
        return
    pool = worker_pool(min(jobs, -(-len(items) // _CHUNK)))
    try:
        for future in [pool.submit(_chunk, function, chunk, seconds) for chunk in _chunks(items)]:
            yield from future.result()
    except BrokenProcessPool:
        raise AsegenError("a worker process was killed, perhaps for memory: try fewer jobs") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]


def _chunk(function: Callable[[Item], Result], items: Sequence[Item], seconds: float) -> list[Result | Failed]:
    return [_one(function, item, seconds) for item in items]


def _one(function: Callable[[Item], Result], item: Item, seconds: float) -> Result | Failed:
    try:
        with time_limit(seconds):
            return function(item)
    except OutOfTime:
        return Failed("too long")
    except Exception as error:  # one odd structure must not cost the others their figures
        return Failed(f"{type(error).__name__}: {error}")
