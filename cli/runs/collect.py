"""What `asegen screen --collect` does."""

from __future__ import annotations

import argparse

from asegen.cli.runs.screen import ranking_table
from asegen.cli.terminal import output_console, print_whole
from asegen.errors import InputError
from asegen.screening.collect import FRAMES, Collected, collect
from asegen.screening.dft_columns import FINISHED
from asegen.screening.exports import TABLE
from asegen.screening.result import columns

_SHOWN = 20
_COLUMNS = {"formula", "space_group", "e_hull", "rank_dft", "e_hull_dft"}


def run_collection(args: argparse.Namespace) -> None:
    """Reads finished DFT back, as the command line asks, and prints the ranking by it.

    Args:
        args: the command line.

    Raises:
        InputError: structures beside it, no screening in the folder, or no folder of outputs.
    """
    if args.inputs or args.generate is not None:
        raise InputError("--collect reads the DFT of a screening that is there: no structures beside it")
    found = collect(args.workdir, args.collect)
    console = output_console()
    ranked = [result for result in found.results if result["rank_dft"] is not None]
    if ranked:
        shown = [column for column in columns(args.workdir) if column.name in _COLUMNS]
        print_whole(console, ranking_table(ranked[:_SHOWN], shown))
    for line in _lines(found):
        console.print(line, markup=False, soft_wrap=True)
    crystals = f", crystals in {args.workdir / FRAMES}" if ranked else ""
    console.print(f"all of it in {args.workdir / TABLE}{crystals}", markup=False, soft_wrap=True)


def _lines(found: Collected) -> list[str]:
    """What was read, and what could not be."""
    counts = ", ".join(f"{n} {status}" for status, n in found.counts.most_common())
    total = found.counts.total()
    lines = [f"DFT of {total} candidate{'s' if total > 1 else ''}: {counts}" if counts else "DFT of no candidate"]
    lines += [
        f"{result.id} {result['formula']}: {result['dft_reason']}"
        for result in found.results
        if result["dft_reason"] is not None
    ][:_SHOWN]
    finished = [name for name, run in found.references.items() if run.status == FINISHED]
    lines += [f"references: {', '.join(sorted(finished))}"] if finished else []
    lines += [f"reference {name}: {run.reason}" for name, run in found.references.items() if run.reason]
    reasons = {result["e_hull_dft_reason"] for result in found.results} - {None}
    return lines + [f"no hull by DFT: {reason}" for reason in sorted(reasons)[:_SHOWN]]
