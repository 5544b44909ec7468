"""The command `asegen predict`."""

from __future__ import annotations

import argparse
from pathlib import Path


class CLICommand:
    """Predict a property of crystals.

    Reads what "asegen ingest" reads. OUT's name decides the format: .csv, .json, or .extxyz, whose frames carry the
    values in their info, and those of atoms, such as moments, in their arrays. Every structure gets a row: its value
    with a standard deviation, or a status that says why there is none. Without -o a table is printed.
    """

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Declares the arguments."""
        add = parser.add_argument
        add("input", nargs="+", type=Path, metavar="FILE", help="structures: CIF, CSV with a cif column, extxyz …")
        add("--property", metavar="NAME", help="such as formation_energy, band_gap, metal (default: formation_energy)")
        add(
            "--model",
            default="alignn",
            metavar="NAME|PATH",
            help="kind of network, or a shipped model's full name, or a file of weights (default: alignn)",
        )
        add("--device", default="auto", help="auto, cpu, cuda, cuda:1 …")
        add("--overwrite", action="store_true", help="replace OUT if it exists")
        add("-o", "--output", type=Path, metavar="OUT", help="where the values go: .csv, .json, .extxyz")

    @staticmethod
    def run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
        """Runs the command."""
        from asegen.cli.runs.predict import run_prediction

        run_prediction(args)
