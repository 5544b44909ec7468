"""The order in which predicted structures are looked at: by the probability that they are stable and on target."""

import pytest
from ase import Atoms
from ase.build import bulk
from scipy.stats import norm

from asegen.criteria.criterion import read_criteria
from asegen.criteria.judging import Criteria
from asegen.discovery.prediction import DEVIATION
from asegen.discovery.sieve import Sieve
from asegen.generation.stability import ABOVE_HULL
from asegen.prototypes.novelty import KnownCrystals
from asegen.prototypes.sources import open_library


@pytest.fixture(scope="module")
def known() -> KnownCrystals:
    return KnownCrystals(open_library("mp"))


def predicted(a: float, above: float, deviation: float = 0.04) -> Atoms:
    atoms = bulk("NaCl", "rocksalt", a=a)
    atoms.info = {"valid": True, ABOVE_HULL: above, DEVIATION: deviation}
    return atoms


def test_structures_go_by_stability_and_targets_together(known: KnownCrystals) -> None:
    sieve = Sieve(0.1, "composition", Criteria(read_criteria(["density=2..3"])), known, None)
    loose, dense, high = predicted(7.5, 0.0), predicted(5.6, 0.02), predicted(5.5, 0.3)
    pools: list[list[Atoms] | str] = ["not drawn", [loose], [high, loose.copy(), dense]]
    order = sieve.in_order(pools)
    assert [place for place, _ in order] == [2, 0, 1]
    assert order[0][1][0] is dense and dense.info["target_probability"] == 1 and "density" in dense.info
    assert sieve._chance(dense) == pytest.approx(norm.cdf((0.1 - 0.02) / 0.04))
    assert sieve._chance(high) == pytest.approx(norm.cdf((0.1 - 0.3) / 0.04))


def test_without_targets_the_order_stays(known: KnownCrystals) -> None:
    sieve = Sieve(0.1, "composition", Criteria([]), known, None)
    pools: list[list[Atoms] | str] = [[predicted(5.5, 0.3), predicted(5.6, 0.0)], "not drawn"]
    assert sieve.in_order(pools) == [(0, pools[0]), (1, "not drawn")]
