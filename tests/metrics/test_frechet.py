"""Fréchet distances against closed forms and scipy."""

import numpy as np
import pytest
import scipy.linalg
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from asegen.metrics import evaluate
from asegen.metrics.frechet import frechet_distance, standard_error
from asegen.metrics.inputs import Floats, Inputs

SALT = bulk("NaCl", "rocksalt", a=5.64)
sizes = st.integers(2, 30)


class Sizes:
    """Embeds a crystal as its density of atoms and its number of elements."""

    name, digest = "sizes", "0"

    def rows(self, structures: list[Atoms], inputs: Inputs, task: str) -> Floats:
        return np.array([[-1.0, 100 * len(a) / a.get_volume(), len(set(a.numbers))] for a in structures]).reshape(-1, 3)


@settings(deadline=None)
@given(sizes, sizes, st.integers(1, 12), st.integers(0, 10**6))
def test_it_is_a_distance_of_sets(n: int, m: int, d: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(n, d)), 3 * random.normal(size=(m, d)) + 1
    distance = frechet_distance(a, b)
    assert distance == pytest.approx(frechet_distance(b, a)) and distance > 0
    assert frechet_distance(a, random.permutation(a)) == pytest.approx(0, abs=1e-9)
    rotation = ortho_group.rvs(d, random_state=random) if d > 1 else -np.eye(1)
    assert frechet_distance(a @ rotation + 7, b @ rotation + 7) == pytest.approx(distance)
    assert frechet_distance(a, a + 2) == pytest.approx(4 * d)


def test_the_textbook_s_formula_through_scipy_s_root() -> None:
    random = np.random.default_rng(1)
    a, b = random.normal(size=(500, 6)), random.normal(size=(300, 6)) @ random.normal(size=(6, 6)) + 0.3
    root = scipy.linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_commuting_covariances_in_closed_form() -> None:
    corners = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]) * np.sqrt(1.5)  # unit covariance
    assert frechet_distance(corners * (2, 5), corners) == pytest.approx((2 - 1) ** 2 + (5 - 1) ** 2)


def test_the_standard_error_is_that_of_fresh_samples() -> None:
    random = np.random.default_rng(2)
    fresh = [frechet_distance(random.normal(size=(400, 2)), random.normal(size=(400, 2)) + 1) for _ in range(100)]
    a, b = random.normal(size=(400, 2)), random.normal(size=(400, 2)) + 1
    assert standard_error(a, b) == pytest.approx(np.std(fresh), rel=0.35)
    assert standard_error(a, b) == standard_error(a, b)


def test_another_network_can_be_plugged_in_and_is_named() -> None:
    reference = [bulk("Cu", a=3.5 + 0.1 * k) for k in range(6)] + [SALT]
    same = evaluate(reference[::-1], reference, metrics=["fad", "energy"], embedder=Sizes()).metrics
    assert same["fad"].values["distance"] == pytest.approx(0, abs=1e-9)
    assert same["fad"].using == {"network": "sizes", "sha256": "0"}
    assert same["energy"].values == pytest.approx({"emd": 0, "mean_generated": -1, "mean_reference": -1})
    few = evaluate(reference[:5], reference, metrics=["fad"], embedder=Sizes()).metrics["fad"]
    assert "few samples: 5 against 7" in few.notes[0] and "unequal" in few.notes[1]
    assert few.values["distance_low"] <= few.values["distance"] <= few.values["distance_high"]
    none = evaluate([Atoms()], reference, metrics=["fad"], embedder=Sizes()).metrics["fad"]
    assert np.isnan(none.values["distance"]) and "too few" in none.notes[0]
