"""Known crystals to compare with: those of a reference file that share a formula with a candidate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from ase import Atoms

from asegen.errors import InputError
from asegen.parallel.files import sha256
from asegen.screening.claims import Ledger
from asegen.screening.stage import Runner
from asegen.structures.errors import StructureError
from asegen.structures.formulas import reduced_formula
from asegen.structures.reading import Entry, read_entries, read_entry
from asegen.structures.validity import check_atoms

_AT_ONCE = 64


def gather(ledger: Ledger, reference: Path, formulas: set[str], run: Runner) -> None:
    """Keeps a file's crystals of some formulas in the ledger, unless they are there.

    Args:
        ledger: takes them.
        reference: any file of structures; a table of compositions alone has none.
        formulas: reduced.
        run: calls a function of each of some arguments in workers, and gives the results in order.

    Raises:
        InputError: the file is no file of structures.
        OSError: it can't be read.
    """
    source = [sha256(reference), sorted(formulas)]
    if ledger.known("known_crystals") == source:
        return
    chunks = list(_chunks(_entries(reference)))
    found = run(partial(_of_formulas, formulas), chunks)
    ledger.keep_known((crystal for part in found for crystal in part), known_crystals=source)


def _entries(reference: Path) -> Iterator[Entry]:
    entries = read_entries(reference)
    try:
        yield from entries
    except InputError as error:
        if "no column `cif`" not in str(error):
            raise


def _chunks(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    while chunk := list(islice(entries, _AT_ONCE)):
        yield chunk


def _of_formulas(formulas: set[str], entries: Sequence[Entry]) -> list[tuple[str, str, Atoms]]:
    """Formula, name and crystal of those that can be read and are wanted."""
    found = []
    for entry in entries:
        try:
            name, atoms, _ = read_entry(entry)
        except StructureError:
            continue
        formula = reduced_formula(atoms)
        if formula in formulas and check_atoms(atoms) is None:
            found.append((formula, name, atoms))
    return found
