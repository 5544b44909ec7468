"""CHGNet's features and energies against CHGNet called directly, and against the data's formation energies."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.errors import InputError
from asegen.metrics import evaluate
from asegen.metrics.chgnet import ChgnetEmbedder
from asegen.metrics.inputs import Inputs
from asegen.potentials.chgnet import features
from asegen.structures.atoms import read_structures

pytest.importorskip("chgnet")
SALT = bulk("NaCl", "rocksalt", a=5.64)


def test_features_are_chgnet_s_per_atom_and_know_no_cell() -> None:
    from chgnet.model import CHGNet

    found = CHGNet.load(use_device="cpu", verbose=False).predict_structure(
        AseAtomsAdaptor.get_structure(SALT), task="e", return_crystal_feas=True
    )
    row = features(SALT)
    assert row[0] == pytest.approx(float(found["e"]), abs=1e-5)
    assert row[1:] == pytest.approx(found["crystal_fea"] / 2, abs=1e-5)
    larger = SALT * (1, 2, 1)
    larger.rotate(40, (1, 2, 3), rotate_cell=True)
    assert features(larger) == pytest.approx(row, abs=1e-4)


def test_alone_in_a_large_cell_is_no_crystal() -> None:
    with pytest.raises(InputError, match="isolated"):
        features(Atoms("Na", cell=[9] * 3, pbc=True))


@pytest.mark.slow
def test_identical_sets_and_what_chgnet_does_not_know() -> None:
    crystals = [SALT, bulk("Cu"), bulk("Si"), bulk("Al"), bulk("MgO", "rocksalt", a=4.21)]
    odd = Atoms("Og", cell=np.eye(3) * 4, pbc=True)
    found = evaluate([*crystals[::-1], odd], crystals, metrics=["fd-chgnet", "energy"], energy="chgnet").metrics
    assert found["fd-chgnet"].values["distance"] == pytest.approx(0, abs=1e-6)
    assert found["fd-chgnet"].counts == {"generated": 5, "reference": 5, "unknown_to_network": 1}
    assert found["energy"].values["emd"] == pytest.approx(0, abs=1e-6)
    assert found["energy"].using == found["fd-chgnet"].using and len(found["energy"].using["sha256"]) == 64


@pytest.mark.slow
def test_formation_energies_are_the_data_s(shared_data: Path) -> None:
    rows = [row for row in islice(read_structures(shared_data / "mp" / "val.csv.gz"), 150)]
    found = ChgnetEmbedder().rows([row.atoms for row in rows if isinstance(row.atoms, Atoms)], Inputs(()), "")[:, 0]
    expected = [float(str(row.values["formation_energy_per_atom"])) for row in rows]
    assert np.abs(found - expected).mean() < 0.04 and np.abs(np.mean(found - expected)) < 0.01
