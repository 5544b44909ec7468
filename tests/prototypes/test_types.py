"""Structure types against textbook crystals, whatever cell and origin they come in."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from hypothesis import given
from hypothesis import strategies as st

from asegen.prototypes.types import occupation_of, type_numbers
from asegen.symmetry.assignments import Occupation, canonical

SALT = bulk("NaCl", "rocksalt", a=5.64)
FLUORITE = bulk("CaF2", "fluorite", a=5.46)


@pytest.mark.parametrize(
    ("atoms", "group", "letters"),
    [
        (SALT, 225, "ab"),
        (bulk("CsCl", "cesiumchloride", a=4.12), 221, "ab"),
        (bulk("ZnS", "zincblende", a=5.41), 216, "ac"),
        (FLUORITE, 225, "ac"),
        (bulk("GaN", "wurtzite", a=3.19, c=5.19), 186, "bb"),
    ],
    ids=lambda value: str(getattr(value, "symbols", value)),
)
def test_textbook_crystals(atoms: Atoms, group: int, letters: str) -> None:
    found = occupation_of(atoms)
    assert found is not None and found.group == group
    assert "".join(sorted(letter for letter, _ in canonical(found).sites)) == letters


def test_what_spglib_refuses_has_no_occupation() -> None:
    atoms = Atoms("Na2", positions=[(0, 0, 0), (0, 0, 0)], cell=4 * np.eye(3), pbc=True)
    assert occupation_of(atoms) is None


def test_small_distortions_are_of_the_same_type() -> None:
    bent = SALT.copy()
    bent.set_cell(bent.cell.array @ np.diag([1, 1, 1.003]), scale_atoms=True)
    assert occupation_of(bent) == occupation_of(SALT)


@given(st.integers(0, 2**31), st.sampled_from([SALT, FLUORITE]))
def test_types_depend_neither_on_origin_nor_on_cell(seed: int, atoms: Atoms) -> None:
    rng = np.random.default_rng(seed)
    other = atoms.copy()
    other.positions += rng.normal(size=3)
    basis = np.array([[1, rng.integers(-1, 2), rng.integers(-1, 2)], [0, 1, rng.integers(-1, 2)], [0, 0, 1]])
    other = make_supercell(other, basis)[rng.permutation(len(atoms))]
    roles = [[{z: z for z in set(atoms.numbers.tolist())}]] * 2
    (first,), (second,) = type_numbers([occupation_of(atoms), occupation_of(other)], roles)
    assert first == second


def test_roles_tell_types_apart() -> None:
    fluorite, antifluorite = Occupation(225, (("a", 20), ("c", 9))), Occupation(225, (("a", 8), ("c", 3)))
    # By what stands on position a: the first of the counts, or the second.
    numbers = type_numbers([fluorite, antifluorite], [[{20: 0, 9: 1}], [{8: 0, 3: 1}, {8: 1, 3: 0}]])
    assert numbers[0][0] == numbers[1][0] != numbers[1][1]


def test_what_has_no_group_is_a_type_of_its_own() -> None:
    numbers = type_numbers([None, None], [[{1: 0}, {1: 0}], [{1: 0}]])
    assert len({number for row in numbers for number in row}) == 3
