"""What became of each input of a screening, ranked."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from typing_extensions import override

from asegen.errors import InputError, Reason
from asegen.screening.columns import Column, from_json
from asegen.screening.ledger import FILE, check_content, opened
from asegen.screening.ranking import in_order
from asegen.screening.records import OK, PENDING, RANKED, UNCONVERGED, candidate_id


class Result(Mapping[str, Any]):
    """One input of a screening, with everything known of it.

    It is a mapping from the columns of results.csv to values: `result["e_hull"]`, and `pandas.DataFrame(results)` is
    the table. What no stage has found is None. What is known of every input is an attribute, too.

    Attributes:
        id: unique in the screening, sorts in the order of the inputs, fit for file names.
        name: the identifier in the input file; the id where it has none.
        source: path of the input file.
        index: place in that file, from 0.
        status: one of `asegen.screening.records.STATUSES`.
        reason: why the candidate came no farther; None for `ok`. The column `reason` is `text`.
        stage: the last stage that said something of it; empty before the first.
        rank: from 1, among the candidates of the same status (`ok` and `unconverged` are ranked, apart); else None.
        notes: what the reader or a stage had to decide, one line each.
        artifacts: paths relative to the screening's folder, by kind (`phonons`, `vasp` …).
        seconds: of worker time spent on it.

    Args:
        values: of all columns but `reason`, in order.
        reason: see above.
    """

    def __init__(self, values: Mapping[str, Any], reason: Reason | None) -> None:
        self.id: str = values["id"]
        self.name: str = values["name"]
        self.source: str = values["source"]
        self.index: int = values["index"]
        self.status: str = values["status"]
        self.reason = reason
        self.stage: str = values["stage"]
        self.rank: int | None = values["rank"]
        self.notes: tuple[str, ...] = values["notes"]
        self.artifacts: Mapping[str, str] = values["artifacts"]
        self.seconds: float = values["seconds"]
        self._values = {**values, "reason": self.text}

    @override
    def __getitem__(self, column: str) -> Any:
        return self._values[column]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    @override
    def __len__(self) -> int:
        return len(self._values)

    @override
    def __repr__(self) -> str:
        known = {name: value for name, value in self.items() if value not in (None, "", (), {})}
        return f"Result({', '.join(f'{name}={value!r}' for name, value in known.items())})"

    @property
    def text(self) -> str:
        """The reason as one line `kind: detail`, or the detail alone where the kind is the status; empty for `ok`."""
        if self.reason is None:
            return ""
        return self.reason.detail if self.reason.kind == self.status else str(self.reason)

    @property
    def is_ranked(self) -> bool:
        """Whether the candidate came through all stages."""
        return self.status in RANKED

    def changed(self, **values: Any) -> Result:
        """The same result with other values of some columns."""
        return Result({**self._values, **values}, self.reason)


def results(workdir: Path | str) -> list[Result]:
    """Every input of a screening: the ranked first, then the unconverged by theirs, then the others as they came.

    Args:
        workdir: the screening's folder.

    Raises:
        InputError: it holds no ledger, or a damaged one.
    """
    with closing(opened(Path(workdir))) as ledger:
        check_content(ledger, Path(workdir) / FILE)
        found = _ranked(_with_copies(_results(ledger)))
    order = {OK: 0, UNCONVERGED: 1}
    return sorted(found, key=lambda r: (order.get(r.status, 2), r.rank or 0, r.id))


def columns(workdir: Path | str) -> tuple[Column, ...]:
    """The columns of a screening's results between `HEAD` and `TAIL`, in order.

    Raises:
        InputError: the folder holds no ledger.
    """
    with closing(opened(Path(workdir))) as ledger:
        return _columns(ledger)


class _Told(NamedTuple):
    """What one stage said of an input; JSON where it is more than a word."""

    stage: str
    status: str
    kind: str | None
    detail: str | None
    found: str
    notes: str
    artifacts: str
    seconds: float


def _columns(ledger: sqlite3.Connection) -> tuple[Column, ...]:
    row = ledger.execute("SELECT value FROM meta WHERE key = 'columns'").fetchone()
    try:
        return () if row is None else from_json(json.loads(row[0]))
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the ledger is damaged: its columns ({error}); take another folder") from None


def _results(ledger: sqlite3.Connection) -> list[Result]:
    names = [column.name for column in _columns(ledger)]
    query = (
        f"SELECT o.input, {', '.join(f'o.{name}' for name in _Told._fields)} FROM outcomes o"
        " JOIN stages s ON s.name = o.stage ORDER BY o.input, s.position"
    )
    told: defaultdict[int, list[_Told]] = defaultdict(list)
    for key, *rest in ledger.execute(query):
        told[key].append(_Told(*rest))
    rows = ledger.execute("SELECT id, name, source, row FROM inputs ORDER BY id").fetchall()
    waiting = _waiting(ledger, [row[0] for row in rows])
    collected = _collected(ledger)
    return [
        _result(row, told[row[0]], names, row[0] in waiting, collected.get(candidate_id(row[0]), {})) for row in rows
    ]


def _collected(ledger: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    """What `asegen.screening.collect` has read back, by id."""
    row = ledger.execute("SELECT value FROM meta WHERE key = 'collected'").fetchone()
    found: dict[str, dict[str, Any]] = {} if row is None else json.loads(row[0])
    return found


def _waiting(ledger: sqlite3.Connection, every: Sequence[int]) -> set[int]:
    """Inputs that a stage still has to look at."""
    if not ledger.execute("SELECT 1 FROM meta WHERE key = 'finished'").fetchone():
        return set(every)
    members = ledger.execute("SELECT members FROM units WHERE state != 'done'")
    return {key for (text,) in members for key in json.loads(text)}


def _result(
    row: tuple[int, str, str, int],
    told: Sequence[_Told],
    names: Sequence[str],
    waiting: bool,
    collected: Mapping[str, Any],
) -> Result:
    key, name, source, index = row
    found = dict(collected)
    notes: list[str] = []
    artifacts: dict[str, str] = {}
    status, reason = OK, None
    for said in told:
        found |= json.loads(said.found)
        notes += json.loads(said.notes)
        artifacts |= json.loads(said.artifacts)
        if said.status != OK:
            status, reason = said.status, None if said.kind is None else Reason(said.kind, said.detail or "")
    if waiting and status in RANKED:
        status, reason = PENDING, None
    head = {"id": candidate_id(key), "name": found.get("name") or name or candidate_id(key)}
    head |= {"rank": None, "rank_in_composition": None, "status": status, "reason": None}
    tail = {"stage": told[-1].stage if told else "", "source": source, "index": index}
    tail |= {"notes": tuple(notes), "artifacts": artifacts, "seconds": sum(said.seconds for said in told)}
    return Result({**head, **{name: found.get(name) for name in names}, **tail}, reason)


def _with_copies(found: Sequence[Result]) -> list[Result]:
    """Results that name their copies."""
    copies: defaultdict[str, list[str]] = defaultdict(list)
    for result in found:
        if original := result.get("duplicate_of"):
            copies[original].append(result.id)
    return [result.changed(duplicates=tuple(copies[result.id])) if result.id in copies else result for result in found]


def _ranked(found: Sequence[Result]) -> list[Result]:
    """Results with their ranks, among all of their status and among those of their composition."""
    ranks: dict[str, tuple[int, int]] = {}
    for status in RANKED:
        alike = sorted((result for result in found if result.status == status), key=lambda result: result.id)
        of_formula: Counter[str] = Counter()
        for rank, k in enumerate(in_order(alike), 1):
            of_formula[alike[k]["formula"]] += 1
            ranks[alike[k].id] = rank, of_formula[alike[k]["formula"]]
    none = (None, None)
    return [
        result.changed(rank=ranks.get(result.id, none)[0], rank_in_composition=ranks.get(result.id, none)[1])
        for result in found
    ]
