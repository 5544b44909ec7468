"""The compositions of a file's rows or frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ase import Atoms
from ase.data import chemical_symbols

from asegen.errors import InputError
from asegen.generation.compositions import from_formula, from_numbers
from asegen.generation.target import Target, with_open_cell
from asegen.structures.atoms import StructureError, read_structures
from asegen.structures.cif import cif_to_atoms
from asegen.structures.formats import TABLE, file_format, files_in, path_text
from asegen.structures.formulas import whole_number
from asegen.structures.reading import read_table, row_id
from asegen.symmetry.symbols import parse_group

_GROUP = "spacegroup"


def from_file(path: Path, multiples: Sequence[int] | None = None, groups: bool = False) -> list[Target]:
    """The composition of the full cell of every row or frame, in order; its id becomes `material_id`.

    A table may hold a `formula` column with or without `n_atoms` (the formula is repeated to fill the cell), or a `cif`
    column; any other file is read as structures. A reduced formula without `n_atoms` leaves the number of formula units
    open, see `Target.cells`, unless `multiples` say it.

    Args:
        path: CSV, any file that `asegen.structures.atoms.read_structures` reads, or a folder of such files.
        multiples: how many such cells, each gives a composition; 1 without it.
        groups: take the space group too, from the column or info entry `spacegroup`, a number or a symbol.

    Raises:
        InputError: the file can't be read or holds nothing, or a row has no composition, too many atoms, or no space
            group if those are asked for; the message names the row.
    """
    found = [target for file in files_in(path) for target in _of_file(file, multiples, groups)]
    if not found:
        raise InputError(f"{path} holds no compositions")
    return found


def _of_file(path: Path, multiples: Sequence[int] | None, groups: bool) -> list[Target]:
    found: list[Target] = []
    if file_format(path) == TABLE:
        for index, row in enumerate(read_table(path)):
            name = row_id(row, index)
            place = _place(path, index, name)
            found += _grouped(_of_row(row, name, place, multiples), row, place, groups)
    else:
        for structure in read_structures(path):
            place = _place(path, structure.row, structure.id)
            own = _of_structure(structure.atoms, structure.id, place, multiples)
            found += _grouped(own, structure.values, place, groups)
    return found


def _grouped(targets: list[Target], values: Mapping[str, object], place: str, groups: bool) -> list[Target]:
    if not groups:
        return targets
    text = str(values.get(_GROUP, "")).strip()
    if not text:
        raise InputError(f"{place}: no {_GROUP} (there are: {', '.join(map(str, values))[:200]})")
    try:
        group = parse_group(text.removesuffix(".0"))  # a column of numbers with gaps holds 225.0
    except InputError as error:
        raise InputError(f"{place}: {error}") from None
    return [replace(target, spacegroup=group) for target in targets]


def _place(path: Path, row: int, name: str) -> str:
    return f"{path_text(path)}, row {row} ({' '.join(name.split())[:40]})"


def _of_row(row: Mapping[str, str], name: str, place: str, multiples: Sequence[int] | None) -> list[Target]:
    formula, n_atoms, cif = (row.get(column, "").strip() for column in ("formula", "n_atoms", "cif"))
    if formula and (n_atoms or not cif):
        try:
            (cell,) = from_formula(formula, n_atoms=whole_number(n_atoms, "number of atoms") if n_atoms else None)
            if not n_atoms and multiples is None:
                return [with_open_cell(cell, name)]
            return _targets(cell.numbers, multiples, name)
        except InputError as error:
            raise InputError(f"{place}: {error}") from None
    if not cif:
        raise InputError(f"{place}: neither a formula nor a cif (columns: {', '.join(row)[:200]})")
    try:
        return _of_structure(cif_to_atoms(cif), name, place, multiples)
    except StructureError as error:
        raise InputError(f"{place}: {error}") from None


def _of_structure(
    atoms: Atoms | StructureError, name: str, place: str, multiples: Sequence[int] | None
) -> list[Target]:
    if isinstance(atoms, StructureError):
        raise InputError(f"{place}: {atoms}")
    if len(atoms) == 0 or not all(1 <= z < len(chemical_symbols) for z in atoms.numbers):
        raise InputError(f"{place}: no composition, or atoms that are no elements")
    try:
        return _targets(atoms.numbers, multiples, name)
    except InputError as error:
        raise InputError(f"{place}: {error}") from None


def _targets(numbers: Sequence[int], multiples: Sequence[int] | None, name: str) -> list[Target]:
    return [Target(cell, material_id=name) for cell in from_numbers(numbers, multiples or (1,))]
