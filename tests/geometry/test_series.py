"""Exponential and logarithm without decompositions: the same as with them, gradients too."""

import pytest
import torch

from asegen.geometry.constants import Constant
from asegen.geometry.lattice import symmetric_exp, symmetric_log
from asegen.geometry.series import quadrature_log, series_exp


def symmetric(n: int, size: float) -> torch.Tensor:
    x = size * torch.randn(n, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = (x + x.mT) / 2
    x[0] = 1.3 * torch.eye(3)  # equal eigenvalues
    return x


@pytest.mark.parametrize("size", [0.01, 0.5, 1.0])
def test_both_are_those_of_the_eigenvalues(size: float) -> None:
    x = symmetric(50, size)
    torch.testing.assert_close(series_exp(x), symmetric_exp(x), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(quadrature_log(symmetric_exp(x)), x, rtol=1e-7, atol=1e-7)
    assert series_exp(x.float()).dtype == quadrature_log(symmetric_exp(x).float()).dtype == torch.float32


def test_gradients_are_the_same() -> None:
    for mine, theirs, x in ((series_exp, symmetric_exp, symmetric(20, 1.0)),
                            (quadrature_log, symmetric_log, symmetric_exp(symmetric(20, 1.0)))):  # fmt: skip
        weight = symmetric(20, 1.0)
        found = []
        for function in (mine, theirs):
            leaf = x.clone().requires_grad_()
            (function(leaf) * weight).sum().backward()
            assert leaf.grad is not None
            found.append((leaf.grad + leaf.grad.mT) / 2)
        torch.testing.assert_close(found[0], found[1], rtol=1e-7, atol=1e-7)


def test_a_rotation_is_exponentiated() -> None:
    x = torch.randn(9, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(series_exp(x), torch.linalg.matrix_exp(x))


def test_a_negative_determinant_has_no_logarithm() -> None:
    assert not torch.isfinite(quadrature_log(-torch.eye(3))).any()


def test_a_constant_is_copied_once() -> None:
    constant = Constant([[1, 2], [3, 4]])
    like = torch.zeros(1)
    assert constant.to(like) is constant.to(like) and constant.to(like).dtype == torch.float32
