"""Regression of logarithms: the same as regression of the logarithms, told in the targets' units."""

import math

import pytest
import torch

from asegen.crystals.crystals import Crystals
from asegen.errors import InputError
from asegen.properties.log_regression import LogRegression
from asegen.properties.regression import Regression


def crystals(n: int = 30) -> Crystals:
    g = torch.Generator().manual_seed(0)
    numbers = torch.tensor([3, 8, 26])[torch.randint(3, (2 * n,), generator=g)]
    return Crystals(4 * torch.eye(3).repeat(n, 1, 1), torch.rand(2 * n, 3, generator=g), numbers, torch.full((n,), 2))


def model(heads: int):
    values = torch.randn(30, heads, 1, generator=torch.Generator().manual_seed(1)) / 10
    return lambda c: values


def moduli() -> torch.Tensor:
    return 10 ** torch.randn(30, 1, generator=torch.Generator().manual_seed(2))


def test_losses_and_statistics_are_those_of_the_logarithm() -> None:
    c, target = crystals(), moduli()
    statistics = LogRegression.statistics(c, target)
    assert statistics == Regression.statistics(c, target.log10())
    found = LogRegression(**statistics).loss(model(4), c, torch.Generator(), target)
    expected = Regression(**statistics).loss(model(4), c, torch.Generator(), target.log10())
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)


def test_predictions_are_in_the_target_s_unit_and_positive() -> None:
    c, target = crystals(), moduli()
    statistics = LogRegression.statistics(c, target)
    found, plain = (kind(**statistics).predict(model(4), c) for kind in (LogRegression, Regression))
    torch.testing.assert_close(found.value, 10**plain.value)
    assert bool((found.value > 0).all())
    # The spread is half of what a step of one standard deviation both ways moves the value by, to second order.
    small = 1e-3
    moved = (10 ** (plain.value + small * plain.spread) - 10 ** (plain.value - small * plain.spread)) / (2 * small)
    torch.testing.assert_close(found.spread, moved, rtol=1e-2, atol=1e-4)
    value = LogRegression(**statistics).value(model(1), c)
    assert float((value.log10() - Regression(**statistics).value(model(1), c)).abs().max()) < 1e-5


def test_what_has_no_logarithm_is_refused() -> None:
    target = moduli()
    target[3:5] = torch.tensor([[0.0], [-1.0]])
    with pytest.raises(InputError, match="2 targets aren't positive"):
        LogRegression.statistics(crystals(), target)
    assert math.isfinite(LogRegression.statistics(crystals(), moduli())["scale"][0])
