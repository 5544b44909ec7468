"""Compositions against pymatgen, and what is refused."""

import re

import pytest
from ase import Atoms
from ase.formula import Formula
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition as PymatgenComposition

from asegen.errors import InputError
from asegen.generation.compositions import from_formula, from_numbers
from asegen.structures.formulas import parse_formula

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


@settings(max_examples=300)
@given(
    st.text(max_size=12)
    | st.text("NaClSrTO()[]0123456789-.+ ", max_size=12)
    | st.lists(st.sampled_from(["Na", "Cl", "O2", "(", ")3", "[", "]2", "H", "0", "1", "X", "D"]), max_size=8).map(
        "".join
    )
)
def test_any_text_is_what_pymatgen_reads_or_refused_in_one_line(text: str) -> None:
    try:
        counts = parse_formula(text)
    except InputError as error:
        assert len(str(error)) < 200 and len(str(error).splitlines()) == 1
    else:
        units, formula = re.fullmatch(r"(\d*)(.*)", text).groups()  # "2NaCl" is two formula units, as ASE reads it
        assert PymatgenComposition(counts) == PymatgenComposition(formula) * int(units or 1)


def test_parentheses_atoms_and_multiples() -> None:
    assert parse_formula("Ca(OH)2") == {"Ca": 1, "O": 2, "H": 2}
    assert from_formula("SrTiO3", n_atoms=10)[0].formula == "Sr2Ti2O6"
    assert [len(c.numbers) for c in from_formula("NaCl", (1, 2, 4))] == [2, 4, 8]
    assert [c.formula for c in from_numbers([8, 22, 8], (1, 2))] == ["O2Ti", "O4Ti2"]


@pytest.mark.parametrize(
    "text", ["", " ", "Xx2", "SrTiO-3", "NaCl0", "0", "na", "Sr1.5TiO3", "Na(Cl", "Na()Cl", "D2O", "X"]
)
def test_bad_formulas_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        from_formula(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "atoms"), [("SrTiO3", 0), ("SrTiO3", 7), ("SrTiO3", 5000)])
def test_bad_numbers_of_atoms(text: str, atoms: int) -> None:
    with pytest.raises(InputError, match=str(atoms)):
        from_formula(text, n_atoms=atoms)
    with pytest.raises(InputError):
        from_formula(text, (0,))
    with pytest.raises(InputError):
        from_numbers([8], (1, 0))


@pytest.mark.parametrize("text", ["(" * 5000, "C" + "9" * 5000, "C999999999999999999", "Sr" * 100_000, "Xx" * 5000])
def test_endless_formulas_are_refused_in_a_short_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        from_formula(text)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "wanted",
    [
        "SrTiO3", " Sr1 Ti1 O3 ", "SrTiO₃", {"Sr": 1, "Ti": 1.0, "O": 3}, PymatgenComposition("SrTiO3"),
        Formula("SrTiO3"), Atoms("SrTiO3"),
    ],
)  # fmt: skip
def test_a_formula_in_any_form(wanted: object) -> None:
    assert [c.formula for c in from_formula(wanted, (1, 2))] == ["SrTiO3", "Sr2Ti2O6"]


def test_repeated_multiples_are_refused() -> None:
    with pytest.raises(InputError, match="multiples = 1 is asked for more than once"):
        from_formula("NaCl", [1] * 100_000)
