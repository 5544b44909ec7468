"""The hurdle model: zero or not, and the number of those that aren't."""

import numpy as np
import pytest
import torch

from asegen.crystals.crystals import Crystals
from asegen.errors import InputError
from asegen.properties.hurdle import HurdleRegression
from asegen.properties.regression import Regression

N = 12


def crystals() -> Crystals:
    g = torch.Generator().manual_seed(0)
    numbers = torch.tensor([3, 8, 26])[torch.randint(3, (2 * N,), generator=g)]
    return Crystals(4 * torch.eye(3).repeat(N, 1, 1), torch.rand(2 * N, 3, generator=g), numbers, torch.full((N,), 2))


def gaps() -> torch.Tensor:
    target = 4 * torch.rand(N, 1, generator=torch.Generator().manual_seed(1))
    target[::3] = 0.0
    return target


def given(heads: int = 1) -> torch.Tensor:
    return torch.randn(N, heads, 2, generator=torch.Generator().manual_seed(2))


def test_the_number_is_fitted_to_what_is_not_zero() -> None:
    c, target = crystals(), gaps()
    positive = target[:, 0] > 0
    found = HurdleRegression.statistics(c, target)
    least = float(np.quantile(target[positive].double().numpy(), 0.01))
    assert found.pop("least") == pytest.approx(least)
    assert found == Regression.statistics(c[positive], target[positive])
    for bad, words in (
        (-target, "zero or positive"),
        (0 * target, "some of them positive"),
        (target.repeat(1, 2), "one"),
    ):
        with pytest.raises(InputError, match=words):
            HurdleRegression.statistics(c, bad)


def test_the_loss_is_cross_entropy_and_deviation_of_what_is_not_zero() -> None:
    c, target, out = crystals(), gaps(), given()
    statistics = HurdleRegression.statistics(c, target)
    found = HurdleRegression(**statistics).loss(lambda _: out, c, torch.Generator(), target)
    zero = (target[:, 0] == 0).numpy()
    p = 1 / (1 + np.exp(-out[:, 0, 0].double().numpy()))
    entropy = -np.log(np.where(zero, p, 1 - p)).mean()
    least = statistics.pop("least")
    size = Regression(**statistics).predict(lambda _: out[..., 1:], c).value
    standard = ((size - target).abs() / statistics["scale"][0])[~zero].mean()
    assert float(found["loss"]) == pytest.approx(entropy + float(standard), rel=1e-5)
    assert float(found["accuracy"]) == pytest.approx(float(np.mean((out[:, 0, 0].numpy() > 0) == zero)))
    cut = (size.clamp_min(least) - target).abs()
    assert float(found["mae_positive"]) == pytest.approx(float(cut[~zero].mean()), rel=1e-5)


@pytest.mark.parametrize("gate", [0.3, 0.5, 0.8])
def test_the_gate_decides_and_the_spread_is_the_expected_error(gate: float) -> None:
    """Against a sample of crystals that are zero with the probability, and else normally distributed."""
    c, target, out = crystals(), gaps(), given(heads=8)
    statistics = HurdleRegression.statistics(c, target)
    found = HurdleRegression(**statistics, gate=gate).predict(lambda _: out, c)
    least = statistics.pop("least")
    zero = torch.sigmoid(out[..., 0]).mean(1)
    size = Regression(**statistics, lowest=least).predict(lambda _: out[..., 1:], c)
    torch.testing.assert_close(found.value[:, 1], zero)
    torch.testing.assert_close(found.value[:, 0], torch.where(zero > gate, 0.0, size.value[:, 0]))
    rng = np.random.default_rng(0)
    truth = rng.normal(size.value[:, 0], size.spread[:, 0], (100_000, N)) * (rng.random((100_000, N)) > zero.numpy())
    expected = np.sqrt(np.mean((truth - found.value[:, 0].numpy()) ** 2, 0))
    np.testing.assert_allclose(found.spread[:, 0].numpy(), expected, rtol=0.02)


def test_one_number_of_outputs_and_a_gate_that_is_a_probability() -> None:
    c, target = crystals(), gaps()
    statistics = HurdleRegression.statistics(c, target)
    with pytest.raises(InputError, match="outputs = 2, not 1"):
        HurdleRegression(**statistics).loss(lambda _: given()[..., :1], c, torch.Generator(), target)
    with pytest.raises(InputError, match="no probability"):
        HurdleRegression(**statistics, gate=1.5)
    assert HurdleRegression(**statistics, probability="metal_probability").columns(["band_gap"]) == (
        "band_gap",
        "metal_probability",
    )
