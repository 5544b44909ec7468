"""Which generator the arguments of `asegen generate` ask for, and whether they go together."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from asegen.errors import InputError
from asegen.generation.generator import Generator
from asegen.generation.ranked import CANDIDATES, RankedGenerator
from asegen.generation.rankers import ALIGNN
from asegen.generation.sources.analogy import AnalogyGenerator
from asegen.generation.sources.hybrid import HybridCandidates
from asegen.generation.sources.score import ScoreGenerator
from asegen.generation.sources.symmetric import COMMON, SymmetricGenerator
from asegen.generation.sources.template import TemplateGenerator
from asegen.parallel.pool import free_cores
from asegen.prototypes.library import TemplateLibrary
from asegen.prototypes.sources import KNOWN, open_library
from asegen.trained.samplers import is_score_model

DIFFUSION, TEMPLATE, HYBRID = METHODS = "diffusion", "template", "hybrid"


def make_generator(args: argparse.Namespace) -> Generator:
    """The generator, ranked or not.

    Raises:
        InputError: something that is named isn't there.
        CheckpointError: weights that can't be read.
        AsegenError: a calculator's package is missing.
    """
    if not is_ranked(args):
        return _source(args)
    candidates = CANDIDATES if args.n is None or names_compositions(args) else args.n
    return RankedGenerator(_source(args), args.rank or ALIGNN, candidates, args.relax_steps or 0, args.device)


def _source(args: argparse.Namespace) -> Generator:
    method, common = _method(args), (args.model, args.device, args.batch, args.quick)
    if _symmetric(args):
        by_name = SymmetricGenerator if method == DIFFUSION else AnalogyGenerator
        kind = ScoreGenerator if is_score_model(args.model) else by_name
        return kind(args.spacegroup or COMMON, args.sites, args.cell or "primitive", args.known, *common)
    if method == DIFFUSION:
        return Generator(*common)
    if method == TEMPLATE:
        return TemplateGenerator(_library(args), *common)
    return HybridCandidates(_library(args), *common[:-1], quick=args.quick or is_ranked(args))


def _method(args: argparse.Namespace) -> str:
    """What was asked for; who names a model wants that model, and otherwise all there is takes turns."""
    return args.method or (DIFFUSION if args.model is not None else HYBRID)


def _library(args: argparse.Namespace) -> TemplateLibrary:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    columns = TextColumn("templates"), BarColumn(), TextColumn("{task.completed}/{task.total}")
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", visible=False)
        library = open_library(
            args.templates or KNOWN,
            free_cores(),
            lambda total: bar.update(task, total=total, visible=True),
            lambda: bar.advance(task),
        )
    if left_out := sum(library.rejected.values()):
        kinds = ", ".join(f"{kind} ({count})" for kind, count in sorted(library.rejected.items()))
        whole = left_out + len(library)
        console.print(f"note: {left_out} of {whole} structures in {args.templates} are no templates: {kinds}")
    return library


def is_ranked(args: argparse.Namespace) -> bool:
    """Whether several candidates of each formula are made, and ranked."""
    return args.rank is not None or args.method == HYBRID


def names_compositions(args: argparse.Namespace) -> bool:
    """Whether -n counts compositions rather than structures of each."""
    return args.system is not None or not sources_named(args)


def structures_each(args: argparse.Namespace, generator: Generator) -> int:
    """Structures of each composition that are written."""
    if isinstance(generator, RankedGenerator):
        return args.keep or (1 if names_compositions(args) else generator.candidates)
    return 1 if names_compositions(args) else args.n or 1


def sources_named(args: argparse.Namespace) -> int:
    """How many sources of compositions are named."""
    return sum([bool(args.formula), args.source is not None, args.system is not None])


def check_method(args: argparse.Namespace) -> None:
    """Refuses what doesn't go together.

    Raises:
        InputError: it doesn't.
    """
    if args.method in (TEMPLATE, HYBRID) and (_symmetric(args) or args.sites):
        raise InputError(f"--method {args.method} takes the space groups of what is known: none can be asked for")
    if args.templates is not None and (_symmetric(args) or _method(args) == DIFFUSION):
        raise InputError("--templates goes without space groups, and not with --method diffusion or --model alone")
    for name in ("keep", "relax_steps"):
        if getattr(args, name) is not None and not is_ranked(args):
            raise InputError(f"--{name.replace('_', '-')} goes with --rank or --method hybrid only")
    if args.keep is not None and args.keep < 1:
        raise InputError(f"--keep {args.keep}: at least 1 is needed")
    if args.spacegroup is not None and args.spacegroups is not None:
        raise InputError("--spacegroup and --spacegroups exclude each other")
    if args.spacegroups == "file" and args.source is None:
        raise InputError("--spacegroups file goes with --from only")
    for name in ("sites", "cell", "known"):
        if getattr(args, name) is not None and not _symmetric(args):
            raise InputError(f"--{name} goes with --spacegroup or --spacegroups only")


def _symmetric(args: argparse.Namespace) -> bool:
    return args.spacegroup is not None or args.spacegroups is not None
