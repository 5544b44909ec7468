"""Moments of atoms: the sign of a whole crystal is free, in the loss, among heads, and in figures."""

import numpy as np
import pytest
import torch

from asegen.crystals.crystals import Crystals
from asegen.errors import InputError
from asegen.properties.moments import SiteMoments, alignment

SIZES = [1, 3, 2, 4]


def crystals() -> Crystals:
    n = sum(SIZES)
    g = torch.Generator().manual_seed(0)
    cell = 4 * torch.eye(3) + torch.rand(len(SIZES), 3, 3, generator=g)
    return Crystals(cell, torch.rand(n, 3, generator=g), torch.full((n,), 26), torch.tensor(SIZES))


def random(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def flipped(values: torch.Tensor, signs: list[int]) -> torch.Tensor:
    return values * torch.repeat_interleave(torch.tensor(signs, dtype=values.dtype), torch.tensor(SIZES))[:, None]


def test_loss_is_that_of_the_better_sign_crystal_by_crystal() -> None:
    c, given, target = crystals(), random(10, 1, 1), 3 * random(10, 1, seed=2)
    task = SiteMoments(**SiteMoments.statistics(c, target))
    scale = float(np.sqrt((target.numpy() ** 2).mean()))
    found = task.loss(lambda _: given, c, torch.Generator(), target)
    losses, total, ends = [], 0.0, np.cumsum(SIZES)[:-1]
    for p, t in zip(np.split(given.numpy().ravel(), ends), np.split(target.numpy().ravel(), ends), strict=True):
        losses.append(min(np.abs(sign * p - t / scale).mean() for sign in (1, -1)))
        total += min(np.abs(sign * p * scale - t).sum() for sign in (1, -1))
    assert float(found["loss"]) == pytest.approx(np.mean(losses), rel=1e-5)
    assert float(found["mae"]) == pytest.approx(total / 10, rel=1e-5)


def test_neither_targets_nor_outputs_signs_matter() -> None:
    c, given, target = crystals(), random(10, 4, 2), random(10, 2, seed=2)
    task = SiteMoments([1.0, 2.0])
    before = task.loss(lambda _: given, c, torch.Generator(), target)
    signs = [-1, 1, -1, 1]
    after = task.loss(lambda _: -given, c, torch.Generator(), flipped(target, signs))
    assert set(before) == {"loss", "mae_0", "mae_1", "spread_0", "spread_1"}
    for name, value in before.items():
        torch.testing.assert_close(after[name], value)


def test_heads_of_other_signs_do_not_cancel() -> None:
    c, moments = crystals(), random(10, 1)
    heads = torch.stack([moments, flipped(moments, [-1, 1, -1, 1]), -moments], 1)
    found = SiteMoments([2.0]).predict(lambda _: heads, c)
    torch.testing.assert_close(found.value.abs(), 2 * moments.abs())
    assert float(found.spread.max()) < 1e-6
    totals = torch.zeros(4).index_add(0, c.batch, found.value[:, 0])
    assert bool((totals >= 0).all())
    sign = alignment(found.value, moments, c)
    torch.testing.assert_close(found.value * sign, 2 * moments)


def test_unknown_moments_are_left_out() -> None:
    c, given, target = crystals(), random(10, 2, 1).requires_grad_(), random(10, 1, seed=2)
    target[5:7] = torch.nan
    statistics = SiteMoments.statistics(c, target)
    assert statistics["scale"][0] == pytest.approx(float(np.sqrt(np.nanmean(target.numpy() ** 2))))
    found = SiteMoments(**statistics).loss(lambda _: given, c, torch.Generator(), target)
    found["loss"].backward()
    assert bool(given.grad.isfinite().all()) and float(given.grad[5:7].abs().max()) == 0
    changed = given.detach().clone()
    changed[5:7] += 1
    again = SiteMoments(**statistics).loss(lambda _: changed, c, torch.Generator(), target)
    torch.testing.assert_close(again["loss"], found["loss"].detach())


def test_a_network_of_crystals_is_refused() -> None:
    with pytest.raises(InputError, match=r"\(4, 1\) numbers"):
        SiteMoments([1.0]).loss(lambda c: torch.zeros(4, 3, 1), crystals(), torch.Generator(), random(10, 1))
