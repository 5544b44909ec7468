"""The command `asegen evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path


class CLICommand:
    """Measure how good generated crystals are.

    Reads what "asegen ingest" reads. Broken structures are counted with their reason, never skipped. Without --metrics
    everything is measured for which there are structures and packages. Each figure is written with the protocol and
    version that it follows; figures of different protocols can't be compared.
    """

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Declares the arguments."""
        add = parser.add_argument
        add("generated", type=Path, metavar="GENERATED", help="structures: CIF, CSV with a cif column, extxyz …")
        add("--reference", type=Path, metavar="TEST", help="real crystals that they should resemble")
        add("--train", type=Path, metavar="TRAIN", help="real crystals that the generator has seen")
        add("--metrics", metavar="NAME,…", help="only these; an unknown name lists all")
        add("--embedder", metavar="NAME|PATH", help="network behind energy and fad (default: alignn-formation-energy)")
        add("--cache", type=Path, metavar="FOLDER", help="keep fingerprints and embeddings for the next run")
        add("--jobs", type=int, default=1, metavar="N", help="worker processes (default: 1)")
        add("--overwrite", action="store_true", help="replace the JSON file if it exists")
        add("--json", type=Path, metavar="OUT", help="write figures, protocols and versions to a file")

    @staticmethod
    def run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
        """Runs the command."""
        from asegen.cli.evaluation_run import run_evaluation

        run_evaluation(args)
