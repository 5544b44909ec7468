"""Ctrl-C and SIGTERM as a wish to end a long run in good order."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType

ENDED = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
"""What is said of a run that a signal has ended."""


class AskedToStop:
    """Whether a signal has come; the second one ends the program as usual, and so does Ctrl-C before the first step.

    Attributes:
        by: the signal that has come; None before.
    """

    def __init__(self) -> None:
        self.by: signal.Signals | None = None
        self._has_begun = False
        self._before = {number: signal.getsignal(number) for number in ENDED}

    def __call__(self) -> bool:
        """Whether a signal has come; asked after each step."""
        self._has_begun = True
        return self.by is not None

    def __enter__(self) -> AskedToStop:
        for number, handler in self._before.items():
            if handler != signal.SIG_IGN:  # of a job in the background, which Ctrl-C isn't meant for
                signal.signal(number, self._ask)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.__exit__(None, None, None)
        if number == signal.SIGINT and not self._has_begun:
            raise KeyboardInterrupt
        self.by = signal.Signals(number)
