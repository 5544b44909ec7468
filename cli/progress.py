"""Progress of a command on stderr: a bar on a terminal; elsewhere, such as in a log, a line now and then."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TextColumn

from asegen.cli.terminal import message_console

_SECONDS_PER_LINE = 30.0
"""Between two lines where there is no terminal; shorter runs print none."""


class ProgressBar:
    """How far some work is, to be used with `with`; what it showed is gone from the terminal afterwards.

    Args:
        what: is done, such as "relaxing".
        total: how many pieces there are, if that is known.

    Attributes:
        done: how many pieces are.
    """

    def __init__(self, what: str, total: int | None = None) -> None:
        self.done, self._what, self._total = 0, what, total
        self._began = self._last_line = time.monotonic()
        self._console = message_console()
        columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}")
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        self._task = self._bar.add_task(what, total=total, state="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self, pieces: int = 1) -> None:
        """Some more pieces are done."""
        self.report(self._what, self.done + pieces, self._total)

    def report(self, what: str, done: int, total: int | None) -> None:
        """So many pieces of some work are done; the clock starts anew with other work.

        Args:
            what: is done.
            done: pieces.
            total: of how many, if that is known.
        """
        now = time.monotonic()
        if (what, total) != (self._what, self._total):
            self._began = now
        self.done, self._what, self._total = done, what, total
        state = _state(done, total, now - self._began)
        self._bar.update(self._task, description=what, completed=done, total=total, state=state)
        if not self._console.is_terminal and now - self._last_line > _SECONDS_PER_LINE:
            self._last_line = now
            self.print(f"{what}: {state}")

    def print(self, line: str) -> None:
        """Prints a line of its own, above the bar."""
        self._console.print(line)


def _state(done: int, total: int | None, seconds: float) -> str:
    """Such as "120 of 500, 2 min left", or "120, 14/s" without a total."""
    count = f"{done}" if total is None else f"{done} of {total}"
    if not done or seconds < 1:
        return count
    return (
        f"{count}, {done / seconds:.3g}/s"
        if total is None
        else f"{count}, {_words(seconds / done * (total - done))} left"
    )


def _words(seconds: float) -> str:
    """A duration, such as "90 s", "2 min" or "5 h"."""
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
