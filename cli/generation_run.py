"""What `asegen generate` does once its arguments are read."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from ase import Atoms
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from asegen import __version__
from asegen.calculators.composition_files import from_file
from asegen.calculators.compositions import Composition, from_formula, from_system
from asegen.calculators.formats import CIF, FOLDER, read_back
from asegen.calculators.generator import Generator
from asegen.calculators.outputs import PartialOutput
from asegen.calculators.plan import MAX_SAMPLES, Sample, cut_batches, fingerprint, make_plan, sample_seed, take_shard
from asegen.calculators.symmetric import COMMON, SymmetricGenerator
from asegen.calculators.template import TemplateGenerator
from asegen.cli.summary import Summary
from asegen.errors import InputError
from asegen.templates.library import TemplateLibrary
from asegen.templates.sources import AFLOW, open_library
from asegen.workers import free_cores

TEMPLATE = "template"
_LOG_SECONDS = 60.0  # between two lines of progress where there is no terminal


def run_generation(args: argparse.Namespace) -> None:
    """Generates as the command line asks.

    Raises:
        InputError: anything that can't be done, before or while structures are written.
        CheckpointError: weights that can't be read.
    """
    n = 1 if args.n is None else args.n
    _check_arguments(args, n)
    generator = _generator(args)
    if isinstance(generator, SymmetricGenerator) and not _sources(args):
        plan = make_plan(generator.compositions(n))
    else:
        plan = make_plan(_compositions(args, n), 1 if args.system else n)
    batches = take_shard(cut_batches(plan, args.batch), args.shard)
    generator.check([sample.composition for sample in plan], args.steps, args.force)
    known = fingerprint(batches, _settings(args, generator))
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with closing(PartialOutput(args.output, known, args.resume, args.overwrite)) as output:
        if not output.complete:
            _make_output(output, batches, generator, args, console)
    _report(output, batches, generator, args, console)


def _generator(args: argparse.Namespace) -> Generator:
    if args.method == TEMPLATE:
        return TemplateGenerator(_library(args), args.model, args.device, args.batch, args.quick)
    if not _symmetric(args):
        return Generator(args.model, args.device, args.batch, quick=args.quick)
    return SymmetricGenerator(
        args.spacegroup or COMMON,
        args.sites,
        args.cell or "primitive",
        args.known,
        args.model,
        args.device,
        args.batch,
        args.quick,
    )


def _library(args: argparse.Namespace) -> TemplateLibrary:
    console = Console(stderr=True)
    columns = TextColumn("templates"), BarColumn(), TextColumn("{task.completed}/{task.total}")
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", visible=False)
        return open_library(
            args.templates or AFLOW,
            free_cores(),
            lambda total: bar.update(task, total=total, visible=True),
            lambda: bar.advance(task),
        )


def _symmetric(args: argparse.Namespace) -> bool:
    return args.spacegroup is not None or args.spacegroups is not None


def _sources(args: argparse.Namespace) -> int:
    """How many sources of compositions are named."""
    return sum([bool(args.formula), args.source is not None, args.system is not None])


def _report(
    output: PartialOutput,
    batches: Sequence[list[Sample]],
    generator: Generator,
    args: argparse.Namespace,
    console: Console,
) -> None:
    """The table and the picture of what is on disk now."""
    wanted = {sample.index: sample for batch in batches for sample in batch}
    summary, without_template = Summary(), 0
    for atoms in _own(read_back(output.out, output.format), wanted, generator, args):
        summary.add(atoms)
        without_template += args.method == TEMPLATE and atoms.info.get("method") != TEMPLATE
    if wanted and not args.valid_only and output.format not in (CIF, FOLDER):  # which leave nothing out
        raise InputError(f"{output.out} lacks {len(wanted)} structures that were in it: draw them with --overwrite")
    for index in wanted:
        summary.leave_out(index)
    if output.complete:
        console.print(f"{output.out} is complete: nothing was drawn", markup=False)
    summary.show(output.out)
    if without_template:
        console.print(f"note: {without_template} had no template (any more): drawn by the model")
    if args.plot is not None:
        if summary.valid:
            from asegen.cli.contact_sheet import draw_contact_sheet  # loads matplotlib, for a second

            draw_contact_sheet(summary.pictures(), args.plot)
        else:
            console.print(f"{args.plot} not drawn: no structure is valid", markup=False)


def _check_arguments(args: argparse.Namespace, n: int) -> None:
    if not 1 <= n <= MAX_SAMPLES:
        raise InputError(f"-n {n}: 1 to {MAX_SAMPLES} structures can be asked for")
    if not 0 <= args.seed < 2**63:
        raise InputError(f"--seed {args.seed}: a whole number from 0 to 2^63 - 1 is needed")
    if args.plot is not None and args.plot.suffix not in (".png", ".pdf", ".svg"):
        raise InputError(f"--plot {args.plot}: the picture's name has to end in .png, .pdf or .svg")
    if args.resume and args.overwrite:
        raise InputError("--resume and --overwrite exclude each other")
    _check_symmetry(args)
    if _sources(args) != 1 and not (args.sites and not _sources(args)):
        raise InputError("name one source of compositions: formulas, --from FILE, or --system A-B-C")
    if args.multiples is not None and (args.atoms is not None or args.system is not None):
        raise InputError(f"--multiples and {'--atoms' if args.atoms is not None else '--system'} exclude each other")
    if args.atoms is not None and not args.formula:
        raise InputError("--atoms goes with formulas only")
    if args.max_atoms is not None and args.system is None:
        raise InputError("--max-atoms goes with --system only")


def _check_symmetry(args: argparse.Namespace) -> None:
    if args.method == TEMPLATE and (_symmetric(args) or args.sites):
        raise InputError("--method template takes the space groups of the templates: none can be asked for")
    if args.templates is not None and args.method != TEMPLATE:
        raise InputError("--templates goes with --method template only")
    if args.spacegroup is not None and args.spacegroups is not None:
        raise InputError("--spacegroup and --spacegroups exclude each other")
    if args.spacegroups == "file" and args.source is None:
        raise InputError("--spacegroups file goes with --from only")
    for name in ("sites", "cell", "known"):
        if getattr(args, name) is not None and not _symmetric(args):
            raise InputError(f"--{name} goes with --spacegroup or --spacegroups only")


def _compositions(args: argparse.Namespace, n: int) -> list[Composition]:
    if args.system is not None:
        return from_system(args.system, 20 if args.max_atoms is None else args.max_atoms, n)
    multiples = [1] if args.multiples is None else _whole_numbers(args.multiples)
    if args.source is not None:
        return from_file(args.source, multiples, groups=args.spacegroups == "file")
    return [c for formula in args.formula for c in from_formula(formula, multiples, args.atoms)]


def _whole_numbers(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() and len(part) < 10 for part in parts):
        raise InputError(f"--multiples {text}: write whole numbers joined by commas, such as 1,2,4")
    return [int(part) for part in parts]


def _settings(args: argparse.Namespace, generator: Generator) -> dict[str, object]:
    """What, beside the plan, decides the result."""
    sampler = generator.sampler
    symmetry = generator.settings() if isinstance(generator, SymmetricGenerator) else {}
    return symmetry | {
        "asegen": __version__,
        "model": [sampler.name, sampler.version],
        "steps": args.steps or sampler.default_steps,
        "seed": args.seed,
        "valid_only": args.valid_only,
    }


def _make_output(
    output: PartialOutput,
    batches: Sequence[list[Sample]],
    generator: Generator,
    args: argparse.Namespace,
    console: Console,
) -> None:
    largest = max((len(sample.composition.numbers) for batch in batches for sample in batch), default=0)
    known = generator.sampler.max_atoms
    if largest > known:
        name = generator.sampler.name
        console.print(f"note: cells of up to {largest} atoms; {name} was trained on at most {known}", markup=False)
    try:
        _draw_batches(output, batches, generator, args, console)
        left_out = output.finish(args.valid_only)
    except BaseException as stop:
        if not isinstance(stop, Exception):
            console.print(f"{output.part} holds what is done; the same command with --resume goes on", markup=False)
        raise
    for atoms in left_out:
        index, formula, reason = (atoms.info[key] for key in ("sample_index", "formula", "reason"))
        console.print(f"warning: sample {index} ({formula}) is left out: {reason}", markup=False)


def _draw_batches(
    output: PartialOutput,
    batches: Sequence[list[Sample]],
    generator: Generator,
    args: argparse.Namespace,
    console: Console,
) -> None:
    # Time grows with atoms rather than with structures, so the bar and the time left count atoms.
    atoms = [sum(len(sample.composition.numbers) for sample in batch) for batch in batches]
    n_structures, before = sum(map(len, batches)), output.batches_done
    columns = TextColumn("structures"), BarColumn(), TextColumn("{task.fields[status]}")
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=sum(atoms), completed=sum(atoms[:before]), status="")
        start = logged = time.monotonic()
        for k in range(before, len(batches)):
            output.append(generator.draw(batches[k], args.seed, args.steps, args.valid_only))
            done, now = sum(map(len, batches[: k + 1])), time.monotonic()
            rate = sum(map(len, batches[before : k + 1])) / (now - start)
            left = (now - start) * sum(atoms[k + 1 :]) / sum(atoms[before : k + 1])
            status = f"{done}/{n_structures}, {rate:.3g}/s, {_duration(left)} left"
            bar.update(task, advance=atoms[k], status=status)
            if not console.is_terminal and (now - logged > _LOG_SECONDS or k == len(batches) - 1):
                logged = now
                console.print(f"structures {status}")


def _duration(seconds: float) -> str:
    minutes, hours = round(seconds / 60), round(seconds / 3600, 1)
    return f"{seconds:.0f} s" if seconds < 100 else f"{minutes} min" if minutes < 100 else f"{hours} h"


def _own(
    structures: Iterable[Atoms], wanted: dict[int, Sample], generator: Generator, args: argparse.Namespace
) -> Iterator[Atoms]:
    """Takes what is found off the list of what is wanted.

    Raises:
        InputError: a structure that this run would not have made.
    """
    settings = _settings(args, generator)
    for atoms in structures:
        sample = wanted.pop(int(atoms.info.get("sample_index", -1)), None)
        if sample is None or not _made_by(atoms.info, sample, settings):
            raise InputError(f"{Path(args.output)} was written with other arguments: repeat those, or use --overwrite")
        yield atoms


def _made_by(info: Mapping[str, object], sample: Sample, settings: Mapping[str, object]) -> bool:
    seed = int(str(settings["seed"]))
    return (
        info["sample_seed"] == sample_seed(seed, sample, int(str(info["attempt"])))
        and [str(info["model"]), str(info["model_version"])] == settings["model"]
        and info["steps"] == settings["steps"]
    )
