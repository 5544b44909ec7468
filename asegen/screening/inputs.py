"""Files of candidates, cut into entries for the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ase import Atoms
from ase.io.jsonio import encode

from asegen.errors import InputError
from asegen.screening.claims import Ledger
from asegen.screening.known import digest
from asegen.screening.records import Input
from asegen.screening.stages import ERROR, RANK, STRUCTURE
from asegen.structures.cif import StructureError
from asegen.structures.reading import Entry, read_entries

_MISSING = "missing"


def register(ledger: Ledger, inputs: Sequence[Path]) -> None:
    """Takes the entries of files, and of the files in folders, into a ledger; compares them with what is there.

    A file that can't be read is an entry of its own, with the reason.

    Args:
        ledger: of the screening's folder.
        inputs: files and folders.

    Raises:
        InputError: none of the files can be read, or the ledger is of other files.
    """
    files = [(path, path.resolve()) for given in inputs for path in _files(Path(given))]
    hashes = {str(place): _hash(place) for _, place in files}
    before = ledger.files()  # a file that has gone since is not needed any more
    hashes = {path: before.get(path, _MISSING) if found == _MISSING else found for path, found in hashes.items()}
    if not hashes:
        raise InputError("no input files")
    ledger.register(hashes, _entries([path for path, _ in files]))


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]


def _hash(path: Path) -> str:
    return digest(path) if path.is_file() else _MISSING


def _entries(files: Sequence[Path]) -> Iterator[Input]:
    readable, first = False, ""
    for path in files:
        try:
            for entry in read_entries(path):
                readable = True
                yield _input(path, entry)
        except InputError as error:
            first = first or str(error)
            yield Input(str(path), -1, path.name, ERROR, f"unreadable: {error}")
    if not readable:
        raise InputError(first or f"{files[0]} holds no structures")


def _input(path: Path, entry: Entry) -> Input:
    if isinstance(entry.content, StructureError):
        return Input(str(path), entry.row, entry.id, ERROR, str(entry.content))
    if isinstance(entry.content, str):
        return Input(str(path), entry.row, entry.id, entry.format, entry.content)
    atoms = entry.content
    # Constraints, results and all info but the rank stay behind: a screening is of crystals.
    info = {RANK: entry.values[RANK]} if RANK in entry.values else {}
    bare = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell.array, pbc=atoms.pbc, info=info)
    return Input(str(path), entry.row, entry.id, STRUCTURE, str(encode(bare)))
