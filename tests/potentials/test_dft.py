"""A real DFT engine on two candidates of a screening: it and the learned calculator have to agree on their order."""

import numpy as np
import pytest
from ase.build import bulk

from asegen.potentials.engine import find_engine
from asegen.potentials.minimise import minimise


@pytest.mark.slow
def test_gpaw_puts_rock_salt_below_caesium_chloride() -> None:
    pytest.importorskip("gpaw")
    pytest.importorskip("chgnet")
    learned, dft = find_engine("chgnet"), find_engine("gpaw")
    assert learned.energy_scale != dft.energy_scale  # their totals don't mix; differences of polymorphs compare
    energies = []
    for name, a in (("rocksalt", 5.6), ("cesiumchloride", 3.45)):
        end = minimise(bulk("NaCl", name, a=a), learned.calculator())
        crystal = end.atoms.copy()
        crystal.calc = dft.calculator()
        energies.append((end.energy, crystal.get_potential_energy() / len(crystal)))
        assert np.abs(crystal.get_stress()).max() < 0.02  # eV/Å³: near the minimum of DFT, too
    by_chgnet, by_dft = np.diff(np.array(energies), axis=0)[0]
    assert by_chgnet > 0.05 and by_dft > 0.05
    assert by_dft == pytest.approx(by_chgnet, abs=0.06)
