"""What a screening knows, in one SQLite file of its folder: the tables, and a view of them for reading.

Writing is `asegen.screening.claims`' matter. Reading is safe at any time, also while processes write.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from ase import Atoms
from ase.io.jsonio import decode, encode

from asegen.errors import InputError

FILE = "ledger.sqlite"
"""The ledger's name in a screening's folder."""
VERSION = 1
"""Of the tables below; a ledger of another one is refused."""

OK, UNCONVERGED = "ok", "unconverged"
"""Statuses of candidates that are ranked, apart from each other: relaxed, or stopped at the step limit."""
REJECTED, UNSUPPORTED, DUPLICATE, FAILED, QUARANTINED = "rejected", "unsupported", "duplicate", "failed", "quarantined"
"""Statuses that end a candidate: no crystal, nothing for the calculator, another candidate's copy, a calculation that
went wrong, and work that took its worker process down again and again."""
PENDING = "pending"
"""The status of a candidate whose stages aren't all done."""
STATUSES = (OK, UNCONVERGED, DUPLICATE, REJECTED, UNSUPPORTED, FAILED, QUARANTINED, PENDING)

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (path TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE inputs (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, row INTEGER NOT NULL, name TEXT NOT NULL,
    format TEXT NOT NULL, content TEXT NOT NULL, UNIQUE (source, row));
CREATE TABLE stages (
    name TEXT PRIMARY KEY, position INTEGER NOT NULL UNIQUE, settings TEXT NOT NULL, complete INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE units (
    stage TEXT NOT NULL, unit TEXT NOT NULL, members TEXT NOT NULL, state TEXT NOT NULL, owner TEXT,
    expires REAL, crashes INTEGER NOT NULL, losses INTEGER NOT NULL, PRIMARY KEY (stage, unit)) WITHOUT ROWID;
CREATE INDEX units_by_state ON units (stage, state);
CREATE TABLE known (formula TEXT NOT NULL, name TEXT NOT NULL, atoms TEXT NOT NULL);
CREATE INDEX known_by_formula ON known (formula);
CREATE TABLE outcomes (
    input INTEGER NOT NULL, stage TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, found TEXT NOT NULL,
    atoms TEXT, seconds REAL NOT NULL, PRIMARY KEY (input, stage)) WITHOUT ROWID;
"""
"""`inputs`: every entry of every file, as found. `units`: pieces of work, each for one or more inputs (`members`,
JSON), claimed by one process (`owner`) until `expires` (Unix time). `known`: reference crystals of the candidates'
formulas. `outcomes`: what a stage found for an input: `status`, `reason`, values (`found`, JSON), the crystal where
the stage changed it, and the seconds of worker time."""


@dataclass(frozen=True)
class Result:
    """One input of a screening, with everything known of it.

    Attributes:
        id: unique in the screening, sorts in the order of the inputs, fit for file names.
        name: the identifier in the input file, or the row.
        source: path of the input file.
        index: place in that file, from 0.
        status: one of `STATUSES`.
        reason: one line; empty for `ok`.
        stage: the last stage that said something of it.
        rank: from 1, among the candidates of the same status (`ok` and `unconverged` are ranked, apart); else None.
        rank_before: the place among those of its formula that its generator gave it (`asegen generate --rank`), which
            decides when it is relaxed; None where the input says nothing.
        formula: reduced, such as NaCl; empty where the input couldn't be read.
        n_atoms: of the cell as it is now.
        energy: of the relaxed crystal, eV/atom.
        first_energy: before the first step of the relaxation, eV/atom.
        formation_energy: eV/atom, relative to the elements.
        e_hull: energy above the hull of the known phases and of all candidates, eV/atom.
        e_known: above the hull of the known phases alone; negative for one that beats them.
        decomposition: the phases below it, with their shares of the atoms.
        e_hull_reason: why there is none.
        energy_scale: the label of the energies; only those of the same label are comparable.
        space_group_before: international symbol and number, such as "Fm-3m (225)", of the input.
        space_group: the same, of the crystal as it is now.
        prerelax_status: of the learned relaxation; empty without one.
        prerelax_steps: moves made by it.
        steps: of the relaxation with the calculator.
        force_calls: evaluations of energy, forces and stress by the relaxation; one of them is of the crystal before it
            was pre-relaxed.
        fmax: largest component-wise norm of forces, stress included, when it stopped, eV/Å.
        duplicates: ids of the inputs that are copies of this one.
        duplicate_of: id of the input that this one is a copy of; empty if it is none.
        novel: whether no reference structure is the same crystal; None where that wasn't asked.
        known_as: identifier of the reference structure that is the same crystal; empty if there is none.
        phonons: `stable`, `marginal` or `unstable`; empty where not computed.
        phonons_reason: why there is no verdict though one was asked for.
        lowest_frequency: THz, negative for imaginary ones; None without phonons.
        notes: what the reader or a stage had to decide, one line each.
        artifacts: paths relative to the screening's folder, by kind (`phonons`, `vasp` …).
        seconds: of worker time spent on it.
    """

    id: str
    name: str
    source: str
    index: int
    status: str
    reason: str
    stage: str
    rank: int | None = None
    rank_before: int | None = None
    formula: str = ""
    n_atoms: int | None = None
    energy: float | None = None
    first_energy: float | None = None
    formation_energy: float | None = None
    e_hull: float | None = None
    e_known: float | None = None
    decomposition: str = ""
    e_hull_reason: str = ""
    energy_scale: str = ""
    space_group_before: str = ""
    space_group: str = ""
    prerelax_status: str = ""
    prerelax_steps: int | None = None
    steps: int | None = None
    force_calls: int | None = None
    fmax: float | None = None
    duplicates: tuple[str, ...] = ()
    duplicate_of: str = ""
    novel: bool | None = None
    known_as: str = ""
    phonons: str = ""
    phonons_reason: str = ""
    lowest_frequency: float | None = None
    notes: tuple[str, ...] = ()
    artifacts: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


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


def candidate_id(key: int) -> str:
    """`Result.id` of a row of the table `inputs`."""
    return f"{key:06d}"


def pack(atoms: Atoms) -> str:
    """A crystal as JSON that gives the very same floats back: numbers, cell (Å) and positions (Å), nothing else."""
    return str(encode(Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell.array, pbc=atoms.pbc)))


def unpack(text: str) -> Atoms:
    """What `pack` packed."""
    atoms = decode(text)
    assert isinstance(atoms, Atoms)
    return atoms


def results(workdir: Path | str) -> list[Result]:
    """Every input of a screening: the ranked first, then the unconverged by theirs, then the others as they came.

    Args:
        workdir: the screening's folder.

    Raises:
        InputError: it holds no ledger.
    """
    with closing(_open(Path(workdir))) as ledger:
        found = list(_results(ledger))
    ranked = _rank(found)
    order = {OK: 0, UNCONVERGED: 1}
    return sorted(ranked, key=lambda r: (order.get(r.status, 2), r.rank or 0, r.id))


def read_atoms(workdir: Path | str, id: str, stage: str | None = None) -> Atoms | None:
    """A candidate's crystal as a stage left it.

    Args:
        workdir: the screening's folder.
        id: `Result.id`.
        stage: the first stage, `read`, gives the crystal as it came; None the crystal as it is now.

    Returns:
        None where it was never read, or that stage kept none.
    """
    query = "SELECT o.atoms FROM outcomes o JOIN stages s ON s.name = o.stage WHERE o.input = ? AND o.atoms NOT NULL"
    query += " AND s.name = ?" if stage else ""
    with closing(_open(Path(workdir))) as ledger:
        values = (int(id), stage) if stage else (int(id),)
        row = ledger.execute(f"{query} ORDER BY s.position DESC LIMIT 1", values).fetchone()
    return unpack(row[0]) if row else None


def funnel(workdir: Path | str) -> list[StageCount]:
    """What each stage that has begun did, in order; entered = left + stopped + waiting.

    Raises:
        InputError: the folder holds no ledger.
    """
    with closing(_open(Path(workdir))) as ledger:
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
            stopped = {status: n for status, n in sorted(found.items()) if status not in (OK, UNCONVERGED)}
            left = entered - sum(stopped.values()) - waiting
            counts.append(StageCount(stage, entered, left, stopped, waiting, seconds))
            entered = left
    return counts


_BULKY = ("competing", "hull_phases", "known_crystals")  # what only stages need


def provenance(workdir: Path | str) -> dict[str, Any]:
    """How a screening was made: `command`, `begun`, `versions`, `machine`, settings of the `stages`, hashes of `files`.

    With a hull also `hull_missing` (element -> why it has no energy) and, lists of lines, `competing_problems` and
    `hull_problems`: what of the reference phases couldn't be used.

    Raises:
        InputError: the folder holds no ledger.
    """
    with closing(_open(Path(workdir))) as ledger:
        facts = ledger.execute("SELECT key, value FROM meta ORDER BY key")
        known = {key: json.loads(value) for key, value in facts if key not in _BULKY}
        stages = ledger.execute("SELECT name, settings FROM stages ORDER BY position")
        known["stages"] = {name: json.loads(settings) for name, settings in stages}
        known["files"] = dict(ledger.execute("SELECT path, digest FROM files ORDER BY path"))
    return known


def _open(workdir: Path) -> sqlite3.Connection:
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
    """Raises InputError where a file is no ledger of this version."""
    try:
        row = ledger.execute("SELECT value FROM meta WHERE key = 'ledger_version'").fetchone()
    except sqlite3.DatabaseError as error:
        raise InputError(f"{file} is not a screening's ledger ({error})") from None
    if row is None or json.loads(row[0]) != VERSION:
        raise InputError(f"{file} was written by another version of asegen: take another folder")


def _results(ledger: sqlite3.Connection) -> Iterator[Result]:
    query = (
        "SELECT o.input, o.stage, o.status, o.reason, o.found, o.seconds FROM outcomes o"
        " JOIN stages s ON s.name = o.stage ORDER BY o.input, s.position"
    )
    told: dict[int, list[_Told]] = {}
    for key, *rest in ledger.execute(query):
        told.setdefault(key, []).append(_Told(*rest))
    copies: dict[str, list[str]] = {}
    rows = ledger.execute("SELECT id, name, source, row FROM inputs ORDER BY id").fetchall()
    waiting = _waiting(ledger, [row[0] for row in rows])
    made = [_result(key, name, source, row, told.get(key, []), key in waiting) for key, name, source, row in rows]
    for result in made:
        if result.duplicate_of:
            copies.setdefault(result.duplicate_of, []).append(result.id)
    for result in made:
        yield replace(result, duplicates=tuple(copies[result.id])) if result.id in copies else result


def _waiting(ledger: sqlite3.Connection, every: Sequence[int]) -> set[int]:
    """Inputs that a stage still has to look at."""
    if not ledger.execute("SELECT 1 FROM meta WHERE key = 'finished'").fetchone():
        return set(every)
    members = ledger.execute("SELECT members FROM units WHERE state != 'done'")
    return {key for (text,) in members for key in json.loads(text)}


class _Told(NamedTuple):
    """What one stage said of an input."""

    stage: str
    status: str
    reason: str
    found: str
    seconds: float


def _result(key: int, name: str, source: str, row: int, told: Sequence[_Told], waiting: bool) -> Result:
    found: dict[str, Any] = {}
    notes: list[str] = []
    artifacts: dict[str, str] = {}
    status, reason = OK, ""
    for said in told:
        values = json.loads(said.found)
        notes += values.pop("notes", [])
        artifacts |= values.pop("artifacts", {})
        found |= values
        if said.status != OK:
            status, reason = said.status, said.reason
    if waiting and status in (OK, UNCONVERGED):
        status, reason = PENDING, ""
    return Result(
        id=candidate_id(key),
        name=found.pop("name", name),
        source=source,
        index=row,
        status=status,
        reason=reason,
        stage=told[-1].stage if told else "",
        notes=tuple(notes),
        artifacts=artifacts,
        seconds=sum(said.seconds for said in told),
        **found,
    )


def ranking_key(e_hull: float | None, e_known: float | None, energy: float | None) -> tuple[bool | float, ...]:
    """What candidates are ranked by; the order of inputs decides between equals.

    Args:
        e_hull: eV/atom, above the hull; candidates without one come after those with one.
        e_known: eV/atom, decides between those on the hull: who beats the known phases by more comes first.
        energy: eV/atom, decides where there is no hull.
    """
    known = (round(value or 0.0, 6) for value in (e_hull, e_known))
    return (e_hull is None, *known, energy is None, energy or 0.0)


def _rank(found: Sequence[Result]) -> list[Result]:
    ranks: dict[str, int] = {}
    for status in (OK, UNCONVERGED):
        alike = [result for result in found if result.status == status]
        for rank, result in enumerate(
            sorted(alike, key=lambda r: (ranking_key(r.e_hull, r.e_known, r.energy), r.id)), 1
        ):
            ranks[result.id] = rank
    return [replace(result, rank=ranks.get(result.id)) for result in found]
