"""What a screening shows and says while it goes on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from asegen.errors import AsegenError

PUBLISH_SECONDS = 120.0
"""Between two looks at what is there so far; ten times as long as the last one took, if that is more."""
WORD_SECONDS = 60.0
"""Between two lines about other processes that are waited for."""

Publish = Callable[[Path], object]
"""Called with a screening's folder, to write what is known so far."""
Report = Callable[[str, int, int], None]
"""Called with a stage's name, how many inputs it has done, and how many it has."""


class Progress:
    """What a run shows while it goes on.

    Args:
        report: told of progress.
        publish: called to show what is there so far.
        say: told, a line at a time, what the run waits for.
    """

    def __init__(self, report: Report, publish: Publish, say: Callable[[str], None]) -> None:
        self.report, self._publish, self._say = report, publish, say
        self._published, self._took = time.monotonic(), 0.0
        self._said = time.monotonic()

    def publish(self, workdir: Path, seconds: float = PUBLISH_SECONDS) -> None:
        """Writes what is there so far, unless that was done a moment ago; what fails here fails at the end as well."""
        now = time.monotonic()
        if now - self._published < max(seconds, 10 * self._took):
            return
        with contextlib.suppress(OSError, AsegenError):
            self._publish(workdir)
        self._published = time.monotonic()
        self._took = self._published - now

    def waiting(self, stage: str, left: int, others: Sequence[str]) -> None:
        """Says, now and then, who is waited for."""
        if time.monotonic() - self._said < WORD_SECONDS:
            return
        self._said = time.monotonic()
        owners = ", ".join(f"process {pid} on {host}" for host, pid, _ in (one.rsplit("/", 2) for one in others))
        self._say(f"{stage}: waiting for {owners or 'others'}, {left} inputs left; they are taken over where it dies")
