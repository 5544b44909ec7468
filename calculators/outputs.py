"""Structures on disk while a run goes on, and in the format that was asked for when it is done.

A run writes `OUT.part.extxyz` batch by batch, and beside it `OUT.part.json`: which batches are in it, and how many
bytes they take. Whatever kills the run, a resumed one cuts the file back to whole batches and goes on. At the end OUT
appears at once.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.db import connect
from ase.io import iread, write

from asegen.errors import InputError

FORMATS = {".extxyz": "extxyz", ".xyz": "extxyz", ".cif": "cif", ".traj": "traj", ".db": "db", "": "folder"}


def output_format(out: Path) -> str:
    """The format that a path's suffix asks for; a path without a suffix is a folder of POSCARs.

    Raises:
        InputError: another suffix.
    """
    if out.suffix not in FORMATS:
        raise InputError(f"{out}: unknown format {out.suffix!r}; use .extxyz, .cif, .traj, .db, or a folder's name")
    return FORMATS[out.suffix]


class PartialOutput:
    """The growing file of one run.

    Args:
        out: the path that the user asked for.
        fingerprint: of the run's plan and settings.
        resume: go on with what is there, if it is this run's.
        overwrite: replace what is there.

    Raises:
        InputError: OUT exists and neither is set; what is there belongs to another run; the folder can't be written.
    """

    def __init__(self, out: Path, fingerprint: str, resume: bool = False, overwrite: bool = False) -> None:
        self.out, self.format = out, output_format(out)
        self.part = out.with_name(out.name + ".part.extxyz")
        self.journal = out.with_name(out.name + ".part.json")
        self.fingerprint = fingerprint
        self.batches_done = self._bytes = 0
        self.complete = resume and not overwrite and out.exists() and not self.journal.exists()
        if self.complete:
            return
        if (out.exists() or self.journal.exists()) and not (resume or overwrite):
            what = out if out.exists() else self.part
            raise InputError(f"{what} exists: go on with --resume, replace it with --overwrite")
        try:
            if resume and self.journal.exists():
                self._go_on()
            else:
                self.part.parent.mkdir(parents=True, exist_ok=True)
                self.part.write_bytes(b"")
                self._record(0)
        except OSError as error:
            raise InputError(f"can't write {out}: {error.strerror}") from None

    def _go_on(self) -> None:
        try:
            state = json.loads(self.journal.read_text())
            known, self.batches_done, self._bytes = state["fingerprint"], state["batches"], state["bytes"]
        except (ValueError, KeyError):
            raise InputError(f"{self.journal} is damaged: start again with --overwrite") from None
        if known != self.fingerprint:
            raise InputError(f"{self.part} was begun with other arguments: repeat those, or start with --overwrite")
        if not self.part.exists() or self.part.stat().st_size < self._bytes:
            raise InputError(f"{self.part} is shorter than its journal says: start again with --overwrite")
        os.truncate(self.part, self._bytes)

    def append(self, structures: Sequence[Atoms]) -> None:
        """Adds one batch; on disk when this returns.

        Raises:
            InputError: the disk is full or the file can't be written; what was written before is intact.
        """
        try:
            with self.part.open("a", encoding="utf-8") as file:
                write(file, list(structures), format="extxyz")
                file.flush()
                os.fsync(file.fileno())
                size = file.tell()
            self._record(self.batches_done + 1, size)
        except OSError as error:
            raise InputError(f"can't write {self.part}: {error.strerror}; what was written before is intact") from None

    def _record(self, batches: int, size: int = 0) -> None:
        state = {"fingerprint": self.fingerprint, "batches": batches, "bytes": size}
        temporary = self.journal.with_name(self.journal.name + ".new")
        temporary.write_text(json.dumps(state))
        os.replace(temporary, self.journal)
        self.batches_done, self._bytes = batches, size

    def written(self) -> Iterator[Atoms]:
        """The structures written so far, in order (of a finished run: from OUT, unless it is a folder)."""
        if self.part.exists():
            if self.part.stat().st_size:
                yield from iread(self.part, ":", format="extxyz", do_not_split_by_at_sign=True)
        elif self.format != "folder":
            yield from iread(self.out, ":", do_not_split_by_at_sign=True)

    def finish(self) -> None:
        """Makes OUT from the growing file, at once, and removes what only a running job needs.

        Raises:
            InputError: OUT can't be written; the growing file stays.
        """
        temporary = self.out.with_name(f".{self.out.name}.new{self.out.suffix}")
        try:
            _remove(temporary)
            if self.format == "extxyz":
                os.replace(self.part, self.out)
            else:
                _convert(self.written(), temporary, self.format)
                _remove(self.out)
                os.replace(temporary, self.out)
                self.part.unlink()
            self.journal.unlink()
        except OSError as error:
            _remove(temporary)
            raise InputError(f"can't write {self.out}: {error.strerror}; {self.part} holds the structures") from None


def _convert(structures: Iterator[Atoms], place: Path, kind: str) -> None:
    if kind == "folder":
        place.mkdir()
        for atoms in structures:
            index, formula = atoms.info["sample_index"], atoms.info["formula"]
            write(place / f"POSCAR-{index:06d}-{formula}", atoms, format="vasp", direct=True, sort=True)
    elif kind == "db":
        with connect(place, append=False) as database:
            for atoms in structures:
                scalars = {k: v for k, v in atoms.info.items() if k not in ("formula", "seed", "sample_seed")}
                scalars |= {"requested": atoms.info["formula"], "run_seed": str(atoms.info["seed"])}
                database.write(atoms, key_value_pairs={k: _plain(v) for k, v in scalars.items()})
    elif kind == "cif":
        with place.open("wb") as file:
            for atoms in structures:
                write(file, atoms, format="cif")
    else:
        write(place, list(structures), format=kind)


def _plain(value: object) -> object:
    """A value that ase.db takes as a key-value pair: no numpy scalars, no strings that look like numbers."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return value
        return f"v{value}"
    return value


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
