"""Edge orbits: which pairs of cells of a 2 × 2 × 2 supercell a lattice's symmetry treats alike.

Kaba and Ravanbakhsh, NeurIPS 2022. The eight cells n = (x, y, z), coordinates 0 or 1, have the index 4 y + 2 x + z. A
lattice's space group (translations and the point group of the lattice) permutes them; pairs (receiver, sender) that it
carries into one another share their parameters. Translations are among the operations, so a pair's colour depends on
`receiver xor sender` alone: eight numbers, a row, hold all of it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from asegen.errors import InputError

N_CELLS = 8
_PLACES = np.array([[(c >> 1) & 1, c >> 2, c & 1] for c in range(N_CELLS)])  # (x, y, z) of each index
_WEIGHTS = np.array([2, 4, 1])

_Matrix = NDArray[np.float64]


def _rotation(axis: tuple[float, float, float], order: int) -> _Matrix:
    """(3, 3), turns row vectors from the right by 2 π/order around an axis (Rodrigues)."""
    u = np.array(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -u[2], u[1]], [u[2], 0, -u[0]], [-u[1], u[0], 0]])
    angle = 2 * math.pi / order
    return np.asarray(np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross).T


def _body(a: float, b: float, c: float) -> _Matrix:
    return np.array([[-a, b, c], [a, -b, c], [a, b, -c]]) / 2


def _face(a: float, b: float, c: float) -> _Matrix:
    return np.array([[0, b, c], [a, 0, c], [a, b, 0]]) / 2


def _base(a: float, b: float, c: float) -> _Matrix:
    return np.array([[a / 2, -b / 2, 0], [a / 2, b / 2, 0], [0, 0, c]])


_TURNED = np.array([[math.cos(t), math.sin(t), 0.7] for t in (0, 2 * math.pi / 3, 4 * math.pi / 3)])
_HEXAGONAL = np.array([[1, 0, 0], [-0.5, math.sqrt(0.75), 0], [0, 0, 1.6]])
_A, _B, _C = 1.0, 1.3, 1.7  # lengths without any relation
_X, _Y, _Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
_DIAGONAL = (1.0, 1.0, 1.0)

# Primitive cell, and generators of the lattice's rotations; inversion does nothing to a supercell of two.
_LATTICES: dict[str, tuple[_Matrix, list[_Matrix]]] = {
    "P-triclinic": (np.array([[_A, 0, 0], [0.2, _B, 0], [0.3, 0.5, _C]]), []),
    "P-monoclinic": (np.array([[_A, 0, 0.2], [0, _B, 0], [0, 0, _C]]), [_rotation(_Y, 2)]),
    "C-monoclinic": (_base(_A, _B, _C) + np.array([[0, 0, 0], [0, 0, 0], [0.4, 0, 0]]), [_rotation(_Y, 2)]),
    "P-orthorhombic": (np.diag([_A, _B, _C]), [_rotation(_Z, 2), _rotation(_X, 2)]),
    "C-orthorhombic": (_base(_A, _B, _C), [_rotation(_Z, 2), _rotation(_X, 2)]),
    "I-orthorhombic": (_body(_A, _B, _C), [_rotation(_Z, 2), _rotation(_X, 2)]),
    "F-orthorhombic": (_face(_A, _B, _C), [_rotation(_Z, 2), _rotation(_X, 2)]),
    "P-tetragonal": (np.diag([_A, _A, _C]), [_rotation(_Z, 4), _rotation(_X, 2)]),
    "I-tetragonal": (_body(_C, _A, _A), [_rotation(_X, 4), _rotation(_Z, 2)]),  # the published setting: unique x
    "rhombohedral": (_TURNED, [_rotation(_Z, 3), _rotation(_Y, 2)]),
    "hexagonal": (_HEXAGONAL, [_rotation(_Z, 6), _rotation(_X, 2)]),
    "P-cubic": (np.eye(3), [_rotation(_Z, 4), _rotation(_DIAGONAL, 3)]),
    "I-cubic": (_body(_A, _A, _A), [_rotation(_Z, 4), _rotation(_DIAGONAL, 3)]),
    "F-cubic": (_face(_A, _A, _A), [_rotation(_Z, 4), _rotation(_DIAGONAL, 3)]),
}
ALL_PERMUTATIONS = "S_8"
GROUPS = (*_LATTICES, ALL_PERMUTATIONS)


def cell_permutations(group: str) -> list[tuple[int, ...]]:
    """Generators of a group as permutations of the eight cells: `permutation[c]` is where cell c goes.

    Args:
        group: one of `GROUPS`.

    Raises:
        InputError: an unknown group.
    """
    if group == ALL_PERMUTATIONS:
        return [(1, 0, 2, 3, 4, 5, 6, 7), (1, 2, 3, 4, 5, 6, 7, 0)]
    if group not in _LATTICES:
        raise InputError(f"group = {group!r} is not one of {', '.join(GROUPS)}")
    cell, rotations = _LATTICES[group]
    found: list[tuple[int, ...]] = [tuple(c ^ step for c in range(N_CELLS)) for step in (2, 4, 1)]
    for rotation in rotations:
        matrix = np.rint(cell @ rotation @ np.linalg.inv(cell)).astype(int)
        found.append(tuple(int(n) for n in (_PLACES @ matrix) % 2 @ _WEIGHTS))
    return found


def orbit_row(group: str) -> tuple[int, ...]:
    """The colour of a pair of cells by `receiver xor sender`, numbered in the order of appearance.

    Args:
        group: one of `GROUPS`.

    Raises:
        InputError: an unknown group.
    """
    pairs = [(a, b) for a in range(N_CELLS) for b in range(N_CELLS)]
    parent = {pair: pair for pair in pairs}

    def root(pair: tuple[int, int]) -> tuple[int, int]:
        while parent[pair] != pair:
            pair = parent[pair]
        return pair

    for permutation in cell_permutations(group):
        for a, b in pairs:
            roots = root((a, b)), root((permutation[a], permutation[b]))
            parent[max(roots)] = min(roots)
    numbers: dict[tuple[int, int], int] = {}
    return tuple(numbers.setdefault(root((0, c)), len(numbers)) for c in range(N_CELLS))


def intersection_numbers(row: tuple[int, ...]) -> list[list[list[int]]]:
    """`N[o][p][q]`: of a pair (j, i) of colour o, how many cells k have colour p with j and q with i.

    Args:
        row: of `orbit_row`.
    """
    n = max(row) + 1
    counts = [[[0] * n for _ in range(n)] for _ in range(n)]
    for colour in range(n):
        difference = row.index(colour)  # any pair of this colour: the group carries it to the others
        for k in range(N_CELLS):
            counts[colour][row[k]][row[k ^ difference]] += 1
    return counts
