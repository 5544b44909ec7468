"""Seconds per structure of the shipped default, one thread, beside published code on the same kind of core.

Structures of about 10 atoms, 64 in a batch, each method with the number of steps that its authors recommend: GemsDiff
as in its paper 27.5 s, its newest code 14.4 s (both 100 steps), DiffCSP 51.6 s (1000 steps of two calls).

Times are the least CPU time of several runs: other work on the machine counts little.
"""

from time import process_time

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from asegen.calculators import Generator, open_source

PUBLISHED_SECONDS = {"GemsDiff as in the paper": 27.5, "GemsDiff, newest": 14.4, "DiffCSP": 51.6}
GOAL_SECONDS = 0.25
BATCH = 64
FORMULAS = ["Sr2Ti2O6", "Li4Co2O4", "Mg2Al2Si2O4", "Na5Cl5"]  # 10 atoms each

pytestmark = pytest.mark.benchmark(timer=process_time)


def test_seconds_per_structure(benchmark: BenchmarkFixture) -> None:
    """All of it: the network, the choice among candidates, `ase.Atoms` and the validity gate."""
    torch.set_num_threads(1)
    generator = Generator(open_source("diffusion", device="cpu"), batch_size=BATCH)
    structures = benchmark.pedantic(generator.generate, (FORMULAS, BATCH // len(FORMULAS)), rounds=3, warmup_rounds=1)
    assert [len(atoms) for atoms in structures] == [10] * BATCH
    seconds = benchmark.stats.stats.min / BATCH
    benchmark.extra_info["seconds_per_structure"] = seconds
    name = generator.source.identity.name
    lines = [f"{name}: {seconds:.3f} s per structure, {GOAL_SECONDS / seconds:.2f} times the goal's speed"]
    for name, published in PUBLISHED_SECONDS.items():
        benchmark.extra_info[f"times faster than {name}"] = published / seconds
        lines.append(f"  {published / seconds:6.0f} times faster than {name} ({published} s)")
    print("\n" + "\n".join(lines))
