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
def time_limit(seconds: float, processor: bool = False) -> Iterator[None]:
    """Interrupts the block after some time in a process that has called `allow_time_limits`; elsewhere does nothing.

    Args:
        seconds: by the clock,
        processor: or of processor time, so that a busy machine decides nothing.

    Raises:
        OutOfTime: the time is up.
    """
    if not _can_be_limited():
        yield
        return
    timer = signal.ITIMER_PROF if processor else signal.ITIMER_REAL
    signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        signal.setitimer(timer, 0)


def allow_time_limits() -> None:
    """Makes `time_limit` work in this process, a worker, where the system has timers."""
    if hasattr(signal, "SIGALRM"):
        for alarm in (signal.SIGALRM, signal.SIGPROF):
            signal.signal(alarm, _out_of_time)


def _can_be_limited() -> bool:
    # A thread of somebody else's process (a Dask worker) can't be interrupted.
    return (
        hasattr(signal, "setitimer")
        and signal.getsignal(signal.SIGALRM) is _out_of_time
        and threading.current_thread() is threading.main_thread()
    )


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends a worker without a traceback; the parent tells the user
    allow_time_limits()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent cannot tell its workers, which would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _out_of_time(signum: int, frame: FrameType | None) -> None:
    raise OutOfTime
