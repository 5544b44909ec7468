"""COV against matminer called directly and cases by hand."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from pymatgen.core import Composition
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.metrics import evaluate
from asegen.metrics.coverage import covered, fingerprint
from asegen.metrics.inputs import Floats

SALT = bulk("NaCl", "rocksalt", a=5.64)


def rows(*pairs: tuple[float, float]) -> Floats:
    """Fingerprints whose structure and composition part each hold one number."""
    out = np.zeros((len(pairs), 61 + 132))
    out[:, 0], out[:, 61] = np.transpose(pairs)
    return out


def test_structure_and_composition_both_have_to_be_near() -> None:
    reference = rows((0, -1), (1, 1))  # compositions of mean 0 and deviation 1
    recall, precision = covered(rows((0.3, -1), (0.3, 15), (9, 1)), reference)
    assert precision.tolist() == [True, False, False]
    assert recall.tolist() == [True, False]
    # The second reference's structure is near the third's, its composition near the first's.
    recall, _ = covered(rows((0.3, -1), (1.2, 30)), reference)
    assert recall.tolist() == [True, True]
    recall, precision = covered(rows((0.3, -1), (0.3, 15), (9, 1)), reference, (0.2, 20))
    assert not precision.any() and not recall.any()


def test_fingerprints_are_matminer_s_and_know_no_cell() -> None:
    pytest.importorskip("matminer")
    from matminer.featurizers.composition import ElementProperty
    from matminer.featurizers.site import CrystalNNFingerprint
    from matminer.featurizers.structure import SiteStatsFingerprint

    row = fingerprint(SALT)
    site = SiteStatsFingerprint(CrystalNNFingerprint.from_preset("ops"), stats=("mean",))
    assert row[:61] == pytest.approx(np.array(site.featurize(AseAtomsAdaptor.get_structure(SALT))), abs=1e-8)
    assert row[61:] == pytest.approx(np.array(ElementProperty.from_preset("magpie").featurize(Composition("NaCl"))))
    larger = SALT * (1, 2, 1)
    larger.rotate(40, (1, 2, 3), rotate_cell=True)
    assert fingerprint(larger) == pytest.approx(row, abs=1e-4)


def test_identical_sets_broken_structures_and_the_cache(tmp_path: Path) -> None:
    pytest.importorskip("matminer")
    reference = [SALT, bulk("Cu"), bulk("Si"), bulk("MgO", "rocksalt", a=4.21)]
    for _ in range(2):
        found = evaluate(
            [*reversed(reference), Atoms()], reference, metrics=["coverage", "fd-crystalnn"], cache=tmp_path
        )
        assert found.metrics["coverage"].values == {"recall": 1, "precision": 0.8}
        assert found.metrics["fd-crystalnn"].values["distance"] == pytest.approx(0, abs=1e-6)
        assert found.metrics["coverage"].counts["without_fingerprint"] == 0


def test_nothing_generated_is_worth_a_fingerprint() -> None:
    pytest.importorskip("matminer")
    found = evaluate([Atoms()], [SALT], metrics=["coverage", "fd-crystalnn"]).metrics
    assert found["coverage"].values == {"recall": 0, "precision": 0}
    assert np.isnan(found["fd-crystalnn"].values["distance"]) and found["fd-crystalnn"].notes
