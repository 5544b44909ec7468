"""What `asegen relax` does once its arguments are read."""

from __future__ import annotations

import argparse
import csv
import itertools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ase import Atoms
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from asegen.calculators.relaxer import REFUSED, Relaxation, relax_structures
from asegen.errors import InputError
from asegen.relaxation.relax import CONVERGED, FAILED, NO_CELL, NOT_FINITE, Limits
from asegen.structures.frames import Frame, read_frames, write_whole
from asegen.structures.writing import output_format
from asegen.trained.relaxer import Relaxer, load_relaxer

UNREADABLE = "unreadable"
"""A frame, or a whole file, that can't be read."""

_LEFT_OUT = (UNREADABLE, REFUSED, NO_CELL, NOT_FINITE, FAILED)
_FRAMES_AT_ONCE = 500


class _Outcome(NamedTuple):
    """A row of the table of statuses; fmax in Å, empty where it isn't known."""

    source: str
    row: int
    id: str
    status: str
    reason: str
    steps: int
    fmax: str
    strain: str


def run_relaxation(args: argparse.Namespace) -> None:
    """Relaxes as the command line asks.

    Raises:
        InputError: nothing could be relaxed, or the output can't be written.
        CheckpointError: weights that can't be read.
    """
    kind, out = output_format(args.output), Path(args.output)
    for place in (out, args.status):
        if place is not None and place.exists() and not args.overwrite:
            raise InputError(f"{place} exists; --overwrite replaces it")
    limits, relaxer = _limits(args), load_relaxer(args.model, args.device)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    done: list[Atoms] = []
    outcomes: list[_Outcome] = []
    began = time.monotonic()
    columns = TextColumn("relaxed"), BarColumn(), TextColumn("{task.fields[status]}")
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None, status="")
        for frames in _chunks(read_frames(args.inputs)):
            for frame, record in zip(frames, _relax(frames, args, limits, relaxer), strict=True):
                outcomes.append(_outcome(frame, record))
                if record.status not in _LEFT_OUT:
                    done.append(_marked(record.atoms, frame, len(done)))
                if record.status != CONVERGED:
                    console.print(_line(outcomes[-1]), markup=False)
            bar.update(task, status=f"{len(outcomes)}, {len(outcomes) / (time.monotonic() - began):.3g}/s")
    if args.status is not None:
        _write_table(outcomes, args.status)
    if not done:
        raise InputError(f"none of {len(outcomes)} structures could be relaxed; nothing is written")
    write_whole(done, out, kind)
    counts = ", ".join(f"{count} {status}" for status, count in Counter(o.status for o in outcomes).most_common())
    seconds = time.monotonic() - began
    console.print(f"{len(outcomes)} structures in {seconds:.1f} s: {counts}; {len(done)} in {out}", markup=False)


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
        yield next(records) if isinstance(frame.atoms, Atoms) else Relaxation(Atoms(), UNREADABLE, frame.atoms)


def _outcome(frame: Frame, record: Relaxation) -> _Outcome:
    known = record.fmax == record.fmax
    sizes = (f"{record.fmax:.4f}", f"{record.strain:.4f}") if known else ("", "")
    return _Outcome(frame.source, frame.row, frame.id, record.status, record.reason, record.steps, *sizes)


def _line(outcome: _Outcome) -> str:
    return f"{outcome.source}, frame {outcome.row} ({outcome.id}): {outcome.status}: {outcome.reason}"


def _marked(atoms: Atoms, frame: Frame, index: int) -> Atoms:
    # Names of files in a folder and of blocks in a CIF are made of these two.
    atoms.info |= {"sample_index": index, "formula": atoms.get_chemical_formula("metal")}
    atoms.info |= {"relax_source": frame.source, "relax_row": frame.row}
    return atoms


def _write_table(outcomes: Sequence[_Outcome], place: Path) -> None:
    with place.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_Outcome._fields)
        writer.writerows(outcomes)
