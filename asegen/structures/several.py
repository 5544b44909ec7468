"""Entries of several files, where one file that can't be read costs the others nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from asegen.errors import InputError
from asegen.structures.errors import StructureError
from asegen.structures.formats import OTHER, path_text
from asegen.structures.reading import Entry, read_entries


def entries_of(files: Sequence[Path]) -> Iterator[tuple[Path, Entry]]:
    """The entries of files, in order.

    A file that can't be read or holds nothing, or whose rest can't be read, ends with an entry that holds the error;
    its id is the file's name.

    Args:
        files: of any format that `read_entries` knows.

    Raises:
        InputError: there is one file only, and nothing of it can be read.
    """
    for path in files:
        row = 0
        try:
            for entry in read_entries(path):
                row = entry.row + 1
                yield path, entry
            if row == 0:
                raise InputError(f"{path} holds no structures")
        except InputError as error:
            if row == 0 and len(files) == 1:
                raise
            yield path, Entry(row, path_text(path.name), StructureError(f"unreadable: {error}"), OTHER)
