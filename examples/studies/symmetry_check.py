"""Do generated crystals have the space group that they were asked for? All 230 groups, by spglib, and a table.

    python examples/studies/symmetry_check.py --per-group 10

For each group, compositions of known crystals in it are drawn (a small one that fits where none is known), one sample
each. A structure passes if its composition is exact and spglib, within 1e-3 Å and from scratch, finds a group with all
operations of the one that was asked for. Without arguments a few groups are tried.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from asegen.generation.compositions import composition
from asegen.generation.drawing import draw
from asegen.generation.plan import cut_batches, make_plan
from asegen.generation.sources.symmetric import Symmetric
from asegen.generation.target import Target
from asegen.prototypes.catalogue import Catalogue
from asegen.structures.space_groups import symmetry_dataset
from asegen.symmetry.assignments import fits
from asegen.symmetry.groups import space_group
from asegen.symmetry.symbols import crystal_system

_AT_ONCE = 64
A_FEW = (2, 14, 62, 139, 166, 194, 225)


def compositions_of(catalogue: Catalogue, number: int, n: int, largest: int = 24) -> list[Target]:
    """`n` compositions that fit a group, of known crystals first, each with the group."""
    found = []
    for occupation in sorted(catalogue.known):
        if occupation.group == number and sum(occupation.counts.values()) <= largest:
            found.append(occupation.counts)
    if not found:
        sizes = sorted({position.size for position in space_group(number).positions})
        found = [{11: a, 17: b} for a in sizes for b in sizes if fits(space_group(number), {11: a, 17: b})][:n]
    step = max(1, len(found) // n)
    chosen = [found[(k * step) % len(found)] for k in range(n)]
    return [with_group(counts, number) for counts in chosen]


def with_group(counts: dict[int, int], number: int) -> Target:
    """A composition that is to have a group."""
    return Target(composition({chemical_symbols[z]: n for z, n in counts.items()}), number)


def passes(atoms: Atoms, wanted: Target) -> bool:
    """Exact composition, and all operations of the group, as spglib sees the structure."""
    if Counter(atoms.numbers.tolist()) != Counter(wanted.numbers):
        return False
    data = symmetry_dataset(atoms, 1e-3)
    # Operations modulo lattice translations: a subgroup's number divides the group's, for each primitive cell.
    n = len(space_group(wanted.spacegroup or 1).rotations)
    return data is not None and atoms.info["spacegroup"] == data.number and len(data.rotations) % n == 0


def main() -> None:
    """Draws, checks, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-group", type=int, help="structures of each of the 230 groups")
    parser.add_argument("--model", help="weights; the default model without it")
    parser.add_argument("--search", action="store_true", help="the full search instead of one trajectory each")
    args = parser.parse_args()
    groups = A_FEW if args.per_group is None else range(1, 231)
    source = Symmetric(model=args.model, quick=not args.search)
    catalogue = source.assignments.catalogue
    wanted = [target for number in groups for target in compositions_of(catalogue, number, args.per_group or 2)]
    source.check(wanted, force=True)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    began = time.process_time()
    for batch in cut_batches(make_plan(wanted), _AT_ONCE):
        for sample, atoms in zip(batch, draw(source, batch, seed=1), strict=True):
            row = counts[crystal_system(sample.target.spacegroup or 1)]
            row["structures"] += 1
            row["exact"] += passes(atoms, sample.target)
            row["the group itself"] += atoms.info.get("spacegroup") == sample.target.spacegroup
            row["drawn again"] += atoms.info["attempt"] > 0
    seconds = (time.process_time() - began) / len(wanted)
    print(
        f"{'system':14}" + "".join(f"{name:>18}" for name in ("structures", "exact", "the group itself", "drawn again"))
    )
    total: Counter[str] = sum(counts.values(), Counter())
    for system, row in [*counts.items(), ("all", total)]:
        print(
            f"{system:14}"
            + "".join(f"{row[name]:18}" for name in ("structures", "exact", "the group itself", "drawn again"))
        )
    print(f"{100 * total['exact'] / total['structures']:.2f} % exact, {seconds:.3f} CPU s a structure")
    assert np.isclose(total["exact"], total["structures"]), "a structure lacks its group"


if __name__ == "__main__":
    main()
