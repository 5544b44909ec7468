"""How many worker processes a screening has on this machine, and how much memory each of them may have."""

from __future__ import annotations

import math
import os

from asegen.arguments import real_number
from asegen.errors import InputError
from asegen.parallel.machine import check_jobs, free_cores

LEAST_WORKER = 0.25
"""GiB that a worker needs for its libraries alone."""
_GIB = 2**30
_LEAST_MEMORY = 2 * _GIB
_SHARE = 0.8  # of the machine's memory, that workers may have together


def number_of_jobs(jobs: int | None) -> int:
    """How many worker processes there will be; as many as there are free cores without a number.

    Raises:
        InputError: fewer than one, or too many.
    """
    number = free_cores() if jobs is None else int(jobs)
    check_jobs(number)
    return number


def memory_of_worker(memory: float | None, jobs: int) -> int | None:
    """Bytes for each worker: what was asked for, or 80 % of the machine's by equal shares; None where that is unknown.

    Args:
        memory: GiB.
        jobs: workers.

    Raises:
        InputError: too little to start in, or no number.
    """
    if memory is not None:
        memory = real_number("memory", memory)
        if not LEAST_WORKER <= memory < math.inf:
            raise InputError(f"memory = {memory:g}: a worker needs {LEAST_WORKER:g} GiB at least", "memory")
        return int(memory * _GIB)
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
    return max(_LEAST_MEMORY, int(_SHARE * machine / jobs))
