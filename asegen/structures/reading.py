"""Files of structures, cut into entries: one row of a table, one block of a CIF, one frame of a trajectory.

Cutting is cheap and done in one process; an entry is text wherever possible, so that other processes can read it.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import math
import re
import sqlite3
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import ase.db
import ase.io
import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from asegen.errors import InputError
from asegen.structures.cif import MAX_ATOMS, MAX_TEXT, StructureError, cif_to_atoms, first_line

TABLE, CIF, EXTXYZ, POSCAR, DATABASE, OTHER = "csv", "cif", "extxyz", "vasp", "db", "ase"
_SUFFIXES = {
    ".csv": TABLE, ".cif": CIF, ".extxyz": EXTXYZ, ".xyz": EXTXYZ, ".vasp": POSCAR, ".poscar": POSCAR,
    ".db": DATABASE, ".traj": OTHER,
}  # fmt: skip
_ID_COLUMNS = ("material_id", "id")
_MISSING = {"", "nan", "na", "n/a", "none", "null"}


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
    """

    row: int
    id: str
    content: str | Atoms | StructureError
    format: str
    values: Mapping[str, object] = field(default_factory=dict)


def file_format(path: Path) -> str | None:
    """The format that a file's name tells (`.gz` is looked through), or None."""
    name = path.name.removesuffix(".gz")
    if name.upper().startswith(("POSCAR", "CONTCAR")):
        return POSCAR
    return _SUFFIXES.get(Path(name).suffix.lower())


def split_name(path: Path) -> str:
    """A file's name without `.gz` and its format's suffix: `train.csv.gz` gives `train`."""
    name = path.name.removesuffix(".gz")
    return Path(name).stem if Path(name).suffix.lower() in _SUFFIXES else name


def read_entries(path: Path) -> Iterator[Entry]:
    """Cuts a file into entries; what is wrong with one of them is left to `read_entry`.

    Raises:
        InputError: the file as a whole cannot be read: missing, empty, binary, UTF-16, a table without a `cif` column …
    """
    kind = file_format(path)
    if kind == DATABASE:
        return _cut_database(path)
    if kind is None or kind == OTHER:
        return _cut_by_ase(path)
    with _open_text(path):  # an unreadable file fails here, not at the first entry
        pass
    cut = {TABLE: _cut_table, CIF: _cut_cif, EXTXYZ: _cut_extxyz, POSCAR: _cut_poscar}[kind]
    return cut(path)


def _open_text(path: Path) -> io.TextIOWrapper:
    try:
        with open(path, "rb") as raw:
            compressed = raw.read(2) == b"\x1f\x8b"
        binary = gzip.open(path) if compressed else open(path, "rb")
        start = binary.read(4096)
        binary.seek(0)
    except (OSError, EOFError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    if not start.strip():
        raise InputError(f"{path} is empty")
    if b"\0" in start or start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError(f"{path} is not text in UTF-8")
    return io.TextIOWrapper(binary, encoding="utf-8-sig", errors="replace", newline="")


def read_table(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a CSV table (also as .gz), column -> text; what a short row lacks is empty.

    Raises:
        InputError: the file is no table in UTF-8, or is cut off.
    """
    csv.field_size_limit(MAX_TEXT)
    with _open_text(path) as file:
        reader = csv.DictReader(file, restval="")
        try:
            for row in reader:
                yield {key: value for key, value in row.items() if key is not None}
        except (csv.Error, EOFError, OSError) as error:
            raise InputError(f"cannot read {path} at line {reader.line_num + 1}: {error}") from None


def row_id(row: Mapping[str, str], number: int) -> str:
    """`material_id` or `id` where the table has one, else the row's number."""
    return next((row[name] for name in _ID_COLUMNS if row.get(name)), str(number))


def _cut_table(path: Path) -> Iterator[Entry]:
    for index, row in enumerate(read_table(path)):
        if "cif" not in row:
            raise InputError(f"{path} has no column `cif` (it has: {', '.join(row)[:200]})")
        values = {key: value for key, value in row.items() if key and key not in ("cif", *_ID_COLUMNS)}
        yield Entry(index, row_id(row, index), row["cif"], CIF, values)


def _whole_text(path: Path) -> str:
    try:
        with _open_text(path) as file:
            return file.read(MAX_TEXT + 1)
    except (EOFError, OSError) as error:
        raise InputError(f"cannot read {path}: {error}") from None


def _cut_cif(path: Path) -> Iterator[Entry]:
    text = _whole_text(path)
    blocks = re.split(r"^(?=data_)", text, flags=re.MULTILINE | re.IGNORECASE)
    blocks = [block for block in blocks if "_atom_site_" in block] or [text]
    for row, block in enumerate(blocks):
        yield Entry(row, split_name(path) if len(blocks) == 1 else f"{split_name(path)}-{row}", block, CIF)


def _cut_poscar(path: Path) -> Iterator[Entry]:
    yield Entry(0, split_name(path), _whole_text(path), POSCAR)


def _cut_extxyz(path: Path) -> Iterator[Entry]:
    with _open_text(path) as file:
        lines = _lines(file)
        for row, head in enumerate(line for line in lines if line.strip()):
            frame = _frame(head, lines)
            yield Entry(row, str(row), frame, EXTXYZ)
            if isinstance(frame, StructureError) and not str(frame).startswith("too large"):
                return  # where the next frame begins is not known


def _lines(file: io.TextIOWrapper) -> Iterator[str]:
    try:
        yield from file
    except (EOFError, OSError):  # a truncated gzip stream ends like a truncated file
        return


def _frame(head: str, lines: Iterator[str]) -> str | StructureError:
    try:
        n_atoms = int(head)
    except ValueError:
        return StructureError(f"unreadable: {head.strip()[:40]!r} where the number of atoms should be")
    if n_atoms < 1:
        return StructureError(f"unreadable: a frame of {n_atoms} atoms")
    kept: list[str] = [head]
    n_lines = 0
    for line in itertools.islice(lines, min(n_atoms, sys.maxsize - 1) + 1):
        n_lines += 1
        if n_lines <= MAX_ATOMS + 1:
            kept.append(line)
    if n_lines < n_atoms + 1 or not _complete(kept):
        return StructureError(f"truncated: the file ends {max(n_lines - 1, 0)} lines into a frame of {n_atoms} atoms")
    if n_atoms > MAX_ATOMS:
        return StructureError(f"too large: {n_atoms} atoms, more than {MAX_ATOMS}")
    if re.search(r":[SRIL]:\d{4}", kept[1]):  # ASE would make as many columns
        return StructureError("too large: a property of a thousand columns or more")
    return "".join(kept)


def _complete(lines: list[str]) -> bool:
    """Whether the last line is whole: it ends, or has as many fields as an atom needs."""
    needed = len(lines[-2].split()) if len(lines) > 3 else 4
    return lines[-1].endswith("\n") or len(lines[-1].split()) >= needed


def _cut_database(path: Path) -> Iterator[Entry]:
    if not path.is_file():
        raise InputError(f"cannot read {path}: no such file")
    with open(path, "rb") as file:
        if file.read(15) != b"SQLite format 3":  # ASE would turn an empty file into a database
            raise InputError(f"{path} is not an ASE database")
    try:
        with ase.db.connect(path, type="db") as database:
            for index, row in enumerate(database.select()):
                values = dict(row.key_value_pairs)
                name = next((str(values.pop(key)) for key in _ID_COLUMNS if key in values), str(row.id))
                if "energy" in row:
                    values.setdefault("energy", row.energy)
                try:
                    yield Entry(index, name, row.toatoms(), DATABASE, values)
                except (ValueError, KeyError, TypeError, AssertionError) as error:
                    yield Entry(index, name, StructureError(f"unreadable: {first_line(error)}"), DATABASE)
    except (sqlite3.Error, OSError, ValueError, AssertionError) as error:
        raise InputError(f"cannot read {path} as an ASE database: {first_line(error)}") from None


def _cut_by_ase(path: Path) -> Iterator[Entry]:
    if not path.is_file():
        raise InputError(f"cannot read {path}: no such file")
    row = 0
    try:
        for atoms in ase.io.iread(path, ":", do_not_split_by_at_sign=True):
            name = next((str(atoms.info[key]) for key in _ID_COLUMNS if key in atoms.info), str(row))
            yield Entry(row, name, atoms, OTHER, _values(atoms))
            row += 1
    except Exception as error:  # every reader of ASE fails in its own way
        if row == 0:
            raise InputError(f"cannot read {path}: {type(error).__name__}: {first_line(error)}") from None
        yield Entry(row, str(row), StructureError(f"truncated: nothing can be read after {row} frames"), OTHER)


def _values(atoms: Atoms) -> dict[str, object]:
    values = {key: value for key, value in atoms.info.items() if key not in _ID_COLUMNS}
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
        _check_poscar(entry.content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (atoms,) = ase.io.iread(io.StringIO(entry.content), ":", format=entry.format)
    except Exception as error:  # malformed text raises anything
        raise StructureError(f"unreadable: {type(error).__name__}: {first_line(error)}") from None
    name = next((str(atoms.info[key]) for key in _ID_COLUMNS if key in atoms.info), entry.id)
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


def _check_poscar(text: str) -> None:
    """ASE and pymatgen invent elements for a POSCAR that names none."""
    lines = text.splitlines()
    if len(lines) < 8:
        raise StructureError("unreadable: a POSCAR has at least 8 lines")
    if not re.match(r"\s*[A-Za-z]", lines[5]):
        raise StructureError("unknown element: the POSCAR names no elements (sixth line)")
    counts = lines[6].split("!")[0].split()
    if not counts or not all(count.isdigit() for count in counts):
        raise StructureError("unreadable: the seventh line of the POSCAR should hold numbers of atoms")
    n_atoms = sum(int(count) for count in counts)
    if n_atoms > MAX_ATOMS:
        raise StructureError(f"too large: {n_atoms} atoms, more than {MAX_ATOMS}")


def number(value: object) -> float | None:
    """A value as a float: NaN for what tables write where they have nothing, None for what is no number."""
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, int | float | np.integer | np.floating):
        return float(value)
    if value is None or (isinstance(value, str) and value.strip().lower() in _MISSING):
        return math.nan
    if not isinstance(value, str):
        return None
    try:
        return float(value)
    except ValueError:
        return None
