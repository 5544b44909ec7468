"""Crystals by symmetry as batches for torch: from a group and the letters of its sites to `Orbits`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch

from asegen.crystals.bravais import BRAVAIS
from asegen.crystals.symmetric_batch import SymmetricBatch
from asegen.crystals.wyckoff import Numbers, Orbits
from asegen.geometry.lattice import symmetric_basis, symmetric_exp
from asegen.geometry.ragged import rows_of
from asegen.geometry.torus import wrap
from asegen.symmetry.analysis import Site, SymmetricCrystal
from asegen.symmetry.assignments import Occupation
from asegen.symmetry.groups import Floats, SpaceGroup, space_group, unit_cell

_FAMILY = {
    "triclinic": "a",
    "monoclinic": "m",
    "orthorhombic": "o",
    "tetragonal": "t",
    "trigonal": "h",
    "hexagonal": "h",
    "cubic": "c",
}


def bravais_index(group: SpaceGroup) -> int:
    """Index of a group's Bravais lattice in `orbits.BRAVAIS`."""
    return BRAVAIS.index(_FAMILY[group.system] + group.centring.replace("A", "C"))


@cache
def _site_arrays(number: int, letter: str) -> tuple[Floats, Floats, Floats, Floats]:
    """A, t, rotations and translations of a Wyckoff position, as columns of the primitive basis see them."""
    group = space_group(number)
    position = group.by_letter[letter]
    to_primitive = np.linalg.inv(group.primitive.T)
    rotations = np.rint(to_primitive @ position.rotations @ group.primitive.T)
    return (
        to_primitive @ position.matrix,
        to_primitive @ position.shift,
        rotations,
        (position.translations @ to_primitive.T),
    )


def make_orbits(assignments: Sequence[tuple[int, Sequence[tuple[str, int]]]]) -> Orbits:
    """Orbits in the groups' standard primitive bases, float64 on the CPU.

    Args:
        assignments: of each crystal its group's number, and letter and atomic number of each of its sites.
    """
    numbers, group_rows = np.unique([number for number, _ in assignments], return_inverse=True)
    groups = [space_group(int(number)) for number in numbers]
    sites = [(number, letter) for number, own in assignments for letter, _ in own]
    row_of = {site: row for row, site in enumerate(dict.fromkeys(sites))}
    rows = np.array([row_of[site] for site in sites], dtype=np.int64)
    matrix, shift, rotation, translation = zip(*(_site_arrays(*site) for site in row_of), strict=True)
    sizes = np.array([len(images) for images in rotation])
    images = rows_of(torch.from_numpy(sizes), torch.from_numpy(rows)).numpy()
    return Orbits(
        group=torch.from_numpy(numbers[group_rows]),
        bravais=torch.tensor([bravais_index(group) for group in groups])[group_rows],
        points=torch.tensor([group.points for group in groups])[group_rows],
        reference=torch.from_numpy(np.stack([group.primitive @ group.unit_cell for group in groups])[group_rows]),
        n_sites=torch.tensor([len(own) for _, own in assignments]),
        numbers=torch.tensor([z for _, own in assignments for _, z in own]),
        letter=torch.tensor([ord(letter) for _, letter in sites], dtype=torch.uint8),
        matrix=torch.from_numpy(np.stack(matrix)[rows]),
        shift=torch.from_numpy(np.stack(shift)[rows]),
        n_images=torch.from_numpy(sizes[rows]),
        rotation=torch.from_numpy(np.concatenate(rotation)[images]),
        translation=torch.from_numpy(np.concatenate(translation)[images]),
    )


def occupations_of(orbits: Orbits) -> list[Occupation]:
    """What is where in each crystal of a batch."""
    sites = list(zip(map(chr, orbits.letter.tolist()), orbits.numbers.tolist(), strict=True))
    ends = torch.cumsum(orbits.n_sites, 0).tolist()
    starts = [0, *ends[:-1]]
    return [
        Occupation(group, tuple(sorted(sites[start:end])))
        for group, start, end in zip(orbits.group.tolist(), starts, ends, strict=True)
    ]


def orbits_of(crystals: Sequence[SymmetricCrystal]) -> tuple[Orbits, Numbers]:
    """Orbits of known crystals, with their free numbers, float64."""
    orbits = make_orbits([(c.group, [(site.letter, site.number) for site in c.sites]) for c in crystals])
    u = torch.tensor([site.u for c in crystals for site in c.sites], dtype=torch.float64)
    primitive = np.stack([space_group(c.group).primitive @ c.cell for c in crystals])
    return orbits, Numbers(u, orbits.lattice(torch.from_numpy(primitive)))


def crystals_of(batch: SymmetricBatch) -> list[SymmetricCrystal]:
    """Each crystal of a batch in the standard setting, sites in their order; the inverse of `orbits_of`."""
    orbits, numbers = batch
    ends = torch.cumsum(orbits.n_sites, 0).tolist()
    letters = [chr(code) for code in orbits.letter.tolist()]
    u = torch.where(orbits.free, wrap(numbers.u.double()), 0.0).tolist()
    sites = [
        Site(letter, z, (x[0], x[1], x[2])) for letter, z, x in zip(letters, orbits.numbers.tolist(), u, strict=True)
    ]
    strains = torch.where(orbits.allowed, numbers.lattice.double(), 0.0)
    stretch = symmetric_exp(torch.einsum("bm,mxy->bxy", strains, symmetric_basis(strains))).numpy()
    return [
        SymmetricCrystal(group, unit_cell(group) @ stretch[k], tuple(sites[start:end]))
        for k, (group, start, end) in enumerate(zip(orbits.group.tolist(), [0, *ends[:-1]], ends, strict=True))
    ]
