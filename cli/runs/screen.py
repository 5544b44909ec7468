"""What `asegen screen` does once its arguments are read."""

from __future__ import annotations

import argparse
import logging
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from asegen.errors import AsegenError, InputError
from asegen.parallel.cluster import cluster, scheduler
from asegen.parallel.pool import free_cores
from asegen.parallel.workforce import Workforce
from asegen.screening.exports import TABLE, export
from asegen.screening.ledger import OK, UNCONVERGED, Result, StageCount, funnel, provenance
from asegen.screening.pipeline import GRACE, Report, Stopped, screen
from asegen.screening.recipe import STAGES, recipe
from asegen.screening.report import write_report
from asegen.screening.stage import Stage

_PLAIN_WIDTH = 100  # characters, where there is no terminal to fill
_SHOWN = 20
_PROBLEMS = 5
_LOG_SECONDS = 60.0  # between two lines of progress where there is no terminal


def run_screening(args: argparse.Namespace) -> None:
    """Screens as the command line asks.

    Raises:
        InputError: bad arguments or files, a folder of another screening, or no candidate is left.
        AsegenError: the calculator, the workers or the disk let it down.
    """
    os.environ.setdefault("SPGLIB_WARNING", "OFF")  # a line for each attempt; what fails is a record anyway
    if not args.inputs and args.generate is None:
        raise InputError("name files of structures, or what to --generate")
    stages = _stages(args)
    jobs = free_cores() if args.jobs is None else args.jobs
    if jobs < 1:
        raise InputError(f"--jobs {jobs}: at least one process is needed")
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    drawn = [] if args.generate is None else [_drawn(args)]
    with _stoppable(console) as stop, _workforce(args) as workforce, _progress(console, stages) as report:
        found = screen(
            [*args.inputs, *drawn],
            args.workdir,
            stages,
            jobs=jobs,
            memory=_memory(args.memory, jobs),
            workforce=workforce,
            report=report,
            command=shlex.join(["asegen", *sys.argv[1:]]),
            stop=stop,
        )
    export(args.workdir)
    for line in _problems(args.workdir):
        console.print(f"warning: {line}", markup=False)
    try:
        page = f"; {write_report(args.workdir)} shows the best"
    except AsegenError as error:  # the results stand without it
        page = ""
        console.print(f"no report: {error}", markup=False)
    _show(args, found, funnel(args.workdir), page)
    if not any(result.status in (OK, UNCONVERGED) for result in found):
        raise InputError(f"none of {len(found)} candidates is left; {args.workdir / TABLE} says why")


def _drawn(args: argparse.Namespace) -> Path:
    from asegen.cli.runs.screen_candidates import draw_candidates  # loads torch and the generators, for seconds

    return draw_candidates(args.generate, args.workdir)


def _stages(args: argparse.Namespace) -> list[Stage]:
    return recipe(
        args.calculator,
        relaxer=args.relaxer,
        device=args.device,
        stages=args.stages.split(",") if args.stages else STAGES,
        fmax=args.fmax,
        steps=args.steps,
        keep_symmetry=args.keep_symmetry,
        symprec=args.symprec,
        order=args.order,
        reference=args.reference,
        energy_scale=args.energy_scale,
        online=args.materials_project,
        best=args.best,
        check_size=args.check_size,
        most_seconds=60 * args.time_limit,
    )


def _memory(gib: float | None, jobs: int) -> int | None:
    """Bytes for a worker: what was asked for, or 80 % of the machine's by equal shares."""
    if gib is not None:
        if not gib > 0:
            raise InputError(f"--memory {gib:g}: must be greater than 0")
        return int(gib * 2**30)
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
    return max(2 * 2**30, int(0.8 * machine / jobs))


def _workforce(args: argparse.Namespace) -> AbstractContextManager[Workforce | None]:
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # a lost worker is no news: its work is done again
    if args.scheduler is not None:
        return scheduler(args.scheduler)
    if args.cluster is not None:
        return cluster(args.cluster)
    return nullcontext(None)


@contextmanager
def _stoppable(console: Console) -> Iterator[threading.Event]:
    """The first SIGINT or SIGTERM lets work in progress end; the second ends at once."""
    stop, received = threading.Event(), []

    def ask(signum: int, frame: object) -> None:
        received.append(signum)
        stop.set()
        for name, handler in before.items():  # the next one means it
            signal.signal(name, handler)
        console.print(f"stopping: work in progress has {GRACE:.0f} s; the same command does the rest")

    before = {name: signal.signal(name, ask) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    except Stopped:
        for name, handler in before.items():
            signal.signal(name, handler)
        signal.raise_signal(received[0])
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


@contextmanager
def _progress(console: Console, stages: list[Stage]) -> Iterator[Report]:
    columns = TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}
        logged: dict[str, float] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage], logged[stage] = bar.add_task(stage, total=total), time.monotonic()
            bar.update(tasks[stage], completed=done, total=total)
            if not console.is_terminal and time.monotonic() - logged[stage] > _LOG_SECONDS:
                logged[stage] = time.monotonic()
                console.print(f"{stage}: {done} of {total}")

        yield report


def _problems(workdir: Path) -> list[str]:
    """What of the reference phases couldn't be used; the first few lines."""
    known = provenance(workdir)
    lines = [*known.get("competing_problems", []), *known.get("hull_problems", [])]
    more = [f"and {len(lines) - _PROBLEMS} more of the reference phases"] if len(lines) > _PROBLEMS else []
    return [*lines[:_PROBLEMS], *more]


def _show(args: argparse.Namespace, found: list[Result], counts: list[StageCount], page: str) -> None:
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    console.print(_funnel_table(counts))
    ranked = [result for result in found if result.status in (OK, UNCONVERGED)]
    if ranked:
        console.print(_ranking_table(ranked[:_SHOWN]))
    statuses = {status: sum(r.status == status for r in found) for status in {r.status: None for r in found}}
    told = ", ".join(f"{count} {status}" for status, count in statuses.items())
    console.print(f"{len(found)} structures: {told}; all of them in {args.workdir / TABLE}{page}", soft_wrap=True)


def _funnel_table(counts: list[StageCount]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("stage", "in", "out", "stopped", "worker time"):
        table.add_column(name, justify="left" if name in ("stage", "stopped") else "right")
    for count in counts:
        stopped = ", ".join(f"{number} {status}" for status, number in count.stopped.items())
        table.add_row(count.stage, str(count.entered), str(count.left), stopped, f"{count.seconds:.1f} s")
    return table


def _ranking_table(ranked: list[Result]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", "candidate", "formula", "space group", "eV/atom", "above hull", "phonons", "status"):
        table.add_column(name, justify="right" if name in ("", "eV/atom", "above hull") else "left", no_wrap=True)
    for result in ranked:
        numbers = ["" if value is None else f"{value:.3f}" for value in (result.energy, result.e_hull)]
        note = result.status if result.novel is not False else f"{result.status}, {result.known_as}"
        words = (str(result.rank), result.id, result.formula, result.space_group, *numbers, result.phonons, note)
        table.add_row(*words)
    return table
