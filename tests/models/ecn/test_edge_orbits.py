"""Edge orbits against the published table, and the group behind them."""

import itertools

import pytest

from asegen.errors import InputError
from asegen.models.ecn.edge_orbits import GROUPS, cell_permutations, intersection_numbers, orbit_row

# lattice: row, order of the permutation group (Kaba and Ravanbakhsh; the released code)
TABLE = {
    "P-triclinic": ("01234567", 8),
    "P-monoclinic": ("01234567", 8),
    "P-orthorhombic": ("01234567", 8),
    "C-monoclinic": ("01232345", 16),
    "C-orthorhombic": ("01232345", 16),
    "P-tetragonal": ("01232345", 16),
    "I-orthorhombic": ("01121341", 32),
    "F-orthorhombic": ("01233214", 32),
    "I-tetragonal": ("01121321", 64),
    "rhombohedral": ("01121223", 48),
    "P-cubic": ("01121223", 48),
    "hexagonal": ("01232323", 48),
    "I-cubic": ("01121221", 192),
    "F-cubic": ("01111112", 192),
    "S_8": ("01111111", 40320),
}


def closure(generators: list[tuple[int, ...]]) -> set[tuple[int, ...]]:
    found = {tuple(range(8))}
    fresh = set(found)
    while fresh:
        fresh = {tuple(g[c] for c in p) for p in fresh for g in generators} - found
        found |= fresh
    return found


def test_all_groups_are_in_the_table() -> None:
    assert set(TABLE) == set(GROUPS)


def test_rows_and_orders() -> None:
    for group, (row, order) in TABLE.items():
        assert "".join(map(str, orbit_row(group))) == row, group
        elements = closure(cell_permutations(group))
        assert len(elements) == order, group
        # A colour depends on the two cells' xor alone, and every element of the group keeps it.
        for p in itertools.islice(elements, 200):
            assert all(row[p[a] ^ p[b]] == row[a ^ b] for a, b in itertools.product(range(8), repeat=2)), group


def test_intersection_numbers_are_the_same_for_every_pair_of_a_colour() -> None:
    for group in GROUPS:
        row = orbit_row(group)
        numbers = intersection_numbers(row)
        for i, j in itertools.product(range(8), repeat=2):
            for p, q in itertools.product(range(max(row) + 1), repeat=2):
                count = sum(row[j ^ k] == p and row[k ^ i] == q for k in range(8))
                assert numbers[row[i ^ j]][p][q] == count, group


def test_published_intersection_numbers_of_all_permutations() -> None:
    assert intersection_numbers(orbit_row("S_8")) == [[[1, 0], [0, 7]], [[0, 1], [1, 6]]]


def test_unknown_group() -> None:
    with pytest.raises(InputError, match="S_9"):
        orbit_row("S_9")
