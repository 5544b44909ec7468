"""Crystals of tables, the compositions and groups that are asked for, and what is drawn of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from ase import Atoms
from ase.io import iread, write

from asegen.calculators import open_source
from asegen.errors import InputError
from asegen.generation.compositions import from_numbers
from asegen.generation.drawing import draw
from asegen.generation.plan import cut_batches, make_plan
from asegen.generation.source import Source
from asegen.generation.target import Target
from asegen.structures.atoms import read_structures

GROUPED = ("analogy", "model", "score")
BY = (*GROUPED, "analogy-common", "common", "plain")
_AT_ONCE = 64


def rows(path: Path) -> list[Atoms]:
    """The readable crystals of a table, with identifier, space group and energy above the hull in `info`."""
    found = []
    for structure in read_structures(path):
        if isinstance(structure.atoms, Atoms):
            group, above = structure.values.get("spacegroup", ""), structure.values.get("energy_above_hull", "")
            atoms = structure.atoms
            atoms.info = {"material_id": structure.id, "group": int(float(str(group))), "above": float(str(above or 0))}
            found.append(atoms)
    return found


def wanted(crystals: Iterable[Atoms], source: Source, grouped: bool = True) -> list[Target]:
    """Compositions of crystals, with their groups, of those that the source can draw."""
    able = []
    for atoms in crystals:
        (cell,) = from_numbers(atoms.numbers)
        target = Target(cell, atoms.info["group"] if grouped else None, material_id=atoms.info["material_id"])
        try:
            source.check([target], force=True)
        except InputError as error:
            print(f"{target.material_id}: {error}")
        else:
            able.append(target)
    return able


def drawn(source: Source, targets: Sequence[Target], n: int, seed: int, folder: Path) -> list[Atoms]:
    """`n` structures of each, batch by batch into files of a folder; what is there is read."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for k, batch in enumerate(cut_batches(make_plan(targets, n) if targets else [], _AT_ONCE)):
        found += kept(folder / f"{k:05d}.extxyz", partial(draw, source, batch, seed))
    return sorted(found, key=lambda atoms: atoms.info["sample_index"])


def source_of(by: str, quick: bool = False) -> Source:
    """What draws, see above."""
    if by == "plain":
        return open_source("diffusion", quick=quick)
    if by == "score":
        return open_source("score")
    return open_source("analogy" if by.startswith("analogy") else "symmetric", quick=quick)


def kept(file: Path, make: Callable[[], list[Atoms]]) -> list[Atoms]:
    """Crystals of a file, which is made if it isn't there."""
    if not file.exists():
        write(file.with_suffix(".part"), make(), format="extxyz")
        os.replace(file.with_suffix(".part"), file)
    return list(iread(file))
