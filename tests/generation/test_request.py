"""Requests: targets of every kind, and what doesn't go together is refused by the parameters' names."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.formula import Formula
from pymatgen.core import Composition

from asegen.calculators import Request
from asegen.errors import InputError
from asegen.generation.compositions import from_formula
from asegen.generation.target import Target


def test_targets_of_every_kind(tmp_path: Path) -> None:
    (nacl,) = from_formula("NaCl")
    open_cell = Target(nacl, cells=())
    assert Request("NaCl").targets() == Request(["NaCl"]).targets() == [open_cell]
    assert Request(nacl).targets() == Request("NaCl", multiples=[1]).targets() == [Target(nacl)]
    assert Request("Na2Cl2").targets() == Request("NaCl", n_atoms=4).targets()
    assert Request("NaCl", max_atoms=8).targets() == [Target(nacl, cells=(), max_atoms=8)]
    assert [t.formula for t in Request(["NaCl", nacl], multiples=(1, 2)).targets()] == ["NaCl", "Na2Cl2", "NaCl"]
    assert [t.formula for t in Request("NaCl", n_atoms=8).targets()] == ["Na4Cl4"]
    assert {t.spacegroup for t in Request("NaCl", spacegroup="Fm-3m").targets()} == {225}
    assert len(Request(system="Li-O", max_atoms=4, compositions=7).targets()) == 7
    assert Request().targets() == [Target()] and Target().formula == "" and Target().numbers == ()
    (tmp_path / "t.csv").write_text("material_id,formula,spacegroup\na,NaCl,P6_3/mmc\n")
    assert Request(file=tmp_path / "t.csv").targets() == [replace(open_cell, material_id="a")]
    assert Request(file=tmp_path / "t.csv", file_spacegroups=True).targets() == [
        replace(open_cell, spacegroup=194, material_id="a")
    ]
    assert Request(file=tmp_path / "t.csv", spacegroup=225).targets()[0].spacegroup == 225


def test_one_multiple_is_asked_for_alone() -> None:
    expected = Request("TiO2", multiples=(2,)).targets()
    assert Request("TiO2", multiples=2).targets() == Request("TiO2", multiples=np.int64(2)).targets() == expected
    assert Request("TiO2", multiples=np.arange(1, 3)).targets() == Request("TiO2", multiples=[1, 2]).targets()


@pytest.mark.parametrize(
    ("name", "value"),
    [("multiples", "1,2"), ("multiples", ["a"]), ("multiples", 1.5), ("multiples", [1, None])]
    + [(name, value) for name in ("n_atoms", "max_atoms", "compositions") for value in ("x", 2.5, [3])],
)
def test_numbers_are_whole(name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"^{name} = .*: a whole number is needed"):
        Request("TiO2", **{name: value})


@pytest.mark.parametrize(
    "formulas",
    [{"Na": 1, "Cl": 1}, Composition("NaCl"), Formula("NaCl"), Atoms("NaCl"), (f for f in ["NaCl"]), {"NaCl"}],
)
def test_one_formula_is_no_list_of_elements(formulas: object) -> None:
    request = Request(formulas)
    assert [t.formula for t in request.targets()] == ["NaCl"]
    assert [t.formula for t in Request([request.formulas[0], "KCl"]).targets()] == ["NaCl", "KCl"]


def test_an_element_with_a_count_is_said_to_be_a_cell() -> None:
    said = "I2: 2 atoms of I in the cell; for the element's structures write I"
    assert Request(["I2", "NaCl", "Ti2O4", "I"]).notes == [said]
    assert not Request("I2", multiples=[2]).notes and not Request("I2", n_atoms=4).notes


@pytest.mark.parametrize("formulas", [5, None, [1, 2], [["NaCl"]], b"NaCl", Request, [Request("NaCl")]])
def test_what_is_no_formula_is_refused_by_name(formulas: object) -> None:
    with pytest.raises(InputError, match="is no formula: pass text, a dict, a Composition"):
        Request(formulas)


def test_sites_without_a_formula_are_no_composition() -> None:
    for sites, formula in (("Na:1,Cl:2", "NaCl2"), ("Na:a Cl:b,c", "NaCl2")):
        (target,) = Request(spacegroup=225, sites=sites).targets()
        assert target.composition is None and target.formula == formula and target.numbers == (11, 17, 17)


@pytest.mark.parametrize(
    ("given", "message", "parameters"),
    [
        ({"formulas": "NaCl", "system": "Na-Cl"}, "formulas and system exclude each other", ("formulas", "system")),
        ({"formulas": "NaCl", "multiples": [1], "n_atoms": 2}, "exclude each other", ("multiples", "n_atoms")),
        ({"system": "Na-Cl", "multiples": [2]}, "exclude each other", ("multiples", "system")),
        ({"system": "Na-Cl", "n_atoms": 2}, "n_atoms goes with formulas only", ("n_atoms", "formulas")),
        ({"formulas": "NaCl", "max_atoms": 2, "n_atoms": 2}, "exclude each other", ("max_atoms", "n_atoms")),
        ({"formulas": "NaCl", "element_map": "Na:K"}, "goes with file only", ("element_map", "file")),
        ({"formulas": ["NaCl", "TiO2"], "max_atoms": 2}, "TiO2 has 3 atoms", ("max_atoms",)),
        ({"system": "Na-Cl", "max_atoms": 0}, "max_atoms = 0", ("max_atoms",)),
        ({"formulas": "NaCl", "sites": "Na:a"}, "sites goes with spacegroup only", ("sites", "spacegroup")),
        ({"formulas": "NaCl", "file_spacegroups": True}, "goes with file", ("file_spacegroups", "file")),
        ({"compositions": 0}, "compositions = 0", ("compositions",)),
        ({"formulas": ""}, "empty formula", ()),
        ({"formulas": "NaCl", "spacegroup": 231}, "1 to 230", ()),
        ({"file": "no-such-file.csv"}, "no such file", ()),
    ],
)
def test_what_cannot_be_is_refused_at_once(given: dict[str, object], message: str, parameters: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Request(**given)
    assert caught.value.parameters == parameters
