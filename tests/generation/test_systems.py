"""Compositions of chemical systems: what is known and what balances comes first, by pymatgen's own guesses."""

from collections import Counter
from math import gcd

import pytest
from ase.data import chemical_symbols
from pymatgen.core import Composition as PymatgenComposition

from asegen.calculators import Request
from asegen.errors import InputError
from asegen.generation.systems import from_system


def names(text: str, n: int, max_atoms: int | None = None) -> list[str]:
    return [PymatgenComposition(one.formula).reduced_formula for one in from_system(text, n, max_atoms)]


KNOWN = {
    "Li-P-S": ["Li2S", "Li3P", "LiP", "Li3P7", "P2S5", "P4S3", "Li3PS4", "Li7PS6", "Li2PS3", "Li7P3S11"],
    "Li-Y-Cl": ["LiCl", "YCl3", "Li3YCl6", "LiYCl4"],
    "Na-Fe-O": ["Na2O", "Na2O2", "FeO", "Fe2O3", "Fe3O4", "NaFeO2", "Na3FeO3", "Na5FeO4", "Na4FeO4", "Na8Fe2O7"],
    "Mg-Si-O": ["MgO", "SiO2", "Mg2Si", "MgSiO3", "Mg2SiO4"],
}
"""Compounds that were made, from textbooks and reviews."""


@pytest.mark.parametrize("system", KNOWN)
def test_known_compounds_are_among_the_first_sixty(system: str) -> None:
    first = names(system, 500)[:60]
    assert set(KNOWN[system]) <= set(first)
    assert len(set(first)) == 60  # nothing twice before much came once


def test_there_are_as_many_as_asked_for_and_elements_come_once() -> None:
    found = Counter(names("Li-P-S", 500))
    assert sum(found.values()) == 500
    assert [found[element] for element in ("Li", "P", "S")] == [1, 1, 1]
    assert found["Li3PS4"] > found["LiP3"] > 1  # stable, known


def test_what_balances_comes_before_what_does_not() -> None:
    found = names("Na-K-Cl", 100)
    first = min(k for k, name in enumerate(found) if name in ("KNaCl", "KNa2Cl"))
    assert {"KNaCl2", "KNa2Cl3", "K2NaCl3"} <= set(found[:first])


@pytest.mark.parametrize("text", ["Li-Fe-O", "Li,Fe,O", "Li, Fe, O", "Li Fe O"])
def test_a_system_however_it_is_joined(text: str) -> None:
    assert from_system(text, 50, 6) == from_system("Li-Fe-O", 50, 6)


def test_formulas_are_reduced_and_as_small_as_asked_for() -> None:
    for one in from_system("Li-Fe-O", 200, 9):
        counts = Counter(one.numbers)
        assert gcd(*counts.values()) == 1 and len(one.numbers) <= 9
        order = list(dict.fromkeys(one.numbers))
        assert order == [z for z in (3, 26, 8) if z in counts]  # as the system was written


def test_fewer_are_the_beginning_of_what_is_known() -> None:
    assert names("Mg-Si-O", 7) == names("Mg-Si-O", 500)[:7]
    assert names("Si", 3) == ["Si"] * 3


def test_a_long_list_of_elements_is_not_enumerated() -> None:
    elements = "-".join(chemical_symbols[1:60])  # 6e17 subsystems
    assert [one.formula for one in from_system(elements, 3)] == ["H", "He", "Li"]


def test_requests_leave_the_cells_open() -> None:
    targets = Request(system="Li-O", max_atoms=6, compositions=9).targets()
    assert len(targets) == 9
    assert all(target.cells == () and target.max_atoms == 6 for target in targets)


@pytest.mark.parametrize(("system", "most"), [("Li-Xx", 5), ("Li-Li", 5), ("", 5), ("Li-O", 0)])
def test_bad_systems(system: str, most: int) -> None:
    with pytest.raises(InputError):
        from_system(system, 3, most)
