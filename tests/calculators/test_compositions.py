"""Compositions against pymatgen, and what is refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Composition as PymatgenComposition

from asegen.calculators.compositions import from_formula, from_numbers, from_system, parse_formula
from asegen.errors import InputError

FORMULAS = st.lists(
    st.tuples(st.sampled_from(["H", "Li", "C", "O", "Cl", "Ti", "Fe", "Sr", "U"]), st.integers(1, 9)),
    min_size=1, max_size=4,
).map(lambda parts: "".join(f"{s}{k}" for s, k in parts))  # fmt: skip


@given(FORMULAS, st.integers(1, 4))
def test_counts_are_pymatgen_s(formula: str, multiple: int) -> None:
    (found,) = from_formula(formula, (multiple,))
    expected = PymatgenComposition(formula) * multiple
    assert PymatgenComposition(found.formula) == expected
    assert len(found.numbers) == expected.num_atoms
    assert {e.Z: int(n) for e, n in expected.items()} == {z: found.numbers.count(z) for z in set(found.numbers)}


def test_parentheses_atoms_and_multiples() -> None:
    assert parse_formula("Ca(OH)2") == {"Ca": 1, "O": 2, "H": 2}
    assert from_formula("SrTiO3", atoms=10)[0].formula == "Sr2Ti2O6"
    assert [len(c.numbers) for c in from_formula("NaCl", (1, 2, 4))] == [2, 4, 8]
    assert from_numbers("mp-1", [8, 22, 8]).formula == "O2Ti"


@pytest.mark.parametrize(
    "text", ["", " ", "Xx2", "SrTiO-3", "NaCl0", "0", "na", "Na Cl", "Sr1.5TiO3", "Na(Cl", "D2O", "X"]
)
def test_bad_formulas_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        from_formula(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "atoms"), [("SrTiO3", 0), ("SrTiO3", 7), ("SrTiO3", 5000)])
def test_bad_numbers_of_atoms(text: str, atoms: int) -> None:
    with pytest.raises(InputError, match=str(atoms)):
        from_formula(text, atoms=atoms)
    with pytest.raises(InputError):
        from_formula(text, (0,))


def test_a_system_holds_elements_binaries_and_all_proportions() -> None:
    found = from_system("Li-Fe-O", 6, 400)
    reduced = {PymatgenComposition(c.formula).reduced_formula for c in found}
    assert {"Li", "Fe", "O2", "LiFe", "LiFeO2", "Fe2O3", "Li3FeO2", "LiO5"} <= reduced
    assert max(len(c.numbers) for c in found) <= 6
    once = from_system("Li-Fe-O", 6, len({c.formula for c in found}))
    assert len({c.formula for c in once}) == len(once)  # nothing twice before everything once
    few = from_system("Li-Fe-O", 6, 7)
    assert {frozenset(PymatgenComposition(c.formula).elements) for c in few} == {
        frozenset(PymatgenComposition(f).elements) for f in ("Li", "Fe", "O", "LiFe", "LiO", "FeO", "LiFeO")
    }
    for c in found:
        parts = list(PymatgenComposition(c.formula).values())
        assert math.gcd(*(int(p) for p in parts)) in (1, 2, 3, 4)


@pytest.mark.parametrize(("system", "most"), [("Li-Xx", 5), ("Li-Li", 5), ("", 5), ("Li-O", 0)])
def test_bad_systems(system: str, most: int) -> None:
    with pytest.raises(InputError):
        from_system(system, most, 3)
