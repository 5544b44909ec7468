"""`asegen train`."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import ClassVar

_MAX_STEPS = 100_000_000
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> float:
    """Seconds of a time such as 6h, 30m, 90s or 90.

    Raises:
        argparse.ArgumentTypeError: it is none, or not positive.
    """
    number, factor = (text[:-1], _UNITS[text[-1]]) if text[-1:] in _UNITS else (text, 1)
    try:
        found = float(number) * factor
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 6h, 30m or 90s")
    return found


class CLICommand:
    """Train a network from a recipe.

    DATA is a folder written by "asegen ingest", with the splits train and val. OUT receives weights.safetensors (the
    best on val), metrics.csv and a checkpoint from which --resume goes on exactly. Ctrl-C or SIGTERM ends a
    run with a validation and a checkpoint, the second one at once.
    """

    FLAGS: ClassVar[dict[str, str]] = {"targets": "--target"}
    """Flags that aren't named as the library's parameters."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Declares the command's arguments."""
        parser.add_argument("recipe", help="a shipped recipe's name, or the path of a TOML file")
        parser.add_argument("--data", required=True, metavar="DIR", help="folder written by asegen ingest")
        parser.add_argument("--out", required=True, metavar="DIR", help="folder of the run")
        parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in OUT, if there is one")
        parser.add_argument("--init", metavar="WEIGHTS", help="start from these weights: a shipped name, or a path")
        parser.add_argument("--steps", type=int, help="optimiser steps in all, instead of the recipe's")
        parser.add_argument(
            "--time",
            type=seconds,
            metavar="TIME",
            help="at most so long, such as 6h, 30m or 90s: the learning rate falls as the time runs out, and the run "
            "is validated 20 times. It can be resumed (earlier time counts), but no longer bit for bit",
        )
        parser.add_argument(
            "--target", action="append", metavar="COLUMN", help="learn this column of DATA; may be repeated"
        )
        parser.add_argument("--seed", type=int, help="instead of the recipe's")
        parser.add_argument("--accelerator", default="auto", help="Lightning's: auto, cpu, cuda, mps …")
        parser.add_argument("--devices", default="1", help="Lightning's: how many, or which, devices")
        parser.add_argument("--num-nodes", type=int, default=1, help="Lightning's: machines")
        parser.add_argument("--strategy", default="auto", help="Lightning's: auto, ddp …")
        parser.add_argument(
            "--precision",
            choices=["32-true", "bf16-mixed"],
            help="instead of the recipe's, which is float32 in any case where the processor has no bfloat16",
        )

    @staticmethod
    def run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
        """Runs the command."""
        from asegen.cli.checks import check_folder
        from asegen.data.index import read_index
        from asegen.trained.weights import find_weights
        from asegen.training.recipe import read_table

        read_table(args.recipe)
        init = find_weights(args.init) if args.init else None
        for split in ("train", "val"):
            read_index(Path(args.data), split)
        check_folder(Path(args.out))
        if args.steps is not None and not 1 <= args.steps <= _MAX_STEPS:
            parser.error(f"--steps {args.steps}: 1 to {_MAX_STEPS} are possible")
        from asegen.cli.runs.train import run_training  # loads torch and Lightning

        run_training(args, init)
