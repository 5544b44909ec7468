"""Predicted energies above the hull: ground states of elements lie on it, whatever the network says of them."""

import pytest
from ase.data import chemical_symbols

from asegen.generation.stability import ABOVE_HULL, FORMATION_ENERGY, Stability
from asegen.potentials.elements import element_crystal


@pytest.fixture(scope="module")
def stability() -> Stability:
    return Stability("cpu")


def test_no_ground_state_of_an_element_lies_below_the_hull(stability: Stability) -> None:
    known = [atoms for symbol in chemical_symbols[1:95] if (atoms := element_crystal(symbol)) is not None]
    stability.judge(known)
    heights = {str(atoms.symbols): atoms.info[ABOVE_HULL] for atoms in known if ABOVE_HULL in atoms.info}
    assert len(heights) > 80 and min(heights.values()) > -1e-3


def test_other_forms_of_an_element_are_measured_against_its_ground_state(stability: Stability) -> None:
    sulphur = element_crystal("S")
    assert sulphur is not None
    expanded = sulphur.copy()
    expanded.set_cell(1.05 * sulphur.cell, scale_atoms=True)
    stability.judge([sulphur, expanded])
    own, other = (atoms.info[FORMATION_ENERGY] for atoms in (sulphur, expanded))
    assert expanded.info[ABOVE_HULL] == pytest.approx(other - min(own, 0.0), abs=2e-4)
