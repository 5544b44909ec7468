"""The judge's loss against the closed form, and its choice in the sampler."""

import math

import torch

from asegen.crystals.crystals import Crystals
from asegen.diffusion.flow import TorusFlow
from asegen.diffusion.judge import Judge
from asegen.diffusion.noise import SampleNoise


def crystals_of(count: int) -> Crystals:
    generator = torch.Generator().manual_seed(0)
    cell = 4 * torch.eye(3) + 0.3 * torch.randn(count, 3, 3, generator=generator)
    positions = torch.rand(2 * count, 3, generator=generator)
    return Crystals(cell, positions, torch.full((2 * count,), 14), torch.full((count,), 2))


def test_loss_is_the_cross_entropy() -> None:
    crystals, quality = crystals_of(4), torch.tensor([[0.0], [0.3], [0.95], [0.0]])
    judge = Judge(**Judge.statistics(crystals, quality))
    logits = torch.tensor([-2.0, 0.5, 3.0, 0.1])
    found = judge.loss(lambda c, k: logits, crystals, torch.Generator().manual_seed(0), quality)
    wanted = 0.0
    for logit, q in zip(logits.tolist(), quality[:, 0].tolist(), strict=True):
        p = 1 / (1 + math.exp(-logit))
        wanted -= (q * math.log(p) + (1 - q) * math.log(1 - p)) / 4
    assert math.isclose(float(found["loss"]), wanted, rel_tol=1e-5)
    assert float(found["accuracy"]) == 0.75


def test_a_judge_sees_z_scored_cells() -> None:
    crystals = crystals_of(500)
    judge = Judge(**Judge.statistics(crystals, torch.zeros(500, 1)))
    seen = judge.score(lambda c, k: k, crystals)
    torch.testing.assert_close(seen.mean(0), torch.zeros(6), atol=1e-3, rtol=0)
    torch.testing.assert_close(seen.std(0), torch.ones(6), atol=1e-3, rtol=0)


def test_a_sampler_s_judge_overrules_the_rest() -> None:
    crystals = crystals_of(3)
    flow = TorusFlow(**TorusFlow.statistics(crystals), candidates=4)

    def still(noisy: Crystals, here: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros_like(noisy.scaled_positions), torch.zeros_like(here)

    flow.judge = lambda drawn: 1e4 * drawn.volume
    noise = SampleNoise(torch.tensor([5, 6, 7]), crystals.n_atoms)
    drawn = flow.sample(still, crystals.numbers, crystals.n_atoms, noise, 1)
    # The first two streams of noise are for judging.
    starts = torch.stack([flow.cell(noise.crystal_normal(c, 6), crystals.n_atoms) for c in range(2, 6)])
    torch.testing.assert_close(drawn.volume, torch.linalg.det(starts).amax(0))
