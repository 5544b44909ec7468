"""Validity: the published rule and the gate side by side, compositions by smact, none of it stopped by bad input."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.metrics import evaluate
from asegen.metrics.validity import published_rule

SALT = bulk("NaCl", "rocksalt", a=5.64)


def broken() -> list[Atoms]:
    """One structure of each kind that goes wrong."""
    not_finite, flat, exploded = SALT.copy(), SALT.copy(), SALT.copy()
    not_finite.positions[0, 0] = np.nan
    flat.cell[2] = flat.cell[0]
    exploded.set_cell(exploded.cell * 1e150)
    overlap = SALT.copy()
    overlap.positions[1] = overlap.positions[0] + (0.3, 0, 0)
    infinite = SALT.copy()
    infinite.set_cell(np.full((3, 3), np.inf))
    return [Atoms(), Atoms("X", cell=np.eye(3) * 4, pbc=True), not_finite, flat, exploded, overlap, infinite]


def test_nothing_is_too_broken_to_be_counted() -> None:
    figures = evaluate([SALT, *broken()], metrics=["validity"]).metrics["validity"]
    assert figures.values["gate"] == 1 / 8
    assert sum(n for kind, n in figures.counts.items() if kind.startswith("gate_")) == 7
    assert figures.counts["structures"] == 8


def test_the_gate_is_stricter_than_the_published_rule() -> None:
    dense = Atoms("He", cell=np.eye(3) * 0.8, pbc=True)  # images 0.8 Å apart
    figures = evaluate([SALT, dense], metrics=["validity"]).metrics["validity"].values
    assert figures == {"published": 1.0, "gate": 0.5}


def test_an_atom_s_own_images_count() -> None:
    assert "overlapping" in str(published_rule(Atoms("He", cell=[0.4, 5, 5], pbc=True)))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 0.999), min_size=9, max_size=9), st.floats(1, 2.5))
def test_the_published_rule_agrees_with_pymatgen(positions: list[float], length: float) -> None:
    atoms = Atoms("Li3", scaled_positions=np.reshape(positions, (3, 3)), cell=np.eye(3) * length, pbc=True)
    distances = AseAtomsAdaptor.get_structure(atoms).distance_matrix + np.eye(3) * length
    if abs(distances.min() - 0.5) > 1e-6:
        assert (published_rule(atoms) is None) == (distances.min() >= 0.5)


def test_the_cell_s_choice_changes_nothing() -> None:
    sheared = make_supercell(SALT, [[1, 1, 0], [0, 1, 0], [0, 2, 1]])
    sheared.rotate(33, (1, 2, 3), rotate_cell=True)
    assert evaluate([sheared], metrics=["validity"]).metrics["validity"].values == {"published": 1.0, "gate": 1.0}


def test_compositions_by_chemistry() -> None:
    pytest.importorskip("smact")
    crystals = [SALT, bulk("Cu"), bulk("NaCl", "rocksalt", a=5.6) * (2, 1, 1), Atoms("NaCl3", cell=[9] * 3, pbc=True)]
    figures = evaluate([*crystals, Atoms()], metrics=["composition"]).metrics["composition"]
    assert figures.values["valid"] == 3 / 5  # Na⁺ has no place for three Cl⁻; what is empty is no compound
    assert figures.counts == {"structures": 5, "without_answer": 0}
