"""Regression: the fit by composition, units, losses, bags, calibration."""

import numpy as np
import pytest
import torch

from asegen.crystals.crystals import Crystals
from asegen.errors import InputError
from asegen.properties.bagging import bag_weights
from asegen.properties.regression import Regression, calibration


def crystals(n: int = 40, seed: int = 0) -> Crystals:
    g = torch.Generator().manual_seed(seed)
    n_atoms = torch.randint(1, 5, (n,), generator=g)
    total = int(n_atoms.sum())
    cell = 4 * torch.eye(3) + torch.rand(n, 3, 3, generator=g)
    numbers = torch.tensor([3, 8, 26])[torch.randint(3, (total,), generator=g)]
    return Crystals(cell, torch.rand(total, 3, generator=g), numbers, n_atoms)


def fractions(c: Crystals) -> np.ndarray:
    return np.array([[(z == e).float().mean().item() for e in (3, 8, 26)] for z in c.numbers.split(c.n_atoms.tolist())])


def constant(value: float, heads: int = 1, outputs: int = 1):
    return lambda c: torch.full((len(c), heads, outputs), value, requires_grad=True)


def test_a_linear_function_of_composition_is_left_to_the_fit() -> None:
    c = crystals(4000)
    target = torch.from_numpy(fractions(c) @ [-1.0, 2.0, 0.5]).float()[:, None]
    task = Regression(**Regression.statistics(c, target))
    error = (task.predict(constant(0.0), c).value - target).abs()
    assert float(error.max()) < 0.01  # what the ridge takes
    assert task.predict(constant(0.0), c).spread.abs().max() == 0


def test_statistics_are_those_of_ridge_regression_and_unknown_elements_add_nothing() -> None:
    c = crystals(30)
    target = torch.randn(30, 2, generator=torch.Generator().manual_seed(1))
    found = Regression.statistics(c, target)
    x, y = fractions(c), target.double().numpy()
    mean = y.mean(0)
    expected = np.linalg.solve(x.T @ x + np.eye(3), x.T @ (y - mean)) + mean
    elements = np.array(found["elements"])
    np.testing.assert_allclose(elements[:, [3, 8, 26]], expected.T, atol=1e-6)
    np.testing.assert_allclose(found["scale"], (y - x @ expected).std(0), atol=1e-6)
    assert np.count_nonzero(elements) == 6


@pytest.mark.parametrize("loss", ["mae", "mse"])
def test_losses_are_in_standard_units_and_errors_in_physical_ones(loss: str) -> None:
    c = crystals()
    target = 10 + 5 * torch.randn(40, 1, generator=torch.Generator().manual_seed(2))
    statistics = Regression.statistics(c, target)
    task = Regression(**statistics, loss=loss)
    base = task.predict(constant(0.0), c).value
    found = task.loss(constant(0.3), c, torch.Generator(), target)
    standard = ((target - base) / statistics["scale"][0] - 0.3).abs()
    expected = standard.mean() if loss == "mae" else standard.square().mean()
    torch.testing.assert_close(found["loss"].detach(), expected)
    torch.testing.assert_close(found["mae"], (base + 0.3 * statistics["scale"][0] - target).abs().mean())
    torch.testing.assert_close(task.value(constant(0.3), c), base + 0.3 * statistics["scale"][0])
    found["loss"].backward()


def test_several_targets_are_reported_one_by_one() -> None:
    c = crystals()
    target = torch.randn(40, 3, generator=torch.Generator().manual_seed(3)) * torch.tensor([1.0, 10.0, 100.0])
    task = Regression(**Regression.statistics(c, target))
    found = task.loss(constant(0.0, heads=4, outputs=3), c, torch.Generator(), target)
    assert set(found) == {"loss", "mae_0", "mae_1", "mae_2", "spread_0", "spread_1", "spread_2"}
    assert float(found["mae_2"]) > 5 * float(found["mae_1"]) > 25 * float(found["mae_0"])


def test_every_head_learns_from_its_own_half_always_the_same() -> None:
    c = crystals(4000)
    weights = bag_weights(c, 8)
    assert set(weights.unique().tolist()) == {0.0, 2.0}
    assert torch.allclose(weights.mean(0), torch.ones(8), atol=0.08)
    assert float(torch.corrcoef(weights.T).triu(1).abs().max()) < 0.07
    order = torch.randperm(4000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(bag_weights(c[order], 8), weights[order])
    assert torch.equal(bag_weights(c, 1), torch.ones(4000, 1))


def test_heads_disagreement_is_calibrated_to_normal_errors() -> None:
    rng = np.random.default_rng(0)
    true = rng.uniform(0.5, 2, 200_000)
    error = rng.normal(size=200_000) * true
    spread = true / 7  # the heads agree too well by a factor of 7
    factor = calibration({"val_mae": float(np.abs(error).mean()), "val_spread": float(spread.mean())}, 0, 1)
    assert factor == pytest.approx(7, rel=0.01)
    assert calibration({"val_mae_1": 1.0, "val_spread_1": 1.0}, 1, 2) == pytest.approx(np.sqrt(np.pi / 2))
    assert calibration({"val_mae": 0.1, "val_spread": 0.0}, 0, 1) is None
    assert calibration({}, 0, 1) is None


def test_outputs_have_to_be_as_many_as_targets() -> None:
    c, target = crystals(), torch.randn(40, 2)
    task = Regression(**Regression.statistics(c, target))
    with pytest.raises(InputError, match="outputs = 1, but there are 2 targets"):
        task.loss(constant(0.0), c, torch.Generator(), target)


def test_unknown_loss() -> None:
    with pytest.raises(InputError, match="huber"):
        Regression([[0.0] * 119], [1.0], loss="huber")


def test_a_gap_is_never_negative_yet_trains_below_zero() -> None:
    c = crystals()
    target = torch.rand(40, 1, generator=torch.Generator().manual_seed(4))
    statistics = Regression.statistics(c, target)
    plain, cut = Regression(**statistics), Regression(**statistics, lowest=0.0)
    torch.testing.assert_close(
        cut.predict(constant(-2.0), c).value, plain.predict(constant(-2.0), c).value.clamp_min(0)
    )
    losses = [task.loss(constant(-2.0), c, torch.Generator(), target) for task in (plain, cut)]
    torch.testing.assert_close(losses[0]["loss"], losses[1]["loss"])
    assert float(losses[1]["mae"]) < float(losses[0]["mae"])
