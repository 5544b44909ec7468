"""Classification, and the figures of both tasks."""

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu, spearmanr
from torch.nn import functional

from asegen.crystals.crystals import Crystals
from asegen.errors import InputError
from asegen.properties.classification import Classification
from asegen.properties.figures import class_figures, number_figures


def crystals(n: int) -> Crystals:
    one = torch.ones(n, dtype=torch.int64)
    return Crystals(4 * torch.eye(3).repeat(n, 1, 1), torch.zeros(n, 3), one, one)


def test_metals_are_what_has_no_gap() -> None:
    gaps = torch.tensor([[0.0], [1e-6], [1e-5], [2e-5], [1.0]])
    logits = torch.tensor([2.0, -1.0, 3.0, -2.0, 1.0])
    task = Classification()
    found = task.loss(lambda c: logits[:, None, None], crystals(5), torch.Generator(), gaps)
    belongs = torch.tensor([1.0, 1, 1, 0, 0])
    torch.testing.assert_close(found["loss"], functional.binary_cross_entropy_with_logits(logits, belongs))
    assert float(found["accuracy"]) == pytest.approx(3 / 5)
    torch.testing.assert_close(task.predict(lambda c: logits[:, None, None], crystals(5)).value[:, 0], logits.sigmoid())


def test_one_target_is_needed() -> None:
    assert Classification.statistics(crystals(3), torch.rand(3, 1)) == {}
    with pytest.raises(InputError, match="one target, not 2"):
        Classification.statistics(crystals(3), torch.rand(3, 2))


def test_figures_of_classes_are_scipy_s() -> None:
    rng = np.random.default_rng(0)
    belongs = rng.random(500) < 0.3
    p = np.clip(0.3 * belongs + 0.7 * rng.random(500), 0, 1)
    found = class_figures(torch.tensor(p), torch.tensor(belongs))
    said = p > 0.5
    precision, recall = (said & belongs).sum() / said.sum(), (said & belongs).sum() / belongs.sum()
    assert found["F1"] == pytest.approx(2 * precision * recall / (precision + recall))
    assert found["accuracy in the class"] == pytest.approx(recall)
    assert found["accuracy outside"] == pytest.approx((~said & ~belongs).sum() / (~belongs).sum())
    assert found["accuracy"] == pytest.approx((said == belongs).mean())
    area = mannwhitneyu(p[belongs], p[~belongs]).statistic / (belongs.sum() * (~belongs).sum())
    assert found["ROC area"] == pytest.approx(area)


def test_figures_of_numbers_are_scipy_s() -> None:
    rng = np.random.default_rng(1)
    deviation = rng.uniform(0.5, 2, 2000)
    error = rng.normal(size=2000) * deviation
    found = number_figures("x", torch.tensor(error), torch.tensor(deviation), torch.zeros(2000))
    assert found["x MAE"] == pytest.approx(np.abs(error).mean())
    assert found["x within 1 std"] == pytest.approx((np.abs(error) <= deviation).mean())
    assert found["x within 2 std"] == pytest.approx(0.954, abs=0.015)
    assert found["x rank correlation"] == pytest.approx(spearmanr(np.abs(error), deviation).statistic)


def test_ties_share_their_ranks() -> None:
    rng = np.random.default_rng(2)
    error, deviation = rng.integers(0, 5, 300) / 4, rng.integers(1, 6, 300) / 5
    found = number_figures("x", torch.tensor(error), torch.tensor(deviation), torch.zeros(300))
    assert found["x rank correlation"] == pytest.approx(spearmanr(error, deviation).statistic)
    belongs = rng.random(300) < 0.4
    p = rng.integers(0, 4, 300) / 3
    area = mannwhitneyu(p[belongs], p[~belongs]).statistic / (belongs.sum() * (~belongs).sum())
    assert class_figures(torch.tensor(p), torch.tensor(belongs))["ROC area"] == pytest.approx(area)
