"""The compositions of a file's rows or frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ase import Atoms
from ase.data import chemical_symbols

from asegen.errors import InputError
from asegen.generation.compositions import check_multiples, formula_unit, from_formula, from_numbers
from asegen.generation.target import Target, with_open_cell
from asegen.prototypes.formula_units import Units
from asegen.structures.atoms import Structure, StructureError, read_structures
from asegen.structures.cif import cif_to_atoms
from asegen.structures.formats import CIF, TABLE, file_format, files_in, path_text
from asegen.structures.formulas import whole_number
from asegen.structures.reading import Entry
from asegen.structures.several import entries_of
from asegen.structures.streams import bounded_lines, open_text
from asegen.structures.tables import read_table, row_id
from asegen.symmetry.symbols import parse_group

_GROUP = "spacegroup"


class FileTargets(NamedTuple):
    """What a file asks for.

    Attributes:
        targets: of its rows or frames, in order.
        left_out: the rows, and files of a folder, that ask for nothing that can be: where each is, and why, one line.
    """

    targets: list[Target]
    left_out: list[str]


def from_file(path: Path, multiples: Sequence[int] | None = None, groups: bool = False) -> FileTargets:
    """The composition of the full cell of every row or frame, in order; its id becomes `material_id`.

    A table may hold a `formula` column with or without `n_atoms` (the formula is repeated to fill the cell), or a `cif`
    column; a `.txt` whose first line is a formula has one on each line (what follows # doesn't count); any other file
    is read as structures. A reduced formula without `n_atoms` leaves the number of formula units open, see
    `Target.cells`, unless `multiples` say it. A row that has no composition, too many atoms, or no space group if those
    are asked for, is left out, and so is a file of a folder that can't be read.

    Args:
        path: CSV, a list of formulas, any file that `asegen.structures.atoms.read_structures` reads, or a folder of
            such files.
        multiples: how many such cells, each gives a composition; 1 without it.
        groups: take the space group too, from the column or info entry `spacegroup`, a number or a symbol.

    Raises:
        InputError: the file can't be read or holds nothing, or every row is left out; the first one's reason.
    """
    found = FileTargets([], [])
    check_multiples(multiples or (1,))
    files = files_in(path)
    for file in files:
        empty = True
        try:
            for place, targets in _rows_of(file, multiples, groups):
                empty = False
                _take(found, place, targets)
            if empty:
                raise InputError(f"{path_text(file)} holds no compositions")
        except InputError as error:
            if len(files) == 1:
                raise
            found.left_out.append(str(error))
    if not found.targets:
        raise InputError(found.left_out[0])
    return found


def orderings_of(path: Path) -> FileTargets:
    """The composition of every CIF of a file once its sites hold whole atoms, see `asegen.structures.disorder`.

    Args:
        path: CIFs, a table with a `cif` column, or a folder of such files.

    Raises:
        InputError: the file can't be read or holds nothing, or every crystal is left out; the first one's reason.
    """
    found = FileTargets([], [])
    for file, entry in entries_of(files_in(path)):
        _take(found, _place(file, entry.row, entry.id), partial(_ordered, entry))
    if not found.targets:
        raise InputError(found.left_out[0] if found.left_out else f"{path} holds no crystals")
    return found


def _ordered(entry: Entry) -> list[Target]:
    from asegen.generation.sources.orderings import all_orderings  # loads pymatgen's transformations, for seconds

    if isinstance(entry.content, StructureError):
        raise entry.content
    if entry.format != CIF or isinstance(entry.content, Atoms):
        raise InputError("only a CIF has occupancies that can be ordered")
    (cell,) = from_numbers(all_orderings(entry.content)[0].numbers.tolist())
    unit = formula_unit(cell)  # further orderings may have larger cells
    cells = (Units(len(cell.numbers) // len(unit.numbers), 1.0),)
    return [Target(unit, material_id=entry.id, cells=cells, disordered=entry.content)]


def _take(found: FileTargets, place: str, targets: Callable[[], list[Target]]) -> None:
    """The targets of a row, or what is wrong with it."""
    try:
        found.targets.extend(targets())
    except (InputError, StructureError) as error:
        found.left_out.append(f"{place}: {error}")


def _rows_of(
    path: Path, multiples: Sequence[int] | None, groups: bool
) -> Iterator[tuple[str, Callable[[], list[Target]]]]:
    """Where each row is, and its targets, which may be an error."""
    if file_format(path) == TABLE:
        for index, row in enumerate(read_table(path)):
            name = row_id(row, index)
            yield _place(path, index, name), partial(_of_row, row, name, multiples, groups)
    elif formulas := _listed(path):
        for index, formula in enumerate(formulas):
            yield _place(path, index, str(index)), partial(_of_row, {"formula": formula}, str(index), multiples, groups)
    else:
        for structure in read_structures(path):
            yield _place(path, structure.row, structure.id), partial(_of_structure, structure, multiples, groups)


def _listed(path: Path) -> list[str]:
    """The formulas of a text file that holds one on each line; none where it is something else."""
    if Path(path.name.removesuffix(".gz")).suffix.lower() != ".txt":
        return []
    with open_text(path) as file:
        lines = (line.partition("#")[0].strip() for line in bounded_lines(file, path))
        formulas = filter(None, lines)
        first = next(formulas, "")
        try:
            from_formula(first)
        except InputError:
            return []
        return [first, *formulas]


def _of_row(row: Mapping[str, str], name: str, multiples: Sequence[int] | None, groups: bool) -> list[Target]:
    formula, n_atoms, cif = (row.get(column, "").strip() for column in ("formula", "n_atoms", "cif"))
    if formula and (n_atoms or not cif):
        (cell,) = from_formula(formula, n_atoms=whole_number(n_atoms, "number of atoms") if n_atoms else None)
        if not n_atoms and multiples is None:
            return [replace(with_open_cell(cell, name), spacegroup=_group(row) if groups else None)]
        numbers = list(cell.numbers)
    elif cif:
        numbers = _numbers(cif_to_atoms(cif))
    else:
        raise InputError(f"neither a formula nor a cif (columns: {', '.join(row)[:200]})")
    return _targets(numbers, multiples, name, _group(row) if groups else None)


def _of_structure(structure: Structure, multiples: Sequence[int] | None, groups: bool) -> list[Target]:
    if isinstance(structure.atoms, StructureError):
        raise structure.atoms
    group = _group(structure.values) if groups else None
    return _targets(_numbers(structure.atoms), multiples, structure.id, group)


def _numbers(atoms: Atoms) -> list[int]:
    if len(atoms) == 0 or not all(1 <= z < len(chemical_symbols) for z in atoms.numbers):
        raise InputError("no composition, or atoms that are no elements")
    return [int(z) for z in atoms.numbers]


def _group(values: Mapping[str, object]) -> int:
    text = str(values.get(_GROUP, "")).strip()
    if not text:
        raise InputError(f"no {_GROUP} (there are: {', '.join(map(str, values))[:200]})")
    return parse_group(text.removesuffix(".0"))  # a column of numbers with gaps holds 225.0


def _targets(numbers: Sequence[int], multiples: Sequence[int] | None, name: str, group: int | None) -> list[Target]:
    return [Target(cell, spacegroup=group, material_id=name) for cell in from_numbers(numbers, multiples or (1,))]


def _place(path: Path, row: int, name: str) -> str:
    return f"{path_text(path)}, row {row} ({' '.join(name.split())[:40]})"
