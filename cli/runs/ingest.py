"""What `asegen ingest` does once its arguments are read."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from rich import progress as bar
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from asegen import __version__
from asegen.data.shards import CrystalDataset, Rejected, write_shards
from asegen.ingest.ingest import count_kinds, ingest
from asegen.ingest.symmetric import in_general_positions, symmetrise
from asegen.parallel.machine import free_cores
from asegen.prototypes.catalogue import FILE, Catalogue
from asegen.prototypes.sensible import sensible


def run_ingest(args: argparse.Namespace, splits: Mapping[str, Sequence[Path]], skipped: Sequence[Path]) -> None:
    """Reads, checks and writes.

    Args:
        args: of the command.
        splits: split name -> its files.
        skipped: files that no format claims.

    Raises:
        InputError: a file can't be read, no crystal was accepted, or the place can't be written.
    """
    targets = [name.strip() for name in args.targets.split(",") if name.strip()] if args.targets else None
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
        kept = in_general_positions(dataset) if args.general else dataset
        place = write_shards(args.output, split, kept, rejected=rejected, force=args.force)
        if dataset.symmetry is not None:
            _write_catalogue(place, dataset)
        results[split] = (dataset, rejected)
    _print_summary(results)


def _with_symmetry(
    dataset: CrystalDataset, symprec: float, jobs: int, console: Console
) -> tuple[CrystalDataset, list[Rejected]]:
    with _progress(console) as progress:
        task = progress.add_task("space groups", total=len(dataset))
        return symmetrise(dataset, symprec, jobs, partial(progress.advance, task))


def _write_catalogue(place: Path, dataset: CrystalDataset) -> None:
    """What `asegen generate --known` reads: which ways to fill which groups the crystals have."""
    known = sensible(dataset).symmetry
    assert known is not None
    header = {"name": place.name, "sources": dataset.header["sources"], "symprec": dataset.header["symprec"]}
    Catalogue.of(known).write(place / FILE, header)


def _set_total(progress: Progress, task: TaskID, total: int) -> None:
    progress.update(task, total=total)


class _Rate(bar.ProgressColumn):
    """Rows per second."""

    def render(self, task: bar.Task) -> str:
        speed = task.finished_speed or task.speed
        return f"{speed:.0f}/s" if speed else ""


def _progress(console: Console) -> Progress:
    return bar.Progress(
        bar.TextColumn("{task.description}"),
        bar.BarColumn(),
        bar.MofNCompleteColumn(),
        _Rate(),
        bar.TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
    )


def _print_summary(results: Mapping[str, tuple[CrystalDataset, list[Rejected]]]) -> None:
    table = Table("split", "rows", "crystals", "rejected", "remarks", "targets")
    for split, (dataset, rejected) in results.items():
        remarks = [*count_kinds(rejected).most_common(), *dataset.header["notes"].items()]
        why = "\n".join(f"{count} {remark}" for remark, count in remarks)
        rows = len(dataset) + len(rejected)
        targets = [*dataset.targets, *(f"{name} (per atom)" for name in dataset.site_targets)]
        table.add_row(split, str(rows), str(len(dataset)), str(len(rejected)), why, ", ".join(targets))
    Console().print(table)
