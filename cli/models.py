"""The command `asegen models`."""

from __future__ import annotations

import argparse
from pathlib import Path


class CLICommand:
    """List the shipped models, what they do, and their figures on test splits.

    With --test the named models are measured on the split "test" of a folder that "asegen ingest" wrote; --record
    writes the figures into the weights' header, from where they are listed.
    """

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Declares the arguments."""
        add = parser.add_argument
        add("model", nargs="*", metavar="NAME|PATH", help="only these; also files of weights")
        add("--test", type=Path, metavar="DIR", help="measure property networks on the split test of DIR")
        add("--record", action="store_true", help="write what --test measures into the files of weights")
        add("--json", action="store_true", help="print JSON")

    @staticmethod
    def run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
        """Runs the command."""
        if args.record and args.test is None:
            parser.error("--record goes with --test")
        if args.test is not None and not args.model:
            parser.error("--test needs the models to measure")
        from asegen.cli.runs.models import list_models

        list_models(args.model, args.test, args.record, args.json)
