"""The command `asegen ingest`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import ClassVar


class CLICommand:
    """Turn files of crystals into the arrays that training reads.

    Reads CSV tables with a `cif` column, CIF, extxyz, POSCAR, ASE databases and trajectories, each also as .gz where it
    is text. Columns of numbers become targets, those of true and false as 1 and 0, and so do arrays of one number per
    atom, such as an extxyz file's `magmoms`. Every crystal is checked and Niggli-reduced; every row that is not used
    is listed with its reason in DIR/SPLIT/rejected.csv.

    Files make splits of their own names, such as train, val and test. A single file of another name is divided at
    random into train (80 %), val and test (10 % each), unless --split names one split.
    """

    FLAGS: ClassVar = {"symprec": "--symmetry"}

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Declares the arguments."""
        parser.add_argument("input", nargs="+", type=Path, help="file of structures, or a folder: the files in it")
        parser.add_argument("-o", "--output", required=True, type=Path, metavar="DIR", help="folder for the splits")
        parser.add_argument("--split", metavar="NAME", help="one split of this name (default: each file's own name)")
        parser.add_argument("--seed", type=int, default=0, help="of the division of a single file (default: 0)")
        parser.add_argument("--max-atoms", type=int, metavar="N", help="reject cells of more atoms")
        parser.add_argument(
            "--targets",
            metavar="A,B",
            help="columns to keep (default: all of numbers, or of true and false, but those of how asegen made a "
            "crystal, such as seed)",
        )
        parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: one per core)")
        parser.add_argument(
            "--symmetry",
            type=float,
            metavar="Å",
            help="make crystals exactly symmetric within this tolerance, for training with space groups (such as 0.1)",
        )
        parser.add_argument(
            "--general",
            action="store_true",
            help="with --symmetry: every site in its group's general position, for the published score model",
        )
        parser.add_argument("--force", action="store_true", help="replace splits that exist")

    @staticmethod
    def run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
        """Runs the command."""
        from asegen.parallel.machine import check_jobs

        if args.max_atoms is not None and args.max_atoms < 1:
            parser.error(f"--max-atoms must be at least 1, not {args.max_atoms}")
        if args.jobs is not None:
            check_jobs(args.jobs)
        if not 0 <= args.seed < 2**63:
            parser.error(f"--seed {args.seed}: a whole number from 0 to 2^63 - 1 is needed")
        from asegen.structures.tolerance import check_symprec

        if args.symmetry is not None:
            check_symprec(args.symmetry)
        if args.general and args.symmetry is None:
            parser.error("--general goes with --symmetry only")
        from asegen.data.index import check_writable
        from asegen.ingest.plan import SHARES, needs_division, plan_splits

        splits, skipped = plan_splits(args.input, args.split)
        args.divides = needs_division(list(splits), args.split)
        for split in (*splits, *SHARES) if args.divides else splits:
            check_writable(args.output, split, args.force)
        from asegen.cli.runs.ingest import run_ingest  # loads torch and ASE

        run_ingest(args, splits, skipped)
