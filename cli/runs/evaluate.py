"""What `asegen evaluate` does once its arguments are checked."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from rich.markup import escape

from asegen.cli.progress import ProgressBar
from asegen.cli.terminal import message_console, output_console, print_table, results_table
from asegen.metrics.evaluation import Evaluation, evaluate
from asegen.metrics.labels import label
from asegen.parallel.files import write_text

_NAMED = 5


def run_evaluation(args: argparse.Namespace, metrics: Sequence[str], cutoffs: tuple[float, float]) -> None:
    """Measures as the command line asks.

    Args:
        args: of the command line.
        metrics: names.
        cutoffs: of COV.

    Raises:
        InputError: bad files or weights.
    """
    with ProgressBar("reading") as bar:
        found = evaluate(
            args.generated,
            args.reference,
            args.train,
            metrics=metrics,
            jobs=args.jobs,
            report=bar.report,
            embedder=args.embedder,
            cache=args.cache,
            cgcnn=args.cgcnn,
            energy=args.energy,
            cov_cutoffs=cutoffs,
            potential=args.potential,
            protocol=args.protocol,
        )
    for side, lines in found.unreadable.items():
        _warn(side, lines)
    if args.json is not None:
        write_text(args.json, json.dumps(found.as_dict(), indent=1, ensure_ascii=False) + "\n")
    _show(found)


def _warn(side: str, lines: Sequence[str]) -> None:
    """Names the first structures that can't be read; the JSON has all of them."""
    console = message_console()
    for line in lines[:_NAMED]:
        console.print(f"warning: {side}: {line}")
    if len(lines) > _NAMED:
        console.print(f"warning: {side}: {len(lines) - _NAMED} more can't be read")


def _show(found: Evaluation) -> None:
    console = output_console()
    table = results_table("metric", "figure", "value", numbers=("value",))
    for name, metric in found.metrics.items():
        for k, (figure, value) in enumerate(metric.rows()):
            table.add_row("" if k else name, escape(figure), value.strip())
    print_table(console, table)
    console.print(f"alike by {found.protocol}", markup=False, soft_wrap=True)
    for name, metric in found.metrics.items():
        counts = ", ".join(f"{count} {label(kind)}" for kind, count in metric.counts.items())
        console.print(f"{name} (version {metric.version}): {metric.protocol}; {counts}", markup=False, soft_wrap=True)
        for note in (*metric.notes, *(f"{label(what)}: {value}" for what, value in metric.using.items())):
            console.print(f"  {note}", markup=False, soft_wrap=True)
