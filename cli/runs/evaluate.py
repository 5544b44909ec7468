"""What `asegen evaluate` does once its arguments are read."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from asegen.errors import InputError
from asegen.metrics import Evaluation, evaluate
from asegen.metrics.evaluation import CGCNN, EMBEDDER

_PLAIN_WIDTH = 100  # characters, where there is no terminal to fill


def run_evaluation(args: argparse.Namespace) -> None:
    """Measures as the command line asks.

    Raises:
        InputError: bad arguments or files, or a metric that lacks structures or packages.
    """
    _check(args)
    cutoffs = _cutoffs(args.cov_cutoffs)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading", total=None)

        def report(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        found = evaluate(
            args.generated,
            args.reference,
            args.train,
            args.metrics.split(",") if args.metrics else None,
            args.jobs,
            report,
            args.embedder or EMBEDDER,
            args.cache,
            args.cgcnn or CGCNN,
            args.energy,
            cutoffs,
        )
    if args.json is not None:
        _write(found, args.json)
    _show(found)


def _check(args: argparse.Namespace) -> None:
    if args.jobs < 1:
        raise InputError(f"--jobs {args.jobs}: at least one process is needed")
    if args.json is not None and args.json.exists() and not args.overwrite:
        raise InputError(f"{args.json} exists: --overwrite replaces it")
    if args.json is not None and not args.json.parent.is_dir():
        raise InputError(f"{args.json}: there is no folder {args.json.parent}")


def _cutoffs(text: str) -> tuple[float, float]:
    try:
        structure, composition = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--cov-cutoffs {text}: two numbers are needed, such as 0.4,10") from None
    return structure, composition


def _write(found: Evaluation, out: Path) -> None:
    """Writes the file whole or not at all."""
    partial = out.with_name(out.name + ".partial")
    try:
        partial.write_text(json.dumps(found.as_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)


def _show(found: Evaluation) -> None:
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("metric", "figure", "value"):
        table.add_column(name, justify="right" if name == "value" else "left", no_wrap=True)
    for name, metric in found.metrics.items():
        for k, (figure, value) in enumerate(metric.values.items()):
            table.add_row("" if k else name, figure, f"{value:.4f}")
    console.print(table)
    for name, metric in found.metrics.items():
        counts = ", ".join(f"{count} {kind}" for kind, count in metric.counts.items())
        console.print(f"{name} (version {metric.version}): {metric.protocol}; {counts}", soft_wrap=True)
        for note in (*metric.notes, *(f"{what}: {value}" for what, value in metric.using.items())):
            console.print(f"  {note}", soft_wrap=True)
