"""What a learned relaxation saves: a calculator's force calls to fmax 0.05 eV/Å with and without it, and both ends.

    asegen ingest test.csv.gz -o shards
    python examples/relax_before_calculator.py --data shards --split test -n 300 --calculator chgnet
    python examples/relax_before_calculator.py --structures generated.extxyz -n 300 --calculator chgnet

Crystals of a split are strained (σ = 0.05) and rattled (σ = 0.15 Å); structures of a file are taken as they are. Both
ways are relaxed by FIRE on ASE's FrechetCellFilter. Without arguments, alloys of ASE's EMT calculator stand in.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.io import iread
from ase.optimize import FIRE

from asegen.atoms import atoms_from_crystals
from asegen.calculators import relax_structures
from asegen.data.shards import load_split
from asegen.relaxation.noise import rattled, strained
from asegen.relaxers import load_relaxer

SAME_ENERGY = 0.005  # eV per atom between two relaxed structures that count as the same minimum


def disturbed(folder: Path, split: str, n: int, seed: int) -> list[Atoms]:
    """Crystals of a split, chosen at random, with noise."""
    crystals = load_split(folder, split).crystals
    generator = torch.Generator().manual_seed(seed)
    crystals = crystals[torch.randperm(len(crystals), generator=generator)[:n]]
    noisy = rattled(crystals, torch.full_like(crystals.volume, 0.15), False, generator)
    return atoms_from_crystals(strained(noisy, torch.full_like(crystals.volume, 0.05), generator))


def alloys(n: int, seed: int) -> list[Atoms]:
    """Rough cells of metals that EMT knows."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        atoms = bulk("Cu", "fcc", a=4.0, cubic=True)
        atoms.symbols = rng.choice(["Cu", "Ni", "Pd", "Au"], len(atoms))
        atoms.rattle(0.15, seed=int(rng.integers(1000)))
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.05 * rng.normal(size=(3, 3))), scale_atoms=True)
        made.append(atoms)
    return made


def descend(atoms: Atoms, calculator: Calculator, steps: int) -> dict[str, float]:
    """FIRE to fmax 0.05 eV/Å: force calls, seconds, whether it converged, and the energy per atom (eV)."""
    atoms = atoms.copy()
    atoms.calc = calculator
    began = time.process_time()
    optimizer = FIRE(FrechetCellFilter(atoms), logfile=None)
    try:
        converged = bool(optimizer.run(fmax=0.05, steps=steps))
        energy = float(atoms.get_potential_energy()) / len(atoms)
    except (ValueError, RuntimeError, FloatingPointError):  # a structure that a calculator can't take
        converged, energy = False, float("nan")
    return {
        "calls": optimizer.nsteps + 1,
        "seconds": time.process_time() - began,
        "converged": converged,
        "energy": energy,
    }


def compare(structures: list[Atoms], model: str | None, calculator: Calculator, steps: int) -> dict[str, float]:
    """Both ways for every structure, and the figures."""
    relaxer = load_relaxer(model, "cpu")
    began = time.process_time()
    relaxed = [record.atoms for record in relax_structures(structures, relaxer)]
    learned = (time.process_time() - began) / len(structures)
    without = [descend(atoms, calculator, steps) for atoms in structures]
    after = [descend(atoms, calculator, steps) for atoms in relaxed]
    calls, calls_after = (np.array([row["calls"] for row in rows]) for rows in (without, after))
    seconds, seconds_after = (np.mean([row["seconds"] for row in rows]) for rows in (without, after))
    gain = np.array([a["energy"] - b["energy"] for a, b in zip(after, without, strict=True)])
    gain = gain[np.isfinite(gain)]
    return {
        "structures": len(structures),
        "calls without": float(calls.mean()),
        "calls with": float(calls_after.mean()),
        "fewer calls %": 100 * (1 - float(calls_after.sum() / calls.sum())),
        "seconds without": float(seconds),
        "seconds with, both parts": float(seconds_after + learned),
        "milliseconds of the learned part": 1000 * learned,
        "calculator to learned, time": float(seconds / learned),
        "converged without %": 100 * float(np.mean([row["converged"] for row in without])),
        "converged with %": 100 * float(np.mean([row["converged"] for row in after])),
        "median energy with - without, eV/atom": float(np.median(gain)),
        "same energy %": 100 * float(np.mean(np.abs(gain) < SAME_ENERGY)),
        "lower %": 100 * float(np.mean(gain <= -SAME_ENERGY)),
        "higher %": 100 * float(np.mean(gain >= SAME_ENERGY)),
    }


def chgnet() -> Calculator:
    """CHGNet (Deng et al., 2023), which has to be installed."""
    from chgnet.model.dynamics import CHGNetCalculator

    return CHGNetCalculator(use_device="cpu")


CALCULATORS: dict[str, Callable[[], Calculator]] = {"emt": EMT, "chgnet": chgnet}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of asegen ingest")
    parser.add_argument("--split", default="test")
    parser.add_argument("--structures", type=Path, help="a file instead")
    parser.add_argument("-n", type=int, default=2)
    parser.add_argument("--calculator", choices=sorted(CALCULATORS), default="emt")
    parser.add_argument("--model", help="a shipped relaxer's name, or a file of weights")
    parser.add_argument("--steps", type=int, default=300, help="most steps of the calculator's relaxation")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.structures is not None:
        chosen = [atoms for atoms, _ in zip(iread(args.structures, ":"), range(args.n), strict=False)]
    elif args.data is not None:
        chosen = disturbed(args.data, args.split, args.n, args.seed)
    else:
        chosen = alloys(args.n, args.seed)
    print(json.dumps(compare(chosen, args.model, CALCULATORS[args.calculator](), args.steps), indent=1))
