"""Where a run writes: checked without loading anything, so that a bad place is refused at once."""

from __future__ import annotations

from pathlib import Path

from asegen.errors import InputError
from asegen.parallel.files import check_writable
from asegen.structures.formats import FOLDER, check_replaceable, check_room, output_format


def check_place(output: str, n: int, resume: bool, overwrite: bool) -> None:
    """Refuses an output that must not be written.

    Args:
        output: the path that the user asked for.
        n: structures that may be written.
        resume: go on with what is there.
        overwrite: replace what is there.

    Raises:
        InputError: it is there and neither is set, or both are, or something else is there, or it has another suffix.
    """
    if resume and overwrite:
        raise InputError("resume and overwrite exclude each other", "resume", "overwrite")
    out = Path(output)
    check_room(output_format(output), n, output)
    check_replaceable(out, output_format(output) == FOLDER)
    check_writable(out, make_folder=True)
    there = next((path for path in (out, state_of(out)) if path.exists()), None)
    if there is not None and not (resume or overwrite):
        raise InputError(f"{there} exists: resume goes on, overwrite replaces it", "resume", "overwrite")


def state_of(out: Path) -> Path:
    """Where the state of a run lies while it is on."""
    return out.with_name(out.name + ".part.json")


def table_of(out: Path) -> Path:
    """Where the table of a run's proposals lies."""
    return out.with_name(out.name + ".proposals.csv")
