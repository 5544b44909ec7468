"""Candidates, in files or at hand, cut into entries for the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ase import Atoms
from ase.io.jsonio import decode, encode

from asegen.errors import InputError
from asegen.parallel.files import sha256
from asegen.screening.claims import Ledger
from asegen.screening.records import AT_HAND, Input
from asegen.structures.errors import StructureError
from asegen.structures.formats import files_in
from asegen.structures.reading import CIF, EXTXYZ, POSCAR, Entry, read_entries, read_entry
from asegen.structures.writing import LEFT_OUT

STRUCTURE, ERROR = "atoms", "error"
"""`Input.format` beside those of `structures.reading`: JSON of an Atoms object; the message of a failed reading."""
RANK = "rank"
"""In `Atoms.info`: the place that a generator gives a candidate among those of its formula, 1 for the best."""
LOG_PRIOR = "log_prior"
"""In `Atoms.info`: how likely a generator holds a candidate before any energy, the logarithm of a share of votes."""

_MISSING = "missing"
_NAMES = ("material_id", "id", "name")  # in `Atoms.info`


class Disordered(NamedTuple):
    """A structure at hand with partial occupancies.

    Attributes:
        cif: its text.
    """

    cif: str


AtHand = Atoms | Disordered


def register(ledger: Ledger, inputs: Sequence[Path | str | AtHand]) -> None:
    """Takes structures and the entries of files, and of the files in folders, into a ledger.

    What is there already is compared; what is new is added. A file that can't be read is an entry of its own, with the
    reason.

    Args:
        ledger: of the screening's folder.
        inputs: files, folders and structures.

    Raises:
        InputError: none of the new files can be read, or inputs of the ledger are not among these, or have changed.
    """
    structures = [given for given in inputs if isinstance(given, AtHand)]
    files = [path for given in inputs if not isinstance(given, AtHand) for path in files_in(Path(given))]
    hashes = {str(path.resolve()): _hash(path) for path in files}
    before = ledger.files()  # a file that has gone since is not needed any more
    hashes = {path: before.get(path, _MISSING) if found == _MISSING else found for path, found in hashes.items()}
    at_hand = [_of_structure(AT_HAND, row, given) for row, given in enumerate(structures)]
    there = ledger.count(AT_HAND)
    if there and _digest(at_hand[:there]) != before[AT_HAND]:
        raise InputError(f"{AT_HAND} are not what they were when {ledger.workdir} was begun: take another folder")
    if at_hand:
        hashes[AT_HAND] = _digest(at_hand)
    if not hashes:
        raise InputError("no input files")
    new = [path for path in files if str(path.resolve()) not in before]
    ledger.register(hashes, _entries(new, at_hand[there:]))


def _digest(entries: Sequence[Input]) -> str:
    return hashlib.sha256("\n".join(entry.content + entry.info for entry in entries).encode()).hexdigest()


def entry_of(given: Input) -> Entry:
    """What `asegen.structures.reading.read_entry` reads."""
    if given.format == ERROR:
        return Entry(given.row, given.name, StructureError(given.content), ERROR)
    if given.format in (CIF, EXTXYZ, POSCAR):
        return Entry(given.row, given.name, given.content, given.format, decode(given.info))
    atoms = decode(given.content)
    assert isinstance(atoms, Atoms)
    return Entry(given.row, given.name, atoms, STRUCTURE, decode(given.info))


def info_of(given: Input) -> dict[str, Any]:
    """What stood beside a structure: info, columns, key-value pairs."""
    info: dict[str, Any] = decode(given.info)
    with suppress(StructureError):  # a disordered crystal, which `--order` has made another one of
        info |= read_entry(entry_of(given))[2]
    return info


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
    is_numbered = not entry.named and entry.id in (str(entry.row), str(entry.row + 1))
    name = "" if is_numbered else entry.id
    if isinstance(entry.content, StructureError):
        return Input(str(path), entry.row, name, ERROR, str(entry.content))
    info = _as_json(entry.values)
    if isinstance(entry.content, str):
        return Input(str(path), entry.row, name, entry.format, entry.content, info)
    return Input(str(path), entry.row, name, STRUCTURE, _bare(entry.content), info)


def _of_structure(source: str, row: int, given: AtHand) -> Input:
    if isinstance(given, Disordered):
        return Input(source, row, "", CIF, given.cif)
    name = next((str(given.info[key]) for key in _NAMES if key in given.info), "")
    info = {str(key): value for key, value in given.info.items() if key not in ("material_id", "id")}
    return Input(source, row, name, STRUCTURE, _bare(given), _as_json(info))


def _bare(atoms: Atoms) -> str:
    """Constraints and results stay behind: a screening is of crystals. Of magnetic moments a note tells."""
    moments = atoms.get_initial_magnetic_moments() if atoms.has("initial_magmoms") else None
    return str(
        encode(Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell.array, pbc=atoms.pbc, magmoms=moments))
    )


def _as_json(info: Mapping[str, object]) -> str:
    """What can be written; the names of the rest stand under `LEFT_OUT`."""
    kept = {key: value for key, value in info.items() if _is_writable(value)}
    if left_out := sorted(info.keys() - kept.keys()):
        kept[LEFT_OUT] = ", ".join(left_out)
    return str(encode(kept))


def _is_writable(value: object) -> bool:
    try:
        decode(encode(value))
    except Exception:  # objects of any class raise anything
        return False
    return True
