"""Work on many structures that is done once: for several metrics, and for the next run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from asegen.metrics.cache import Row, RowCache
from asegen.metrics.inputs import Inputs
from asegen.parallel.timed_map import Failed, timed_map

Item = TypeVar("Item")

_AT_ONCE = 64
"""So many results may be lost when a run is killed."""


def remembered_map(
    function: Callable[[Item], Row], items: Mapping[str, Item], inputs: Inputs, task: str, seconds: float
) -> dict[str, Row | Failed]:
    """A function of each item in worker processes, unless this run or, with a cache, an earlier one has its row.

    Args:
        function: of a module, so that processes can find it.
        items: by a key that changes whenever the row would (`asegen.metrics.cache.content_key`).
        inputs: the worker processes, the cache, and whom to tell of progress.
        task: what is being done.
        seconds: of processor time for one item.

    Returns:
        A row, or why there is none, for each key. Failures are kept for this run alone: the next one tries again.

    Raises:
        AsegenError: worker processes cannot be started.
        InputError: the cache can't be used.
    """
    disk = None if inputs.cache is None else RowCache(inputs.cache)
    unknown = [key for key in items if key not in inputs.known]
    if disk is not None:
        inputs.known.update(disk.read(unknown))
    todo = [key for key in unknown if key not in inputs.known]
    results = timed_map(function, [items[key] for key in todo], inputs.workers, seconds)
    fresh: dict[str, Row | Failed] = {}
    try:
        for key, row in zip(todo, inputs.watch(task, results, len(todo)), strict=True):
            fresh[key] = row
            if len(fresh) == _AT_ONCE:
                _keep(fresh, inputs, disk)
                fresh = {}
    finally:  # what an interrupted run has is not lost
        _keep(fresh, inputs, disk)
    return {key: inputs.known[key] for key in items}


def _keep(rows: Mapping[str, Row | Failed], inputs: Inputs, disk: RowCache | None) -> None:
    inputs.known.update(rows)
    if disk is not None:
        disk.write({key: row for key, row in rows.items() if not isinstance(row, Failed)})
