"""Match rate, RMSE, METRe and cRMSE on cases that can be worked out by hand, and with pymatgen called directly."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.metrics import evaluate

SALT = bulk("NaCl", "rocksalt", a=5.64)
SILICON = bulk("Si")
MEASURE = ["match", "metre"]
VALID = "match_rate_valid_compositions"


def named(atoms: Atoms, name: str, shift: float = 0.0) -> Atoms:
    atoms = atoms.copy()
    atoms.positions[-1, 0] += shift
    atoms.info["material_id"] = name
    return atoms


def without(name: str, values: dict[str, float]) -> dict[str, float]:
    return {key: value for key, value in values.items() if key != name}


def pymatgen_rms(a: Atoms, b: Atoms) -> float:
    pair = (AseAtomsAdaptor.get_structure(atoms) for atoms in (a, b))
    found = StructureMatcher(stol=0.5, ltol=0.3, angle_tol=10).get_rms_dist(*pair)
    assert found is not None
    return found[0]


def test_identical_sets_in_other_cells_and_another_order() -> None:
    reference = [named(SALT, "a"), named(SILICON, "b")]
    rotated = SALT * (1, 2, 1)
    rotated.rotate(40, (1, 2, 3), rotate_cell=True)
    found = evaluate([named(SILICON, "b"), named(rotated, "a")], reference, metrics=MEASURE, jobs=2).metrics
    assert without(VALID, found["match"].values) == pytest.approx({"match_rate": 1, "rmse": 0}, abs=1e-5)
    assert found["metre"].values == pytest.approx({"metre": 1, "crmse": 0}, abs=1e-5)


def test_first_and_best_of_several() -> None:
    reference = [named(SALT, "a"), named(SILICON, "b"), named(bulk("Cu"), "c"), named(bulk("Al"), "d")]
    broken = named(SILICON, "b", np.nan)
    generated = [named(SALT, "a", 0.4), named(SALT, "a", 0.2), broken, named(SILICON, "b"), named(bulk("Cu"), "c")]
    found = evaluate(generated, reference, metrics=MEASURE).metrics
    far, near = pymatgen_rms(SALT, generated[0]), pymatgen_rms(SALT, generated[1])
    assert far > near > 0
    assert without(VALID, found["match"].values) == pytest.approx(
        {"match_rate": 0.5, "rmse": far / 2, "match_rate_best": 0.75, "rmse_best": near / 3}, abs=1e-6
    )
    assert found["match"].counts["references_without_structure"] == 1 and found["match"].notes
    assert found["metre"].values == pytest.approx({"metre": 0.75, "crmse": (near + 0.5) / 4}, abs=1e-6)


def test_the_wrong_polymorph_counts_for_everyone_but_not_for_its_id() -> None:
    caesium = bulk("NaCl", "cesiumchloride", a=3.5)
    reference = [named(SALT, "a"), named(caesium, "b")]
    swapped = [named(caesium, "a"), named(SALT, "b")]
    found = evaluate(swapped, reference, metrics=MEASURE).metrics
    assert found["match"].values["match_rate"] == 0 and np.isnan(found["match"].values["rmse"])
    assert found["metre"].values == pytest.approx({"metre": 1, "crmse": 0}, abs=1e-5)


def test_elements_in_any_order_are_one_formula() -> None:
    turned = Atoms("ClNa", positions=[[2.82, 0, 0], [0, 0, 0]], cell=SALT.cell, pbc=True)
    assert evaluate([turned], [SALT], metrics=["metre"]).metrics["metre"].values["metre"] == 1


def test_the_published_scripts_give_up_on_compositions_that_smact_refuses() -> None:
    pytest.importorskip("smact")
    odd = Atoms(
        "NaCl3", scaled_positions=[[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]], cell=[5] * 3, pbc=True
    )
    found = evaluate([odd, SALT], [odd, SALT], metrics=["match"]).metrics["match"].values
    assert found["match_rate"] == 1 and found[VALID] == 0.5
