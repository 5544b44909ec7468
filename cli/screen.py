"""The command `asegen screen`."""

from __future__ import annotations

import argparse
from pathlib import Path


class CLICommand:
    """Find the few candidates that deserve DFT.

    Reads what "asegen ingest" reads, or draws candidates first (--generate). Every structure ends with one status and
    reason in RUN/results.csv; the ranked ones are in RUN/results.extxyz and RUN/results.db, and RUN/report.html shows
    them. Whatever ends the command, the same command does the rest; given twice at once, both share the work.
    """

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Declares the arguments."""
        CLICommand._add_inputs(parser)
        CLICommand._add_potentials(parser)
        CLICommand._add_references(parser)
        CLICommand._add_best(parser)
        CLICommand._add_dft(parser)
        CLICommand._add_relaxation(parser)
        CLICommand._add_workers(parser)

    @staticmethod
    def _add_inputs(parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add("inputs", nargs="*", type=Path, metavar="IN", help="structures: CIF, CSV with a cif column, extxyz …")
        add(
            "--generate",
            metavar="'ARGUMENTS'",
            help="draw candidates first, as asegen generate does with these, such as 'LiFePO4 --multiples 4 --keep 9'; "
            "ranked by alignn if not by another --rank, the most promising are relaxed first",
        )
        add(
            "--collect",
            nargs="*",
            type=Path,
            metavar="FOLDER",
            help="screens nothing, but reads finished DFT (VASP, Quantum ESPRESSO, GPAW …) back from folders called "
            "after candidates' ids, and ranks by it too (default: RUN/vasp and RUN/espresso); other folders in it are "
            "references, such as the elements",
        )
        add("--workdir", type=Path, required=True, metavar="RUN", help="folder of the screening, begun or gone on with")

    @staticmethod
    def _add_potentials(parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add(
            "--calculator",
            default="chgnet",
            metavar="NAME",
            help="chgnet, sevennet, mace, emt, gpaw, vasp … or module:object (default: chgnet)",
        )
        add(
            "--relaxer",
            default="empnn",
            metavar="NAME|PATH",
            help="learned pre-relaxation: empnn, a file of weights, or none (default: empnn)",
        )
        add(
            "--stages",
            metavar="NAME,…",
            help="only these; 'default,elastic,eos,thermal' adds the optional ones; an unknown name lists all",
        )

    @staticmethod
    def _add_references(parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add(
            "--reference",
            action="append",
            metavar="mp|none|FILE",
            help="what competes: mp, the shipped hull of the Materials Project (default); none, the elements and the "
            "candidates alone; a file of known crystals and phases, which adds to mp and tells what is new; both none "
            "and FILE, by two of these options: the file alone",
        )
        add("--energy-scale", metavar="LABEL", help="of energies in FILE that don't name theirs, such as MP2020")
        add("--materials-project", action="store_true", help="competitors from there too, with the key in MP_API_KEY")
        add(
            "--fit-references",
            action="store_true",
            help="fit energies of the elements to a calculator that comes without them, so that it can use the shipped "
            "hull: 752 single points of up to 12 atoms, once",
        )

    @staticmethod
    def _add_best(parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add(
            "--best",
            type=int,
            default=10,
            metavar="N",
            help="so many get what follows, new crystals before known ones: a second opinion, phonons, DFT inputs "
            "(default: 10)",
        )
        add(
            "--second-opinion",
            metavar="NAME",
            help="another calculator that relaxes the best, too: its energies above the hull and phonons beside the "
            "first ones, and whether the two agree within their errors",
        )
        add(
            "--phonons-by",
            metavar="NAME",
            help="calculator of phonons (default: both of the above) and of the stage elastic",
        )
        add("--check-size", action="store_true", help="phonons with a larger supercell too")
        add(
            "--target",
            action="append",
            default=[],
            metavar="NAME=A..B",
            help="range of a property, such as band_gap=1..2; candidates outside of it get no phonons and DFT inputs; "
            "an unknown name lists all",
        )

    @staticmethod
    def _add_dft(parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add(
            "--job-script",
            type=Path,
            metavar="FILE",
            help="template of job scripts for the DFT inputs, with {{id}}, {{step}}, {{prepare}} …; one with {{input}} "
            "is for Quantum ESPRESSO",
        )
        add(
            "--pseudopotentials",
            type=Path,
            metavar="PATH",
            help="of Quantum ESPRESSO's inputs: a folder, or JSON of names by element (default: X.upf)",
        )

    @staticmethod
    def _add_relaxation(parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add("--fmax", type=float, default=0.05, metavar="eV/Å", help="done below this force (default: 0.05)")
        add("--steps", type=int, default=500, metavar="K", help="most steps of a relaxation (default: 500)")
        add(
            "--optimizer",
            choices=("bfgs", "fire"),
            default="bfgs",
            help="of the relaxation: bfgs, with fire behind it where it fails, or fire (default: bfgs)",
        )
        add(
            "--pressure",
            type=float,
            default=0.0,
            metavar="GPa",
            help="relax, rank and place above the hull by enthalpy at this pressure; the elements are computed at it, "
            "references at zero pressure (mp, energies in FILE) are refused",
        )
        add("--keep-symmetry", action="store_true", help="space groups stay in the relaxation")
        add("--symprec", type=float, default=0.1, metavar="Å", help="tolerance of the space groups (default: 0.1)")
        add("--order", action="store_true", help="order CIFs with partial occupancies, by Ewald energy")
        add("--device", default="auto", help="of the pre-relaxation: auto, cpu, cuda, cuda:1 …")

    @staticmethod
    def _add_workers(parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        workers = parser.add_mutually_exclusive_group()
        workers.add_argument("--jobs", type=int, metavar="N", help="worker processes here (default: the free cores)")
        workers.add_argument("--scheduler", metavar="ADDRESS", help="workers of a Dask scheduler that runs")
        workers.add_argument("--cluster", type=Path, metavar="TOML", help="workers of a Dask cluster to start")
        add("--memory", type=float, metavar="GiB", help="most memory of a worker here (default: its share)")
        add("--time-limit", type=float, default=60.0, metavar="MIN", help="of one relaxation, minutes (default: 60)")

    @staticmethod
    def run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
        """Runs the command."""
        if args.collect is not None:
            from asegen.cli.runs.collect import run_collection

            run_collection(args)
            return
        from asegen.cli.runs.screen_options import options_of

        options = options_of(args)  # refuses what can't be done before anything heavy is loaded
        from asegen.cli.runs.screen import run_screening

        run_screening(args, options)
