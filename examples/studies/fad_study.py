"""The Fréchet ALIGNN distance against the number of samples and against noise (GemsDiff's figures 3 and 4).

    python examples/studies/fad_study.py test.csv.gz train.csv.gz -o study.png

Left: sets of growing size drawn from the second file against all of the first, with the true spread over draws and
with the interval that `asegen evaluate` would give for one of them. Right: the first file's crystals, rattled or
strained, against themselves as they are. Without arguments, rock salts of many sizes stand in for both files.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from ase import Atoms
from ase.build import bulk

from asegen.metrics.embedding import NetworkEmbedder
from asegen.metrics.frechet import frechet_distance, standard_error
from asegen.metrics.inputs import Floats, Inputs
from asegen.structures.atoms import check_atoms, read_structures

matplotlib.use("Agg")
import matplotlib.pyplot as plt

NOISES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0)  # Å
STRAINS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
DRAWS = 10


class Size(NamedTuple):
    """The distance of sets of one size.

    Mean and spread over draws, the bootstrap's mean standard error, and how many of the draws' 95 % intervals hold the
    distance of the largest set.
    """

    mean: float
    spread: float
    bootstrap: float
    covering: int


def crystals(path: str | None, n: int) -> list[Atoms]:
    """A file's first valid crystals of at most 20 atoms, or rock salts."""
    if path is None:
        salts = (a + b for a in ("Li", "Na", "K", "Rb") for b in ("F", "Cl", "Br", "I"))
        return [bulk(name, "rocksalt", a=4.5 + 0.2 * k) for name in salts for k in range(6)]
    found = (structure.atoms for structure in read_structures(Path(path)))
    good = (a for a in found if isinstance(a, Atoms) and len(a) <= 20 and check_atoms(a) is None)
    return list(islice(good, n))


def embed(structures: Sequence[Atoms], embedder: NetworkEmbedder, cache: Path | None) -> Floats:
    """(n, d), of those that pass the gate and that the network knows."""
    rows = embedder.rows([atoms for atoms in structures if check_atoms(atoms) is None], Inputs((), cache=cache), "")
    return rows[np.isfinite(rows).all(1), 1:]


def against_size(other: Floats, reference: Floats, smallest: int) -> dict[int, Size]:
    """Number of samples -> their distance."""
    random, found = np.random.default_rng(1), {}
    largest = frechet_distance(other, reference)
    for n in np.unique(np.geomspace(smallest, len(other), 9).astype(int)):
        drawn = [other[random.permutation(len(other))[:n]] for _ in range(DRAWS)]
        distances = np.array([frechet_distance(rows, reference) for rows in drawn])
        errors = np.array([standard_error(rows, reference, 20) for rows in drawn])
        covering = int((np.abs(distances - largest) <= 1.96 * errors).sum())
        found[int(n)] = Size(distances.mean(), distances.std(ddof=1), errors.mean(), covering)
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
    structures: Sequence[Atoms], embedder: NetworkEmbedder, strain: bool, cache: Path | None
) -> dict[float, tuple[float, int]]:
    """Size of the noise -> distance, and how many crystals passed the validity gate."""
    found, reference = {}, embed(structures, embedder, cache)
    for size in STRAINS if strain else NOISES:
        random = np.random.default_rng(1)
        rows = embed([noisy(atoms, size, random, strain) for atoms in structures], embedder, cache)
        found[size] = frechet_distance(rows, reference) if len(rows) > 1 else float("nan"), len(rows)
    return found


def main() -> None:
    """Prints both curves and draws them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference", nargs="?")
    parser.add_argument("other", nargs="?")
    parser.add_argument("-n", type=int, default=20_000, help="crystals of each file, at most")
    parser.add_argument("--noisy", type=int, default=1000, help="crystals that meet noise, at most")
    parser.add_argument("--embedder", default="alignn-formation-energy")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    embedder = NetworkEmbedder(args.embedder)
    known, other = crystals(args.reference, args.n), crystals(args.other, args.n)
    rows = [embed(side, embedder, args.cache) for side in (other, known)]
    sizes = against_size(rows[0], rows[1], 50 if args.reference else 10)
    print(f"against {len(rows[1])}\nsamples,FAD,spread,bootstrap's spread,intervals of {DRAWS} that hold the last FAD")
    for n, size in sizes.items():
        print(f"{n},{size.mean:.4f},{size.spread:.4f},{size.bootstrap:.4f},{size.covering}")
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for shift, what in ((1, "spread"), (1.06, "bootstrap")):
        values = [(n * shift, size.mean, getattr(size, what)) for n, size in sizes.items()]
        left.errorbar(*zip(*values, strict=True), marker="o", capsize=3, label=f"± {what}")
    left.set(xscale="log", yscale="log", xlabel="samples", ylabel="FAD")
    left.legend()
    for name, strain in (("positions, Å", False), ("strain", True)):
        noise = against_noise(known[: args.noisy], embedder, strain, args.cache)
        print(f"\n{name},FAD,crystals")
        for strength, (distance, n) in noise.items():
            print(f"{strength:g},{distance:.4f},{n}")
        right.plot(list(noise), [distance for distance, _ in noise.values()], marker="o", label=name)
    right.set(xlabel="noise", ylabel="FAD")
    right.legend()
    if args.output:
        figure.savefig(args.output, dpi=100)


if __name__ == "__main__":
    main()
