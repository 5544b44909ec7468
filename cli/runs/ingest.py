"""What `asegen ingest` does once its arguments are read."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from asegen import __version__
from asegen.cli.progress import ProgressBar
from asegen.cli.terminal import message_console, output_console, print_table, results_table
from asegen.data.shards import CrystalDataset, Rejected, count_kinds, write_shards
from asegen.errors import InputError
from asegen.ingest.divide import FEWEST, divide
from asegen.ingest.ingest import ingest
from asegen.ingest.plan import SHARES
from asegen.ingest.symmetric import in_general_positions, symmetrise
from asegen.parallel.machine import free_cores
from asegen.prototypes.catalogue import FILE, Catalogue
from asegen.prototypes.sensible import COLUMN, sensible


def run_ingest(args: argparse.Namespace, splits: Mapping[str, Sequence[Path]], skipped: Sequence[Path]) -> None:
    """Reads, checks and writes.

    Args:
        args: of the command.
        splits: split name -> its files.
        skipped: files that no format claims.

    Raises:
        InputError: a file can't be read, no crystal was accepted, or the place can't be written.
    """
    for file in skipped:
        message_console().print(f"skipped {file.name}: not a file of structures")
    results: dict[str, tuple[CrystalDataset, list[Rejected]]] = {}
    for split, files in splits.items():
        try:
            dataset, rejected = _read(split, files, args)
        except InputError as error:
            if len(splits) == 1 or error.parameters:
                raise
            message_console().print(f"warning: no split {split}: {error}")
            continue
        for name, part in _divided(split, dataset, args).items():
            results[name] = part, rejected
            _write(name, part, rejected, args)
            rejected = []  # they are listed once
    if not results:
        raise InputError(f"no crystal was accepted from any of {len(splits)} splits")
    _print_summary(results)


def _read(split: str, files: Sequence[Path], args: argparse.Namespace) -> tuple[CrystalDataset, list[Rejected]]:
    """The crystals of a split, and what was rejected."""
    targets = [name.strip() for name in args.targets.split(",") if name.strip()] if args.targets else None
    jobs = args.jobs or free_cores()
    with ProgressBar(split) as bar:
        dataset, rejected = ingest(
            files,
            jobs=jobs,
            max_atoms=args.max_atoms,
            targets=targets,
            header={"asegen": __version__, "max_atoms": args.max_atoms},
            on_start=partial(bar.report, split, 0),
            on_row=bar.advance,
        )
    if args.symmetry is None:
        return dataset, rejected
    dataset, without = _with_symmetry(dataset, args.symmetry, jobs)
    return dataset, rejected + without


def _divided(split: str, dataset: CrystalDataset, args: argparse.Namespace) -> dict[str, CrystalDataset]:
    """The split, or the three that are made of a single one where no name says what it is for."""
    if not args.divides:
        return {split: dataset}
    if len(dataset) < FEWEST:
        message_console().print(f"{split}: {len(dataset)} crystals, too few to divide into {', '.join(SHARES)}")
        return {split: dataset}
    parts = divide(dataset, args.seed)
    counts = ", ".join(f"{name} {len(part)}" for name, part in parts.items())
    message_console().print(
        f"{split} is divided at random (seed {args.seed}): {counts}; --split {split} keeps it whole"
    )
    return parts


def _write(split: str, dataset: CrystalDataset, rejected: Sequence[Rejected], args: argparse.Namespace) -> None:
    kept = in_general_positions(dataset) if args.general else dataset
    place = write_shards(args.output, split, kept, rejected=rejected, force=args.force)
    if dataset.symmetry is not None:
        _write_catalogue(place, dataset)


def _with_symmetry(dataset: CrystalDataset, symprec: float, jobs: int) -> tuple[CrystalDataset, list[Rejected]]:
    with ProgressBar("space groups", len(dataset)) as bar:
        return symmetrise(dataset, symprec, jobs, bar.advance)


def _write_catalogue(place: Path, dataset: CrystalDataset) -> None:
    """What `asegen generate --known` reads: space groups, and the Wyckoff positions that elements occupy in them."""
    kept = sensible(dataset)
    assert kept.symmetry is not None
    above_hull = kept.targets.get(COLUMN)
    header = {"name": place.name, "sources": dataset.header["sources"], "symprec": dataset.header["symprec"]}
    known = Catalogue.of(kept.symmetry, None if above_hull is None else above_hull.tolist())
    known.write(place / FILE, header)


def _print_summary(results: Mapping[str, tuple[CrystalDataset, list[Rejected]]]) -> None:
    numbers = ("rows", "crystals", "rejected")
    table = results_table("split", *numbers, "remarks", "targets", numbers=numbers)
    for split, (dataset, rejected) in results.items():
        remarks = [*count_kinds(rejected).most_common(), *dataset.count_notes().items()]
        why = "\n".join(f"{count} {remark}" for remark, count in remarks)
        rows = len(dataset) + len(rejected)
        targets = [*dataset.targets, *(f"{name} (per atom)" for name in dataset.site_targets)]
        table.add_row(split, str(rows), str(len(dataset)), str(len(rejected)), why, ", ".join(targets))
    print_table(output_console(), table, ("rows", "targets"))
