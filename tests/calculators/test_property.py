"""Predictions for Atoms, and the ASE calculator: forces and stress against ASE's finite differences."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell, molecule
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE

from asegen.calculators import PropertyCalculator
from asegen.calculators.property import predict
from asegen.crystals.crystals import Crystals
from asegen.errors import InputError
from asegen.properties.regression import Prediction
from asegen.structures.validity import primitive
from asegen.trained.predictor import load_predictor

Weights = dict[str, Path]
NAME = "formation_energy_per_atom"


def salt(rattle: float = 0.0) -> Atoms:
    atoms = bulk("NaCl", "rocksalt", a=5.6) * (2, 1, 1)
    atoms.rattle(rattle, seed=1)
    atoms.set_cell(atoms.cell.array + 0.1 * np.random.default_rng(0).normal(size=(3, 3)), scale_atoms=True)
    return atoms


def test_every_structure_gets_a_value_or_a_reason(property_weights: Weights) -> None:
    broken = bulk("Cu")
    broken.positions[0, 0] = np.nan
    structures = [bulk("Cu"), molecule("H2O"), broken, salt(), bulk("Au"), Atoms()]
    found = predict(structures, str(property_weights["alignn"]), "cpu")
    assert found == predict(structures, property_weights["alignn"], "cpu")  # a path as pathlib has it
    kinds = [result.status.partition(":")[0] for result in found]
    assert kinds == ["ok", "not periodic", "non-finite", "ok", "unknown element", "no atoms"]
    assert "Au" in found[4].status and not found[4].values
    assert set(found[0].values) == {NAME, f"{NAME}_std"}
    assert pickle.loads(pickle.dumps(found)) == found == copy.deepcopy(found)  # as worker processes and caches do


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MemoryError(), "out of memory: the cell is too large"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), "out of memory: DefaultCPUAllocator"),
        (InputError("a cell is singular"), "failed: InputError: a cell is singular"),
    ],
)
def test_a_structure_that_fails_costs_no_other_its_value(
    property_weights: Weights, monkeypatch: pytest.MonkeyPatch, error: Exception, status: str
) -> None:
    predictor = load_predictor(str(property_weights["alignn"]), "cpu")
    good = [bulk("Cu", a=a) for a in (3.5, 3.6, 3.7)]
    expected = predict(good, predictor)
    plain = predictor.predict

    def failing(crystals: Crystals) -> Prediction:
        if bool((crystals.n_atoms == 4).any()):
            raise error
        return plain(crystals)

    monkeypatch.setattr(predictor, "predict", failing)
    found = predict([good[0], bulk("Cu", cubic=True), good[1], good[2], bulk("Cu", a=3.8, cubic=True)], predictor)
    assert [result.status for result in (found[0], found[2], found[3])] == ["ok"] * 3
    for result, other in zip((found[0], found[2], found[3]), expected, strict=True):
        assert result.values == pytest.approx(other.values, rel=1e-4, abs=1e-5)
    assert all(result.status.startswith(status) and not result.values for result in (found[1], found[4]))


def test_one_crystal_needs_no_list(property_weights: Weights) -> None:
    model = str(property_weights["alignn"])
    assert predict(bulk("Cu"), model, "cpu") == predict([bulk("Cu")], model, "cpu")


def test_order_and_company_do_not_matter(property_weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    structures = [salt(), bulk("Cu"), bulk("NaCl", "rocksalt", a=5.7), bulk("Cu", a=3.7), salt(0.1)]
    whole = predict(structures, str(property_weights["alignn"]), "cpu")
    monkeypatch.setattr("asegen.calculators.property._BATCH", 2)
    for structure, expected in zip(structures, whole, strict=True):
        (alone,) = predict([structure], str(property_weights["alignn"]), "cpu")
        assert alone.values == pytest.approx(expected.values, rel=1e-4, abs=1e-5)
    again = predict(structures, str(property_weights["alignn"]), "cpu")
    assert [r.values[NAME] for r in again] == pytest.approx([r.values[NAME] for r in whole], rel=1e-4)


def test_ecn_reduces_to_the_primitive_cell(property_weights: Weights) -> None:
    one = bulk("NaCl", "rocksalt", a=5.6)
    large = make_supercell(one, [[1, 1, 0], [-1, 1, 0], [0, 1, 2]])
    assert len(primitive(large)) == 2
    values = [r.values[NAME] for r in predict([one, large], str(property_weights["ecn"]), "cpu")]
    assert values[0] == pytest.approx(values[1], abs=1e-5)


def test_classifier_gives_a_probability(property_weights: Weights) -> None:
    (found,) = predict([bulk("Cu")], str(property_weights["metal"]), "cpu")
    assert 0 < found.values["probability"] < 1 and found.values["probability_std"] >= 0


def test_a_loaded_predictor_will_do(property_weights: Weights) -> None:
    place = str(property_weights["alignn"])
    loaded, named = PropertyCalculator(load_predictor(place, "cpu")), PropertyCalculator(place, "cpu")
    assert loaded.get_potential_energy(bulk("Cu")) == named.get_potential_energy(bulk("Cu"))


def test_energy_is_that_of_all_atoms(property_weights: Weights) -> None:
    calculator = PropertyCalculator(str(property_weights["alignn"]), "cpu")
    energies = []
    for atoms in (bulk("Cu"), bulk("Cu") * (2, 1, 3)):
        atoms.calc = calculator
        (found,) = predict([atoms], str(property_weights["alignn"]), "cpu")
        assert atoms.get_potential_energy() == pytest.approx(len(atoms) * found.values[NAME], rel=1e-5)
        assert calculator.results["free_energy"] == calculator.results["energy"]
        assert calculator.results["energy_std"] == pytest.approx(len(atoms) * found.values[f"{NAME}_std"], rel=1e-4)
        energies.append(atoms.get_potential_energy())
    assert energies[1] == pytest.approx(6 * energies[0], rel=1e-5)
    assert calculator.implemented_properties == ["energy", "free_energy"]
    with pytest.raises(NotImplementedError):
        atoms.get_forces()


def test_forces_and_stress_are_gradients(property_weights: Weights) -> None:
    atoms = salt(0.1)
    atoms.calc = PropertyCalculator(str(property_weights["alignn"]), "cpu", forces=True)
    forces, stress = atoms.get_forces(), atoms.get_stress()
    np.testing.assert_allclose(forces, calculate_numerical_forces(atoms, 1e-4), atol=1e-5)
    np.testing.assert_allclose(stress, calculate_numerical_stress(atoms, 1e-5), atol=1e-6)
    assert np.abs(forces).max() > 1e-4 and np.abs(stress).max() > 1e-5
    np.testing.assert_allclose(forces.sum(0), 0, atol=1e-10)


def test_it_drives_ase_s_optimisers(property_weights: Weights) -> None:
    atoms = salt(0.1)
    atoms.calc = PropertyCalculator(str(property_weights["alignn"]), "cpu", forces=True)
    before = atoms.get_potential_energy()
    FIRE(FrechetCellFilter(atoms), logfile=None).run(fmax=0.001, steps=5)
    assert atoms.get_potential_energy() < before


def test_what_has_no_energy_is_refused(property_weights: Weights) -> None:
    for name in ("metal", "both"):
        with pytest.raises(InputError, match="no energy per atom"):
            PropertyCalculator(str(property_weights[name]), "cpu")
    with pytest.raises(InputError, match="reduces cells first"):
        PropertyCalculator(str(property_weights["ecn"]), "cpu", forces=True)
    atoms = bulk("Au")
    atoms.calc = PropertyCalculator(str(property_weights["alignn"]), "cpu")
    with pytest.raises(InputError, match="unknown element"):
        atoms.get_potential_energy()
