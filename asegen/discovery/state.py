"""A run on disk: after each round its whole state is written at once, so that a killed run goes on to the same result.

Beside OUT lies `OUT.part.json` while a run is on, and `OUT.proposals.csv` once it is done.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from asegen.discovery.places import check_place, state_of, table_of
from asegen.discovery.records import FATES, Record, as_csv, funnel
from asegen.errors import InputError
from asegen.parallel.files import replacing, write_text
from asegen.parallel.resuming import check_same_options
from asegen.structures.formats import FOLDER, output_format

if TYPE_CHECKING:
    from ase import Atoms

RUN = "run"
"""In `info`: the first digits of the SHA-256 of the run's settings."""


class RunState:
    """What a run has done so far.

    Args:
        output: where the structures go; its name decides the format. None keeps nothing on disk.
        n: structures that are wanted.
        settings: option -> JSON value, of all that decides the result.
        resume: go on with what is there, if it is this run's.
        overwrite: replace what is there.

    Attributes:
        records: of all proposals.
        rounds: that are done.
        kept: structures.
        was_complete: whether a run to be resumed was done already.

    Raises:
        InputError: as `check_place`, or what is there is another run's.
    """

    def __init__(
        self,
        output: str | None,
        n: int,
        settings: Mapping[str, object],
        resume: bool = False,
        overwrite: bool = False,
    ) -> None:
        self.records: list[Record] = []
        self.kept: list[Atoms] = []
        self.rounds, self.was_complete = 0, False
        self._settings, self._out = settings, None if output is None else Path(output)
        if output is None or self._out is None:
            return
        check_place(output, n, resume, overwrite)
        self._format = output_format(output)
        if resume and state_of(self._out).exists():
            self._go_on(state_of(self._out))
        elif resume and self._out.exists() and self._out.stat().st_size > 0:  # an empty one doesn't say whose it is
            self._read_complete(self._out)

    @cached_property
    def label(self) -> str:
        """Of the run, for the structures' `info`."""
        return hashlib.sha256(json.dumps(self._settings, sort_keys=True).encode()).hexdigest()[:12]

    def _go_on(self, place: Path) -> None:
        from asegen.discovery.frames import read_frames

        try:
            state = json.loads(place.read_text(encoding="utf-8"))
            known = dict(state["settings"])
            self.records = [Record.from_json(record) for record in state["records"]]
            self.rounds, self.kept = state["rounds"], read_frames(state["kept"])
        except (ValueError, KeyError, TypeError, OSError):
            raise InputError(
                f"{place} is damaged or another version's: start again with overwrite", "overwrite"
            ) from None
        check_same_options(place, known, self._settings, "n", "seed", "proposals")

    def _read_complete(self, out: Path) -> None:
        from asegen.structures.reading_back import read_back

        self.was_complete, self.kept = True, list(read_back(out, self._format))
        if any(str(atoms.info.get(RUN)) != self.label for atoms in self.kept):
            raise InputError(f"{out} was written with other arguments: repeat those, or use overwrite", "overwrite")

    def save(self) -> None:
        """Writes everything at once.

        Raises:
            OSError: it can't be written; what was there before still is.
        """
        if self._out is None:
            return
        from asegen.discovery.frames import frames

        state = {
            "settings": self._settings,
            "rounds": self.rounds,
            "records": [record.as_json() for record in self.records],
            "kept": frames(self.kept),
        }
        write_text(state_of(self._out), json.dumps(state))

    def finish(self) -> None:
        """Writes the structures and the table of proposals, and removes what only a running job needs.

        Without any structure the table alone is written: few programs read an empty file.

        Raises:
            OSError: the place can't be written.
        """
        if self._out is None or self.was_complete:
            return
        write_text(table_of(self._out), as_csv(self.records))
        if self.kept:
            self._write_structures(self._out)
        state_of(self._out).unlink(missing_ok=True)

    def _write_structures(self, out: Path) -> None:
        from asegen.structures.writing import write_structures

        if self._format == FOLDER and out.exists():
            for old in out.glob("POSCAR-*"):
                old.unlink()
        with replacing(out) as beside:
            write_structures(self.kept, beside, self._format)

    def funnel(self) -> list[tuple[str, int]]:
        """How many proposals met each fate; of a run that was complete, as its table has it."""
        if not self.was_complete or self._out is None or not table_of(self._out).exists():
            return funnel(self.records)
        rows = csv.DictReader(io.StringIO(table_of(self._out).read_text(encoding="utf-8")))
        count = Counter(row["fate"] for row in rows)
        return [(fate, count[fate]) for fate in FATES]
