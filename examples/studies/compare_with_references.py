"""Validity, density, match rate and RMSE of generated crystals against the real ones they were asked for.

    asegen generate --from test.csv.gz -o generated.extxyz --seed 1
    python examples/studies/compare_with_references.py generated.extxyz test.csv.gz

Structures are paired by `material_id`. Without arguments, rattled crystals of known prototypes stand in for both files.
"""

from __future__ import annotations

import argparse
import io
import json

import numpy as np
import pandas as pd
from ase import Atoms
from ase.build import bulk
from ase.io import iread, read

from asegen.metrics import evaluate


def compare(pairs: list[tuple[Atoms, Atoms]], jobs: int) -> dict[str, float]:
    """The figures for pairs of a generated and a real crystal."""
    for k, pair in enumerate(pairs):
        for atoms in pair:
            atoms.info["material_id"] = str(k)  # what pairs them
    generated, real = ([pair[k] for pair in pairs] for k in (0, 1))
    found = evaluate(generated, real, metrics=["validity", "density", "match"], jobs=jobs).metrics
    exact = [a.symbols.formula.count() == b.symbols.formula.count() for a, b in pairs]
    return {
        "structures": len(pairs),
        "exact composition %": 100 * float(np.mean(exact)),
        "no pair under 0.5 Å %": 100 * found["validity"].values["published"],
        "stricter gate %": 100 * found["validity"].values["gate"],
        "density EMD g/cm³": found["density"].values["emd"],
        "match rate %": 100 * found["match"].values["match_rate"],
        "RMSE": found["match"].values["rmse"],
    }


def from_files(generated: str, reference: str) -> list[tuple[Atoms, Atoms]]:
    """Pairs by material_id."""
    table = pd.read_csv(reference).set_index("material_id")["cif"]
    return [(atoms, from_cif(table[atoms.info["material_id"]])) for atoms in iread(generated)]


def from_cif(text: str) -> Atoms:
    """The crystal of a CIF of one."""
    atoms = read(io.StringIO(text), format="cif")
    assert isinstance(atoms, Atoms)
    return atoms


def demonstration() -> list[tuple[Atoms, Atoms]]:
    """Known crystals, rattled by 0.05 Å, against themselves."""
    known = [
        bulk("NaCl", "rocksalt", a=5.64),
        bulk("Si"),
        bulk("CsCl", "cesiumchloride", a=4.12),
        bulk("Cu") * (2, 1, 1),
    ]
    pairs = []
    for atoms in known:
        rattled = atoms.copy()
        rattled.rattle(0.05, seed=1)
        pairs.append((rattled, atoms))
    return pairs


def main() -> None:
    """Prints the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("generated", nargs="?")
    parser.add_argument("reference", nargs="?", help="CSV with the columns material_id and cif")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    pairs = from_files(args.generated, args.reference) if args.reference else demonstration()
    print(json.dumps(compare(pairs, args.jobs), indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
