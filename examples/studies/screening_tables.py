"""What a screening costs, stage by stage, and what learned pre-relaxation saves the calculator.

    python examples/studies/screening_tables.py test.csv.gz -n 1000 --workdir tables --calculator chgnet --jobs 4

Real crystals are strained and rattled and screened twice, without and with pre-relaxation. Where that ends higher, the
undisturbed crystal is relaxed, too, to see who found it. Run it again after an interruption and it does the rest.
Without arguments, a few metals with EMT stand in for both.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.io import write
from verdicts.crystals import HIGHER, disturbed

from asegen.screening import Result, screen
from asegen.screening.ledger import funnel
from asegen.structures.atoms import read_structures

_STAGES = ("dedup", "symmetrise", "prerelax", "relax", "compare", "hull")


def crystals(path: Path | None, n: int) -> list[Atoms]:
    """The first crystals of a file, or a few metals."""
    if path is None:
        return [bulk(symbol, cubic=True) for symbol in ("Cu", "Al", "Ni", "Pd")]
    return [row.atoms for row in islice(read_structures(path), n) if isinstance(row.atoms, Atoms)]


def screened(path: Path, workdir: Path, calculator: str, relaxer: str | None, jobs: int) -> list[Result]:
    """One screening; its table of stages is printed."""
    start = time.perf_counter()
    found = screen(path, workdir, calculator, stages=_STAGES, relaxer=relaxer, jobs=jobs)
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"\n{'with' if relaxer else 'without'} pre-relaxation: {seconds:.0f} s, largest worker {memory:.2f} GiB")
    for count in funnel(workdir):
        stopped = ", ".join(f"{number} {status}" for status, number in count.stopped.items())
        each = count.seconds / max(count.entered, 1)
        print(f"{count.stage:<11}{count.entered:>6} -> {count.left:<6}{each:8.3f} s each  {stopped}")
    return found


def compare(plain: list[Result], helped: list[Result]) -> list[Result]:
    """Force calls and energies of what both screenings relaxed; returns those that end higher with pre-relaxation."""
    relaxed = [{r.id: r for r in found if r["energy"] is not None} for found in (plain, helped)]
    both = sorted(set(relaxed[0]) & set(relaxed[1]))
    calls = [sum(found[id]["force_calls"] or 0 for id in both) for found in relaxed]
    change = np.array([relaxed[1][id]["energy"] - relaxed[0][id]["energy"] for id in both])
    print(f"\n{len(both)} crystals relaxed twice: {calls[0]} force calls without, {calls[1]} with pre-relaxation:")
    print(f"{calls[0] / calls[1]:.2f} times as many")
    print(f"energy with - without, eV/atom: median {np.median(change):+.4f}, mean {change.mean():+.4f};", end=" ")
    print(f"lower by over 5 meV/atom: {np.sum(change < -HIGHER)}, higher: {np.sum(change > HIGHER)}")
    for name, found in (("without", relaxed[0]), ("with", relaxed[1])):
        print(f"unconverged {name}: {sum(found[id].status == 'unconverged' for id in both)}")
    return [helped for helped, rise in zip((relaxed[1][id] for id in both), change, strict=True) if rise > HIGHER]


def explain(higher: list[Result], originals: list[Atoms], workdir: Path, calculator: str, jobs: int) -> None:
    """How many of those that end higher with pre-relaxation are the crystal that was disturbed."""
    if not higher:
        return
    path = workdir / "undisturbed.extxyz"
    write(path, [originals[result.index] for result in higher])
    found = screen(path, workdir / "undisturbed", calculator, stages=["relax"], relaxer=None, jobs=jobs)
    ends = {r.index: r["energy"] for r in found}
    rises = [result["energy"] - ends[k] for k, result in enumerate(higher) if result["energy"] and ends[k]]
    there = sum(rise <= HIGHER for rise in rises)
    print(f"of the {len(higher)}, {there} end no higher than the undisturbed crystal, relaxed, does")


def main() -> None:
    """Screens twice and prints tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("-n", type=int, default=1000)
    parser.add_argument("--workdir", type=Path)
    parser.add_argument("--calculator", default="emt")
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        workdir = args.workdir or Path(temporary)
        workdir.mkdir(parents=True, exist_ok=True)
        path, originals = workdir / "disturbed.extxyz", crystals(args.file, args.n)
        if not path.exists():
            write(path, [disturbed(atoms, k) for k, atoms in enumerate(originals)])
        plain = screened(path, workdir / "plain", args.calculator, None, args.jobs)
        helped = screened(path, workdir / "helped", args.calculator, "empnn", args.jobs)
        explain(compare(plain, helped), originals, workdir, args.calculator, args.jobs)


if __name__ == "__main__":
    main()
