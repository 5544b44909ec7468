"""Space groups of candidates by spglib, and cells that have them exactly."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal

from asegen.structures.space_groups import refined, space_group, space_group_number

PEROVSKITE = crystal(
    ["Sr", "Ti", "O"], [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)], spacegroup=221, cellpar=[3.9] * 3 + [90] * 3
)


@pytest.mark.parametrize(
    ("atoms", "group"),
    [
        (bulk("NaCl", "rocksalt", a=5.6), "Fm-3m (225)"),
        (bulk("ZnS", "wurtzite", a=3.8), "P6_3mc (186)"),
        (PEROVSKITE, "Pm-3m (221)"),
    ],
)
def test_a_noisy_supercell_becomes_the_exact_primitive_cell(atoms, group: str) -> None:
    noisy = atoms.repeat((1, 2, 1))
    noisy.rattle(0.02, seed=1)
    assert space_group(noisy, 1e-3) == "P1 (1)"
    exact = refined(noisy, 0.15)
    assert space_group(exact, 1e-5) == group and len(exact) == len(atoms)
    assert exact.get_volume() == pytest.approx(atoms.get_volume(), rel=0.02)
    assert exact.get_chemical_formula(empirical=True) == atoms.get_chemical_formula(empirical=True)


def test_a_tolerance_that_would_merge_atoms_changes_nothing() -> None:
    close = bulk("Cu", cubic=True)
    close.positions[1] = close.positions[0] + [0.7, 0, 0]
    found = refined(close, 1.0)
    assert found is None or np.isclose(len(found) / found.get_volume(), len(close) / close.get_volume(), rtol=0.05)


def test_spglib_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """Its library has no exact positions for this one, tries again, and used to say so on stderr."""
    positions = [[0.729, 0.755, 0.222], [0.459, 0.978, 0.243], [0.735, 0.766, 0.272]]
    atoms = Atoms("HHeH", scaled_positions=positions, cell=[2.151, 3.807, 5.958], pbc=True)
    space_group_number(atoms, 0.3)
    assert capfd.readouterr().err == ""
