"""What `asegen generate` does once its arguments are read."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from ase import Atoms
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from asegen import __version__
from asegen.cli.runs.generate_methods import (
    DIFFUSION,
    TEMPLATE,
    check_method,
    make_generator,
    sources_named,
    structures_each,
)
from asegen.cli.runs.summary import Summary
from asegen.errors import InputError
from asegen.generation.composition_files import from_file
from asegen.generation.compositions import Composition, from_formula, from_system
from asegen.generation.generator import Generator
from asegen.generation.outputs import PartialOutput
from asegen.generation.plan import MAX_SAMPLES, Sample, fingerprint, sample_seed, take_shard
from asegen.generation.ranked import RankedGenerator
from asegen.generation.sources.symmetric import SymmetricGenerator
from asegen.structures.writing import CIF, FOLDER, read_back

_NAMED = 5
_LOG_SECONDS = 60.0  # between two lines of progress where there is no terminal


def run_generation(args: argparse.Namespace) -> None:
    """Generates as the command line asks.

    Raises:
        InputError: anything that can't be done, before or while structures are written.
        CheckpointError: weights that can't be read.
    """
    os.environ.setdefault("SPGLIB_WARNING", "OFF")  # a line for each attempt at a group that isn't there
    n = 1 if args.n is None else args.n
    _check_arguments(args, n)
    generator = make_generator(args)
    planned = generator.batches(_compositions(args, n, generator), structures_each(args, generator))
    generator.check([sample.composition for batch in planned for sample in batch], args.steps, args.force)
    batches = take_shard(planned, args.shard)
    known = fingerprint(batches, _settings(args, generator))
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with closing(PartialOutput(args.output, known, args.resume, args.overwrite)) as output:
        if not output.complete:
            _make_output(output, batches, generator, args, console)
    _report(output, batches, generator, args, console)


def _report(
    output: PartialOutput,
    batches: Sequence[list[Sample]],
    generator: Generator,
    args: argparse.Namespace,
    console: Console,
) -> None:
    """The table and the picture of what is on disk now."""
    wanted = {sample.index: sample for batch in batches for sample in batch}
    summary, by_model, untemplated = Summary(), 0, set()
    for atoms in _own(read_back(output.out, output.format), wanted, generator, args):
        summary.add(atoms)
        by_model += args.method == TEMPLATE and atoms.info["source"] == DIFFUSION
        untemplated |= {atoms.info["formula"]} if not atoms.info.get("has_template", True) else set()
    ranked = isinstance(generator, RankedGenerator)
    may_lack = ranked or args.valid_only or output.format in (CIF, FOLDER)
    if wanted and not may_lack:
        raise InputError(f"{output.out} lacks {len(wanted)} structures that were in it: draw them with --overwrite")
    for index in () if ranked else wanted:
        summary.leave_out(index)
    if output.complete:
        console.print(f"{output.out} is complete: nothing was drawn", markup=False)
    summary.show(output.out)
    if wanted and ranked:
        console.print(
            f"note: {len(wanted)} fewer than asked for: the other candidates are the same crystals, or invalid"
        )
    if by_model:
        console.print(f"note: {by_model} had no template (any more): drawn by the model")
    if untemplated:
        console.print(f"note: no template for {_some(untemplated)}: models draw all of it")
    if args.plot is not None:
        if summary.valid:
            from asegen.cli.runs.contact_sheet import draw_contact_sheet  # loads matplotlib, for a second

            draw_contact_sheet(summary.pictures(), args.plot)
        else:
            console.print(f"{args.plot} not drawn: no structure is valid", markup=False)


def _some(formulas: set[str]) -> str:
    first = sorted(formulas)[:_NAMED]
    return ", ".join(first) + (f" and {len(formulas) - len(first)} more" if len(formulas) > len(first) else "")


def _check_arguments(args: argparse.Namespace, n: int) -> None:
    if not 1 <= n <= MAX_SAMPLES:
        raise InputError(f"-n {n}: 1 to {MAX_SAMPLES} structures can be asked for")
    if not 0 <= args.seed < 2**63:
        raise InputError(f"--seed {args.seed}: a whole number from 0 to 2^63 - 1 is needed")
    if args.plot is not None and args.plot.suffix not in (".png", ".pdf", ".svg"):
        raise InputError(f"--plot {args.plot}: the picture's name has to end in .png, .pdf or .svg")
    if args.resume and args.overwrite:
        raise InputError("--resume and --overwrite exclude each other")
    check_method(args)
    if sources_named(args) != 1 and not (args.sites and not sources_named(args)):
        raise InputError("name one source of compositions: formulas, --from FILE, or --system A-B-C")
    if args.multiples is not None and (args.atoms is not None or args.system is not None):
        raise InputError(f"--multiples and {'--atoms' if args.atoms is not None else '--system'} exclude each other")
    if args.atoms is not None and not args.formula:
        raise InputError("--atoms goes with formulas only")
    if args.max_atoms is not None and args.system is None:
        raise InputError("--max-atoms goes with --system only")


def _compositions(args: argparse.Namespace, n: int, generator: Generator) -> list[Composition]:
    source = generator.source if isinstance(generator, RankedGenerator) else generator
    if isinstance(source, SymmetricGenerator) and not sources_named(args):
        return source.compositions(n)
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
    return generator.settings() | {
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
            how = "the same command" if args.resume else "the same command with --resume"
            console.print(f"{output.part} holds what is done; {how} goes on", markup=False)
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
        if sample is None or not _made_by(atoms.info, generator, sample, settings):
            raise InputError(f"{Path(args.output)} was written with other arguments: repeat those, or use --overwrite")
        yield atoms


def _made_by(info: Mapping[str, object], generator: Generator, sample: Sample, settings: Mapping[str, object]) -> bool:
    same = [str(info["model"]), str(info["model_version"])] == settings["model"] and info["steps"] == settings["steps"]
    if not same or any(info.get(name) != settings.get(name) for name in ("ranked_by", "pool")):
        return False
    attempt = int(str(info["attempt"]))
    return info["sample_seed"] == sample_seed(int(str(settings["seed"])), generator.origin(sample, info), attempt)
