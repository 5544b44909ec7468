"""How long it takes to find the copies among many inputs, and how that grows with their number.

    python examples/studies/duplicates.py train.csv.gz --formulas 210 --inputs 20000

A formula's crystals are those of the file that have the same proportions, with the formula's elements put in and the
volume an atom of the formula's own; each comes several times, rattled, in other cells and orientations. The inputs are
what `asegen screen` would get from a generator that draws every formula often.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import make_supercell

from asegen.structures.atoms import read_structures
from asegen.structures.matching import STRICT, Distinct

CELLS = ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 1, 0], [0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 0], [1, 0, 1]])
RATTLE = 0.02  # Å


def by_proportions(path: Path, largest: int) -> dict[tuple[int, ...], list[Atoms]]:
    """The crystals of a file of up to so many atoms, by the numbers of atoms of each element in lowest terms."""
    found = defaultdict(list)
    for structure in read_structures(path):
        atoms = structure.atoms
        if isinstance(atoms, Atoms) and len(atoms) <= largest:
            counts = sorted(Counter(atoms.numbers).values())
            found[tuple(count // np.gcd.reduce(counts) for count in counts)].append(atoms)
    return found


def substituted(host: Atoms, of: Atoms) -> Atoms:
    """The host with another crystal's elements, in the order of their amounts, and that crystal's volume an atom."""
    elements, own = ([z for z, _ in sorted(Counter(a.numbers).items(), key=lambda c: (c[1], c[0]))] for a in (of, host))
    made = host.copy()
    made.numbers = [elements[own.index(z)] for z in host.numbers]
    volume = of.get_volume() / len(of) * len(host)
    made.set_cell(made.cell * (volume / made.get_volume()) ** (1 / 3), scale_atoms=True)
    return made


def disguised(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """A rattled copy in another cell, orientation and order."""
    copy = make_supercell(atoms, CELLS[rng.integers(len(CELLS))])
    copy.rattle(RATTLE, rng=rng)
    copy.rotate(360 * rng.random(), rng.normal(size=3), rotate_cell=True)
    return copy[rng.permutation(len(copy))]


def inputs(path: Path, formulas: int, total: int, copies: int, seed: int, largest: int) -> Iterator[list[Atoms]]:
    """The inputs of one formula after the other, shuffled."""
    rng = np.random.default_rng(seed)
    pools = by_proportions(path, largest)
    each = -(-total // formulas)
    wanted = -(-each // copies)
    big = sorted(shape for shape, pool in pools.items() if len(pool) >= wanted)
    for k in range(formulas):
        pool = pools[big[k % len(big)]]
        of = pool[rng.integers(len(pool))]
        hosts = [substituted(pool[i], of) for i in rng.permutation(len(pool))[:wanted]]
        made = [disguised(host, rng) for host in hosts for _ in range(copies)]
        yield [made[i] for i in rng.permutation(len(made))[:each]]


def searched(groups: Sequence[Sequence[Atoms]]) -> list[list[int | None]]:
    """For each input of each formula, the earlier one that it is a copy of."""
    found = []
    for group in groups:
        seen = Distinct(STRICT)
        found.append([seen.add(atoms).earlier for atoms in group])
    return found


def main() -> None:
    """Makes the inputs, looks for copies, and prints what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="real crystals")
    parser.add_argument("--formulas", type=int, default=210)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--copies", type=int, default=2, help="of each crystal")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--largest", type=int, default=20, help="atoms of a crystal")
    args = parser.parse_args()
    groups = list(inputs(args.file, args.formulas, args.inputs, args.copies, args.seed, args.largest))
    start = time.process_time()
    found = searched(groups)
    seconds = time.process_time() - start
    total = sum(map(len, groups))
    same = sum(earlier is not None for group in found for earlier in group)
    each = 1e3 * seconds / total
    print(f"{total} inputs of {len(groups)} formulas: {same} copies, {seconds:.0f} CPU s, {each:.2f} ms each")


if __name__ == "__main__":
    main()
