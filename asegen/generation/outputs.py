"""The structures of a run on disk, so that whatever kills it, a resumed one goes on to the same result.

What is written beside OUT has fixed names, other than in `asegen.parallel.files`: a resumed run clears away what a
killed one left.

A run writes `OUT.part.extxyz` batch by batch, and beside it `OUT.part.json`: how many batches are in it, and how many
bytes they take. A resumed run cuts the file back to whole batches. At the end OUT appears at once, in the plan's order.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ase import Atoms

from asegen.errors import InputError
from asegen.parallel.files import lock, place_behind
from asegen.parallel.resuming import check_same_options
from asegen.structures.formats import EXTXYZ, FOLDER, check_resumable, output_format


def check_place(name: str, resume: bool, overwrite: bool) -> bool:
    """Refuses an output that must not be written; see `check_resumable`.

    Args:
        name: the path that the user asked for.
        resume: go on with what is there.
        overwrite: replace what is there.

    Returns:
        Whether a run to be resumed has nothing left to do.

    Raises:
        InputError: it is there and neither is set, or something else is there, or the name has another suffix.
    """
    return check_resumable(name, _journal_of(Path(name)), resume, overwrite)


def _journal_of(out: Path) -> Path:
    """How far the run with an output has come."""
    return out.with_name(out.name + ".part.json")


class _Frame(NamedTuple):
    """Where a structure lies in the growing file: `sample_index`, first byte, number of bytes, the gate's verdict."""

    sample: int
    start: int
    size: int
    valid: bool


class PartialOutput:
    """The growing file of one run; to be closed, by `contextlib.closing` for one.

    Args:
        name: the path that the user asked for; a folder's may end with a slash.
        settings: option -> JSON value, of all that decides the result.
        resume: go on with what is there, if it is this run's.
        overwrite: replace what is there once the run is done.

    Attributes:
        out: the path.
        format: one of `formats`.
        part: the growing file.
        batches_done: how many batches are in it.
        complete: whether a run to be resumed has nothing left to do; whose OUT it is has not been checked then.
        has_output: False once the run is done and has no structure to write.

    Raises:
        InputError: OUT exists and neither is set; what is there belongs to another run, is being written by another
            process, or isn't what asegen writes; the place can't be written.
    """

    def __init__(
        self, name: str, settings: Mapping[str, object], resume: bool = False, overwrite: bool = False
    ) -> None:
        self.format, self.out = output_format(name), Path(name)
        self.part, self._journal = self.out.with_name(self.out.name + ".part.extxyz"), _journal_of(self.out)
        self._new_journal = self.out.with_name(self.out.name + ".part.json.new")
        self._settings = settings
        self.batches_done = self._bytes = 0
        self.has_output = True
        self._held: BinaryIO | None = None
        try:
            # An empty file isn't a run's: drawing again is the same for the same run, and right for others.
            self.complete = check_place(name, resume, overwrite) and self.out.stat().st_size > 0
            if self.complete:
                for left in (self.part, self._new_journal):  # by a run that was killed in its first or last step
                    left.unlink(missing_ok=True)
            elif resume and self._journal.exists():
                self._go_on()
            else:
                self._begin()
        except (InputError, OSError) as error:
            self.close()
            if isinstance(error, InputError):
                raise
            raise InputError(f"can't write {self.out}: {error.strerror}") from None

    def _begin(self) -> None:
        self.part.parent.mkdir(parents=True, exist_ok=True)
        self._lock()
        self._journal.unlink(missing_ok=True)
        os.truncate(self.part, 0)
        self._record(0, 0)

    def _lock(self) -> None:
        self._held = self.part.open("ab")  # makes it where there is none
        lock(self._held, self.part)

    def _go_on(self) -> None:
        self._lock()
        try:
            state = json.loads(self._journal.read_text())
            known, self.batches_done, self._bytes = dict(state["settings"]), state["batches"], state["bytes"]
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"{self._journal} is damaged or another version's: start again with overwrite", "overwrite"
            ) from None
        check_same_options(self.part, known, self._settings, "seed", "steps", "valid_only")
        if self.part.stat().st_size < self._bytes:
            wrong = f"{self.part} is shorter than its journal says: start again with overwrite"
            raise InputError(wrong, "overwrite")
        os.truncate(self.part, self._bytes)

    def append(self, structures: Sequence[Atoms]) -> None:
        """Adds one batch; on disk when this returns.

        Raises:
            InputError: the disk is full or the file can't be written; what was written before is intact.
        """
        from asegen.structures.writing import extxyz_text  # loads ASE's formats, which a refusal doesn't need

        frames = extxyz_text(structures).encode()
        try:
            # One unbuffered write: whoever reads the file meanwhile, or after a kill, finds whole frames.
            with self.part.open("ab", buffering=0) as file:
                if file.write(frames) != len(frames):
                    raise OSError(28, "No space left on device")
                os.fsync(file.fileno())
            self._record(self.batches_done + 1, self._bytes + len(frames))
        except OSError as error:
            with suppress(OSError):  # what is too much is cut off by --resume otherwise
                os.truncate(self.part, self._bytes)
            message = f"can't write {self.part}: {error.strerror}; what was written before is intact, resume goes on"
            raise InputError(message, "resume") from None

    def _record(self, batches: int, size: int) -> None:
        state = {"settings": self._settings, "batches": batches, "bytes": size}
        self._new_journal.write_text(json.dumps(state))
        os.replace(self._new_journal, self._journal)
        self.batches_done, self._bytes = batches, size

    def finish(self, valid_only: bool = False) -> list[Atoms]:
        """Makes OUT from the growing file, at once and in the plan's order, and removes what only a running job needs.

        Where no structure is to be written, OUT isn't: few programs read an empty file.

        Args:
            valid_only: leave out what failed the validity gate.

        Returns:
            The structures that were left out, so and because the format can't hold them.

        Raises:
            InputError: OUT can't be written; the growing file stays.
        """
        from asegen.structures.writing import holds

        kept, left_out = [], []
        for frame in sorted(self._frames()):
            if not frame.valid and (valid_only or not holds(self.format, self._read(frame))):
                left_out.append(self._read(frame))
            else:
                kept.append(frame)
        self.has_output = bool(kept)
        if kept:
            self._write(kept)
        self._journal.unlink()  # last but one: with it, a resumed run would do all this again
        self.part.unlink()
        return left_out

    def _write(self, kept: Sequence[_Frame]) -> None:
        """Writes OUT beside its place, then puts it there."""
        place = place_behind(self.out)
        workshop = place.with_name(f".{place.name}.new")
        try:
            shutil.rmtree(workshop, ignore_errors=True)  # of a run that was killed here
            workshop.mkdir(parents=True)
            self._convert(kept, workshop / place.name)
            self._put_in_place(workshop / place.name, place)
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"can't write {self.out}: {reason}; {self.part} holds the structures") from None
        finally:
            shutil.rmtree(workshop, ignore_errors=True)

    def read(self) -> Iterator[Atoms]:
        """The structures of OUT, in order.

        Raises:
            InputError: something else is there.
        """
        from asegen.structures.reading_back import read_back

        return read_back(self.out, self.format)

    def close(self) -> None:
        """Lets other processes go on with the run."""
        if self._held is not None:
            self._held.close()

    def _frames(self) -> Iterator[_Frame]:
        from ase.io.extxyz import key_val_str_to_dict

        with self.part.open("rb") as file:
            start = 0
            while start < self._bytes:
                n_atoms, info = int(file.readline()), key_val_str_to_dict(file.readline().decode())
                for _ in range(n_atoms):
                    file.readline()
                yield _Frame(int(info["sample_index"]), start, file.tell() - start, bool(info["valid"]))
                start = file.tell()

    def _text(self, frame: _Frame) -> bytes:
        with self.part.open("rb") as file:
            file.seek(frame.start)
            return file.read(frame.size)

    def _read(self, frame: _Frame) -> Atoms:
        from ase.io import iread

        (atoms,) = iread(io.StringIO(self._text(frame).decode()), format="extxyz")
        return atoms

    def _convert(self, frames: Sequence[_Frame], place: Path) -> None:
        from asegen.structures.writing import write_structures

        if self.format == EXTXYZ:
            with place.open("wb") as file:
                file.writelines(self._text(frame) for frame in frames)
        else:
            write_structures((self._read(frame) for frame in frames), place, self.format)

    def _put_in_place(self, finished: Path, place: Path) -> None:
        if self.format == FOLDER and place.exists():
            for old in place.glob("POSCAR-*"):
                old.unlink()
            place.rmdir()
        os.replace(finished, place)
