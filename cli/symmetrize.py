"""The command `asegen symmetrize`."""

from __future__ import annotations

import argparse
from pathlib import Path


class CLICommand:
    """Refine structures to the space groups that they have within a tolerance.

    Every frame of every IN is made exactly symmetric and written in a standard cell, or as it is. OUT's name decides
    the format: .extxyz, .cif, .traj, .db, or a folder of POSCARs. Each frame carries spacegroup, spacegroup_symbol and
    wyckoff; what can't be refined is named on stderr and left out.
    """

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Declares the arguments."""
        add = parser.add_argument
        add("inputs", nargs="+", type=Path, metavar="IN", help="any file that ASE reads, a CSV with CIFs, or a folder")
        add("-o", "--output", required=True, metavar="OUT", help="where the structures go")
        add("--symprec", type=float, default=0.01, metavar="Å", help="tolerance of the space groups (default: 0.01)")
        add(
            "--cell",
            choices=("primitive", "conventional", "as-is"),
            default="primitive",
            help="standard cells of the International Tables, or the cell, orientation and order of atoms that it has",
        )
        add("--overwrite", action="store_true", help="replace OUT if it exists")

    @staticmethod
    def run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
        """Runs the command."""
        from asegen.cli.checks import check_inputs, check_output
        from asegen.structures.formats import output_format
        from asegen.structures.tolerance import check_symprec

        output_format(args.output)
        check_output(Path(args.output), args.overwrite)
        check_symprec(args.symprec)
        check_inputs(args.inputs)
        from asegen.cli.runs.symmetrize import run_symmetrize  # loads torch and ASE

        run_symmetrize(args)
