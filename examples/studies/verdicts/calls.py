"""Force calls and processor seconds of relaxations."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from asegen.potentials.engine import find_engine
from asegen.potentials.minimise import OPTIMIZERS
from asegen.screening.records import Candidate
from asegen.screening.stages.prerelax import prerelax
from asegen.screening.stages.relax import Relax
from verdicts.crystals import HIGHER, disturbed, drawn


def calls_table(args: argparse.Namespace) -> None:
    """Force calls and processor seconds of both optimisers, after the learned pre-relaxation and without it."""
    if args.as_is:
        starts = [atoms for atoms in drawn(args.file, args.n, (args.min_atoms, args.max_atoms), args.seed)]
    else:
        true = drawn(args.file, args.n, (args.min_atoms, args.max_atoms), args.seed)
        starts = [disturbed(atoms, k) for k, atoms in enumerate(true)]
    start = time.process_time()
    moved = [found.atoms or atoms for atoms, found in zip(starts, prerelax(starts, None, "cpu"), strict=True)]
    each = (time.process_time() - start) / len(starts)
    atoms = [len(one) for one in starts]
    print(f"\n{len(starts)} crystals of {min(atoms)} to {max(atoms)} atoms; pre-relaxation {each:.3f} s each")
    for name in args.calculator:
        ends = relaxed(name, moved, starts, args.fmax, args.workdir / f"calls-{name}-{args.n}-{args.seed}.csv")
        for optimizer, rows in ends.items():
            told(f"{name}, {optimizer}", rows)
        rises = ends["bfgs"][:, 2] - ends["fire"][:, 2]
        error = rises.std() / np.sqrt(len(rises))
        print(f"  bfgs higher by over 5 meV/atom: {(rises > HIGHER).sum()}, lower: {(rises < -HIGHER).sum()};", end=" ")
        print(f"mean {1000 * rises.mean():+.2f} ± {1000 * error:.2f} meV/atom")


def relaxed(
    name: str, starts: Sequence[Atoms], before: Sequence[Atoms], fmax: float, kept: Path
) -> dict[str, NDArray[np.float64]]:
    """By optimiser (n, 4): force calls, processor seconds, energy (eV/atom) and whether it converged.

    Args:
        name: of the potential.
        starts: crystals, pre-relaxed.
        before: the same before that.
        fmax: eV/Å.
        kept: file of what was done already; it grows with each crystal.
    """
    stages = {optimizer: Relax(find_engine(name), fmax=fmax, optimizer=optimizer) for optimizer in OPTIMIZERS}
    stages["bfgs"].work([Candidate(0, "ok", {}, starts[0])], [before[0]])  # loads the network
    done = kept.read_text().split("\n")[:-1] if kept.exists() else []
    with kept.open("a") as file:
        for atoms, old in list(zip(starts, before, strict=True))[len(done) // len(OPTIMIZERS) :]:
            lines = [f"{optimizer},{_one(stage, atoms, old)}\n" for optimizer, stage in stages.items()]
            file.write("".join(lines))
            file.flush()
    rows = [line.split(",") for line in kept.read_text().splitlines()]
    return {name: np.array([row[1:] for row in rows if row[0] == name], float) for name in OPTIMIZERS}


def _one(stage: Relax, atoms: Atoms, before: Atoms) -> str:
    start = time.process_time()
    (outcome,) = stage.work([Candidate(0, "ok", {}, atoms)], [before])
    calls, energy = outcome.found.get("force_calls", 0), outcome.found.get("energy") or np.nan
    return f"{calls},{time.process_time() - start:.3f},{energy:.6f},{int(outcome.status == 'ok')}"


def told(name: str, rows: NDArray[np.float64]) -> None:
    """Prints a line on relaxations."""
    calls, seconds = rows[:, 0], rows[:, 1]
    error = calls.std() / np.sqrt(len(calls))
    print(f"  {name}, {len(rows)}: {calls.sum():.0f} force calls (mean {calls.mean():.1f} ± {error:.1f},", end=" ")
    print(f"median {np.median(calls):g}, {np.mean(calls <= 10):.0%} at most 10, most {calls.max():.0f}),", end=" ")
    print(f"{seconds.mean():.2f} processor seconds each (median {np.median(seconds):.2f});", end=" ")
    print(f"{int((1 - rows[:, 3]).sum())} did not converge", flush=True)
