"""The 230 space groups in the standard settings of the International Tables.

Settings: unique axis b and cell choice 1, hexagonal axes, origin choice 2. Positions x are fractional in the
conventional cell unless a name says "primitive". A Wyckoff position gives every image of a site as `x = A u + t` with
the free parameters u; columns of A that belong to no free parameter are zero. Tables: pyxtal's (which are ITA's),
symbols: spglib's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product
from typing import Any

import numpy as np
import spglib
from numpy.typing import NDArray

from asegen.errors import InputError
from asegen.structures.settings import group_number

Floats = NDArray[np.float64]

LAST_GROUP = 230
_SYMBOL_AND_NUMBER = re.compile(r"(\S.*?)\s*\((\d{1,3})\)")
SYSTEMS = ("triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic")
_LAST_OF_SYSTEM = (2, 15, 74, 142, 167, 194, 230)

# Rows: primitive lattice vectors in the conventional basis.
_PRIMITIVE: dict[str, Floats] = {
    "P": np.eye(3),
    "A": np.array([[2, 0, 0], [0, 1, -1], [0, 1, 1]]) / 2,
    "C": np.array([[1, -1, 0], [1, 1, 0], [0, 0, 2]]) / 2,
    "I": np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / 2,
    "F": np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2,
    "R": np.array([[2, 1, 1], [-1, 1, 1], [-1, -2, 1]]) / 3,
}
_EXACT = 24  # every translation of the tables is a multiple of 1/24


@dataclass(frozen=True, eq=False)
class WyckoffPosition:
    """One Wyckoff position of a group.

    Attributes:
        letter: ITA's, "A" for the 27th position of group 47.
        multiplicity: atoms per conventional cell.
        site_symmetry: its oriented symbol, such as "m-3m" or ".m.".
        matrix: (3, 3), A of the first image.
        shift: (3,), t of the first image.
        free: (3,), bool, which components of u are free.
        rotations: (n_primitive, 3, 3), operations that lead from the first image to every image in a primitive cell:
            `x_k = rotations[k] x_0 + translations[k]`, conventional axes; the first is the identity.
        translations: (n_primitive, 3).
    """

    letter: str
    multiplicity: int
    site_symmetry: str
    matrix: Floats
    shift: Floats
    free: NDArray[np.bool_]
    rotations: Floats
    translations: Floats

    @property
    def size(self) -> int:
        """Atoms per primitive cell."""
        return len(self.rotations)

    @property
    def is_fixed(self) -> bool:
        """Whether there is no freedom, so that one site at most can be there."""
        return not self.free.any()


@dataclass(frozen=True, eq=False)
class SpaceGroup:
    """One space group in its standard setting.

    Attributes:
        number: 1 to 230.
        symbol: short Hermann–Mauguin symbol, such as "Fm-3m".
        hall_number: of this setting, spglib's.
        system: one of `SYSTEMS`.
        centring: P, A, C, I, F or R.
        rotations: (n_operations, 3, 3), representatives modulo centring translations, conventional axes; the identity
            comes first.
        translations: (n_operations, 3), in [0, 1).
        positions: all Wyckoff positions in the order of their letters, a (the most special) first.
    """

    number: int
    symbol: str
    hall_number: int
    system: str
    centring: str
    rotations: Floats
    translations: Floats
    positions: tuple[WyckoffPosition, ...]

    @property
    def primitive(self) -> Floats:
        """(3, 3): rows are primitive lattice vectors in the conventional basis."""
        return _PRIMITIVE[self.centring]

    @property
    def points(self) -> int:
        """Lattice points of the conventional cell: 1, 2, 3 or 4."""
        return round(1 / float(np.linalg.det(self.primitive)))

    @property
    def lattice_points(self) -> Floats:
        """(points, 3): the lattice points of the conventional cell in [0, 1), the origin first."""
        steps = np.array(list(product(range(3), repeat=3))) @ self.primitive
        return np.unique(np.rint(steps * _EXACT) % _EXACT, axis=0) / _EXACT

    @property
    def unit_cell(self) -> Floats:
        """(3, 3): the conventional cell with all lengths 1 and the angles of the system where it fixes them, Å."""
        return unit_cell(self.number)

    def operations(self, basis: Floats) -> tuple[Floats, Floats]:
        """Rotations (n, 3, 3) and translations (n, 3) as a primitive cell's fractional coordinates see them.

        Args:
            basis: (3, 3), the cell's vectors in the conventional basis, such as `primitive`.
        """
        to_basis = np.linalg.inv(basis.T)
        return np.rint(to_basis @ self.rotations @ basis.T), self.translations @ to_basis.T

    @cached_property
    def by_letter(self) -> dict[str, WyckoffPosition]:
        """Wyckoff positions by letter."""
        return {position.letter: position for position in self.positions}

    @cached_property
    def alternatives(self) -> tuple[dict[str, str], ...]:
        """Renamings of letters that describe the same crystals, from another choice of origin and axes.

        The cosets of the group in its Euclidean normaliser (ITA, volume A, chapter 15); the identity comes first.
        """
        from pyxtal.symmetry import Group

        letters = [position.letter for position in self.positions]
        rows = Group(self.number).get_alternatives()["Transformed WP"]
        found = {tuple(row.split()): None for row in rows}
        return tuple(dict(zip(letters, row, strict=True)) for row in found)


def crystal_system(number: int) -> str:
    """The crystal system of a group's number."""
    return SYSTEMS[next(k for k, last in enumerate(_LAST_OF_SYSTEM) if number <= last)]


def unit_cell(number: int) -> Floats:
    """(3, 3), Å: a conventional cell with lengths of 1 and the angles that the group's system fixes; 90° otherwise."""
    if crystal_system(number) in ("trigonal", "hexagonal"):
        return np.array([[1, 0, 0], [-0.5, np.sqrt(0.75), 0], [0, 0, 1]])
    return np.eye(3)


@cache
def space_group(number: int) -> SpaceGroup:
    """A group by its number.

    Raises:
        InputError: not a number from 1 to 230.
    """
    if not 1 <= number <= LAST_GROUP:
        raise InputError(f"space group {number}: there are 1 to {LAST_GROUP}")
    from pyxtal.symmetry import Group  # loads for a second, and only symmetry needs it

    table = Group(number)
    general = table[0]
    symbol = _kind(table.hall_number).international_short
    centring = symbol[0]
    rotations, translations = _distinct(*_affine(general.ops), centring)
    positions = tuple(_position(wp, rotations, translations, centring) for wp in reversed(list(table)))
    system = crystal_system(number)
    return SpaceGroup(number, symbol, table.hall_number, system, centring, rotations, translations, positions)


def parse_group(text: str) -> int:
    """The number of a group from its number or any usual symbol of it.

    Args:
        text: such as "225", "225.0", "Fm-3m", "P6_3/mmc", "P 21/n", "Cmca", "R-3m:H", "Fd-3m:2", or both, as in
            "Fm-3m (225)".

    Raises:
        InputError: neither, or a symbol and a number that aren't of the same group.
    """
    plain = text.strip()
    both = _SYMBOL_AND_NUMBER.fullmatch(plain)
    if both:
        plain = both.group(1)
        if group_number(plain) != int(both.group(2)):
            raise InputError(f"{text[:40]!r}: the symbol is not that of group {both.group(2)}")
    whole = plain.removesuffix(".0")
    if whole.lstrip("+-").isdecimal():
        number = int(whole) if len(whole) < 9 else 0
        if not 1 <= number <= LAST_GROUP:
            raise InputError(f"space group {plain[:12]}: there are 1 to {LAST_GROUP}")
        return number
    found = group_number(plain)
    if found is None:
        raise InputError(f"{text[:30]!r} is no space group: write a number from 1 to 230, or a symbol such as Fm-3m")
    return found


def _kind(hall_number: int) -> spglib.SpaceGroupType:
    kind = spglib.get_spacegroup_type(hall_number)
    assert kind is not None, f"spglib knows no setting {hall_number}"
    return kind


def _affine(operations: Sequence[Any]) -> tuple[Floats, Floats]:
    """Matrices (n, 3, 3) and shifts (n, 3) of pyxtal's operations; shifts are exact multiples of 1/24."""
    matrices = np.array([op.rotation_matrix for op in operations], dtype=float)
    shifts = np.array([op.translation_vector for op in operations], dtype=float)
    return np.rint(matrices * _EXACT) / _EXACT, np.rint(shifts * _EXACT) / _EXACT


def _distinct(matrices: Floats, shifts: Floats, centring: str) -> tuple[Floats, Floats]:
    """Maps that differ modulo the primitive lattice, each matrix's first; shifts in [0, 1)."""
    to_primitive = np.linalg.inv(_PRIMITIVE[centring].T)
    seen: set[tuple[int, ...]] = set()
    kept = []
    for k, (matrix, shift) in enumerate(zip(matrices, shifts, strict=True)):
        whole = np.rint(to_primitive @ shift * _EXACT).astype(int) % _EXACT
        key = (*np.rint(matrix.ravel() * _EXACT).astype(int), *whole)
        if key not in seen:
            seen.add(key)
            kept.append(k)
    return matrices[kept], shifts[kept] % 1


def _position(wp: Any, rotations: Floats, translations: Floats, centring: str) -> WyckoffPosition:
    """Images of a Wyckoff position in the primitive cell, each by the first operation that leads to it."""
    matrices, shifts = _affine([wp.ops[0]])
    matrix, shift = matrices[0], shifts[0]
    images = np.einsum("nab,bc->nac", rotations, matrix), rotations @ shift + translations
    to_primitive = np.linalg.inv(_PRIMITIVE[centring].T)
    keys: dict[tuple[int, ...], int] = {}
    for k, (a, t) in enumerate(zip(*images, strict=True)):
        whole = np.rint(to_primitive @ t * _EXACT).astype(int) % _EXACT
        keys.setdefault((*np.rint(a.ravel() * _EXACT).astype(int), *whole), k)
    chosen = list(keys.values())
    return WyckoffPosition(
        letter=wp.letter,
        multiplicity=wp.multiplicity,
        site_symmetry=_site_symmetry(wp),
        matrix=matrix,
        shift=shift,
        free=np.abs(matrix).any(0),
        rotations=rotations[chosen],
        translations=translations[chosen],
    )


def _site_symmetry(wp: Any) -> str:
    wp.get_site_symmetry()
    return str(wp.site_symm)
