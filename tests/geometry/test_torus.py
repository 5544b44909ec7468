"""The torus against closed forms and autograd."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asegen.geometry.torus import shortest, wrap, wrapped_normal_log_prob, wrapped_normal_score

FRACTIONS = st.floats(-50, 50, allow_nan=False)


@given(FRACTIONS)
def test_wrap_lies_in_the_unit_interval_and_keeps_the_class(x: float) -> None:
    value = wrap(torch.tensor(x, dtype=torch.float64))
    assert 0 <= value < 1
    assert abs(math.remainder(float(value) - x, 1.0)) < 1e-9


def test_wrap_never_gives_one() -> None:
    assert wrap(torch.tensor(-1e-12, dtype=torch.float32)) == 0


@given(FRACTIONS)
def test_shortest_is_math_remainder(x: float) -> None:
    assert float(shortest(torch.tensor(x, dtype=torch.float64))) == pytest.approx(math.remainder(x, 1.0), abs=1e-12)


@pytest.mark.parametrize("sigma", [0.02, 0.2, 0.399, 0.401, 1.0, 3.0])
def test_wrapped_normal_against_the_plain_sum(sigma: float) -> None:
    d = torch.linspace(-0.5, 0.5, 41, dtype=torch.float64, requires_grad=True)
    images = d[:, None] + torch.arange(-60, 61, dtype=torch.float64)
    density = torch.exp(-0.5 * (images / sigma) ** 2).sum(1) / (sigma * math.sqrt(2 * math.pi))
    log_prob = wrapped_normal_log_prob(d, sigma)
    torch.testing.assert_close(log_prob.exp(), density, rtol=1e-10, atol=1e-12)
    (gradient,) = torch.autograd.grad(density.log().sum(), d)
    torch.testing.assert_close(wrapped_normal_score(d, sigma), gradient, rtol=1e-8, atol=1e-10)


def test_wrapped_normal_integrates_to_one() -> None:
    d = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    for sigma in (0.05, 0.5, 2.0):
        assert float(wrapped_normal_log_prob(d, sigma).exp().mean()) == pytest.approx(1.0, abs=1e-10)
