"""The command `asegen judge-data`."""

from __future__ import annotations

import argparse
from pathlib import Path

SPLITS = ("train", "val")


class CLICommand:
    """Make training data of the judge: a generator's samples beside the crystals that they should be.

    Reads the splits train and val of DATA, draws samples of the same compositions, compares each with the real crystal,
    and writes splits of the same names into OUT, with the target "quality" (1 is perfect, 0 is no match). Then:

        asegen train judge-mp --data OUT --init WEIGHTS --out RUN

    and RUN/weights.safetensors, laid beside the generator's NAME.safetensors as NAME.judge.safetensors, is used. A
    stopped run goes on where it was when the same command is given again.
    """

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Declares the arguments."""
        parser.add_argument("--model", metavar="NAME|PATH", help="generator's weights (default: the shipped ones)")
        parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder written by asegen ingest")
        parser.add_argument("-o", "--output", required=True, type=Path, metavar="OUT", help="folder for the splits")
        parser.add_argument("-n", "--copies", type=int, default=4, help="samples per crystal (default: 4)")
        parser.add_argument("--steps", type=int, help="network evaluations per sample (default: the generator's)")
        parser.add_argument("--limit", type=int, metavar="N", help="N crystals of each split, chosen at random")
        parser.add_argument("--max-atoms", type=int, default=20, help="leave out larger crystals (default: 20)")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps …")
        parser.add_argument("--jobs", type=int, default=1, metavar="J", help="processes that compare (default: 1)")
        parser.add_argument("--force", action="store_true", help="replace splits that exist")

    @staticmethod
    def run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
        """Runs the command."""
        from asegen.cli.checks import check_weights
        from asegen.data.index import check_writable
        from asegen.errors import InputError
        from asegen.parallel.machine import check_jobs
        from asegen.training.registry import GENERATORS

        check_jobs(args.jobs)
        for name in ("copies", "steps", "limit", "max_atoms"):
            value = getattr(args, name)
            if value is not None and value < 1:
                parser.error(f"--{name.replace('_', '-')} must be at least 1, not {value}")
        if args.model is not None:
            check_weights(args.model, GENERATORS)
        for split in SPLITS:
            check_writable(args.output, split, args.force)
            if not (args.data / split).is_dir():
                raise InputError(f"no split {split} in {args.data}: make it with `asegen ingest`")
        from asegen.cli.runs.judge_data import run_judge_data  # loads torch

        run_judge_data(args, SPLITS)
