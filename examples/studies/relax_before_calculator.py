"""What a learned relaxation saves: a calculator's force calls to fmax 0.05 eV/Å with and without it, and both ends.

    asegen ingest test.csv.gz -o shards
    python examples/studies/relax_before_calculator.py --data shards --split test -n 300 --calculator chgnet
    python examples/studies/relax_before_calculator.py --structures generated.extxyz -n 300 --calculator chgnet

Crystals of a split are strained (σ = 0.05) and rattled (σ = 0.15 Å); structures of a file are taken as they are. Both
ways are relaxed by FIRE on ASE's FrechetCellFilter, and end in the same minimum if their energies per atom differ by
less than 5 meV, or if pymatgen's StructureMatcher says so. Without arguments, alloys of ASE's EMT calculator stand in.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.io import iread
from ase.optimize import FIRE
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.calculators import relax_structures
from asegen.data.shards import load_split
from asegen.relaxation.noise import rattled, strained
from asegen.structures.atoms import atoms_from_crystals
from asegen.trained.relaxer import load_relaxer

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


def descend(atoms: Atoms, calculator: Calculator, steps: int) -> tuple[Atoms, dict[str, float]]:
    """FIRE to fmax 0.05 eV/Å: the end, and force calls, seconds, whether it converged, and the energy per atom (eV)."""
    atoms = atoms.copy()
    atoms.calc = calculator
    began = time.process_time()
    optimizer = FIRE(FrechetCellFilter(atoms), logfile=None)
    try:
        converged = bool(optimizer.run(fmax=0.05, steps=steps))
        energy = float(atoms.get_potential_energy()) / len(atoms)
    except (ValueError, RuntimeError, FloatingPointError):  # a structure that a calculator can't take
        converged, energy = False, float("nan")
    return atoms, {
        "calls": optimizer.nsteps + 1,
        "seconds": time.process_time() - began,
        "converged": converged,
        "energy": energy,
    }


def both_ways(
    structures: list[Atoms], model: str | None, calculator: Calculator, steps: int, out: Path
) -> list[dict[str, Any]]:
    """A row for every structure, relaxed from where it is and after learned relaxation; rows of `out` are kept."""
    began = time.process_time()
    relaxed = [record.atoms for record in relax_structures(structures, load_relaxer(model, "cpu"))]
    learned = (time.process_time() - began) / len(structures)
    rows = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    for atoms, better in zip(structures[len(rows) :], relaxed[len(rows) :], strict=True):
        (end, without), (other, after) = (descend(start, calculator, steps) for start in (atoms, better))
        rows.append({"without": without, "with": after, "learned": learned, "fits": fits(end, other)})
        with out.open("a") as file:
            file.write(json.dumps(rows[-1]) + "\n")
    return rows[: len(structures)]


def fits(one: Atoms, other: Atoms) -> bool:
    """Whether pymatgen's StructureMatcher (its defaults) takes two structures for the same."""
    try:
        return bool(StructureMatcher().fit(AseAtomsAdaptor.get_structure(one), AseAtomsAdaptor.get_structure(other)))
    except (ValueError, RuntimeError, ArithmeticError):  # a structure that has fallen apart is no match
        return False


def figures(rows: list[dict[str, Any]]) -> dict[str, float]:
    """What learned relaxation saves, over all structures."""
    found = {
        way: {name: np.array([row[way][name] for row in rows], dtype=float) for name in rows[0][way]}
        for way in ("without", "with")
    }
    without, after = found["without"], found["with"]
    learned = float(np.mean([row["learned"] for row in rows]))
    gain = after["energy"] - without["energy"]
    known = gain[np.isfinite(gain)]
    return {
        "structures": len(rows),
        "calls without": float(without["calls"].mean()),
        "calls with": float(after["calls"].mean()),
        "fewer calls %": 100 * (1 - float(after["calls"].sum() / without["calls"].sum())),
        "median calls without": float(np.median(without["calls"])),
        "median calls with": float(np.median(after["calls"])),
        "seconds without": float(without["seconds"].mean()),
        "seconds with, both parts": float(after["seconds"].mean() + learned),
        "milliseconds of the learned part": 1000 * learned,
        "calculator to learned, time": float(without["seconds"].mean() / learned),
        "converged without %": 100 * float(without["converged"].mean()),
        "converged with %": 100 * float(after["converged"].mean()),
        "median energy with - without, eV/atom": float(np.median(known)),
        "mean energy with - without, eV/atom": float(np.mean(known)),
        "same energy %": 100 * float(np.mean(np.abs(known) < SAME_ENERGY)),
        "lower %": 100 * float(np.mean(known <= -SAME_ENERGY)),
        "higher %": 100 * float(np.mean(known >= SAME_ENERGY)),
        "same structure %": 100 * float(np.mean([row["fits"] for row in rows])),
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
    parser.add_argument("--rows", type=Path, help="JSON lines, one per structure: a stopped run goes on from them")
    args = parser.parse_args()
    if args.structures is not None:
        chosen = [atoms for atoms, _ in zip(iread(args.structures, ":"), range(args.n), strict=False)]
    elif args.data is not None:
        chosen = disturbed(args.data, args.split, args.n, args.seed)
    else:
        chosen = alloys(args.n, args.seed)
    with tempfile.TemporaryDirectory() as here:
        place = args.rows or Path(here) / "rows.jsonl"
        found = both_ways(chosen, args.model, CALCULATORS[args.calculator](), args.steps, place)
    print(json.dumps(figures(found), indent=1))
