"""Novelty, stability, chemistry and invariants of sets whose members are known."""

import math

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy.spatial import cKDTree

from asegen.errors import InputError
from asegen.metrics import evaluate
from asegen.metrics.errors import mean_with_error, with_errors
from asegen.metrics.invariants import NEIGHBORS, average_minimum_distances
from asegen.metrics.protocols import PROTOCOLS
from asegen.metrics.stability import displacement

SALT = bulk("NaCl", "rocksalt", a=5.64)
P1 = Atoms("NaCl", [(0, 0, 0), (1.9, 2.3, 0.4)], cell=[[3.1, 0, 0], [0.4, 4.9, 0], [0.9, 0.7, 5.3]], pbc=True)


def test_how_new_structures_are() -> None:
    new = bulk("FrBr", "rocksalt", a=7.1)  # no crystal and no compound of the hull
    values = (
        evaluate([SALT, bulk("KAt", "rocksalt", a=7.0), new, P1, Atoms()], metrics=["novelty"])
        .metrics["novelty"]
        .values
    )
    assert values["known_structure"] == 0.2 and values["substitution"] == 0.4 and values["new_type"] == 0.2
    assert values["novel_composition"] == 0.4 and values["novel_structure"] == pytest.approx(0.6)


def test_protocols_set_the_tolerances() -> None:
    cubic = bulk("CsCl", "cesiumchloride", a=4.12)
    strained = cubic.copy()
    strained.set_cell(np.diag([4.12, 4.12, 1.25 * 4.12]), scale_atoms=True)  # 16 % too long, at the same volume
    unique = {
        name: evaluate([cubic, strained], metrics=["discovery"], protocol=name).metrics["discovery"].values["unique"]
        for name in PROTOCOLS
    }
    assert unique == {"classic": 0.5, "lemat": 1.0, "mattergen": 0.5}
    with pytest.raises(InputError, match="classic, lemat, mattergen"):
        evaluate([SALT], protocol="mine")


def test_mattergen_sees_orderings_of_one_alloy_as_one_crystal() -> None:
    layered = bulk("Cu", "fcc", a=3.8, cubic=True) * (1, 1, 2)
    chequered = layered.copy()
    layered.symbols[layered.positions[:, 2] % 3.8 < 1] = "Au"  # every other layer, L1_0
    chequered.symbols[[0, 1, 6, 7]] = "Au"
    pair = [layered, chequered]
    unique = {name: evaluate(pair, metrics=["discovery"], protocol=name).metrics["discovery"] for name in PROTOCOLS}
    assert {name: found.values["unique"] for name, found in unique.items()} == {
        "classic": 1.0,
        "lemat": 1.0,
        "mattergen": 0.5,
    }
    assert "mixed" in unique["mattergen"].using["alike_by"]
    ionic = [bulk("NaCl", "rocksalt", a=5.6), bulk("NaCl", "cesiumchloride", a=3.5)]  # not similar: nothing is mixed
    assert evaluate(ionic, metrics=["discovery"], protocol="mattergen").metrics["discovery"].values["unique"] == 1


def test_elements_and_groups() -> None:
    same = evaluate([SALT, P1], [SALT, P1], metrics=["chemistry"]).metrics["chemistry"].values
    assert same["js_elements"] == same["js_groups"] == 0 and same["p1"] == 0.5 and same["groups"] == 2
    other = evaluate([SALT], [bulk("Cu")], metrics=["chemistry"]).metrics["chemistry"].values
    assert other["js_elements"] == pytest.approx(1) and other["js_groups"] == 0
    half = evaluate([SALT, bulk("Cu")], [bulk("Cu")], metrics=["chemistry"]).metrics["chemistry"].values
    entropy = 0.25 * math.log2(0.25 / 0.125) * 2 + 0.5 * math.log2(0.5 / 0.75)
    assert half["js_elements"] == pytest.approx((entropy + math.log2(1 / 0.75)) / 2)


def test_average_minimum_distances_are_those_of_a_tree() -> None:
    found = evaluate([SALT], [bulk("NaCl", "rocksalt", a=5.8)], metrics=["amd"]).metrics["amd"].values

    def invariants(a: float) -> np.ndarray:
        points = bulk("NaCl", "rocksalt", a=a, cubic=True) * (8, 8, 8)
        centre = points.positions[np.linalg.norm(points.positions - 4 * a, axis=1).argmin()]
        return cKDTree(points.positions).query(centre, NEIGHBORS + 1)[0][1:]

    assert found["nearest_reference"] == pytest.approx(np.abs(invariants(5.64) - invariants(5.8)).max(), abs=1e-4)


@pytest.mark.slow  # numba compiles for half a minute
def test_average_minimum_distances_are_those_of_their_authors() -> None:
    amd = pytest.importorskip("amd")
    expected = amd.AMD(amd.PeriodicSet(P1.positions, P1.cell.array), 20)
    assert average_minimum_distances(P1, 20) == pytest.approx(expected)


def test_displacement_forgets_translations_and_cells() -> None:
    after = SALT.copy()
    after.set_cell(1.1 * after.cell, scale_atoms=True)
    after.translate((0.3, 0.2, 0.1))
    assert displacement(SALT, after) == pytest.approx(0, abs=1e-12)
    after.positions[0] += (0.2, 0, 0)
    assert displacement(SALT, after) == pytest.approx(0.1)


@pytest.mark.slow
def test_stability_by_a_potential() -> None:
    pytest.importorskip("chgnet")
    stretched = bulk("NaCl", "rocksalt", a=6.0)
    found = evaluate([stretched, SALT, P1], metrics=["stability"], potential="chgnet").metrics["stability"]
    assert found.values["metastable"] >= 2 / 3 and found.values["msun"] == 0 and found.counts["valid"] == 3
    assert found.using["relaxed_by"].startswith("chgnet") and "classic" in found.using["alike_by"]


def test_standard_errors() -> None:
    assert with_errors({"x": 0.2}, 100) == {"x": 0.2, "x_error": pytest.approx(0.04)}
    values = mean_with_error("y", [1.0, 2.0, 4.0])
    assert values["y_error"] == pytest.approx(np.std([1, 2, 4], ddof=1) / math.sqrt(3))
    assert math.isnan(mean_with_error("y", [])["y"])
