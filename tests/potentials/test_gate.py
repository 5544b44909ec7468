"""The gate lets real crystals in, and keeps out what no later stage could bear."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.potentials.gate import CUTOFF, UNSUPPORTED_KINDS, gate
from asegen.structures.atoms import read_structures


def test_real_crystals_come_in(shared_data: Path) -> None:
    for structure in islice(read_structures(shared_data / "mp" / "test.csv.gz"), 300):
        assert gate(structure.atoms) is None, structure.id


@given(
    lengths=st.tuples(*[st.floats(2.2, 9.5)] * 3),
    shear=st.floats(-2, 2),
    positions=st.lists(st.tuples(*[st.floats(-1, 2)] * 3), min_size=1, max_size=3),
)
def test_an_isolated_atom_is_what_pymatgen_finds_no_neighbour_of(lengths, shear, positions) -> None:
    cell = np.diag(lengths)
    cell[1, 0] = shear
    atoms = Atoms(["Xe"] * len(positions), scaled_positions=positions, cell=cell, pbc=True)
    reason = gate(atoms)
    if reason is not None and reason.kind not in UNSUPPORTED_KINDS:
        return
    centers, *_ = AseAtomsAdaptor.get_structure(atoms).get_neighbor_list(CUTOFF)
    alone = sorted(set(range(len(atoms))) - set(centers.tolist()))
    assert bool(alone) == (reason is not None)
    if alone:
        assert str(reason).startswith(f"isolated atom: Xe{alone[0]} ")


def test_what_costs_gigabytes_is_kept_out() -> None:
    dense = Atoms("H4", scaled_positions=np.eye(4, 3) * 0.5, cell=[1.58] * 3, pbc=True)
    assert gate(dense).kind in ("too dense", "bad volume")
    assert gate(bulk("C")) is None


@pytest.mark.parametrize("length", [5.9, 6.1])
def test_the_cutoff_counts_an_atoms_own_images(length: float) -> None:
    reason = gate(Atoms("Cs", cell=[length] * 3, pbc=True))
    assert reason is None if length < CUTOFF else reason.kind == "isolated atom"
