"""Time limits inside worker processes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class OutOfTime(BaseException):
    """Raised by the timer of `time_limit`; no library's `except Exception` catches it."""


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


def _out_of_time(signum: int, frame: FrameType | None) -> None:
    raise OutOfTime
