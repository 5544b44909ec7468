"""Exponential and logarithm of 3×3 matrices by products and inverses alone, for GPUs.

Decompositions of many small matrices are slow there and wait for the device; these don't, and gradients flow through
them at equal eigenvalues as anywhere. Computed in float64.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from asegen.geometry.constants import Constant

_SQUARINGS, _ORDER = 6, 10
_NODES = 48


def series_exp(matrix: Tensor) -> Tensor:
    """Taylor's series of `M/2⁶`, squared six times; exact to 1e-10 up to a norm of 30.

    Args:
        matrix: (..., 3, 3).

    Returns:
        (..., 3, 3), in the type of `matrix`.
    """
    return _SeriesExp.apply(matrix)


def quadrature_log(matrix: Tensor) -> Tensor:
    """`∫₀¹ (M − I)(I + t (M − I))⁻¹ dt` by Gauss and Legendre, after the volume was divided out.

    Exact to 1e-7 where the eigenvalues are within a factor of 1,000 of their geometric mean.

    Args:
        matrix: (..., 3, 3), symmetric positive definite.

    Returns:
        (..., 3, 3), symmetric, in the type of `matrix`; not finite where the determinant isn't positive.
    """
    return _QuadratureLog.apply(matrix)


class _SeriesExp(torch.autograd.Function):
    """The derivative in a direction G is the corner of the exponential of `[[M, G], [0, M]]`."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:
        x = matrix.double().reshape(-1, 3, 3)
        ctx.save_for_backward(x)
        return _exp(x).to(matrix.dtype).view(matrix.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        block = x.new_zeros(len(x), 6, 6)
        block[:, :3, :3] = block[:, 3:, 3:] = x.mT
        block[:, :3, 3:] = grad.double().reshape(-1, 3, 3)
        return _exp(block)[:, :3, 3:].to(grad.dtype).reshape(grad.shape)


def _exp(x: Tensor) -> Tensor:
    """(n, k, k), float64."""
    x = x / 2**_SQUARINGS
    eye = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device).expand_as(x)
    found = eye
    for k in range(_ORDER, 0, -1):
        found = torch.baddbmm(eye, x, found, alpha=1 / k)
    for _ in range(_SQUARINGS):
        found = found @ found
    return found


class _QuadratureLog(torch.autograd.Function):
    """The derivative in a direction G is `∫ R G R dt`, R the inverse above."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:
        x = matrix.double().reshape(-1, 3, 3)
        eye = torch.eye(3, dtype=x.dtype, device=x.device)
        volume = torch.log(_adjugate(x)[1])[:, None, None] / 3
        scale = torch.exp(-volume)
        away = x * scale - eye
        nodes, weights = (part.to(x)[:, None, None, None] for part in _gauss_legendre())
        ctx.save_for_backward(away, scale)
        found = away @ (_inverse(eye + nodes * away) * weights).sum(0) + volume * eye
        return ((found + found.mT) / 2).to(matrix.dtype).view(matrix.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        away, scale = ctx.saved_tensors
        eye = torch.eye(3, dtype=away.dtype, device=away.device)
        nodes, weights = (part.to(away)[:, None, None, None] for part in _gauss_legendre())
        inverse = _inverse(eye + nodes * away)
        direction = grad.double().reshape(-1, 3, 3)
        found = (inverse @ (scale * (direction + direction.mT) / 2) @ inverse * weights).sum(0)
        return found.to(grad.dtype).view(grad.shape)


def _inverse(matrix: Tensor) -> Tensor:
    adjugate, determinant = _adjugate(matrix)
    return adjugate / determinant[..., None, None]


def _adjugate(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """(..., 3, 3), the inverse times the determinant; and the determinant (...)."""
    a, b, c = matrix.unbind(-2)
    columns = [torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)]
    return torch.stack(columns, -1), (a * columns[0]).sum(-1)


@cache
def _gauss_legendre() -> tuple[Constant, Constant]:
    """Nodes in (0, 1) and weights."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return Constant(((1 + nodes) / 2).tolist()), Constant((weights / 2).tolist())
