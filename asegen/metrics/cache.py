"""What was computed of a crystal, kept on disk by the crystal's content."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from ase import Atoms

from asegen.errors import InputError


def content_key(method: str, atoms: Atoms) -> str:
    """A name for what a method makes of a crystal: equal for equal elements, cell and positions, bit by bit.

    Args:
        method: changes whenever the result would.
        atoms: the crystal.
    """
    content = hashlib.sha256(method.encode())
    for array in (atoms.numbers, atoms.cell.array, atoms.positions):
        content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()


class RowCache:
    """Rows of float32 in a database: what was written stays, whenever a run is interrupted.

    Args:
        folder: made if it is missing.

    Raises:
        InputError: the folder can't hold a database.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "rows.sqlite"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as database, database:
                database.execute("CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, value BLOB)")
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"{folder} cannot hold a cache: {error}") from None

    def read(self, keys: Sequence[str]) -> dict[str, np.ndarray]:
        """Key -> row, of those that are there."""
        found = {}
        with closing(self._connect()) as database:
            for key in keys:
                row = database.execute("SELECT value FROM rows WHERE key = ?", (key,)).fetchone()
                if row is not None:
                    found[key] = np.frombuffer(row[0], np.float32)
        return found

    def write(self, rows: dict[str, np.ndarray]) -> None:
        """Keeps rows; those that are there are replaced."""
        with closing(self._connect()) as database, database:
            database.executemany(
                "INSERT OR REPLACE INTO rows VALUES (?, ?)", [(key, row.tobytes()) for key, row in rows.items()]
            )

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=60)
