"""What holds for every metric: the setting of a crystal, its cell and the order of a set change nothing."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from scipy.spatial.transform import Rotation

from asegen.metrics import METRICS, evaluate
from asegen.metrics.coverage import fingerprint
from asegen.metrics.embedding import NetworkEmbedder
from asegen.metrics.inputs import Inputs, reduced_formula
from asegen.metrics.matching import rms_distance, same_crystal
from asegen.metrics.validity import published_rule
from asegen.potentials.chgnet import features
from asegen.structures.validity import check_atoms, density

PEROVSKITE = Atoms(
    "SrTiO3",
    scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
    cell=[3.9] * 3,
    pbc=True,
)
CRYSTALS = [
    bulk("NaCl", "rocksalt", a=5.64),
    bulk("CsCl", "cesiumchloride", a=4.12),
    bulk("Si"),
    bulk("Mg"),
    bulk("ZnO", "wurtzite", a=3.25, c=5.2),
    PEROVSKITE,
]
SHEARS = [[[1, 1, 0], [0, 1, 0], [0, 2, 1]], [[1, 0, 0], [-1, 1, 0], [0, 0, 1]], [[0, 1, 0], [0, 0, 1], [1, 0, 0]]]


def in_another_setting(atoms: Atoms, random: np.random.Generator) -> Atoms:
    """Another cell of the lattice, perhaps twice as large, turned, shifted, its atoms in another order."""
    shear = np.array(SHEARS[random.integers(3)])
    larger = np.eye(3, dtype=int)
    larger[random.integers(3), random.integers(3)] += random.integers(2)
    if np.linalg.det(larger) == 0:
        larger = np.eye(3, dtype=int)
    other = make_supercell(atoms, larger @ shear)
    rotation = Rotation.random(random_state=random).as_matrix()
    other.set_cell(other.cell.array @ rotation.T, scale_atoms=True)
    other.positions += random.normal(size=3)
    other.wrap()
    other.info = dict(atoms.info)
    return other[random.permutation(len(other))]


@st.composite
def settings_of_a_crystal(draw: DrawFn) -> tuple[Atoms, Atoms]:
    atoms = draw(st.sampled_from(CRYSTALS))
    return atoms, in_another_setting(atoms, np.random.default_rng(draw(st.integers(0, 10**6))))


@given(settings_of_a_crystal())
def test_geometry_and_matching_know_no_setting(pair: tuple[Atoms, Atoms]) -> None:
    atoms, other = pair
    assert reduced_formula(other) == reduced_formula(atoms)
    assert density(other) == pytest.approx(density(atoms))
    assert check_atoms(other) is None and published_rule(other) is None
    assert rms_distance(*pair) == pytest.approx(0, abs=1e-3) == rms_distance(other, atoms)
    assert same_crystal(pair) and same_crystal((other, atoms))


@settings(max_examples=10)
@given(settings_of_a_crystal())
def test_fingerprints_know_no_setting(pair: tuple[Atoms, Atoms]) -> None:
    pytest.importorskip("matminer")
    assert fingerprint(pair[1]) == pytest.approx(fingerprint(pair[0]), abs=1e-3)


@settings(max_examples=10)
@given(settings_of_a_crystal())
def test_chgnet_knows_no_setting(pair: tuple[Atoms, Atoms]) -> None:
    pytest.importorskip("chgnet")
    assert features(pair[1]) == pytest.approx(features(pair[0]), abs=1e-3)


@settings(max_examples=10)
@given(settings_of_a_crystal())
def test_the_shipped_alignn_knows_no_setting(pair: tuple[Atoms, Atoms]) -> None:
    rows = NetworkEmbedder("alignn-formation-energy").rows(pair, Inputs(()), "")
    assert rows[1] == pytest.approx(rows[0], abs=2e-3 * np.abs(rows[0]).max())


@pytest.mark.slow
def test_the_same_set_in_other_settings_and_another_order_is_the_same_to_every_metric(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    reference = [atoms.copy() for atoms in CRYSTALS]
    for k, atoms in enumerate(reference):
        atoms.info["material_id"] = f"id-{k}"
    generated = [in_another_setting(atoms, random) for atoms in reversed(reference)]
    found = evaluate(generated, reference, reference, cache=tmp_path).metrics
    if set(found) != {name for name, metric in METRICS.items() if not metric.on_request}:
        pytest.skip("not all of the extra `metrics` is installed")
    best = {
        "validity": {"published": 1, "gate": 1},
        "density": {"emd": 0},
        "elements": {"emd": 0},
        "energy": {"emd": 0},
        "fad": {"distance": 0},
        "fd-cgcnn": {"distance": 0},
        "fd-chgnet": {"distance": 0},
        "fd-crystalnn": {"distance": 0},
        "coverage": {"recall": 1, "precision": 1},
        "match": {"match_rate": 1, "rmse": 0},
        "metre": {"metre": 1, "crmse": 0},
        "discovery": {"unique": 1, "novel": 0, "unique_and_novel": 0},
        "chemistry": {"js_elements": 0, "js_groups": 0},
        "amd": {"nearest_reference": 0, "nearest_train": 0},
    }
    for name, values in best.items():
        for figure, value in values.items():
            assert found[name].values[figure] == pytest.approx(value, abs=1e-3), (name, figure)
    swapped = evaluate(reference[:4], generated, metrics=["energy", "fad", "fd-crystalnn"], cache=tmp_path).metrics
    straight = evaluate(generated, reference[:4], metrics=["energy", "fad", "fd-crystalnn"], cache=tmp_path).metrics
    for name, figure in (("energy", "emd"), ("fad", "distance"), ("fd-crystalnn", "distance")):
        assert swapped[name].values[figure] == pytest.approx(straight[name].values[figure]) != 0
