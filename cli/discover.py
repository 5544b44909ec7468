"""The command `asegen discover`."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import ClassVar

PROPOSALS = ("learned", "ion-exchange", "uniform")
NEW = ("composition", "structure", "type")


class CLICommand:
    """Find new crystals of any composition, stable, with properties that are asked for.

    Compositions are proposed that known crystals lead to by likely exchanges of elements; structures of each are drawn,
    relaxed and ranked; what is predicted to be stable is relaxed by a potential and placed above the convex hull of the
    Materials Project. What is stable enough, new enough, on target and not too much like what was kept before goes to
    OUT, ready for "asegen screen"; OUT.proposals.csv says what became of every composition. A killed run goes on with
    --resume.

    Targets are ranges: --target band_gap=1..2 --target bulk_modulus=150.. --target spacegroup=Fm-3m --target metal=no;
    an unknown name lists all.
    """

    FLAGS: ClassVar = {"n": "-n", "batch_size": "--batch"}
    """Of parameters that the library calls otherwise."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Declares the arguments."""
        CLICommand._add_compositions(parser)
        CLICommand._add_wanted(parser)
        CLICommand._add_search(parser)
        CLICommand._add_run(parser)

    @staticmethod
    def _add_compositions(parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add("-n", type=int, default=10, metavar="N", help="crystals to find (default: 10)")
        add("-o", "--output", required=True, metavar="OUT", help="where the crystals go; the name decides the format")
        add(
            "--elements",
            metavar="'A B|C|*'",
            help="groups of elements: exactly one element of each; * is any element",
        )
        add("--exclude", default="", metavar="'A B'", help="elements to leave out, such as 'Pb Cd Tl'")
        add("--system", metavar="A-B-C", help="a chemical system, its subsystems included")
        add("--max-elements", type=int, default=4, metavar="N", help="most elements (default: 4)")
        add("--max-atoms", type=int, default=20, metavar="N", help="most atoms in the primitive cell (default: 20)")
        add(
            "--spacegroups",
            metavar="G,…",
            help="space groups before the potential relaxes: numbers, symbols, ranges such as 195-230, or systems such "
            "as cubic",
        )

    @staticmethod
    def _add_wanted(parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add(
            "--target",
            action="append",
            default=[],
            metavar="NAME=A..B",
            help="range of a property, such as band_gap=1..2, density=..4, metal=no; several must be met together",
        )
        add(
            "--e-hull",
            type=float,
            default=0.1,
            metavar="E",
            help="eV/atom above the hull of the Materials Project, at most (default: 0.1)",
        )
        add("--new", choices=NEW, default=NEW[0], help="what has to be new (default: composition)")
        add(
            "--potential",
            default="chgnet",
            metavar="NAME",
            help="gives the energies: chgnet, sevennet …, module:object, or none, which leaves them to predictions "
            "(default: chgnet)",
        )
        add("--relax-steps", type=int, default=60, metavar="K", help="of the potential, at most (default: 60)")

    @staticmethod
    def _add_search(parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add(
            "--proposal",
            choices=PROPOSALS,
            default=PROPOSALS[0],
            help="compositions by learned exchanges, by random ones of like ions, or by chance (default: learned)",
        )
        add("--candidates", type=int, default=8, metavar="N", help="structures drawn of each composition (default: 8)")
        add(
            "--most-alike",
            type=int,
            default=2,
            metavar="N",
            help="crystals of one type and of elements of the same families, at most (default: 2)",
        )
        add("--proposals", type=int, metavar="N", help="compositions to try at most (default: 30 for each crystal)")

    @staticmethod
    def _add_run(parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add("--seed", type=int, default=0, help="the same seed gives the same crystals (default: 0)")
        add("--device", default="auto", help="auto, cpu, cuda, cuda:1 …")
        add("--shard", metavar="K/N", help="do the K-th of N parts, which share no composition, for job arrays")
        add("--resume", action="store_true", help="go on with a killed run")
        add("--overwrite", action="store_true", help="replace OUT if it exists")
        add("--plot", type=Path, metavar="PNG", help="draw up to 24 of the crystals on a contact sheet")

    @staticmethod
    def run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
        """Runs the command."""
        from asegen.criteria.criterion import read_criteria
        from asegen.discovery.chemistry import Chemistry
        from asegen.discovery.places import check_place
        from asegen.generation.plan import check_settings, parse_shard
        from asegen.potentials.registry import check_name

        check_settings(args.n, args.seed)
        parse_shard(args.shard)
        check_place(args.output, args.n, args.resume, args.overwrite)
        Chemistry(args.elements, args.exclude, args.system, args.max_elements, args.max_atoms, args.spacegroups)
        read_criteria(args.target)
        if not math.isfinite(args.e_hull):
            parser.error(f"--e-hull {args.e_hull}: a number is needed, eV/atom")
        if args.potential != "none":
            check_name(args.potential)
        from asegen.cli.runs.discover import run_discovery  # loads torch

        run_discovery(args)
