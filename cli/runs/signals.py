"""Ctrl-C and SIGTERM as a wish to end a long run in good order."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

ENDED = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
"""What is said of a run that a signal has ended."""


@contextmanager
def first_signal(handle: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Hands the first SIGINT or SIGTERM to a function; the second one ends the program as usual.

    Signals that are ignored stay so: the shell ignores SIGINT for jobs in the background, which Ctrl-C isn't meant for.

    Args:
        handle: called with the signal.
    """
    found = {number: signal.getsignal(number) for number in ENDED}
    before = {number: handler for number, handler in found.items() if handler not in (signal.SIG_IGN, None)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def once(number: int, frame: FrameType | None) -> None:
        restore()
        handle(signal.Signals(number))

    for number in before:
        signal.signal(number, once)
    try:
        yield
    finally:
        restore()


class AskedToStop:
    """Whether a signal has come; the second one ends the program as usual, and so does Ctrl-C before the first step.

    Attributes:
        by: the signal that has come; None before.
    """

    def __init__(self) -> None:
        self.by: signal.Signals | None = None
        self._has_begun = False
        self._caught = first_signal(self._ask)

    def __call__(self) -> bool:
        """Whether a signal has come; asked after each step."""
        self._has_begun = True
        return self.by is not None

    def __enter__(self) -> AskedToStop:
        self._caught.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._caught.__exit__(kind, error, at)

    def _ask(self, number: signal.Signals) -> None:
        if number == signal.SIGINT and not self._has_begun:
            raise KeyboardInterrupt
        self.by = number
