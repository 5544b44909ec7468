"""How much of N workers' time `asegen screen` uses, and what its ledger costs.

The goal is at least 0.85 N of one worker's throughput on as many cores. One number is of calculations (EMT), whose
workers compete for the machine's cores with whatever else runs; the other is of work that only waits, which shows what
is lost to the pipeline itself, as does the share of the time that workers were at work. Processes are started, and have
imported what they need, before the clock runs.
"""

import importlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from ase.build import bulk
from ase.io import write
from pytest_benchmark.fixture import BenchmarkFixture

from asegen.screening.calculators import find_engine
from asegen.screening.ledger import funnel
from asegen.screening.pipeline import Workforce, screen
from asegen.screening.processes import Processes
from asegen.screening.stages import Read, Relax, Stage

sys.path.insert(0, str(Path(__file__).parents[1] / "screening"))  # which workers get, too
from faulty import Waiting

N_CANDIDATES = 48


@contextmanager
def warm(workers: int) -> Iterator[Workforce]:
    """Worker processes that have imported what stages need."""
    pool = Processes(workers)
    modules = ("ase.calculators.emt", "asegen.screening.minimise")
    calls = [pool.submit(importlib.import_module, name) for name in modules * 4 * workers]
    for call in calls:
        call.exception()  # modules can't be sent back, but are imported
    yield Workforce(pool, lambda: workers)
    pool.kill()
    pool.shutdown()


def candidates(path: Path) -> Path:
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(N_CANDIDATES):
        atoms = bulk("Cu", cubic=True, a=3.7).repeat((2, 1, 1))
        atoms.symbols[:] = rng.choice(["Cu", "Au", "Pd", "Ag"], len(atoms))
        atoms.rattle(0.1, rng=rng)
        frames.append(atoms)
    write(path, frames)
    return path


def seconds(path: Path, workdir: Path, stage: Stage, workers: int) -> float:
    """From the beginning of a stage to its end."""
    with warm(workers) as force:
        screen([path], workdir, [Read()], workforce=force)
        start = time.perf_counter()
        screen([path], workdir, [Read(), stage], workforce=force)
        return time.perf_counter() - start


def test_throughput_of_many_workers(tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    path, n = candidates(tmp_path / "in.extxyz"), min(4, len(os.sched_getaffinity(0)))
    relax = Relax(find_engine("emt"), fmax=0.02, steps=40)
    print(f"\nload of the machine before: {os.getloadavg()[0]:.1f}")
    for name, stage in (("EMT", relax), ("waiting", Waiting())):
        one, many = (seconds(path, tmp_path / f"{name}{k}", stage, k) for k in (1, n))
        share, busy = one / many / n, funnel(tmp_path / f"{name}{n}")[-1].seconds / (n * many)
        benchmark.extra_info[name] = share
        print(
            f"{name}: {one:.1f} s with 1 worker, {many:.1f} s with {n}: {share:.2f} of {n} times the throughput;",
            end="",
        )
        print(f" workers were at work {100 * busy:.0f} % of the time")
    benchmark.pedantic(lambda: None)
