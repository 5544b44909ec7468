"""What the arguments of `asegen generate` ask for. What can't be is refused here, before anything heavy is loaded."""

from __future__ import annotations

import argparse
from typing import NamedTuple

from asegen.cli.checks import check_weights
from asegen.errors import InputError
from asegen.generation.outputs import check_place
from asegen.generation.plan import check_settings, parse_shard
from asegen.generation.ranking import Ranking, check_order
from asegen.generation.request import Request
from asegen.generation.sources.registry import DEFAULT, SOURCES
from asegen.parallel.files import check_writable
from asegen.prototypes.exchanges import parse_element_map
from asegen.structures.formats import check_replaceable
from asegen.training.registry import GENERATORS, SCORES, SYMMETRIC_GENERATORS

DIFFUSION, TEMPLATE, HYBRID, HOST = "diffusion", "template", "hybrid", "host"
ORDERINGS = "orderings"
_PICTURES = (".png", ".pdf", ".svg")


class Counts(NamedTuple):
    """What -n and --keep count.

    | compositions are       | ranked | -n (default)           | --keep (default)             |
    | ---------------------- | ------ | ---------------------- | ---------------------------- |
    | formulas, of --from    | no     | structures of each (1) |                              |
    | formulas, of --from    | yes    | candidates of each (40)| structures of each (all)     |
    | of --system or --sites | no     | compositions (1)       |                              |
    | of --system or --sites | yes    | compositions (1)       | structures of each (1 of 40) |

    Attributes:
        compositions: how many are chosen, where they aren't named.
        structures: of each that are written.
        candidates: of each that are ranked.
    """

    compositions: int
    structures: int
    candidates: int


class Order(NamedTuple):
    """What the command line asks for.

    Attributes:
        request: what crystals.
        source: name of what draws; weights of a score model say otherwise, see `asegen.trained.samplers`.
        n: structures of each composition.
        ranking: by what candidates are ordered, if they are.
        templates: known crystals that lend their structures; those of the package without it.
    """

    request: Request
    source: str
    n: int
    ranking: Ranking | None
    templates: str | None


def read_arguments(args: argparse.Namespace) -> Order:
    """What is asked for.

    Raises:
        InputError: it can't be, or doesn't go together.
    """
    check_settings(1 if args.n is None else args.n, args.seed, args.steps, args.batch)
    parse_shard(args.shard)
    if args.plot is not None and args.plot.suffix not in _PICTURES:
        raise InputError(f"--plot {args.plot}: the picture's name has to end in .png, .pdf or .svg")
    if args.plot is not None:
        check_replaceable(args.plot, is_folder=False)
        check_writable(args.plot)
    _check_method(args)
    _check_compositions(args)
    counts = _counts(args)
    request = _request(args, counts.compositions)
    if args.model is not None:
        grouped = SOURCES[_source(args)].spacegroups
        check_weights(args.model, (*SYMMETRIC_GENERATORS, *SCORES) if grouped else GENERATORS)
    check_place(args.output, args.resume, args.overwrite)
    by = args.rank or (Ranking.by if args.pressure is None else "chgnet")
    how = {"relax_steps": args.relax_steps or 0, "device": args.device, "pressure": args.pressure or 0.0}
    ranking = Ranking(by, counts.candidates, **how)
    mapped = args.element_map is not None and args.source is not None
    templates = str(args.source) if args.templates is None and mapped else args.templates
    return Order(request, _source(args), counts.structures, ranking if is_ranked(args) else None, templates)


def is_ranked(args: argparse.Namespace) -> bool:
    """Whether several candidates of each formula are made, and ranked."""
    return args.rank is not None or args.method == HYBRID or args.pressure is not None


def _counts(args: argparse.Namespace) -> Counts:
    chosen, ranked = args.system is not None or not _named(args), is_ranked(args) and args.host is None
    compositions = args.n or 1 if chosen else 1
    candidates = args.n if args.n and not chosen and ranked else Ranking.candidates
    if not ranked:
        return Counts(compositions, 1 if chosen else args.n or 1, candidates)
    structures = args.keep or (1 if chosen else candidates)
    if structures > candidates:
        raise InputError(f"--keep {structures}: 1 to {candidates}, as many as there are candidates, can be kept")
    return Counts(compositions, structures, candidates)


def _request(args: argparse.Namespace, compositions: int) -> Request:
    return Request(
        args.formula,
        multiples=None if args.multiples is None else _whole_numbers(args.multiples),
        n_atoms=args.atoms,
        system=args.system,
        max_atoms=args.max_atoms,
        file=args.source,
        spacegroup=args.spacegroup,
        file_spacegroups=args.spacegroups == "file",
        sites=args.sites,
        compositions=compositions,
        element_map=args.element_map if args.source is not None else None,
        order=args.order,
        host=args.host,
        add=args.add,
        keep=args.keep_elements,
        host_cell=args.host_cell,
    )


def _whole_numbers(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() and len(part) < 10 for part in parts):
        raise InputError(f"--multiples {text}: write whole numbers joined by commas, such as 1,2,4")
    return [int(part) for part in parts]


def _source(args: argparse.Namespace) -> str:
    """The source that is named; otherwise a model that is named draws alone, and else all there is takes turns."""
    if args.host is not None:
        return HOST
    if args.order:
        return ORDERINGS
    alone = args.method == DIFFUSION or (args.method is None and args.model is not None)
    if _has_group(args) and args.method in (None, DIFFUSION):
        return "symmetric" if alone else "analogy"
    return args.method or (DIFFUSION if alone else DEFAULT)


def _check_method(args: argparse.Namespace) -> None:
    _check_host(args)
    if args.order and args.method not in (None, ORDERINGS):
        raise InputError("--order and --method exclude each other")
    grouped = _has_group(args) or args.sites
    if grouped and args.method not in (None, DIFFUSION) and not SOURCES[args.method].spacegroups:
        raise InputError(f"--method {args.method} takes the space groups of what is known: none can be asked for")
    options = SOURCES[_source(args)].options
    if args.templates is not None and "templates" not in options:
        raise InputError("--templates goes without space groups, and not with --method diffusion or --model alone")
    if args.element_map is not None:
        parse_element_map(args.element_map)
        if "element_map" not in options:
            raise InputError("--map goes with known structure types: without space groups, and not with a model alone")
    check_order(args.order_by)
    for name in ("keep", "relax_steps"):
        if getattr(args, name) is not None and not is_ranked(args):
            raise InputError(f"--{name.replace('_', '-')} goes with --rank or --method hybrid only")
    if args.keep is not None and args.keep < 1:
        raise InputError(f"--keep {args.keep}: at least 1 is needed")
    if args.spacegroup is not None and args.spacegroups is not None:
        raise InputError("--spacegroup and --spacegroups exclude each other")
    for name in ("sites", "cell", "known"):
        if getattr(args, name) is not None and not SOURCES[_source(args)].spacegroups:
            raise InputError(f"--{name} goes with --spacegroup or --spacegroups only")


def _check_host(args: argparse.Namespace) -> None:
    for name in ("method", "keep", "order_by") if args.host is not None else ():
        if getattr(args, name) not in (None, HOST):
            raise InputError(f"--{name.replace('_', '-')} and --host exclude each other")


def _check_compositions(args: argparse.Namespace) -> None:
    if _named(args) != 1 and not (args.sites and not _named(args)):
        raise InputError("name one source of compositions: formulas, --from FILE, --system A-B-C, or --host FILE")


def _named(args: argparse.Namespace) -> int:
    """How many sources of compositions are named."""
    return sum([bool(args.formula), *(one is not None for one in (args.source, args.system, args.host))])


def _has_group(args: argparse.Namespace) -> bool:
    return args.spacegroup is not None or args.spacegroups is not None
