"""The one door between ASE's Atoms, files of structures, and Crystals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from ase.formula import Formula

from asegen.cif import StructureError, cif_to_atoms
from asegen.crystal import Crystals
from asegen.errors import InputError
from asegen.geometry.torus import wrap
from asegen.structure_checks import check_atoms, niggli_reduce, shortest_distance
from asegen.structure_files import TABLE, file_format, read_entries, read_entry, read_table, row_id

__all__ = [
    "Structure",
    "StructureError",
    "atoms_from_crystals",
    "check_atoms",
    "crystals_from_atoms",
    "niggli_reduce",
    "read_compositions",
    "read_structures",
    "shortest_distance",
]


class Structure(NamedTuple):
    """One structure of a file: `atoms` is the error, its message `kind: detail`, where it cannot be read."""

    row: int
    id: str
    atoms: Atoms | StructureError
    values: Mapping[str, object]


def read_structures(path: Path) -> Iterator[Structure]:
    """Reads the structures of a file one by one, in this process.

    Args:
        path: CSV with a `cif` column, CIF, extxyz, POSCAR/CONTCAR (all also as .gz), ASE database, trajectory, or
            anything else that ASE reads.

    Yields:
        Every row, block or frame, readable or not, with the columns, info entries or key-value pairs beside it.

    Raises:
        InputError: the file as a whole cannot be read.
    """
    for entry in read_entries(path):
        try:
            name, atoms, values = read_entry(entry)
            yield Structure(entry.row, name, atoms, values)
        except StructureError as error:
            yield Structure(entry.row, entry.id, error, entry.values)


def crystals_from_atoms(structures: Sequence[Atoms]) -> Crystals:
    """One batch of crystals.

    Args:
        structures: periodic Atoms with a cell; nothing else is taken over, and nothing is reduced or checked.

    Returns:
        Crystals in float64 on the CPU; positions wrapped into [0, 1).
    """
    positions = [atoms.cell.scaled_positions(atoms.positions) for atoms in structures]
    return Crystals(
        cell=torch.from_numpy(np.array([atoms.cell.array for atoms in structures]).reshape(-1, 3, 3)),
        scaled_positions=wrap(torch.from_numpy(np.concatenate([np.zeros((0, 3)), *positions]))),
        numbers=torch.tensor([int(z) for atoms in structures for z in atoms.numbers], dtype=torch.int64),
        n_atoms=torch.tensor([len(atoms) for atoms in structures], dtype=torch.int64),
    )


def atoms_from_crystals(crystals: Crystals, infos: Sequence[Mapping[str, Any]] | None = None) -> list[Atoms]:
    """ASE's Atoms for each crystal of a batch, periodic in all directions, float64.

    Args:
        crystals: on any device, of any floating-point type.
        infos: one mapping for each crystal, copied into `Atoms.info`.

    Raises:
        ValueError: `infos` is not as long as the batch.
    """
    cells = crystals.cell.detach().cpu().double().numpy()
    ends = torch.cumsum(crystals.n_atoms, 0).cpu().numpy()
    positions = np.split(crystals.scaled_positions.detach().cpu().double().numpy(), ends)[:-1]
    numbers = np.split(crystals.numbers.cpu().numpy(), ends)[:-1]
    infos = [{}] * len(crystals) if infos is None else infos
    return [
        Atoms(numbers=z, scaled_positions=x, cell=cell, pbc=True, info=dict(info))
        for z, x, cell, info in zip(numbers, positions, cells, infos, strict=True)
    ]


def read_compositions(path: Path) -> list[tuple[str, list[int]]]:
    """The composition of the full cell of every row or frame of a file.

    A table may hold a `formula` column with or without `n_atoms` (the formula is repeated to fill the cell), or a `cif`
    column; any other file is read as structures.

    Args:
        path: CSV, or any file that `read_structures` reads.

    Returns:
        Id and atomic numbers, one for each atom, for each row.

    Raises:
        InputError: the file cannot be read, or a row has no composition; the message names the row.
    """
    if file_format(path) == TABLE:
        found = [(row_id(row, i), _row_composition(path, i, row)) for i, row in enumerate(read_table(path))]
    else:
        found = [(s.id, _atomic_numbers(path, s.row, s.id, s.atoms)) for s in read_structures(path)]
    if not found:
        raise InputError(f"{path} holds no compositions")
    return found


def _row_composition(path: Path, index: int, row: Mapping[str, str]) -> list[int]:
    place = f"{path}, row {index} ({row_id(row, index)})"
    formula, n_atoms = row.get("formula", "").strip(), row.get("n_atoms", "").strip()
    if formula and (n_atoms or not row.get("cif")):
        numbers = _formula_numbers(formula, place)
        if not n_atoms:
            return numbers
        if not n_atoms.isdigit() or int(n_atoms) < 1 or int(n_atoms) % len(numbers):
            raise InputError(f"{place}: {n_atoms[:20]} atoms cannot be a multiple of {formula}")
        return [z for z in numbers for _ in range(int(n_atoms) // len(numbers))]
    if not row.get("cif"):
        raise InputError(f"{place}: neither a formula nor a cif (columns: {', '.join(row)[:200]})")
    try:
        return _atomic_numbers(path, index, row_id(row, index), cif_to_atoms(row["cif"]))
    except StructureError as error:
        raise InputError(f"{place}: {error}") from None


def _formula_numbers(formula: str, place: str) -> list[int]:
    try:
        counts = Formula(formula).count()
        numbers = [atomic_numbers[symbol] for symbol, count in counts.items() for _ in range(count)]
    except (ValueError, KeyError, AssertionError):
        raise InputError(f"{place}: {formula[:60]!r} is no formula") from None
    if not numbers or 0 in numbers:
        raise InputError(f"{place}: {formula[:60]!r} is no formula")
    return numbers


def _atomic_numbers(path: Path, row: int, name: str, atoms: Atoms | StructureError) -> list[int]:
    if isinstance(atoms, StructureError):
        raise InputError(f"{path}, row {row} ({name}): {atoms}")
    if len(atoms) == 0 or not all(1 <= z < len(chemical_symbols) for z in atoms.numbers):
        raise InputError(f"{path}, row {row} ({name}): no composition, or atoms that are no elements")
    return [int(z) for z in atoms.numbers]
