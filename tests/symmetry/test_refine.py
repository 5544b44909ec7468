"""Refinement: rattled crystals get their group back exactly, in each kind of cell."""

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk
from ase.constraints import FixAtoms
from ase.spacegroup import crystal
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.errors import InputError
from asegen.symmetry.refine import CELLS, refine

RUTILE = crystal(["Ti", "O"], [(0, 0, 0), (0.305, 0.305, 0)], spacegroup=136, cellpar=[4.594, 4.594, 2.959, 90, 90, 90])
QUARTZ = crystal(
    ["Si", "O"], [(0.4697, 0, 0), (0.4135, 0.2669, 0.1191)], spacegroup=152, cellpar=[4.916, 4.916, 5.405, 90, 90, 120]
)
BLENDE = bulk("ZnS", "zincblende", a=5.41, cubic=True)
BAUXITE = crystal(
    ["Al", "O"], [(0, 0, 0.352), (0.306, 0, 0.25)], spacegroup=167, cellpar=[4.76, 4.76, 12.99, 90, 90, 120]
)


def group_of(atoms: Atoms, symprec: float) -> int:
    return spglib.get_symmetry_dataset((atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers), symprec).number


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("atoms", "group"), [(RUTILE, 136), (QUARTZ, 152), (BLENDE, 216), (BAUXITE, 167)])
def test_rattled_crystals_get_their_group_back(atoms: Atoms, group: int, cell: str) -> None:
    rough = atoms.copy()
    rough.rattle(0.005, seed=3)
    rough.set_cell(rough.cell.array + 0.003 * np.random.default_rng(0).normal(size=(3, 3)), scale_atoms=True)
    assert group_of(rough, 1e-4) < group
    found = refine(rough, symprec=0.05, cell=cell)
    assert found.group == group == group_of(found.atoms, 1e-4 if cell == "as-is" else 1e-7)
    points = 1 if cell == "as-is" else len(atoms) // len(found.atoms)
    assert found.atoms.get_volume() * points == pytest.approx(atoms.get_volume(), rel=0.01)
    assert found.atoms.symbols.formula.reduce()[0] == atoms.symbols.formula.reduce()[0]
    if cell == "as-is":
        assert (found.atoms.numbers == rough.numbers).all()
        np.testing.assert_allclose(found.atoms.positions, rough.positions, atol=0.05)
    if cell == "conventional":
        assert len(found.atoms) == len(atoms)
        np.testing.assert_allclose(found.atoms.cell.cellpar(), atoms.cell.cellpar(), atol=0.05)


def test_constrained_atoms_are_refined_and_stay_constrained() -> None:
    rough = QUARTZ.copy()
    rough.rattle(0.005, seed=3)
    rough.set_constraint(FixAtoms([0, 4]))
    found = refine(rough, symprec=0.05, cell="as-is").atoms
    assert group_of(found, 1e-4) == 152
    assert found.constraints[0].index.tolist() == rough.constraints[0].index.tolist() == [0, 4]


def test_what_is_where_is_named() -> None:
    assert refine(RUTILE).wyckoff == "Ti:a O:f"
    assert refine(bulk("NaCl", "rocksalt", a=5.64)).wyckoff in ("Na:a Cl:b", "Cl:a Na:b")


def test_a_structure_of_pymatgen_is_refined_as_atoms_are() -> None:
    rough = RUTILE.copy()
    rough.rattle(0.01, seed=1)
    found = refine(AseAtomsAdaptor.get_structure(rough), symprec=0.1)
    assert found.group == group_of(found.atoms, 1e-5) == 136 and len(found.atoms) == 6


def test_bad_input() -> None:
    with pytest.raises(InputError, match="None is no structure"):
        refine(None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="symprec"):
        refine(RUTILE, symprec=0)
    with pytest.raises(InputError, match="cell"):
        refine(RUTILE, cell="niggli")
    with pytest.raises(InputError, match="overlapping"):
        refine(Atoms("H2", positions=np.zeros((2, 3)), cell=[3, 3, 3], pbc=True))
    broken = RUTILE.copy()
    broken.positions[0, 0] = np.nan
    with pytest.raises(InputError, match="non-finite"):
        refine(broken)
