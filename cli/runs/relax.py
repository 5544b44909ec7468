"""What `asegen relax` does once its arguments are checked."""

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
from rich import box
from rich.markup import escape
from rich.table import Table

from asegen.calculators.relaxer import REFUSED, Relaxation, relax_structures
from asegen.cli.progress import ProgressBar
from asegen.cli.terminal import message_console, output_console
from asegen.errors import InputError
from asegen.parallel.cells import csv_cell
from asegen.parallel.files import replacing
from asegen.relaxation.relax import CONVERGED, FAILED, NO_CELL, NOT_FINITE, Limits
from asegen.structures.formats import check_room, output_format
from asegen.structures.frames import Frame, read_frames, write_whole
from asegen.trained.relaxer import Relaxer, load_relaxer

UNREADABLE = "unreadable"
"""A frame, or a whole file, that can't be read."""

_LEFT_OUT = (UNREADABLE, REFUSED, NO_CELL, NOT_FINITE, FAILED)
_FRAMES_AT_ONCE = 500
_ROWS = 20
"""Of the table on the terminal."""
_CONSTANTS = ("a", "b", "c", "alpha", "beta", "gamma")


class _Outcome(NamedTuple):
    """What the table of statuses says of a frame; fmax in Å; numbers are empty where they aren't known."""

    source: str
    row: int
    id: str
    status: str
    reason: str
    steps: int
    fmax: str
    strain: str
    formula: str
    after: tuple[str, ...]  # a, b, c in Å, α, β, γ in degrees, of the cell as the file gives it
    before: tuple[str, ...]


def run_relaxation(args: argparse.Namespace) -> None:
    """Relaxes as the command line asks.

    Raises:
        InputError: nothing could be relaxed, or the output can't be written.
        CheckpointError: weights that can't be read.
    """
    kind, out = output_format(args.output), Path(args.output)
    limits, relaxer = _limits(args), load_relaxer(args.model, args.device)
    done: list[Atoms] = []
    outcomes: list[_Outcome] = []
    began = time.monotonic()
    with ProgressBar("relaxing") as bar:
        for frames in _chunks(read_frames(args.inputs)):
            check_room(kind, len(frames), args.output)
            for frame, record in zip(frames, _relax(frames, args, limits, relaxer), strict=True):
                outcomes.append(_outcome(frame, record))
                if record.status not in _LEFT_OUT:
                    done.append(_marked(record.atoms, frame, len(done)))
                if record.status != CONVERGED:
                    bar.print(_line(outcomes[-1]))
            bar.advance(len(frames))
    if args.status is not None:
        _write_table(outcomes, args.status)
    if not done:
        raise InputError(f"none of {len(outcomes)} structures could be relaxed; nothing is written")
    write_whole(done, out, kind)
    _show([outcome for outcome in outcomes if outcome.status not in _LEFT_OUT])
    message_console().print(_summary(outcomes, time.monotonic() - began, f"{len(done)} in {out}"))


def _summary(outcomes: Sequence[_Outcome], seconds: float, written: str) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in Counter(o.status for o in outcomes).most_common())
    return f"{len(outcomes)} structures in {seconds:.1f} s: {counts}; {written}"


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
        yield next(records) if isinstance(frame.atoms, Atoms) else Relaxation(Atoms(), UNREADABLE, _reason(frame.atoms))


def _reason(error: str) -> str:
    """Why a frame can't be read, without the word that its status is."""
    return error.removeprefix(f"{UNREADABLE}: ")


def _outcome(frame: Frame, record: Relaxation) -> _Outcome:
    known = record.fmax == record.fmax
    sizes = (f"{record.fmax:.4f}", f"{record.strain:.4f}") if known else ("", "")
    after, before = _constants(record, record.atoms), _constants(record, frame.atoms)
    formula = record.atoms.get_chemical_formula("metal")
    about = (frame.source, frame.row, frame.id, record.status, record.reason, record.steps)
    return _Outcome(*about, *sizes, formula, after, before)


def _constants(record: Relaxation, atoms: object) -> tuple[str, ...]:
    if record.status in _LEFT_OUT or not isinstance(atoms, Atoms):
        return ("",) * len(_CONSTANTS)
    lengths, angles = atoms.cell.lengths(), atoms.cell.angles()
    return (*(f"{length:.4f}" for length in lengths), *(f"{angle:.2f}" for angle in angles))


def _line(outcome: _Outcome) -> str:
    return f"{outcome.source}, frame {outcome.row} ({outcome.id}): {outcome.status}: {outcome.reason}"


def _marked(atoms: Atoms, frame: Frame, index: int) -> Atoms:
    atoms.info = {**frame.info, **atoms.info}
    # Names of files in a folder and of blocks in a CIF are made of these two.
    atoms.info |= {"sample_index": index, "formula": atoms.get_chemical_formula("metal")}
    atoms.info |= {"relax_source": frame.source, "relax_row": frame.row}
    return atoms


def _show(outcomes: Sequence[_Outcome]) -> None:
    """Lattice constants before and after, of the first few."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("id", "formula", "status", ""):
        table.add_column(name)
    for name in ("a [Å]", "b [Å]", "c [Å]", "α [°]", "β [°]", "γ [°]"):
        table.add_column(name, justify="right", no_wrap=True)
    for outcome in outcomes[:_ROWS]:
        texts = map(escape, (outcome.id, outcome.formula, outcome.status))
        pairs = zip(outcome.before, outcome.after, strict=True)
        table.add_row(*texts, "before\nafter", *(f"{before}\n{after}" for before, after in pairs))
    console = output_console()
    console.print(table)
    if len(outcomes) > _ROWS:
        console.print(f"… and {len(outcomes) - _ROWS} more")


def _write_table(outcomes: Sequence[_Outcome], place: Path) -> None:
    with replacing(place) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = [name for name in _Outcome._fields if name not in ("after", "before")]
        writer.writerow([*names, *_CONSTANTS, *(f"{name}_before" for name in _CONSTANTS)])
        for *values, after, before in outcomes:
            writer.writerow([csv_cell(value) for value in (*values, *after, *before)])
