"""The stages of a screening, one after the other, over any executor, with the ledger as the truth.

The processes that run this, any number on one folder, claim pieces of work, have workers do them, and write down what
comes out; only they open the ledger. A stage begins when the one before it has nothing left to do, so that no result
depends on who finished first.
"""

from __future__ import annotations

import contextlib
import platform
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata, util
from pathlib import Path

from asegen import __version__
from asegen.errors import AsegenError, InputError
from asegen.parallel.processes import Processes
from asegen.parallel.workforce import Workforce
from asegen.screening.claims import Ledger
from asegen.screening.columns import as_json
from asegen.screening.execution import Run
from asegen.screening.inputs import AtHand, register
from asegen.screening.progress import Progress, Publish, Report
from asegen.screening.registry import columns
from asegen.screening.result import Result, results
from asegen.screening.stage import Stage

LOG = "workers.log"
"""File of a screening's folder with what workers and their libraries print."""

_LEAST_DISK = 50_000_000  # bytes
_PACKAGES = ("ase", "pymatgen", "spglib", "numpy", "torch", "chgnet", "phonopy", "gpaw")


def run_stages(
    inputs: Sequence[Path | str | AtHand],
    workdir: Path | str,
    stages: Sequence[Stage],
    *,
    jobs: int = 1,
    memory: int | None = None,
    workforce: Workforce | None = None,
    report: Report = lambda stage, done, total: None,
    command: str = "",
    stop: threading.Event | None = None,
    publish: Publish = lambda workdir: None,
    say: Callable[[str], None] = lambda line: None,
) -> list[Result]:
    """Takes candidates through stages; begins, or goes on with, or only reads what its folder holds.

    Every input ends with one status and reason. What was done is never done again: the same call after a kill does the
    rest. Several processes may make the same call at once and share the work.

    Args:
        inputs: files of structures, folders of them, or structures.
        workdir: the screening's folder.
        stages: see `asegen.screening.registry`; `Read` is the first.
        jobs: single-threaded worker processes of this machine.
        memory: bytes that each of those may allocate; None for no limit.
        workforce: another executor instead; the folder must be in reach of its workers under the same path.
        report: told of progress.
        command: how this was asked for, for the record.
        stop: set it to end early: work in progress has `GRACE` seconds.
        publish: called with the folder after stages and every few minutes, to show what is there so far.
        say: told, a line at a time, what the run waits for.

    Returns:
        One result for each input, see `asegen.screening.result.results`.

    Raises:
        InputError: no input can be read, or the folder is a screening of other inputs, stages or settings.
        AsegenError: the disk is full, or the executor ended.
        Stopped: `stop` was set.
    """
    place = Path(workdir).absolute()
    settings = {stage.name: stage.settings() for stage in stages}  # fails where a stage can't be done
    with _open(place) as ledger:
        _check_disk(place)
        stages = _after_what_has_begun(stages, ledger.begun())
        named = [(stage.name, settings[stage.name]) for stage in stages]
        ledger.check_stages(named)
        register(ledger, inputs)
        _record(ledger, command)
        ledger.note(columns=as_json(columns(stages)))
        for stage in stages:
            stage.check(ledger)
        with _workforce(workforce, jobs, memory, place) as force:
            running = Run(ledger, force, Progress(report, publish, say), stop or threading.Event())
            for position, stage in enumerate(stages):
                running.stage(stage, position)
        ledger.note(finished=[name for name, _ in named])
    return results(place)


def _after_what_has_begun(stages: Sequence[Stage], begun: Sequence[str]) -> list[Stage]:
    """The stages, of which those that only add come behind others that do and have begun.

    Args:
        stages: in their usual order.
        begun: names of those that have begun, in order.
    """
    place = {name: position for position, name in enumerate(begun)}
    adding = sorted((stage for stage in stages if stage.adds), key=lambda stage: place.get(stage.name, len(place)))
    following = iter(adding)
    return [next(following) if stage.adds else stage for stage in stages]


@contextlib.contextmanager
def _open(workdir: Path) -> Iterator[Ledger]:
    """The ledger, with SQLite's errors as one line."""
    ledger = Ledger(workdir)
    try:
        with contextlib.closing(ledger):
            yield ledger
    except sqlite3.Error as error:
        raise AsegenError(f"the ledger in {workdir} fails: {error}; the same command does the rest") from None


def _record(ledger: Ledger, command: str) -> None:
    """How the screening is made; the first call's word stands."""
    if ledger.known("versions") is None:
        ledger.note(
            command=command,
            begun=datetime.now(UTC).isoformat(timespec="seconds"),
            versions={name: metadata.version(name) for name in _PACKAGES if util.find_spec(name)}
            | {"python": platform.python_version(), "asegen": __version__},
            machine=f"{platform.system()} {platform.machine()}",
        )


def _check_disk(workdir: Path) -> None:
    free = shutil.disk_usage(workdir).free
    if free < _LEAST_DISK:
        raise InputError(f"{workdir} lies on a disk with {free / 1e6:.0f} MB left: a screening needs more")


@contextlib.contextmanager
def _workforce(given: Workforce | None, jobs: int, memory: int | None, workdir: Path) -> Iterator[Workforce]:
    """The one given, left open; or processes of its own, killed at the end."""
    if given is not None:
        yield given
        return
    if jobs < 1:
        raise InputError(f"jobs = {jobs}: at least one process is needed", "jobs")
    with contextlib.closing(_Closing(Processes(jobs, memory, workdir / LOG))) as own:
        yield Workforce(own.processes, lambda: jobs)


@dataclass(frozen=True)
class _Closing:
    processes: Processes

    def close(self) -> None:
        self.processes.kill()
        self.processes.shutdown()
