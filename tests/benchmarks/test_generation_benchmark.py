"""Seconds per structure of the shipped generator, one thread, beside the published code's on the same kind of core.

Published (GemsDiff as in the paper, 100 steps, batch 64, one core): 27.5 s per structure of about 10 atoms.
"""

import torch
from pytest_benchmark.fixture import BenchmarkFixture

from asegen.generators import load_generator

PUBLISHED_SECONDS = 27.5
SAMPLES, ATOMS = 64, 10


def test_seconds_per_structure(benchmark: BenchmarkFixture) -> None:
    torch.set_num_threads(1)
    sampler = load_generator(device="cpu")
    numbers = torch.tensor([38, 38, 22, 22] + [8] * 6).repeat(SAMPLES)
    n_atoms = torch.full((SAMPLES,), ATOMS)
    benchmark.pedantic(sampler.sample, (numbers, n_atoms, torch.arange(SAMPLES)), rounds=3, warmup_rounds=1)
    seconds = benchmark.stats.stats.median / SAMPLES
    benchmark.extra_info["seconds_per_structure"] = seconds
    benchmark.extra_info["times_faster_than_published"] = PUBLISHED_SECONDS / seconds
    print(f"\n{seconds:.4f} s per structure, {PUBLISHED_SECONDS / seconds:.0f} times faster than the published code")
