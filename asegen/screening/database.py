"""The SQLite file of a ledger: how it is opened for writing, its transactions, and facts about the run by key."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asegen.errors import AsegenError, InputError
from asegen.parallel.machine import on_network
from asegen.screening.ledger import FILE, SCHEMA, VERSION, check_content, check_version

_BUSY_SECONDS = 60.0  # a transaction takes milliseconds


class Database:
    """The tables of a screening's folder, open for writing; made if there are none.

    Args:
        workdir: the folder; made if it doesn't exist.

    Raises:
        InputError: the folder can't be written, or holds another version's ledger.
    """

    def __init__(self, workdir: Path) -> None:
        self.workdir = workdir
        try:
            workdir.mkdir(parents=True, exist_ok=True)
            file = workdir / FILE
            self._db = sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None)
            self._set_journal()
            self._db.execute("PRAGMA synchronous = NORMAL")
            with self._transaction():
                if not self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
                    for statement in SCHEMA.split(";"):
                        self._db.execute(statement)
                    self._put("ledger_version", VERSION)
            check_version(self._db, file)
            check_content(self._db, file)
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"cannot write in {workdir}: {error}") from None

    def _set_journal(self) -> None:
        """Write-ahead logs need memory that all processes share: there is none on a network's file system."""
        for tries_left in reversed(range(100)):
            try:
                self._db.execute(f"PRAGMA journal_mode = {'DELETE' if on_network(self.workdir) else 'WAL'}")
                return
            except sqlite3.OperationalError as error:  # here SQLite doesn't wait for another that does the same
                if "locked" not in str(error) or not tries_left:
                    raise
                time.sleep(0.1)

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Everything in it happens, or nothing.

        Raises:
            AsegenError: the disk is full, or the file can't be written any more.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:
            told = "another process keeps it locked" if "locked" in str(error) else error
            raise AsegenError(f"{self.workdir / FILE} cannot be written: {told}") from None

    def note(self, **values: Any) -> None:
        """Keeps facts about the run, JSON values, by key; the last word counts."""
        with self._transaction():
            for key, value in values.items():
                self._put(key, value)

    def known(self, key: str) -> Any:
        """What was noted under a key, or None."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def _put(self, key: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))
