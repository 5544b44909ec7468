"""Splits of crystals made exactly symmetric, so that training has their orbits without spglib."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch

from asegen.crystals.symmetric_batch import SymmetricBatch
from asegen.crystals.wyckoff import Numbers
from asegen.data.shards import CrystalDataset, Rejected
from asegen.errors import InputError
from asegen.geometry.niggli import niggli_reduce
from asegen.geometry.torus import wrap
from asegen.parallel.timed_map import Failed, timed_map
from asegen.symmetry.analysis import Structure, SymmetricCrystal, find_symmetry
from asegen.symmetry.batches import make_orbits, orbits_of
from asegen.symmetry.groups import space_group

_TIME_LIMIT = 60.0
"""Seconds of processor time for one crystal, with more than one job."""


def symmetrise(
    dataset: CrystalDataset, symprec: float, jobs: int, on_row: Callable[[], None] = lambda: None
) -> tuple[CrystalDataset, list[Rejected]]:
    """The crystals of a split in the space groups that spglib finds, idealised, with their orbits.

    Cells are primitive and Niggli-reduced: those of crystals with more translations than their cell shows become
    smaller. Columns per atom are left out, since atoms are put into the order of their sites.

    Args:
        dataset: a split.
        symprec: Å, tolerance of the space groups.
        jobs: worker processes; the result does not depend on it.
        on_row: called after each crystal.

    Returns:
        The split, and the crystals whose group could not be used; the `file` of these is empty.

    Raises:
        InputError: nothing is left.
        AsegenError: worker processes cannot be started.
    """
    found: list[SymmetricCrystal | str] = []
    for result in _find_all(_structures(dataset), symprec, jobs):
        found.append(result)
        on_row()
    kept = [k for k, result in enumerate(found) if isinstance(result, SymmetricCrystal)]
    rejected = [
        Rejected("", k, dataset.ids[k], f"no symmetry: {result}")
        for k, result in enumerate(found)
        if isinstance(result, str)
    ]
    if not kept:
        raise InputError(f"no crystal has a space group at {symprec} Å")
    orbits, numbers = orbits_of([result for result in found if isinstance(result, SymmetricCrystal)])
    orbits = orbits.in_basis(niggli_reduce(orbits.cell(numbers.lattice))[1])
    chosen = dataclasses.replace(dataset, site_targets={}, symmetry=None)[torch.tensor(kept)]
    header = {**dataset.header, "symprec": symprec}
    symmetry = SymmetricBatch(orbits, numbers)
    return (
        dataclasses.replace(chosen, crystals=orbits.crystals(numbers), header=header, symmetry=symmetry),
        rejected,
    )


def _structures(dataset: CrystalDataset) -> list[Structure]:
    crystals = dataset.crystals
    ends = np.cumsum(crystals.n_atoms.numpy())[:-1]
    positions = np.split(crystals.scaled_positions.numpy(), ends)
    numbers = np.split(crystals.numbers.numpy(), ends)
    return list(zip(crystals.cell.numpy(), positions, numbers, strict=True))


def _find_all(structures: Sequence[Structure], symprec: float, jobs: int) -> Iterator[SymmetricCrystal | str]:
    find = partial(_find, symprec=symprec)
    results = map(find, structures) if jobs == 1 else timed_map(find, structures, jobs, _TIME_LIMIT)
    for result in results:
        yield result.reason if isinstance(result, Failed) else result


def _find(structure: Structure, symprec: float) -> SymmetricCrystal | str:
    try:
        return find_symmetry(*structure, symprec=symprec)
    except InputError as error:
        return str(error)


def in_general_positions(dataset: CrystalDataset) -> CrystalDataset:
    """A symmetric split with every site in its group's general position, as the published score model has them.

    A site on a special position has images that coincide; the crystals themselves stay as they are.

    Args:
        dataset: a split that `symmetrise` made.

    Raises:
        InputError: the split has no symmetry.
    """
    if dataset.symmetry is None:
        raise InputError("a split without symmetry has no sites")
    header = {**dataset.header, "sites": "general"}
    return dataclasses.replace(dataset, symmetry=general_sites(dataset.symmetry), header=header)


def general_sites(symmetry: SymmetricBatch) -> SymmetricBatch:
    """The same crystals with every site in general position; images that coincide count each.

    Args:
        symmetry: known crystals.
    """
    orbits, numbers = symmetry
    groups = [space_group(number) for number in orbits.group.tolist()]
    owners = orbits.site_crystal.tolist()
    positions = [groups[k].by_letter[chr(code)] for k, code in zip(owners, orbits.letter.tolist(), strict=True)]
    matrix, shift = (torch.from_numpy(np.stack([getattr(p, name) for p in positions])) for name in ("matrix", "shift"))
    kinds = torch.split(orbits.numbers, orbits.n_sites.tolist())
    general = make_orbits(
        [(g.number, [(g.positions[-1].letter, z) for z in own.tolist()]) for g, own in zip(groups, kinds, strict=True)]
    )
    basis = (orbits.reference @ torch.linalg.inv(general.reference)).round()
    u = wrap((matrix @ numbers.u.double()[:, :, None])[:, :, 0] + shift)
    return SymmetricBatch(general.in_basis(basis), Numbers(u, numbers.lattice))
