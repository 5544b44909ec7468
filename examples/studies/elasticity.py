"""Bulk and shear moduli by a potential against the Materials Project's.

    python examples/studies/elasticity.py test.csv.gz -n 30 --max-atoms 6 --calculator chgnet -o moduli.csv

The file has columns `cif`, `bulk_modulus` and `shear_modulus` (Voigt-Reuss-Hill, GPa). Rows are drawn with a seed;
those that are in the output already are not computed again. Without arguments, EMT stands in: metals against cells
strained by hand.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from io import StringIO
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from ase import Atoms
from ase.build import bulk
from ase.io import read

from asegen.potentials.engine import find_engine
from asegen.screening.stages.calculated import NotMeasurableError
from asegen.screening.stages.elastic import elastic_constants

_FIELDS = ("id", "formula", "n_atoms", "bulk", "shear", "bulk_found", "shear_found", "stability", "seconds")
_METALS = {"Cu": (137, 48), "Ag": (104, 30), "Au": (173, 28), "Ni": (186, 85), "Al": (76, 26), "Pd": (193, 48)}
"""Bulk and shear modulus of experiment, GPa (Simmons and Wang, Single Crystal Elastic Constants, 1971, averaged)."""


def sample(path: Path | None, n: int, max_atoms: int, seed: int) -> Iterator[tuple[str, Atoms, float, float]]:
    """Identifiers, crystals and their moduli in GPa."""
    if path is None:
        for symbol, moduli in _METALS.items():
            yield symbol, bulk(symbol), *moduli
        return
    table = pd.read_csv(path)
    table = table[(table["n_atoms"] <= max_atoms) & (table["shear_modulus"] > 0)]
    drawn = table.sample(min(n, len(table)), random_state=seed).sort_values("n_atoms", kind="stable")
    for _, row in drawn.iterrows():
        atoms = read(StringIO(row["cif"]), format="cif")
        assert isinstance(atoms, Atoms)  # one frame
        yield row["material_id"], atoms, row["bulk_modulus"], row["shear_modulus"]


def measured(id: str, atoms: Atoms, bulk: float, shear: float, calculator: str) -> dict[str, object]:
    """A row of the table."""
    start = time.process_time()
    row: dict[str, object] = {"id": id, "formula": atoms.get_chemical_formula("metal"), "n_atoms": len(atoms)}
    row |= {"bulk": bulk, "shear": shear}
    try:
        found = elastic_constants(atoms, find_engine(calculator).calculator())
    except (NotMeasurableError, ValueError) as error:
        return row | {"stability": str(error), "seconds": round(time.process_time() - start, 1)}
    row |= {"bulk_found": found.bulk_modulus, "shear_found": found.shear_modulus, "stability": found.stability}
    return row | {"seconds": round(time.process_time() - start, 1)}


def told(path: Path) -> None:
    """Errors of the crystals that are stable."""
    table = pd.read_csv(path)
    print(table.to_string(index=False, float_format="%.1f"))
    good = table[table["stability"] == "stable"]
    for name in ("bulk", "shear"):
        error = good[f"{name}_found"] - good[name]
        relative = (error.abs() / good[name]).median()
        spread = error.abs().std() / np.sqrt(len(error))
        print(
            f"{name} modulus, {len(good)} of {len(table)} crystals: mean error {error.abs().mean():.1f} ± {spread:.1f} "
            f"GPa, bias {error.mean():+.1f} GPa, median relative error {100 * relative:.0f} %"
        )


def main() -> None:
    """Runs the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("-n", type=int, default=30)
    parser.add_argument("--max-atoms", type=int, default=6)
    parser.add_argument("--smallest", type=int, metavar="K", help="only so many of those drawn, the smallest first")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calculator", default=None)
    parser.add_argument("-o", "--output", type=Path, default=Path("moduli.csv"))
    args = parser.parse_args()
    calculator = args.calculator or ("emt" if args.data is None else "chgnet")
    done = set(pd.read_csv(args.output)["id"]) if args.output.exists() else set()
    with args.output.open("a", newline="") as file:
        writer = csv.DictWriter(file, _FIELDS)
        if not done:
            writer.writeheader()
        for crystal in islice(sample(args.data, args.n, args.max_atoms, args.seed), args.smallest):
            if crystal[0] not in done:
                writer.writerow(measured(*crystal, calculator))
                file.flush()
    told(args.output)


if __name__ == "__main__":
    main()
