"""Files of structures relaxed with a calculator into a file, so that a killed run is resumed to the same result.

What is done is kept beside the output in a journal, `OUT.part.jsonl`, structure by structure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ase import Atoms

from asegen import __version__
from asegen.arguments import listed
from asegen.calculators.calculator_relaxation import SECONDS, CalculatorRelaxation, relaxation_of, relaxed_by
from asegen.calculators.minimisation import Ended, Minimisation
from asegen.calculators.relaxation_table import UNREADABLE, Row, line_of, marked, row_of, why_unreadable, write_table
from asegen.errors import InputError
from asegen.parallel.journal import Journal
from asegen.parallel.processes import Processes
from asegen.structures.formats import check_resumable, check_room, output_format
from asegen.structures.frames import Frame, read_frames, write_whole

Report = Callable[[int, int], None]
"""Told how many frames are done, of how many."""


class Workers(NamedTuple):
    """The worker processes of a run.

    Attributes:
        jobs: how many, single-threaded.
        memory: bytes that each may allocate; None for no limit.
        seconds: of processor time for one structure.
    """

    jobs: int = 1
    memory: int | None = None
    seconds: float = SECONDS


def relax_files(
    inputs: str | Path | Sequence[str | Path],
    output: str | Path,
    minimisation: Minimisation,
    workers: Workers | None = None,
    *,
    table: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    report: Report = lambda done, total: None,
) -> list[Row]:
    """Relaxes every frame of files and folders.

    Args:
        inputs: files and folders of structures, or one.
        output: its name decides the format: .extxyz, .cif, .traj, .db, or a folder of POSCARs.
        minimisation: what is done.
        workers: one process without it.
        table: where a CSV with a row for every frame goes.
        resume: go on with what an earlier call left; the files and the minimisation must be the same.
        overwrite: replace what is there.
        report: told how far it is.

    Returns:
        A row for every frame, in order; nothing where the output of a resumed run is there already.

    Raises:
        InputError: no structure can be relaxed, the output is there, is another run's or can't be written.
        AsegenError: worker processes cannot be started, or die again and again.
    """
    out, kind = Path(output), output_format(str(output))
    if is_complete(output, resume, overwrite):
        return []
    frames = list(read_frames([Path(given) for given in listed(inputs)]))
    check_room(kind, len(frames), str(output))
    with Journal(journal_of(out), minimisation.settings(), _fingerprint(frames), resume) as journal:
        _relax(frames, minimisation, workers or Workers(), journal, report)
        pairs = [(frame, _record(frame, journal.results.get(str(k)), minimisation)) for k, frame in enumerate(frames)]
        rows = [_row(frame, record) for frame, record in pairs]
        kept = [pair for pair, row in zip(pairs, rows, strict=True) if not row.is_left_out]
        if table is not None:
            write_table(rows, Path(table))
        if kept:
            write_whole([marked(record, frame) for frame, record in kept], out, kind)
        journal.remove()
    if not kept:
        alone = len(rows) == 1
        told = "" if alone else f"none of {len(rows)} structures could be relaxed, nothing is written; "
        raise InputError(f"{told}{line_of(rows[0])}")
    return rows


def journal_of(out: Path) -> Path:
    """The journal of a run with that output."""
    return out.with_name(out.name + ".part.jsonl")


def is_complete(output: str | Path, resume: bool, overwrite: bool) -> bool:
    """Whether a run that is to be resumed has nothing left to do.

    Args:
        output: where the structures go.
        resume: go on with what is there.
        overwrite: replace what is there.

    Raises:
        InputError: the output or the journal of a run is there and neither is set; or it can't be written.
    """
    return check_resumable(str(output), journal_of(Path(output)), resume, overwrite)


def _fingerprint(frames: Sequence[Frame]) -> str:
    """A hash of what decides the results beside the minimisation."""
    content = hashlib.sha256(__version__.encode())
    for frame in frames:
        content.update(json.dumps([frame.source, frame.row, frame.id]).encode())
        if isinstance(frame.atoms, Atoms):
            for array in (frame.atoms.numbers, frame.atoms.positions, frame.atoms.cell.array):
                content.update(array.tobytes())
    return content.hexdigest()


def _relax(
    frames: Sequence[Frame], minimisation: Minimisation, workers: Workers, journal: Journal, report: Report
) -> None:
    """All that isn't in the journal yet."""
    waiting = [
        (k, frame.atoms)
        for k, frame in enumerate(frames)
        if isinstance(frame.atoms, Atoms) and str(k) not in journal.results
    ]
    done = len(frames) - len(waiting)
    report(done, len(frames))
    if not waiting:
        return
    pool = Processes(min(workers.jobs, len(waiting)), workers.memory)
    try:
        for place, ended in relaxed_by(pool, minimisation, [atoms for _, atoms in waiting], workers.seconds):
            journal.add(str(waiting[place][0]), ended._asdict())
            done += 1
            report(done, len(frames))
    finally:
        pool.kill()
        pool.shutdown()


def _record(frame: Frame, kept: Mapping[str, object] | None, minimisation: Minimisation) -> CalculatorRelaxation:
    if not isinstance(frame.atoms, Atoms):
        return CalculatorRelaxation(Atoms(), UNREADABLE, why_unreadable(frame.atoms))
    assert kept is not None  # the run has ended
    return relaxation_of(frame.atoms, Ended(**kept), minimisation)  # type: ignore[arg-type]  # as `_asdict` wrote it


def _row(frame: Frame, record: CalculatorRelaxation) -> Row:
    measures = {"fmax": record.fmax, "energy": record.energy, "enthalpy": record.enthalpy}
    return row_of(frame, record, measures)
