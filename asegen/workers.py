"""Worker processes that start fresh, die with their parent, and give up on work that takes too long."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import FrameType

from asegen.errors import AsegenError


class OutOfTime(BaseException):
    """Raised by the timer of `time_limit`; no library's `except Exception` catches it."""


def free_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_pool(jobs: int) -> ProcessPoolExecutor:
    """A pool of fresh interpreters: forking a process that has threads (a progress bar, torch) may hang it.

    Args:
        jobs: number of processes.

    Raises:
        AsegenError: worker processes cannot be started.
    """
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_start_worker)
    try:
        pool.submit(os.getpid).result()
    except BrokenProcessPool:
        raise AsegenError("worker processes cannot be started") from None
    return pool


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupts the block in a worker of `worker_pool` after some time, where the system has timers.

    Raises:
        OutOfTime: the time is up.
    """
    if not hasattr(signal, "setitimer"):
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends a worker without a traceback; the parent tells the user
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, _out_of_time)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent cannot tell its workers, which would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _out_of_time(signum: int, frame: FrameType | None) -> None:
    raise OutOfTime
