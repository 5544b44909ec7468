"""Formation energies by CHGNet of crystals that no data tell, to train a network on.

The Materials Project's crystals lie near the hull, and a network that knows no others takes bad crystals for good ones:
rock-salt ZnO came out 0.03 eV/atom below the hull (0.15 above it by CHGNet). So the network learns from CHGNet's
energies of other databases' crystals and of generated ones, too.

    python examples/studies/taught_energies.py formulas train.csv.gz extra.csv.gz -o formulas.txt -n 3000 --seed 1
    asegen generate --from formulas.txt --method template -n 3 --quick --seed 1 -o templates.extxyz
    asegen generate --from formulas.txt --method diffusion -n 1 --quick --seed 2 -o diffusion.extxyz
    python examples/studies/taught_energies.py energies extra.csv.gz templates.extxyz diffusion.extxyz -o taught.extxyz

`formulas` draws compositions of known crystals and exchanges an element for a similar one in half of them. `energies`
leaves out what has a formation energy already, what fails the validity gate or CHGNet refuses, and what lies more than
3 eV/atom above the hull.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from ase import Atoms
from ase.data import chemical_symbols
from ase.formula import Formula
from ase.io import write
from chgnet_heights import heights

from asegen.hull.table import shipped_hull
from asegen.potentials.chgnet import ELEMENTS
from asegen.prototypes.votes import distances
from asegen.structures.reading import read_entries, read_entry

TARGET = "formation_energy_per_atom"
HIGHEST = 3.0
"""eV/atom above the hull, beyond which nobody asks."""
SIMILAR = 2.0
"""Chemical distance at which an exchange is e times rarer."""


def drawn_formulas(tables: Sequence[Path], n: int, seed: int) -> list[str]:
    """Formulas of cells of known crystals, in half of which one element has become another."""
    rng = np.random.default_rng(seed)
    known = pd.concat([pd.read_csv(table) for table in tables])
    cells = known[known.n_atoms <= 20].sample(n, random_state=seed)
    found = []
    for formula, atoms in zip(cells.formula, cells.n_atoms, strict=True):
        counts = Formula(formula).count()
        units = int(atoms) // sum(counts.values())
        if rng.random() < 0.5:
            counts = _exchanged(counts, rng)
        found.append("".join(f"{symbol}{number * units}" for symbol, number in counts.items()))
    return found


def _exchanged(counts: dict[str, int], rng: np.random.Generator) -> dict[str, int]:
    """One element, drawn evenly, becomes one that isn't there, the likelier the more alike."""
    old = str(rng.choice(sorted(counts)))
    others = sorted(ELEMENTS - counts.keys())
    z = [chemical_symbols.index(symbol) for symbol in others]
    weights = np.exp(-distances()[chemical_symbols.index(old), z] / SIMILAR)
    new = str(rng.choice(others, p=weights / weights.sum()))
    return {new if symbol == old else symbol: number for symbol, number in counts.items()}


def untold(path: Path) -> Iterator[Atoms]:
    """The structures of a file that have no formation energy."""
    for entry in read_entries(path):
        _, atoms, values = read_entry(entry)
        if values.get(TARGET) in (None, ""):  # 0 is the energy of an element
            yield atoms


def with_energies(structures: Sequence[Atoms]) -> Iterator[Atoms]:
    """Crystals with CHGNet's formation energy on the Materials Project's scale, measured against known crystals."""
    for k, (atoms, above) in enumerate(zip(structures, heights(structures), strict=True)):
        if above <= HIGHEST:
            energy = above + shipped_hull().point(Counter(atoms.numbers.tolist())).energy
            plain = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
            plain.info = {"material_id": f"taught-{k}", TARGET: round(energy, 5)}
            yield plain


def main() -> None:
    """Draws formulas, or computes energies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("formulas", "energies"))
    parser.add_argument("inputs", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("-n", type=int, default=3000, help="formulas")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.part == "formulas":
        args.output.write_text("\n".join(drawn_formulas(args.inputs, args.n, args.seed)) + "\n")
        return
    taught = list(with_energies([atoms for path in args.inputs for atoms in untold(path)]))
    write(args.output, taught, format="extxyz")
    print(f"{len(taught)} crystals")


if __name__ == "__main__":
    main()
