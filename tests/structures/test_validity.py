"""Niggli cells, shortest distances and the validity gate, against spglib, pymatgen and brute force."""

import itertools
import time

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, graphene, mx2
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.structures import validity
from asegen.structures.atoms import read_structures
from asegen.structures.validity import check_atoms, niggli_reduce, shortest_distance

ANGLES = st.floats(35, 145)


@st.composite
def crystals(draw) -> Atoms:
    """Random cells, some left-handed, some with a long diagonal added to a vector, of 1 to 6 atoms."""
    lengths = [draw(st.floats(2.5, 12)) for _ in range(3)]
    angles = [draw(ANGLES) for _ in range(3)]
    cosines = np.cos(np.radians(angles))
    assume(1 - (cosines**2).sum() + 2 * cosines.prod() > 0.05)
    cell = Lattice.from_parameters(*lengths, *angles).matrix.copy()
    cell[2] += draw(st.integers(-4, 4)) * cell[0] + draw(st.integers(-4, 4)) * cell[1]
    cell[1] += draw(st.integers(-4, 4)) * cell[0]
    if draw(st.booleans()):
        cell[[0, 1]] = cell[[1, 0]]
    seed = draw(st.integers(0, 2**32 - 1))
    positions = np.random.default_rng(seed).random((draw(st.integers(1, 6)), 3))
    return Atoms(["Si"] * len(positions), scaled_positions=positions, cell=cell, pbc=True)


def brute_shortest(atoms: Atoms, reach: int = 2) -> float:
    """Over all images of a cell reduced by another library (LLL, pymatgen)."""
    lattice = Lattice(atoms.cell.array).get_lll_reduced_lattice()
    x = lattice.get_fractional_coords(atoms.positions)
    x = x - np.floor(x)
    best = np.inf
    for shift in itertools.product(range(-reach, reach + 1), repeat=3):
        d = np.linalg.norm((x[None] - x[:, None] + shift) @ lattice.matrix, axis=-1)
        if shift == (0, 0, 0):
            np.fill_diagonal(d, np.inf)
        best = min(best, d.min())
    return float(best)


@given(crystals())
@settings(max_examples=60, deadline=None)
def test_shortest_distance_is_that_of_brute_force(atoms):
    assert shortest_distance(atoms) == pytest.approx(brute_shortest(atoms), abs=1e-6)


@given(crystals())
@settings(max_examples=60, deadline=None)
def test_niggli_cell_is_pymatgens_and_right_handed(atoms):
    cell, positions = niggli_reduce(atoms.cell.array, atoms.get_scaled_positions(wrap=False))
    assert np.linalg.det(cell) == pytest.approx(atoms.cell.volume)
    assert (positions >= 0).all() and (positions < 1).all()
    expected = Lattice(atoms.cell.array).get_niggli_reduced_lattice()
    np.testing.assert_allclose(np.sort(Lattice(cell).abc), np.sort(expected.abc), rtol=1e-4)


@given(crystals())
@settings(max_examples=30, deadline=None)
def test_niggli_moves_no_atom(atoms):
    """Every atom of the reduced cell is at an atom of the crystal, in the same Cartesian frame."""
    cell, positions = niggli_reduce(atoms.cell.array, atoms.get_scaled_positions())
    difference = np.linalg.solve(atoms.cell.array.T, (positions @ cell - atoms.positions).T)
    np.testing.assert_allclose(difference, np.rint(difference), atol=1e-6)


def test_niggli_keeps_the_structure_for_structure_matcher():
    quartz = Atoms(
        "Si3O6",
        scaled_positions=[
            *[[0.47, 0, 0], [0, 0.47, 2 / 3], [0.53, 0.53, 1 / 3]],
            *[[0.41, 0.27, 0.12], [0.73, 0.14, 0.787], [0.86, 0.59, 0.453]],
            *[[0.27, 0.41, 0.88], [0.14, 0.73, 0.213], [0.59, 0.86, 0.547]],
        ],
        cell=[4.91, 4.91, 5.40, 90, 90, 120],
        pbc=True,
    )
    skewed = quartz.copy()
    skewed.set_cell(np.array([[1, 0, 0], [3, 1, 0], [-2, 5, -1]]) @ quartz.cell.array)
    cell, positions = niggli_reduce(skewed.cell.array, skewed.get_scaled_positions())
    reduced = Atoms(skewed.numbers, scaled_positions=positions, cell=cell, pbc=True)
    to_structure = AseAtomsAdaptor.get_structure
    matcher = StructureMatcher(scale=False, primitive_cell=False)
    assert matcher.get_rms_dist(to_structure(quartz), to_structure(reduced))[0] < 1e-6


@pytest.mark.parametrize("cell", [np.full((3, 3), np.nan), np.zeros((3, 3)), np.ones((3, 3))])
def test_niggli_refuses_what_would_crash(cell):
    with pytest.raises(ValueError):
        niggli_reduce(cell, np.zeros((1, 3)))


def layer(atoms: Atoms) -> Atoms:
    atoms.pbc = True
    return atoms


GOOD = bulk("NaCl", "rocksalt", a=5.64)


@pytest.mark.parametrize(
    "atoms",
    [
        GOOD,
        bulk("C", "diamond", a=3.567),
        bulk("Os", "hcp", a=2.73, c=4.32),
        bulk("Xe", "fcc", a=6.2),
        fcc111("Al", (1, 1, 4), a=4.05, vacuum=7.5, periodic=True),
        layer(graphene(vacuum=7.5)),
        layer(mx2("MoS2", vacuum=10)),
    ],
)
def test_real_crystals_pass(atoms):
    assert check_atoms(atoms) is None
    left = atoms.copy()
    left.set_cell(atoms.cell.array[[1, 0, 2]], scale_atoms=True)
    assert np.linalg.det(left.cell.array) < 0 and check_atoms(left) is None


def changed(**fields: object) -> Atoms:
    atoms = GOOD.copy()
    for name, value in fields.items():
        if name == "cell":
            atoms.set_cell(value, scale_atoms=True)
        else:
            setattr(atoms, name, value)
    return atoms


@pytest.mark.parametrize(
    ("atoms", "kind"),
    [
        (Atoms(cell=[3, 3, 3], pbc=True), "no atoms"),
        (changed(pbc=False), "not periodic"),
        (changed(pbc=[True, True, False]), "not periodic"),
        (changed(positions=[[0, 0, 0], [0, 0, np.nan]]), "non-finite"),
        (changed(positions=[[0, 0, 0], [0, 0, np.inf]]), "non-finite"),
        (changed(numbers=[11, 0]), "unknown element"),
        (changed(numbers=[11, 119]), "unknown element"),
        (changed(numbers=[11, -1]), "unknown element"),
        (Atoms("Si", cell=np.zeros((3, 3)), pbc=True), "bad cell"),
        (Atoms("Si", cell=[[3, 0, 0], [3, 0, 0], [0, 0, 3]], pbc=True), "bad cell"),
        (Atoms("Si", cell=[30, 30, 30, 0.02, 0.02, 0.02], pbc=True), "bad cell"),
        (Atoms("Si", cell=[0.8, 0.8, 0.8], pbc=True), "bad volume"),
        (Atoms("Si", cell=[40, 40, 40], pbc=True), "bad volume"),
        (Atoms("Os", cell=[2, 2, 2], pbc=True), "bad density"),
        (Atoms("H8", [[i, 0, 0] for i in range(8)], cell=[80, 1.2, 1.2], pbc=True), "needle cell"),
        (Atoms("Si", cell=[0.45, 5, 20], pbc=True), "overlapping atoms"),
        (changed(positions=[[0, 0, 0], [0.1, 0.1, 0.1]]), "overlapping atoms"),
        (changed(positions=[[0, 0, 0], [0, 0, 1e17]]), "lost digits"),
        (changed(positions=[[0, 0, 0], [0, -1e9, 0]]), "lost digits"),
        (Atoms("Cu", cell=[2.6, 15, 15], pbc=True), "bad volume"),  # a wire
        (Atoms("K", cell=[4.2, 10, 10.4], pbc=True), "bad volume"),
        (bulk("Cu", a=13.4), "bad volume"),  # 0.17 g/cm³
        (Atoms("H2", [[0, 0, 0], [0.74, 0, 0]], cell=[7.4] * 3, pbc=True), "bad volume"),  # a molecule in a box
        (changed(positions=[[0, 0, 0], GOOD.cell.array.sum(0) * 0.99]), "overlapping atoms"),
    ],
)
def test_the_gate_names_the_fault(atoms, kind):
    reason = check_atoms(atoms)
    assert reason is not None and reason.kind == kind and reason.detail and "\n" not in reason.detail


def test_nan_cell_is_rejected_before_native_code():
    atoms = GOOD.copy()
    atoms.cell[0, 0] = np.nan
    assert check_atoms(atoms).kind == "non-finite"


@given(crystals(), st.integers(0, 2**32 - 1), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_a_tree_finds_the_pair_that_all_pairs_give(atoms, seed, n):
    cell, _ = niggli_reduce(atoms.cell.array, atoms.get_scaled_positions())
    x = np.random.default_rng(seed).random((n + 1, 3))
    whole = validity._nearest_pair(cell, x)
    tree = min((np.linalg.norm(cell, axis=1).min(), 0, 0), validity._nearest_in_tree(cell, x), key=lambda pair: pair[0])
    assert tree[0] == pytest.approx(whole[0], abs=1e-9)
    assert sorted(tree[1:]) == sorted(whole[1:])


@pytest.mark.parametrize("positions", [np.zeros((10_000, 3)), np.random.default_rng(0).random((10_000, 3)) * 1e-9])
def test_thousands_of_atoms_on_one_place_are_found_at_once(positions):
    atoms = Atoms(np.full(10_000, 29), positions=positions, cell=[50] * 3, pbc=True)
    began = time.process_time()
    assert check_atoms(atoms).kind == "overlapping atoms"
    assert time.process_time() - began < 10


def test_thirty_thousand_atoms_take_seconds():
    began = time.process_time()
    assert check_atoms(bulk("Cu", cubic=True) * (20, 20, 20)) is None
    assert time.process_time() - began < 10


def test_large_cells_take_little_memory():
    atoms = bulk("Cu", cubic=True).repeat((8, 8, 8))
    assert shortest_distance(atoms) == pytest.approx(3.61 / np.sqrt(2))


@pytest.mark.slow
def test_real_crystals_are_not_called_empty(shared_data):
    """Of the crystals of the training set six in 17,629 are: wires, and molecules in boxes."""
    found = [(s.id, check_atoms(s.atoms)) for s in read_structures(shared_data / "mp" / "train.csv.gz")]
    refused = [name for name, reason in found if reason is not None and reason.kind == "bad volume"]
    assert sorted(refused) == ["mp-1056027", "mp-1056079", "mp-1104326", "mp-1179832", "mp-1182772", "mp-995393"]
