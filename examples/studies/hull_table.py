"""Makes the table of the hull that asegen ships, and measures it on crystals whose energies above the hull are known.

    python examples/studies/hull_table.py mp_hull.csv.gz asegen/hull/mp.npz
    python examples/studies/hull_table.py --check val.csv.gz

The first file has the columns formula, hull_energy_per_atom (eV/atom) and on_hull; the second those of the Materials
Project's splits: cif, formation_energy_per_atom, energy_above_hull.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from ase.data import atomic_numbers
from ase.formula import Formula
from tqdm import tqdm

from asegen.hull.table import HullTable, formula_of, reduced, shipped_hull
from asegen.structures.reading import read_entries, read_entry


def counts_of(formula: str) -> dict[int, int]:
    """Atoms of each element, by atomic number."""
    return {atomic_numbers[symbol]: n for symbol, n in Formula(formula).count().items()}


def table_of(path: Path) -> HullTable:
    """The table of a file of points, with the vertices found."""
    rows = pd.read_csv(path, keep_default_na=False)  # "NaN" is a nitride of sodium
    compositions = [reduced(counts_of(formula)) for formula in rows.formula]
    order = sorted(range(len(rows)), key=lambda k: ([z for z, _ in compositions[k]], compositions[k]))
    pairs = [pair for k in order for pair in compositions[k]]
    n_elements, numbers, counts = (
        np.array(column) for column in ([len(compositions[k]) for k in order], *zip(*pairs, strict=True))
    )
    energies, known = rows.hull_energy_per_atom.to_numpy(float)[order], rows.on_hull.to_numpy()[order] == 1
    everything = HullTable(n_elements, numbers, counts, energies, np.ones(len(order), bool))
    vertices = np.array([is_vertex(everything, dict(compositions[k])) for k in tqdm(order)])
    return HullTable(n_elements, numbers, counts, energies, known | vertices)


def is_vertex(points: HullTable, counts: dict[int, int]) -> bool:
    """Whether a point lies below all that the others span. Then a compound of its own is stable there.

    The column on_hull doesn't tell: it says 0 where the source only had a polymorph that isn't stable.
    """
    if len(counts) == 1:
        return True
    phases = points.point(counts).phases
    return list(phases) == [formula_of(counts)]


def check(path: Path) -> None:
    """Prints the error of the hull's energy at the compositions of known crystals."""
    hull, errors = shipped_hull(), []
    for entry in read_entries(path):
        _, atoms, values = read_entry(entry)
        formed, above = (float(str(values[name])) for name in ("formation_energy_per_atom", "energy_above_hull"))
        errors.append(hull.point(Counter(atoms.numbers.tolist())).energy - (formed - above))
    sizes = np.abs(errors)
    print(f"{len(sizes)} crystals of {path.name}: mean |error| of the hull {sizes.mean():.4f} eV/atom,")
    print(f"median {np.median(sizes):.4f}, 95 % within {np.quantile(sizes, 0.95):.4f}, bias {np.mean(errors):+.4f}")


def main() -> None:
    """Runs the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--check", type=Path, metavar="CSV")
    args = parser.parse_args()
    if len(args.files) == 2:
        table_of(args.files[0]).write(args.files[1])
    if args.check is not None:
        check(args.check)


if __name__ == "__main__":
    main()
