"""`asegen.metrics` beside the libraries called directly, and a run of all metrics on real crystals.

Goals for 3,522 generated against 3,522 reference structures on four cores: all metrics within 10 minutes, the match
rate within 90 s. Seconds of processor time are those of all processes, the time that fresh workers take to start
included; other work on the machine counts little in them.
"""

import resource
import warnings
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor
from pytest_benchmark.fixture import BenchmarkFixture

from asegen.metrics import evaluate
from asegen.structures.atoms import read_structures

SPLIT = 3522


def crystals(folder: Path, step: int) -> list[Atoms]:
    """Every so manieth crystal of the test split."""
    found = []
    for row in islice(read_structures(folder / "mp" / "test.csv.gz"), 0, None, step):
        assert isinstance(row.atoms, Atoms)
        row.atoms.info["material_id"] = row.id
        found.append(row.atoms)
    return found


def rattled(reference: list[Atoms]) -> list[Atoms]:
    generated = [atoms.copy() for atoms in reference]
    for k, atoms in enumerate(generated):
        atoms.rattle(0.05, seed=k)
    return generated


def processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def measured(run: Callable[[], Any]) -> tuple[Any, float, float]:
    """What a run gives, and its seconds by the clock and of processor time."""
    start, used = perf_counter(), processor_seconds()
    found = run()
    return found, perf_counter() - start, processor_seconds() - used


def report(benchmark: BenchmarkFixture, what: str, ours: float, peer: str, theirs: float) -> None:
    benchmark.extra_info["ratio"] = theirs / ours
    print(f"\n{what}: {ours:.3g} s of processor time; {peer} {theirs:.3g} s: {theirs / ours:.2g} times faster")


def test_match_everyone_and_pymatgen_without_bins(benchmark: BenchmarkFixture, shared_data: Path) -> None:
    reference = crystals(shared_data, 30)
    generated = rattled(reference)
    run = lambda: evaluate(generated, reference, metrics=["metre"], jobs=4)  # noqa: E731
    found, _, ours = benchmark.pedantic(measured, (run,), rounds=1)
    matcher = StructureMatcher(stol=0.5, ltol=0.3, angle_tol=10)

    def all_pairs() -> float:
        sides = [[AseAtomsAdaptor.get_structure(atoms) for atoms in side] for side in (reference, generated)]
        return float(np.mean([any(matcher.get_rms_dist(a, b) for b in sides[1]) for a in sides[0]]))

    direct, _, theirs = measured(all_pairs)
    assert found.metrics["metre"].values["metre"] == direct
    report(benchmark, f"METRe, {len(reference)} against as many", ours, "StructureMatcher on all pairs", theirs)


def test_fingerprints_and_matminer(benchmark: BenchmarkFixture, shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("matminer")
    from matminer.featurizers.composition import ElementProperty
    from matminer.featurizers.structure import SiteStatsFingerprint

    reference = crystals(shared_data, 60)
    run = lambda: evaluate(reference, reference, metrics=["coverage"], jobs=4, cache=tmp_path)  # noqa: E731
    _, _, first = benchmark.pedantic(measured, (run,), rounds=1)
    _, _, again = measured(run)
    sites = SiteStatsFingerprint.from_preset("CrystalNNFingerprint_ops")
    magpie = ElementProperty.from_preset("magpie")

    def direct() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for atoms in reference:
                structure = AseAtomsAdaptor.get_structure(atoms)
                sites.featurize(structure)
                magpie.featurize(structure.composition)

    _, _, theirs = measured(direct)
    report(benchmark, f"fingerprints of {len(reference)}, workers' start included", first, "matminer", theirs)
    report(benchmark, "the same again, from the cache", again, "matminer", theirs)


def test_all_metrics(benchmark: BenchmarkFixture, shared_data: Path) -> None:
    reference = crystals(shared_data, 10)
    generated = rattled(reference)
    run = lambda: evaluate(generated, reference, reference, jobs=4)  # noqa: E731
    found, clock, used = benchmark.pedantic(measured, (run,), rounds=1)
    scale = SPLIT / len(reference)
    print(
        f"\n{', '.join(found.metrics)}, {len(reference)} against as many, 4 processes: {clock:.0f} s by the clock, "
        f"{used:.0f} s of processor time; for {SPLIT}, all growing alike, on four idle cores {used * scale / 4:.0f} s"
    )
