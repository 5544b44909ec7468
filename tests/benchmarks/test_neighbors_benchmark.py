"""Neighbours of 64 structures with 649 atoms in one thread, beside vesin's and ASE's.

The published code (GemsDiff) builds this graph, 32 nearest neighbours, in 318 ms on the same kind of core; the goal is
20 ms. vesin and ASE know cutoffs only: for the nearest neighbours they are told the smallest radius of each crystal
that holds them, which they could not know, and need not choose among what they find.

Times are the least CPU time of several runs: other work on the machine counts little.
"""

import itertools
from collections.abc import Callable
from pathlib import Path
from time import process_time
from timeit import repeat

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list
from pytest_benchmark.fixture import BenchmarkFixture
from vesin import NeighborList

from asegen.crystals.crystals import Crystals
from asegen.crystals.graph import knn_graph
from asegen.geometry.neighbors import nearest_neighbors, neighbors_within
from asegen.geometry.niggli import niggli_reduce
from asegen.structures.atoms import atoms_from_crystals, crystals_from_atoms, read_structures

N_CRYSTALS, N_ATOMS, K, CUTOFF = 64, 649, 32, 6.0
PUBLISHED_SECONDS, GOAL_SECONDS = 0.318, 0.020

pytestmark = pytest.mark.benchmark(timer=process_time)


def real_crystals(folder: Path) -> Crystals:
    """The first 64 consecutive structures of the Materials Project's test split that have 649 atoms."""
    rows = itertools.islice(read_structures(folder / "mp" / "test.csv.gz"), 1000)
    structures = [row.atoms for row in rows if isinstance(row.atoms, Atoms)]
    windows = (structures[k : k + N_CRYSTALS] for k in range(len(structures) - N_CRYSTALS))
    return crystals_from_atoms(next(w for w in windows if sum(map(len, w)) == N_ATOMS)).to(dtype=torch.float32)


def made_crystals() -> Crystals:
    """Random atoms in random Niggli cells, 14 Å³ per atom: no symmetry, no chemistry."""
    generator = torch.Generator().manual_seed(0)
    n_atoms = torch.arange(N_CRYSTALS) % 20 + 1
    n_atoms[-1] += N_ATOMS - n_atoms.sum()
    cell, _ = niggli_reduce(torch.eye(3) * 3 + torch.randn(N_CRYSTALS, 3, 3, generator=generator))
    cell = cell * (14 * n_atoms / torch.linalg.det(cell).abs())[:, None, None] ** (1 / 3)
    positions = torch.rand(N_ATOMS, 3, generator=generator)
    return Crystals(cell, positions, torch.ones(N_ATOMS, dtype=torch.int64), n_atoms)


@pytest.fixture(scope="module", params=["real", "made"])
def crystals(request: pytest.FixtureRequest) -> Crystals:
    torch.set_num_threads(1)
    chosen = made_crystals() if request.param == "made" else real_crystals(request.getfixturevalue("shared_data"))
    assert len(chosen) == N_CRYSTALS and len(chosen.numbers) == N_ATOMS
    return chosen


def vesin_pairs(structures: list[Atoms], radii: list[float]) -> int:
    total = 0
    for atoms, radius in zip(structures, radii, strict=True):
        search = NeighborList(cutoff=radius, full_list=True, sorted=True, n_threads=1)
        i, *_ = search.compute(atoms.positions, atoms.cell.array, periodic=True, quantities="ijSDd")
        total += len(i)
    return total


def ase_pairs(structures: list[Atoms], radii: list[float]) -> int:
    return sum(len(neighbor_list("ijSDd", a, r)[0]) for a, r in zip(structures, radii, strict=True))


def report(benchmark: BenchmarkFixture, title: str, crystals: Crystals, radii: list[float]) -> float:
    """Compares the benchmark's least time with the others', measured here; returns it in seconds."""
    structures = atoms_from_crystals(crystals)
    ours = benchmark.stats.stats.min
    others: list[tuple[str, int, Callable[[], int]]] = [
        ("vesin", 20, lambda: vesin_pairs(structures, radii)),
        ("ase", 2, lambda: ase_pairs(structures, radii)),
    ]
    line = f"\n{title}: {ours * 1e3:.1f} ms"
    for name, times, search in others:
        seconds = min(repeat(search, number=1, repeat=times, timer=process_time))
        benchmark.extra_info[f"{name}_seconds"] = seconds
        benchmark.extra_info[f"{name}_over_asegen"] = seconds / ours
        line += f"; {name} {seconds * 1e3:.1f} ms ({seconds / ours:.2f} of asegen's)"
    benchmark.extra_info["published_over_asegen"] = PUBLISHED_SECONDS / ours
    print(line)
    return ours


def kth_radii(crystals: Crystals) -> list[float]:
    found = nearest_neighbors(crystals.cell, crystals.scaled_positions, crystals.n_atoms, K)
    largest = found.distance.view(-1, K)[:, -1]
    return [float(part.max()) + 1e-4 for part in torch.split(largest, crystals.n_atoms.tolist())]


def test_nearest_neighbors(benchmark: BenchmarkFixture, crystals: Crystals) -> None:
    arguments = crystals.cell, crystals.scaled_positions, crystals.n_atoms, K
    found = benchmark.pedantic(nearest_neighbors, arguments, rounds=30, warmup_rounds=3)
    assert len(found.i) == K * N_ATOMS
    seconds = report(benchmark, "32 nearest neighbours", crystals, kth_radii(crystals))
    assert seconds <= GOAL_SECONDS


def test_neighbors_within_a_cutoff(benchmark: BenchmarkFixture, crystals: Crystals) -> None:
    arguments = crystals.cell, crystals.scaled_positions, crystals.n_atoms, CUTOFF
    found = benchmark.pedantic(neighbors_within, arguments, rounds=30, warmup_rounds=3)
    radii = [CUTOFF] * N_CRYSTALS
    assert abs(len(found.i) - ase_pairs(atoms_from_crystals(crystals), radii)) <= 1e-3 * len(found.i)
    report(benchmark, "cutoff of 6 Å", crystals, radii)


def test_symmetric_graph(benchmark: BenchmarkFixture, crystals: Crystals) -> None:
    benchmark.pedantic(knn_graph, (crystals, K), rounds=30, warmup_rounds=3)
    seconds = benchmark.stats.stats.min
    benchmark.extra_info["published_over_asegen"] = PUBLISHED_SECONDS / seconds
    print(f"\nsymmetric graph: {seconds * 1e3:.1f} ms, {PUBLISHED_SECONDS / seconds:.0f} times faster than published")
    assert seconds <= GOAL_SECONDS


def test_cutoff_agrees_with_vesin(crystals: Crystals) -> None:
    radii = [4.0 + np.pi / 100] * N_CRYSTALS
    double = crystals.to(dtype=torch.float64)
    found = neighbors_within(double.cell, double.scaled_positions, double.n_atoms, radii[0])
    assert len(found.i) == vesin_pairs(atoms_from_crystals(double), radii)
