"""A function of each of many items in worker processes, where no item can hold up or end the run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from functools import partial
from itertools import islice
from operator import length_hint
from typing import Any, Generic, NamedTuple, TypeVar

from asegen.errors import AsegenError
from asegen.parallel.limits import OutOfTime, time_limit
from asegen.parallel.processes import Processes, WorkerDied

Item = TypeVar("Item")
Result = TypeVar("Result")

_WORTH_A_WORKER = 64
"""Items. A fresh process spends seconds on imports."""
_AHEAD = 64
"""Items for each worker that are taken before the first result is; they bound what is in memory."""
_PATIENCE, _GRACE = 10.0, 20.0
"""A worker that native code holds up is killed after so many times the time limit, by the clock, and seconds."""
_DEATHS = 20
"""So many items may cost their worker its life; with more of them, the machine is to blame."""
_AGAIN_AND_AGAIN = "worker processes die again and again, perhaps for memory: try fewer"


class Failed(NamedTuple):
    """Stands for a result that there is none of.

    Attributes:
        reason: that of `TOO_LONG` or `DIED`, or the error.
    """

    reason: str


TOO_LONG, DIED = Failed("too long"), Failed("process died")


def timed_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int | Processes, seconds: float
) -> Iterator[Result | Failed]:
    """A function of each item, in order, in worker processes.

    A timer interrupts Python code; what hangs or crashes inside native code, or runs out of memory, costs its worker
    process and nothing else. An item whose worker was killed from outside, as the system does for memory, is tried
    once more.

    Args:
        function: of a module, so that processes can find it.
        items: any number; they are taken as results are.
        workers: how many, or a pool that is open, and stays so; the results do not depend on it. Whatever ends the
            iteration ends workers that it has started.
        seconds: of processor time for one item.

    Yields:
        A result, or `Failed`, for each item.

    Raises:
        AsegenError: worker processes cannot be started, or die again and again.
    """
    if not isinstance(workers, int):
        yield from _mapped(_Timed(function, seconds), iter(items), workers)
        return
    pool = Processes(min(workers, -(-length_hint(items, workers * _WORTH_A_WORKER) // _WORTH_A_WORKER)))
    try:
        yield from _mapped(_Timed(function, seconds), iter(items), pool)
    finally:
        pool.kill()
        pool.shutdown()


def timed_unordered(
    function: Callable[[Item], Result], items: Iterable[Item], pool: Processes, seconds: float
) -> Iterator[tuple[int, Result | Failed]]:
    """`timed_map` whose results come as soon as they are there, each with the place of its item.

    Args:
        function: of a module.
        items: any number; few more are taken than there are workers.
        pool: open, and stays so.
        seconds: of processor time for one item.

    Raises:
        AsegenError: worker processes cannot be started, or die again and again.
    """
    call, numbered = _Timed(function, seconds), enumerate(items)
    pending: dict[Future[Any], tuple[int, Item]] = {}
    deaths = 0
    try:
        while True:
            for place, item in islice(numbered, 2 * pool.jobs - len(pending)):
                pending[pool.submit(call, item)] = place, item
            if not pending:
                return
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                place, item = pending.pop(future)
                result = _result(future, partial(pool.submit, call, item))
                deaths += result is DIED
                if deaths > _DEATHS:
                    raise AsegenError(_AGAIN_AND_AGAIN)
                yield place, result
    finally:
        for future in pending:
            future.cancel()


def _mapped(call: _Timed[Item, Result], items: Iterator[Item], pool: Processes) -> Iterator[Result | Failed]:
    pending: deque[tuple[Item, Future[Any]]] = deque()
    deaths = 0
    try:
        while True:
            fresh = islice(items, _AHEAD * pool.jobs - len(pending))
            pending.extend((item, pool.submit(call, item)) for item in fresh)
            if not pending:
                return
            item, future = pending.popleft()
            result = _result(future, partial(pool.submit, call, item))
            deaths += result is DIED
            if deaths > _DEATHS:
                raise AsegenError(_AGAIN_AND_AGAIN)
            yield result
    finally:
        for _, future in pending:
            future.cancel()


@dataclass(frozen=True)
class _Timed(Generic[Item, Result]):
    """What a worker does with an item.

    Attributes:
        function: of the item.
        limit: seconds of processor time.
    """

    function: Callable[[Item], Result]
    limit: float

    @property
    def seconds(self) -> float:
        """By the clock, after which `Processes` kills the worker."""
        return _PATIENCE * self.limit + _GRACE

    def __call__(self, item: Item) -> Result | Failed:
        try:
            with time_limit(self.limit, processor=True):  # a busy machine changes no figure
                return self.function(item)
        except OutOfTime:
            return TOO_LONG
        except Exception as error:  # one odd item must not cost the others their results
            return Failed(f"{type(error).__name__}: {error}")


def _result(future: Future[Any], again: Callable[[], Future[Any]] | None) -> Any:
    try:
        return future.result()
    except WorkerDied as death:
        return DIED if death.crashed or again is None else _result(again(), None)
    except TimeoutError:
        return DIED
    except AsegenError:
        raise
    except Exception as error:  # an item or a result that can't be sent
        return Failed(f"{type(error).__name__}: {error}")
