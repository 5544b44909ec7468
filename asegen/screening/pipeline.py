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
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata, util
from pathlib import Path
from typing import Any

from ase import Atoms

from asegen import __version__
from asegen.errors import AsegenError, InputError, Reason
from asegen.parallel.processes import Processes, WorkerDied
from asegen.parallel.workforce import Workforce
from asegen.screening.claims import LEASE, Ledger
from asegen.screening.columns import as_json
from asegen.screening.inputs import register
from asegen.screening.records import FAILED, QUARANTINED, Candidate, Outcome, Unit
from asegen.screening.registry import columns
from asegen.screening.result import Result, results
from asegen.screening.stage import Stage, reason_of

GRACE = 20.0
"""Seconds that work in progress has to finish after a screening is told to stop."""
LOG = "workers.log"
"""File of a screening's folder with what workers and their libraries print."""

_LEAST_DISK = 50_000_000  # bytes
_POLL = 0.5
_STAGE_SECONDS = 15.0  # after quick stages nobody has looked yet
_PACKAGES = ("ase", "pymatgen", "spglib", "numpy", "torch", "chgnet", "phonopy", "gpaw")

PUBLISH_SECONDS = 120.0
"""Between two looks at what is there so far; ten times as long as the last one took, if that is more."""
WORD_SECONDS = 60.0
"""Between two lines about other processes that are waited for."""

Publish = Callable[[Path], object]
"""Called with a screening's folder, to write what is known so far."""
Report = Callable[[str, int, int], None]
"""Called with a stage's name, how many inputs it has done, and how many it has."""


class Stopped(Exception):
    """The screening was told to stop; what was done is kept."""


def run_stages(
    inputs: Sequence[Path | str | Atoms],
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
    named = [(stage.name, stage.settings()) for stage in stages]  # fails where a stage can't be done
    with _open(place) as ledger:
        _check_disk(place)
        ledger.check_stages(named)
        register(ledger, inputs)
        _record(ledger, command)
        ledger.note(columns=as_json(columns(stages)))
        for stage in stages:
            stage.check(ledger)
        with _workforce(workforce, jobs, memory, place) as force:
            running = _Run(ledger, force, _Views(report, publish, say), stop or threading.Event())
            for position, stage in enumerate(stages):
                running.stage(stage, position)
        ledger.note(finished=[name for name, _ in named])
    return results(place)


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


@dataclass(frozen=True)
class _Task:
    """A stage's work on one group, in a worker."""

    stage: Stage
    seconds: float | None

    def __call__(self, candidates: Sequence[Candidate], supplied: Any) -> tuple[list[Outcome], float]:
        start = time.monotonic()
        outcomes = self.stage.work(candidates, supplied)
        self._check(outcomes)
        return outcomes, time.monotonic() - start

    def _check(self, outcomes: Sequence[Outcome]) -> None:
        declared = {column.name for column in self.stage.columns}
        for name in (name for outcome in outcomes for name in outcome.found):
            if name not in declared:
                raise AsegenError(f"the stage {self.stage.name} finds {name!r}, which is none of its columns")


class _Views:
    """What a run shows while it goes on."""

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


class _Run:
    """The stages of one process's run."""

    def __init__(self, ledger: Ledger, force: Workforce, views: _Views, stop: threading.Event) -> None:
        self._ledger, self._force, self._views, self._stop = ledger, force, views, stop
        self._inputs = ledger.count()
        self._renewed, self._told = time.monotonic(), 0.0

    def stage(self, stage: Stage, position: int) -> None:
        """All of a stage, together with other processes that are at it."""
        ledger, name = self._ledger, stage.name
        # Groups are made of what earlier stages said, which is complete: every process makes the same ones.
        if ledger.count() != self._inputs:
            raise AsegenError(f"another call has added inputs to {ledger.workdir}; the same command does the rest")
        ledger.begin(name, position, stage.settings(), [])
        ledger.begin(name, position, stage.settings(), stage.groups(ledger.candidates(name)), stage.alone)
        if ledger.left(name):
            stage.prepare(ledger, self._map)
        pending: dict[Future[Any], Unit] = {}
        try:
            while True:
                self._claim(stage, pending)
                self._tell(name, always=not pending)
                if not pending:
                    if ledger.left(name) == 0:
                        self._views.publish(ledger.workdir, _STAGE_SECONDS)
                        return
                    self._views.waiting(name, ledger.left(name), ledger.others(name))
                    if self._stop.wait(_POLL):  # others are at the rest
                        raise Stopped
                    continue
                self._wait(stage, pending)
                self._views.publish(ledger.workdir)
                if self._stop.is_set():
                    self._drain(stage, pending)
                    raise Stopped
        finally:
            for future in pending:
                future.cancel()

    def _tell(self, name: str, always: bool) -> None:
        if always or time.monotonic() - self._told > _POLL:
            self._told = time.monotonic()
            done = self._ledger.settled(name)
            self._views.report(name, done, done + self._ledger.left(name))

    def _claim(self, stage: Stage, pending: dict[Future[Any], Unit]) -> None:
        """As much as keeps the workers busy until the next look."""
        most = 2 * self._force.slots()
        if len(pending) > most // 2:
            return
        for unit in self._ledger.claim(stage.name, most - len(pending)):
            candidates = self._ledger.load(unit.members, stage.name)
            task = _Task(stage, stage.seconds(len(unit.members)))
            pending[self._submit(task, candidates, stage.supply(self._ledger, unit.members))] = unit

    def _submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        try:
            return self._force.executor.submit(function, *args)
        except (BrokenExecutor, RuntimeError) as error:
            raise _ended(error) from None

    def _wait(self, stage: Stage, pending: dict[Future[Any], Unit]) -> None:
        done, _ = wait(pending, timeout=_POLL, return_when=FIRST_COMPLETED)
        for future in done:
            self._settle(stage, pending.pop(future), future)
        if time.monotonic() - self._renewed > LEASE / 4:
            self._ledger.renew()
            self._renewed = time.monotonic()

    def _drain(self, stage: Stage, pending: dict[Future[Any], Unit]) -> None:
        end = time.monotonic() + GRACE
        for future in [future for future in pending if future.cancel()]:
            del pending[future]
        while pending and time.monotonic() < end:
            self._wait(stage, pending)

    def _settle(self, stage: Stage, unit: Unit, future: Future[Any]) -> None:
        """Writes down what came of a piece of work, or sees to it that it is tried again."""
        try:
            outcomes, seconds = future.result()
            self._ledger.finish(unit, outcomes, seconds)
        except (CancelledError, BrokenExecutor) as error:
            raise _ended(error) from None
        except WorkerDied as error:
            if not self._ledger.fail(unit, error.crashed):
                self._give_up(stage, unit, QUARANTINED, Reason("crashed", f"{error}, time after time"))
        except TimeoutError as error:
            self._give_up(stage, unit, FAILED, Reason("time limit", str(error)))
        except AsegenError:
            raise
        except OSError as error:
            raise AsegenError(f"a worker cannot write ({error}); the same command does the rest") from None
        except Exception as error:
            if type(error).__name__ == "KilledWorker":  # Dask's: it has tried again itself
                self._give_up(stage, unit, QUARANTINED, Reason("crashed", "its worker died, time after time"))
            else:
                self._give_up(stage, unit, FAILED, reason_of(error))

    def _give_up(self, stage: Stage, unit: Unit, status: str, reason: Reason) -> None:
        if stage.splits and len(unit.members) > 1:
            self._ledger.split(unit)
            return
        candidates = self._ledger.load(unit.members, stage.name)
        self._ledger.finish(unit, [stage.gave_up(candidate, status, reason) for candidate in candidates], 0.0)

    def _map(self, function: Callable[[Any], Any], arguments: Sequence[Any]) -> list[Any]:
        """The function of each, by the workers, in order; the exception where one fails, or loses its worker again."""
        found: dict[int, Any] = {}
        tries = [0] * len(arguments)
        waiting = list(range(len(arguments)))[::-1]
        pending: dict[Future[Any], int] = {}
        while waiting or pending:
            while waiting and len(pending) < 2 * self._force.slots():
                k = waiting.pop()
                tries[k] += 1
                pending[self._submit(function, arguments[k])] = k
            done, _ = wait(pending, timeout=_POLL, return_when=FIRST_COMPLETED)
            for future in done:
                k = pending.pop(future)
                error = future.exception()
                if isinstance(error, WorkerDied) and tries[k] < 3:
                    waiting.append(k)
                else:
                    found[k] = error or future.result()
            if self._stop.is_set():
                raise Stopped
        return [found[k] for k in range(len(arguments))]


def _ended(error: BaseException) -> AsegenError:
    text = " ".join(str(error).split()) or type(error).__name__
    return AsegenError(f"the workers are gone ({text}); the same command does the rest")
