"""How good predicted energies above the hull are, by formation energies and against known crystals of the composition.

    python examples/studies/predicted_hull.py test.csv.gz

The file has the columns of the Materials Project's splits: cif, energy_above_hull.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asegen.generation.stability import ABOVE_HULL, FORMATION_ENERGY, Stability
from asegen.hull.table import STEP, shipped_hull
from asegen.structures.reading import read_entries, read_entry

STABLE = 0.05
"""eV/atom above the hull, up to which a crystal counts as stable enough."""
MAX_ATOMS = 20


def energies(path: Path) -> NDArray[np.float64]:
    """Above the hull by formation energies, against known crystals, and as the file has it: (3, n), eV/atom."""
    crystals, truth = [], []
    for entry in read_entries(path):
        _, atoms, values = read_entry(entry)
        if len(atoms) <= MAX_ATOMS:
            crystals.append(atoms)
            truth.append(float(str(values["energy_above_hull"])))
    Stability().judge(crystals)
    found = [
        (shipped_hull().above(Counter(a.numbers.tolist()), a.info[FORMATION_ENERGY]), a.info[ABOVE_HULL], above)
        for a, above in zip(crystals, truth, strict=True)
        if ABOVE_HULL in a.info
    ]
    return np.array(found).T


def row(name: str, predicted: NDArray[np.float64], truth: NDArray[np.float64]) -> str:
    """A line of Markdown: number, mean absolute error with its standard error, median, F1 of `STABLE`."""
    errors = np.abs(predicted - truth)
    said, are = predicted <= STABLE, truth <= STABLE
    f1 = 2 * (said & are).sum() / (said.sum() + are.sum())
    mean = f"{errors.mean():.4f} ± {errors.std(ddof=1) / np.sqrt(len(errors)):.4f}"
    return f"| {name} | {len(errors)} | {mean} | {np.median(errors):.4f} | {f1:.3f} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    plain, measured, truth = energies(parser.parse_args().file)
    known = np.abs(plain - measured) > STEP
    print("| | crystals | MAE, eV/atom | median | F1 |")
    print("| --- | --- | --- | --- | --- |")
    print(row("by formation energies", plain, truth))
    print(row("against known crystals", measured, truth))
    print(row("those with one, by formation energies", plain[known], truth[known]))
    print(row("those with one, against it", measured[known], truth[known]))


if __name__ == "__main__":
    main()
