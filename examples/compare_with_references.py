"""Validity, density, match rate and RMSE of generated crystals against the real ones they were asked for.

    asegen generate --from test.csv.gz -o generated.extxyz --seed 1
    python examples/compare_with_references.py generated.extxyz test.csv.gz

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
from ase.io import read
from scipy.stats import wasserstein_distance

from asegen.atoms import check_atoms, shortest_distance
from asegen.metrics.matching import rms_distances
from asegen.structure_checks import density


def compare(pairs: list[tuple[Atoms, Atoms]], jobs: int) -> dict[str, float]:
    """The figures for pairs of a generated and a real crystal."""
    distances = rms_distances([(real, generated) for generated, real in pairs], jobs)
    matched = [d for d in distances if d is not None]
    generated = [a for a, _ in pairs]
    return {
        "structures": len(pairs),
        "exact composition %": 100
        * np.mean([a.symbols.formula.count() == b.symbols.formula.count() for a, b in pairs]),
        "no pair under 0.5 Å %": 100 * np.mean([shortest_distance(a) >= 0.5 for a in generated]),
        "stricter gate %": 100 * np.mean([check_atoms(a) is None for a in generated]),
        "density EMD g/cm³": wasserstein_distance([density(a) for a in generated], [density(b) for _, b in pairs]),
        "match rate %": 100 * len(matched) / len(pairs),
        "RMSE": float(np.mean(matched)) if matched else float("nan"),
    }


def from_files(generated: str, reference: str) -> list[tuple[Atoms, Atoms]]:
    """Pairs by material_id."""
    table = pd.read_csv(reference).set_index("material_id")["cif"]
    frames = read(generated, ":")
    return [(a, read(io.StringIO(table[a.info["material_id"]]), format="cif")) for a in frames]


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
