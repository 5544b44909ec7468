"""What a screening knows, in one SQLite file of its folder: the tables, and how its stages are counted.

`asegen.screening.claims` writes, `asegen.screening.result` reads what became of each input. Reading is safe at any
time, also while processes write.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.io.jsonio import decode, encode

from asegen.errors import InputError
from asegen.screening.records import RANKED, Input, candidate_key

FILE = "ledger.sqlite"
"""The ledger's name in a screening's folder."""
VERSION = 3
"""Of the tables below; a ledger of another one is refused."""

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (path TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE inputs (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, row INTEGER NOT NULL, name TEXT NOT NULL,
    format TEXT NOT NULL, content TEXT NOT NULL, info TEXT NOT NULL, UNIQUE (source, row));
CREATE TABLE stages (
    name TEXT PRIMARY KEY, position INTEGER NOT NULL UNIQUE, settings TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE units (
    stage TEXT NOT NULL, unit TEXT NOT NULL, members TEXT NOT NULL, state TEXT NOT NULL, owner TEXT,
    expires REAL, crashes INTEGER NOT NULL, losses INTEGER NOT NULL, PRIMARY KEY (stage, unit)) WITHOUT ROWID;
CREATE INDEX units_by_state ON units (stage, state);
CREATE TABLE known (formula TEXT NOT NULL, name TEXT NOT NULL, atoms TEXT NOT NULL);
CREATE INDEX known_by_formula ON known (formula);
CREATE TABLE outcomes (
    input INTEGER NOT NULL, stage TEXT NOT NULL, status TEXT NOT NULL, kind TEXT, detail TEXT, found TEXT NOT NULL,
    notes TEXT NOT NULL, artifacts TEXT NOT NULL, atoms TEXT, seconds REAL NOT NULL, PRIMARY KEY (input, stage))
    WITHOUT ROWID;
"""
"""`inputs`: every entry of every file, as found. `units`: pieces of work, each for one or more inputs (`members`,
JSON), claimed by one process (`owner`) until `expires` (Unix time). `known`: reference crystals of the candidates'
formulas. `outcomes`: what a stage found for an input: `status`, the reason's `kind` and `detail`, values by column
(`found`), `notes` and `artifacts` (JSON), the crystal where the stage changed it, and the seconds of worker time."""


@dataclass(frozen=True)
class StageCount:
    """What one stage did.

    Attributes:
        stage: its name.
        entered: inputs that came to it.
        left: inputs that went on.
        stopped: status -> number of inputs that ended here.
        waiting: inputs not done yet.
        seconds: of worker time.
    """

    stage: str
    entered: int
    left: int
    stopped: Mapping[str, int]
    waiting: int
    seconds: float


def pack(atoms: Atoms) -> str:
    """A crystal as JSON that gives the very same floats back: numbers, cell (Å) and positions (Å), nothing else."""
    return str(encode(Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell.array, pbc=atoms.pbc)))


def unpack(text: str) -> Atoms:
    """What `pack` packed.

    Raises:
        InputError: it is damaged.
    """
    try:
        atoms = decode(text)
    except Exception:  # JSON of anything else
        atoms = None
    if not isinstance(atoms, Atoms):
        raise InputError(f"the ledger is damaged: {text[:40]!r} is no crystal")
    return atoms


def read_atoms(workdir: Path | str, id: str, stage: str | None = None) -> Atoms | None:
    """A candidate's crystal as a stage left it.

    Args:
        workdir: the screening's folder.
        id: of a result.
        stage: the first stage, `read`, gives the crystal as it came; None the crystal as it is now.

    Returns:
        None where it was never read, or that stage kept none.

    Raises:
        InputError: the folder holds no screening, or an id that no candidate has.
    """
    query = "SELECT o.atoms FROM outcomes o JOIN stages s ON s.name = o.stage WHERE o.input = ? AND o.atoms NOT NULL"
    query += " AND s.name = ?" if stage else ""
    with closing(opened(Path(workdir))) as ledger:
        values = (candidate_key(id), stage) if stage else (candidate_key(id),)
        row = ledger.execute(f"{query} ORDER BY s.position DESC LIMIT 1", values).fetchone()
    return unpack(row[0]) if row else None


def read_input(workdir: Path | str, id: str) -> Input:
    """A candidate's entry as it came.

    Args:
        workdir: the screening's folder.
        id: of a result.
    """
    query = "SELECT source, row, name, format, content, info FROM inputs WHERE id = ?"
    with closing(opened(Path(workdir))) as ledger:
        return Input(*ledger.execute(query, (candidate_key(id),)).fetchone())


def funnel(workdir: Path | str) -> list[StageCount]:
    """What each stage that has begun did, in order; entered = left + stopped + waiting.

    Raises:
        InputError: the folder holds no ledger.
    """
    with closing(opened(Path(workdir))) as ledger:
        (entered,) = ledger.execute("SELECT count(*) FROM inputs").fetchone()
        counts = []
        for (stage,) in ledger.execute("SELECT name FROM stages ORDER BY position").fetchall():
            found: Counter[str] = Counter()
            seconds = 0.0
            query = "SELECT status, count(*), sum(seconds) FROM outcomes WHERE stage = ? GROUP BY status"
            for status, number, spent in ledger.execute(query, (stage,)):
                found[status] = number
                seconds += spent
            members = ledger.execute("SELECT members FROM units WHERE stage = ? AND state != 'done'", (stage,))
            waiting = sum(len(json.loads(text)) for (text,) in members)
            stopped = {status: n for status, n in sorted(found.items()) if status not in RANKED}
            left = entered - sum(stopped.values()) - waiting
            counts.append(StageCount(stage, entered, left, stopped, waiting, seconds))
            entered = left
    return counts


_BULKY = ("collected", "columns", "competing", "known_crystals", "_phases", "_formulas", "_forms", "_references")
"""Ends of the keys of what only programs need."""


def provenance(workdir: Path | str) -> dict[str, Any]:
    """How a screening was made: `command`, `begun`, `versions`, `machine`, settings of the `stages`, hashes of `files`.

    With a hull also `hull_missing` (element -> why it has no energy); lists of lines, `competing_problems` and
    `hull_problems`: what of the reference phases couldn't be used; `hull_lacking`: chemical system -> known stable
    compounds without a candidate; `hull_note`: why the shipped hull isn't used though it was asked for, or None; and
    `hull_can_fit`: whether fitting energies of the elements would change that.

    Raises:
        InputError: the folder holds no ledger.
    """
    with closing(opened(Path(workdir))) as ledger:
        facts = ledger.execute("SELECT key, value FROM meta ORDER BY key")
        known = {key: json.loads(value) for key, value in facts if not key.endswith(_BULKY)}
        stages = ledger.execute("SELECT name, settings FROM stages ORDER BY position")
        known["stages"] = {name: json.loads(settings) for name, settings in stages}
        known["files"] = dict(ledger.execute("SELECT path, digest FROM files ORDER BY path"))
    return known


def opened(workdir: Path) -> sqlite3.Connection:
    """A ledger to read from.

    Args:
        workdir: the screening's folder.

    Raises:
        InputError: it holds no ledger, or another version's.
    """
    file = workdir / FILE
    if not file.is_file():
        raise InputError(f"{workdir} holds no screening: there is no {FILE}")
    ledger = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=60)
    try:
        check_version(ledger, file)
    except BaseException:
        ledger.close()
        raise
    return ledger


def check_version(ledger: sqlite3.Connection, file: Path) -> None:
    """Raises InputError where a file is no ledger of this version, or lacks parts of its tables."""
    try:
        row = ledger.execute("SELECT value FROM meta WHERE key = 'ledger_version'").fetchone()
        version = None if row is None else json.loads(row[0])
        missing = None if version != VERSION else _missing(ledger)
    except (sqlite3.DatabaseError, ValueError) as error:
        raise InputError(f"{file} is not a screening's ledger ({error})") from None
    if version != VERSION:
        raise InputError(f"{file} was written by another version of asegen: take another folder")
    if missing:
        raise InputError(f"{file} is damaged: it has no {missing}; take another folder")


_TABLES = ("meta", "files", "inputs", "stages", "units", "known", "outcomes")


def _missing(ledger: sqlite3.Connection) -> str:
    """The first column that the tables lack; empty where all are there."""
    with closing(sqlite3.connect(":memory:")) as whole:
        whole.executescript(SCHEMA)
        for table in _TABLES:
            there = _columns_of(ledger, table)
            for column in _columns_of(whole, table):
                if column not in there:
                    return f"{table}.{column}"
    return ""


def _columns_of(ledger: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in ledger.execute(f"PRAGMA table_info({table})")]


_DAMAGED = {
    "meta": "SELECT key FROM meta WHERE NOT json_valid(value)",
    "stages": "SELECT name FROM stages WHERE NOT json_valid(settings) OR json_type(settings) != 'object'",
    "units": "SELECT unit FROM units WHERE NOT json_valid(members) OR json_type(members) != 'array'"
    " OR state NOT IN ('waiting', 'claimed', 'done') OR EXISTS"
    " (SELECT 1 FROM json_each(members) WHERE value NOT IN (SELECT id FROM inputs))",
    "outcomes": "SELECT input FROM outcomes WHERE NOT json_valid(found) OR json_type(found) != 'object'"
    " OR NOT json_valid(notes) OR json_type(notes) != 'array'"
    " OR NOT json_valid(artifacts) OR json_type(artifacts) != 'object'",
}
"""Table -> rows of it that can't be read."""


def check_content(ledger: sqlite3.Connection, file: Path) -> None:
    """Raises InputError where a row of a ledger of this version can't be read."""
    for table, query in _DAMAGED.items():
        try:
            row = ledger.execute(f"{query} LIMIT 1").fetchone()
        except sqlite3.DatabaseError as error:
            raise InputError(f"{file} is damaged: {error}; take another folder") from None
        if row is not None:
            raise InputError(f"{file} is damaged: {table} {str(row[0])[:40]!r}; take another folder")
