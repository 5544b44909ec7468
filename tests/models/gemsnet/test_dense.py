"""GemNet's dense layers against their formulas."""

import math

import torch

from asegen.models.gemsnet.dense import SILU_SCALE, Dense, Residual, he_orthogonal_, scaled_silu


def test_activation_keeps_the_variance_of_normal_numbers() -> None:
    x = torch.randn(200_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    # E[SiLU(x)²] of a standard normal number is 0.356: its root is what GemNet rounds to 0.6.
    assert math.isclose(float(scaled_silu(x).square().mean()), 0.3557 / SILU_SCALE**2, rel_tol=0.02)
    torch.testing.assert_close(scaled_silu(x), x / (1 + torch.exp(-x)) / 0.6)


def test_he_orthogonal_rows_are_standardised_and_keep_the_variance() -> None:
    torch.manual_seed(0)
    weight = he_orthogonal_(torch.empty(32, 128, dtype=torch.float64))
    torch.testing.assert_close(weight.mean(1), torch.zeros(32, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(weight.var(1), torch.full((32,), 1 / 128, dtype=torch.float64), rtol=1e-3, atol=0)
    off_diagonal = (weight @ weight.T - torch.diag((weight @ weight.T).diagonal())).abs()
    assert off_diagonal.max() < 0.05  # orthogonal before the rows' means were taken away


def test_residual_is_the_published_formula() -> None:
    torch.manual_seed(0)
    layer = Residual(8).double()
    x = torch.randn(5, 8, dtype=torch.float64)
    inner = scaled_silu(x @ layer.first.weight.T)
    expected = (x + scaled_silu(inner @ layer.second.weight.T)) / math.sqrt(2)
    torch.testing.assert_close(layer(x), expected)


def test_dense_has_no_bias() -> None:
    layer = Dense(4, 3, activated=True)
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert torch.equal(layer(torch.zeros(2, 4)), torch.zeros(2, 3))
