"""Frames of many input files, and outputs that are there whole or not at all."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ase import Atoms

from asegen.errors import InputError
from asegen.parallel.files import place_behind, replacing
from asegen.structures.atoms import Structure, read_files
from asegen.structures.errors import StructureError
from asegen.structures.formats import CIF, FOLDER, JSON, POSCAR, TABLE, file_format, files_in, path_text, split_name
from asegen.structures.tables import typed
from asegen.structures.writing import Output, write_structures


class Frame(NamedTuple):
    """A frame of an input, or why there is none: `atoms` is the error then.

    Attributes:
        source: its file.
        row: its place in the file, from 0.
        id: `material_id` or `id` where the file has one, else the row or the file's stem.
        atoms: the structure, or what is wrong.
        info: what goes along with whatever is made of it: what stands beside the structure, numbers of a table as
            numbers, and its id as `material_id` unless that is a row's number.
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
    if file_format(path) == TABLE:  # which has text alone
        info = {name: typed(value) if isinstance(value, str) else value for name, value in info.items()}
    if structure.named or _is_of_the_file(structure, path):
        info["material_id"] = structure.id
    return Frame(path_text(path), structure.row, structure.id, atoms, info)


def _is_of_the_file(structure: Structure, path: Path) -> bool:
    """Whether an id is the file's name, with the place of the structure where there are several."""
    stem = split_name(path)
    return file_format(path) in (CIF, JSON, POSCAR) and structure.id in (stem, f"{stem}-{structure.row}")


def made_of(frame: Frame, atoms: Atoms) -> Output:
    """What was made of a frame, as it is to be written.

    Files in a folder and blocks of a CIF are called after its id, or else its formula. What was read from a POSCAR and
    has its elements still in the same order goes into one in that order, so that the POTCAR beside the input fits.

    Args:
        frame: as it was read.
        atoms: made of it.
    """
    label = str(frame.info.get("material_id", atoms.get_chemical_formula("metal")))
    same = isinstance(frame.atoms, Atoms) and list(frame.atoms.numbers) == list(atoms.numbers)
    return Output(atoms, label, same and file_format(Path(frame.source)) == POSCAR)


def write_whole(structures: Sequence[Output], out: Path, kind: str) -> None:
    """Writes under another name first, so that OUT is there whole or not at all.

    Args:
        structures: as `made_of` gives them.
        out: the place; what is there is replaced.
        kind: one of the formats of `asegen.structures.writing`.

    Raises:
        OSError: the place can't be written.
    """
    with replacing(out) as beside:
        write_structures(structures, beside, kind)
        if kind == FOLDER:
            _remove(place_behind(out))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
