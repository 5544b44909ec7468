"""What `asegen relax --calculator` does once its arguments are checked."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from asegen.calculators.minimisation import Minimisation
from asegen.calculators.relaxation_run import Workers, relax_files
from asegen.calculators.relaxation_table import line_of
from asegen.cli.progress import ProgressBar
from asegen.cli.runs.relax import show
from asegen.cli.terminal import message_console
from asegen.errors import InputError
from asegen.potentials.engine import find_engine
from asegen.relaxation.statuses import CONVERGED
from asegen.screening.workers import memory_of_worker, number_of_jobs
from asegen.trained.weights import DEFAULT_RELAXER


def run_with_calculator(args: argparse.Namespace) -> None:
    """Relaxes as the command line asks.

    Raises:
        InputError: an option without meaning, nothing could be relaxed, or the output can't be written.
        AsegenError: the calculator's package is missing, or worker processes can't be started.
        CheckpointError: weights that can't be read.
    """
    minimisation, workers, began = _minimisation(args), _workers(args), time.monotonic()
    with ProgressBar("relaxing") as bar:
        rows = relax_files(
            args.inputs,
            args.output,
            minimisation,
            workers,
            table=args.status,
            resume=args.resume,
            overwrite=args.overwrite,
            report=lambda done, total: bar.report("relaxing", done, total),
        )
    if not rows:
        message_console().print(f"{args.output} is complete: nothing is left to do")
        return
    for row in rows:
        if row.status != CONVERGED:
            message_console().print(line_of(row), markup=False, soft_wrap=True)
    show(rows, time.monotonic() - began, Path(args.output))


def _minimisation(args: argparse.Namespace) -> Minimisation:
    given = {"fmax": args.fmax, "steps": args.steps, "optimizer": args.optimizer}
    return Minimisation(
        find_engine(args.calculator).at_pressure(args.pressure or 0.0),
        **{name: value for name, value in given.items() if value is not None},
        fix_cell=args.fix_cell,
        keep_symmetry=args.keep_symmetry,
        symprec=args.symprec,
        prerelax=None if args.no_prerelax else args.model or DEFAULT_RELAXER,
        device=args.device,
    )


def _workers(args: argparse.Namespace) -> Workers:
    jobs = number_of_jobs(args.jobs)
    memory = memory_of_worker(args.memory, jobs)
    if args.time_limit is None:
        return Workers(jobs, memory)
    if not args.time_limit > 0:
        raise InputError(f"time_limit = {args.time_limit:g}: must be greater than 0", "time_limit")
    return Workers(jobs, memory, 60 * args.time_limit)
