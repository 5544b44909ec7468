"""Files that are whole or not there: written beside their place and moved there at once; and their checksums."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A place beside `path` to write a file or a folder to, which becomes `path` when the block ends without an error.

    A file that is at `path` is replaced at once, so that whatever kills the process leaves the old or the new one. An
    empty or missing folder is replaced likewise; one that holds something isn't.

    Args:
        path: the file or folder to be; its parent exists.

    Yields:
        The place to write to; nothing is there yet.

    Raises:
        OSError: as from what the block does, or the place can't be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        if beside.is_dir():
            shutil.rmtree(beside, ignore_errors=True)
        else:
            beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file at once, UTF-8.

    Args:
        path: its place.
        text: what goes into it.

    Raises:
        OSError: the place can't be written.
    """
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def sha256(path: Path) -> str:
    """The SHA-256 checksum of a file, 64 hexadecimal digits.

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
