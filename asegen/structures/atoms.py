"""The one door between ASE's Atoms, files of structures, and Crystals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ase import Atoms

from asegen.crystals.crystals import Crystals
from asegen.geometry.torus import shortest, wrap
from asegen.structures.errors import StructureError
from asegen.structures.reading import Entry, read_entries, read_entry
from asegen.structures.several import entries_of
from asegen.structures.validity import check_atoms, niggli_reduce, shortest_distance

__all__ = [
    "Structure",
    "StructureError",
    "atoms_from_crystals",
    "check_atoms",
    "crystals_from_atoms",
    "niggli_reduce",
    "read_files",
    "read_structures",
    "shortest_distance",
    "write_into",
]


class Structure(NamedTuple):
    """One structure of a file: `atoms` is the error, its message `kind: detail`, where it cannot be read.

    Attributes:
        row: its place in the file, from 0.
        id: `material_id` or `id` where the file has one, else the row or the file's stem.
        atoms: the structure, or what is wrong with it.
        values: the columns, info entries or key-value pairs beside it, as found.
        named: whether the file has an id for it.
    """

    row: int
    id: str
    atoms: Atoms | StructureError
    values: Mapping[str, object]
    named: bool = False


def read_structures(path: Path, max_unpacked: int | None = None) -> Iterator[Structure]:
    """Reads the structures of a file one by one, in this process.

    Args:
        path: CSV with a `cif` column, CIF, extxyz, POSCAR/CONTCAR (all also as .gz), ASE database, trajectory, or
            anything else that ASE reads.
        max_unpacked: bytes that a compressed file may unpack to (see `asegen.structures.streams.open_text`).

    Yields:
        Every row, block or frame, readable or not, with the columns, info entries or key-value pairs beside it.

    Raises:
        InputError: the file as a whole cannot be read.
    """
    for entry in read_entries(path, max_unpacked):
        yield _structure(entry)


def read_files(files: Sequence[Path]) -> Iterator[tuple[Path, Structure]]:
    """The structures of files, in order; one that can't be read costs the others nothing.

    Args:
        files: as in `read_structures`.

    Yields:
        The file, and as in `read_structures`; a file that can't be read, or whose rest can't, ends with the error.

    Raises:
        InputError: there is one file only, and nothing of it can be read.
    """
    for path, entry in entries_of(files):
        yield path, _structure(entry)


def _structure(entry: Entry) -> Structure:
    try:
        name, atoms, values = read_entry(entry)
        return Structure(entry.row, name, atoms, values, entry.named or name != entry.id)
    except StructureError as error:
        return Structure(entry.row, entry.id, error, entry.values, entry.named)


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


def write_into(atoms: Atoms, moved: Crystals) -> None:
    """Moves Atoms in place, without wrapping those that lie outside of the cell.

    Args:
        atoms: one crystal.
        moved: the same crystal, moved.
    """
    before = torch.from_numpy(atoms.cell.scaled_positions(atoms.positions))
    after = before + shortest(moved.scaled_positions - before)
    cell = moved.cell[0].numpy()
    # Constraints have been honoured already; ASE's adjustment of a cell refuses large steps.
    atoms.set_cell(cell, scale_atoms=False, apply_constraint=False)
    atoms.set_positions(after.numpy() @ cell, apply_constraint=False)
