"""Frames of many input files, and outputs that are there whole or not at all."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ase import Atoms

from asegen.errors import InputError
from asegen.structures.atoms import StructureError, read_structures
from asegen.structures.writing import FOLDER, write_structures


class Frame(NamedTuple):
    """A frame of an input, or why there is none: `atoms` is the error then."""

    source: str
    row: int
    id: str
    atoms: Atoms | str

    def __str__(self) -> str:
        """Where it is, for messages."""
        return f"{self.source}, frame {self.row} ({self.id})"


def read_frames(inputs: Sequence[Path]) -> Iterator[Frame]:
    """Every frame of files, and of the files in folders; a file that can't be read is one frame with its error.

    Args:
        inputs: files and folders.
    """
    for path in itertools.chain.from_iterable(map(_files, inputs)):
        try:
            for s in read_structures(path):
                atoms = str(s.atoms) if isinstance(s.atoms, StructureError) else s.atoms
                yield Frame(str(path), s.row, s.id, atoms)
        except InputError as error:
            yield Frame(str(path), 0, path.name, str(error))


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]


def write_whole(structures: Sequence[Atoms], out: Path, kind: str) -> None:
    """Writes under another name first, so that OUT is there whole or not at all.

    Args:
        structures: their `info` holds sample_index and formula.
        out: the place; what is there is replaced.
        kind: one of the formats of `calculators.formats`.

    Raises:
        OSError: the place can't be written.
    """
    partial = out.with_name(f".{out.name}.partial{out.suffix}")
    try:
        _remove(partial)
        write_structures(structures, partial, kind)
        if kind == FOLDER:
            _remove(out)
        os.replace(partial, out)
    finally:
        _remove(partial)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
