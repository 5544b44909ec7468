"""Uniqueness and novelty on sets whose members are known, and with pymatgen's own grouping."""

import math

import pytest
from ase import Atoms
from ase.build import bulk
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.metrics import evaluate

SALT = bulk("NaCl", "rocksalt", a=5.64)
CAESIUM = bulk("NaCl", "cesiumchloride", a=3.5)


def figures(generated: list[Atoms], train: list[Atoms] | None = None) -> dict[str, float]:
    return without_errors(evaluate(generated, train=train, metrics=["discovery"]).metrics["discovery"].values)


def without_errors(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if not name.endswith("_error")}


def turned(atoms: Atoms) -> Atoms:
    atoms = atoms * (1, 2, 1)
    atoms.rotate(40, (1, 2, 3), rotate_cell=True)
    return atoms


def test_copies_in_other_cells_are_neither_unique_nor_novel() -> None:
    train = [SALT, bulk("Cu"), bulk("Si")]
    assert figures([turned(atoms) for atoms in train], train) == {"unique": 1, "novel": 0, "unique_and_novel": 0}
    assert figures([SALT, turned(SALT), SALT * (2, 2, 2)], [bulk("Cu")]) == pytest.approx(
        {"unique": 1 / 3, "novel": 1, "unique_and_novel": 1 / 3}
    )


def test_shares_are_of_all_structures_broken_ones_included() -> None:
    found = figures([SALT, turned(SALT), CAESIUM, Atoms()], [SALT])
    assert found == {"unique": 0.5, "novel": 0.25, "unique_and_novel": 0.25}


def test_without_training_crystals_it_says_so() -> None:
    found = evaluate([SALT], metrics=["discovery"]).metrics["discovery"]
    assert (
        without_errors(found.values) == {"unique": 1} and "novelty" in found.notes[0] and "stability" in found.notes[1]
    )


def test_stable_unique_and_novel() -> None:
    generated = [SALT, turned(SALT), CAESIUM, bulk("Cu"), bulk("Al"), Atoms()]
    generated = [atoms.copy() for atoms in generated]
    for atoms, energy in zip(generated, (0.0, 0.0, 0.05, -0.1, 0.3, -1.0), strict=True):
        atoms.info |= {"energy_above_hull": energy, "calculator": "mine"}
    found = evaluate(generated, train=[bulk("Cu")], metrics=["discovery"]).metrics["discovery"]
    assert without_errors(found.values) == pytest.approx(
        {
            "unique": 4 / 6,
            "novel": 4 / 6,
            "unique_and_novel": 3 / 6,
            "stable": 3 / 6,
            "sun": 1 / 6,
            "stable_within_100_mev": 4 / 6,
            "sun_within_100_mev": 2 / 6,
        }
    )
    assert found.using["energies_by"] == "mine" and found.using["alike_by"].startswith("classic")
    assert found.values["sun_error"] == pytest.approx(math.sqrt(1 / 6 * 5 / 6 / 6))


def test_the_energy_above_the_hull_of_a_screening_counts() -> None:
    screened = SALT.copy()
    screened.info |= {"e_hull": 0.02, "energy_scale": "EMT"}
    found = evaluate([screened], metrics=["discovery"]).metrics["discovery"]
    assert found.values["stable"] == 0 and found.values["stable_within_100_mev"] == 1
    assert found.using["energies_by"] == "EMT"


def test_as_many_unique_ones_as_pymatgen_has_groups() -> None:
    crystals = []
    for k in range(8):
        moved = (SALT if k % 3 else CAESIUM) * (1, 1, 2)
        moved.rattle(0.3 * (k % 2), seed=k)
        crystals.append(moved)
    groups = StructureMatcher().group_structures([AseAtomsAdaptor.get_structure(atoms) for atoms in crystals])
    assert figures(crystals)["unique"] == len(groups) / 8
