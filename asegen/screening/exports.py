"""Results in the files that people open: a table, structures with their values, ASE's database.

All are made anew from the ledger, and each is there whole or not at all.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_properties

from asegen.parallel.cells import csv_cell
from asegen.parallel.files import replacing
from asegen.screening.columns import HEAD, TAIL
from asegen.screening.inputs import info_of
from asegen.screening.ledger import read_atoms, read_input
from asegen.screening.result import Result, columns, results
from asegen.structures.formats import DATABASE as DATABASE_FORMAT
from asegen.structures.formats import EXTXYZ
from asegen.structures.writing import write_structures

TABLE, FRAMES, DATABASE = "results.csv", "results.extxyz", "results.db"
"""Names in a screening's folder."""

# ase.db and extxyz have meanings of their own for some names, and energies here are per atom; generators call the way a
# crystal was made its source.
_OWN_WORDS = {
    "id": "candidate", "energy": "energy_per_atom", "formula": "reduced_formula", "fmax": "last_fmax",
    "source": "input_file", "index": "input_index",
}  # fmt: skip
_OF_INPUT = "input_"


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
    ranked = [_crystal(workdir, result) for result in found if result.is_ranked]
    names = [column.name for column in (*HEAD, *columns(workdir), *TAIL)]
    with replacing(workdir / TABLE) as place:
        _write_table(found, names, place)
    for name, kind in ((FRAMES, EXTXYZ), (DATABASE, DATABASE_FORMAT)):
        with replacing(workdir / name) as place:
            write_structures(ranked, place, kind)
    return [workdir / name for name in (TABLE, FRAMES, DATABASE)]


def _write_table(found: Sequence[Result], names: Sequence[str], place: Path) -> None:
    with place.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for result in found:
            writer.writerow([csv_cell(_cell(result[name])) for name in names])


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return "; ".join(value)
    if isinstance(value, dict):
        return "; ".join(f"{key}: {path}" for key, path in sorted(value.items()))
    return value


def _crystal(workdir: Path, result: Result) -> Atoms:
    atoms = read_atoms(workdir, result.id)
    assert atoms is not None  # ranked candidates have been read
    atoms.info = _merged(info_of(read_input(workdir, result.id)), _values(result))
    return atoms


def _merged(info: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The user's info and what the screening found.

    What both have is the screening's, and so is what ASE takes for results of the crystal as it is now: the user's then
    stands under `input_` and its name.
    """
    taken = {key for key, value in info.items() if key in all_properties or (key in own and _differs(own[key], value))}
    return {_OF_INPUT + key if key in taken else key: value for key, value in info.items()} | dict(own)


def _values(result: Result) -> dict[str, Any]:
    """What is known, under the names of columns but for `_OWN_WORDS`."""
    values = {name: _cell(value) for name, value in result.items()}
    if result.name != result.id:
        values["material_id"] = result.name  # by which every command finds it again
    return {_OWN_WORDS.get(key, key): value for key, value in values.items() if value not in (None, "")}


def _differs(own: Any, given: Any) -> bool:
    return bool(np.any(np.asarray(own) != np.asarray(given))) if np.shape(own) == np.shape(given) else True
