"""One process's part in the stages of a screening: it claims pieces of work, has workers do them, and takes what comes.

Work whose worker died is tried again, then split or given up, so that the one candidate to blame is found.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass
from typing import Any

from asegen.errors import AsegenError, Reason
from asegen.parallel.processes import WorkerDied
from asegen.parallel.workforce import Workforce
from asegen.screening.claims import LEASE, Ledger
from asegen.screening.progress import Progress
from asegen.screening.records import FAILED, QUARANTINED, Candidate, Outcome, Unit
from asegen.screening.stage import Stage, reason_of

GRACE = 20.0
"""Seconds that work in progress has to finish after a screening is told to stop."""

_POLL = 0.5
_STAGE_SECONDS = 15.0  # after quick stages nobody has looked yet


class Stopped(Exception):
    """The screening was told to stop; what was done is kept."""


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


class Run:
    """The stages of one process's run.

    Args:
        ledger: open.
        force: the workers.
        progress: told of what goes on.
        stop: set it to end early: work in progress has `GRACE` seconds.
    """

    def __init__(self, ledger: Ledger, force: Workforce, progress: Progress, stop: threading.Event) -> None:
        self._ledger, self._force, self._progress, self._stop = ledger, force, progress, stop
        self._inputs = ledger.count()
        self._renewed, self._told = time.monotonic(), 0.0

    def stage(self, stage: Stage, position: int) -> None:
        """All of a stage, together with other processes that are at it.

        Args:
            stage: those before it have nothing left to do.
            position: its place among the stages.

        Raises:
            AsegenError: the disk is full, the executor ended, or another call has added inputs.
            Stopped: `stop` was set.
        """
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
                        self._progress.publish(ledger.workdir, _STAGE_SECONDS)
                        return
                    self._progress.waiting(name, ledger.left(name), ledger.others(name))
                    if self._stop.wait(_POLL):  # others are at the rest
                        raise Stopped
                    continue
                self._wait(stage, pending)
                self._progress.publish(ledger.workdir)
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
            self._progress.report(name, done, done + self._ledger.left(name))

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
