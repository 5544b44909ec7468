"""Any executor as the workers of a run."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass


@dataclass(frozen=True)
class Workforce:
    """An executor, and how many of its workers there are at the moment."""

    executor: Executor
    slots: Callable[[], int]
