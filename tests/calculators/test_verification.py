"""`Verifier`: what it refuses before it computes."""

import math

import pytest
from ase import Atoms


def test_where_the_hull_has_a_gap_nothing_is_placed_above_it() -> None:
    pytest.importorskip("chgnet")
    from asegen.calculators.verification import Verifier

    fluoride = Atoms("XeF2", positions=[[0, 0, 0], [0, 0, 2], [0, 0, -2]], cell=[4.3, 4.3, 7], pbc=True)
    verified = Verifier("chgnet", 1).verify(fluoride)
    assert math.isnan(verified.e_hull) and "hardly any compound of Xe" in verified.reason
