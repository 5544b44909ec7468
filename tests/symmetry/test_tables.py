"""The file of tables of space groups is what pyxtal says. `python tests/symmetry/test_tables.py` writes it anew."""

from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spglib
from pyxtal.symmetry import Group

FILE = Path(str(resources.files("asegen.symmetry") / "tables.npz"))
EXACT = 24
PRIMITIVE = {
    "P": np.eye(3),
    "A": np.array([[2, 0, 0], [0, 1, -1], [0, 1, 1]]) / 2,
    "C": np.array([[1, -1, 0], [1, 1, 0], [0, 0, 2]]) / 2,
    "I": np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / 2,
    "F": np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2,
    "R": np.array([[2, 1, 1], [-1, 1, 1], [-1, -2, 1]]) / 3,
}


def tables() -> dict[str, np.ndarray]:
    """All groups' rows, as `asegen.symmetry.groups` documents them."""
    found: dict[str, list] = {}
    for number in range(1, 231):
        for rows in rows_of(Group(number)):
            for name, own in rows.items():
                found.setdefault(name, []).extend(own)
    return {name: small(np.array(rows)) for name, rows in found.items()}


def small(rows: np.ndarray) -> np.ndarray:
    """The same whole numbers in the smallest type that holds them."""
    whole = np.rint(rows).astype(np.int64)
    np.testing.assert_allclose(rows, whole, atol=1e-9)
    return whole.astype(np.result_type(np.min_scalar_type(whole.min()), np.min_scalar_type(whole.max())))


def rows_of(table: Group) -> Iterator[dict[str, list]]:
    """A group's rows: its own first, then those of its positions, the most special first."""
    centring = spglib.get_spacegroup_type(table.hall_number).international_short[0]
    rotations, translations = distinct(*affine(table[0].ops), centring)
    positions = list(reversed(list(table)))
    renamings = dict.fromkeys(tuple(row.split()) for row in table.get_alternatives()["Transformed WP"])
    yield {
        "hall": [table.hall_number],
        "n_operations": [len(rotations)],
        "rotation": list(rotations),
        "translation": list(translations * EXACT),
        "n_positions": [len(positions)],
        "n_alternatives": [len(renamings)],
        "alternative": [ord(letter) for row in renamings for letter in row],
    }
    for wp in positions:
        yield position(wp, rotations, translations, centring)


def affine(operations: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Matrices (n, 3, 3) and shifts (n, 3) of pyxtal's operations; shifts are exact multiples of 1/24."""
    matrices = np.array([op.rotation_matrix for op in operations], dtype=float)
    shifts = np.array([op.translation_vector for op in operations], dtype=float)
    return np.rint(matrices * EXACT) / EXACT, np.rint(shifts * EXACT) / EXACT


def distinct(matrices: np.ndarray, shifts: np.ndarray, centring: str) -> tuple[np.ndarray, np.ndarray]:
    """Maps that differ modulo the primitive lattice, each matrix's first; shifts in [0, 1)."""
    to_primitive = np.linalg.inv(PRIMITIVE[centring].T)
    seen: set[tuple[int, ...]] = set()
    kept = []
    for k, (matrix, shift) in enumerate(zip(matrices, shifts, strict=True)):
        whole = np.rint(to_primitive @ shift * EXACT).astype(int) % EXACT
        key = (*np.rint(matrix.ravel() * EXACT).astype(int), *whole)
        if key not in seen:
            seen.add(key)
            kept.append(k)
    return matrices[kept], shifts[kept] % 1


def position(wp: Any, rotations: np.ndarray, translations: np.ndarray, centring: str) -> dict[str, list]:
    """Images of a Wyckoff position in the primitive cell, each by the first operation that leads to it."""
    matrices, shifts = affine([wp.ops[0]])
    matrix, shift = matrices[0], shifts[0]
    images = np.einsum("nab,bc->nac", rotations, matrix), rotations @ shift + translations
    to_primitive = np.linalg.inv(PRIMITIVE[centring].T)
    keys: dict[tuple[int, ...], int] = {}
    for k, (a, t) in enumerate(zip(*images, strict=True)):
        whole = np.rint(to_primitive @ t * EXACT).astype(int) % EXACT
        keys.setdefault((*np.rint(a.ravel() * EXACT).astype(int), *whole), k)
    chosen = list(keys.values())
    return {
        "letter": [ord(wp.letter)],
        "matrix": [matrix],
        "shift": [shift * EXACT],
        "n_images": [len(chosen)],
        "image": chosen,
    }


@pytest.mark.slow
def test_the_file_holds_what_pyxtal_says() -> None:
    expected = tables()
    with np.load(FILE) as file:
        assert set(file.files) == set(expected)
        for name, rows in expected.items():
            np.testing.assert_array_equal(file[name], rows, err_msg=name)


if __name__ == "__main__":
    np.savez_compressed(FILE, **tables())
