"""The door between Atoms, files and Crystals."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.io import write
from hypothesis import given, settings
from hypothesis import strategies as st

from asegen.structures.atoms import (
    StructureError,
    atoms_from_crystals,
    crystals_from_atoms,
    read_structures,
)

NACL, RUTILE = bulk("NaCl", "rocksalt", a=5.64), bulk("TiO", "rocksalt", a=4.2)


@given(sizes=st.lists(st.integers(1, 7), max_size=5), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_there_and_back(sizes, seed):
    random = np.random.default_rng(seed)
    structures = [
        Atoms(
            random.integers(1, 100, n),
            scaled_positions=random.random((n, 3)),
            cell=random.uniform(-4, 4, (3, 3)) + 9 * np.eye(3),
            pbc=True,
        )
        for n in sizes
    ]
    crystals = crystals_from_atoms(structures)
    assert crystals.dtype == torch.float64 and len(crystals) == len(sizes)
    for before, after in zip(structures, atoms_from_crystals(crystals), strict=True):
        assert before.numbers.tolist() == after.numbers.tolist() and after.pbc.all()
        np.testing.assert_array_equal(before.cell, after.cell)
        np.testing.assert_allclose(before.positions, after.positions, atol=1e-9)


def test_positions_are_wrapped_and_handedness_is_kept():
    atoms = Atoms("H", [[-0.5, 3.5, 0]], cell=[[0, 3, 0], [3, 0, 0], [0, 0, 3]], pbc=True)
    crystals = crystals_from_atoms([atoms])
    assert (crystals.scaled_positions >= 0).all() and (crystals.scaled_positions < 1).all()
    assert torch.linalg.det(crystals.cell)[0] < 0


def test_infos_are_copied():
    info = {"seed": 1}
    crystals = crystals_from_atoms([NACL, RUTILE]).to(dtype=torch.float32)
    atoms = atoms_from_crystals(crystals, [info, {"seed": 2}])
    assert [a.info["seed"] for a in atoms] == [1, 2] and atoms[0].info is not info
    assert atoms[0].positions.dtype == np.float64
    with pytest.raises(ValueError):
        atoms_from_crystals(crystals, [info])


def test_read_structures_gives_every_frame(tmp_path):
    write(tmp_path / "a.extxyz", [NACL, RUTILE])
    with open(tmp_path / "a.extxyz", "a") as file:
        file.write("5\ntruncated\n")
    read = list(read_structures(tmp_path / "a.extxyz"))
    assert [s.row for s in read] == [0, 1, 2]
    assert read[1].atoms.get_chemical_formula() == "OTi"
    assert isinstance(read[2].atoms, StructureError)
