"""Layers and molecules with a vacuum around them are told from crystals."""

import pytest
from ase import Atoms
from ase.build import bulk, fcc111, graphene, molecule, mx2

from asegen.structures.vacuum import vacuum, widest_gap


@pytest.mark.parametrize("crystal", [bulk("NaCl", "rocksalt", a=5.64), bulk("Cu") * (3, 1, 1), bulk("Mg")])
def test_crystals_have_none(crystal: Atoms) -> None:
    assert vacuum(crystal) is None


def test_gaps_are_those_between_planes() -> None:
    assert widest_gap(bulk("Po", "sc", a=3.35)) == pytest.approx(3.35)
    slab = fcc111("Cu", (1, 1, 4), a=3.6, periodic=True)
    slab.center(vacuum=6.0, axis=2)
    assert widest_gap(slab) == pytest.approx(12.0)
    slab.positions[:, 2] += 9.0  # now across the boundary, and in a sheared cell
    slab.cell[2] += 3 * slab.cell[0]
    assert widest_gap(slab) == pytest.approx(12.0)


def test_layers_and_molecules_are_named() -> None:
    layers = [graphene(vacuum=7.5), mx2("MoS2", vacuum=6.0), molecule("H2O", vacuum=5.0)]
    for layer in layers:
        layer.pbc = True
        gap = vacuum(layer)
        assert gap is not None and 9 < gap < 16
