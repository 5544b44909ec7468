"""SevenNet, where it is installed: forces that belong to the energies, elements refused; one line where it isn't."""

import pickle
from importlib import util

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress

from asegen.errors import AsegenError
from asegen.potentials import sevennet
from asegen.potentials.engine import find_engine

NAMES = ["sevennet", "7net-l3i5", "7net-mf-0"]


@pytest.mark.parametrize("name", NAMES)
def test_forces_and_stress_are_those_of_the_energy(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sevenn")
    engine = pickle.loads(pickle.dumps(find_engine(name)))
    atoms = bulk("NaCl", "rocksalt", a=5.5)
    atoms.rattle(0.05, seed=1)
    atoms.calc = engine.calculator()
    assert atoms.get_forces() == pytest.approx(calculate_numerical_forces(atoms, eps=0.01), abs=5e-3)
    assert atoms.get_stress() == pytest.approx(calculate_numerical_stress(atoms, eps=1e-3), abs=5e-4)
    turned = atoms * (1, 1, 2)
    turned.rotate(40, (1, 2, 3), rotate_cell=True)
    turned.calc = engine.calculator()
    assert turned.get_potential_energy() / 4 == pytest.approx(atoms.get_potential_energy() / 2, abs=1e-4)
    assert np.isfinite(atoms.get_potential_energy()) and capfd.readouterr().out == ""


def test_models_have_identities_and_scales_of_their_own() -> None:
    pytest.importorskip("sevenn")
    engines = [find_engine(name) for name in NAMES]
    assert len({engine.identity for engine in engines}) == len({engine.energy_scale for engine in engines}) == 3
    assert find_engine("7net-0").identity == engines[0].identity
    assert str(engines[0].refusal(bulk("Po", "sc", a=3.3))) == "unknown element: sevennet does not know Po"


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    sevennet._weights_hash.cache_clear()
    monkeypatch.setattr(util, "find_spec", lambda *_: None)
    with pytest.raises(AsegenError, match=r"^sevenn is not installed: pip install asegen\[sevennet\]$"):
        find_engine("sevennet")
