"""How far a training run is: by its steps, or by its time."""

from __future__ import annotations

import time


class Clock:
    """Steps and seconds of a run.

    Args:
        steps: optimiser steps in all.
        seconds: of training in all; no limit without it.

    Attributes:
        before: seconds that earlier parts of a resumed run took.
        reserve: seconds kept for the last validation.
    """

    def __init__(self, steps: int, seconds: float | None = None) -> None:
        self.steps, self.seconds = steps, seconds
        self.before, self.reserve = 0.0, 0.0
        self._started: float | None = None

    def start(self) -> None:
        """Time runs from now on."""
        self._started = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds of training so far, earlier parts of a resumed run counted."""
        return self.before + (time.monotonic() - self._started if self._started is not None else 0.0)

    def progress(self, step: int) -> float:
        """From 0 to 1 (and above): the share of the steps that are done, or of the time where that is more.

        Args:
            step: steps done.
        """
        by_steps = step / self.steps if self.steps else 1.0
        if self.seconds is None:
            return by_steps
        available = self.seconds - self.reserve
        return max(by_steps, self.elapsed / available if available > 0 else 1.0)
