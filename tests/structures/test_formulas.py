"""Formulas and systems as people, CIFs and programs write them."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.formula import Formula
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Composition, Structure

from asegen.errors import InputError
from asegen.structures.formulas import formula_counts, is_formula, parse_formula, parse_system, whole_number


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("SrTiO3", {"Sr": 1, "Ti": 1, "O": 3}),
        ("Sr1 Ti1 O3", {"Sr": 1, "Ti": 1, "O": 3}),
        ("SrTiO₃", {"Sr": 1, "Ti": 1, "O": 3}),
        (" LiFeO2 ", {"Li": 1, "Fe": 1, "O": 2}),
        ("Na1.0Cl1.0", {"Na": 1, "Cl": 1}),
        ("CuSO4.5H2O", {"Cu": 1, "S": 1, "O": 9, "H": 10}),
        ("CuSO4·5H2O", {"Cu": 1, "S": 1, "O": 9, "H": 10}),
        ("CuSO4 * 5 H2O", {"Cu": 1, "S": 1, "O": 9, "H": 10}),
        ("MgSO4.H2O", {"Mg": 1, "S": 1, "O": 5, "H": 2}),
        ("(NH4)2[FeCl5(H2O)]", {"N": 2, "H": 10, "Fe": 1, "Cl": 5, "O": 1}),
        ("K3{Fe(CN)6}", {"K": 3, "Fe": 1, "C": 6, "N": 6}),
        ("2H2O", {"H": 4, "O": 2}),
    ],
)
def test_formulas(text: str, counts: dict[str, int]) -> None:
    assert parse_formula(text) == counts


@given(st.dictionaries(st.sampled_from(["H", "C", "O", "Na", "Cl", "Fe", "U"]), st.integers(1, 99), min_size=1))
def test_what_pymatgen_and_ase_write_is_read(amounts: dict[str, int]) -> None:
    composition = Composition(amounts)
    for text in (composition.formula, composition.to_pretty_string(), str(Formula.from_dict(amounts))):
        assert parse_formula(text) == amounts


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"), ("srtio3", "'s' can't stand there; elements begin with a capital letter"), ("Xx2", "'Xx' in"),
        ("Fe0", "0 atoms"), ("(Fe", "isn't closed"), ("Fe)2", r"'\)' can't"), ("Fe1.5O", "'.' can't"),
        ("Al1.33O2", "'.' can't"), ("CaSO4.0.5H2O", "'.' can't"), ("Mg2+", r"'\+' can't"), ("Fe-O", "'-' can't"),
        ("Fe" + "9" * 4000, "too long"), ("Fe9999999", "7 digits"), ("(" * 20 + "H" + ")" * 20, "can't"),
        ("5", "no element"), ("()", "can't stand"), ("Fe2 3", "'3' can't"), ("A\nB", "'A' in"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as error:
        parse_formula(text)
    assert "\n" not in str(error.value) and len(str(error.value)) < 250


@pytest.mark.parametrize(
    "wanted",
    ["SrTiO3", {"Sr": 1, "Ti": 1, "O": 3}, {"Sr": 1.0, "Ti": 1, "O": 3.0}, Formula("SrTiO3"), Composition("SrTiO3"),
     Atoms("SrTiO3"), Structure(np.eye(3), ["Sr", "Ti", "O", "O", "O"], np.zeros((5, 3))),
     Composition({"Sr2+": 1, "Ti4+": 1, "O2-": 3})],
)  # fmt: skip
def test_whatever_is_meant_as_a_formula(wanted: object) -> None:
    assert is_formula(wanted) and formula_counts(wanted) == {"Sr": 1, "Ti": 1, "O": 3}


@pytest.mark.parametrize(
    "wanted", [3, None, [1, 2], {8: 1}, {"Sr": 1.5}, {"Sr": 0}, {}, Composition("Fe0.5O"), Atoms()]
)
def test_what_is_no_formula(wanted: object) -> None:
    with pytest.raises(InputError):
        formula_counts(wanted)
    assert not is_formula(["SrTiO3"]) and not is_formula(bulk)


@pytest.mark.parametrize("alloy", ["Al0.7CoCrFeNi", "Al.7CoCrFeNi", "Si.5Ge.5", "La.7Sr.3MnO3"])
def test_an_alloy_is_a_crystal_with_partial_occupancies(alloy: str) -> None:
    with pytest.raises(InputError, match=r"whole numbers; alloys are .* asegen generate --from alloy\.cif --order"):
        parse_formula(alloy)


def test_an_isotope_is_written_as_its_element() -> None:
    with pytest.raises(InputError, match="'D' in 'D2O' is not an element: write H"):
        formula_counts("D2O")


def test_systems() -> None:
    for text in ("Li-Fe-O", "Li,Fe,O", "Li, Fe, O", "Li Fe O", " Li-Fe-O "):
        assert parse_system(text) == ["Li", "Fe", "O"]
    for text, reason in (
        ("LiFeO", "join elements by hyphens, Li-Fe-O"), ("li-fe-o", "'li' in 'li-fe-o' is not an element: Li is"),
        ("Li-Li", "different"), ("-", "join different"), ("", "join different"), ("Xx-O", "'Xx'"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=reason):
            parse_system(text)


def test_whole_numbers() -> None:
    assert [whole_number(value, "n") for value in ("10", "10.0", 10, 10.0, " 7. ")] == [10, 10, 10, 10, 7]
    for value in ("10.5", "0", "-1", "", "ten", "1e3", "9" * 20, None, "१०"):
        with pytest.raises(InputError, match="is no number of atoms"):
            whole_number(value, "number of atoms")
