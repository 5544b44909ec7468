"""Lattices as points of a Lie group: parameters, bases of the Lie algebra, exact exponential and logarithm.

Rows of a cell are lattice vectors (Å). With `L` a cell, its metric tensor is `G = L Lᵀ`, which no rotation changes;
`k = ½ log G` is a symmetric matrix, and its six coordinates are the ones in which asegen's lattices move. The symmetric
square root `exp(k)` is the cell's canonical orientation: `L = exp(k) Q` with `Q` orthogonal.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from asegen.geometry.series import quadrature_log, series_exp


def symmetric_basis(like: Tensor | None = None) -> Tensor:
    """Orthonormal basis (Frobenius) of the symmetric 3×3 matrices, GemsDiff's order: shear, shape, volume.

    `(E_ab + E_ba)/√2` for ab = 12, 13, 23; `diag(1,−1,0)/√2`; `diag(1,1,−2)/√6`; `I/√3`.

    Args:
        like: a tensor whose dtype and device are taken; float32 on the CPU without it.

    Returns:
        (6, 3, 3), dimensionless.
    """
    return _exact_basis(False, like.device, like.dtype) if like is not None else _symmetric_basis()


def _symmetric_basis() -> Tensor:
    basis = torch.zeros(6, 3, 3)
    for row, (a, b) in enumerate([(0, 1), (0, 2), (1, 2)]):
        basis[row, a, b] = basis[row, b, a] = 1 / math.sqrt(2)
    basis[3] = torch.diag(torch.tensor([1.0, -1.0, 0.0])) / math.sqrt(2)
    basis[4] = torch.diag(torch.tensor([1.0, 1.0, -2.0])) / math.sqrt(6)
    basis[5] = torch.eye(3) / math.sqrt(3)
    return basis


def lie_basis(like: Tensor | None = None) -> Tensor:
    """Orthonormal basis of gl₃: the three rotations `(E_ab − E_ba)/√2`, then the six of `symmetric_basis`.

    Args:
        like: a tensor whose dtype and device are taken; float32 on the CPU without it.

    Returns:
        (9, 3, 3), dimensionless.
    """
    return _exact_basis(True, like.device, like.dtype) if like is not None else _lie_basis()


def _lie_basis() -> Tensor:
    rotations = torch.zeros(3, 3, 3)
    for row, (a, b) in enumerate([(0, 1), (0, 2), (1, 2)]):
        rotations[row, a, b], rotations[row, b, a] = 1 / math.sqrt(2), -1 / math.sqrt(2)
    return torch.cat([rotations, _symmetric_basis()])


@cache
def _exact_basis(with_rotations: bool, device: torch.device, dtype: torch.dtype) -> Tensor:
    # Built in float32: renormalised so that it is orthonormal to the precision of `dtype`.
    basis = (_lie_basis() if with_rotations else _symmetric_basis()).to(device, dtype)
    return basis / torch.linalg.matrix_norm(basis, keepdim=True)


class _SpectralFunction(torch.autograd.Function):
    """f of symmetric matrices through `eigh`, differentiated by divided differences (Daleckii and Krein).

    Autograd through `eigh` divides by differences of eigenvalues and gives NaN where two are equal, as they are in
    every cubic crystal; the divided differences below stay finite and exact.
    """

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, logarithm: bool) -> Tensor:
        values, vectors = torch.linalg.eigh(matrix)
        ctx.logarithm = logarithm
        ctx.save_for_backward(values, vectors)
        image = torch.log(values) if logarithm else torch.exp(values)
        return (vectors * image[..., None, :]) @ vectors.mT

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        values, vectors = ctx.saved_tensors
        a, b = values[..., :, None], values[..., None, :]
        if ctx.logarithm:  # (log a - log b)/(a - b) = 2/(a + b) artanh(z)/z, z = (a - b)/(a + b)
            z = (a - b) / (a + b)
            small = z.abs() < 1e-4
            safe = torch.where(small, torch.ones_like(z) * 0.5, z)
            ratio = torch.where(small, 1 + z**2 / 3, torch.atanh(safe) / safe)
            divided = 2 / (a + b) * ratio
        else:  # (exp a - exp b)/(a - b) = exp((a + b)/2) sinh(h)/h, h = (a - b)/2
            h = (a - b) / 2
            small = h.abs() < 1e-4
            safe = torch.where(small, torch.ones_like(h), h)
            divided = torch.exp((a + b) / 2) * torch.where(small, 1 + h**2 / 6, torch.sinh(safe) / safe)
        symmetric = (grad + grad.mT) / 2
        return vectors @ (divided * (vectors.mT @ symmetric @ vectors)) @ vectors.mT, None


def symmetric_exp(matrix: Tensor) -> Tensor:
    """Exponential of symmetric matrices, exact, with finite gradients at equal eigenvalues.

    Args:
        matrix: (..., 3, 3), symmetric, dimensionless.

    Returns:
        (..., 3, 3), symmetric and positive definite.
    """
    return series_exp(matrix) if matrix.is_cuda else _SpectralFunction.apply(matrix, False)


def symmetric_log(matrix: Tensor) -> Tensor:
    """Logarithm of symmetric positive definite matrices, exact, with finite gradients at equal eigenvalues.

    Args:
        matrix: (..., 3, 3), symmetric positive definite.

    Returns:
        (..., 3, 3), symmetric. Not finite where an eigenvalue isn't positive.
    """
    return quadrature_log(matrix) if matrix.is_cuda else _SpectralFunction.apply(matrix, True)


def matrix_exp(matrix: Tensor) -> Tensor:
    """Exponential of any matrices.

    Args:
        matrix: (..., 3, 3), dimensionless.

    Returns:
        (..., 3, 3).
    """
    return series_exp(matrix) if matrix.is_cuda else torch.linalg.matrix_exp(matrix)


def metric_tensor(cell: Tensor) -> Tensor:
    """`G = L Lᵀ`, the scalar products of the lattice vectors.

    Args:
        cell: (..., 3, 3), rows are lattice vectors, Å.

    Returns:
        (..., 3, 3), Å².
    """
    return cell @ cell.mT


def cell_to_log_coordinates(cell: Tensor) -> Tensor:
    """Coordinates of `½ log(L Lᵀ)` in `symmetric_basis`; rotations and reflections of the cell don't change them.

    Args:
        cell: (..., 3, 3), rows are lattice vectors, Å.

    Returns:
        (..., 6), dimensionless (logarithms of lengths in Å); the last is `ln(volume)/√3`.
    """
    k = 0.5 * symmetric_log(metric_tensor(cell))
    return torch.einsum("...ab,cab->...c", k, symmetric_basis(cell))


def log_coordinates_to_cell(coordinates: Tensor) -> Tensor:
    """The canonical cell `exp(Σ c_m B_m)`: symmetric, right-handed; inverse of `cell_to_log_coordinates`.

    Args:
        coordinates: (..., 6), see `cell_to_log_coordinates`.

    Returns:
        (..., 3, 3), rows are lattice vectors, Å.
    """
    return symmetric_exp(torch.einsum("...c,cab->...ab", coordinates, symmetric_basis(coordinates)))


def cell_to_parameters(cell: Tensor) -> Tensor:
    """Lattice parameters a, b, c (Å), α, β, γ (degrees), ASE's order.

    Args:
        cell: (..., 3, 3), rows are lattice vectors, Å.

    Returns:
        (..., 6).
    """
    lengths = torch.linalg.vector_norm(cell, dim=-1)
    pairs = [(1, 2), (0, 2), (0, 1)]
    angles = []
    for p, q in pairs:
        u, v = cell[..., p, :], cell[..., q, :]
        # atan2 of both projections keeps its precision (and finite gradients) near 0 and 180 degrees, unlike acos.
        sine = torch.linalg.vector_norm(torch.linalg.cross(u, v), dim=-1)
        angles.append(torch.rad2deg(torch.atan2(sine, (u * v).sum(-1))))
    return torch.cat([lengths, torch.stack(angles, dim=-1)], dim=-1)
