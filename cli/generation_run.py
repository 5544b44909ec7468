"""What `asegen generate` does once its arguments are read."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from asegen.calculators.compositions import Composition, from_formula, from_numbers, from_system
from asegen.calculators.generator import Generator
from asegen.calculators.outputs import PartialOutput
from asegen.calculators.plan import Sample, cut_batches, fingerprint, make_plan, take_shard
from asegen.cli.contact_sheet import draw_contact_sheet
from asegen.cli.summary import print_summary
from asegen.errors import InputError


def run_generation(args: argparse.Namespace) -> None:
    """Generates as the command line asks.

    Raises:
        InputError: anything that can't be done, before or while structures are written.
        CheckpointError: weights that can't be read.
    """
    if args.seed < 0:
        raise InputError(f"--seed {args.seed}: a whole number of at least 0 is needed")
    if args.plot is not None and args.plot.suffix not in (".png", ".pdf", ".svg"):
        raise InputError(f"--plot {args.plot}: the picture's name has to end in .png, .pdf or .svg")
    n = 1 if args.n is None else args.n
    plan = make_plan(_compositions(args, n), 1 if args.system else n)
    batches = take_shard(cut_batches(plan, args.batch), args.shard)
    generator = Generator(args.model, args.device, args.batch)
    generator.check([sample.composition for sample in plan], args.steps, args.force)
    settings = {name: getattr(args, name) for name in ("seed", "steps", "valid_only", "shard")}
    model = f"{generator.sampler.name} {generator.sampler.version}"
    output = PartialOutput(args.output, fingerprint(batches, {**settings, "model": model}), args.resume, args.overwrite)
    console = Console(stderr=True, highlight=False)
    if not output.complete:
        try:
            _write(batches, generator, output, args, console)
        except BaseException as stop:
            if not isinstance(stop, Exception):
                console.print(f"{output.part} holds what is done; the same command with --resume goes on", markup=False)
            raise
        structures = list(output.written())
        output.finish()
    else:
        console.print(f"{args.output} is complete", markup=False)
        structures = list(output.written())
    print_summary(structures, args.output)
    if args.plot is not None and structures:
        draw_contact_sheet(structures, args.plot)


def _compositions(args: argparse.Namespace, n: int) -> list[Composition]:
    sources = [bool(args.formula), args.source is not None, args.system is not None]
    if sum(sources) != 1:
        raise InputError("name one source of compositions: formulas, --from FILE, or --system A-B-C")
    if args.system is not None:
        if n < 1:
            raise InputError(f"-n {n}: at least 1 structure has to be asked for")
        return from_system(args.system, args.max_atoms, n)
    if args.source is not None:
        from asegen.atoms import read_compositions

        return [from_numbers(name, numbers) for name, numbers in read_compositions(args.source)]
    if args.multiples and args.atoms is not None:
        raise InputError("--multiples and --atoms exclude each other")
    multiples = _whole_numbers(args.multiples) if args.multiples else [1]
    return [c for formula in args.formula for c in from_formula(formula, multiples, args.atoms)]


def _whole_numbers(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.strip().isdigit() for part in parts):
        raise InputError(f"--multiples {text}: write whole numbers joined by commas, such as 1,2,4")
    return [int(part) for part in parts]


def _write(
    batches: Sequence[list[Sample]],
    generator: Generator,
    output: PartialOutput,
    args: argparse.Namespace,
    console: Console,
) -> None:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )  # fmt: skip
    done = sum(len(batch) for batch in batches[: output.batches_done])
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("structures", total=sum(map(len, batches)), completed=done, rate="")
        for batch in batches[output.batches_done :]:
            output.append(generator.draw(batch, args.seed, args.steps, args.valid_only))
            speed = progress.tasks[0].speed
            progress.update(task, advance=len(batch), rate=f"{speed:.1f}/s" if speed else "")
