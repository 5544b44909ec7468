"""How often atoms that were taken out of known crystals come back.

    python examples/studies/host_tables.py test.csv.gz -n 200 --seed 1

From each crystal one element, chosen at random, is taken out; the rest is the host, in its own cell. `asegen generate
--host` draws the atoms anew, and for comparison they are placed at the largest holes between the others (vertices of
the Voronoi diagram), one after the other: the largest hole first, for further tries one of the five largest at random.

Two measures: pymatgen's StructureMatcher with its own tolerances, without scaling and in the same cell; and "0.5 Å",
with no atom farther than that from its place. The first forgives a single atom at a wrong place among many.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
from ase import Atoms
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor
from scipy.spatial import QhullError, Voronoi, cKDTree

from asegen import Generator, Request
from asegen.structures.atoms import read_structures

TRIES = 5
NEAR = 0.5
"""Å, within which an atom is at its place."""
_MERGED = 0.5  # Å, between two vertices that are one hole
_REACH = 8.0  # Å, of the images that decide a Voronoi diagram

Fill = Callable[[Atoms, list[str]], list[Atoms]]
"""A host, and symbols of what was taken out -> up to `TRIES` fillings, the best first."""


def cases(path: Path, n: int, seed: int, max_atoms: int) -> Iterator[tuple[Atoms, str]]:
    """Crystals of at least two elements, each with one of these; ordered by chance."""
    chance = random.Random(seed)
    crystals = [one.atoms for one in read_structures(path) if isinstance(one.atoms, Atoms)]
    fit = [atoms for atoms in crystals if len(set(atoms.symbols)) > 1 and len(atoms) <= max_atoms]
    for atoms in chance.sample(fit, min(n, len(fit))):
        yield atoms, chance.choice(sorted(set(atoms.symbols)))


def by_flow(rank: str | None, seed: int) -> Fill:
    """What the command does."""
    generator = Generator("host", rank=rank)

    def fill(host: Atoms, taken: list[str]) -> list[Atoms]:
        counts = {symbol: taken.count(symbol) for symbol in taken}
        return generator.generate(Request(host=host, add=counts), n=TRIES, seed=seed)

    return fill


def by_holes(seed: int) -> Fill:
    """Atoms in the largest holes."""
    chance = np.random.default_rng(seed)

    def fill(host: Atoms, taken: list[str]) -> list[Atoms]:
        found = []
        for trial in range(TRIES):
            filled = Atoms(host.numbers, host.positions, cell=host.cell, pbc=True)
            for symbol in taken:
                places = holes(filled)
                choice = 0 if trial == 0 else int(chance.integers(min(5, len(places)))) if len(places) else 0
                place = places[choice] if len(places) else chance.random(3)
                filled += Atoms(symbol, positions=[place @ host.cell.array])
            found.append(filled)
        return found

    return fill


def holes(atoms: Atoms) -> np.ndarray:
    """(n, 3), fractional, centres of the empty spheres that touch at least four atoms, the largest first."""
    cell = atoms.cell.array
    heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    shifts = np.array(list(product(*(range(-math.ceil(_REACH / h), math.ceil(_REACH / h) + 1) for h in heights))))
    points = (atoms.get_scaled_positions()[None] + shifts[:, None]).reshape(-1, 3) @ cell
    try:
        vertices = Voronoi(points, qhull_options="Qbb Qc Qz QJ").vertices @ np.linalg.inv(cell)
    except QhullError:  # atoms in a plane
        return np.zeros((0, 3))
    vertices = vertices[((vertices > -1e-6) & (vertices < 1 - 1e-6)).all(1)]
    radii, _ = cKDTree(points).query(vertices @ cell)
    kept: list[np.ndarray] = []
    for vertex in vertices[np.argsort(-radii, kind="stable")]:
        away = vertex - np.array(kept).reshape(-1, 3)
        if not kept or np.linalg.norm((away - np.rint(away)) @ cell, axis=1).min() > _MERGED:
            kept.append(vertex)
    return np.array(kept).reshape(-1, 3)


def is_back(found: Atoms, known: Atoms) -> tuple[bool, bool]:
    """Whether the matcher says so, and whether every atom is near to its place."""
    matcher = StructureMatcher(primitive_cell=False, scale=False)
    plain = [
        AseAtomsAdaptor.get_structure(Atoms(a.numbers, a.positions, cell=a.cell, pbc=True)) for a in (found, known)
    ]
    distances = matcher.get_rms_dist(*plain)
    if distances is None:
        return False, False
    return True, distances[1] * (known.get_volume() / len(known)) ** (1 / 3) < NEAR


def measured(fill: Fill, chosen: list[tuple[Atoms, str]]) -> tuple[np.ndarray, int, float]:
    """(n, TRIES, 2), whether each try is back by either measure; structures that were made; CPU seconds."""
    back = np.zeros((len(chosen), TRIES, 2), bool)
    made, spent = 0, 0.0
    for k, (known, element) in enumerate(chosen):
        out = known.symbols == element
        began = time.process_time()
        found = fill(known[~out], [element] * int(out.sum()))
        spent += time.process_time() - began
        made += len(found)
        back[k, : len(found)] = [is_back(atoms, known) for atoms in found]
    return back, made, spent


def main() -> None:
    """Prints a line for each way to fill."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("crystals", type=Path, help="CSV with CIFs, or any other file of crystals")
    parser.add_argument("-n", type=int, default=100, help="crystals")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-atoms", type=int, default=20)
    parser.add_argument("--rank", nargs="*", default=[], help="also order the flow's fillings by these energies")
    args = parser.parse_args()
    chosen = list(cases(args.crystals, args.n, args.seed, args.max_atoms))
    ways = {"flow": by_flow(None, args.seed)}
    ways |= {f"flow, ranked by {rank}": by_flow(rank, args.seed) for rank in args.rank}
    print(
        "| | first | best of 5 | first, 0.5 Å | best of 5, 0.5 Å | fillings | CPU s a filling |\n" + "| --- " * 7 + "|"
    )
    for name, fill in ({"largest holes": by_holes(args.seed)} | ways).items():
        back, made, spent = measured(fill, chosen)
        shares = [100 * part.mean() for measure in (0, 1) for part in (back[:, 0, measure], back[..., measure].any(1))]
        texts = " | ".join(f"{share:.0f} ± {math.sqrt(share * (100 - share) / len(chosen)):.0f} %" for share in shares)
        print(f"| {name} | {texts} | {made} | {spent / TRIES / len(chosen):.2f} |", flush=True)


if __name__ == "__main__":
    main()
