"""What was computed of crystals, kept on disk by their content."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from asegen.errors import InputError

Row = NDArray[np.float32]


def content_key(method: str, *crystals: Atoms) -> str:
    """A name for what a method makes of crystals: equal for equal elements, cells and positions, bit by bit.

    Args:
        method: changes whenever the result would.
        crystals: in an order that counts.
    """
    content = hashlib.sha256(method.encode())
    for atoms in crystals:
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

    def read(self, keys: Sequence[str]) -> dict[str, Row]:
        """Key -> row, of those that are there."""
        found = {}
        with closing(self._connect()) as database:
            for key in keys:
                row = database.execute("SELECT value FROM rows WHERE key = ?", (key,)).fetchone()
                if row is not None:
                    found[key] = np.frombuffer(row[0], np.float32)
        return found

    def write(self, rows: Mapping[str, Row]) -> None:
        """Keeps rows; those that are there are replaced."""
        with closing(self._connect()) as database, database:
            database.executemany(
                "INSERT OR REPLACE INTO rows VALUES (?, ?)", [(key, row.tobytes()) for key, row in rows.items()]
            )

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=60)
