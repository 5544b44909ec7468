"""Work on many structures in worker processes, where none can hold up or end the run."""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from typing import IO, NamedTuple, TypeVar

from asegen.errors import AsegenError
from asegen.parallel.pool import OutOfTime, time_limit, worker_pool

Item = TypeVar("Item")
Result = TypeVar("Result")

_CHUNK = 16
_WORTH_A_WORKER = 64
"""Items. A fresh process spends seconds on imports."""
_PATIENCE, _GRACE = 10.0, 5.0
"""A process that native code holds up ends itself after so many times the time limit, by the clock, and seconds."""
_DEATHS = 20
"""So many items may cost their process its life; with more of them, the machine is to blame."""


class Failed(NamedTuple):
    """Stands for a result that there is none of.

    Attributes:
        reason: that of `TOO_LONG` or `DIED`, or the error.
    """

    reason: str


TOO_LONG, DIED = Failed("too long"), Failed("process died")


def timed_map(
    function: Callable[[Item], Result], items: Sequence[Item], jobs: int, seconds: float
) -> Iterator[Result | Failed]:
    """A function of each item, in order, in worker processes.

    A timer interrupts Python code; what hangs or crashes inside native code, or is killed for memory, costs its worker
    process, and the items in question are then tried again one by one to find the one at fault.

    Args:
        function: of a module, so that processes can find it.
        items: any number.
        jobs: worker processes; the result does not depend on it.
        seconds: of processor time for one item.

    Raises:
        AsegenError: worker processes cannot be started, or die again and again.
    """
    chunks = [items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK)]
    futures: dict[int, Future[list[Result | Failed]]] = {}
    pool: ProcessPoolExecutor | None = None
    deaths = 0
    try:
        for k, chunk in enumerate(chunks):
            try:
                if pool is None:
                    pool = worker_pool(min(jobs, -(-len(items) // _WORTH_A_WORKER)))
                    # A result from before the last pool broke is kept.
                    for m in range(k, len(chunks)):
                        if m not in futures or futures[m].exception():
                            futures[m] = pool.submit(_chunk, function, chunks[m], seconds)
                found = futures.pop(k).result()
            except BrokenProcessPool:
                if pool is not None:
                    pool.shutdown()
                pool = None
                futures.pop(k, None)
                found = _one_by_one(function, chunk, seconds)
                deaths += sum(result is DIED for result in found)
                if deaths > _DEATHS:
                    raise AsegenError("worker processes die again and again, perhaps for memory: try fewer") from None
            yield from found
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)


def _one_by_one(function: Callable[[Item], Result], items: Sequence[Item], seconds: float) -> list[Result | Failed]:
    found: list[Result | Failed] = []
    while len(found) < len(items):
        pool = worker_pool(1)
        try:
            for item in items[len(found) :]:
                found += pool.submit(_chunk, function, [item], seconds).result()
        except BrokenProcessPool:
            found.append(DIED)
        finally:
            pool.shutdown()
    return found


def _chunk(function: Callable[[Item], Result], items: Sequence[Item], seconds: float) -> list[Result | Failed]:
    return [_one(function, item, seconds) for item in items]


def _one(function: Callable[[Item], Result], item: Item, seconds: float) -> Result | Failed:
    # No Python runs while native code holds the interpreter, but this timer's own thread needs none.
    faulthandler.dump_traceback_later(_PATIENCE * seconds + _GRACE, exit=True, file=_nowhere())
    try:
        with time_limit(seconds, processor=True):  # a busy machine changes no figure
            return function(item)
    except OutOfTime:
        return TOO_LONG
    except Exception as error:  # one odd structure must not cost the others their figures
        return Failed(f"{type(error).__name__}: {error}")
    finally:
        faulthandler.cancel_dump_traceback_later()


@cache
def _nowhere() -> IO[str]:
    return open(os.devnull, "w")
