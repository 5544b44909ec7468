"""The 230 space groups in the standard settings of the International Tables.

Settings: unique axis b and cell choice 1, hexagonal axes, origin choice 2. Positions x are fractional in the
conventional cell unless a name says "primitive". A Wyckoff position gives every image of a site as `x = A u + t` with
the free parameters u; columns of A that belong to no free parameter are zero. Tables: pyxtal's (which are ITA's), kept
in a file that loads at once; symbols: spglib's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asegen.errors import InputError
from asegen.symmetry.symbols import LAST_GROUP, crystal_system, kind_of_setting

Floats = NDArray[np.float64]

# Rows: primitive lattice vectors in the conventional basis.
_PRIMITIVE: dict[str, Floats] = {
    "P": np.eye(3),
    "A": np.array([[2, 0, 0], [0, 1, -1], [0, 1, 1]]) / 2,
    "C": np.array([[1, -1, 0], [1, 1, 0], [0, 0, 2]]) / 2,
    "I": np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / 2,
    "F": np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2,
    "R": np.array([[2, 1, 1], [-1, 1, 1], [-1, -2, 1]]) / 3,
}
_POINTS = {"P": 1, "A": 2, "C": 2, "I": 2, "F": 4, "R": 3}
"""Lattice points of the conventional cell."""
_EXACT = 24  # every translation of the tables is a multiple of 1/24


@dataclass(frozen=True, eq=False)
class WyckoffPosition:
    """One Wyckoff position of a group.

    Attributes:
        letter: ITA's, "A" for the 27th position of group 47.
        multiplicity: atoms per conventional cell.
        matrix: (3, 3), A of the first image.
        shift: (3,), t of the first image.
        free: (3,), bool, which components of u are free.
        rotations: (n_primitive, 3, 3), operations that lead from the first image to every image in a primitive cell:
            `x_k = rotations[k] x_0 + translations[k]`, conventional axes; the first is the identity.
        translations: (n_primitive, 3).
    """

    letter: str
    multiplicity: int
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
        system: one of `symbols.SYSTEMS`.
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
        return _POINTS[self.centring]

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
        tables, letters = _tables(), [position.letter for position in self.positions]
        lengths = tables["n_alternatives"] * tables["n_positions"]
        rows = tables["alternative"][_rows(lengths, self.number - 1)].reshape(-1, len(letters))
        return tuple(dict(zip(letters, (chr(int(code)) for code in row), strict=True)) for row in rows)


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
    tables, row = _tables(), number - 1
    hall = int(tables["hall"][row])
    symbol = kind_of_setting(hall).international_short
    own = _rows(tables["n_operations"], row)
    rotations, translations = tables["rotation"][own], tables["translation"][own] / _EXACT
    sites = range(len(tables["n_images"]))[_rows(tables["n_positions"], row)]
    positions = tuple(_position(site, rotations, translations, symbol[0]) for site in sites)
    return SpaceGroup(number, symbol, hall, crystal_system(number), symbol[0], rotations, translations, positions)


def _position(row: int, rotations: Floats, translations: Floats, centring: str) -> WyckoffPosition:
    """A Wyckoff position of a group with these operations, by its row in the tables."""
    tables = _tables()
    images = tables["image"][_rows(tables["n_images"], row)].astype(int)
    matrix = tables["matrix"][row]
    return WyckoffPosition(
        letter=chr(int(tables["letter"][row])),
        multiplicity=len(images) * _POINTS[centring],
        matrix=matrix,
        shift=tables["shift"][row] / _EXACT,
        free=np.abs(matrix).any(0),
        rotations=rotations[images],
        translations=translations[images],
    )


@cache
def _tables() -> dict[str, Floats]:
    """What `tables.npz` holds; tests/symmetry/test_tables.py says how it was made.

    Per group `hall` (its setting), `n_operations`, `n_positions`, `n_alternatives`; per operation `rotation` (3, 3) and
    `translation` (3,); per Wyckoff position `letter`, `matrix` (3, 3), `shift` (3,), `n_images`; `image`, which
    operations lead to the images; `alternative`, a group's letters after each renaming. Translations and shifts are in
    24ths.
    """
    with np.load(Path(str(resources.files("asegen.symmetry") / "tables.npz"))) as file:
        return {name: file[name].astype(float) for name in file.files}


def _rows(lengths: Floats, k: int) -> slice:
    """Where the k-th of concatenated parts is."""
    start = int(lengths[:k].sum())
    return slice(start, start + int(lengths[k]))
