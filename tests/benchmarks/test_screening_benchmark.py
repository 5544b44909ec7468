"""How much of N workers' time `asegen screen` uses, and what its ledger costs.

The goal is at least 0.85 N of one worker's throughput on as many cores. Two numbers are of calculations (EMT, and
CHGNet where it is installed), whose workers compete for the machine's cores and its memory's bandwidth; the third is of
work that only waits, which shows what is lost to the pipeline itself, as does the share of the time that workers were
at work. Processes are started, and have imported what they need, before the clock runs: what CHGNet costs a worker's
first candidate, a few seconds, is no matter of throughput.
"""

import importlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import util
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import write
from pytest_benchmark.fixture import BenchmarkFixture

from asegen.parallel.processes import Processes
from asegen.potentials.engine import find_engine
from asegen.screening.ledger import funnel
from asegen.screening.pipeline import Workforce, run_stages
from asegen.screening.stage import Stage
from asegen.screening.stages.read import Read
from asegen.screening.stages.relax import Relax

sys.path.insert(0, str(Path(__file__).parents[1] / "screening"))  # which workers get, too
from faulty import Waiting

N_ALLOYS = 48
PEROVSKITE = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)]


@contextmanager
def warm(workers: int, module: str) -> Iterator[Workforce]:
    """Worker processes that have imported what stages need."""
    pool = Processes(workers)
    modules = (module, "asegen.potentials.minimise")
    calls = [pool.submit(importlib.import_module, name) for name in modules * 4 * workers]
    for call in calls:
        call.exception()  # modules can't be sent back, but are imported
    yield Workforce(pool, lambda: workers)
    pool.kill()
    pool.shutdown()


def alloys(path: Path) -> Path:
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(N_ALLOYS):
        atoms = bulk("Cu", cubic=True, a=3.7).repeat((2, 1, 1))
        atoms.symbols[:] = rng.choice(["Cu", "Au", "Pd", "Ag"], len(atoms))
        atoms.rattle(0.1, rng=rng)
        frames.append(atoms)
    write(path, frames)
    return path


def perovskites(path: Path) -> Path:
    """160 rattled cells of 10 atoms."""
    rng = np.random.default_rng(0)
    frames = []
    for a, b, x in product(["Ca", "Sr", "Ba", "La", "Na", "K", "Rb", "Cs"], ["Ti", "Zr", "Mn", "Fe", "Nb"], "OFSN"):
        atoms = Atoms([a, b, x, x, x], scaled_positions=PEROVSKITE, cell=[4.2] * 3, pbc=True).repeat((2, 1, 1))
        atoms.rattle(0.1, rng=rng)
        frames.append(atoms)
    write(path, frames)
    return path


def seconds(path: Path, workdir: Path, stage: Stage, workers: int, module: str) -> float:
    """From the beginning of a stage to its end."""
    with warm(workers, module) as force:
        run_stages([path], workdir, [Read()], workforce=force)
        start = time.perf_counter()
        run_stages([path], workdir, [Read(), stage], workforce=force)
        return time.perf_counter() - start


def compare(path: Path, workdir: Path, stage: Stage, module: str, benchmark: BenchmarkFixture) -> None:
    """One worker and as many as there are cores, up to four."""
    n = min(4, len(os.sched_getaffinity(0)))
    print(f"\nload of the machine before: {os.getloadavg()[0]:.1f}")
    one, many = (seconds(path, workdir / f"{k}", stage, k, module) for k in (1, n))
    share, busy = one / many / n, funnel(workdir / f"{n}")[-1].seconds / (n * many)
    benchmark.extra_info["share"] = share
    print(f"{one:.1f} s with 1 worker, {many:.1f} s with {n}: {share:.2f} of {n} times the throughput;", end="")
    print(f" workers were at work {100 * busy:.0f} % of the time")
    benchmark.pedantic(lambda: None)


def test_throughput_with_emt(tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    relax = Relax(find_engine("emt"), fmax=0.02, steps=40)
    compare(alloys(tmp_path / "in.extxyz"), tmp_path, relax, "ase.calculators.emt", benchmark)


def test_throughput_of_work_that_waits(tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    compare(alloys(tmp_path / "in.extxyz"), tmp_path, Waiting(), "ase.calculators.emt", benchmark)


@pytest.mark.skipif(util.find_spec("chgnet") is None, reason="chgnet is not installed")
def test_throughput_with_chgnet(tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    relax = Relax(find_engine("chgnet"), steps=8)
    compare(perovskites(tmp_path / "in.extxyz"), tmp_path, relax, "chgnet.model.dynamics", benchmark)
