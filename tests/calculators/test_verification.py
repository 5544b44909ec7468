"""`Verifier`: what it refuses before it computes, and what it measures against."""

import math

import pytest
from ase import Atoms
from ase.build import bulk


def test_where_the_hull_has_a_gap_nothing_is_placed_above_it() -> None:
    pytest.importorskip("chgnet")
    from asegen.calculators.verification import Verifier

    fluoride = Atoms("XeF2", positions=[[0, 0, 0], [0, 0, 2], [0, 0, -2]], cell=[4.3, 4.3, 7], pbc=True)
    verified = Verifier("chgnet", 1).verify(fluoride)
    assert math.isnan(verified.e_hull) and "hardly any compound of Xe" in verified.reason


def test_known_crystals_of_the_composition_are_measured_against() -> None:
    """CHGNet's formation energy of GaAs is 0.12 eV/atom above the hull."""
    pytest.importorskip("chgnet")
    from asegen.calculators.verification import Verifier

    verifier = Verifier("chgnet", 30)
    (low, high) = (verifier.verify(bulk("GaAs", kind, a)) for kind, a in (("zincblende", 5.75), ("rocksalt", 5.4)))
    assert low.e_hull == pytest.approx(0.0, abs=0.02) and high.e_hull > 0.1
    assert low.atoms.info["measured_against"] == "GaAs-186"
