"""What `asegen relax` does once its arguments are checked."""

from __future__ import annotations

import argparse
import itertools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ase import Atoms
from rich.markup import escape

from asegen.calculators.learned_relaxation import Relaxation, relax_structures
from asegen.calculators.relaxation_table import UNREADABLE, Row, line_of, marked, row_of, why_unreadable, write_table
from asegen.cli.progress import ProgressBar
from asegen.cli.terminal import message_console, output_console, print_table, results_table, told_apart
from asegen.errors import InputError
from asegen.relaxation.relax import Limits
from asegen.relaxation.statuses import CONVERGED
from asegen.structures.formats import check_room, output_format
from asegen.structures.frames import Frame, read_frames, write_whole
from asegen.structures.writing import Output
from asegen.trained.relaxer import Relaxer, load_relaxer

_FRAMES_AT_ONCE = 500
_ROWS = 20
"""Of the table on the terminal."""


def run_relaxation(args: argparse.Namespace) -> None:
    """Relaxes as the command line asks.

    Raises:
        InputError: nothing could be relaxed, or the output can't be written.
        CheckpointError: weights that can't be read.
    """
    kind, out = output_format(args.output), Path(args.output)
    limits, relaxer = _limits(args), load_relaxer(args.model, args.device)
    done: list[Output] = []
    rows: list[Row] = []
    began = time.monotonic()
    with ProgressBar("relaxing") as bar:
        for frames in _chunks(read_frames(args.inputs)):
            check_room(kind, len(frames), args.output)
            is_alone = not rows and len(frames) == 1  # what is wrong with it is then the error
            for frame, record in zip(frames, _relax(frames, args, limits, relaxer), strict=True):
                rows.append(row_of(frame, record, {"fmax": record.fmax, "strain": record.strain}))
                if not rows[-1].is_left_out:
                    done.append(marked(record, frame))
                if record.status != CONVERGED and not (is_alone and rows[-1].is_left_out):
                    bar.print(line_of(rows[-1]))
            bar.advance(len(frames))
    if args.status is not None:
        write_table(rows, args.status)
    if not done:
        raise InputError(
            line_of(rows[0])
            if len(rows) == 1
            else f"none of {len(rows)} structures could be relaxed; nothing is written"
        )
    write_whole(done, out, kind)
    show(rows, time.monotonic() - began, out)


def _limits(args: argparse.Namespace) -> Limits:
    given = {"position_tolerance": args.fmax, "cell_tolerance": args.cell_max, "steps": args.steps}
    return Limits(**{name: value for name, value in given.items() if value is not None})


def _chunks(frames: Iterator[Frame]) -> Iterator[list[Frame]]:
    while chunk := list(itertools.islice(frames, _FRAMES_AT_ONCE)):
        yield chunk


def _relax(frames: Sequence[Frame], args: argparse.Namespace, limits: Limits, relaxer: Relaxer) -> Iterator[Relaxation]:
    """One record for each frame, in order."""
    structures = [frame.atoms for frame in frames if isinstance(frame.atoms, Atoms)]
    records = iter(
        relax_structures(
            structures,
            relaxer,
            fix_cell=args.fix_cell,
            fix_positions=args.fix_positions,
            keep_symmetry=args.keep_symmetry,
            symprec=args.symprec,
            limits=limits,
        )
    )
    for frame in frames:
        yield (
            next(records)
            if isinstance(frame.atoms, Atoms)
            else Relaxation(Atoms(), UNREADABLE, why_unreadable(frame.atoms))
        )


def show(rows: Sequence[Row], seconds: float, out: Path) -> None:
    """Prints lattice constants before and after, of the first few, and how many ended how.

    Args:
        rows: of all frames.
        seconds: that it took.
        out: where the structures are.
    """
    kept = [row for row in rows if not row.is_left_out]
    _show_constants(kept)
    counts = ", ".join(f"{count} {status}" for status, count in Counter(row.status for row in rows).most_common())
    noun = "structure" if len(rows) == 1 else "structures"
    message_console().print(f"{len(rows)} {noun} in {seconds:.1f} s: {counts}; {len(kept)} in {out}")


def _show_constants(rows: Sequence[Row]) -> None:
    constants = ("a [Å]", "b [Å]", "c [Å]", "α [°]", "β [°]", "γ [°]")
    table = results_table("id", "formula", "status", "", *constants, numbers=constants)
    shown = rows[:_ROWS]
    names = told_apart([(row.id, Path(row.source).name, row.row) for row in shown])
    for name, row in zip(names, shown, strict=True):
        texts = map(escape, (name, row.formula, row.status))
        pairs = zip(row.before, row.after, strict=True)
        table.add_row(*texts, "before\nafter", *(f"{before}\n{after}" for before, after in pairs))
    console = output_console()
    print_table(console, table, ("status", "γ [°]", "β [°]", "α [°]"))
    if len(rows) > _ROWS:
        console.print(f"… and {len(rows) - _ROWS} more")
