"""Bonds by Voronoi faces and radii against pymatgen's IsayevNN; neighbours within a radius against ASE's."""

from collections import Counter

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from ase.spacegroup import crystal
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.crystals.graph import Edges, reverse_edges
from asegen.errors import InputError
from asegen.nn.bonds import bonded_graph, property_graph
from asegen.structures.atoms import crystals_from_atoms


def perovskite() -> Atoms:
    return crystal(
        ["Sr", "Ti", "O"], [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)], spacegroup=221, cellpar=[3.9] * 3 + [90] * 3
    )


def rutile() -> Atoms:
    return crystal(["Ti", "O"], [(0, 0, 0), (0.305, 0.305, 0)], spacegroup=136, cellpar=[4.59, 4.59, 2.96, 90, 90, 90])


def random_crystal(seed: int) -> Atoms:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 8))
    cell = np.eye(3) * (16 * n) ** (1 / 3) + rng.normal(size=(3, 3)) * 0.5
    numbers = rng.choice([3, 8, 9, 13, 26, 38, 55, 79], n)
    return Atoms(numbers, scaled_positions=rng.random((n, 3)), cell=cell, pbc=True)


def pairs(atoms: Atoms, edges: Edges) -> Counter:
    return Counter((int(i), int(j), *map(int, s)) for i, j, s in zip(edges.i, edges.j, edges.shift, strict=True))


def pymatgen_bonds(atoms: Atoms) -> Counter:
    from pymatgen.core.local_env import IsayevNN  # loads for a second

    structure = AseAtomsAdaptor.get_structure(atoms)
    found = IsayevNN(tol=0.5, cutoff=12.0, allow_pathological=True).get_all_nn_info(structure)
    return Counter(
        (i, int(n["site_index"]), *map(int, n["image"]))
        for i, near in enumerate(found)
        for n in near
        if n["poly_info"]["area"] > 1e-3
    )


@pytest.mark.parametrize(
    "atoms",
    [bulk("Cu"), bulk("Fe", cubic=True), bulk("Si"), bulk("CsCl", "cesiumchloride", a=4.12), perovskite(), rutile()],
    ids=lambda a: a.get_chemical_formula(),
)
def test_bonds_of_known_crystals(atoms: Atoms) -> None:
    assert pairs(atoms, bonded_graph(crystals_from_atoms([atoms]))) == pymatgen_bonds(atoms)


@given(st.integers(0, 10_000))
def test_bonds_of_random_crystals(seed: int) -> None:
    atoms = random_crystal(seed)
    crystals = crystals_from_atoms([atoms])
    atoms.set_scaled_positions(crystals.scaled_positions.numpy())
    assert pairs(atoms, bonded_graph(crystals)) == pymatgen_bonds(atoms)


def test_a_batch_is_its_crystals_side_by_side_and_every_edge_has_its_reverse() -> None:
    structures = [perovskite(), bulk("Cu"), random_crystal(3)]
    crystals = crystals_from_atoms(structures)
    edges = bonded_graph(crystals)
    reverse_edges(edges)
    start = 0
    for atoms in structures:
        alone = bonded_graph(crystals_from_atoms([atoms]))
        mine = (edges.i >= start) & (edges.i < start + len(atoms))
        assert torch.equal(edges.i[mine] - start, alone.i) and torch.equal(edges.shift[mine], alone.shift)
        start += len(atoms)


def test_an_atom_may_have_no_bond() -> None:
    sparse = Atoms("Ar", cell=[6, 6, 6], pbc=True)
    assert len(bonded_graph(crystals_from_atoms([sparse]))) == 0


def test_radius_graph_is_ase_s() -> None:
    atoms = random_crystal(5)
    crystals = crystals_from_atoms([atoms])
    atoms.set_scaled_positions(crystals.scaled_positions.numpy())
    i, j, shift = neighbor_list("ijS", atoms, 5.0)
    expected = Counter((int(a), int(b), *map(int, s)) for a, b, s in zip(i, j, shift, strict=True))
    assert pairs(atoms, property_graph(crystals, "radius", 5.0)) == expected


def test_unknown_graph() -> None:
    with pytest.raises(InputError, match="voronoi"):
        property_graph(crystals_from_atoms([bulk("Cu")]), "voronoi", 5.0)
