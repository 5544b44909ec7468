"""Does every metric move the right way? Real crystals, spoiled step by step, against other real crystals.

    python examples/studies/metrics_table.py train.csv.gz test.csv.gz -n 500 --jobs 4 --cache cache/

Rows: a sample of the first file; for a sample of the second, another one of the same file, itself, and itself rattled
ever more, with random positions, in a wrong cell, and with other elements. Without arguments, a few prototypes stand
in for both files.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from ase import Atoms
from ase.build import bulk
from numpy.random import Generator

from asegen.metrics import evaluate
from asegen.structures.atoms import read_structures

DEMONSTRATION = ["validity", "density", "elements"]  # these need no worker processes, which take seconds to start
MOST_ATOMS = 20  # as the published test splits; larger ones would be another distribution
RATTLES = (0.02, 0.05, 0.1, 0.2, 0.5)  # Å


def rattled(size: float) -> Callable[[Atoms, Generator], Atoms]:
    """Displaces every atom by a Gaussian of that deviation, Å."""

    def spoil(atoms: Atoms, random: Generator) -> Atoms:
        atoms.positions += random.normal(scale=size, size=atoms.positions.shape)
        return atoms

    return spoil


def random_positions(atoms: Atoms, random: Generator) -> Atoms:
    """Uniform in the cell."""
    atoms.set_scaled_positions(random.random(atoms.positions.shape))
    return atoms


def wrong_cell(atoms: Atoms, random: Generator) -> Atoms:
    """Each vector longer or shorter by a factor between 0.6 and 1.6; fractional positions stay."""
    atoms.set_cell(atoms.cell.array * np.exp(random.uniform(-0.5, 0.5, size=(3, 1))), scale_atoms=True)
    return atoms


def other_chemistry(atoms: Atoms, random: Generator) -> Atoms:
    """Each element replaced by one drawn from the first 83."""
    elements, index = np.unique(atoms.numbers, return_inverse=True)
    atoms.numbers = random.choice(np.arange(1, 84), size=len(elements), replace=False)[index]
    return atoms


SPOILERS: dict[str, Callable[[Atoms, Generator], Atoms]] = {
    **{f"rattled {size} Å": rattled(size) for size in RATTLES},
    "random positions": random_positions,
    "wrong cell": wrong_cell,
    "other chemistry": other_chemistry,
}


def spoiled(structures: Iterable[Atoms], spoil: Callable[[Atoms, Generator], Atoms]) -> list[Atoms]:
    """Copies, spoiled with the same random numbers at every call."""
    random = np.random.default_rng(1)
    return [spoil(atoms.copy(), random) for atoms in structures]


def from_file(path: str, n: int, most_atoms: int) -> list[Atoms]:
    """Readable crystals of a file, drawn at random, their ids in `info`."""
    found = []
    for structure in read_structures(Path(path)):
        if isinstance(structure.atoms, Atoms) and len(structure.atoms) <= most_atoms:
            structure.atoms.info["material_id"] = structure.id
            found.append(structure.atoms)
    return [found[k] for k in np.random.default_rng(1).permutation(len(found))[:n]]


def prototypes() -> list[Atoms]:
    """Rock salts, metals and semiconductors."""
    salts = [bulk(name, "rocksalt", a=a) for name, a in (("NaCl", 5.64), ("KCl", 6.29), ("MgO", 4.21), ("LiF", 4.03))]
    return [*salts, *(bulk(name) for name in ("Cu", "Al", "Au", "Ag", "Si", "Ge", "Ni", "Pd"))]


def main() -> None:
    """Prints the table as CSV, a row per set and a column per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "other", nargs="?", help="crystals of the same kind as the reference, such as the training split"
    )
    parser.add_argument("reference", nargs="?")
    parser.add_argument("-n", type=int, default=500, help="crystals of each file")
    parser.add_argument("--metrics", default=None, help="comma-separated names; all that can be measured by default")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    sets = {}
    if args.reference:
        drawn = from_file(args.reference, 2 * args.n, MOST_ATOMS)
        reference = drawn[: args.n]
        sets = {"train": from_file(args.other, args.n, MOST_ATOMS), "others of the reference": drawn[args.n :]}
    else:
        reference = prototypes()
    sets |= {"itself": reference, **{name: spoiled(reference, spoil) for name, spoil in SPOILERS.items()}}
    names = args.metrics.split(",") if args.metrics else None if args.reference else DEMONSTRATION
    rows = {}
    for name, structures in sets.items():
        found = evaluate(structures, reference, metrics=names, jobs=args.jobs, cache=args.cache).metrics
        rows[name] = {f"{metric}: {m.labels[k]}": v for metric, m in found.items() for k, v in m.values.items()}
        if "fd-chgnet" in found:
            second = evaluate(
                structures, reference, metrics=["energy"], jobs=args.jobs, cache=args.cache, energy="chgnet"
            ).metrics["energy"]
            rows[name]["energy by CHGNet: EMD eV/atom"] = second.values["emd"]
        print(f"{name}: measured", file=sys.stderr)
    table = pd.DataFrame(rows).T
    print(table[[c for c in table if "mean" not in c]].to_csv(float_format="%.4f"))


if __name__ == "__main__":
    main()
