"""Matching: equal crystals in any setting, displaced ones by their distance, others not; time limits."""

from collections.abc import Callable

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell

from asegen.metrics.matching import rms_distance, rms_distances
from asegen.parallel.processes import Processes

SALT = bulk("NaCl", "rocksalt", a=5.64)


def test_the_setting_of_a_crystal_changes_nothing() -> None:
    sheared = make_supercell(SALT, [[1, 1, 0], [0, 1, 0], [0, 2, 1]])
    sheared.rotate(33, (1, 2, 3), rotate_cell=True)
    sheared.positions += 0.7
    sheared.set_cell(1.1 * sheared.cell, scale_atoms=True)
    assert rms_distance(SALT, sheared) == pytest.approx(0, abs=1e-4)
    assert rms_distance(SALT, bulk("NaCl", "rocksalt", a=5.64, cubic=True)) == pytest.approx(0, abs=1e-4)


def test_a_displacement_is_its_normalised_distance() -> None:
    moved = SALT.copy()
    moved.positions[1] += (0.3, 0, 0)
    # Both atoms share the way after the best common translation: 0.15 Å each.
    per_atom = (SALT.get_volume() / 2) ** (1 / 3)
    assert rms_distance(SALT, moved) == pytest.approx(0.15 / per_atom, rel=1e-3)


def test_other_crystals_do_not_match() -> None:
    assert rms_distance(SALT, bulk("NaCl", "cesiumchloride", a=3.5)) is None
    assert rms_distance(SALT, bulk("KCl", "rocksalt", a=5.64)) is None
    broken = SALT.copy()
    broken.positions[0] = np.nan
    assert rms_distance(SALT, broken) is None


def test_pairs_come_back_in_order_from_any_number_of_workers(lasting_workers: Callable[[int], Processes]) -> None:
    pairs: list[tuple[Atoms, Atoms]] = []
    for k in range(40):
        moved = SALT.copy()
        moved.positions[1] += (0.01 * k, 0, 0)
        pairs.append((SALT, moved))
    alone = [rms_distance(*pair) for pair in pairs]
    for workers in (1, 2):
        assert list(rms_distances(pairs, lasting_workers(workers))) == alone
    assert np.all(np.diff([d for d in alone if d is not None]) > 0)
