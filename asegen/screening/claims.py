"""Writing in the ledger: stages begin, pieces of work are claimed, done, and tried again, each in one transaction.

Any number of processes may work on one folder. A claim belongs to one of them until its lease runs out, which its owner
puts off as long as it lives; what a process finds after it lost a claim is not taken.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from typing_extensions import override

from asegen.errors import InputError
from asegen.parallel.machine import is_dead
from asegen.screening.input_tables import InputTables
from asegen.screening.ledger import pack, unpack
from asegen.screening.records import OK, RANKED, Candidate, Outcome, Unit

LEASE = 60.0
"""Seconds that a claim outlives the last sign of life of its owner, where the owner is on another machine."""
MAX_CRASHES = 2
"""Tries of work that brings its worker down by itself."""
MAX_LOSSES = 3
"""Tries of work whose worker was killed from outside, perhaps for memory: one try may be the bad luck of a moment."""
WAITING, CLAIMED, DONE = "waiting", "claimed", "done"

_LONGEST_LEASE = 10 * LEASE  # what lasts longer was written by a clock that goes wrong


class Ledger(InputTables):
    """The ledger of a screening's folder, open for writing; begun if there is none.

    Args:
        workdir: the folder; made if it doesn't exist.

    Raises:
        InputError: the folder can't be written, or holds another version's ledger.
    """

    def __init__(self, workdir: Path) -> None:
        super().__init__(workdir)
        self.owner = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"

    @override
    def close(self) -> None:
        """Gives back what is still claimed, and closes the file."""
        try:
            with self._transaction():
                self._db.execute(
                    f"UPDATE units SET state = '{WAITING}', owner = NULL WHERE owner = ? AND state = '{CLAIMED}'",
                    (self.owner,),
                )
        finally:
            super().close()

    # ---- stages

    def begun(self) -> list[str]:
        """Names of the stages that have begun, in order."""
        return [name for (name,) in self._db.execute("SELECT name FROM stages ORDER BY position")]

    def check_stages(self, stages: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Whether these stages go on from what was done: those that have begun must be the first of them, as they were.

        Args:
            stages: names and settings, in order.

        Raises:
            InputError: they don't.
        """
        begun = self._db.execute("SELECT name, settings FROM stages ORDER BY position").fetchall()
        for k, (name, text) in enumerate(begun):
            if k >= len(stages) or stages[k][0] != name:
                wanted = ",".join(stage for stage, _ in stages)
                raise InputError(
                    f"{self.workdir} has already been through {','.join(n for n, _ in begun)}, which {wanted} "
                    "does not go on from: take another folder"
                )
            self._check_settings(name, text, stages[k][1])

    def _check_settings(self, name: str, text: str, settings: Mapping[str, Any]) -> None:
        before, now = json.loads(text), json.loads(json.dumps(settings))
        for key in before | now:
            if before.get(key) != now.get(key):
                raise InputError(
                    f"{self.workdir} has already been through {name} with {key} {before.get(key)}, "
                    f"not {now.get(key)}: take another folder"
                )

    def candidates(self, before: str | None) -> list[Candidate]:
        """Inputs that came through all stages so far, without their atoms (see `load`).

        Args:
            before: only what stages before this one have said; None: all.
        """
        return self._candidates(before, None)

    def load(self, keys: Sequence[int], before: str) -> list[Candidate]:
        """Inputs as a stage meets them, with their atoms, in the order asked for."""
        found = {candidate.key: candidate for candidate in self._candidates(before, keys)}
        return [found[key] for key in keys if key in found]

    def _candidates(self, before: str | None, keys: Sequence[int] | None) -> list[Candidate]:
        row = self._db.execute("SELECT position FROM stages WHERE name = ?", (before,)).fetchone()
        position = row[0] if row else 1 << 30
        query = (
            f"SELECT i.id, o.status, o.found, {'NULL' if keys is None else 'o.atoms'} FROM inputs i"
            " LEFT JOIN (outcomes o JOIN stages s ON s.name = o.stage AND s.position < ?) ON o.input = i.id"
            f" {'' if keys is None else 'WHERE i.id IN (SELECT value FROM json_each(?))'} ORDER BY i.id, s.position"
        )
        values = (position,) if keys is None else (position, json.dumps(list(keys)))
        merged: dict[int, tuple[str, dict[str, Any], str | None]] = {}
        for key, status, found, atoms in self._db.execute(query, values):
            said, known, packed = merged.get(key, (OK, {}, None))
            if status is not None:
                said = status if status != OK else said
                known = known | json.loads(found)
            merged[key] = said, known, atoms or packed
        return [
            Candidate(key, status, found, None if packed is None else unpack(packed))
            for key, (status, found, packed) in merged.items()
            if status in RANKED
        ]

    def begin(
        self,
        stage: str,
        position: int,
        settings: Mapping[str, Any],
        groups: Sequence[Sequence[int]],
        alone: bool = False,
    ) -> None:
        """Opens a stage: what it has to do, where that isn't known yet.

        Args:
            stage: its name.
            position: its place among the stages.
            settings: what decides its results, JSON values.
            groups: the inputs of each piece of work, the ones to do first in front; those that the stage has had before
                are left out, unless others have come to them since: then the work is done anew.
            alone: whether members of a group don't depend on each other: then only those that have come are worked on.

        Raises:
            InputError: another call, which works on the same folder, has begun it with other settings, or another one
                in its place.
        """
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO stages VALUES (?, ?, ?)", (stage, position, json.dumps(settings)))
            row = self._db.execute("SELECT position, settings FROM stages WHERE name = ?", (stage,)).fetchone()
            if row is None or row[0] != position:
                raise InputError(f"another call has begun other stages in {self.workdir}: take another folder")
            self._check_settings(stage, row[1], settings)
            units = self._db.execute("SELECT unit, members FROM units WHERE stage = ?", (stage,)).fetchall()
            members = {unit: json.loads(text) for unit, text in units}
            had = {key: unit for unit, keys in members.items() for key in keys}
            rows = []
            for place, group in enumerate(groups):
                if alone:
                    left = [key for key in group if key not in had]
                else:
                    left = self._to_do(stage, group, {had[key]: members[had[key]] for key in group if key in had})
                if left:
                    rows.append((stage, f"{place:06d}-{left[0]:06d}", json.dumps(left), WAITING))  # claimed in order
            self._db.executemany("INSERT INTO units VALUES (?, ?, ?, ?, NULL, NULL, 0, 0)", rows)
            if rows:
                self._db.execute("DELETE FROM meta WHERE key = 'finished'")

    def _to_do(self, stage: str, group: Sequence[int], units: Mapping[str, Sequence[int]]) -> list[int]:
        """A group that the stage hasn't had so; what it had of it, in other groups, is taken back."""
        before = {key for keys in units.values() for key in keys}
        if before == set(group):
            return []
        values = json.dumps(sorted(before))
        self._db.execute(
            "DELETE FROM outcomes WHERE stage = ? AND input IN (SELECT value FROM json_each(?))", (stage, values)
        )
        self._db.executemany("DELETE FROM units WHERE stage = ? AND unit = ?", [(stage, unit) for unit in units])
        return list(group)

    def left(self, stage: str) -> int:
        """Number of inputs whose work in a stage isn't done."""
        query = f"SELECT coalesce(sum(json_array_length(members)), 0) FROM units WHERE stage = ? AND state != '{DONE}'"
        (number,) = self._db.execute(query, (stage,)).fetchone()
        return int(number)

    def settled(self, stage: str) -> int:
        """Number of inputs whose work in a stage is done."""
        query = f"SELECT coalesce(sum(json_array_length(members)), 0) FROM units WHERE stage = ? AND state = '{DONE}'"
        (number,) = self._db.execute(query, (stage,)).fetchone()
        return int(number)

    # ---- claims

    def claim(self, stage: str, limit: int) -> list[Unit]:
        """Takes up to so many pieces of work: those not begun, and those whose owner died or was not heard of."""
        now = time.time()
        with self._transaction():
            self._free_the_dead(stage)
            rows = self._db.execute(
                f"UPDATE units SET state = '{CLAIMED}', owner = ?, expires = ? WHERE stage = ? AND unit IN ("
                f" SELECT unit FROM units WHERE stage = ? AND (state = '{WAITING}' OR state = '{CLAIMED}'"
                " AND (expires < ? OR expires > ?)) ORDER BY crashes + losses, unit LIMIT ?) RETURNING unit, members",
                (self.owner, now + LEASE, stage, stage, now, now + _LONGEST_LEASE, limit),
            ).fetchall()
        return [Unit(stage, unit, tuple(json.loads(members))) for unit, members in sorted(rows)]

    def _free_the_dead(self, stage: str) -> None:
        query = f"SELECT DISTINCT owner FROM units WHERE stage = ? AND state = '{CLAIMED}' AND owner != ?"
        for (owner,) in self._db.execute(query, (stage, self.owner)).fetchall():
            if _has_ended(owner):
                self._db.execute(
                    f"UPDATE units SET state = '{WAITING}', owner = NULL WHERE owner = ? AND state = '{CLAIMED}'",
                    (owner,),
                )

    def others(self, stage: str) -> list[str]:
        """The other processes, "host/process id/…", that have work of a stage."""
        query = (
            f"SELECT DISTINCT owner FROM units WHERE stage = ? AND state = '{CLAIMED}' AND owner != ? ORDER BY owner"
        )
        return [owner for (owner,) in self._db.execute(query, (stage, self.owner))]

    def renew(self) -> None:
        """Puts off the end of this process's leases."""
        with self._transaction():
            self._db.execute(
                f"UPDATE units SET expires = ? WHERE owner = ? AND state = '{CLAIMED}'",
                (time.time() + LEASE, self.owner),
            )

    def finish(self, unit: Unit, outcomes: Sequence[Outcome], seconds: float) -> bool:
        """Writes down what came out of a piece of work, if it is still this process's.

        Args:
            unit: claimed.
            outcomes: one for each member.
            seconds: of worker time; each member's share is the same.

        Returns:
            Whether it was taken.
        """
        with self._transaction():
            done = self._db.execute(
                f"UPDATE units SET state = '{DONE}', owner = NULL WHERE stage = ? AND unit = ? AND owner = ?"
                f" AND state = '{CLAIMED}'",
                (unit.stage, unit.unit, self.owner),
            ).rowcount
            if done:
                rows = [
                    _row(key, unit.stage, outcome, seconds / len(outcomes))
                    for key, outcome in zip(unit.members, outcomes, strict=True)
                ]
                self._db.executemany(f"INSERT INTO outcomes VALUES ({', '.join('?' * 10)})", rows)
        return bool(done)

    def fail(self, unit: Unit, crashed: bool) -> bool:
        """Notes that a worker died over a piece of work, and puts it back to be tried again.

        Args:
            unit: claimed.
            crashed: whether the worker brought itself down.

        Returns:
            Whether it may be tried again; if not it stays claimed, to be finished or split.
        """
        column, most = ("crashes", MAX_CRASHES) if crashed else ("losses", MAX_LOSSES)
        with self._transaction():
            row = self._db.execute(
                f"UPDATE units SET {column} = {column} + 1 WHERE stage = ? AND unit = ? AND owner = ?"
                f" AND state = '{CLAIMED}' RETURNING {column}",
                (unit.stage, unit.unit, self.owner),
            ).fetchone()
            again = row is not None and row[0] < most
            if again:
                self._db.execute(
                    f"UPDATE units SET state = '{WAITING}', owner = NULL WHERE stage = ? AND unit = ?",
                    (unit.stage, unit.unit),
                )
        return again

    def split(self, unit: Unit) -> None:
        """Makes each member of a piece of work a piece of its own, to find the one that is to blame."""
        with self._transaction():
            gone = self._db.execute(
                f"DELETE FROM units WHERE stage = ? AND unit = ? AND owner = ? AND state = '{CLAIMED}'",
                (unit.stage, unit.unit, self.owner),
            ).rowcount
            if gone:
                rows = [(unit.stage, f"{unit.unit}-{key:06d}", json.dumps([key]), WAITING) for key in unit.members]
                self._db.executemany("INSERT INTO units VALUES (?, ?, ?, ?, NULL, NULL, 0, 0)", rows)


def _has_ended(owner: str) -> bool:
    """Whether a process of this machine has ended, or a name is no process's."""
    try:
        return is_dead(owner)
    except (ValueError, OverflowError):
        return True


def _row(key: int, stage: str, outcome: Outcome, seconds: float) -> tuple[Any, ...]:
    """A row of the table of outcomes."""
    reason = (None, None) if outcome.reason is None else (outcome.reason.kind, outcome.reason.detail)
    said = [json.dumps(value, allow_nan=False) for value in (outcome.found, outcome.notes, outcome.artifacts)]
    return key, stage, outcome.status, *reason, *said, None if outcome.atoms is None else pack(outcome.atoms), seconds
