"""The command `asegen relax`."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import ClassVar

_WITH_CALCULATOR = ("no_prerelax", "pressure", "optimizer", "jobs", "memory", "time_limit", "resume")
_LEARNED_ONLY = ("fix_positions", "cell_max")
MAX_STEPS = 100_000
"""Of a structure: the network arrives within tens of them, or never."""


class CLICommand:
    """Pull rough crystals to sensible cells and positions, without energies or with any calculator.

    Every frame of every IN is relaxed by a network that has learned what crystals look like at their energy's minimum,
    in milliseconds each. With --calculator, a calculator then relaxes them to its minimum, under --pressure if you
    like. OUT's name decides the format: .extxyz, .cif, .traj, .db, or a folder of POSCARs. Each frame carries
    relax_status and where it came from; what can't be relaxed is named on stderr and left out.
    """

    FLAGS: ClassVar = {"prerelax": "--model"}

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Declares the arguments."""
        add = parser.add_argument
        add("inputs", nargs="+", type=Path, metavar="IN", help="any file that ASE reads, a CSV with CIFs, or a folder")
        add("-o", "--output", required=True, metavar="OUT", help="where the structures go")
        add("--model", metavar="NAME|PATH", help="a shipped relaxer's name, or a file of weights")
        held = parser.add_mutually_exclusive_group()
        held.add_argument("--fix-cell", action="store_true", help="cells stay")
        held.add_argument("--fix-positions", action="store_true", help="fractional positions stay")
        add("--keep-symmetry", action="store_true", help="make every space group exact, and keep it")
        add("--symprec", type=float, default=0.01, metavar="Å", help="tolerance of the space groups (default: 0.01)")
        add(
            "--fmax",
            type=float,
            metavar="X",
            help="done when no atom would move farther, Å; with --calculator, when no force is larger, eV/Å "
            "(default: 0.05)",
        )
        add("--cell-max", type=float, metavar="X", help="and no principal strain were larger (default: 0.01)")
        add("--steps", type=int, metavar="K", help="most steps of a structure (default: 20; with --calculator, 500)")
        add("--device", default="auto", help="of the network: auto, cpu, cuda, cuda:1 …")
        add("--status", type=Path, metavar="CSV", help="write a table with the outcome of every frame")
        add("--overwrite", action="store_true", help="replace OUT if it exists")
        _add_calculator(parser.add_argument_group("with a calculator"))

    @staticmethod
    def run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
        """Runs the command."""
        from asegen.cli.checks import check_inputs, check_output, check_weights
        from asegen.structures.formats import output_format
        from asegen.structures.tolerance import check_symprec
        from asegen.training.registry import RELAXERS

        output_format(args.output)
        _check_together(args, parser)
        if not args.resume:
            check_output(Path(args.output), args.overwrite)
        if args.status is not None:
            check_output(args.status, args.overwrite or args.resume)
        for flag, value in (("fmax", args.fmax), ("cell-max", args.cell_max), ("steps", args.steps)):
            if value is not None and not 0 <= value < math.inf:
                parser.error(f"--{flag} {value:g}: a number that isn't negative is needed")
        if args.steps is not None and args.steps > MAX_STEPS:
            parser.error(f"--steps {args.steps}: {MAX_STEPS} at most")
        check_symprec(args.symprec)
        check_inputs(args.inputs)
        if args.model is not None:
            check_weights(args.model, RELAXERS)
        if args.calculator is not None:
            from asegen.cli.runs.relax_with_calculator import run_with_calculator  # loads ASE

            run_with_calculator(args)
            return
        from asegen.cli.runs.relax import run_relaxation  # loads torch and ASE

        run_relaxation(args)


def _add_calculator(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--calculator",
        metavar="NAME",
        help="relax with it after the network: chgnet, sevennet, emt, gpaw, vasp …, or module:object",
    )
    add("--no-prerelax", action="store_true", help="without the network")
    add("--pressure", type=float, metavar="GPa", help="minimise the enthalpy at this pressure (default: 0)")
    add("--optimizer", choices=("bfgs", "fire"), help="bfgs, which FIRE relieves where it fails (default), or fire")
    add("--jobs", type=int, metavar="N", help="worker processes (default: the free cores)")
    add("--memory", type=float, metavar="GiB", help="most memory of a worker (default: its share)")
    add("--time-limit", type=float, metavar="MIN", help="processor time of one structure, minutes (default: 60)")
    add("--resume", action="store_true", help="go on with a run that was killed")


def _check_together(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Refuses options that need a calculator without one, and those that none takes with one."""
    alone = args.calculator is None
    for name in _WITH_CALCULATOR if alone else _LEARNED_ONLY:
        if getattr(args, name) not in (None, False):
            wrong = "goes with --calculator only" if alone else "doesn't go with --calculator"
            parser.error(f"--{name.replace('_', '-')} {wrong}")
