"""The command `asegen ingest`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from asegen.data.shards import CrystalDataset, Rejected


class CLICommand:
    """Turn files of crystals into the arrays that training reads.

    Reads CSV tables with a `cif` column, CIF, extxyz, POSCAR, ASE databases and trajectories, each also as .gz where it
    is text. Columns of numbers become targets, and so do arrays of one number per atom, such as an extxyz file's
    `magmoms`. Every crystal is checked and Niggli-reduced; every row that is not used is listed with its reason in
    DIR/SPLIT/rejected.csv.
    """

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Declares the arguments."""
        parser.add_argument("input", nargs="+", type=Path, help="file of structures, or a folder: the files in it")
        parser.add_argument("-o", "--output", required=True, type=Path, metavar="DIR", help="folder for the splits")
        parser.add_argument("--split", metavar="NAME", help="one split of this name (default: each file's own name)")
        parser.add_argument("--max-atoms", type=int, metavar="N", help="reject cells of more atoms")
        parser.add_argument("--targets", metavar="A,B", help="columns to keep (default: all that hold only numbers)")
        parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: one per core)")
        parser.add_argument(
            "--symmetry",
            type=float,
            metavar="Å",
            help="make crystals exactly symmetric within this tolerance, for training with space groups (such as 0.1)",
        )
        parser.add_argument(
            "--general",
            action="store_true",
            help="with --symmetry: every site in its group's general position, for the published score model",
        )
        parser.add_argument("--force", action="store_true", help="replace splits that exist")

    @staticmethod
    def run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
        """Runs the command."""
        for name in ("max_atoms", "jobs"):
            value = getattr(args, name)
            if value is not None and value < 1:
                parser.error(f"--{name.replace('_', '-')} must be at least 1, not {value}")
        if args.symmetry is not None and not 0 < args.symmetry <= 1:
            parser.error(f"--symmetry {args.symmetry:g}: a tolerance in Å, above 0 and at most 1, is needed")
        if args.general and args.symmetry is None:
            parser.error("--general goes with --symmetry only")
        targets = [name.strip() for name in args.targets.split(",") if name.strip()] if args.targets else None
        _ingest(args, targets)


def _ingest(args: argparse.Namespace, targets: Sequence[str] | None) -> None:
    from rich.console import Console

    from asegen import __version__
    from asegen.data.shards import check_writable, write_shards
    from asegen.ingest.ingest import ingest, plan_splits
    from asegen.parallel.pool import free_cores

    splits, skipped = plan_splits(args.input, args.split)
    for split in splits:
        check_writable(args.output, split, args.force)
    console = Console(stderr=True, highlight=False)
    for file in skipped:
        console.print(f"skipped {file.name}: not a file of structures", markup=False)
    header = {"asegen": __version__, "max_atoms": args.max_atoms}
    jobs = args.jobs or free_cores()
    results = {}
    for split, files in splits.items():
        with _progress(console) as progress:
            task = progress.add_task(split, total=None)
            dataset, rejected = ingest(
                files,
                jobs=jobs,
                max_atoms=args.max_atoms,
                targets=targets,
                header=header,
                on_start=partial(_set_total, progress, task),
                on_row=partial(progress.advance, task),
            )
        if args.symmetry is not None:
            dataset, without = _with_symmetry(dataset, args.symmetry, jobs, console)
            rejected = rejected + without
        kept = _with_general_sites(dataset) if args.general else dataset
        place = write_shards(args.output, split, kept, rejected=rejected, force=args.force)
        if dataset.symmetry is not None:
            _write_catalogue(place, dataset)
        results[split] = (dataset, rejected)
    _print_summary(results)


def _with_symmetry(
    dataset: CrystalDataset, symprec: float, jobs: int, console: Console
) -> tuple[CrystalDataset, list[Rejected]]:
    from asegen.ingest.symmetric import symmetrise

    with _progress(console) as progress:
        task = progress.add_task("space groups", total=len(dataset))
        return symmetrise(dataset, symprec, jobs, partial(progress.advance, task))


def _with_general_sites(dataset: CrystalDataset) -> CrystalDataset:
    from asegen.ingest.symmetric import in_general_positions

    return in_general_positions(dataset)


def _write_catalogue(place: Path, dataset: CrystalDataset) -> None:
    """What `asegen generate --known` reads: which ways to fill which groups the crystals have."""
    from asegen.prototypes.catalogue import FILE, Catalogue

    assert dataset.symmetry is not None
    header = {"name": place.name, "sources": dataset.header["sources"], "symprec": dataset.header["symprec"]}
    Catalogue.of(dataset.symmetry).write(place / FILE, header)


def _set_total(progress: Progress, task: TaskID, total: int) -> None:
    progress.update(task, total=total)


def _progress(console: Console) -> Progress:
    from rich import progress as bar

    class Rate(bar.ProgressColumn):
        def render(self, task: bar.Task) -> str:
            speed = task.finished_speed or task.speed
            return f"{speed:.0f}/s" if speed else ""

    return bar.Progress(
        bar.TextColumn("{task.description}"),
        bar.BarColumn(),
        bar.MofNCompleteColumn(),
        Rate(),
        bar.TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
    )


def _print_summary(results: Mapping[str, tuple[CrystalDataset, list[Rejected]]]) -> None:
    from rich.console import Console
    from rich.table import Table

    from asegen.ingest.ingest import count_kinds

    table = Table("split", "rows", "crystals", "rejected", "remarks", "targets")
    for split, (dataset, rejected) in results.items():
        remarks = [*count_kinds(rejected).most_common(), *dataset.header["notes"].items()]
        why = "\n".join(f"{count} {remark}" for remark, count in remarks)
        rows = len(dataset) + len(rejected)
        targets = [*dataset.targets, *(f"{name} (per atom)" for name in dataset.site_targets)]
        table.add_row(split, str(rows), str(len(dataset)), str(len(rejected)), why, ", ".join(targets))
    Console().print(table)
