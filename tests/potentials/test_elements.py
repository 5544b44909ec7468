"""Crystals of the elements: what they are, and their energies against ASE's equation of state."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.data import chemical_symbols
from ase.eos import EquationOfState
from ase.neighborlist import neighbor_list

from asegen.potentials.chgnet import ELEMENTS
from asegen.potentials.elements import crystal_energies, element_crystal
from asegen.potentials.engine import find_engine
from asegen.structures.validity import check_atoms


def test_elements_are_fit_crystals_of_themselves() -> None:
    known = {symbol: element_crystal(symbol) for symbol in chemical_symbols[1:95]}
    for symbol, atoms in known.items():
        if atoms is not None:
            assert set(atoms.symbols) == {symbol} and check_atoms(atoms) is None, symbol
    assert {s for s in ELEMENTS if known[s] is None} == {"Pm", "Np", "Pu"}
    assert len(known["Fe"].get_initial_magnetic_moments().nonzero()[0]) == 2  # for calculators that have spins


@pytest.mark.parametrize(("symbol", "volume"), [("S", 25.8), ("U", 20.7), ("Pa", 24.9), ("Sm", 33.2), ("La", 37.4)])
def test_volumes_per_atom_are_the_measured_ones(symbol: str, volume: float) -> None:
    """Å³, from the densities of the CRC Handbook: 2.07, 19.1, 15.4, 7.52 and 6.15 g/cm³."""
    atoms = element_crystal(symbol)
    assert atoms.cell.volume / len(atoms) == pytest.approx(volume, rel=0.02)


def test_sulphur_is_made_of_rings_of_eight() -> None:
    atoms = element_crystal("S")
    i, j, lengths = neighbor_list("ijd", atoms, 2.5)
    assert (np.bincount(i) == 2).all() and lengths == pytest.approx(2.04, abs=0.02)
    ring, last = [0], -1
    while len(ring) < 9:
        following = [k for k in j[i == ring[-1]] if k != last][0]
        last = ring[-1]
        ring.append(int(following))
    assert ring[8] == 0 and len(set(ring)) == 8


def test_energies_of_the_elements_are_those_of_relaxed_crystals() -> None:
    """Against ASE's equation of state."""
    found = crystal_energies(find_engine("emt"), ["Cu", "Np", "Au"])
    assert list(found) == ["Cu", "Au"]
    for symbol, a in (("Cu", 3.6), ("Au", 4.06)):
        volumes, energies = [], []
        for scale in (0.98, 0.99, 1.0, 1.01, 1.02):
            atoms = bulk(symbol, "fcc", a * scale)
            atoms.calc = EMT()
            volumes.append(atoms.get_volume())
            energies.append(atoms.get_potential_energy())
        assert found[symbol] == pytest.approx(EquationOfState(volumes, energies).fit()[1], abs=5e-4)
