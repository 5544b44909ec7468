"""Files of structures, cut into entries: one row of a table, one block of a CIF, one frame of a trajectory.

Cutting is cheap and done in one process; an entry is text wherever possible, so that other processes can read it.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import TextIOWrapper
from pathlib import Path

import ase.db
import ase.io
import numpy as np
from ase import Atoms
from ase.db.row import AtomsRow
from ase.io.formats import UnknownFileTypeError
from numpy.typing import NDArray

from asegen.errors import InputError
from asegen.structures.cif import cif_to_atoms
from asegen.structures.cif_tags import marked_lines
from asegen.structures.errors import StructureError, first_line
from asegen.structures.extxyz import cut_frames, frame_atoms
from asegen.structures.fields import MAX_ATOMS, MAX_TEXT, NOTE
from asegen.structures.formats import CIF, DATABASE, EXTXYZ, JSON, OTHER, POSCAR, TABLE, file_format, split_name
from asegen.structures.poscar import poscar_atoms
from asegen.structures.pymatgen_json import Document, documents, structure_atoms
from asegen.structures.streams import bounded_lines, check_compressed, open_text
from asegen.structures.tables import ID_COLUMNS, row_id, rows

_OWN_COMMENT = re.compile(r"^# asegen (\{.*\})\s*$", re.MULTILINE)
_OWN_FIRST_LINE = re.compile(r"(\{.*\})[ \t\r]*\n")


@dataclass(frozen=True)
class Entry:
    """One structure of a file, not yet read.

    Attributes:
        row: its place in the file, from 0.
        id: its identifier: `material_id` or `id` where the file has one, else the row or the file's stem.
        content: CIF, extxyz or POSCAR text; or Atoms where the format allows no cheap cut; or the StructureError that
            cutting met.
        format: what `content` is.
        values: the columns, info entries or key-value pairs beside the structure, as found.
        named: whether `id` is the file's own; that of a frame of extxyz is known once it is read.
    """

    row: int
    id: str
    content: str | Atoms | StructureError
    format: str
    values: Mapping[str, object] = field(default_factory=dict)
    named: bool = False


def read_entries(path: Path, max_unpacked: int | None = None) -> Iterator[Entry]:
    """Cuts a file into entries; what is wrong with one of them is left to `read_entry`.

    Args:
        path: the file.
        max_unpacked: bytes that a compressed file may unpack to (see `asegen.structures.streams.open_text`).

    Raises:
        InputError: the file as a whole cannot be read: missing, empty, binary, UTF-16, damaged, a table without a `cif`
            column … Of one that is cut off, this comes after the entries that are whole.
    """
    kind = file_format(path)
    if kind == DATABASE:
        return _cut_database(path)
    if kind is None or kind == OTHER:
        return _cut_by_ase(path, max_unpacked)
    if kind == JSON:
        return _cut_json(path, max_unpacked)
    file = open_text(path, max_unpacked)  # an unreadable file fails here, not at the first entry
    cut = {TABLE: _cut_table, CIF: _cut_cif, EXTXYZ: _cut_extxyz, POSCAR: _cut_poscar}[kind]
    return cut(file, path)


def _cut_table(file: TextIOWrapper, path: Path) -> Iterator[Entry]:
    for index, row in enumerate(rows(file, path)):
        if "cif" not in row:
            raise InputError(f"{path} has no column `cif` (it has: {' '.join(', '.join(row).split())[:200]})")
        values = {key: value for key, value in row.items() if key and key not in ("cif", *ID_COLUMNS)}
        named = any(row.get(key) for key in ID_COLUMNS)
        yield Entry(index, row_id(row, index), row["cif"], CIF, values, named)


def _cut_cif(file: TextIOWrapper, path: Path) -> Iterator[Entry]:
    """One entry for each block with atom sites, numbered where there are several."""
    with file:
        blocks = (block for block in _blocks(_named_end(bounded_lines(file, path), path)) if "_atom_site_" in block)
        first, second = next(blocks, ""), next(blocks, None)
        if second is None:
            yield _cif_entry(0, split_name(path), first)
            return
        for row, block in enumerate(itertools.chain((first, second), blocks)):
            yield _cif_entry(row, f"{split_name(path)}-{row}", block)


def _blocks(lines: Iterator[str]) -> Iterator[str]:
    """The text of each block of a CIF, and what stands before the first, up to `MAX_TEXT` characters and a rest."""
    kept: list[str] = []
    size = 0
    for line, in_text in marked_lines(lines):
        if line[:5].lower() == "data_" and not in_text:
            yield "".join(kept)
            kept, size = [], 0
        if size <= MAX_TEXT:
            kept.append(line)
        size += len(line)
    yield "".join(kept)


def _cif_entry(row: int, name: str, block: str) -> Entry:
    return _with_info(Entry(row, name, block, CIF), _OWN_COMMENT.search(block))


def _cut_poscar(file: TextIOWrapper, path: Path) -> Iterator[Entry]:
    with file:
        text = "".join(itertools.islice(_named_end(bounded_lines(file, path), path), 100 * MAX_ATOMS))
    yield _with_info(Entry(0, split_name(path), text, POSCAR), _OWN_FIRST_LINE.match(text))


def _with_info(entry: Entry, written: re.Match[str] | None) -> Entry:
    """An entry with the info that asegen wrote into a comment of it, its id before the file's name."""
    try:
        info = json.loads(written.group(1)) if written else None
    except ValueError:
        return entry
    if not isinstance(info, dict):
        return entry
    name = next((str(info[key]) for key in ID_COLUMNS if info.get(key) is not None), None)
    values = {key: value for key, value in info.items() if key not in ID_COLUMNS}
    return replace(entry, id=name or entry.id, values=values, named=name is not None)


def _named_end(lines: Iterator[str], path: Path) -> Iterator[str]:
    read = 0
    try:
        for line in lines:
            yield line
            read += 1
    except (EOFError, OSError) as error:
        raise InputError(f"cannot read {path} at line {read + 1}: {first_line(error)}") from None


def _cut_extxyz(file: TextIOWrapper, path: Path) -> Iterator[Entry]:
    with file:
        for row, frame in enumerate(cut_frames(_until_cut_off(bounded_lines(file, path)))):
            yield Entry(row, str(row), frame, EXTXYZ)


def _until_cut_off(lines: Iterator[str]) -> Iterator[str]:
    try:
        yield from lines
    except (EOFError, OSError):  # a compressed stream that is cut off ends like a file that is
        return


def _cut_json(path: Path, max_unpacked: int | None) -> Iterator[Entry]:
    """Structures of pymatgen; else what ASE makes of it, which has a format of its own in JSON."""
    with open_text(path, max_unpacked) as file:
        text = "".join(_named_end(file, path))
    try:
        found = documents(text)
    except InputError as error:
        raise InputError(f"cannot read {path}: {error}") from None
    if found is None:
        yield from _cut_by_ase(path, max_unpacked)
        return
    for row, document in enumerate(found):
        yield _json_entry(row, document, split_name(path) if len(found) == 1 else str(row))


def _json_entry(row: int, document: Document, name: str) -> Entry:
    named = next((str(document.values[key]) for key in ID_COLUMNS if key in document.values), None)
    values = {key: value for key, value in document.values.items() if key not in ID_COLUMNS}
    try:
        content: Atoms | str | StructureError = structure_atoms(document.structure)
    except StructureError as error:
        content = error
    kind = CIF if isinstance(content, str) else OTHER
    return Entry(row, named or name, content, kind, values, named is not None)


def _cut_database(path: Path) -> Iterator[Entry]:
    _check_is_file(path)
    with open(path, "rb") as file:
        if file.read(15) != b"SQLite format 3":  # ASE would turn an empty file into a database
            raise InputError(f"{path} is not an ASE database")
    index = 0
    try:
        with ase.db.connect(path, type="db") as database:
            for index, row in enumerate(database.select(), 1):
                yield _database_entry(index - 1, row)
    except Exception:  # ASE and SQLite raise anything on a damaged one
        if index == 0:
            raise InputError(f"cannot read {path} as an ASE database: it is damaged, or of another kind") from None
        yield Entry(index, str(index), _nothing_after(index, "rows"), DATABASE)


def _database_entry(index: int, row: AtomsRow) -> Entry:
    data = row.data if isinstance(row.data, Mapping) else {}
    values = {**data, **row.key_value_pairs}
    named = any(key in values for key in ID_COLUMNS)
    name = next((str(values[key]) for key in ID_COLUMNS if key in values), str(row.id))
    values = {key: value for key, value in values.items() if key not in ID_COLUMNS}
    if "energy" in row:
        values.setdefault("energy", row.get("energy"))
    if row.natoms > MAX_ATOMS:
        return Entry(index, name, _too_large(row.natoms), DATABASE)
    try:
        return Entry(index, name, row.toatoms(), DATABASE, values, named)
    except Exception:  # a damaged row raises anything
        return Entry(index, name, StructureError("unreadable: the row holds no structure"), DATABASE)


def _cut_by_ase(path: Path, max_unpacked: int | None) -> Iterator[Entry]:
    _check_is_file(path)
    check_compressed(path, max_unpacked)
    row = 0
    try:
        for atoms in ase.io.iread(path, ":", do_not_split_by_at_sign=True):
            name = next((str(atoms.info[key]) for key in ID_COLUMNS if key in atoms.info), str(row))
            content = _too_large(len(atoms)) if len(atoms) > MAX_ATOMS else atoms
            yield Entry(row, name, content, OTHER, _values(atoms), any(key in atoms.info for key in ID_COLUMNS))
            row += 1
    except UnknownFileTypeError:
        raise InputError(f"cannot read {path}: neither name nor content tells a format that ASE knows") from None
    except Exception as error:  # every reader of ASE fails in its own way
        if row == 0:
            raise InputError(f"cannot read {path} as ASE does: {_said_by(error)}") from None
        yield Entry(row, str(row), _nothing_after(row, "frames"), OTHER)


def _check_is_file(path: Path) -> None:
    if not path.is_file():
        what = "it is a folder" if path.is_dir() else "it is no regular file" if path.exists() else "no such file"
        raise InputError(f"cannot read {path}: {what}")


def _too_large(n_atoms: int) -> StructureError:
    return StructureError(f"too large: {n_atoms} atoms, more than {MAX_ATOMS}")


def _nothing_after(number: int, what: str) -> StructureError:
    return StructureError(f"truncated: nothing can be read after {number} {what}")


def _said_by(error: Exception) -> str:
    """What an exception says if it is meant for people: more than a word or two."""
    text = first_line(error)
    return text if len(text.split()) > 2 else "its content is damaged, or of another format"


def _values(atoms: Atoms) -> dict[str, object]:
    values = {key: value for key, value in atoms.info.items() if key not in (*ID_COLUMNS, NOTE)}
    if atoms.calc is not None and "energy" in atoms.calc.results:
        values["energy"] = atoms.calc.results["energy"]
    return values


def read_entry(entry: Entry) -> tuple[str, Atoms, Mapping[str, object]]:
    """Reads one entry.

    Returns:
        Its id, its atoms, and what stands beside them.

    Raises:
        StructureError: it cannot be read; the message is one line `kind: detail`.
    """
    if isinstance(entry.content, StructureError):
        raise entry.content
    if isinstance(entry.content, Atoms):
        return entry.id, entry.content, entry.values
    if entry.format == CIF:
        return entry.id, cif_to_atoms(entry.content), entry.values
    if entry.format == POSCAR:
        return entry.id, poscar_atoms(entry.content), entry.values
    atoms = frame_atoms(entry.content)
    name = next((str(atoms.info[key]) for key in ID_COLUMNS if key in atoms.info), entry.id)
    return name, atoms, _values(atoms)


def site_columns(atoms: Atoms) -> dict[str, NDArray[np.float64]]:
    """What Atoms hold beside each atom: arrays of one float per atom, and a calculator's (`magmoms`), which win."""
    arrays = {**atoms.arrays, **(atoms.calc.results if atoms.calc is not None else {})}
    arrays = {str(name): np.asarray(array) for name, array in arrays.items() if name != "masses"}
    return {
        name: array.astype(np.float64)
        for name, array in arrays.items()
        if array.shape == (len(atoms),) and array.dtype.kind == "f"
    }
