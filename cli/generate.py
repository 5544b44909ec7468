"""The command `asegen generate`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import ClassVar

from asegen.generation.ranking import ORDERS
from asegen.generation.sources.registry import SOURCES


class CLICommand:
    """Draw crystals of given compositions.

    Compositions come from formulas, from the rows of a file (--from), or from a chemical system (--system). A reduced
    formula, such as TiO2, leaves the size of the cell open: structures are spread over the numbers of formula units
    that known crystals of such compositions have, the likeliest first. One that is written out, such as Ti2O4, is the
    cell. OUT's name decides the format: .extxyz, .cif, .traj, .db, or a folder of POSCARs. Structures are written to
    OUT.part.extxyz as they are drawn, ordered by size; a killed run goes on with --resume.

    Known structure types with other elements and what models draw take turns, the likeliest type first; what is
    predicted to lie far above the convex hull of the known phases comes last, and others are drawn in its place.
    --method diffusion leaves all to the model, --method template to the known types. With --rank, or --method hybrid,
    -n counts candidates: they are relaxed and ordered by predicted energy per atom, the best of each formula first,
    whatever its cell; what is the same crystal as a better one is left out.

    With --spacegroup or --spacegroups every structure has its group exactly, and formulas count the atoms of the
    primitive cell; what is on which Wyckoff position follows known crystals, or --sites.
    """

    FLAGS: ClassVar = {
        "n": "-n",
        "n_atoms": "--atoms",
        "file": "--from",
        "file_spacegroups": "--spacegroups file",
        "formulas": "formulas",
        "batch_size": "--batch",
        "element_map": "--map",
        "keep": "--keep-elements",
    }
    """Of parameters that the library calls otherwise."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Declares the arguments."""
        CLICommand._add_compositions(parser)
        CLICommand._add_symmetry(parser)
        CLICommand._add_sources(parser)
        CLICommand._add_ranking(parser)
        CLICommand._add_run(parser)

    @staticmethod
    def _add_compositions(parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add(
            "formula",
            nargs="*",
            help="such as SrTiO3 or 'Ca(OH)2': cells of any number of formula units; Ti2O4: this cell only",
        )
        add("--from", dest="source", type=Path, metavar="FILE", help="one composition per row or frame of FILE")
        add("--system", metavar="A-B-C", help="compositions over a chemical system, elements and binaries included")
        add(
            "-n",
            type=int,
            metavar="N",
            help="structures of each formula, whatever their cells; in all, with --system (default: 1; 40 if ranked)",
        )
        add(
            "--multiples",
            metavar="1,2,4",
            help="formula units in the cell, N structures of each (default: as many as known crystals have)",
        )
        add("--atoms", type=int, metavar="N", help="atoms in the cell, instead of --multiples")
        add(
            "--max-atoms",
            type=int,
            metavar="N",
            help="most atoms in a cell (default: 20, and more where known crystals of such formulas have them)",
        )

    @staticmethod
    def _add_symmetry(parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add("--spacegroup", metavar="G", help="space group, a number or a symbol such as Fm-3m or P6_3/mmc")
        add(
            "--spacegroups",
            choices=("common", "file"),
            help="common: groups drawn from those of known crystals; file: the column spacegroup of --from",
        )
        add(
            "--sites",
            metavar="S",
            help="letters, 'Na:a Cl:b', or numbers of sites, Na:1,Cl:1; a formula may be left out",
        )
        add(
            "--cell", choices=("primitive", "conventional"), help="cell of structures with a group (default: primitive)"
        )
        add(
            "--known", type=Path, metavar="FILE", help="catalogue of known crystals, as asegen ingest --symmetry writes"
        )
        add(
            "--repulsion",
            type=float,
            metavar="X",
            help="of sites that overlap, with --method score (default: 2; 0: the published sampler)",
        )
        _add_host(parser.add_argument_group("a host to be filled"))

    @staticmethod
    def _add_sources(parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add("--seed", type=int, default=0, help="the same seed gives the same structures (default: 0)")
        add("--model", metavar="NAME|PATH", help="a shipped model's name, or a file of weights")
        add(
            "--method",
            choices=sorted(SOURCES),
            help="diffusion: the model alone; template: elements are substituted in known crystals, the likeliest "
            "structure types first, as many as there are (with --model, it draws the others); hybrid: these, both "
            "diffusion models, and diffusion that begins with templates, ranked; symmetric, analogy, score: with a "
            "space group, the model alone, known crystals of that group and the model in turn, the published score "
            "model (default: those of hybrid in turn, unranked; with a space group, analogy; with --model, diffusion)",
        )
        add(
            "--templates",
            metavar="FILE",
            help="known crystals: a file, a split or catalogue of asegen ingest, aflow, or mp, the catalogue of asegen "
            "(default; with --map and --from, that file)",
        )
        add(
            "--map",
            dest="element_map",
            metavar="'Li:Na Co:Ni'",
            help="which element takes the place of which in a template (default: every sensible one); with --from, in "
            "the compositions of FILE too",
        )
        add(
            "--order",
            action="store_true",
            help="order the partial occupancies of the CIFs of --from: N different orderings of each, the lowest Ewald "
            "energy first, or by --rank",
        )

    @staticmethod
    def _add_ranking(parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add(
            "--rank",
            metavar="BY",
            help="order the N candidates of each formula, relaxed by the learned relaxer, by energy: alignn, chgnet, a "
            "calculator of asegen screen, module:object, or none (default: of hybrid, alignn)",
        )
        add("--keep", type=int, metavar="K", help="write the K best of each formula only (default: all, best first)")
        add(
            "--order-by",
            choices=ORDERS,
            help="energy: what is predicted to lie far above the hull comes last, and with --rank the lowest energy "
            "per atom first, the likelier first within its error; likelihood: as it is drawn, no more than asked for, "
            "and with --rank by energy and likelihood together (default: energy with --rank and where known structure "
            "types take part, else likelihood)",
        )
        add(
            "--pressure",
            type=float,
            metavar="GPa",
            help="relax candidates at this pressure by the calculator of --rank (here default: chgnet), and order them "
            "by enthalpy",
        )
        add(
            "--target",
            action="append",
            default=[],
            metavar="NAME=A..B",
            help="leave out what isn't in this range of a property, such as band_gap=1..2; an unknown name lists all",
        )
        add("--relax-steps", type=int, metavar="N", help="relax by the calculator of --rank too, N steps (default: 0)")

    @staticmethod
    def _add_run(parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add("--steps", type=int, metavar="K", help="steps of the sampler (default: the model's)")
        add("--quick", action="store_true", help="one rough trajectory per structure, no choice among several")
        add("--device", default="auto", help="auto, cpu, cuda, cuda:1 …")
        add("--batch", type=int, default=64, metavar="N", help="structures drawn at once (default: 64)")
        add(
            "--valid-only",
            action="store_true",
            help="draw again what fails the validity gate, and leave out what still does",
        )
        add("--force", action="store_true", help="allow elements that the model was not trained on")
        add("--shard", metavar="K/N", help="do the K-th of N parts of the run, for job arrays")
        add("--resume", action="store_true", help="go on with a killed run")
        add("--overwrite", action="store_true", help="replace OUT if it exists")
        add("--plot", type=Path, metavar="PNG", help="draw up to 24 valid structures on a contact sheet")
        add("-o", "--output", required=True, metavar="OUT", help="where the structures go")

    @staticmethod
    def run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
        """Runs the command."""
        from asegen.cli.runs.generate_arguments import read_arguments
        from asegen.criteria.criterion import read_criteria

        read_criteria(args.target)
        order = read_arguments(args)
        from asegen.cli.runs.generate import run_generation  # loads torch

        run_generation(args, order)


def _add_host(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--host", type=Path, metavar="FILE", help="a crystal whose atoms stay; -n ways to fill it, the best first")
    add("--add", metavar="FORMULA", help="what is added to its cell, such as Li2")
    add(
        "--keep-elements",
        metavar="'A B'",
        help="only these elements stay (default: atoms that FixAtoms holds, else all); without --add, the others are "
        "drawn anew",
    )
    add("--host-cell", metavar="fixed|scaled|free", help="fixed (default); scaled: its volume changes; or free")
