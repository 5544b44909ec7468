"""Where a run writes: checked without loading anything, so that a bad place is refused at once."""

from __future__ import annotations

from pathlib import Path

from asegen.structures.formats import check_resumable, check_room, output_format


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
    check_room(output_format(output), n, output)
    check_resumable(output, state_of(Path(output)), resume, overwrite)


def state_of(out: Path) -> Path:
    """Where the state of a run lies while it is on."""
    return out.with_name(out.name + ".part.json")


def table_of(out: Path) -> Path:
    """Where the table of a run's proposals lies."""
    return out.with_name(out.name + ".proposals.csv")
