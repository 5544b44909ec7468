"""How far the verdicts of a screening can be trusted: energies above the hull, force calls, phonons, five systems.

    python examples/studies/verdict_tables.py hull test.csv.gz -n 300 --workdir tables --calculator chgnet
    python examples/studies/verdict_tables.py calls val.csv.gz -n 100 --workdir tables
    python examples/studies/verdict_tables.py phonons --workdir tables --calculator chgnet --calculator 7net-0
    python examples/studies/verdict_tables.py systems -n 40 --workdir tables

`hull`: crystals of a table with a column `energy_above_hull` (the Materials Project's, eV/atom) are relaxed from there
and placed above the shipped hull. `calls`: force calls and processor seconds of FIRE and BFGS for crystals that were
strained and rattled, or for the structures of a file as they are. `phonons`: verdicts on crystals whose dynamic
stability is known. `systems`: chemical systems, drawn by `asegen generate` and screened with `--reference none` and
with the hull. Run again after an interruption, they do the rest. Without arguments, a little of all with EMT.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.io import read, write
from ase.spacegroup import crystal
from numpy.typing import NDArray

from asegen.hull.table import shipped_hull
from asegen.potentials.engine import find_engine
from asegen.potentials.minimise import OPTIMIZERS
from asegen.screening import Result, screen
from asegen.screening.records import Candidate
from asegen.screening.stages.finite_displacements import STABLE, UNSTABLE, Settings, phonons
from asegen.screening.stages.prerelax import prerelax
from asegen.screening.stages.relax import Relax
from asegen.structures.atoms import read_structures

NEAR = 0.03
"""eV/atom above the hull that still count as stable."""
HIGHER = 0.005
"""eV/atom, more than what a converged relaxation leaves undecided."""


def drawn(path: Path, n: int, sizes: tuple[int, int], seed: int) -> list[Atoms]:
    """Crystals of a table, chosen at random; `info` has the columns beside them.

    Args:
        path: any file of structures.
        n: at most so many.
        sizes: fewest and most atoms.
        seed: of the choice.
    """
    found = []
    for row in read_structures(path):
        if isinstance(row.atoms, Atoms) and sizes[0] <= len(row.atoms) <= sizes[1]:
            row.atoms.info = {"material_id": row.id, **row.values}
            found.append(row.atoms)
    chosen = np.random.default_rng(seed).permutation(len(found))[:n]
    return [found[k] for k in sorted(chosen)]


def disturbed(atoms: Atoms, seed: int, strain: float = 0.04, noise: float = 0.1) -> Atoms:
    """A crystal under a random symmetric strain, its atoms moved by `noise` Å in each direction."""
    rng = np.random.default_rng(seed)
    epsilon = rng.normal(scale=strain, size=(3, 3))
    changed = atoms.copy()
    changed.set_cell(atoms.cell.array @ (np.eye(3) + (epsilon + epsilon.T) / 2), scale_atoms=True)
    changed.rattle(noise, rng=rng)
    return changed


# ---- hull


def hull_table(args: argparse.Namespace) -> None:
    """Errors of energies above the hull, of true crystals relaxed."""
    for name in args.calculator:
        folder = args.workdir / f"hull-{name}-{args.n}-{args.max_atoms}-{args.seed}"
        crystals = drawn(args.file, args.n, (1, args.max_atoms), args.seed)
        stages = ["relax", "hull"]
        found = screen(crystals, folder, name, stages=stages, relaxer=None, jobs=1)
        pairs = [
            (result["e_known"], float(crystals[result.index].info["energy_above_hull"]))
            for result in found
            if result.status == "ok" and result["e_known"] is not None
        ]
        errors = {result["e_hull_error"] for result in found} - {None}
        calls = [result["force_calls"] for result in found if result["force_calls"]]
        print(f"\n{name}: {len(pairs)} of {len(crystals)} crystals, {sum(calls)} force calls, stated error {errors}")
        report_errors(np.array(pairs))


def report_errors(pairs: NDArray[np.float64]) -> None:
    """Prints errors, and how often "stable within `NEAR`" agrees; (n, 2): computed and true, eV/atom."""
    change = pairs[:, 0] - pairs[:, 1]
    spread = np.abs(change).std() / np.sqrt(len(change))
    print(
        f"  |error| mean {np.abs(change).mean():.4f} ± {spread:.4f}, median {np.median(np.abs(change)):.4f},", end=" "
    )
    print(f"bias {change.mean():+.4f}, 95 % within {np.quantile(np.abs(change), 0.95):.3f} eV/atom")
    said, true = (pairs[:, k] <= NEAR for k in (0, 1))
    hits = int((said & true).sum())
    precision, recall = hits / max(said.sum(), 1), hits / max(true.sum(), 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    print(f"  stable within {NEAR}: {true.sum()} are, {said.sum()} are said to be; ", end="")
    print(f"precision {precision:.3f}, recall {recall:.3f}, F1 {f1:.3f}; ", end="")
    share = true.mean()
    print(f"calling all stable: F1 {2 * share / (1 + share):.3f}")


# ---- calls


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
    ends = {}
    for name in args.calculator:
        for optimizer in OPTIMIZERS:
            ends[optimizer] = relaxed(name, optimizer, moved, starts, args.fmax)
            told(f"{name}, {optimizer}", ends[optimizer])
        rises = ends["bfgs"][:, 2] - ends["fire"][:, 2]
        print(f"  bfgs higher by over 5 meV/atom: {(rises > HIGHER).sum()}, lower: {(rises < -HIGHER).sum()}")


def relaxed(
    name: str, optimizer: str, starts: Sequence[Atoms], before: Sequence[Atoms], fmax: float
) -> NDArray[np.float64]:
    """(n, 4): force calls, processor seconds, energy (eV/atom) and whether it converged."""
    stage = Relax(find_engine(name), fmax=fmax, optimizer=optimizer)
    stage.work([Candidate(0, "ok", {}, starts[0])], [before[0]])  # loads the network
    rows = []
    for atoms, old in zip(starts, before, strict=True):
        start = time.process_time()
        (outcome,) = stage.work([Candidate(0, "ok", {}, atoms)], [old])
        energy = outcome.found.get("energy") or np.nan
        rows.append((outcome.found.get("force_calls", 0), time.process_time() - start, energy, outcome.status == "ok"))
    return np.array(rows, float)


def told(name: str, rows: NDArray[np.float64]) -> None:
    """Prints a line on relaxations."""
    calls, seconds = rows[:, 0], rows[:, 1]
    print(f"  {name}: {calls.sum():.0f} force calls (median {np.median(calls):g}, most {calls.max():.0f}),", end=" ")
    print(f"{seconds.mean():.2f} processor seconds each (median {np.median(seconds):.2f});", end=" ")
    print(f"{int((1 - rows[:, 3]).sum())} did not converge", flush=True)
