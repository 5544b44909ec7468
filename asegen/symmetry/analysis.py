"""From a structure to its space group and sites, by spglib: numpy alone, for worker processes that start quickly."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import spglib
from numpy.typing import NDArray

from asegen.errors import InputError
from asegen.structures.validity import found_by_spglib
from asegen.symmetry.groups import Floats, SpaceGroup, WyckoffPosition, space_group

SYMPREC = 0.01
"""Å. Within it a structure is taken for symmetric: relaxed structures of databases have noise of about 0.001 Å."""
_TOLERANCE = 1e-3
"""Fractional. Two images nearer than this are one, and an atom so near to a Wyckoff position is on it; spglib's
idealised positions are exact to about 1e-8."""
_SAME = 1e-4
"""Fractional. A position has to fit better than another by this much to be preferred to a more special one."""

Structure = tuple[Floats, Floats, NDArray[np.integer]]
"""Cell (3, 3), Å; fractional positions (n, 3); atomic numbers (n,)."""


@dataclass(frozen=True)
class Site:
    """A set of symmetrically equivalent atoms.

    Attributes:
        letter: of its Wyckoff position.
        number: atomic number.
        u: its free parameters, conventional fractional coordinates in [0, 1); 0 where nothing is free.
    """

    letter: str
    number: int
    u: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class SymmetricCrystal:
    """A crystal in the standard setting of its group.

    Attributes:
        group: number of the space group.
        cell: (3, 3), conventional, rows are lattice vectors, Å.
        sites: in no particular order.
    """

    group: int
    cell: Floats
    sites: tuple[Site, ...]


def find_symmetry(
    cell: Floats, scaled_positions: Floats, numbers: NDArray[np.integer], symprec: float = SYMPREC
) -> SymmetricCrystal:
    """The space group of a structure and its sites, idealised.

    Args:
        cell: (3, 3), rows are lattice vectors, Å, finite and with a volume (spglib crashes on anything else).
        scaled_positions: (n_atoms, 3), fractional, finite.
        numbers: (n_atoms,), atomic numbers.
        symprec: Å, tolerance of the space group.

    Raises:
        InputError: spglib finds no group (atoms that overlap), or its crystal doesn't fit the tables.
    """
    structure = (cell, scaled_positions, numbers)
    data = _dataset(structure, symprec)
    if data is None:
        raise InputError(f"spglib finds no space group at {symprec} Å")
    group = space_group(data.number)
    if data.hall_number != group.hall_number:
        data = _dataset(structure, symprec, group.hall_number)
    if data is None or data.number != group.number:
        raise InputError(f"spglib cannot bring group {group.number} into its standard setting at {symprec} Å")
    sites = find_sites(group, data.std_positions, data.std_types)
    return SymmetricCrystal(group.number, np.array(data.std_lattice), sites)


def structure_of(crystal: SymmetricCrystal, conventional: bool = False) -> Structure:
    """All atoms of a crystal, site by site, exact to rounding.

    Args:
        crystal: the crystal.
        conventional: in the conventional cell; in the standard primitive one without it.
    """
    group = space_group(crystal.group)
    images, numbers = [], []
    for site in crystal.sites:
        position = group.by_letter[site.letter]
        first = position.matrix @ np.array(site.u) + position.shift
        images.append(position.rotations @ first + position.translations)
        numbers.append(np.full(position.size, site.number))
    places, species = np.concatenate(images), np.concatenate(numbers)
    if conventional:
        points = group.lattice_points
        places, species = (places[:, None] + points).reshape(-1, 3), np.repeat(species, len(points))
        return crystal.cell, _wrapped(places), species
    return group.primitive @ crystal.cell, _wrapped(places @ np.linalg.inv(group.primitive)), species


def _wrapped(places: Floats) -> Floats:
    """Fractional coordinates in [0, 1), what rounding left next to a whole number at 0."""
    places = places - np.rint(places) * (np.abs(places - np.rint(places)) < 1e-12)
    return places % 1 % 1


def find_sites(group: SpaceGroup, scaled_positions: Floats, numbers: NDArray[np.integer]) -> tuple[Site, ...]:
    """The sites of a crystal that has a group's operations in their standard setting.

    Args:
        group: the group.
        scaled_positions: (n_atoms, 3), fractional in the conventional cell.
        numbers: (n_atoms,), atomic numbers.

    Raises:
        InputError: the atoms aren't whole orbits of the group.
    """
    left = np.ones(len(numbers), bool)
    to_primitive = np.linalg.inv(group.primitive)
    places = scaled_positions @ to_primitive  # rows, modulo 1 in the primitive cell
    sites = []
    while left.any():
        k = int(np.argmax(left))
        images = group.rotations @ scaled_positions[k] + group.translations
        off = places[None, :, :] - (images @ to_primitive)[:, None, :]
        hit = (np.abs(off - np.rint(off)) < _TOLERANCE).all(-1)
        members = hit.any(0) & left & (numbers == numbers[k])
        distinct = _distinct(images @ to_primitive)
        if members.sum() != len(distinct) * group.points:
            raise InputError(f"atom {k} has no whole orbit of group {group.number}")
        position, u = _position_of(group, images[distinct])
        sites.append(Site(position.letter, int(numbers[k]), u))
        left &= ~members
    return tuple(sites)


def _distinct(places: Floats) -> list[int]:
    """Indices of rows that differ modulo 1."""
    off = places[:, None, :] - places[None, :, :]
    same: NDArray[np.bool_] = np.all(np.abs(off - np.rint(off)) < _TOLERANCE, axis=-1)
    return [k for k in range(len(places)) if not same[k, :k].any()]


def _position_of(group: SpaceGroup, images: Floats) -> tuple[WyckoffPosition, tuple[float, float, float]]:
    """The Wyckoff position that an orbit fits best, and its free parameters.

    Args:
        group: the group.
        images: (size, 3), the orbit's places in a primitive cell, conventional axes.

    Raises:
        InputError: it fits none.
    """
    shifts = np.array(list(product((-1, 0, 1), repeat=3))) @ group.primitive
    places = (images[:, None, :] + shifts).reshape(-1, 3)
    best: tuple[float, WyckoffPosition, Floats] | None = None
    for position in group.positions:
        if position.size != len(images):
            continue
        u = np.where(position.free, places - position.shift, 0.0)
        off = places - u @ position.matrix.T - position.shift
        misfit = np.abs(off - np.rint(off)).max(-1)
        k = int(misfit.argmin())
        if misfit[k] < _TOLERANCE and (best is None or misfit[k] < best[0] - _SAME):
            best = misfit[k], position, u[k] % 1 % 1  # a second time: -1e-17 % 1 is 1
    if best is None:
        raise InputError(f"an orbit of {len(images)} atoms fits no Wyckoff position of group {group.number}")
    x, y, z = (float(value) for value in best[2])
    return best[1], (x, y, z)


class FoundGroup(NamedTuple):
    """What spglib says of a structure that should have some operations.

    Attributes:
        number: of the space group that it finds.
        symbol: its short symbol.
        holds: whether all of the operations are among those that it finds.
    """

    number: int
    symbol: str
    holds: bool


def found_group(structure: Structure, rotations: Floats, translations: Floats, symprec: float) -> FoundGroup | None:
    """Looks for a space group, and whether it contains some operations: whether it is equal or a supergroup.

    Args:
        structure: finite, with a volume.
        rotations: (n_operations, 3, 3), of fractional coordinates in the structure's cell.
        translations: (n_operations, 3).
        symprec: Å, tolerance of the space group.

    Returns:
        None where spglib finds nothing.
    """
    data = _dataset(structure, symprec)
    if data is None:
        return None
    lengths = np.linalg.norm(structure[0], axis=1)
    same = (data.rotations[None] == np.rint(rotations)[:, None]).all((2, 3))
    off = data.translations[None] - translations[:, None]
    near = (np.abs(off - np.rint(off)) * lengths < 10 * symprec).all(-1)
    return FoundGroup(data.number, data.international, bool((same & near).any(1).all()))


def _dataset(structure: Structure, symprec: float, hall_number: int = 0) -> spglib.SpglibDataset | None:
    cell: Any = structure
    return found_by_spglib(spglib.get_symmetry_dataset, cell, symprec=symprec, hall_number=hall_number)
