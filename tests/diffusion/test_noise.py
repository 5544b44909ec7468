"""Counter-based noise: distribution, and independence of the batch."""

import scipy.stats
import torch

from asegen.diffusion.noise import SampleNoise

COUNTS = torch.tensor([4000, 3000, 5000])


def test_distributions() -> None:
    noise = SampleNoise(torch.tensor([1, 2, 3]), COUNTS, dtype=torch.float64)
    for column in noise.atom_uniform(5).T.numpy():
        assert scipy.stats.kstest(column, "uniform").pvalue > 1e-4
    normal = noise.atom_normal(5)
    for column in normal.T.numpy():
        assert scipy.stats.kstest(column, "norm").pvalue > 1e-4
    for other in (noise.atom_normal(6), SampleNoise(torch.tensor([4, 5, 6]), COUNTS, torch.float64).atom_normal(5)):
        correlation = torch.corrcoef(torch.cat([normal, other], dim=1).T) - torch.eye(6, dtype=torch.float64)
        assert float(correlation.abs().max()) < 0.05


def test_many_seeds_give_normal_cells() -> None:
    seeds = torch.arange(20000)
    cells = SampleNoise(seeds, torch.ones_like(seeds), torch.float64).crystal_normal(0, 6)
    for column in cells.T.numpy():
        assert scipy.stats.kstest(column, "norm").pvalue > 1e-4


def test_a_sample_does_not_depend_on_its_batch() -> None:
    seeds, counts = torch.tensor([11, -7, 2**62]), torch.tensor([3, 1, 4])
    together = SampleNoise(seeds, counts)
    alone = SampleNoise(seeds[2:], counts[2:])
    assert torch.equal(together.atom_normal(9)[4:], alone.atom_normal(9))
    assert torch.equal(together.crystal_normal(9, 6)[2:], alone.crystal_normal(9, 6))
    assert torch.equal(together.atom_uniform(2)[4:], alone.atom_uniform(2))
