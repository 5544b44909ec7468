"""Results in the files that people open: a table, structures with their values, ASE's database.

All are made anew from the ledger, and each is there whole or not at all.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.db import connect
from ase.io import write

from asegen.parallel.files import replacing
from asegen.screening.columns import HEAD, TAIL
from asegen.screening.ledger import read_atoms
from asegen.screening.result import Result, columns, results

TABLE, FRAMES, DATABASE = "results.csv", "results.extxyz", "results.db"
"""Names in a screening's folder."""

# ase.db and extxyz have meanings of their own for some names; energies here are per atom.
_OWN_WORDS = {
    "id": "candidate", "energy": "energy_per_atom", "formula": "reduced_formula", "fmax": "last_fmax",
}  # fmt: skip


def export(workdir: Path) -> list[Path]:
    """Writes all of them.

    Args:
        workdir: the screening's folder.

    Returns:
        Their paths. Every input is a row of the table; ranked candidates, best first, are frames and rows of the
        database.

    Raises:
        OSError: the disk is full, or the folder can't be written.
    """
    found = results(workdir)
    ranked = [(result, _crystal(workdir, result)) for result in found if result.is_ranked]
    names = [column.name for column in (*HEAD, *columns(workdir), *TAIL)]
    with replacing(workdir / TABLE) as place:
        _write_table(found, names, place)
    with replacing(workdir / FRAMES) as place, place.open("w", encoding="utf-8") as file:
        for _, atoms in ranked:
            write(file, atoms, format="extxyz")
    with replacing(workdir / DATABASE) as place:
        with connect(place, type="db", use_lock_file=False) as database:
            for result, atoms in ranked:
                database.write(atoms, key_value_pairs=_searchable(result), data=_values(result))
    return [workdir / name for name in (TABLE, FRAMES, DATABASE)]


def _write_table(found: Sequence[Result], names: Sequence[str], place: Path) -> None:
    with place.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for result in found:
            writer.writerow([_cell(result[name]) for name in names])


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return "; ".join(value)
    if isinstance(value, dict):
        return "; ".join(f"{key}: {path}" for key, path in sorted(value.items()))
    return value


def _crystal(workdir: Path, result: Result) -> Atoms:
    atoms = read_atoms(workdir, result.id)
    assert atoms is not None  # ranked candidates have been read
    atoms.info = _values(result)
    return atoms


def _values(result: Result) -> dict[str, Any]:
    """What is known, under the names of columns but for `_OWN_WORDS`."""
    values = {name: _cell(value) for name, value in result.items()}
    values["id"] = f"c{result.id}"  # text that nobody takes for a number
    return {_OWN_WORDS.get(key, key): value for key, value in values.items() if value not in (None, "")}


def _searchable(result: Result) -> dict[str, Any]:
    """What ase.db takes as key-value pairs: it refuses text that looks like something else."""
    return {key: value for key, value in _values(result).items() if not _is_ambiguous(value)}


def _is_ambiguous(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        float(value)
    except ValueError:
        return value in ("True", "False")
    return True
