"""What a screening is of: its inputs, which are registered once, and the reference crystals that it compares with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ase import Atoms

from asegen.errors import InputError
from asegen.screening.database import Database
from asegen.screening.ledger import pack, unpack
from asegen.screening.records import AT_HAND, Input

_INSERT_INPUT = "INSERT OR IGNORE INTO inputs (source, row, name, format, content, info) VALUES (?, ?, ?, ?, ?, ?)"


class InputTables(Database):
    """The tables of inputs and of reference crystals; arguments and errors as of `Database`."""

    def files(self) -> dict[str, str]:
        """The input files -> hashes of what they held; empty before they are registered."""
        return dict(self._db.execute("SELECT path, digest FROM files"))

    def register(self, files: Mapping[str, str], entries: Iterable[Input]) -> None:
        """Takes in the inputs that it hasn't yet; new ones may come to those that are there.

        Args:
            files: path -> hash of its content, those that are there included.
            entries: of the new ones, in order; looked at only if there are any.

        Raises:
            InputError: files of the screening aren't among them, or not what they were.
        """
        with self._transaction():
            before = self.files()
            self._compare(before, files)
            if files == before:
                return
            self._db.executemany("INSERT OR REPLACE INTO files VALUES (?, ?)", files.items())
            self._db.execute("DELETE FROM meta WHERE key = 'finished'")
            rows = ((e.source, e.row, e.name, e.format, e.content, e.info) for e in entries)
            self._db.executemany(_INSERT_INPUT, rows)

    def _compare(self, before: Mapping[str, str], files: Mapping[str, str]) -> None:
        for path, digest in before.items():
            if path not in files:
                raise InputError(
                    f"{self.workdir} is a screening of other inputs ({path}): name them too, or take another folder"
                )
            if files[path] != digest and path != AT_HAND:  # of which `asegen.screening.inputs` has compared the first
                raise InputError(f"{path} is not what it was when {self.workdir} was begun: take another folder")

    def count(self, source: str | None = None) -> int:
        """Number of inputs, of one source or of all."""
        where, values = ("", ()) if source is None else (" WHERE source = ?", (source,))
        (number,) = self._db.execute(f"SELECT count(*) FROM inputs{where}", values).fetchone()
        return int(number)

    def inputs(self, keys: Sequence[int]) -> list[Input]:
        """The entries behind rows, in the order asked for."""
        columns = "id, source, row, name, format, content, info"
        query = f"SELECT {columns} FROM inputs WHERE id IN (SELECT value FROM json_each(?))"
        rows = {key: Input(*rest) for key, *rest in self._db.execute(query, (json.dumps(list(keys)),))}
        return [rows[key] for key in keys]

    def keep_known(self, crystals: Iterable[tuple[str, str, Atoms]], **values: Any) -> None:
        """Replaces the reference crystals (formula, name, crystal), and notes facts about them with it."""
        with self._transaction():
            self._db.execute("DELETE FROM known")
            rows = ((formula, name, pack(atoms)) for formula, name, atoms in crystals)
            self._db.executemany("INSERT INTO known VALUES (?, ?, ?)", rows)
            for key, value in values.items():
                self._put(key, value)

    def known_crystals(self, formula: str) -> list[tuple[str, Atoms]]:
        """Names and crystals of the references of a reduced formula, in the order of their file."""
        rows = self._db.execute("SELECT name, atoms FROM known WHERE formula = ? ORDER BY rowid", (formula,))
        return [(name, unpack(text)) for name, text in rows]
