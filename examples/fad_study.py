"""The Fréchet ALIGNN distance against the number of samples and against noise (GemsDiff's figures 3 and 4).

    python examples/fad_study.py reference.csv.gz other.csv.gz -o study.png

Left: sets of growing size drawn from the second file against all of the first. Right: the first file's crystals,
rattled or strained, against the first file. Without arguments, rock salts of many sizes stand in for both files.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import matplotlib
import numpy as np
from ase import Atoms
from ase.build import bulk

from asegen.atoms import check_atoms, read_structures
from asegen.metrics.embedding import NetworkEmbedder
from asegen.metrics.frechet import frechet_distance
from asegen.metrics.inputs import Floats, Inputs

matplotlib.use("Agg")
import matplotlib.pyplot as plt

NOISES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8)  # Å, or strain
DRAWS = 5


def crystals(path: str | None, n: int) -> list[Atoms]:
    """A file's first valid crystals, or rock salts."""
    if path is None:
        salts = (a + b for a in ("Li", "Na", "K", "Rb") for b in ("F", "Cl", "Br", "I"))
        return [bulk(name, "rocksalt", a=4.5 + 0.2 * k) for name in salts for k in range(6)]
    found = (structure.atoms for structure in islice(read_structures(Path(path)), n))
    return [atoms for atoms in found if isinstance(atoms, Atoms) and check_atoms(atoms) is None]


def embed(structures: Sequence[Atoms], embedder: NetworkEmbedder) -> Floats:
    """(n, d), of those that pass the gate and that the network knows."""
    rows = embedder.rows([atoms for atoms in structures if check_atoms(atoms) is None], Inputs(()), "")
    return rows[np.isfinite(rows).all(1), 1:]


def against_size(other: Floats, reference: Floats) -> dict[int, tuple[float, float]]:
    """Number of samples -> mean and deviation of the distance over draws."""
    random, found = np.random.default_rng(1), {}
    for n in np.unique(np.geomspace(20, len(other), 8).astype(int)):
        drawn = [frechet_distance(other[random.permutation(len(other))[:n]], reference) for _ in range(DRAWS)]
        found[int(n)] = float(np.mean(drawn)), float(np.std(drawn))
    return found


def noisy(atoms: Atoms, size: float, random: np.random.Generator, strain: bool) -> Atoms:
    """A copy with atoms displaced by a Gaussian, Å, or with a cell under a random symmetric strain."""
    atoms = atoms.copy()
    if strain:
        change = random.normal(scale=size, size=(3, 3))
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + (change + change.T) / 2), scale_atoms=True)
    else:
        atoms.positions += random.normal(scale=size, size=atoms.positions.shape)
    return atoms


def against_noise(
    structures: Sequence[Atoms], reference: Floats, embedder: NetworkEmbedder, strain: bool
) -> dict[float, float]:
    """Size of the noise -> distance."""
    found = {}
    for size in NOISES:
        random = np.random.default_rng(1)
        rows = embed([noisy(atoms, size, random, strain) for atoms in structures], embedder)
        found[size] = frechet_distance(rows, reference) if len(rows) > 1 else float("nan")
    return found


def main() -> None:
    """Prints both curves and draws them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference", nargs="?")
    parser.add_argument("other", nargs="?")
    parser.add_argument("-n", type=int, default=20_000, help="crystals of each file, at most")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    embedder = NetworkEmbedder("alignn-formation-energy", args.cache)
    known = crystals(args.reference, args.n)
    reference = embed(known, embedder)
    sizes = against_size(embed(crystals(args.other, args.n), embedder), reference)
    for n, (mean, deviation) in sizes.items():
        print(f"{n} samples: {mean:.4f} ± {deviation:.4f}")
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    left.errorbar(list(sizes), *zip(*sizes.values(), strict=True), marker="o")
    left.set(xscale="log", yscale="log", xlabel="samples", ylabel="FAD")
    for name, strain in (("positions, Å", False), ("strain", True)):
        noise = against_noise(known, reference, embedder, strain)
        print(f"{name}: " + ", ".join(f"{size:g}: {distance:.4f}" for size, distance in noise.items()))
        right.plot(list(noise), list(noise.values()), marker="o", label=name)
    right.set(xlabel="noise", ylabel="FAD")
    right.legend()
    if args.output:
        figure.savefig(args.output, dpi=150)


if __name__ == "__main__":
    main()
