"""Perovskites with CHGNet's energies, from which a network learns before it learns the heats of Perov-5.

    python examples/studies/taught_perovskites.py train.csv.gz -o taught.extxyz --not-in val.csv.gz test.csv.gz

Every crystal is one of the training set with both metals exchanged for others that stand in these places there. Its
volume follows from a regression of the training set's logarithms on the elements and their places, and is changed by
some percent at random. Crystals that have the elements of one of the training set, or of what must not be in it, in the
same places are left out. CHGNet's energy becomes a heat by a linear regression on the training set: a slope, and a
number for each element.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from ase.io import write
from chgnet_heights import energies

from asegen.structures.reading import read_entries, read_entry

TARGET = "heat_all"
ELEMENTS = len(chemical_symbols)
ANIONS = [atomic_numbers[symbol] for symbol in ("N", "O", "F", "S")]
VOLUMES = 0.06
"""Standard deviation of the logarithms of volumes about the regression's."""
RIDGE = 0.1


def places(atoms: Atoms) -> tuple[int, int]:
    """Indices of the two metals: that with twelve anions around it, farther from the nearest, and that with six."""
    anion = np.isin(atoms.numbers, ANIONS)
    distances = atoms.get_all_distances(mic=True)[np.ix_(~anion, anion)].min(1)
    metals = np.flatnonzero(~anion)[np.argsort(-distances)]
    if len(metals) != 2:
        raise ValueError(f"{atoms.symbols} is no perovskite of two metals")
    return int(metals[0]), int(metals[1])


def counts(atoms: Atoms) -> np.ndarray:
    """(119,): how many atoms there are of each element."""
    return np.bincount(atoms.numbers, minlength=ELEMENTS)


def by_place(atoms: Atoms) -> np.ndarray:
    """(357,): the element of the first place, of the second, and numbers of anions."""
    vector = np.zeros((3, ELEMENTS))
    first, second = places(atoms)
    vector[0, atoms.numbers[first]] = vector[1, atoms.numbers[second]] = 1
    vector[2] = counts(atoms) * np.isin(np.arange(ELEMENTS), ANIONS)
    return vector.ravel()


def fitted(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Ridge regression of y (n,) on x (n, m): m weights."""
    return np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y)


def occupation(atoms: Atoms) -> tuple[int, ...]:
    """Elements of both metals' places and of the anions: what tells one perovskite from another."""
    first, second = places(atoms)
    anions = np.delete(atoms.numbers, [first, second])
    return int(atoms.numbers[first]), int(atoms.numbers[second]), *sorted(anions.tolist())


def substituted(known: Sequence[Atoms], left_out: Sequence[Atoms], n: int, seed: int) -> list[Atoms]:
    """`n` different perovskites of the known ones' metals and anions, none of them known or left out."""
    rng = np.random.default_rng(seed)
    weights = fitted(np.array([by_place(one) for one in known]), np.log([one.get_volume() for one in known]))
    seen = {occupation(one) for one in (*known, *left_out)}
    metals = np.array([one.numbers[list(places(one))] for one in known])
    anions = {occupation(one)[2:] for one in known}
    possible = {
        (*pair, *rest) for pair in product(*map(set, metals.T.tolist())) if len({*pair}) == 2 for rest in anions
    }
    if n > len(possible - seen):
        raise SystemExit(f"-n {n}: there are {len(possible - seen)} others")
    found: list[Atoms] = []
    while len(found) < n:
        atoms = known[int(rng.integers(len(known)))].copy()
        pair = list(places(atoms))
        atoms.numbers[pair] = [rng.choice(elements) for elements in metals.T]
        first, second, *_ = own = occupation(atoms)
        if first == second or own in seen:
            continue
        seen.add(own)
        volume = np.exp(by_place(atoms) @ weights + VOLUMES * rng.normal())
        atoms.set_cell(atoms.cell * (volume / atoms.get_volume()) ** (1 / 3), scale_atoms=True)
        found.append(atoms)
    return found


def read(path: Path) -> tuple[list[Atoms], np.ndarray]:
    """Crystals of a file, and their heats (n,)."""
    rows = [read_entry(entry)[1:] for entry in read_entries(path)]
    return [atoms for atoms, _ in rows], np.array([float(str(values[TARGET])) for _, values in rows])


def main() -> None:
    """Makes the crystals and their heats."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--not-in", type=Path, nargs="*", default=[], help="files whose perovskites are left out")
    parser.add_argument("-n", type=int, default=12000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    known, heats = read(args.train)
    left_out = [atoms for path in args.not_in for atoms in read(path)[0]]
    made = substituted(known, left_out, args.n, args.seed)
    computed = np.array(energies([*known, *made]))
    x = np.c_[np.array([counts(atoms) for atoms in (*known, *made)]), computed]
    of_known = np.flatnonzero(np.isfinite(computed[: len(known)]))
    weights = fitted(x[of_known], heats[of_known])
    errors = x[of_known] @ weights - heats[of_known]
    print(f"slope {weights[-1]:.2f}; the training set's heats are met within {np.abs(errors).mean():.3f} eV")
    taught = []
    for k, (atoms, heat) in enumerate(zip(made, x[len(known) :] @ weights, strict=True)):
        if np.isfinite(heat):
            atoms.info = {"material_id": f"taught-{k}", TARGET: round(float(heat), 5)}
            taught.append(atoms)
    write(args.output, taught, format="extxyz")
    print(f"{len(taught)} crystals")


if __name__ == "__main__":
    main()
