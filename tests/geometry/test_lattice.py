"""Lattices against ASE, scipy and autograd."""

import numpy as np
import pytest
import scipy.linalg
import torch
from ase.geometry import cell_to_cellpar
from hypothesis import given
from hypothesis import strategies as st

from asegen.geometry.lattice import (
    cell_to_log_coordinates,
    cell_to_parameters,
    lie_basis,
    log_coordinates_to_cell,
    symmetric_basis,
    symmetric_exp,
    symmetric_log,
)

SEEDS = st.integers(0, 2**31 - 1)


def random_cells(seed: int, n: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, 3, generator=generator, dtype=torch.float64) * 2 + 4 * torch.eye(3, dtype=torch.float64)


def symmetric(seed: int) -> torch.Tensor:
    m = random_cells(seed) / 3
    return (m + m.mT) / 2


def rotation(seed: int) -> torch.Tensor:
    q, _ = torch.linalg.qr(random_cells(seed, 1)[0])
    return q


def test_bases_are_orthonormal() -> None:
    like = torch.zeros(1, dtype=torch.float64)
    for basis in (symmetric_basis(like), lie_basis(like)):
        gram = torch.einsum("aij,bij->ab", basis, basis)
        torch.testing.assert_close(gram, torch.eye(len(basis), dtype=torch.float64))
    torch.testing.assert_close(symmetric_basis(like), symmetric_basis(like).mT)
    torch.testing.assert_close(lie_basis(like)[:3], -lie_basis(like)[:3].mT)


@given(SEEDS)
def test_parameters_are_ase_s(seed: int) -> None:
    cells = random_cells(seed)
    expected = np.array([cell_to_cellpar(c) for c in cells.numpy()])
    np.testing.assert_allclose(cell_to_parameters(cells).numpy(), expected, rtol=1e-8, atol=1e-7)


@given(SEEDS)
def test_exponential_and_logarithm_are_scipy_s(seed: int) -> None:
    s = symmetric(seed)
    exponential = symmetric_exp(s)
    np.testing.assert_allclose(exponential, [scipy.linalg.expm(m) for m in s.numpy()], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(symmetric_log(exponential), s, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("matrix", ["generic", "cubic", "tetragonal", "nearly equal"])
def test_gradients_at_equal_eigenvalues(matrix: str) -> None:
    eye = torch.eye(3, dtype=torch.float64)
    s = {
        "generic": symmetric(1)[0],
        "cubic": 0.7 * eye,
        "tetragonal": torch.diag(torch.tensor([0.5, 0.5, 1.0], dtype=torch.float64)),
        "nearly equal": torch.diag(torch.tensor([0.5, 0.5 + 1e-7, 0.5 - 1e-5], dtype=torch.float64)),
    }[matrix]
    exp = torch.linalg.matrix_exp(s)  # torch's own, differentiated without an eigendecomposition
    s.requires_grad_()
    assert torch.autograd.gradcheck(lambda m: symmetric_exp((m + m.mT) / 2), s)
    weight = torch.arange(9.0, dtype=torch.float64).view(3, 3)
    (ours,) = torch.autograd.grad((symmetric_exp((s + s.mT) / 2) * weight).sum(), s)
    (torchs,) = torch.autograd.grad((torch.linalg.matrix_exp((s + s.mT) / 2) * weight).sum(), s)
    torch.testing.assert_close(ours, torchs, rtol=1e-8, atol=1e-8)
    assert torch.autograd.gradcheck(lambda m: symmetric_log((m + m.mT) / 2), exp.requires_grad_())


@given(SEEDS)
def test_log_coordinates_know_the_metric_alone(seed: int) -> None:
    cells = random_cells(seed)
    coordinates = cell_to_log_coordinates(cells)
    torch.testing.assert_close(cell_to_log_coordinates(cells @ rotation(seed + 1)), coordinates, rtol=1e-7, atol=1e-7)
    canonical = log_coordinates_to_cell(coordinates)
    assert bool((torch.linalg.det(canonical) > 0).all())
    torch.testing.assert_close(canonical @ canonical.mT, cells @ cells.mT, rtol=1e-7, atol=1e-7)
    volume = torch.linalg.det(cells).abs()
    torch.testing.assert_close(coordinates[:, 5], volume.log() / 3**0.5, rtol=1e-7, atol=1e-7)
