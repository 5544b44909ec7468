"""Where the phases come from that candidates are measured against; the stage `hull` takes any number of sources.

To add one, derive a frozen dataclass from `Source` and give it to `asegen.screening.stages.hull.Hull`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ase import Atoms
from typing_extensions import override

from asegen.errors import AsegenError, InputError
from asegen.parallel.files import sha256
from asegen.potentials.engine import Engine
from asegen.screening.claims import Ledger
from asegen.screening.stage import Runner
from asegen.screening.stages.materials_project import materials_project
from asegen.screening.stages.phases import Phase
from asegen.screening.stages.references import Reference, Table, computed, element_reference, read_reference

ELEMENTS = "elements"
"""Folder of a screening's folder with the elements' energies, where the cache can't be written."""
Systems = Collection[frozenset[str]]
"""Chemical systems: the symbols of the elements of each."""


@dataclass(frozen=True)
class Found:
    """What a source gives.

    Attributes:
        phases: those to measure against.
        missing: symbol -> why an element has none.
        problems: one line for each other phase that could not be used.
    """

    phases: list[Phase] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Source(ABC):
    """Where reference phases come from."""

    def settings(self) -> dict[str, Any]:
        """What decides the phases, JSON values; other names than those of other sources."""
        return {}

    def check(self, ledger: Ledger) -> None:  # noqa: B027 (most sources need nothing)
        """Raises what the user has to mend, before any stage begins; may note what `phases` needs."""

    @abstractmethod
    def phases(self, systems: Systems, ledger: Ledger, run: Runner) -> Found:
        """The phases within chemical systems; others do no harm.

        Args:
            systems: of the candidates.
            ledger: of the screening.
            run: calls a function of each of some arguments, in the workers, and gives the results in order.
        """


@dataclass(frozen=True)
class FileEnergies(Source):
    """Phases of a file that come with energies.

    Attributes:
        path: see `asegen.screening.stages.references.read_reference`; None: no file.
        energy_scale: of its energies, where they don't name theirs.
        needed: the scale that all of them must have; any without it.
    """

    path: Path | None = None
    energy_scale: str | None = None
    needed: str | None = None

    @override
    def settings(self) -> dict[str, Any]:
        return {
            "reference": None if self.path is None else sha256(self.path),
            "reference_scale": self.energy_scale,
        }

    @override
    def check(self, ledger: Ledger) -> None:
        if self.path is not None and ledger.known("competing") is None:
            table = read_reference(self.path, self.energy_scale)
            if not table.phases and not table.structures:
                why = table.problems[0] if table.problems else f"{self.path} is empty"
                raise InputError(f"reference = {self.path}: no phase in it can be used; {why}", "reference")
            self._check_scales(table)
            ledger.note(
                competing=[asdict(phase) for phase in table.phases],
                competing_problems=list(table.problems),
                competing_structures=len(table.structures),
            )

    def _check_scales(self, table: Table) -> None:
        for phase in table.phases:
            if self.needed is not None and phase.energy_scale != self.needed:
                wrong = f"reference = {self.path}: {phase.id} has an energy on the scale {phase.energy_scale!r}, not"
                raise InputError(f"{wrong} {self.needed!r}; what comes without an energy is computed", "reference")

    @override
    def phases(self, systems: Systems, ledger: Ledger, run: Runner) -> Found:
        return Found([Phase(**row) for row in ledger.known("competing") or []])


@dataclass(frozen=True)
class MaterialsProject(Source):
    """Phases of the Materials Project, for who asks for them and has a key in MP_API_KEY.

    Attributes:
        wanted: whether they are asked for.
    """

    wanted: bool = False

    @override
    def settings(self) -> dict[str, Any]:
        return {"materials_project": self.wanted}

    @override
    def phases(self, systems: Systems, ledger: Ledger, run: Runner) -> Found:
        return Found(materials_project(systems) if self.wanted else [])


@dataclass(frozen=True)
class Elements(Source):
    """The elements, computed by the candidates' own calculator and kept on disk.

    Attributes:
        engine: the calculator.
        cache: folder of the energies, which many screenings may share.
    """

    engine: Engine
    cache: Path

    @override
    def phases(self, systems: Systems, ledger: Ledger, run: Runner) -> Found:
        symbols = sorted(frozenset().union(*systems))
        cache, problems = self.cache, []
        if not can_hold(cache):
            cache = ledger.workdir / ELEMENTS
            problems.append(
                f"{self.cache} can hold no energies of the elements for other screenings (XDG_CACHE_HOME names another "
                f"place): they are in {cache}"
            )
        answers = run(partial(element_reference, engine=self.engine, cache=cache), symbols)
        phases, failed = _told_apart(symbols, answers)
        return Found(phases, failed, problems)


@dataclass(frozen=True)
class FileStructures(Source):
    """Crystals of a file that come without energies, which the candidates' own calculator computes.

    Attributes:
        engine: the calculator.
        given: the file's phases with energies, which are read first.
    """

    engine: Engine
    given: FileEnergies

    @override
    def phases(self, systems: Systems, ledger: Ledger, run: Runner) -> Found:
        if self.given.path is None or not ledger.known("competing_structures"):
            return Found()
        structures = read_reference(self.given.path, self.given.energy_scale).structures
        inside = [(name, atoms) for name, atoms in structures if any(set(atoms.symbols) <= one for one in systems)]
        answers = run(partial(_computed, engine=self.engine), inside)
        phases, failed = _told_apart([name for name, _ in inside], answers)
        return Found(phases, problems=list(failed.values()))


def can_hold(folder: Path) -> bool:
    """Whether files can be written in a folder, which is made if it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def _told_apart(names: Sequence[str], answers: Sequence[Reference | Exception]) -> tuple[list[Phase], dict[str, str]]:
    """The phases, and name -> why there is none; what the user can mend is raised."""
    phases: list[Phase] = []
    failed: dict[str, str] = {}
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, AsegenError):
            raise answer
        if isinstance(answer, Exception):  # a worker died over it
            failed[name] = f"{name}: {answer}"
        elif answer.phase is None:
            failed[answer.id] = answer.reason
        else:
            phases.append(answer.phase)
    return phases, failed


def _computed(named: tuple[str, Atoms], engine: Engine) -> Reference:
    return computed(*named, engine)
