"""Earth mover's distances against cases that can be worked out by hand, and against scipy's quantile form."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st

from asegen.metrics import evaluate
from asegen.metrics.distributions import earth_movers_distance
from asegen.structures.validity import density

SALT = bulk("NaCl", "rocksalt", a=5.64)
values = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20)


def test_density_of_salt() -> None:
    # 4 × 58.44 g/mol in (5.64e-8 cm)³
    assert density(SALT) == pytest.approx(4 * 58.44 / 6.02214076e23 / 5.64e-8**3, rel=1e-4)
    assert density(SALT * (2, 3, 1)) == pytest.approx(density(SALT))


@given(values, values, st.randoms())
def test_the_distance_is_one(a: list[float], b: list[float], random) -> None:  # noqa: ANN001
    mixed = list(a)
    random.shuffle(mixed)
    assert earth_movers_distance(a, mixed) == pytest.approx(0, abs=1e-9)
    assert earth_movers_distance(a, b) == pytest.approx(earth_movers_distance(b, a))
    assert earth_movers_distance(a, [x + 3 for x in a]) == pytest.approx(3)
    if len(a) == len(b):
        assert earth_movers_distance(a, b) == pytest.approx(np.abs(np.sort(a) - np.sort(b)).mean(), abs=1e-9)


def test_identical_sets_and_a_case_by_hand() -> None:
    crystals = [SALT, bulk("Cu"), bulk("Si")]
    same = evaluate(crystals, [atoms * (1, 2, 1) for atoms in reversed(crystals)], metrics=["density", "elements"])
    assert same.metrics["density"].values["emd"] == pytest.approx(0, abs=1e-9)
    assert same.metrics["elements"].values["emd"] == 0
    other = evaluate([SALT, SALT], [bulk("Cu"), SALT], metrics=["elements"]).metrics["elements"]
    assert other.values == {"emd": 0.5, "mean_generated": 2.0, "mean_reference": 1.5}


def test_structures_that_fail_the_gate_are_left_out_and_counted() -> None:
    figures = evaluate([SALT, Atoms()], [SALT], metrics=["density"]).metrics["density"]
    assert figures.counts == {"generated": 1, "reference": 1}
    nothing = evaluate([Atoms()], [SALT], metrics=["density"])
    assert nothing.as_dict()["metrics"]["density"]["values"]["emd"] is None
