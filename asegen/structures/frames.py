"""Frames of many input files, and outputs that are there whole or not at all."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ase import Atoms

from asegen.errors import InputError
from asegen.parallel.files import replacing
from asegen.structures.atoms import Structure, read_files
from asegen.structures.errors import StructureError
from asegen.structures.formats import files_in, path_text
from asegen.structures.writing import FOLDER, write_structures


class Frame(NamedTuple):
    """A frame of an input, or why there is none: `atoms` is the error then.

    Attributes:
        source: its file.
        row: its place in the file, from 0.
        id: `material_id` or `id` where the file has one, else the row or the file's stem.
        atoms: the structure, or what is wrong.
        info: what stands beside the structure, and its id as `material_id` where the file has one: what goes along
            with whatever is made of it.
    """

    source: str
    row: int
    id: str
    atoms: Atoms | str
    info: Mapping[str, object] = {}

    def __str__(self) -> str:
        """Where it is, for messages."""
        return f"{self.source}, frame {self.row} ({self.id})"


def read_frames(inputs: Sequence[Path]) -> Iterator[Frame]:
    """Every frame of files, and of the files in folders.

    A file that can't be read is one frame with its error, and one that is damaged or cut off ends with such a frame.

    Args:
        inputs: files and folders.

    Raises:
        InputError: a folder holds no file.
    """
    files = list(itertools.chain.from_iterable(map(files_in, inputs)))
    try:
        for path, structure in read_files(files):
            yield _frame(path, structure)
    except InputError as error:  # of the only one
        yield Frame(path_text(files[0]), 0, path_text(files[0].name), str(error))


def _frame(path: Path, structure: Structure) -> Frame:
    atoms, info = structure.atoms, dict(structure.values)
    if isinstance(atoms, StructureError):
        return Frame(path_text(path), structure.row, structure.id, str(atoms), info)
    if atoms.calc is not None:
        info.pop("energy", None)  # of the structure as it is, not of what is made of it
    if structure.named:
        info["material_id"] = structure.id
    return Frame(path_text(path), structure.row, structure.id, atoms, info)


def write_whole(structures: Sequence[Atoms], out: Path, kind: str) -> None:
    """Writes under another name first, so that OUT is there whole or not at all.

    Args:
        structures: their `info` holds sample_index and formula.
        out: the place; what is there is replaced.
        kind: one of the formats of `asegen.structures.writing`.

    Raises:
        OSError: the place can't be written.
    """
    with replacing(out) as beside:
        write_structures(structures, beside, kind)
        if kind == FOLDER:
            _remove(out)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
