"""What a command line asks `asegen screen` for, checked before anything heavy is imported."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from asegen.cli.checks import check_weights
from asegen.cli.main import build_parser
from asegen.cli.runs.generate_arguments import Order, is_ranked, read_arguments
from asegen.errors import InputError
from asegen.generation.ranking import Ranking
from asegen.potentials.registry import check_name
from asegen.screening.options import MP, NONE, Options, check_inputs
from asegen.screening.registry import chosen
from asegen.screening.workers import memory_of_worker, number_of_jobs
from asegen.trained.weights import DEFAULT_RELAXER
from asegen.training.registry import RELAXERS

CANDIDATES = "candidates.extxyz"
"""File of a screening's folder with what --generate draws."""


def options_of(args: argparse.Namespace) -> Options:
    """The options of a command line.

    Raises:
        InputError: they can't be met.
        CheckpointError: the relaxer's file holds no weights.
    """
    if not args.inputs and args.generate is None:
        raise InputError("name files of structures, or what to --generate")
    check_inputs(args.inputs, args.workdir)
    memory_of_worker(args.memory, number_of_jobs(args.jobs))
    if args.cluster is not None and not args.cluster.is_file():
        raise InputError(f"cannot read {args.cluster}: there is no such file")
    options = _options(args)
    names = chosen(options)
    if "relax" in names:
        for name in (options.calculator, options.second_opinion, options.phonons_by):
            if name is not None:
                check_name(name)
    if "prerelax" in names:
        check_weights(options.model or DEFAULT_RELAXER, RELAXERS)
    if args.generate is not None:
        generation_arguments(args.generate, args.workdir)
    return options


def generation_arguments(words: str, workdir: Path) -> tuple[argparse.Namespace, Order]:
    """The arguments of `asegen generate` for candidates that go into a screening's folder, and what they ask for.

    What is there goes on.

    They are ranked, unless told otherwise.

    Args:
        words: as in a shell, without an output.
        workdir: the screening's folder.

    Raises:
        InputError: bad arguments.
        SystemExit: arguments that don't parse, after one line.
    """
    out = workdir / CANDIDATES
    try:
        given = shlex.split(words)
    except ValueError as error:
        raise InputError(f"--generate: {str(error).lower()}") from None
    args = build_parser()[1]["generate"].parse_args(["--output", str(out), *given])
    if args.output != str(out) or args.overwrite or args.shard:
        raise InputError(f"--generate: the candidates go to {out}, all of them, without -o, --overwrite or --shard")
    args.resume = True
    if not is_ranked(args):
        args.rank = Ranking.by
    return args, read_arguments(args)


def _options(args: argparse.Namespace) -> Options:
    return Options(
        calculator=args.calculator,
        stages=args.stages or None,
        relaxer=args.relaxer,
        device=args.device,
        fmax=args.fmax,
        steps=args.steps,
        optimizer=args.optimizer,
        keep_symmetry=args.keep_symmetry,
        symprec=args.symprec,
        order=args.order,
        reference=args.reference or (NONE if args.pressure else MP),
        energy_scale=args.energy_scale,
        materials_project=args.materials_project,
        fit_references=args.fit_references,
        best=args.best,
        second_opinion=args.second_opinion,
        phonons_by=args.phonons_by,
        check_size=args.check_size,
        job_script=args.job_script,
        pseudopotentials=args.pseudopotentials,
        time_limit=60 * args.time_limit,
        pressure=args.pressure,
        targets=args.target,
    )
