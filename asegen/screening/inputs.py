"""Candidates, in files or at hand, cut into entries for the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ase import Atoms
from ase.io.jsonio import decode, encode

from asegen.errors import InputError
from asegen.parallel.files import sha256
from asegen.screening.claims import Ledger
from asegen.screening.records import Input
from asegen.structures.cif import StructureError
from asegen.structures.reading import CIF, EXTXYZ, POSCAR, Entry, read_entries

STRUCTURE, ERROR = "atoms", "error"
"""`Input.format` beside those of `structures.reading`: JSON of an Atoms object; the message of a failed reading."""
RANK = "rank"
"""In `Atoms.info`: the place that a generator gives a candidate among those of its formula, 1 for the best."""
AT_HAND = "structures"
"""`Input.source` of structures that came as Atoms."""

_MISSING = "missing"
_NAMES = ("material_id", "id")  # in `Atoms.info`


def register(ledger: Ledger, inputs: Sequence[Path | str | Atoms]) -> None:
    """Takes structures and the entries of files, and of the files in folders, into a ledger, or compares them with it.

    A file that can't be read is an entry of its own, with the reason.

    Args:
        ledger: of the screening's folder.
        inputs: files, folders and structures.

    Raises:
        InputError: none of the files can be read, or the ledger is of other inputs.
    """
    structures = [given for given in inputs if isinstance(given, Atoms)]
    files = [path for given in inputs if not isinstance(given, Atoms) for path in _files(Path(given))]
    hashes = {str(path.resolve()): _hash(path) for path in files}
    before = ledger.files()  # a file that has gone since is not needed any more
    hashes = {path: before.get(path, _MISSING) if found == _MISSING else found for path, found in hashes.items()}
    at_hand = [_of_atoms(AT_HAND, row, str(row), atoms) for row, atoms in enumerate(structures)]
    if at_hand:
        hashes[AT_HAND] = hashlib.sha256("\n".join(entry.content for entry in at_hand).encode()).hexdigest()
    if not hashes:
        raise InputError("no input files")
    ledger.register(hashes, _entries(files, at_hand))


def entry_of(given: Input) -> Entry:
    """What `asegen.structures.reading.read_entry` reads."""
    if given.format == ERROR:
        return Entry(given.row, given.name, StructureError(given.content), ERROR)
    if given.format in (CIF, EXTXYZ, POSCAR):
        return Entry(given.row, given.name, given.content, given.format)
    atoms = decode(given.content)
    assert isinstance(atoms, Atoms)
    return Entry(given.row, given.name, atoms, STRUCTURE)


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]


def _hash(path: Path) -> str:
    return sha256(path) if path.is_file() else _MISSING


def _entries(files: Sequence[Path], at_hand: Iterable[Input]) -> Iterator[Input]:
    readable, first = False, ""
    for path in files:
        try:
            for entry in read_entries(path):
                readable = True
                yield _input(path, entry)
        except InputError as error:
            first = first or str(error)
            yield Input(str(path), -1, path.name, ERROR, f"unreadable: {error}")
    for given in at_hand:
        readable = True
        yield given
    if not readable:
        raise InputError(first or f"{files[0]} holds no structures")


def _input(path: Path, entry: Entry) -> Input:
    if isinstance(entry.content, StructureError):
        return Input(str(path), entry.row, entry.id, ERROR, str(entry.content))
    if isinstance(entry.content, str):
        return Input(str(path), entry.row, entry.id, entry.format, entry.content)
    atoms = entry.content.copy()
    atoms.info = {RANK: entry.values[RANK]} if RANK in entry.values else {}
    return _of_atoms(str(path), entry.row, entry.id, atoms)


def _of_atoms(source: str, row: int, name: str, atoms: Atoms) -> Input:
    """Constraints, results and all info but the rank stay behind: a screening is of crystals."""
    info = {RANK: atoms.info[RANK]} if RANK in atoms.info else {}
    name = next((str(atoms.info[key]) for key in _NAMES if key in atoms.info), name)
    bare = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell.array, pbc=atoms.pbc, info=info)
    return Input(source, row, name, STRUCTURE, str(encode(bare)))
