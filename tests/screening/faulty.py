"""Calculators and stages for tests that workers import: those that fail, each in its way, and one that waits."""

import errno
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from ase.calculators.emt import EMT, parameters

from asegen.screening.records import Outcome
from asegen.screening.stage import Stage


class Faulty(EMT):
    """EMT that turns NaN midway (Ag), segfaults (Au), eats memory (Pt), hangs (Pd), or raises (pure Ni)."""

    identity = "faulty 1"
    energy_scale = "EMT"
    elements = tuple(parameters)

    def __init__(self):
        super().__init__()
        self.calls = 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, list(properties), list(system_changes))
        self.calls += 1
        symbols = set(self.atoms.symbols)
        if "Ag" in symbols and self.calls > 2:
            self.results["forces"] = np.full((len(self.atoms), 3), np.nan)
        if "Au" in symbols:
            os.kill(os.getpid(), signal.SIGSEGV)
        if "Pt" in symbols:
            np.ones(1 << 29)
        if "Pd" in symbols:
            time.sleep(1000)
        if symbols == {"Ni"}:
            raise RuntimeError("did not converge\nafter many lines")


class Slow(EMT):
    """EMT that takes its time, so that a signal finds it at work."""

    identity = "slow 1"
    energy_scale = "EMT"

    def calculate(self, *args, **kwargs):
        time.sleep(0.05)
        super().calculate(*args, **kwargs)


@dataclass(frozen=True)
class Killing(Stage):
    """Takes groups of three; its worker dies over one candidate, the first time or always.

    Attributes:
        key: of the candidate.
        folder: where it notes that it was there.
        once: whether it dies but once.
        number: the signal.
    """

    name: ClassVar[str] = "killing"
    key: int
    folder: str
    once: bool
    number: int = int(signal.SIGSEGV)

    def settings(self):
        return {}

    def groups(self, candidates):
        keys = [candidate.key for candidate in candidates]
        return [keys[k : k + 3] for k in range(0, len(keys), 3)]

    def work(self, candidates, supplied):
        if self.key in [candidate.key for candidate in candidates]:
            tries = Path(self.folder) / f"try-{os.getpid()}"
            first = not any(Path(self.folder).iterdir())
            tries.touch()
            if first or not self.once:
                os.kill(os.getpid(), self.number)
        return [Outcome(notes=("survived",)) for _ in candidates]


@dataclass(frozen=True)
class Waiting(Stage):
    """Work that needs no core: `length` seconds for each candidate."""

    name: ClassVar[str] = "waiting"
    length: float = 0.3

    def work(self, candidates, supplied):
        time.sleep(self.length * len(candidates))
        return [Outcome() for _ in candidates]


@dataclass(frozen=True)
class Full(Stage):
    """Finds no room on the disk."""

    name: ClassVar[str] = "full"

    def work(self, candidates, supplied):
        raise OSError(errno.ENOSPC, "No space left on device")
