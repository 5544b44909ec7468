"""Reduced cells against spglib and ASE, on random, symmetric, noisy and needle lattices."""

import math

import ase.build
import numpy as np
import pytest
import spglib
import torch
from ase.geometry import minkowski_reduce as ase_minkowski_reduce
from hypothesis import given
from hypothesis import strategies as st

from asegen.errors import InputError
from asegen.geometry.lattice import cell_to_parameters
from asegen.geometry.niggli import check_cells, minkowski_reduce, niggli_reduce

SEEDS = st.integers(0, 2**31 - 1)
LATTICES = {
    "cubic": np.eye(3),
    "face-centred": np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]),
    "body-centred": np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]),
    "hexagonal": np.array([[1, 0, 0], [-0.5, math.sqrt(0.75), 0], [0, 0, 1.6]]),
    "hexagonal, c = a": np.array([[1, 0, 0], [-0.5, math.sqrt(0.75), 0], [0, 0, 1]]),
    "rhombohedral": np.array([[1, 0.2, 0.2], [0.2, 1, 0.2], [0.2, 0.2, 1]]),
    "tetragonal, body-centred": np.array([[1, 0, 0], [0, 1, 0], [0.5, 0.5, 0.7]]),
    "orthorhombic, face-centred": np.array([[0, 1, 1.3], [0.7, 0, 1.3], [0.7, 1, 0]]),
    "orthorhombic, base-centred": np.array([[0.5, 0.8, 0], [-0.5, 0.8, 0], [0, 0, 1.1]]),
    "monoclinic": np.array([[1, 0, 0], [0, 1.2, 0], [-0.4, 0, 0.9]]),
}


def unimodular(rng: np.random.Generator, steps: int = 6) -> np.ndarray:
    m = np.eye(3, dtype=np.int64)
    for _ in range(steps):
        i, j = rng.choice(3, 2, replace=False)
        m[i] += rng.integers(-2, 3) * m[j]
    return m


def other_cells(rng: np.random.Generator, lattice: np.ndarray, n: int = 8) -> torch.Tensor:
    """Other cells, orientations and handedness of the same lattice."""
    rotations = [np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(n)]
    return torch.tensor(np.array([unimodular(rng) @ lattice @ q for q in rotations]))


def assert_unimodular(transform: torch.Tensor) -> None:
    assert transform.dtype == torch.int64
    det = (transform[:, 0] * torch.linalg.cross(transform[:, 1], transform[:, 2])).sum(-1)
    assert bool((det == 1).all())


@pytest.mark.parametrize("name", LATTICES)
def test_symmetric_lattices_have_one_niggli_cell(name: str) -> None:
    rng = np.random.default_rng(7)
    cells = other_cells(rng, LATTICES[name] * 4.2, n=40)
    reduced, transform = niggli_reduce(cells)
    assert_unimodular(transform)
    torch.testing.assert_close(reduced, transform.to(torch.float64) @ cells, rtol=0, atol=0)
    parameters = cell_to_parameters(reduced)
    torch.testing.assert_close(parameters, parameters[:1].expand_as(parameters), rtol=1e-6, atol=1e-5)
    expected = spglib.niggli_reduce(LATTICES[name] * 4.2)
    torch.testing.assert_close(parameters[0], cell_to_parameters(torch.tensor(expected)), rtol=1e-6, atol=1e-5)


@given(SEEDS)
def test_random_cells_agree_with_spglib_and_ase(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = rng.normal(size=(6, 3, 3)) * rng.uniform(0.5, 15)
    reduced, transform = niggli_reduce(torch.tensor(cells))
    assert_unimodular(transform)
    for cell, ours in zip(cells, cell_to_parameters(reduced), strict=True):
        right_handed = cell * np.sign(np.linalg.det(cell))
        theirs = cell_to_parameters(torch.tensor(spglib.niggli_reduce(right_handed)))
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)
        atoms = ase.Atoms(cell=right_handed, pbc=True)
        ase.build.niggli_reduce(atoms)
        torch.testing.assert_close(ours, torch.tensor(atoms.cell.cellpar()), rtol=1e-5, atol=1e-4)


@given(SEEDS)
def test_niggli_cell_is_canonical(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = other_cells(rng, rng.normal(size=(3, 3)) * 5)
    reduced, _ = niggli_reduce(cells)
    torch.testing.assert_close(torch.linalg.det(reduced), torch.linalg.det(cells), rtol=1e-8, atol=1e-8)
    parameters = cell_to_parameters(reduced)
    torch.testing.assert_close(parameters, parameters[:1].expand_as(parameters), rtol=1e-6, atol=1e-5)
    again, transform = niggli_reduce(reduced)
    assert torch.equal(transform, torch.eye(3, dtype=torch.int64).expand_as(transform))
    assert torch.equal(again, reduced)


@pytest.mark.parametrize("noise", [1e-8, 1e-6, 3e-6, 1e-5, 3e-5, 1e-4])
def test_noise_as_large_as_the_tolerance_comes_to_an_end(noise: float) -> None:
    rng = np.random.default_rng(0)
    lattices = [lattice + noise * rng.normal(size=(3, 3)) for lattice in LATTICES.values() for _ in range(20)]
    cells = torch.cat([other_cells(rng, lattice, n=2) for lattice in lattices])
    reduced, transform = niggli_reduce(cells)
    assert_unimodular(transform)
    lengths = torch.linalg.vector_norm(reduced, dim=-1)
    shortest = torch.linalg.vector_norm(minkowski_reduce(cells)[0], dim=-1)
    torch.testing.assert_close(lengths.sort(-1)[0], shortest.sort(-1)[0], rtol=1e-4, atol=0)


@given(SEEDS)
def test_minkowski_lengths_are_ase_s(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = np.concatenate([other_cells(rng, rng.normal(size=(3, 3)) * 5, n=3), rng.normal(size=(3, 3, 3))])
    reduced, transform = minkowski_reduce(torch.tensor(cells))
    assert_unimodular(transform)
    lengths = torch.linalg.vector_norm(reduced, dim=-1)
    for cell, ours in zip(cells, lengths, strict=True):
        theirs = np.linalg.norm(ase_minkowski_reduce(cell)[0], axis=1)
        np.testing.assert_allclose(ours, np.sort(theirs), rtol=1e-4)


@pytest.mark.parametrize("shear", [1e3, 1e5])
def test_needle_cells(shear: float) -> None:
    lattice = torch.tensor([[0.5, 0, 0], [0, 0.7, 0], [0.1, 0.2, 900.0]], dtype=torch.float64)
    skew = torch.tensor([[1, 0, 0], [shear, 1, 0], [-3 * shear, 7, 1]], dtype=torch.float64)
    for reduce in (minkowski_reduce, niggli_reduce):
        reduced, transform = reduce((skew @ lattice)[None])
        assert_unimodular(transform)
        lengths = torch.linalg.vector_norm(reduced[0], dim=-1)
        torch.testing.assert_close(lengths, torch.linalg.vector_norm(lattice, dim=-1), rtol=1e-4, atol=1e-6)


def test_float32_and_an_empty_batch() -> None:
    cells = torch.tensor(unimodular(np.random.default_rng(1)) @ LATTICES["face-centred"] * 3.0)[None]
    reduced, _ = niggli_reduce(cells.to(torch.float32))
    assert reduced.dtype == torch.float32
    torch.testing.assert_close(reduced.to(torch.float64), niggli_reduce(cells)[0], rtol=1e-6, atol=1e-5)
    assert niggli_reduce(torch.zeros(0, 3, 3))[0].shape == (0, 3, 3)


@pytest.mark.parametrize(
    "bad", [[[1.0, 0, 0], [0, 1, 0], [1, 1, 0]], [[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[0] * 3] * 3, [[math.nan] * 3] * 3]
)
def test_singular_and_non_finite_cells_are_refused(bad: list[list[float]]) -> None:
    cells = torch.stack([torch.eye(3), torch.tensor(bad, dtype=torch.float32)])
    for function in (check_cells, minkowski_reduce, niggli_reduce):
        with pytest.raises(InputError, match="cell 1 of the batch"):
            function(cells)
